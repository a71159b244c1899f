//! The rule of reading bodies: the same three fields in the `body` of a webhook, the `response` of an `http` step, and an `sftp` step.

use crate::body::BodyRule;
use crate::fields::{Fields, Read};

/// Reads the fields `content_type`, `charset` and `separator`.
pub(in crate::definition) fn body_rule(fields: &Fields<'_>) -> Read<BodyRule> {
    let content_type = fields.text("content_type");
    let rule = body_rule_of(fields, content_type.as_ref().ok().and_then(Option::as_deref));
    content_type.and(rule)
}

/// Reads the fields of [`body_rule`], with a content type that has been read.
pub(in crate::definition) fn body_rule_of(fields: &Fields<'_>, content_type: Option<&str>) -> Read<BodyRule> {
    // A tab counts as blank.
    let (charset, separator) = (fields.text("charset"), fields.text_or_blank("separator"));
    let (charset, separator) = (charset?, separator?);
    match BodyRule::new(content_type, charset.as_deref(), separator.as_deref()) {
        Ok(rule) => Ok(rule),
        // Earlier versions accepted any text, and failed each run if it was not a media type; so does this one.
        Err(_) if fields.is_stored() => Ok(BodyRule::unchecked(content_type)),
        Err(problem) => Err(fields.problem(problem.field, problem.message)),
    }
}
