//! The head of tables.

use maud::{Markup, html};

/// Draws the head of a table. `unseen` is the name of a last column without a visible name, such as that of the buttons.
pub(super) fn head(columns: &[&str], unseen: Option<&str>) -> Markup {
    html! {
        thead {
            tr {
                @for column in columns { th scope="col" { (column) } }
                @if let Some(column) = unseen { th scope="col" { span.unseen { (column) } } }
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_column_is_named_also_where_its_name_is_not_seen() {
        let html = head(&["Name", "<b>"], Some("Actions")).into_string();
        let expected = "<thead><tr><th scope=\"col\">Name</th><th scope=\"col\">&lt;b&gt;</th><th scope=\"col\">\
                        <span class=\"unseen\">Actions</span></th></tr></thead>";
        assert_eq!(html, expected);
    }
}
