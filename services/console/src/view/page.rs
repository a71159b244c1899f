//! The frame around every page.

use super::icon::{Icon, mark};
use maud::{DOCTYPE, Markup, html};

/// The data of a page for its frame.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Frame<'a> {
    /// The title in the browser, and the heading.
    pub(crate) title: &'a str,
    /// The entry of the navigation that is current.
    pub(crate) section: Section,
    /// The text under the heading; empty: none.
    pub(crate) lead: &'a str,
    /// The pages above this one: address and title.
    pub(crate) above: &'a [(String, String)],
    /// The name of the signed-in user.
    pub(crate) user: &'a str,
    /// True if the user may see users.
    pub(crate) administers: bool,
    /// True if the user may read the audit log.
    pub(crate) reads_audit: bool,
    /// Number of halted triggers that wait for a decision.
    pub(crate) halted: usize,
    /// The address of server-sent events that notify of changes; empty: the page does not follow.
    pub(crate) live: &'a str,
    /// True if the page needs the editor's script.
    pub(crate) has_editor: bool,
}

/// The entries of the navigation.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Section {
    /// Definitions.
    Integrations,
    /// The history.
    Executions,
    /// Throughput, queues, workers.
    Monitor,
    /// Alert rules.
    Alerts,
    /// Connections to other systems.
    Connections,
    /// API keys of callers.
    Keys,
    /// Users of the console.
    Users,
    /// API tokens.
    Tokens,
    /// The audit log.
    Audit,
    /// None of these.
    Other,
}

const WORK: [(Section, Icon, &str, &str); 4] = [
    (Section::Integrations, Icon::Flow, "/integrations", "Integrations"),
    (Section::Executions, Icon::List, "/executions", "Executions"),
    (Section::Monitor, Icon::Pulse, "/monitor", "Monitor"),
    (Section::Alerts, Icon::Bell, "/alerts", "Alerts"),
];
const ACCESS: [(Section, Icon, &str, &str); 2] =
    [(Section::Connections, Icon::Plug, "/connections", "Connections"), (Section::Keys, Icon::Key, "/keys", "API keys")];
const USERS: (Section, Icon, &str, &str) = (Section::Users, Icon::People, "/users", "Users");
const TOKENS: (Section, Icon, &str, &str) = (Section::Tokens, Icon::Token, "/tokens", "API tokens");
const AUDIT: (Section, Icon, &str, &str) = (Section::Audit, Icon::Book, "/audit", "Audit log");

/// Draws a page with navigation.
#[must_use]
pub(crate) fn page(frame: &Frame<'_>, head: &Markup, content: &Markup) -> Markup {
    document(
        frame.title,
        frame.has_editor,
        frame.live,
        &html! {
            a.skip href="#content" { "Skip to content" }
            div.shell {
                header.side {
                    a.brand href="/integrations" { (mark()) "Forebay" }
                    button.menu-button type="button" data-menu aria-expanded="false" aria-controls="navigation" { (Icon::Menu.draw()) "Menu" }
                    nav.nav id="navigation" aria-label="Main" {
                        (entries(frame, "", &WORK))
                        (entries(frame, "Access", &ACCESS))
                        (entries(frame, "People", &people(frame)))
                    }
                    div.side-foot {
                        a.who href="/account" { span.muted { "Signed in as" } br; (frame.user) }
                        div.row {
                            button.button.small.quiet.needs-script type="button" data-theme-switch { (Icon::Moon.draw()) "Theme" }
                            form method="post" action="/sign-out" { button.button.small.quiet type="submit" { "Sign out" } }
                        }
                    }
                }
                main id="content" tabindex="-1" {
                    div.head {
                        @if !frame.above.is_empty() {
                            nav.crumbs aria-label="Breadcrumb" { ol { @for (href, words) in frame.above { li { a href=(href) { (words) } } } } }
                        }
                        div.row.apart { h1 { (frame.title) } div.actions { (head) @if !frame.live.is_empty() { (live_mark()) } } }
                        @if !frame.lead.is_empty() { p.lead { (frame.lead) } }
                    }
                    (content)
                }
            }
            dialog id="confirm" aria-labelledby="confirm-text" {
                form.stack method="dialog" {
                    p id="confirm-text" data-confirm-text {}
                    div.actions {
                        button.button.main type="submit" value="go" data-confirm-go { "Confirm" }
                        button.button type="submit" value="" { "Cancel" }
                    }
                }
            }
        },
    )
}

/// Draws a page without navigation: signing in, the first run, a page that does not exist.
#[must_use]
pub(crate) fn alone(title: &str, content: &Markup) -> Markup {
    document(
        title,
        false,
        "",
        &html! {
            a.skip href="#content" { "Skip to content" }
            div.alone {
                a.brand href="/" { (mark()) "Forebay" }
                main id="content" tabindex="-1" { section.card { div.body { h1 { (title) } (content) } } }
            }
        },
    )
}

/// Draws tabs: address and label; the current one is `here`.
#[must_use]
pub(crate) fn tabs(label: &str, here: &str, tabs: &[(String, &str)]) -> Markup {
    html! {
        nav.tabs aria-label=(label) {
            @for (href, words) in tabs { a href=(href) aria-current=[(*words == here).then_some("page")] { (words) } }
        }
    }
}

/// Draws a card with a heading.
#[must_use]
pub(crate) fn card(title: &str, beside: &Markup, content: &Markup) -> Markup {
    html! { section.card { header { h2 { (title) } div.actions { (beside) } } div.body { (content) } } }
}

/// Draws a card that contains a table, up to its edges.
#[must_use]
pub(crate) fn table_card(title: &str, beside: &Markup, table: &Markup) -> Markup {
    html! { section.card { header { h2 { (title) } div.actions { (beside) } } (table) } }
}

/// Returns the entries of the navigation that this user may see.
fn people(frame: &Frame<'_>) -> Vec<(Section, Icon, &'static str, &'static str)> {
    let all = [(USERS, frame.administers), (TOKENS, true), (AUDIT, frame.reads_audit)];
    all.into_iter().filter(|(_, is_allowed)| *is_allowed).map(|(entry, _)| entry).collect()
}

fn live_mark() -> Markup {
    html! { span.live-dot.needs-script data-live-mark role="status" { "Connecting" } }
}

fn entries(frame: &Frame<'_>, heading: &str, entries: &[(Section, Icon, &str, &str)]) -> Markup {
    html! {
        div {
            @if !heading.is_empty() { h2 { (heading) } }
            ul {
                @for (section, icon, href, words) in entries {
                    li {
                        a href=(href) aria-current=[(*section == frame.section).then_some("page")] {
                            (icon.draw()) (words)
                            @if *section == Section::Monitor && frame.halted > 0 { span.count { (frame.halted) span.unseen { " halted" } } }
                        }
                    }
                }
            }
        }
    }
}

fn document(title: &str, has_editor: bool, live: &str, body: &Markup) -> Markup {
    html! {
        (DOCTYPE)
        html lang="en" {
            head {
                meta charset="utf-8";
                meta name="viewport" content="width=device-width, initial-scale=1";
                meta name="color-scheme" content="light dark";
                title { (title) " · Forebay" }
                link rel="icon" type="image/svg+xml" href=(address("icon.svg"));
                script src=(address("theme.js")) {}
                link rel="stylesheet" href=(address("console.css"));
                script src=(address("console.js")) defer {}
                @if has_editor { script src=(address("editor.js")) defer {} }
            }
            body data-live-source=[(!live.is_empty()).then_some(live)] { (body) }
        }
    }
}

fn address(name: &str) -> String {
    crate::pages::assets::address(name)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_frame_marks_the_current_page_and_hides_entries_that_are_not_allowed() {
        let frame = Frame {
            title: "<Orders>",
            section: Section::Monitor,
            lead: "",
            above: &[],
            user: "ada",
            administers: false,
            reads_audit: false,
            halted: 2,
            live: "/live",
            has_editor: false,
        };
        let html = page(&frame, &html! {}, &html! {}).into_string();
        assert!(html.contains("<h1>&lt;Orders&gt;</h1>"), "{html}");
        assert!(html.contains("href=\"/monitor\" aria-current=\"page\""), "{html}");
        assert!(html.contains(">2<span class=\"unseen\"> halted"), "{html}");
        assert!(!html.contains("/audit") && !html.contains("/users") && html.contains("/tokens"), "{html}");
        assert!(!html.contains("editor.js") && !html.contains(" style="), "{html}");
    }
}
