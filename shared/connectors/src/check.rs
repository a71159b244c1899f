//! Whether a connection works, for the operator who wrote it.

use super::amqp::AmqpSessions;
use super::http_send::{self, Called, NotFollowed, Sent, send};
use super::mail_session::MailSession;
use super::sftp_session::{Session, failed};
use super::{Connectors, Target, host_and_port, sql};
use crate::concealment::Concealment;
use deadpool::managed::Manager;
use forebay_contract::connection::{AmqpConnection, Connection, ConnectionKind, HttpConnection, SftpConnection, SmtpConnection};
use forebay_contract::definition::Redirects;
use forebay_contract::format_duration;
use forebay_contract::outcome::{ErrorCode, ExecutionError};
use http::{Method, StatusCode};
use reqwest::{Request, Url};
use std::sync::Arc;
use std::time::Duration;

/// Maximum time of one test.
const CHECK_TIMEOUT: Duration = Duration::from_secs(20);

impl Connectors {
    /// Connects and signs in anew, changes nothing, and says what was reached: `PostgreSQL 15.6, database 'crm', as 'forebay'`. A
    /// connection that is not enabled can be tested too.
    ///
    /// # Errors
    /// What is wrong, and what to do.
    pub async fn test(&self, client: &reqwest::Client, connection: &Connection) -> Result<String, String> {
        let mut connection = connection.clone();
        connection.enabled = true;
        let connection = Arc::new(connection);
        let target = Target(&connection);
        let reach = async {
            match &connection.kind {
                ConnectionKind::Http(http) => self.test_http(client, &connection, http).await,
                ConnectionKind::Postgres(database) => sql::postgres::test(self, &connection, database).await,
                ConnectionKind::Mysql(database) => sql::mysql::test(self, &connection, database).await,
                ConnectionKind::Smtp(smtp) => self.test_smtp(&target, smtp).await,
                ConnectionKind::Sftp(sftp) => self.test_sftp(&target, sftp).await,
                ConnectionKind::Amqp(amqp) => self.test_amqp(&connection, amqp).await,
            }
        };
        let reached = tokio::time::timeout(CHECK_TIMEOUT, reach).await;
        let reached = reached.unwrap_or_else(|_| {
            let message =
                format!("{target} did not answer within {}; check host, port and what is between", format_duration(CHECK_TIMEOUT));
            Err(ExecutionError::transient(ErrorCode::Timeout, message))
        });
        reached.map_err(|error| Concealment::of(&connection).conceal(&error.message))
    }

    /// A GET of the address itself: what it answers says little but for 401 and 403, since paths of steps go under it.
    async fn test_http(
        &self,
        client: &reqwest::Client,
        connection: &Arc<Connection>,
        http: &HttpConnection,
    ) -> Result<String, ExecutionError> {
        let target = Target(connection);
        let anew = Self::with_tokens(self.reach().clone(), self.shared.tokens.of_a_test());
        let headers = anew.authorize(client, connection, http).await?;
        let wrong = |code, what: String| ExecutionError::permanent(code, format!("{target}: {what}"));
        let url = Url::parse(&http.url).map_err(|error| wrong(ErrorCode::Connection, format!("url cannot be read: {error}")))?;
        self.reach().check_url(&url).map_err(|refused| wrong(ErrorCode::Unreachable, refused.to_string()))?;
        let mut request = Request::new(Method::GET, url.clone());
        request.headers_mut().extend(headers);
        let called = Called::by_connection(&Method::GET, connection, "");
        let client = self.client_for(client, connection, http, request.url())?;
        let Sent { response, not_followed } = send(&client, request, Redirects::Error, &called).await.map_err(|error| {
            // Of TLS and of addresses that are not permitted it is said already what to do.
            let advice = if error.transient { "; check url" } else { "" };
            ExecutionError { message: format!("{}{advice}", error.message), ..error }
        })?;
        let status = response.status();
        if [StatusCode::UNAUTHORIZED, StatusCode::FORBIDDEN].contains(&status) {
            return Err(wrong(ErrorCode::Connection, format!("it answered {status}; check authentication")));
        }
        let redirect = not_followed.as_ref().map(|not_followed| not_followed.explain(&Method::GET, "url")).unwrap_or_default();
        if let Some(origin) = not_followed.as_ref().and_then(NotFollowed::moved_to) {
            let what = format!("it answered {status}{redirect}: begin it with {origin} in place of {}", http_send::origin(&url));
            return Err(wrong(ErrorCode::Connection, what));
        }
        // Its path may be a secret.
        Ok(format!("HTTP service at {}, answered {status} to a GET{redirect}", host_and_port(&http.url)))
    }

    async fn test_smtp(&self, target: &Target<'_>, smtp: &SmtpConnection) -> Result<String, ExecutionError> {
        let name = MailSession::open(self.reach(), target, smtp).await?.server_info().name().to_owned();
        Ok(match &smtp.login {
            Some((username, _)) => format!("mail server {name}, as '{username}'"),
            None => format!("mail server {name}, without a sign-in"),
        })
    }

    async fn test_sftp(&self, target: &Target<'_>, sftp: &SftpConnection) -> Result<String, ExecutionError> {
        let session = Session::open(self.reach(), target, sftp).await?;
        let folder = if sftp.folder.is_empty() { "." } else { &sftp.folder };
        let found = session.files.stat(folder).await;
        let found = found.map_err(|error| failed(target, &format!("the folder '{folder}' cannot be used"), &error))?;
        if !found.attrs.is_dir() {
            return Err(ExecutionError::permanent(ErrorCode::Connection, format!("{target}: '{folder}' is no folder; check folder")));
        }
        Ok(format!("file server, folder '{folder}', as '{}'", sftp.username))
    }

    async fn test_amqp(&self, connection: &Arc<Connection>, amqp: &AmqpConnection) -> Result<String, ExecutionError> {
        AmqpSessions::new(connection, amqp, self.reach()).create().await?;
        Ok("message broker, signed in".to_owned())
    }
}
