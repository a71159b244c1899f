//! DOCTYPE declarations that declare nothing (XML 1.0, section 2.8): only a name and perhaps the address of a DTD. Nothing is fetched.
//!
//! cXML, SVG, property lists and RSS 0.91 begin with one. A DTD could declare entities and default values of attributes; since it is not
//! read, there are none.

use super::xml_characters::is_xml_name;

/// Checks the text between `<!DOCTYPE` and its `>`.
///
/// # Errors
/// The declaration that it contains, or the reason for which it is not a DOCTYPE.
pub(super) fn check_doctype(text: &str) -> Result<(), String> {
    let text = text.trim_start_matches(is_blank);
    let name_end = text.find(|character| is_blank(character) || character == '[').unwrap_or(text.len());
    let (name, rest) = text.split_at(name_end);
    if !is_xml_name(name) {
        return Err("a DOCTYPE has no name that is one".to_owned());
    }
    let rest = external_id(rest).ok_or("a DOCTYPE names a DTD in another way than PUBLIC \"...\" \"...\" or SYSTEM \"...\"")?;
    let rest = rest.trim_matches(is_blank);
    if rest.is_empty() {
        return Ok(());
    }
    let subset = rest.strip_prefix('[').and_then(|rest| rest.strip_suffix(']'));
    check_subset(subset.ok_or("a DOCTYPE has something behind its DTD that is no [...]")?)
}

fn is_blank(character: char) -> bool {
    matches!(character, ' ' | '\t' | '\r' | '\n')
}

/// Returns the text after `PUBLIC "..." "..."`, `SYSTEM "..."` or nothing. A public identifier may be alone, as in HTML.
fn external_id(text: &str) -> Option<&str> {
    let rest = text.trim_start_matches(is_blank);
    if let Some(rest) = rest.strip_prefix("SYSTEM") {
        return literal(rest);
    }
    let Some(rest) = rest.strip_prefix("PUBLIC") else { return Some(text) };
    let rest = literal(rest)?;
    let has_another = rest.trim_start_matches(is_blank).starts_with(['"', '\'']);
    if has_another { literal(rest) } else { Some(rest) }
}

/// Skips a quoted text with a blank before it.
fn literal(text: &str) -> Option<&str> {
    let rest = text.trim_start_matches(is_blank);
    let quote = rest.chars().next().filter(|quote| matches!(quote, '"' | '\''))?;
    rest[1..].split_once(quote).map(|(_, rest)| rest)
}

/// Checks that the internal subset contains only blanks and comments.
fn check_subset(subset: &str) -> Result<(), String> {
    let mut rest = subset.trim_start_matches(is_blank);
    while let Some(comment) = rest.strip_prefix("<!--") {
        let (_, after) = comment.split_once("-->").ok_or("a comment in the DOCTYPE is never closed")?;
        rest = after.trim_start_matches(is_blank);
    }
    if rest.is_empty() {
        return Ok(());
    }
    let end = rest.find(is_blank).unwrap_or(rest.len()).min(rest.find(';').map_or(rest.len(), |end| end + 1));
    let declaration: String = rest[..end].chars().take(40).collect();
    Err(format!(
        "the DOCTYPE has a declaration, {declaration}; a DOCTYPE is accepted only without declarations between [ and ], so that no \
         entity can expand"
    ))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_doctype_without_declarations_is_accepted() {
        for text in [
            "cXML SYSTEM \"http://xml.cxml.org/schemas/cXML/1.2.014/cXML.dtd\"",
            "svg PUBLIC \"-//W3C//DTD SVG 1.1//EN\" \"http://www.w3.org/Graphics/SVG/1.1/DTD/svg11.dtd\"",
            "plist PUBLIC '-//Apple//DTD PLIST 1.0//EN'\n 'http://www.apple.com/DTDs/PropertyList-1.0.dtd' ",
            "rss PUBLIC \"-//Netscape Communications//DTD RSS 0.91//EN\" \"http://my.netscape.com/publish/formats/rss-0.91.dtd\"",
            "html",
            "html PUBLIC \"-//W3C//DTD HTML 4.01//EN\"",
            "a []",
            "a[ \n<!-- <!ENTITY b 'c'> --> ]",
            "a SYSTEM 'x>y[' [\t]",
        ] {
            assert_eq!(check_doctype(text), Ok(()), "{text}");
        }
    }

    #[test]
    fn a_doctype_with_a_declaration_is_refused_and_the_declaration_named() {
        for (text, expected) in [
            ("a [<!ENTITY b 'c'>]", "<!ENTITY"),
            ("a SYSTEM 'x' [\n<!ELEMENT a ANY>]", "<!ELEMENT"),
            ("a [<!-- c --><!ATTLIST a b CDATA 'c'>]", "<!ATTLIST"),
            ("a [ %b; ]", "%b;"),
            ("a [<?pi x?>]", "<?pi"),
            ("a [<!-- ]", "never closed"),
            ("a x", "something behind"),
            ("a [", "something behind"),
            ("a SYSTEM x", "another way"),
            ("a PUBLIC", "another way"),
            ("1", "no name"),
        ] {
            let problem = check_doctype(text).unwrap_err();
            assert!(problem.contains(expected), "{text}: {problem}");
        }
    }
}
