//! Addresses of an email: templates in which only the literal text determines where an address begins and ends.
//!
//! Each entry of a list is one address, or several separated by literal commas. An inserted value is part of one address and adds no syntax
//! to it; an entry that is one expression inserts one address, or, as an array, several.

use forebay_contract::MailAddress;
use forebay_mapping::{Piece, Template, Value, to_json};

/// A character of an address, or an inserted value.
#[derive(Debug, Clone)]
enum Token {
    Literal(char),
    Inserted(Value),
}

/// Returns the addresses of the pieces of one entry; none for a blank text.
///
/// # Errors
/// The text that is not an address, or the character that may not be inserted.
pub(crate) fn addresses(pieces: &[Piece]) -> Result<Vec<MailAddress>, String> {
    let entries = entries(pieces);
    let is_alone = entries.len() == 1;
    let mut found = Vec::with_capacity(entries.len());
    for entry in &entries {
        match trimmed(entry) {
            [] if is_alone => {}
            [] => return Err("between two commas stands no address".to_owned()),
            [Token::Inserted(value)] => found.extend(whole(value)?),
            tokens => found.push(one(tokens)?),
        }
    }
    Ok(found)
}

/// Returns exactly one address, for `from` and `reply_to`.
///
/// # Errors
/// Those of [`addresses`], and none or several addresses.
pub(crate) fn one_address(pieces: &[Piece]) -> Result<MailAddress, String> {
    let mut found = addresses(pieces)?;
    match (found.pop(), found.is_empty()) {
        (Some(address), true) => Ok(address),
        (None, _) => Err("it is empty, and one address belongs here".to_owned()),
        (Some(_), false) => Err("it holds several addresses, and one belongs here".to_owned()),
    }
}

/// Checks a template before any value is inserted. `is_one`: it must be one address.
///
/// # Errors
/// A literal text that is not an address, or that cannot be one with any inserted value.
pub(crate) fn check(template: &Template, is_one: bool) -> Result<(), String> {
    let pieces = template.pieces_with_ones();
    if is_one && template.is_literal() {
        return one_address(&pieces).map(drop);
    }
    if is_one && entries(&pieces).len() > 1 {
        return Err("it holds several addresses, and one belongs here".to_owned());
    }
    for entry in entries(&pieces) {
        let mut tokens = trimmed(&entry).to_vec();
        if matches!(tokens[..], [Token::Inserted(_)]) || template.is_literal() {
            continue;
        }
        // An expression may insert the whole `local@domain`.
        if !tokens.iter().any(|token| matches!(token, Token::Literal('@'))) {
            let end = tokens.iter().rposition(|token| matches!(token, Token::Inserted(_))).map_or(0, |last| last + 1);
            tokens.splice(end..end, "@example.com".chars().map(Token::Literal));
        }
        one(&tokens)?;
    }
    match template.is_literal() {
        true if addresses(&pieces)?.is_empty() => Err("it is empty: give an address, or remove it".to_owned()),
        _ => Ok(()),
    }
}

/// Splits at literal commas outside of quotes and angle brackets.
fn entries(pieces: &[Piece]) -> Vec<Vec<Token>> {
    let mut entries = vec![Vec::new()];
    let (mut in_quotes, mut in_brackets, mut is_escaped) = (false, false, false);
    let mut push = |token: Token, is_end: bool| match (is_end, entries.last_mut()) {
        (false, Some(entry)) => entry.push(token),
        _ => entries.push(Vec::new()),
    };
    for piece in pieces {
        let text = match piece {
            Piece::Inserted(value) => {
                is_escaped = false;
                push(Token::Inserted(value.clone()), false);
                continue;
            }
            Piece::Text(text) => text,
        };
        for character in text.chars() {
            let was_escaped = std::mem::take(&mut is_escaped);
            match character {
                '\\' if in_quotes && !was_escaped => is_escaped = true,
                '"' if !was_escaped => in_quotes = !in_quotes,
                '<' if !in_quotes => in_brackets = true,
                '>' if !in_quotes => in_brackets = false,
                _ => {}
            }
            push(Token::Literal(character), character == ',' && !in_quotes && !in_brackets);
        }
    }
    entries
}

fn is_blank(token: &Token) -> bool {
    matches!(token, Token::Literal(character) if character.is_whitespace())
}

fn trimmed(mut tokens: &[Token]) -> &[Token] {
    while let [first, rest @ ..] = tokens
        && is_blank(first)
    {
        tokens = rest;
    }
    while let [rest @ .., last] = tokens
        && is_blank(last)
    {
        tokens = rest;
    }
    tokens
}

/// Reads an expression that is the whole entry: an address, or a list of them. A blank text is none.
fn whole(value: &Value) -> Result<Vec<MailAddress>, String> {
    let single = std::slice::from_ref(value);
    let mut found = Vec::new();
    for value in value.as_array().unwrap_or(single) {
        let Some(text) = value.as_str() else {
            return Err(format!("an address is a text, or an array of texts, and the expression gave {}", value.kind()));
        };
        if text.trim().is_empty() {
            continue;
        }
        let address = MailAddress::parse(text).map_err(|error| match text.contains([',', ';']) {
            true => format!("{error}; for several addresses give an array of texts"),
            false => error.to_string(),
        });
        found.push(address?);
    }
    Ok(found)
}

/// Reads `local@domain` or `Name <local@domain>`, with expressions inside.
fn one(tokens: &[Token]) -> Result<MailAddress, String> {
    let [before @ .., Token::Literal('>')] = tokens else { return mailbox(None, tokens) };
    let open = before.iter().rposition(|token| matches!(token, Token::Literal('<')));
    let Some(open) = open else { return Err("it has a > without a <".to_owned()) };
    mailbox(Some(name(trimmed(&before[..open]))?), trimmed(&before[open + 1..]))
}

fn mailbox(name: Option<String>, tokens: &[Token]) -> Result<MailAddress, String> {
    let has_at = tokens.iter().any(|token| matches!(token, Token::Literal('@')));
    let mut address = String::new();
    for token in tokens {
        match token {
            Token::Literal(character) => address.push(*character),
            Token::Inserted(value) => {
                let text = scalar(value)?;
                let is_syntax = |c: char| c.is_whitespace() || c.is_control() || ",;:<>()[]\\\"".contains(c) || c == '@' && has_at;
                if let Some(character) = text.chars().find(|character| is_syntax(*character)) {
                    return Err(format!(
                        "'{}' cannot be inserted into an address, since it holds {character:?}; for an address of its own use an entry of \
                         its own, which is one expression",
                        text.escape_debug()
                    ));
                }
                address.push_str(&text);
            }
        }
    }
    MailAddress::new(name.as_deref(), &address).map_err(|error| error.to_string())
}

/// Reads the name before `<`: inserted values are plain text, and quoted as needed when the email is written.
fn name(tokens: &[Token]) -> Result<String, String> {
    let mut text = String::new();
    let (mut in_quotes, mut was_quoted, mut is_escaped) = (false, false, false);
    for token in tokens {
        let character = match token {
            Token::Inserted(value) => {
                text.push_str(&scalar(value)?);
                continue;
            }
            Token::Literal(character) => *character,
        };
        match character {
            _ if std::mem::take(&mut is_escaped) => text.push(character),
            '\\' if in_quotes => is_escaped = true,
            // A quoted name is quoted as a whole.
            '"' if !in_quotes && !text.trim().is_empty() => return Err("before the quoted name stands more text".to_owned()),
            '"' => {
                in_quotes = !in_quotes;
                was_quoted = true;
            }
            _ if !in_quotes && "()<>[]:;@\\".contains(character) => {
                return Err(format!("put a name with {character:?} into quotes"));
            }
            // Only blanks are allowed around the quotes.
            _ if !in_quotes && was_quoted && !character.is_whitespace() => {
                return Err("beside a quoted name stands more than <address>".to_owned());
            }
            _ => text.push(character),
        }
    }
    if in_quotes { Err("the quote before its name is not closed".to_owned()) } else { Ok(text) }
}

fn scalar(value: &Value) -> Result<String, String> {
    match (value.as_array(), value.entries()) {
        (None, None) => Ok(value.as_str().map_or_else(|| String::from_utf8_lossy(&to_json(value)).into_owned(), str::to_owned)),
        _ => Err(format!("{} cannot stand inside an address", value.kind())),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use forebay_mapping::{Encoding, Limits, Template};
    use proptest::prelude::*;
    use serde_json::{Value as Json, json};

    fn of(template: &str, body: &Json) -> Result<Vec<String>, String> {
        let template = Template::compile(template, Encoding::HeaderValue).unwrap();
        let pieces = template.pieces(&Value::from(body), &Limits::default()).unwrap();
        addresses(&pieces).map(|found| found.iter().map(ToString::to_string).collect())
    }

    #[test]
    fn the_literal_text_alone_says_where_an_address_begins_and_ends() {
        let one = |text: &str| vec![text.to_owned()];
        let cases = [
            ("ann@example.com", json!(null), one("ann@example.com")),
            ("ann@example.com, Bob <bob@example.com>", json!(null), vec!["ann@example.com".into(), "\"Bob\" <bob@example.com>".into()]),
            ("${ . }@corp.example", json!("anna"), one("anna@corp.example")),
            ("${ . }@corp.example", json!(4711), one("4711@corp.example")),
            ("info@${ . }", json!("corp.example"), one("info@corp.example")),
            ("${ .a }${ .b }", json!({"a": "ann", "b": "@corp.example"}), one("ann@corp.example")),
            (
                "\"${ .n }\" <${ .a }>",
                json!({"n": "Lee, Ann <x@y.example>", "a": "a@b.example"}),
                one("\"Lee, Ann <x@y.example>\" <a@b.example>"),
            ),
            ("${ .n } <x@y.example>", json!({"n": "a\" <e@v.example>, \""}), one("\"a\\\" <e@v.example>, \\\"\" <x@y.example>")),
            ("\"Lee, ${ . }\" <x@y.example>, z@y.example", json!("Ann"), vec!["\"Lee, Ann\" <x@y.example>".into(), "z@y.example".into()]),
            ("${ . }", json!("Ann <a@b.example>"), one("\"Ann\" <a@b.example>")),
            (" ${ . } ", json!(["a@b.example", "c@d.example", ""]), vec!["a@b.example".into(), "c@d.example".into()]),
            ("${ . }", json!([]), vec![]),
            ("${ . }", json!(" "), vec![]),
            ("", json!(null), vec![]),
        ];
        for (template, body, expected) in cases {
            assert_eq!(of(template, &body), Ok(expected), "{template} {body}");
        }
    }

    #[test]
    fn what_is_inserted_adds_no_address_and_no_syntax() {
        let evil = [
            "evil@evil.example, anna",
            "evil@evil.example",
            "x,y",
            "x;y",
            "<x>",
            "x>",
            "a b",
            "\"a\"",
            "a\\",
            "a\r\nBcc: e@v.example",
            "g:",
            "a(b)",
            "[1.2.3.4]",
            "a@b",
            "a..b",
            "\u{2028}",
        ];
        for inserted in evil {
            for template in ["${ . }@corp.example", "x-${ . }@corp.example", "Ann <${ . }@corp.example>"] {
                let given = of(template, &json!(inserted));
                assert!(given.is_err(), "{template} {inserted:?}: {given:?}");
            }
        }
        for inserted in ["evil@evil.example, anna@corp.example", "a@b.example;c@d.example", "a@b@c", "anna", "staff: a@b.example;"] {
            assert!(of("${ . }", &json!(inserted)).is_err(), "{inserted}");
            assert!(of("Ann <${ . }>", &json!(inserted)).is_err(), "{inserted}");
        }
        for value in [json!(7), json!({"a": 1}), json!([["a@b.example"]]), json!(["a@b.example", 1])] {
            assert!(of("${ . }", &value).is_err(), "{value}");
        }
        assert!(of("a@b.example, ${ . }", &json!(["x@y.example", "z@y.example"])).is_ok_and(|found| found.len() == 3));
        assert!(of("x-${ . }@b.example", &json!(["x"])).unwrap_err().contains("array"));
    }

    #[test]
    fn a_literal_that_is_no_address_is_told() {
        for template in [
            "anna",
            "a@b@c",
            "an na@example.com",
            "a@b.example,, c@d.example",
            "${ . }@",
            "@${ . }.example",
            "Ann \"x\" <a@b.example>",
            "a; b",
        ] {
            assert!(of(template, &json!("1")).is_err(), "{template}");
        }
        for (template, is_right) in [
            ("anna", false),
            ("a@b@c", false),
            ("${ . }@b@c", false),
            ("${ . }@", false),
            ("${ . }, anna", false),
            ("${ . } x@y.example", false),
            ("${ . }", true),
            ("", false),
            ("${ . }@corp.example", true),
            ("x-${ . }", true),
            ("\"${ . }\" <${ . }>", true),
            ("${ . } <a@b.example>, ${ . }", true),
        ] {
            assert_eq!(check(&Template::compile(template, Encoding::HeaderValue).unwrap(), false).is_ok(), is_right, "{template}");
        }
        assert!(one_address(&[Piece::Text("a@b.example, c@d.example".to_owned())]).is_err());
        assert!(one_address(&[Piece::Text(String::new())]).is_err());
    }
    proptest! {
        #[test]
        fn no_template_and_no_value_ends_in_a_panic(
            literals in prop::collection::vec("([a-zé@.<>\"\\\\,; ()]|\\PC){0,12}", 1..4),
            inserted in "([a-zé@.<>\"\\\\,; ()]|\\PC){0,12}",
        ) {
            let pieces: Vec<Piece> = literals.iter().flat_map(|text| [Piece::Text(text.clone()), Piece::Inserted(Value::from(inserted.as_str()))]).collect();
            let _ = (addresses(&pieces), one_address(&pieces));
        }
    }
}
