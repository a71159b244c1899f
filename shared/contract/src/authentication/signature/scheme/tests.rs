use super::*;
use proptest::prelude::*;

type Headers = &'static [(&'static str, &'static str)];

fn claim(scheme: &SignatureScheme, headers: &[(&str, &str)], now: i64) -> Result<Claim, SignatureError> {
    scheme.claim(
        |name| headers.iter().find(|(known, _)| known.eq_ignore_ascii_case(name)).map(|(_, value)| *value),
        UnixMicros::new(now * 1_000_000),
    )
}

const SLACK_BODY: &str = "token=xyzz0WbapA4vBCDEFasx0q6G&team_id=T1DC2JH3J&team_domain=testteamnow&channel_id=G8PSS9T3V&channel_name=foobar&user_id=U2CERLKJA&user_name=roadrunner&command=%2Fwebhook-collect&text=&response_url=https%3A%2F%2Fhooks.slack.com%2Fcommands%2FT1DC2JH3J%2F397700885554%2F96rGlfmibIGlgcZRskXaIFfN&trigger_id=398738663015.47445629121.803a0bc887a14d10d2c447fce8b6703c";

/// The examples of the senders' own documentation.
#[test]
fn the_examples_of_the_senders_are_valid_and_a_changed_body_or_secret_is_not() {
    let cases: [(Sender, &str, Headers, i64, &str); 3] = [
        (
            Sender::GitHub,
            "It's a Secret to Everybody",
            &[("X-Hub-Signature-256", "sha256=757107ea0eb2509fc211221cce984b8a37570b6d7586c22c46f4379c8b043e17")],
            0,
            "Hello, World!",
        ),
        (
            Sender::Slack,
            "8f742231b10e8888abcd99yyyzzz85a5",
            &[
                ("x-slack-request-timestamp", "1531420618"),
                ("X-Slack-Signature", "v0=a2114d57b48eac39b9ad189dd8316235a7b4a8d21a10bd27519666489c69b503"),
            ],
            1_531_420_618 + 299,
            SLACK_BODY,
        ),
        (
            Sender::StandardWebhooks,
            "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw",
            &[
                ("webhook-id", "msg_p5jXN8AQM9LWM0D4loKWxJek"),
                ("webhook-timestamp", "1614265330"),
                ("webhook-signature", "v1a,bm9uZQ== v1,g0hM9SsE+OTPJTGt/tmIKtSyZlE3uFJELVlNIOLJ1OE="),
            ],
            1_614_265_330,
            "{\"test\": 2432232314}",
        ),
    ];
    for (sender, secret, headers, now, body) in cases {
        let claim = claim(&SignatureScheme::Of(sender), headers, now).unwrap();
        assert!(claim.is_by(secret, body.as_bytes()), "{sender:?}");
        assert!(!claim.is_by(secret, format!("{body} ").as_bytes()), "{sender:?}");
        assert!(!claim.is_by(&format!("{secret}A"), body.as_bytes()), "{sender:?}");
    }
}

fn hmac(algorithm: HmacAlgorithm, encoding: CodeEncoding, timestamp: Option<&str>) -> SignatureScheme {
    let timestamp = timestamp.map(str::to_owned);
    let (header, prefix) = ("X-Sig".to_owned(), "code=".to_owned());
    SignatureScheme::Hmac(HmacScheme { header, prefix, algorithm, encoding, timestamp, tolerance: Duration::from_secs(60) })
}

fn schemes() -> Vec<SignatureScheme> {
    let mut schemes: Vec<SignatureScheme> = Sender::WORDS.map(|(_, sender)| SignatureScheme::Of(sender)).to_vec();
    for algorithm in [HmacAlgorithm::Sha1, HmacAlgorithm::Sha256, HmacAlgorithm::Sha512] {
        for encoding in [CodeEncoding::Hex, CodeEncoding::Base64] {
            schemes.extend([hmac(algorithm, encoding, None), hmac(algorithm, encoding, Some("X-Time"))]);
        }
    }
    schemes
}

proptest! {
    #[test]
    fn nobody_signs_by_chance(value in "(sha256=|v0=|v1,|t=1,v1=|code=)?[ -~]{0,90}", time in "[0-9+-]{1,20}", body in "\\PC{0,20}") {
        for scheme in schemes() {
            let times = [("X-Time", time.as_str()), ("X-Slack-Request-Timestamp", &time), ("webhook-timestamp", &time)];
            let headers = [&[(scheme.header(), value.as_str()), ("webhook-id", "i")], &times[..]].concat();
            if let Ok(claim) = claim(&scheme, &headers, 1) {
                prop_assert!(!claim.is_by("secret", body.as_bytes()));
            }
        }
    }
}

#[test]
fn a_signed_body_is_valid_by_every_scheme() {
    for scheme in schemes() {
        let signed = scheme.sign("secret", "id", b"body", UnixMicros::new(1_700_000_000_000_000));
        let headers: Vec<(&str, &str)> = signed.iter().map(|(name, value)| (name.as_str(), value.as_str())).collect();
        let claim = claim(&scheme, &headers, 1_700_000_000).unwrap();
        assert!(claim.is_by("secret", b"body"), "{scheme:?}");
        assert!(!claim.is_by("secret", b"bodY") && !claim.is_by("Secret", b"body") && !claim.is_by("", b"body"), "{scheme:?}");
    }
}

/// The values were made by `printf 'BEFOREbody' | openssl dgst -ALGORITHM -hmac secret`.
#[test]
fn codes_are_those_of_openssl() {
    let stripe = SignatureScheme::Of(Sender::Stripe).sign("secret", "", b"body", UnixMicros::new(1_700_000_000_000_000));
    assert_eq!(
        stripe,
        [("Stripe-Signature".to_owned(), "t=1700000000,v1=42ac6f0448c1d9c3e1e82b9726248f58fef84afffcbad5188246e96070e0ea46".to_owned())]
    );
    let sha1 = hmac(HmacAlgorithm::Sha1, CodeEncoding::Hex, None).sign("secret", "", b"body", UnixMicros::default());
    assert_eq!(sha1, [("X-Sig".to_owned(), "code=a18991ff7e4513a1c2d2ee51e3a8e99ca891d9cd".to_owned())]);
    let sha512 = hmac(HmacAlgorithm::Sha512, CodeEncoding::Base64, Some("X-Time")).sign("secret", "", b"body", UnixMicros::new(7_000_000));
    let expected = "code=ge5H5NElsmOiCxJb/WF7LMGI50jfvnMttSmzVawjn/UpxbCfYkeOIq1KTQV1nun7z3KZQDOJhHEcqLrjZyk2Bg==";
    assert_eq!(sha512, [("X-Time".to_owned(), "7".to_owned()), ("X-Sig".to_owned(), expected.to_owned())]);
}

#[test]
fn while_a_sender_changes_its_secret_either_code_will_do() {
    let old = SignatureScheme::Of(Sender::Stripe).sign("old", "", b"x", UnixMicros::default()).remove(0).1;
    let new = SignatureScheme::Of(Sender::Stripe).sign("new", "", b"x", UnixMicros::default()).remove(0).1;
    let both = format!("{old},{},v0=00", new.split_once(',').unwrap().1);
    let claim = claim(&SignatureScheme::Of(Sender::Stripe), &[("stripe-signature", &both)], 0).unwrap();
    assert!(claim.is_by("old", b"x") && claim.is_by("new", b"x") && !claim.is_by("other", b"x"));
}

#[test]
fn an_error_says_that_a_signature_is_missing_malformed_or_too_old() {
    let missing = |header: &str| Err(SignatureError::Missing(header.to_owned()));
    let malformed = |header: &str, form: &str| Err(SignatureError::Malformed { header: header.to_owned(), form: form.to_owned() });
    let stale = |seconds: u64| Err(SignatureError::Stale(Duration::from_secs(seconds)));
    let timed = hmac(HmacAlgorithm::Sha256, CodeEncoding::Hex, Some("X-Time"));
    let of = SignatureScheme::Of;
    let cases: [(SignatureScheme, Headers, Result<Claim, SignatureError>); 13] = [
        (of(Sender::GitHub), &[], missing("X-Hub-Signature-256")),
        (of(Sender::GitHub), &[("X-Hub-Signature-256", " ")], missing("X-Hub-Signature-256")),
        (of(Sender::GitHub), &[("X-Hub-Signature-256", "sha1=00")], malformed("X-Hub-Signature-256", "sha256=HEX")),
        (of(Sender::GitHub), &[("X-Hub-Signature-256", "sha256=0g")], malformed("X-Hub-Signature-256", "sha256=HEX")),
        (of(Sender::Shopify), &[("X-Shopify-Hmac-SHA256", "a")], malformed("X-Shopify-Hmac-SHA256", "BASE64")),
        (of(Sender::Slack), &[("X-Slack-Signature", "v0=00")], missing("X-Slack-Request-Timestamp")),
        (of(Sender::Slack), &[("X-Slack-Signature", "v0=00"), ("X-Slack-Request-Timestamp", "699")], stale(300)),
        (of(Sender::Slack), &[("X-Slack-Signature", "v0=00"), ("X-Slack-Request-Timestamp", "1301")], stale(300)),
        (of(Sender::Stripe), &[("Stripe-Signature", "v1=00")], malformed("Stripe-Signature", "t=SECONDS,v1=HEX")),
        (of(Sender::Stripe), &[("Stripe-Signature", "t=1000,v0=00")], malformed("Stripe-Signature", "t=SECONDS,v1=HEX")),
        (of(Sender::StandardWebhooks), &[("webhook-signature", "v1,AA==")], missing("webhook-id")),
        (timed.clone(), &[("X-Sig", "code=00"), ("X-Time", "soon")], malformed("X-Time", "SECONDS")),
        (timed, &[("X-Sig", "code=00"), ("X-Time", "939")], stale(60)),
    ];
    for (scheme, headers, expected) in cases {
        assert_eq!(claim(&scheme, headers, 1000), expected, "{scheme:?} {headers:?}");
    }
}
