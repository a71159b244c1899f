//! Hides named fields in texts that quote a body, such as the message of a remote system's refusal.

/// Replaces a hidden value.
pub const HIDDEN: &str = "[redacted]";

/// Returns the text without the values after one of the names (in lower case): `"name": "value"`, `name=value`, `<name>value</name>`.
pub(crate) fn without_fields(text: &str, names: &[String]) -> String {
    // It has the same length as the text.
    let lower = text.to_ascii_lowercase();
    let (mut redacted, mut done) = (String::with_capacity(text.len()), 0);
    while let Some(end) = names.iter().filter_map(|name| end_of_name(&lower, done, name)).min() {
        match value_after(&text[end..]) {
            Some((before, length)) => {
                redacted.push_str(&text[done..end + before]);
                redacted.push_str(HIDDEN);
                done = end + before + length;
            }
            None => {
                redacted.push_str(&text[done..end]);
                done = end;
            }
        }
    }
    redacted + &text[done..]
}

/// Returns the end of the next whole word `name`.
fn end_of_name(lower: &str, from: usize, name: &str) -> Option<usize> {
    let is_part = |character: Option<char>| character.is_some_and(|c| c.is_alphanumeric() || c == '_' || c == '-');
    lower[from..].match_indices(name).map(|(at, _)| (from + at, from + at + name.len())).find_map(|(begin, end)| {
        let stands_alone = !is_part(lower[..begin].chars().next_back()) && !is_part(lower[end..].chars().next());
        stands_alone.then_some(end)
    })
}

/// Returns the distance from the name to its value, and the length of the value; `None`: no value follows.
fn value_after(rest: &str) -> Option<(usize, usize)> {
    let sign = rest.trim_start_matches(['"', '\'', '\\', ' ']);
    let mark = sign.chars().next().filter(|mark| [':', '=', '>'].contains(mark))?;
    let value = sign[1..].trim_start_matches(' ');
    let begin = rest.len() - value.len();
    let until = |end: &[char], from: usize| value[from..].find(end).map_or(value.len(), |at| from + at);
    let length = match value.trim_start_matches('\\').chars().next()? {
        _ if mark == '>' => until(&['<'], 0),
        quote @ ('"' | '\'') => {
            let open = value.len() - value.trim_start_matches('\\').len() + 1;
            return Some((begin + open, until(&[quote], open) - open));
        }
        // The rest is hidden: its end need not be known.
        '{' | '[' => value.len(),
        _ => until(&[',', ';', '&', '}', ']', ')', '<', ' ', '\n', '"'], 0),
    };
    (length > 0).then_some((begin, length))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_stands_behind_a_name_is_hidden_however_it_is_written() {
        let cases = [
            (r#"answered 400: {"Token": "hunter2", "fine": 1}"#, r#"answered 400: {"Token": "[redacted]", "fine": 1}"#),
            (r#"{\"token\":\"hunter2\"}"#, r#"{\"token\":\"[redacted]"}"#),
            ("a=1&token=hunter2&b=2", "a=1&token=[redacted]&b=2"),
            ("<o:token>hunter2</o:token>", "<o:token>[redacted]</o:token>"),
            (r#"{"token":12345,"pin":[1,2]}"#, r#"{"token":[redacted],"pin":[redacted]"#),
            (r#"cut {"token": "hunt"#, r#"cut {"token": "[redacted]"#),
            ("the token is missing; tokens: 3, my-token: x", "the token is missing; tokens: 3, my-token: x"),
            ("token", "token"),
        ];
        for (text, redacted) in cases {
            assert_eq!(without_fields(text, &["token".to_owned(), "pin".to_owned()]), redacted);
        }
    }
}
