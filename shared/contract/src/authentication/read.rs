//! Reads `authentication` of a webhook: one of the words, or an object with the field of a type.

use super::{Authentication, DECLARATIONS, Written};
use crate::fields::{Fields, Read};
use serde_json::Value;

const FIELD: &str = "authentication";

type Word = (&'static str, fn() -> Authentication);
type Object = (&'static str, fn(&Fields<'_>) -> Read<Authentication>);

/// Reads the field `authentication` of a webhook.
pub(crate) fn read(webhook: &Fields<'_>) -> Read<Authentication> {
    if matches!(webhook.take(FIELD)?, Some(Value::Object(_))) {
        return object(webhook.required(FIELD, webhook.object(FIELD), "")?);
    }
    Ok(webhook.word(FIELD, &words())?.map_or_else(Authentication::usual, |make| make()))
}

fn object(fields: Fields<'_>) -> Read<Authentication> {
    let read = match fields.one_of(&objects(), "use one of them") {
        Ok(Some(read)) => read(&fields),
        Ok(None) => Err(fields.problem_here(format!("must be {}", examples()))),
        Err(reported) => Err(reported),
    };
    fields.finish();
    read
}

fn words() -> Vec<Word> {
    let word = |written: &Written| if let Written::Word(make) = written { Some(*make) } else { None };
    DECLARATIONS.iter().filter_map(|declared| Some((declared.choice.name, word(&declared.written)?))).collect()
}

fn objects() -> Vec<Object> {
    let object = |written: &Written| if let Written::Object(read, _) = written { Some(*read) } else { None };
    DECLARATIONS.iter().filter_map(|declared| Some((declared.choice.name, object(&declared.written)?))).collect()
}

/// Returns the accepted forms, the words first: `api_key, none, { signature: github } or ...`.
fn examples() -> String {
    let mut declarations = DECLARATIONS.each_ref();
    declarations.sort_by_key(|declared| matches!(declared.written, Written::Object(..)));
    let examples: Vec<&str> = declarations.iter().flat_map(|declared| declared.examples.iter().copied()).collect();
    match examples.split_last() {
        Some((last, others)) if !others.is_empty() => format!("{} or {last}", others.join(", ")),
        _ => examples.concat(),
    }
}
