//! Arguments of the verbs on users and tokens.

use clap::Subcommand;
use forebay_store::{Role, Scope};
use std::time::Duration;
use uuid::Uuid;

/// A role, and its tenant: `viewer@t37ed`, or `viewer` for every tenant.
pub(crate) type Grant = (Scope, Role);

fn grant(text: &str) -> Result<Grant, String> {
    let (role, scope) = text.split_once('@').unwrap_or((text, "*"));
    Ok((scope.parse()?, role.parse()?))
}

#[derive(Debug, Subcommand)]
pub(crate) enum Users {
    /// Lists users
    List,
    /// Creates a user; asks for a password on the terminal
    Create {
        /// The name for signing in; for single sign-on, the mail address at the provider
        name: String,
        /// The full name
        #[arg(long, value_name = "NAME", default_value = "")]
        full_name: String,
        /// A role, such as viewer, operator@t37ed or administrator; may be repeated
        #[arg(long, value_name = "ROLE[@TENANT]", value_parser = grant)]
        role: Vec<Grant>,
        /// Read the password from standard input
        #[arg(long)]
        password_stdin: bool,
        /// Create the user without a password, for single sign-on only
        #[arg(long, conflicts_with = "password_stdin")]
        no_password: bool,
    },
    /// Changes a user; fields without a flag do not change
    Update {
        /// The user's id from `users list`
        id: Uuid,
        /// The full name
        #[arg(long, value_name = "NAME", required_unless_present_any = ["role", "enable", "disable", "password", "password_stdin"])]
        full_name: Option<String>,
        /// The user's roles; replaces all earlier ones
        #[arg(long, value_name = "ROLE[@TENANT]", value_parser = grant)]
        role: Option<Vec<Grant>>,
        /// Enable the user
        #[arg(long, conflicts_with = "disable")]
        enable: bool,
        /// Disable the user
        #[arg(long)]
        disable: bool,
        /// Ask for a new password on the terminal
        #[arg(long, conflicts_with = "password_stdin")]
        password: bool,
        /// Read a new password from standard input
        #[arg(long)]
        password_stdin: bool,
    },
    /// Deletes a user with all sessions and tokens
    Delete {
        /// The user's id from `users list`
        id: Uuid,
    },
}

#[derive(Debug, Subcommand)]
pub(crate) enum Tokens {
    /// Lists your tokens; an administrator of all tenants sees all tokens
    List,
    /// Creates a token and shows it once
    Create {
        /// The purpose of the token
        #[arg(long)]
        label: String,
        /// The maximum role of the token
        #[arg(long, default_value = "viewer")]
        role: Role,
        /// A tenant in which the token is valid; may be repeated [default: all tenants of its owner]
        #[arg(long, value_name = "TENANT")]
        tenant: Vec<Scope>,
        /// The token expires after this time, such as 90d; at most 366d
        #[arg(long, value_name = "DURATION", default_value = "90d", value_parser = forebay_contract::parse_duration)]
        expires: Duration,
        /// The owner's id or name [default: you]
        #[arg(long, value_name = "ID|NAME")]
        user: Option<String>,
    },
    /// Deletes a token: requests with it get 401
    Delete {
        /// The token's id from `tokens list`
        id: Uuid,
    },
}
