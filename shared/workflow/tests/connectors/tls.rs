//! Servers with their own certificate: refused with advice, and trusted if the connection has the certificate or its authority.

use super::support::{Server, engine};
use super::*;
use forebay_tests::{MailServer, SelfSigned, TlsFront};

/// Returns the fields of a connection to a server with the certificate; `tls` is inserted at the place of the kind.
async fn served_by(kind: &str, certificate: &SelfSigned) -> (Json, &'static str) {
    let at = |port: u16| json!({ "host": "127.0.0.1", "port": port });
    let with = |mut fields: Json, more: Json| {
        fields.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
        fields
    };
    match kind {
        "http" => {
            let server = Server::with_json("1").await;
            let front = TlsFront::start(certificate.server(), &server.address).await;
            (json!({ "url": format!("https://127.0.0.1:{}/api", front.port()) }), "answered 200 OK")
        }
        "postgres" => {
            let url = std::env::var("FOREBAY_DATABASE_URL").unwrap_or_else(|_| "postgres://postgres@127.0.0.1:5432/postgres".to_owned());
            let (host, port, username, password, database) = parts(&url);
            let front = TlsFront::start_before_postgres(certificate.server(), &format!("{host}:{port}")).await;
            let login = json!({ "username": username, "password": password, "database": database });
            (with(at(front.port()), login), "PostgreSQL")
        }
        "smtp" => {
            let server = MailServer::start_with_starttls(certificate.server()).await;
            let port = server.port();
            // Its tasks must continue.
            std::mem::forget(server);
            (with(at(port), json!({ "from": "a@example.com" })), "mail server test")
        }
        "amqp" => {
            let url = std::env::var("FOREBAY_AMQP_URL").unwrap_or_else(|_| "amqp://guest:guest@127.0.0.1:5672".to_owned());
            let (host, port, username, password, _) = parts(&url);
            let front = TlsFront::start(certificate.server(), &format!("{host}:{port}")).await;
            (json!({ "url": format!("amqps://{username}:{password}@127.0.0.1:{}", front.port()) }), "message broker")
        }
        other => panic!("{other}"),
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_self_signed_certificate_is_refused_with_its_fingerprint_and_trusted_once_it_is_named() {
    let (certificate, other) = (SelfSigned::new("127.0.0.1"), SelfSigned::new("127.0.0.1"));
    for kind in ["http", "postgres", "smtp", "amqp"] {
        let (fields, works) = served_by(kind, &certificate).await;
        let tested = async |tls: Json| {
            let mut fields = fields.clone();
            if !tls.is_null() {
                fields["tls"] = tls;
            }
            engine().test(&connection(json!({ kind: fields }))).await
        };
        let refused = tested(Json::Null).await.unwrap_err();
        for part in ["self-signed", &certificate.fingerprint(), "tls.certificate", "tls.authority", "connection 'remote'"] {
            assert!(refused.contains(part), "{kind}: {part}: {refused}");
        }
        for tls in [
            json!({ "certificate": certificate.fingerprint() }),
            json!({ "certificate": certificate.pem() }),
            json!({ "authority": certificate.pem() }),
            json!({ "authority": format!("{}{}", other.pem(), certificate.pem()) }),
        ] {
            let reached = tested(tls.clone()).await;
            assert!(reached.as_ref().is_ok_and(|text| text.contains(works)), "{kind} {tls}: {reached:?}");
        }
        let refused = tested(json!({ "certificate": other.fingerprint() })).await.unwrap_err();
        assert!(refused.contains("not the one that is named here") && refused.contains(&certificate.fingerprint()), "{kind}: {refused}");
        let refused = tested(json!({ "authority": other.pem() })).await.unwrap_err();
        assert!(refused.contains("self-signed"), "{kind}: {refused}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_certificate_that_is_wrong_is_named_in_words_with_what_to_do_about_it() {
    let named = "as tls.certificate, which is trusted whatever its name and its dates are";
    for (certificate, wrong, to_do) in [
        (
            SelfSigned::new("erp.example"),
            "is for 'erp.example' and not for '127.0.0.1'",
            "write the address with a name of the certificate",
        ),
        (SelfSigned::expired("127.0.0.1"), "has expired at 2021-01-01 00:00:00 UTC", "give the server one that is valid today"),
    ] {
        for kind in ["http", "postgres", "smtp", "amqp"] {
            let (mut fields, _) = served_by(kind, &certificate).await;
            fields["tls"] = json!({ "authority": certificate.pem() });
            let refused = engine().test(&connection(json!({ kind: fields }))).await.unwrap_err();
            for part in ["TLS could not be begun", wrong, to_do, named, &certificate.fingerprint()] {
                assert!(refused.contains(part), "{kind}: {part}: {refused}");
            }
            for word in ["check url", "peer certificate", "NotValid", "Expired"] {
                assert!(!refused.contains(word), "{kind}: {word}: {refused}");
            }
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_mail_server_that_begins_in_clear_is_told_of_in_the_form_in_which_tls_is_written() {
    let certificate = SelfSigned::new("127.0.0.1");
    let (fields, _) = served_by("smtp", &certificate).await;
    for (tls, advice) in [
        (json!("require"), "write `tls: starttls`"),
        (json!({ "mode": "require", "certificate": certificate.fingerprint() }), "write `mode: starttls` in `tls`"),
    ] {
        let mut fields = fields.clone();
        fields["tls"] = tls;
        let refused = engine().test(&connection(json!({ "smtp": fields }))).await.unwrap_err();
        assert!(refused.contains("speaks no TLS") && refused.contains(advice), "{refused}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn the_server_of_tokens_on_another_host_is_trusted_by_authority_and_not_by_the_services_certificate() {
    let server = Server::start(|got| match got.target.as_str() {
        "/token" => support::reply(200, &[("content-type", "application/json")], r#"{"access_token":"t"}"#),
        _ => support::reply(200, &[], ""),
    })
    .await;
    let (own, of_tokens) = (SelfSigned::new("127.0.0.1"), SelfSigned::new("localhost"));
    let (front, tokens) =
        (TlsFront::start(own.server(), &server.address).await, TlsFront::start(of_tokens.server(), &server.address).await);
    let tested = async |tls: Json| {
        let oauth2 =
            json!({ "token_url": format!("https://localhost:{}/token", tokens.port()), "client_id": "c", "client_secret": "s3cr3t-1" });
        let url = format!("https://127.0.0.1:{}/api", front.port());
        engine().test(&connection(json!({ "http": { "url": url, "tls": tls, "authentication": { "oauth2": oauth2 } } }))).await
    };
    let reached = tested(json!({ "authority": format!("{}{}", own.pem(), of_tokens.pem()) })).await;
    assert!(reached.as_ref().is_ok_and(|text| text.contains("answered 200 OK")), "{reached:?}");
    for tls in
        [json!({ "certificate": own.fingerprint() }), json!({ "certificate": of_tokens.fingerprint() }), json!({ "authority": own.pem() })]
    {
        let refused = tested(tls).await.unwrap_err();
        for part in ["token_url", "self-signed", "certificate of its authority into the connection 'remote' as tls.authority"] {
            assert!(refused.contains(part), "{part}: {refused}");
        }
        assert!(!refused.contains("tls.certificate"), "{refused}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn an_authority_vouches_for_a_name_and_a_pinned_certificate_needs_none() {
    let certificate = SelfSigned::new("erp.example");
    let (fields, _) = served_by("http", &certificate).await;
    let with = |tls: Json| {
        let mut fields = fields.clone();
        fields["tls"] = tls;
        connection(json!({ "http": fields }))
    };
    let refused = engine().test(&with(json!({ "authority": certificate.pem() }))).await.unwrap_err();
    assert!(refused.contains("is for 'erp.example' and not for '127.0.0.1'"), "{refused}");
    let reached = engine().test(&with(json!({ "certificate": certificate.fingerprint() }))).await;
    assert!(reached.is_ok(), "{reached:?}");
}
