//! The verbs on those who may sign in, and on tokens.

mod password;

use crate::api::Api;
use crate::args::{Tokens, Users};
use crate::error::Error;
use crate::output::{Output, Row};
use crate::shown::{second, second_or_never, text, yes};
use crate::standard_input::first_line;
use forebay_admin_api::tokens::CreatedToken;
use forebay_contract::format_duration;
use forebay_store::{Role, Scope};
use serde_json::{Map, Value, json};
use uuid::Uuid;

/// `forebay users ...`.
pub(crate) async fn users(output: &Output, api: &Api, command: Users) -> Result<(), Error> {
    match command {
        Users::List => {
            let rows = api.list("users", &[]).await?.into_iter().map(user).collect();
            output.listing(&["id", "name", "full name", "roles", "enabled", "last sign-in"], rows, "nobody may sign in")
        }
        Users::Create { name, full_name, role, password_stdin, no_password } => {
            let mut body = json!({ "name": name, "fullName": full_name, "grants": grants(&role) });
            if !no_password {
                body["password"] = read(password_stdin).await?.into();
            }
            let made = api.post("users", &body).await?;
            output.one(&format!("{} may sign in (id {})", text(&made, "name"), text(&made, "id")), &made)
        }
        Users::Update { id, full_name, role, enable, disable, password, password_stdin } => {
            let mut body = json!({});
            if let Some(full_name) = full_name {
                body["fullName"] = full_name.into();
            }
            if let Some(role) = role {
                body["grants"] = grants(&role);
            }
            if enable || disable {
                body["enabled"] = enable.into();
            }
            if password || password_stdin {
                body["password"] = read(password_stdin).await?.into();
            }
            let changed = api.patch(&format!("users/{id}"), &body).await?;
            output.one(&format!("updated {}", text(&changed, "name")), &changed)
        }
        Users::Delete { id } => {
            api.delete(&format!("users/{id}")).await?;
            output.one(&format!("deleted {id}"), &json!({ "id": id.to_string(), "deleted": true }))
        }
    }
}

async fn read(from_input: bool) -> Result<String, Error> {
    // Waits for a person: not on a thread that others need.
    let read = tokio::task::spawn_blocking(move || if from_input { first_line("password") } else { password::of_terminal() });
    read.await.map_err(|error| Error::Failed(format!("cannot read the password: {error}")))?
}

fn grants(granted: &[(Scope, Role)]) -> Value {
    granted.iter().map(|(scope, role)| (scope.to_string(), Value::from(role.as_str()))).collect::<Map<_, _>>().into()
}

fn user(user: Value) -> Row {
    let roles = user["grants"].as_object().into_iter().flatten().map(|(scope, role)| {
        let role = role.as_str().unwrap_or_default();
        if scope == "*" { role.to_owned() } else { format!("{role}@{scope}") }
    });
    let cells = vec![
        text(&user, "id"),
        text(&user, "name"),
        text(&user, "fullName"),
        roles.collect::<Vec<_>>().join(" "),
        yes(&user, "enabled"),
        second_or_never(&user, "lastSignInAt"),
    ];
    Row { cells, object: user }
}

/// `forebay tokens ...`.
pub(crate) async fn tokens(output: &Output, api: &Api, command: Tokens) -> Result<(), Error> {
    match command {
        Tokens::List => {
            let rows = api.list("tokens", &[]).await?.into_iter().map(token).collect();
            output.listing(&["id", "owner", "label", "role", "tenants", "expires", "last use", "ends in"], rows, "no tokens")
        }
        Tokens::Create { label, role, tenant, expires, user } => {
            let tenants: Vec<String> = if tenant.is_empty() { vec!["*".to_owned()] } else { tenant.iter().map(Scope::to_string).collect() };
            let mut body = json!({ "label": label, "role": role.as_str(), "tenants": tenants, "lasts": format_duration(expires) });
            if let Some(user) = user {
                body["user"] = owner(api, &user).await?.into();
            }
            let made: CreatedToken = api.post_for("tokens", &body).await?;
            let said = format!("id     {}\ntoken  {}\nThe token is not shown again.", made.id, made.token);
            output.one(&said, &json!(made))
        }
        Tokens::Delete { id } => {
            api.delete(&format!("tokens/{id}")).await?;
            output.one(&format!("deleted {id}"), &json!({ "id": id.to_string(), "deleted": true }))
        }
    }
}

/// By id or by name.
async fn owner(api: &Api, named: &str) -> Result<String, Error> {
    if named.parse::<Uuid>().is_ok() {
        return Ok(named.to_owned());
    }
    let users = api.list("users", &[]).await?;
    let user = users.iter().find(|user| text(user, "name") == named.to_lowercase());
    user.map(|user| text(user, "id")).ok_or_else(|| Error::Failed(format!("nobody of the name {named} may sign in")))
}

fn token(token: Value) -> Row {
    let cells = vec![
        text(&token, "id"),
        text(&token, "owner"),
        text(&token, "label"),
        text(&token, "role"),
        text(&token, "tenants"),
        second(&token, "expiresAt"),
        second_or_never(&token, "lastUsedAt"),
        text(&token, "hint"),
    ];
    Row { cells, object: token }
}
