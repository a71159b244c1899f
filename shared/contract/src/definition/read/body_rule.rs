//! How bodies are read: the same three fields of a webhook's `body`, of an `http` step's `response` and of an `sftp` step.

use crate::body::BodyRule;
use crate::fields::{Fields, Read};

/// The fields `content_type`, `charset` and `separator`.
pub(in crate::definition) fn body_rule(fields: &Fields<'_>) -> Read<BodyRule> {
    let content_type = fields.text("content_type");
    let rule = body_rule_of(fields, content_type.as_ref().ok().and_then(Option::as_deref));
    content_type.and(rule)
}

/// As [`body_rule`], where the content type has been read.
pub(in crate::definition) fn body_rule_of(fields: &Fields<'_>, content_type: Option<&str>) -> Read<BodyRule> {
    // A tab is blank.
    let (charset, separator) = (fields.text("charset"), fields.text_or_blank("separator"));
    let (charset, separator) = (charset?, separator?);
    match BodyRule::new(content_type, charset.as_deref(), separator.as_deref()) {
        Ok(rule) => Ok(rule),
        // Earlier versions took any text, and said at each run that it is no type; so it stays.
        Err(_) if fields.is_stored() => Ok(BodyRule::unchecked(content_type)),
        Err(problem) => Err(fields.problem(problem.field, problem.message)),
    }
}
