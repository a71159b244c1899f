//! Line icons, drawn for this console.

use maud::{Markup, PreEscaped, html};

/// An icon of 18 pixels that takes the colour of its text.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Icon {
    /// Integrations.
    Flow,
    /// Executions.
    List,
    /// Monitor.
    Pulse,
    /// Connections.
    Plug,
    /// API keys.
    Key,
    /// Users.
    People,
    /// API tokens.
    Token,
    /// Audit log.
    Book,
    /// Alerts.
    Bell,
    /// Light or dark.
    Moon,
    /// The menu of a narrow screen.
    Menu,
}

impl Icon {
    fn path(self) -> &'static str {
        match self {
            Self::Flow => "M5 3.5h4v4H5zM11 12.5h4v4h-4zM7 7.5v5a2 2 0 0 0 2 2h2M5 3.5",
            Self::List => "M7 5h9M7 10h9M7 15h9M3.5 5h.01M3.5 10h.01M3.5 15h.01",
            Self::Pulse => "M2.5 10.5h3l2.5-6 4 11 2.5-7 1 2h2",
            Self::Plug => "M7 2.5v4M13 2.5v4M5 6.5h10v3a5 5 0 0 1-10 0zM10 14.5v3",
            Self::Key => "M11.5 8.5 17 3M14.5 5.5l2 2M8 8a3.5 3.5 0 1 0 0 7 3.5 3.5 0 0 0 0-7zM10.5 9.5l1-1",
            Self::People => {
                "M7.5 9.5a3 3 0 1 0 0-6 3 3 0 0 0 0 6zM2.5 16.5c0-3 2-5 5-5s5 2 5 5M13 4a3 3 0 0 1 0 5.5M14.5 11.8c2 .7 3 2.4 3 4.7"
            }
            Self::Token => "M3 6.5h14v7H3zM6.5 10h.01M10 10h4",
            Self::Book => "M4.5 3.5h9a2 2 0 0 1 2 2v11h-9a2 2 0 0 1-2-2zM4.5 14.5a2 2 0 0 1 2-2h9M8 7h4",
            Self::Bell => "M5 13.5V9a5 5 0 0 1 10 0v4.5l1.5 1.5h-13zM8.5 17h3",
            Self::Moon => "M16 11.5A6.5 6.5 0 0 1 8.5 4 6.5 6.5 0 1 0 16 11.5z",
            Self::Menu => "M3.5 5.5h13M3.5 10h13M3.5 14.5h13",
        }
    }

    /// Draws the icon. It is decoration: a word beside it says the same.
    #[must_use]
    pub(crate) fn draw(self) -> Markup {
        html! {
            svg width="18" height="18" viewBox="0 0 20 20" fill="none" stroke="currentColor" stroke-width="1.6" stroke-linecap="round"
                stroke-linejoin="round" aria-hidden="true" { path d=(self.path()) {} }
        }
    }
}

/// Draws the mark of the product: a weir, and the water behind it.
#[must_use]
pub(crate) fn mark() -> Markup {
    PreEscaped(include_str!("../../assets/mark.svg").to_owned())
}
