//! A provider of OpenID Connect: discovery, keys, an authorization endpoint without a question, and signed ID tokens.

use data_encoding::BASE64URL_NOPAD;
use ring::rand::SystemRandom;
use ring::signature::{ECDSA_P256_SHA256_FIXED_SIGNING, EcdsaKeyPair, KeyPair};
use serde_json::{Value, json};
use std::collections::HashMap;
use std::sync::{Arc, Mutex};
use std::time::{SystemTime, UNIX_EPOCH};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};

/// The content of its ID tokens.
#[derive(Clone)]
struct Claims {
    subject: String,
    email: String,
    is_verified: bool,
    /// A nonce that replaces the received one.
    nonce: Option<String>,
}

struct Shared {
    address: String,
    key: EcdsaKeyPair,
    claims: Mutex<Claims>,
    /// Nonce and challenge by code.
    begun: Mutex<HashMap<String, (String, String)>>,
}

/// The provider; it ends with the test.
pub struct IdentityProvider(Arc<Shared>);

impl IdentityProvider {
    /// Listens on a free port.
    pub async fn start() -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let random = SystemRandom::new();
        let pkcs8 = EcdsaKeyPair::generate_pkcs8(&ECDSA_P256_SHA256_FIXED_SIGNING, &random).unwrap();
        let key = EcdsaKeyPair::from_pkcs8(&ECDSA_P256_SHA256_FIXED_SIGNING, pkcs8.as_ref(), &random).unwrap();
        let claims = Claims { subject: String::new(), email: String::new(), is_verified: true, nonce: None };
        let address = format!("http://{}", listener.local_addr().unwrap());
        let shared = Arc::new(Shared { address, key, claims: Mutex::new(claims), begun: Mutex::default() });
        let serving = shared.clone();
        tokio::spawn(async move {
            loop {
                let (stream, _) = listener.accept().await.unwrap();
                tokio::spawn(serve(stream, serving.clone()));
            }
        });
        Self(shared)
    }

    /// Returns its issuer.
    #[must_use]
    pub fn issuer(&self) -> &str {
        &self.0.address
    }

    /// Sets the identity that signs in from now on; `nonce` is a wrong nonce.
    pub fn set_claims(&self, subject: &str, email: &str, is_verified: bool, nonce: Option<&str>) {
        let claims = Claims { subject: subject.to_owned(), email: email.to_owned(), is_verified, nonce: nonce.map(str::to_owned) };
        *self.0.claims.lock().unwrap() = claims;
    }
}

async fn serve(mut stream: TcpStream, shared: Arc<Shared>) {
    let mut buffer = Vec::new();
    let head_end = loop {
        if let Some(at) = buffer.windows(4).position(|window| window == b"\r\n\r\n") {
            break at + 4;
        }
        if stream.read_buf(&mut buffer).await.unwrap_or(0) == 0 {
            return;
        }
    };
    let head = String::from_utf8_lossy(&buffer[..head_end]).into_owned();
    let length = head.lines().find_map(|line| line.to_lowercase().strip_prefix("content-length:").map(|text| text.trim().parse().unwrap()));
    let length: usize = length.unwrap_or(0);
    while buffer.len() < head_end + length {
        stream.read_buf(&mut buffer).await.unwrap();
    }
    let body = String::from_utf8_lossy(&buffer[head_end..head_end + length]).into_owned();
    let target = head.split(' ').nth(1).unwrap_or_default();
    let (status, location, answer) = shared.answer(target, &body);
    let text = answer.to_string();
    let location = location.map(|place| format!("location: {place}\r\n")).unwrap_or_default();
    let head = format!(
        "HTTP/1.1 {status} X\r\n{location}connection: close\r\ncontent-type: application/json\r\ncontent-length: {}\r\n\r\n",
        text.len()
    );
    let _ = stream.write_all(format!("{head}{text}").as_bytes()).await;
}

impl Shared {
    fn answer(&self, target: &str, body: &str) -> (u16, Option<String>, Value) {
        let issuer = &self.address;
        let url = reqwest::Url::parse(&format!("{issuer}{target}")).unwrap();
        let query: HashMap<String, String> = url.query_pairs().into_owned().collect();
        match url.path() {
            "/.well-known/openid-configuration" => (
                200,
                None,
                json!({
                    "issuer": issuer, "authorization_endpoint": format!("{issuer}/authorize"), "token_endpoint": format!("{issuer}/token"),
                    "jwks_uri": format!("{issuer}/keys"), "response_types_supported": ["code"], "subject_types_supported": ["public"],
                    "id_token_signing_alg_values_supported": ["ES256"],
                }),
            ),
            "/keys" => {
                let point = self.key.public_key().as_ref();
                let (x, y) = (BASE64URL_NOPAD.encode(&point[1..33]), BASE64URL_NOPAD.encode(&point[33..65]));
                (
                    200,
                    None,
                    json!({ "keys": [{ "kty": "EC", "crv": "P-256", "use": "sig", "alg": "ES256", "kid": "one", "x": x, "y": y }] }),
                )
            }
            "/authorize" => {
                assert_eq!((query["response_type"].as_str(), query["code_challenge_method"].as_str()), ("code", "S256"));
                let code = format!("code-{}", self.begun.lock().unwrap().len());
                self.begun.lock().unwrap().insert(code.clone(), (query["nonce"].clone(), query["code_challenge"].clone()));
                (302, Some(format!("{}?code={code}&state={}", query["redirect_uri"], query["state"])), Value::Null)
            }
            "/token" => {
                let form = reqwest::Url::parse(&format!("http://form/?{body}")).unwrap();
                let form: HashMap<String, String> = form.query_pairs().into_owned().collect();
                // A code works once, and only for the sign-in that it belongs to.
                let Some((nonce, challenge)) = self.begun.lock().unwrap().remove(&form["code"]) else {
                    return (400, None, json!({ "error": "invalid_grant" }));
                };
                let digest = ring::digest::digest(&ring::digest::SHA256, form["code_verifier"].as_bytes());
                assert_eq!(BASE64URL_NOPAD.encode(digest.as_ref()), challenge, "the verifier fits the challenge");
                (200, None, json!({ "access_token": "unused", "token_type": "Bearer", "id_token": self.id_token(&nonce) }))
            }
            _ => (404, None, Value::Null),
        }
    }

    fn id_token(&self, nonce: &str) -> String {
        let claims = self.claims.lock().unwrap().clone();
        let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap().as_secs();
        let claims = json!({
            "iss": self.address, "aud": "forebay", "sub": claims.subject, "email": claims.email, "email_verified": claims.is_verified,
            "nonce": claims.nonce.as_deref().unwrap_or(nonce), "iat": now, "exp": now + 300,
        });
        let part = |value: &Value| BASE64URL_NOPAD.encode(value.to_string().as_bytes());
        let signed = format!("{}.{}", part(&json!({ "alg": "ES256", "kid": "one" })), part(&claims));
        let signature = self.key.sign(&SystemRandom::new(), signed.as_bytes()).unwrap();
        format!("{signed}.{}", BASE64URL_NOPAD.encode(signature.as_ref()))
    }
}
