//! The address of the database, and the authentication and encryption of connections to it.

use crate::error::StoreError;
use forebay_tls::{Check, Trust};
use percent_encoding::percent_decode_str;
use std::path::{Path, PathBuf};
use std::time::Duration;
use tokio_postgres::config::SslMode;
use tokio_postgres::tls::MakeTlsConnect;
use tokio_postgres::{Client, Config, Connection, Socket};
use tokio_postgres_rustls::MakeRustlsConnect;

/// Maximum time to connect, to wait for a free connection, and for a statement to run.
pub(crate) const TIMEOUT: Duration = Duration::from_secs(5);
/// The settings of each session: statements time out, the locks of a lost client are released, and no statement is compiled, which would
/// take longer than to run it.
const SESSION: &str = "-c statement_timeout=5000 -c idle_in_transaction_session_timeout=10000 -c timezone=UTC -c jit=off";
const MODES: &str = "disable, prefer, require, verify-ca or verify-full";

type TlsStream = <MakeRustlsConnect as MakeTlsConnect<Socket>>::Stream;

/// The parts of a database URL.
#[derive(Clone)]
pub(crate) struct Server {
    pub(crate) config: Config,
    pub(crate) tls: MakeRustlsConnect,
}

impl Server {
    /// Reads `postgres://user:password@host:port/database?parameters`. The parameters `sslmode`, `sslrootcert`, `sslcert` and `sslkey` mean
    /// what they mean to libpq (<https://www.postgresql.org/docs/current/libpq-ssl.html>), but for the authorities, which without
    /// `sslrootcert` are those that this machine trusts.
    ///
    /// # Errors
    /// [`StoreError::Url`].
    pub(crate) fn of_url(url: &str, application_name: &str) -> Result<Self, StoreError> {
        let wrong = |reason: String| StoreError::Url { reason };
        let (url, protection) = Protection::taken_from(url).map_err(wrong)?;
        // The parser's own text may repeat parts of the URL, and so of the password.
        let mut config: Config = url.parse().map_err(|_| wrong("it is not a valid URL of PostgreSQL".to_owned()))?;
        if config.get_hosts().is_empty() && config.get_hostaddrs().is_empty() {
            return Err(wrong("it names no host".to_owned()));
        }
        let session = match config.get_options() {
            // The last setting wins, so the options of the URL go last.
            Some(options) => format!("{SESSION} {options}"),
            None => SESSION.to_owned(),
        };
        config.options(session);
        config.application_name(application_name);
        config.connect_timeout(TIMEOUT);
        config.tcp_user_timeout(TIMEOUT * 2);
        config.keepalives(true);
        config.keepalives_idle(TIMEOUT);
        config.keepalives_interval(Duration::from_secs(2));
        config.keepalives_retries(3);
        config.ssl_mode(protection.mode);
        let identity = protection.identity.as_ref().map(|(cert, key)| (cert.as_path(), key.as_path()));
        let tls = protection.check.client_config(&protection.trust, identity).map_err(|error| wrong(error.to_string()))?;
        Ok(Self { config, tls: MakeRustlsConnect::new(tls) })
    }

    /// Opens a connection outside of the pool.
    pub(crate) async fn connect(&self) -> Result<(Client, Connection<Socket, TlsStream>), tokio_postgres::Error> {
        self.config.connect(self.tls.clone()).await
    }
}

/// The protection of connections to the server.
#[derive(Debug, PartialEq, Eq)]
struct Protection {
    mode: SslMode,
    check: Check,
    trust: Trust,
    /// Certificate chain and key.
    identity: Option<(PathBuf, PathBuf)>,
}

impl Protection {
    /// Takes its parameters out of a URL, since the client's parser knows other ones.
    fn taken_from(url: &str) -> Result<(String, Self), String> {
        // A question mark in a password begins no parameters.
        let host = url.find('@').unwrap_or_default();
        let Some(start) = url[host..].find('?').map(|at| host + at) else {
            return Ok((url.to_owned(), Self::read(None, None, None, None)?));
        };
        let [mut mode, mut root, mut cert, mut key] = [const { None }; 4];
        let mut rest = Vec::new();
        for parameter in url[start + 1..].split('&') {
            let (name, value) = parameter.split_once('=').unwrap_or((parameter, ""));
            let place = match name {
                "sslmode" => &mut mode,
                "sslrootcert" => &mut root,
                "sslcert" => &mut cert,
                "sslkey" => &mut key,
                _ => {
                    rest.push(parameter);
                    continue;
                }
            };
            let decoded = percent_decode_str(value).decode_utf8();
            *place = Some(decoded.map_err(|_| format!("{name} is not UTF-8 after percent-decoding"))?.into_owned());
        }
        let mut url = url[..start].to_owned();
        if !rest.is_empty() {
            url = format!("{url}?{}", rest.join("&"));
        }
        Ok((url, Self::read(mode.as_deref(), root.as_deref(), cert, key)?))
    }

    fn read(mode: Option<&str>, root: Option<&str>, cert: Option<String>, key: Option<String>) -> Result<Self, String> {
        let trust = match root {
            None | Some("system") => Trust::Machine,
            Some(file) => Trust::File(Path::new(file).to_owned()),
        };
        // Where an authority is named, its signature is required, as by libpq.
        let at_least = if matches!(trust, Trust::File(_)) { Check::Authority } else { Check::Nothing };
        let (mode, check) = match mode {
            None if root == Some("system") => (SslMode::Require, Check::AuthorityAndName),
            Some("verify-full") => (SslMode::Require, Check::AuthorityAndName),
            _ if root == Some("system") => return Err("sslrootcert=system needs sslmode=verify-full".to_owned()),
            None | Some("prefer") => (SslMode::Prefer, at_least),
            Some("require") => (SslMode::Require, at_least),
            Some("verify-ca") => (SslMode::Require, Check::Authority),
            Some("disable") => (SslMode::Disable, Check::Nothing),
            Some(other) => return Err(format!("sslmode is {MODES}, not {other:?}")),
        };
        let identity = match (cert, key) {
            (None, None) => None,
            (Some(cert), Some(key)) => Some((cert.into(), key.into())),
            _ => return Err("sslcert and sslkey need each other".to_owned()),
        };
        Ok(Self { mode, check, trust, identity })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn taken(query: &str) -> Result<(String, Protection), String> {
        Protection::taken_from(&format!("postgres://me:hun?ter@host/db{query}"))
    }

    #[test]
    fn the_protection_is_what_libpq_takes_it_for() {
        let file = Trust::File("/etc/ca.pem".into());
        for (query, mode, check, trust) in [
            ("", SslMode::Prefer, Check::Nothing, Trust::Machine),
            ("?sslmode=disable", SslMode::Disable, Check::Nothing, Trust::Machine),
            ("?sslmode=prefer", SslMode::Prefer, Check::Nothing, Trust::Machine),
            ("?sslmode=require", SslMode::Require, Check::Nothing, Trust::Machine),
            ("?sslmode=verify-ca", SslMode::Require, Check::Authority, Trust::Machine),
            ("?sslmode=verify-full", SslMode::Require, Check::AuthorityAndName, Trust::Machine),
            ("?sslrootcert=system", SslMode::Require, Check::AuthorityAndName, Trust::Machine),
            ("?sslrootcert=system&sslmode=verify-full", SslMode::Require, Check::AuthorityAndName, Trust::Machine),
            ("?sslrootcert=%2Fetc%2Fca.pem", SslMode::Prefer, Check::Authority, file.clone()),
            ("?sslmode=require&sslrootcert=/etc/ca.pem", SslMode::Require, Check::Authority, file.clone()),
            ("?sslmode=verify-full&sslrootcert=/etc/ca.pem", SslMode::Require, Check::AuthorityAndName, file),
        ] {
            let (url, protection) = taken(query).unwrap();
            assert_eq!(url, "postgres://me:hun?ter@host/db", "{query}");
            assert_eq!(protection, Protection { mode, check, trust, identity: None }, "{query}");
        }
        let (_, protection) = taken("?sslcert=a.pem&sslkey=b.pem").unwrap();
        assert_eq!(protection.identity, Some(("a.pem".into(), "b.pem".into())));
    }

    #[test]
    fn other_parameters_stay() {
        let (url, _) = taken("?connect_timeout=3&sslmode=require&options=-c%20work_mem%3D4MB").unwrap();
        assert_eq!(url, "postgres://me:hun?ter@host/db?connect_timeout=3&options=-c%20work_mem%3D4MB");
        let (url, _) = Protection::taken_from("host=localhost user=me").unwrap();
        assert_eq!(url, "host=localhost user=me");
    }

    #[test]
    fn what_cannot_be_protected_so_is_said() {
        for (query, expected) in [
            ("?sslmode=verify", "sslmode is disable, prefer, require, verify-ca or verify-full, not \"verify\""),
            ("?sslmode=require&sslrootcert=system", "sslrootcert=system needs sslmode=verify-full"),
            ("?sslcert=a.pem", "sslcert and sslkey need each other"),
        ] {
            assert_eq!(taken(query).unwrap_err(), expected);
        }
        let Err(missing) = Server::of_url("postgres://me@host/db?sslrootcert=/no/such.pem", "test") else { panic!("accepted") };
        assert!(missing.to_string().contains("/no/such.pem cannot be read as a PEM certificate chain"), "{missing}");
    }
}
