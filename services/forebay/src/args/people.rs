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
    /// Invites a user; a password is asked for on the terminal
    Create {
        /// The name to sign in with; for single sign-on, the address that the provider vouches for
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
        /// Without a password: by single sign-on only
        #[arg(long, conflicts_with = "password_stdin")]
        no_password: bool,
    },
    /// Changes a user; what is not given stays
    Update {
        /// The id, as the list shows it
        id: Uuid,
        /// The full name
        #[arg(long, value_name = "NAME", required_unless_present_any = ["role", "enable", "disable", "password", "password_stdin"])]
        full_name: Option<String>,
        /// All roles from then on
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
        /// The id, as the list shows it
        id: Uuid,
    },
}

#[derive(Debug, Subcommand)]
pub(crate) enum Tokens {
    /// Lists one's own tokens; for an administrator of all tenants, all tokens
    List,
    /// Creates a token and shows it this one time
    Create {
        /// Its purpose
        #[arg(long)]
        label: String,
        /// Its maximum role
        #[arg(long, default_value = "viewer")]
        role: Role,
        /// A tenant in which it is valid; may be repeated [default: wherever its owner has a role]
        #[arg(long, value_name = "TENANT")]
        tenant: Vec<Scope>,
        /// It expires after this time, such as 90d; at most 366d
        #[arg(long, value_name = "DURATION", default_value = "90d", value_parser = forebay_contract::parse_duration)]
        expires: Duration,
        /// Its owner's id or name [default: oneself]
        #[arg(long, value_name = "ID|NAME")]
        user: Option<String>,
    },
    /// Deletes a token: requests with it get 401
    Delete {
        /// The token's id, as the list shows it
        id: Uuid,
    },
}
