//! From JSON to a [`Connection`].

use super::{
    AmqpConnection, Connection, ConnectionKind, DatabaseConnection, HttpAuthentication, HttpConnection, SftpConnection, SftpLogin,
    SmtpConnection, Tls,
};
use crate::definition::DefinitionError;
use crate::fields::{Fields, Problems};
use crate::secret::Secret;
use http::{HeaderName, Uri};
use serde_json::Value;

const KINDS: [&str; 6] = ["http", "postgres", "mysql", "smtp", "sftp", "amqp"];
const MOST_POOLED: u64 = 100;
const DEFAULT_POOL: usize = 4;

pub(super) fn connection(document: &Value) -> Result<Connection, DefinitionError> {
    let problems = Problems::default();
    let read = Fields::of(document, "", &problems).and_then(root);
    let problems = problems.into_vec();
    match read {
        Some(connection) if problems.is_empty() => Ok(connection),
        _ => Err(DefinitionError { problems }),
    }
}

fn root(fields: Fields<'_>) -> Option<Connection> {
    let tenant = fields.name("tenant");
    let name = fields.name("connection");
    let description = fields.text("description").unwrap_or_default().to_owned();
    let enabled = fields.boolean("enabled").unwrap_or(true);
    let mut kinds = Vec::new();
    kinds.extend(fields.object("http").map(http));
    kinds.extend(fields.object("postgres").map(|fields| database(fields, 5432).map(ConnectionKind::Postgres)));
    kinds.extend(fields.object("mysql").map(|fields| database(fields, 3306).map(ConnectionKind::Mysql)));
    kinds.extend(fields.object("smtp").map(smtp));
    kinds.extend(fields.object("sftp").map(sftp));
    kinds.extend(fields.object("amqp").map(amqp));
    if kinds.len() != 1 {
        let written = KINDS.iter().filter(|kind| fields.has_key(kind)).count();
        match written {
            0 => fields.problem_here(format!("needs one of {}", KINDS.join(", "))),
            1 => {}
            _ => fields.problem_here(format!("has more than one of {}: make a connection of each", KINDS.join(", "))),
        }
    }
    fields.finish();
    Some(Connection { tenant: tenant?, name: name?, description, enabled, kind: kinds.pop()?? })
}

fn http(fields: Fields<'_>) -> Option<ConnectionKind> {
    let url = required(&fields, "url", "the service's address, such as https://erp.example/api").filter(|url| is_url(&fields, "url", url));
    let authentication = fields.object("authentication").map_or(Some(HttpAuthentication::None), authentication);
    let mut headers = Vec::new();
    for (name, value) in fields.texts("headers") {
        if name.parse::<HeaderName>().is_err() {
            fields.problem("headers", format!("'{name}' is no header name"));
        }
        headers.push((name, Secret::new(value)));
    }
    fields.finish();
    Some(ConnectionKind::Http(HttpConnection { url: url?, authentication: authentication?, headers }))
}

fn is_url(fields: &Fields<'_>, field: &str, text: &str) -> bool {
    let fits = text.parse::<Uri>().is_ok_and(|uri| matches!(uri.scheme_str(), Some("http" | "https")) && uri.host().is_some());
    let has_credentials = text.parse::<Uri>().is_ok_and(|uri| uri.authority().is_some_and(|authority| authority.as_str().contains('@')));
    if !fits {
        fields.problem(field, "must be an address such as https://erp.example/api");
    } else if has_credentials {
        fields.problem(field, "must hold no user name and password: use authentication.basic");
    }
    fits && !has_credentials
}

fn authentication(fields: Fields<'_>) -> Option<HttpAuthentication> {
    let mut given = Vec::new();
    if let Some(basic) = fields.object("basic") {
        let username = required(&basic, "username", "the user name");
        let password = secret(&basic, "password");
        basic.finish();
        given.push(username.zip(password).map(|(username, password)| HttpAuthentication::Basic { username, password }));
    }
    if let Some(key) = fields.object("api_key") {
        let header = key.text("header").unwrap_or("X-API-Key").to_owned();
        if header.parse::<HeaderName>().is_err() {
            key.problem("header", format!("'{header}' is no header name"));
        }
        let value = secret(&key, "value");
        key.finish();
        given.push(value.map(|value| HttpAuthentication::ApiKey { header, value }));
    }
    if let Some(bearer) = fields.object("bearer") {
        let token = secret(&bearer, "token");
        bearer.finish();
        given.push(token.map(HttpAuthentication::Bearer));
    }
    if let Some(oauth2) = fields.object("oauth2") {
        given.push(client_credentials(oauth2));
    }
    if given.len() > 1 {
        fields.problem_here("has more than one of basic, api_key, bearer, oauth2");
    }
    fields.finish();
    given.pop().unwrap_or(Some(HttpAuthentication::None))
}

fn client_credentials(fields: Fields<'_>) -> Option<HttpAuthentication> {
    let token_url = required(&fields, "token_url", "where tokens come from").filter(|url| is_url(&fields, "token_url", url));
    let client_id = required(&fields, "client_id", "the client");
    let client_secret = secret(&fields, "client_secret");
    let scope = fields.text("scope").unwrap_or_default().to_owned();
    let parameters = fields.texts("parameters");
    let in_body = fields.word("credentials_in", &[("header", false), ("body", true)]).unwrap_or(false);
    fields.finish();
    Some(HttpAuthentication::OAuth2 {
        token_url: token_url?,
        client_id: client_id?,
        client_secret: client_secret?,
        scope,
        parameters,
        in_body,
    })
}

fn database(fields: Fields<'_>, default_port: u16) -> Option<DatabaseConnection> {
    let host = required(&fields, "host", "the server's name or address");
    let port = port(&fields, default_port);
    let database = required(&fields, "database", "the database's name");
    let username = required(&fields, "username", "the user name");
    let password = optional_secret(&fields, "password").unwrap_or_else(|| Secret::new(""));
    let tls = fields.word("tls", &[("require", Tls::Require), ("disable", Tls::Disable)]).unwrap_or(Tls::Require);
    let pool = fields.whole("pool", 1, MOST_POOLED).map_or(DEFAULT_POOL, |number| number as usize);
    fields.finish();
    Some(DatabaseConnection { host: host?, port, database: database?, username: username?, password, tls, pool })
}

fn smtp(fields: Fields<'_>) -> Option<ConnectionKind> {
    let host = required(&fields, "host", "the server's name or address");
    let words = [("require", Tls::Require), ("starttls", Tls::StartTls), ("disable", Tls::Disable)];
    let tls = fields.word("tls", &words).unwrap_or(Tls::StartTls);
    // RFC 8314, section 3.3, and RFC 6409, section 3.1.
    let port = port(&fields, if tls == Tls::Require { 465 } else { 587 });
    let username = fields.text("username").map(str::to_owned);
    let login = username.and_then(|username| Some((username, secret(&fields, "password")?)));
    if login.is_none() && fields.take("password").is_some() {
        fields.problem("username", "is required where a password is given");
    }
    let from = required(&fields, "from", "the sender, such as 'Forebay <forebay@example.com>'");
    fields.finish();
    Some(ConnectionKind::Smtp(SmtpConnection { host: host?, port, tls, login, from: from? }))
}

fn sftp(fields: Fields<'_>) -> Option<ConnectionKind> {
    let host = required(&fields, "host", "the server's name or address");
    let port = port(&fields, 22);
    let username = required(&fields, "username", "the user name");
    let (password, key) = (optional_secret(&fields, "password"), optional_secret(&fields, "private_key"));
    let passphrase = optional_secret(&fields, "passphrase");
    let login = match (password, key) {
        (Some(password), None) => Some(SftpLogin::Password(password)),
        (None, Some(key)) => Some(SftpLogin::PrivateKey { key, passphrase }),
        _ => {
            fields.problem_here("needs one of password, private_key");
            None
        }
    };
    let host_key = required(&fields, "host_key", "the host key's fingerprint: `ssh-keyscan HOST | ssh-keygen -lf -` prints SHA256:...");
    if host_key.as_ref().is_some_and(|key| !key.starts_with("SHA256:")) {
        fields.problem("host_key", "must be a fingerprint such as SHA256:...");
    }
    let folder = fields.text("folder").unwrap_or_default().to_owned();
    fields.finish();
    Some(ConnectionKind::Sftp(SftpConnection { host: host?, port, username: username?, login: login?, host_key: host_key?, folder }))
}

fn amqp(fields: Fields<'_>) -> Option<ConnectionKind> {
    let url = required(&fields, "url", "the broker's address, such as amqps://user:password@broker.example/vhost");
    let fits = |url: &String| url.starts_with("amqp://") || url.starts_with("amqps://");
    if url.as_ref().is_some_and(|url| !fits(url)) {
        fields.problem("url", "must begin with amqp:// or amqps://");
    }
    fields.finish();
    Some(ConnectionKind::Amqp(AmqpConnection { url: Secret::new(url.filter(fits)?) }))
}

fn port(fields: &Fields<'_>, default: u16) -> u16 {
    fields.whole("port", 1, u64::from(u16::MAX)).and_then(|port| u16::try_from(port).ok()).unwrap_or(default)
}

fn required(fields: &Fields<'_>, field: &'static str, what: &str) -> Option<String> {
    if fields.take(field).is_none() {
        fields.problem(field, format!("is required: {what}"));
    }
    fields.text(field).map(str::to_owned)
}

/// Its value never appears in a problem.
fn optional_secret(fields: &Fields<'_>, field: &'static str) -> Option<Secret> {
    fields.take(field)?;
    secret(fields, field)
}

/// Its value never appears in a problem.
fn secret(fields: &Fields<'_>, field: &'static str) -> Option<Secret> {
    match fields.take(field) {
        Some(Value::String(text)) => Some(Secret::new(text.as_str())),
        Some(_) => {
            fields.problem(field, "must be text, { env: NAME } or { file: PATH }");
            None
        }
        None => {
            fields.problem(field, "is required");
            None
        }
    }
}
