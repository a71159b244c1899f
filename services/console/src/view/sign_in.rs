//! Signing in, and the first run.

use super::badge::Tone;
use super::field::Field;
use super::notice::notice;
use super::page::alone;
use maud::{Markup, html};

/// Draws the sign-in page. `wrong` is the reason for which the last attempt failed, or empty. `next` is the address to go to afterwards.
/// `other` is the name of the provider of single sign-on, if there is one.
#[must_use]
pub(crate) fn sign_in(name: &str, wrong: &str, next: &str, other: Option<&str>) -> Markup {
    alone(
        "Sign in",
        &html! {
            @if !wrong.is_empty() { (notice(Tone::Bad, "Not signed in", wrong)) }
            form.stack method="post" action="/sign-in" {
                input type="hidden" name="next" value=(next);
                (Field { name: "name", label: "Name", value: name, required: true, ..Field::default() }.credential("text", "username"))
                (Field { name: "password", label: "Password", required: true, ..Field::default() }.credential("password", "current-password"))
                button.button.main type="submit" { "Sign in" }
            }
            @if let Some(other) = other { hr; a.button href={ "/sign-in/oidc?" (form_urlencoded::Serializer::new(String::new()).append_pair("next", next).finish()) } { "Sign in with " (other) } }
        },
    )
}

/// Draws the page of the first run, which creates the first administrator.
#[must_use]
pub(crate) fn setup(name: &str, code: &str, wrong: &str) -> Markup {
    alone(
        "Welcome to Forebay",
        &html! {
            p { "No user exists yet. Create the first administrator, who can add other users." }
            @if !wrong.is_empty() { (notice(Tone::Bad, "Could not save", wrong)) }
            form.stack method="post" action="/setup" {
                (Field {
                    name: "code", label: "Setup code", value: code, hint: "The code is in the console's log.", required: true, ..Field::default()
                }.line("text"))
                (Field { name: "name", label: "Name", value: name, required: true, ..Field::default() }.credential("text", "username"))
                (Field { name: "full_name", label: "Full name", ..Field::default() }.credential("text", "name"))
                (Field { name: "password", label: "Password", hint: "At least 12 characters.", required: true, ..Field::default() }
                    .credential("password", "new-password"))
                button.button.main type="submit" { "Create administrator" }
            }
        },
    )
}
