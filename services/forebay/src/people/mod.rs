//! The verbs on users and tokens.

mod password;

use crate::api::Api;
use crate::args::{Tokens, Users};
use crate::error::Error;
use crate::output::{Output, Row};
use crate::shown::{second_or_never, yes};
use crate::standard_input::first_line;
use forebay_admin_api::tokens::{CreateTokenRequest, Token};
use forebay_admin_api::users::{CreateUserRequest, UpdateUserRequest, User};
use forebay_admin_api::{FullName, KeyLabel, Password, RoleName, TenantScope, UserName};
use forebay_store::{Role, Scope};
use serde_json::json;
use std::collections::BTreeMap;
use uuid::Uuid;

/// `forebay users ...`.
pub(crate) async fn users(output: &Output, api: &Api, command: Users) -> Result<(), Error> {
    match command {
        Users::List => {
            let rows = api.users().await?.into_iter().map(user).collect();
            output.listing(&["id", "name", "full name", "roles", "enabled", "last sign-in"], rows, "no users")
        }
        Users::Create { name, full_name, role, password_stdin, no_password } => {
            let password = if no_password { None } else { Some(read(password_stdin).await?) };
            let request =
                CreateUserRequest { name: UserName::new(name), full_name: FullName::new(full_name), password, grants: grants(&role) };
            let created = api.create_user(&request).await?;
            output.one(&format!("created {} (id {})", created.name, created.id), &created)
        }
        Users::Update { id, full_name, role, enable, disable, password, password_stdin } => {
            let request = UpdateUserRequest {
                full_name: full_name.map(FullName::new),
                grants: role.as_deref().map(grants),
                enabled: (enable || disable).then_some(enable),
                password: if password || password_stdin { Some(read(password_stdin).await?) } else { None },
            };
            let updated = api.update_user(id, &request).await?;
            output.one(&format!("updated {}", updated.name), &updated)
        }
        Users::Delete { id } => {
            api.delete_user(id).await?;
            output.one(&format!("deleted {id}"), &json!({ "id": id.to_string(), "deleted": true }))
        }
    }
}

async fn read(from_input: bool) -> Result<Password, Error> {
    // Waits for the user, so it needs its own thread.
    let read = tokio::task::spawn_blocking(move || if from_input { first_line("password") } else { password::from_terminal() });
    let password = read.await.map_err(|error| Error::Failed(format!("cannot read the password: {error}")))??;
    Ok(Password::new(password))
}

fn grants(granted: &[(Scope, Role)]) -> BTreeMap<TenantScope, RoleName> {
    granted.iter().map(|(scope, role)| (TenantScope::new(scope.to_string()), RoleName::new(role.as_str()))).collect()
}

fn user(user: User) -> Row<User> {
    let roles = user.grants.iter().map(|(scope, role)| if scope == "*" { role.clone() } else { format!("{role}@{scope}") });
    let cells = vec![
        user.id.to_string(),
        user.name.clone(),
        user.full_name.clone(),
        roles.collect::<Vec<_>>().join(" "),
        yes(user.enabled),
        second_or_never(user.last_sign_in_at.as_ref()),
    ];
    Row { cells, object: user }
}

/// `forebay tokens ...`.
pub(crate) async fn tokens(output: &Output, api: &Api, command: Tokens) -> Result<(), Error> {
    match command {
        Tokens::List => {
            let rows = api.tokens().await?.into_iter().map(token).collect();
            output.listing(&["id", "owner", "label", "role", "tenants", "expires", "last use", "ends in"], rows, "no tokens")
        }
        Tokens::Create { label, role, tenant, expires, user } => {
            let tenants = if tenant.is_empty() { vec![Scope::Everywhere] } else { tenant };
            let request = CreateTokenRequest {
                label: KeyLabel::new(label),
                role: RoleName::new(role.as_str()),
                tenants: tenants.iter().map(|scope| TenantScope::new(scope.to_string())).collect(),
                expires_in: expires.into(),
                user: match user {
                    Some(user) => Some(owner(api, &user).await?),
                    None => None,
                },
            };
            let created = api.create_token(&request).await?;
            let text = format!("id     {}\ntoken  {}\nThe token is not shown again.", created.id, created.token.expose());
            output.one(&text, &created)
        }
        Tokens::Delete { id } => {
            api.delete_token(id).await?;
            output.one(&format!("deleted {id}"), &json!({ "id": id.to_string(), "deleted": true }))
        }
    }
}

/// Returns the id of a user by id or by name.
async fn owner(api: &Api, id_or_name: &str) -> Result<Uuid, Error> {
    if let Ok(id) = id_or_name.parse() {
        return Ok(id);
    }
    let users = api.users().await?;
    let user = users.iter().find(|user| user.name == id_or_name.to_lowercase());
    user.map(|user| user.id).ok_or_else(|| Error::Failed(format!("there is no user {id_or_name}: `forebay users list` shows all users")))
}

fn token(token: Token) -> Row<Token> {
    let cells = vec![
        token.id.to_string(),
        token.owner.clone(),
        token.label.clone(),
        token.role.clone(),
        token.tenants.join(" "),
        token.expires_at.to_second(),
        second_or_never(token.last_used_at.as_ref()),
        token.hint.clone(),
    ];
    Row { cells, object: token }
}
