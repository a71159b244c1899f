//! Merges the form into the text. Both are views of one definition, and the user may have changed both since the form was drawn. The
//! changes of the form are applied to the current text, field by field, so that neither undoes the other.

use super::form;
use super::text::{document, with_fields};
use crate::pages::sent::Sent;
use serde_json::{Map, Value};

/// A text with the changes of the form.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Merged {
    /// The text.
    pub(crate) source: String,
    /// A text of which the form shows exactly the fields.
    pub(crate) drawn: String,
    /// True if the text has all fields of the form; false if either text cannot be read.
    pub(crate) is_written: bool,
    /// A text with the fields of the form, if they are not in `source`.
    pub(crate) pending: Option<String>,
    /// A message for the user; empty: none.
    pub(crate) notice: String,
}

/// Applies the user's changes of the form to the text. If the text cannot be read, both stay unchanged: the changes of the form are applied
/// once the text can be read.
pub(crate) fn merge_form(sent: &Sent) -> Merged {
    let (source, drawn) = (sent.text("source"), sent.text("drawn"));
    let unchanged =
        |is_written: bool, notice: String| Merged { source: source.to_owned(), drawn: drawn.to_owned(), is_written, pending: None, notice };
    if !sent.has("drawn") {
        return unchanged(false, String::new());
    }
    let Some(base) = document(drawn) else { return unchanged(false, String::new()) };
    let mut changes = form::changes(&base, sent);
    changes.retain(|(name, value)| base.get(*name) != value.as_ref());
    if changes.is_empty() {
        return unchanged(true, String::new());
    }
    let form_text = match with_fields(drawn, &changes) {
        Ok(edited) => edited.source,
        Err(reason) => return unchanged(false, reason),
    };
    let Some(current) = document(source) else {
        return Merged { pending: Some(form_text), ..unchanged(false, String::new()) };
    };
    let changes: Vec<_> = changes.iter().map(|(name, mine)| (*name, merged(base.get(*name), mine.as_ref(), current.get(*name)))).collect();
    match with_fields(source, &changes) {
        Ok(edited) => {
            let notice = match edited.lost.as_slice() {
                [] => String::new(),
                lost => format!("The form has replaced these fields, and comments in them are lost: {}.", lost.join(", ")),
            };
            Merged { source: edited.source, drawn: form_text, is_written: true, pending: None, notice }
        }
        Err(reason) => Merged { pending: Some(form_text), ..unchanged(false, reason) },
    }
}

/// Merges two changes of a value since `base`, field by field; if both changed the same field, `mine` wins.
fn merged(base: Option<&Value>, mine: Option<&Value>, theirs: Option<&Value>) -> Option<Value> {
    if mine == base {
        return theirs.cloned();
    }
    let (Some(Value::Object(mine)), Some(Value::Object(theirs))) = (mine, theirs) else { return mine.cloned() };
    let names = theirs.keys().chain(mine.keys().filter(|name| !theirs.contains_key(*name)));
    let fields = names.filter_map(|name| {
        let before = base.and_then(|base| base.get(name));
        merged(before, mine.get(name), theirs.get(name)).map(|value| (name.clone(), value))
    });
    Some(Value::Object(fields.collect::<Map<_, _>>()))
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    const DRAWN: &str = "tenant: t1\nname: Orders\ntrigger:\n  webhook:\n    methods: [POST]\n";
    const FORM: [(&str, &str); 6] =
        [("enabled", "true"), ("kind", "webhook"), ("methods", "POST"), ("authentication", "api_key"), ("delivery", "lane"), ("input", "")];

    fn write(source: &str, drawn: &str, changed: &[(&str, &str)]) -> Merged {
        let mut fields = vec![("source", source), ("drawn", drawn)];
        fields.extend(FORM.iter().filter(|(name, _)| !changed.iter().any(|(other, _)| other == name)));
        fields.extend(changed);
        let body = form_urlencoded::Serializer::new(String::new()).extend_pairs(fields).finish();
        merge_form(&Sent::read(body.as_bytes()))
    }

    #[test]
    fn changes_of_the_form_are_applied_to_a_changed_text() {
        let text = format!("# mine\n{DRAWN}    rate: {{ calls: 5, per: 1m }}\ninput: .body\n");
        let done = write(&text, DRAWN, &[("description", "Work orders"), ("delivery", "serial")]);
        let read = document(&done.source).unwrap();
        assert_eq!((&read["description"], &read["input"]), (&json!("Work orders"), &json!(".body")), "{}", done.source);
        let webhook = json!({"methods": ["POST"], "rate": {"calls": 5, "per": "1m"}, "ordered": true});
        assert_eq!(read["trigger"]["webhook"], webhook);
        assert!(done.source.starts_with("# mine\n") && done.is_written && done.notice.is_empty());
        // The form then shows its own text, and does not undo the changes in the other text.
        assert_eq!(document(&done.drawn).unwrap()["trigger"]["webhook"], json!({"methods": ["POST"], "ordered": true}));
        let again = write(&done.source, &done.drawn, &[("description", "Work orders"), ("delivery", "serial")]);
        assert_eq!(again.source, done.source);
        // A field that is reset in the form is also reset in the text.
        let back = document(&write(&done.source, &done.drawn, &[("delivery", "serial")]).source).unwrap();
        assert_eq!((back.get("description"), &back["trigger"]["webhook"]), (None, &webhook));
    }

    #[test]
    fn an_unreadable_text_and_the_form_stay_unchanged() {
        let done = write("tenant: [", DRAWN, &[("description", "Work orders")]);
        assert_eq!((done.source.as_str(), done.drawn.as_str(), done.is_written), ("tenant: [", DRAWN, false));
        assert!(done.pending.is_some_and(|text| text.contains("description: Work orders")));
    }

    #[test]
    fn an_invalid_value_of_the_form_is_written_and_can_be_fixed_in_the_form() {
        let wrong = write(DRAWN, DRAWN, &[("waits", "true"), ("wait", "soon"), ("on_timeout", "error")]);
        assert!(wrong.source.contains("wait: soon"), "{}", wrong.source);
        let fixed = write(&wrong.source, &wrong.drawn, &[("waits", "true"), ("wait", "10s"), ("on_timeout", "error")]);
        assert!(fixed.source.contains("wait: 10s"), "{}", fixed.source);
    }

    const TEXT: &str = "# Orders\ntenant: t1\nname: Orders\ntrigger:\n  webhook:\n    methods: [POST]\ninput: '{ id: .body.id }'\n";

    fn sent(fields: &[(&str, &str)]) -> Sent {
        let body = form_urlencoded::Serializer::new(String::new()).extend_pairs(fields).finish();
        Sent::read(body.as_bytes())
    }

    const UNCHANGED: [(&str, &str); 8] = [
        ("drawn", TEXT),
        ("source", TEXT),
        ("enabled", "true"),
        ("kind", "webhook"),
        ("methods", "POST"),
        ("authentication", "api_key"),
        ("delivery", "lane"),
        ("input", "{ id: .body.id }"),
    ];

    #[test]
    fn an_unchanged_form_does_not_change_the_text() {
        let done = merge_form(&sent(&UNCHANGED));
        assert_eq!((done.source.as_str(), done.drawn.as_str(), done.is_written), (TEXT, TEXT, true));
    }

    #[test]
    fn the_form_writes_only_fields_that_differ_from_their_defaults() {
        let mut fields = UNCHANGED.to_vec();
        fields[6] = ("delivery", "serial");
        fields.extend([
            ("waits", "true"),
            ("wait", "10s"),
            ("rate_calls", "100"),
            ("rate_per", "1m"),
            ("rate_scope", "key"),
            ("parameter_name_0", "customerid"),
            ("parameter_type_0", "integer"),
            ("parameter_required_0", "true"),
            ("parameter_name_1", "customername"),
            ("parameter_type_1", "string"),
            ("parameter_default_1", "TheCompany"),
            ("parameter_name_2", ""),
        ]);
        let Merged { source, notice, .. } = merge_form(&sent(&fields));
        assert_eq!(notice, "");
        assert!(source.starts_with("# Orders\n") && source.contains("input: '{ id: .body.id }'\n"), "{source}");
        let read = document(&source).unwrap();
        let expected = json!({ "webhook": {
            "methods": ["POST"],
            "query": { "customerid": { "type": "integer", "required": true }, "customername": { "default": "TheCompany" } },
            "ordered": true,
            "response": { "wait": "10s" },
            "rate": { "calls": 100, "per": "1m", "scope": "key" },
        } });
        assert_eq!(read["trigger"], expected);
    }

    #[test]
    fn a_renamed_parameter_keeps_fields_that_the_form_does_not_have() {
        let text = format!("{DRAWN}    query:\n      sit: {{ type: integer, description: Of the meter }}\n");
        let done = write(&text, &text, &[("parameter_name_0", "site"), ("parameter_type_0", "integer")]);
        assert_eq!(
            document(&done.source).unwrap()["trigger"]["webhook"]["query"],
            json!({"site": {"type": "integer", "description": "Of the meter"}})
        );
    }
}
