//! From JSON to a [`Connection`].

use super::{
    AmqpConnection, Connection, ConnectionKind, DatabaseConnection, HttpAuthentication, HttpConnection, ServerTrust, SftpConnection,
    SftpLogin, SmtpConnection, Tls, trust,
};
use crate::definition::DefinitionError;
use crate::fields::{Fields, Origin, Problems, Read, all_of};
use crate::mail_address::MailAddress;
use crate::secret::Secret;
use http::{HeaderName, Uri};
use serde_json::Value;

const MAX_POOLED: u64 = 100;
const DEFAULT_POOL: usize = 4;

#[derive(Clone, Copy)]
enum Kind {
    Http,
    Postgres,
    Mysql,
    Smtp,
    Sftp,
    Amqp,
}

const KINDS: [(&str, Kind); 6] = [
    ("http", Kind::Http),
    ("postgres", Kind::Postgres),
    ("mysql", Kind::Mysql),
    ("smtp", Kind::Smtp),
    ("sftp", Kind::Sftp),
    ("amqp", Kind::Amqp),
];

pub(super) fn connection(document: &Value, origin: Origin) -> Result<Connection, DefinitionError> {
    Problems::of_document(document, origin, root).map_err(|problems| DefinitionError { problems })
}

fn root(fields: Fields<'_>) -> Read<Connection> {
    let tenant = fields.name("tenant");
    let name = fields.name("connection");
    let description = fields.description();
    let enabled = fields.boolean("enabled");
    let object = |field| fields.required(field, fields.object(field), "");
    let kind = fields.exactly_one_of(&KINDS, "make a connection of each").and_then(|kind| match kind {
        Kind::Http => http(object("http")?).map(ConnectionKind::Http),
        Kind::Postgres => database(object("postgres")?, 5432).map(ConnectionKind::Postgres),
        Kind::Mysql => mysql(object("mysql")?).map(ConnectionKind::Mysql),
        Kind::Smtp => smtp(object("smtp")?).map(ConnectionKind::Smtp),
        Kind::Sftp => sftp(object("sftp")?).map(ConnectionKind::Sftp),
        Kind::Amqp => amqp(object("amqp")?).map(ConnectionKind::Amqp),
    });
    fields.finish();
    Ok(Connection {
        tenant: tenant?,
        name: name?,
        description: description?.unwrap_or_default(),
        enabled: enabled?.unwrap_or(true),
        kind: kind?,
    })
}

fn http(fields: Fields<'_>) -> Read<HttpConnection> {
    let url = url(&fields, "url", "the service's address, such as https://erp.example/api");
    let trust = url_trust(&fields, url.as_ref().is_ok_and(|url| url.to_ascii_lowercase().starts_with("https://")), "https://");
    let authentication = fields.object("authentication").and_then(|fields| fields.map(authentication).transpose());
    let headers = fields.texts("headers").and_then(|headers| all_of(headers.into_iter().map(|header| secret_header(&fields, header))));
    fields.finish();
    Ok(HttpConnection { url: url?, trust: trust?, authentication: authentication?.unwrap_or(HttpAuthentication::None), headers: headers? })
}

/// `tls` of a connection whose address says itself whether there is TLS.
fn url_trust(fields: &Fields<'_>, has_tls: bool, scheme: &str) -> Read<ServerTrust> {
    let Some(tls) = fields.object("tls")? else { return Ok(ServerTrust::Machine) };
    let read = trust::trust(&tls);
    tls.finish();
    match has_tls {
        true => read,
        false => Err(fields.problem("tls", format!("is for an address that begins with {scheme}"))),
    }
}

/// `tls` as one of the words, or as an object with the certificate that is trusted and, where there is a choice, the word as its `mode`.
fn tls(fields: &Fields<'_>, words: &[(&'static str, Tls)], usual: Tls, modes: &[(&'static str, Tls)]) -> Read<(Tls, ServerTrust)> {
    if !matches!(fields.take("tls")?, Some(Value::Object(_))) {
        return Ok((fields.word("tls", words)?.unwrap_or(usual), ServerTrust::Machine));
    }
    let object = fields.required("tls", fields.object("tls"), "")?;
    let mode = if modes.is_empty() { Ok(None) } else { object.word("mode", modes) };
    let read = trust::trust(&object);
    object.finish();
    Ok((mode?.unwrap_or(usual), read?))
}

fn secret_header(fields: &Fields<'_>, (name, value): (String, String)) -> Read<(String, Secret)> {
    match name.parse::<HeaderName>() {
        // It may be a credential, whose variable or file was empty.
        Ok(_) if value.trim().is_empty() && !fields.is_stored() => {
            Err(fields.problem(&format!("headers.{name}"), "is empty: give a value, or remove the header"))
        }
        Ok(_) => Ok((name, Secret::new(value))),
        Err(_) => Err(fields.problem("headers", format!("'{name}' is no header name"))),
    }
}

fn url(fields: &Fields<'_>, field: &'static str, hint: &str) -> Read<String> {
    let text = fields.required(field, fields.text(field), hint)?;
    match text.parse::<Uri>() {
        Ok(uri) if !matches!(uri.scheme_str(), Some("http" | "https")) || uri.host().is_none() => {
            Err(fields.problem(field, "must be an address such as https://erp.example/api"))
        }
        Err(_) => Err(fields.problem(field, "must be an address such as https://erp.example/api")),
        Ok(uri) if uri.authority().is_some_and(|authority| authority.as_str().contains('@')) => {
            Err(fields.problem(field, "must hold no user name and password: use authentication.basic"))
        }
        Ok(_) => Ok(text),
    }
}

fn authentication(fields: Fields<'_>) -> Read<HttpAuthentication> {
    #[derive(Clone, Copy)]
    enum Kind {
        Basic,
        ApiKey,
        Bearer,
        OAuth2,
    }
    let kinds = [("basic", Kind::Basic), ("api_key", Kind::ApiKey), ("bearer", Kind::Bearer), ("oauth2", Kind::OAuth2)];
    let kind = fields.one_of(&kinds, "use one of them");
    let object = |field| fields.required(field, fields.object(field), "");
    let read = kind.and_then(|kind| match kind {
        Some(Kind::Basic) => basic(object("basic")?),
        Some(Kind::ApiKey) => api_key(object("api_key")?),
        Some(Kind::Bearer) => bearer(object("bearer")?),
        Some(Kind::OAuth2) => client_credentials(object("oauth2")?),
        None if fields.is_stored() => Ok(HttpAuthentication::None),
        None => Err(fields.problem_here("needs one of basic, api_key, bearer, oauth2; remove it for calls without authentication")),
    });
    fields.finish();
    read
}

fn basic(fields: Fields<'_>) -> Read<HttpAuthentication> {
    let username = required(&fields, "username", "the user name");
    let password = required_secret(&fields, "password");
    fields.finish();
    Ok(HttpAuthentication::Basic { username: username?, password: password? })
}

fn api_key(fields: Fields<'_>) -> Read<HttpAuthentication> {
    let header = fields.text("header").map(|header| header.unwrap_or_else(|| "X-API-Key".to_owned()));
    if let Ok(header) = &header
        && header.parse::<HeaderName>().is_err()
    {
        fields.problem("header", format!("'{header}' is no header name"));
    }
    let value = required_secret(&fields, "value");
    fields.finish();
    Ok(HttpAuthentication::ApiKey { header: header?, value: value? })
}

fn bearer(fields: Fields<'_>) -> Read<HttpAuthentication> {
    let token = required_secret(&fields, "token");
    fields.finish();
    Ok(HttpAuthentication::Bearer(token?))
}

fn client_credentials(fields: Fields<'_>) -> Read<HttpAuthentication> {
    let token_url = url(&fields, "token_url", "where tokens come from");
    let client_id = required(&fields, "client_id", "the client");
    let client_secret = required_secret(&fields, "client_secret");
    let scope = fields.text_or_blank("scope");
    let parameters = fields.texts("parameters");
    let in_body = fields.word("credentials_in", &[("header", false), ("body", true)]);
    fields.finish();
    Ok(HttpAuthentication::OAuth2 {
        token_url: token_url?,
        client_id: client_id?,
        client_secret: client_secret?,
        scope: scope?.unwrap_or_default(),
        parameters: parameters?,
        in_body: in_body?.unwrap_or(false),
    })
}

fn mysql(fields: Fields<'_>) -> Read<DatabaseConnection> {
    let problems = fields.problems();
    let path = fields.path_of("tls.certificate");
    let read = database(fields, 3306)?;
    match read.trust {
        // The client for MySQL knows authorities only.
        ServerTrust::Certificate(_) => {
            Err(problems.add(path, "is not possible for mysql: give the certificate's authority as tls.authority"))
        }
        ServerTrust::Machine | ServerTrust::Authority(_) => Ok(read),
    }
}

fn database(fields: Fields<'_>, default_port: u16) -> Read<DatabaseConnection> {
    let host = required(&fields, "host", "the server's name or address");
    let port = port(&fields);
    let database = required(&fields, "database", "the database's name");
    let username = required(&fields, "username", "the user name");
    // A blank password is one that databases accept.
    let password = secret(&fields, "password", true);
    let tls = tls(&fields, &[("require", Tls::Require), ("disable", Tls::Disable)], Tls::Require, &[]);
    let pool = fields.whole("pool", 1, MAX_POOLED);
    fields.finish();
    let (tls, trust) = tls?;
    Ok(DatabaseConnection {
        host: host?,
        port: port?.unwrap_or(default_port),
        database: database?,
        username: username?,
        password: password?.unwrap_or_else(|| Secret::new("")),
        tls,
        trust,
        pool: pool?.map_or(DEFAULT_POOL, |number| number as usize),
    })
}

fn smtp(fields: Fields<'_>) -> Read<SmtpConnection> {
    let host = required(&fields, "host", "the server's name or address");
    let words = [("require", Tls::Require), ("starttls", Tls::StartTls), ("disable", Tls::Disable)];
    let tls = tls(&fields, &words, Tls::StartTls, &words[..2]);
    let port = port(&fields);
    let (username, password) = (fields.text("username"), secret(&fields, "password", false));
    let login = match (username, password) {
        (Ok(None), Ok(None)) => Ok(None),
        (Ok(Some(username)), Ok(Some(password))) => Ok(Some((username, password))),
        (Ok(Some(_)), Ok(None)) => Err(fields.problem("password", "is required")),
        (Ok(None), Ok(Some(_))) => Err(fields.problem("username", "is required where a password is given")),
        (Err(reported), _) | (_, Err(reported)) => Err(reported),
    };
    let from = required(&fields, "from", "the sender, such as 'Forebay <forebay@example.com>'");
    // A stored connection may have a sender that no step uses.
    if let Ok(text) = &from
        && !fields.is_stored()
        && let Err(error) = MailAddress::parse(text)
    {
        fields.problem("from", error.to_string());
    }
    fields.finish();
    let (tls, trust) = tls?;
    // RFC 8314, section 3.3, and RFC 6409, section 3.1.
    let default_port = if tls == Tls::Require { 465 } else { 587 };
    Ok(SmtpConnection { host: host?, port: port?.unwrap_or(default_port), tls, trust, login: login?, from: from? })
}

fn sftp(fields: Fields<'_>) -> Read<SftpConnection> {
    let host = required(&fields, "host", "the server's name or address");
    let port = port(&fields);
    let username = required(&fields, "username", "the user name");
    let login = sftp_login(&fields);
    let host_key = required(&fields, "host_key", "the host key's fingerprint: `ssh-keyscan HOST | ssh-keygen -lf -` prints SHA256:...");
    if let Ok(key) = &host_key
        && !key.starts_with("SHA256:")
    {
        fields.problem("host_key", "must be a fingerprint such as SHA256:...");
    }
    let folder = fields.text_or_blank("folder");
    fields.finish();
    Ok(SftpConnection {
        host: host?,
        port: port?.unwrap_or(22),
        username: username?,
        login: login?,
        host_key: host_key?,
        folder: folder?.unwrap_or_default(),
    })
}

fn sftp_login(fields: &Fields<'_>) -> Read<SftpLogin> {
    let (password, key) = (secret(fields, "password", false), secret(fields, "private_key", false));
    let passphrase = secret(fields, "passphrase", false);
    match (password?, key?, passphrase?) {
        (Some(password), None, None) => Ok(SftpLogin::Password(password)),
        (Some(password), None, Some(_)) if fields.is_stored() => Ok(SftpLogin::Password(password)),
        (Some(_), None, Some(_)) => Err(fields.problem("passphrase", "is for private_key: remove it, or use a key")),
        (None, Some(key), passphrase) => Ok(SftpLogin::PrivateKey { key, passphrase }),
        (None, None, _) | (Some(_), Some(_), _) => Err(fields.problem_here("needs one of password, private_key")),
    }
}

fn amqp(fields: Fields<'_>) -> Read<AmqpConnection> {
    let url =
        fields.required("url", secret(&fields, "url", false), "the broker's address, such as amqps://user:password@broker.example/vhost");
    let url = url.and_then(|url| match url.expose().starts_with("amqp://") || url.expose().starts_with("amqps://") {
        true => Ok(url),
        false => Err(fields.problem("url", "must begin with amqp:// or amqps://")),
    });
    let trust = url_trust(&fields, url.as_ref().is_ok_and(|url| url.expose().starts_with("amqps://")), "amqps://");
    fields.finish();
    Ok(AmqpConnection { url: url?, trust: trust? })
}

fn port(fields: &Fields<'_>) -> Read<Option<u16>> {
    Ok(fields.whole("port", 1, u64::from(u16::MAX))?.and_then(|port| u16::try_from(port).ok()))
}

fn required(fields: &Fields<'_>, field: &'static str, hint: &str) -> Read<String> {
    fields.required(field, fields.text(field), hint)
}

fn required_secret(fields: &Fields<'_>, field: &'static str) -> Read<Secret> {
    fields.required(field, secret(fields, field, false), "")
}

/// Its value never appears in a problem.
fn secret(fields: &Fields<'_>, field: &'static str, may_be_blank: bool) -> Read<Option<Secret>> {
    match fields.take(field)? {
        None => Ok(None),
        Some(Value::String(text)) if text.trim().is_empty() && !may_be_blank && !fields.is_stored() => {
            Err(fields.problem(field, "is empty: give the secret as text, { env: NAME } or { file: PATH }"))
        }
        Some(Value::String(text)) => Ok(Some(Secret::new(text.as_str()))),
        Some(_) => Err(fields.problem(field, "must be text, { env: NAME } or { file: PATH }; write a number in quotes")),
    }
}
