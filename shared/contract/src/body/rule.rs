//! The rule of a definition for bodies whose senders declare a wrong type, or none.

use super::csv_separator::is_separator;
use super::{BodyError, BodyKind, Charset, MediaType};

/// Values that take precedence over those of the sender. By default there are none.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct BodyRule {
    content_type: Option<String>,
    charset: Option<Charset>,
    separator: Option<u8>,
}

/// A rule that has no effect, or that is not valid.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RuleProblem {
    /// `content_type`, `charset` or `separator`.
    pub field: &'static str,
    /// The problem, and the remedy.
    pub message: String,
}

impl BodyRule {
    /// The rule without values.
    pub const NONE: Self = Self { content_type: None, charset: None, separator: None };

    /// Creates a rule from the fields `content_type`, `charset` and `separator` of a definition.
    ///
    /// # Errors
    /// A type without `type/subtype`, an unknown charset, a separator that is not one ASCII character, a charset for a type that has none,
    /// and a separator for a type other than CSV.
    pub fn new(content_type: Option<&str>, charset: Option<&str>, separator: Option<&str>) -> Result<Self, RuleProblem> {
        let problem = |field, message: String| RuleProblem { field, message };
        let charset = charset.map(Charset::named).transpose().map_err(|error| problem("charset", error.to_string()))?;
        let separator = match separator.map(str::as_bytes) {
            None => None,
            Some([byte]) if is_separator(*byte) => Some(*byte),
            Some(_) => return Err(problem("separator", "must be one ASCII character, such as ';', and no quote or line end".to_owned())),
        };
        let rule = Self { content_type: content_type.map(str::trim).map(str::to_owned), charset, separator };
        let Some(content_type) = &rule.content_type else { return Ok(rule) };
        let media_type = MediaType::parse(content_type)
            .ok_or_else(|| problem("content_type", "must be of the form type/subtype, such as text/csv".to_owned()))?;
        if charset.is_some() && media_type.parameter("charset").is_some() {
            return Err(problem("charset", "is named in content_type already; leave one of them out".to_owned()));
        }
        let kind = BodyKind::of_media_type(&media_type, charset).map_err(|error| problem("content_type", error.to_string()))?;
        if charset.is_some() && kind == BodyKind::Binary {
            return Err(problem("charset", format!("has no effect: '{content_type}' is no text")));
        }
        if separator.is_some() && !matches!(kind, BodyKind::Csv(..)) {
            return Err(problem("separator", format!("has no effect: '{content_type}' is no CSV")));
        }
        Ok(rule)
    }

    /// Creates a rule from a content type without a check: bodies cannot be read if it has no `type/subtype`.
    pub(crate) fn unchecked(content_type: Option<&str>) -> Self {
        Self { content_type: content_type.map(str::to_owned), ..Self::NONE }
    }

    /// Returns true if it has no values.
    pub fn is_none(&self) -> bool {
        *self == Self::NONE
    }

    /// Returns the Content-Type as which bodies are read, whatever the sender declares.
    pub fn content_type(&self) -> Option<&str> {
        self.content_type.as_deref()
    }

    /// Returns the charset in which bodies are read, whatever the sender declares.
    pub fn charset(&self) -> Option<Charset> {
        self.charset
    }

    /// Returns the separator of CSV.
    pub fn separator(&self) -> Option<u8> {
        self.separator
    }

    /// Returns the kind of a body that was sent with this Content-Type.
    ///
    /// # Errors
    /// Those of [`BodyKind::of`], for the values that the rule does not set.
    pub fn kind(&self, sent: Option<&str>) -> Result<BodyKind, BodyError> {
        if self.is_none() {
            return BodyKind::of(sent);
        }
        let Some(text) = self.content_type.as_deref().or(sent).map(str::trim).filter(|text| !text.is_empty()) else {
            return Ok(BodyKind::Binary);
        };
        let media_type = MediaType::parse(text).ok_or_else(|| BodyError::ContentType(text.chars().take(80).collect()))?;
        let mut kind = BodyKind::of_media_type(&media_type, self.charset)?;
        match &mut kind {
            BodyKind::Csv(format, _) => format.separator = self.separator.or(format.separator),
            // Only the sender knows the boundary.
            BodyKind::Multipart { boundary, .. } if boundary.is_none() => {
                *boundary = sent.and_then(MediaType::parse).and_then(|sent| super::boundary::boundary(&sent));
            }
            _ => {}
        }
        Ok(kind)
    }
}

/// The options of reading bodies of an endpoint or a step.
#[derive(Debug, Clone, Copy)]
pub struct Reading<'r> {
    /// The rule.
    pub rule: &'r BodyRule,
    /// Maximum bytes, both before and after a Content-Encoding is undone.
    pub max_bytes: usize,
}

impl Reading<'static> {
    /// Reads bodies as the sender declares, up to this many bytes.
    pub fn as_sent(max_bytes: usize) -> Self {
        Self { rule: &BodyRule::NONE, max_bytes }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_rule_holds_in_the_place_of_what_was_sent() {
        let rule = |content_type, charset, separator| BodyRule::new(content_type, charset, separator).unwrap();
        let csv = rule(Some("text/csv"), Some("windows-1252"), Some(";"));
        for sent in [None, Some(""), Some("nonsense"), Some("text/plain; charset=ebcdic"), Some("application/json")] {
            let kind = csv.kind(sent).unwrap();
            let BodyKind::Csv(format, charset) = kind else { panic!("{sent:?}: {kind:?}") };
            assert_eq!((format.separator, charset.name().as_str()), (Some(b';'), "windows-1252"));
        }
        let charset = rule(None, Some("iso-8859-1"), None);
        assert_eq!(charset.kind(Some("text/plain; charset=ebcdic")), Ok(BodyKind::Text(Charset::Latin1)));
        assert_eq!(charset.kind(Some("application/json")), Ok(BodyKind::Json(Charset::Latin1)));
        assert_eq!(charset.kind(Some("image/png")), Ok(BodyKind::Binary));
        assert_eq!(charset.kind(None), Ok(BodyKind::Binary));
        assert!(matches!(charset.kind(Some("nonsense")), Err(BodyError::ContentType(_))));
        let multipart = rule(Some("multipart/form-data"), None, None);
        let kind = multipart.kind(Some("multipart/mixed; boundary=X"));
        assert_eq!(kind, Ok(BodyKind::Multipart { boundary: Some("X".to_owned()), charset: None }));
        assert_eq!(BodyRule::NONE.kind(Some("nonsense")), BodyKind::of(Some("nonsense")));
    }

    #[test]
    fn a_rule_without_an_effect_is_a_problem() {
        for (content_type, charset, separator, field) in [
            (Some("csv"), None, None, "content_type"),
            (Some("text/csv; charset=ebcdic"), None, None, "content_type"),
            (None, Some("ebcdic"), None, "charset"),
            (Some("image/png"), Some("utf-8"), None, "charset"),
            (Some("text/csv; charset=utf-8"), Some("utf-8"), None, "charset"),
            (Some("text/plain"), None, Some(";"), "separator"),
            (None, None, Some(";;"), "separator"),
            (None, None, Some("\""), "separator"),
            (None, None, Some("§"), "separator"),
        ] {
            assert_eq!(BodyRule::new(content_type, charset, separator).unwrap_err().field, field, "{content_type:?} {charset:?}");
        }
    }
}
