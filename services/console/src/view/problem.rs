//! Error pages.

use super::page::alone;
use maud::{Markup, html};

/// Draws an error page. `detail` is the problem, for the reader; empty: the text of the status is enough.
#[must_use]
pub(crate) fn problem(status: u16, detail: &str) -> Markup {
    let (title, advice) = match status {
        401 => ("Not signed in", "Your session has ended. Sign in again to continue."),
        403 => ("Not allowed", "Your role does not allow this. An administrator of the tenant can change your role."),
        404 => ("Not found", "The object does not exist, it was deleted, or it belongs to a tenant that you cannot see."),
        409 | 412 => ("Conflict", "Another change conflicts with this request. Load the page again, and repeat your change."),
        429 => ("Too many attempts", "Wait a moment, then try again."),
        503 => ("Not available", "The database or the broker does not respond. Received calls are safe. Try again in a moment."),
        400..500 => ("Bad request", "The request is not valid."),
        _ => (
            "Internal error",
            "The console's log has the cause. Try again. If the error occurs again, report the time to an administrator.",
        ),
    };
    alone(
        title,
        &html! {
            @if !detail.is_empty() { p.break { (detail) } }
            p.muted { (advice) }
            p.muted.small { "Status " (status) }
            div.actions {
                @if status == 401 { a.button.main href="/sign-in" { "Sign in" } } @else { a.button.main href="/integrations" { "Back to integrations" } }
            }
        },
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_status_has_a_page_that_says_what_to_do() {
        for status in [400, 401, 403, 404, 405, 409, 412, 413, 429, 500, 502, 503] {
            let html = problem(status, "<x>").into_string();
            assert!(html.contains("&lt;x&gt;") && html.contains(&format!("Status {status}")), "{status}");
        }
        assert!(problem(401, "").into_string().contains("href=\"/sign-in\""));
    }
}
