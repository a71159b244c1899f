//! XML 1.0 as a stream: one reader for the check at the ingress and for the value that mappings see, so that the worker can read everything
//! that the ingress accepts.
//!
//! quick-xml finds the markup and pairs the tags. The remaining rules are checked here: names, attributes, characters, one root. A DOCTYPE
//! with declarations is refused, and none is fetched, so only the five entities of XML itself exist and nothing can expand. Comments,
//! processing instructions and the XML declaration are skipped. Namespaces are not resolved: a prefix is part of its name.

use super::doctype::check_doctype;
use super::xml_characters::{check_characters, is_xml_character, is_xml_name};
use super::{BodyError, Charset};
use quick_xml::Reader;
use quick_xml::events::{BytesStart, Event};
use std::borrow::Cow;
use std::collections::HashSet;

/// Maximum nesting of elements, the same limit as in libxml2. In a value an element takes up to two levels (an object in an array), so it
/// corresponds to [`MAX_JSON_DEPTH`](super::MAX_JSON_DEPTH).
pub const MAX_XML_DEPTH: usize = 256;

/// Maximum attributes that are compared with one another; more are put into a set.
const FEW_ATTRIBUTES: usize = 16;

/// Receives the parts of a document, in their order. In texts, references are resolved and line ends normalized.
pub trait XmlEvents {
    /// An element begins; its attributes follow.
    fn start(&mut self, name: &str);
    /// An attribute of the element that began last.
    fn attribute(&mut self, name: &str, value: Cow<'_, str>);
    /// A piece of text of the innermost open element; CDATA sections and references are separate pieces.
    fn text(&mut self, text: &str);
    /// The innermost element ends.
    fn end(&mut self);
}

/// Ignores the events, for a check.
impl XmlEvents for () {
    fn start(&mut self, _: &str) {}
    fn attribute(&mut self, _: &str, _: Cow<'_, str>) {}
    fn text(&mut self, _: &str) {}
    fn end(&mut self) {}
}

/// The reason for which a text is not valid XML.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("line {line}: {message}")]
pub struct XmlError {
    /// The line, from 1; for an incomplete tag, the line of its begin.
    pub line: usize,
    /// The problem.
    pub message: String,
}

/// Decodes an XML body: in the charset of its byte order mark, otherwise of its Content-Type, otherwise of its XML declaration, otherwise
/// UTF-8 (RFC 7303, section 3).
///
/// # Errors
/// An unknown charset in the declaration, and bytes that are not valid in the charset.
pub fn xml_text(charset: Option<Charset>, bytes: &[u8]) -> Result<Cow<'_, str>, BodyError> {
    let (charset, bytes) = match (Charset::of_mark(bytes), charset) {
        (Some((marked, length)), _) => (marked, &bytes[length..]),
        (None, Some(charset)) => (charset, bytes),
        (None, None) => (declared_charset(bytes)?, bytes),
    };
    charset.decode("XML", bytes)
}

fn declared_charset(bytes: &[u8]) -> Result<Charset, BodyError> {
    if bytes.starts_with(b"<\0") {
        return Ok(Charset::Other(encoding_rs::UTF_16LE));
    }
    if bytes.starts_with(b"\0<") {
        return Ok(Charset::Other(encoding_rs::UTF_16BE));
    }
    let Some(rest) = bytes.strip_prefix(b"<?xml") else { return Ok(Charset::Utf8) };
    let declaration = rest.split(|byte| *byte == b'>').next().unwrap_or_default();
    let declaration = String::from_utf8_lossy(&declaration[..declaration.len().min(200)]);
    let Some((_, rest)) = declaration.split_once("encoding") else { return Ok(Charset::Utf8) };
    let rest = rest.trim_start().strip_prefix('=').unwrap_or(rest).trim_start();
    let Some(quote) = rest.chars().next().filter(|quote| matches!(quote, '"' | '\'')) else { return Ok(Charset::Utf8) };
    let name = rest[1..].split(quote).next().unwrap_or_default();
    // The text was read as ASCII up to here, so it is not UTF-16, whatever the declaration says.
    if name.to_ascii_lowercase().starts_with("utf-16") { Ok(Charset::Utf8) } else { Charset::named(name) }
}

/// Reads `text`, and calls `events` for each part.
///
/// # Errors
/// Text that is not well-formed, a DOCTYPE with declarations, and elements deeper than [`MAX_XML_DEPTH`]. The events before it have been
/// called.
pub fn read_xml(text: &str, events: &mut impl XmlEvents) -> Result<(), XmlError> {
    let mut reader = Reader::from_str(text);
    let config = reader.config_mut();
    config.check_comments = true;
    config.check_end_names = true;
    let mut document = Document { text, depth: 0, has_root: false, has_doctype: false };
    loop {
        let at = reader.buffer_position() as usize;
        let event = match reader.read_event() {
            Ok(event) => event,
            Err(error) => return Err(document.error((reader.error_position() as usize).max(at), error.to_string())),
        };
        if matches!(event, Event::Eof) {
            return document.end(text.len());
        }
        document.event(at, event, events).map_err(|message| document.error(at, message))?;
    }
}

struct Document<'t> {
    text: &'t str,
    depth: usize,
    has_root: bool,
    has_doctype: bool,
}

impl Document<'_> {
    fn error(&self, at: usize, message: String) -> XmlError {
        let before = &self.text.as_bytes()[..at.min(self.text.len())];
        let message = message.chars().take(300).collect();
        XmlError { line: memchr::memchr_iter(b'\n', before).count() + 1, message }
    }

    fn end(&self, at: usize) -> Result<(), XmlError> {
        if self.depth > 0 {
            return Err(self.error(at, format!("the text ends where {} elements are still open", self.depth)));
        }
        if !self.has_root {
            return Err(self.error(at, "there is no element".to_owned()));
        }
        Ok(())
    }

    fn event(&mut self, at: usize, event: Event<'_>, events: &mut impl XmlEvents) -> Result<(), String> {
        match event {
            Event::Start(start) => {
                self.open(&start, events)?;
                self.depth += 1;
                if self.depth > MAX_XML_DEPTH {
                    return Err(format!("elements are nested deeper than {MAX_XML_DEPTH} levels"));
                }
            }
            Event::Empty(start) => {
                self.open(&start, events)?;
                events.end();
            }
            Event::End(_) => {
                self.depth -= 1;
                events.end();
            }
            Event::Text(text) => {
                if text.contains("]]>") {
                    return Err("']]>' stands in a text".to_owned());
                }
                self.characters(&text.xml10_content(), events)?;
            }
            Event::CData(text) => {
                if self.depth == 0 {
                    return Err("a CDATA section stands outside of the root element".to_owned());
                }
                self.characters(&text.xml10_content(), events)?;
            }
            Event::GeneralRef(reference) => {
                let resolved = resolve(&reference).ok_or_else(|| unknown_reference(&reference))?;
                if self.depth == 0 {
                    return Err("a reference stands outside of the root element".to_owned());
                }
                events.text(resolved.encode_utf8(&mut [0; 4]));
            }
            Event::DocType(_) if self.has_root || self.has_doctype => {
                return Err("a DOCTYPE stands where it is not the first, before the root element".to_owned());
            }
            Event::DocType(doctype) => {
                self.has_doctype = true;
                check_doctype(&doctype)?;
            }
            Event::Decl(_) if at > 0 => return Err("an XML declaration stands where it is not the beginning".to_owned()),
            Event::Decl(declaration) => {
                if declaration.version().is_err() {
                    return Err("the XML declaration has no version".to_owned());
                }
            }
            Event::PI(instruction) => {
                if !is_xml_name(instruction.target()) || instruction.target().eq_ignore_ascii_case("xml") {
                    return Err("a processing instruction has no name that is one".to_owned());
                }
                check_characters(&instruction)?;
            }
            Event::Comment(comment) => check_characters(&comment)?,
            Event::Eof => {}
        }
        Ok(())
    }

    fn characters(&self, text: &str, events: &mut impl XmlEvents) -> Result<(), String> {
        if self.depth == 0 {
            return if text.bytes().all(|byte| matches!(byte, b' ' | b'\t' | b'\r' | b'\n')) {
                Ok(())
            } else {
                Err("text stands outside of the root element".to_owned())
            };
        }
        check_characters(text)?;
        events.text(text);
        Ok(())
    }

    fn open(&mut self, start: &BytesStart<'_>, events: &mut impl XmlEvents) -> Result<(), String> {
        if self.depth == 0 && self.has_root {
            return Err("a second element stands beside the root element".to_owned());
        }
        self.has_root = true;
        let name = start.name().into_inner();
        if !is_xml_name(name) {
            return Err(format!("'{name}' is no name of an element"));
        }
        events.start(name);
        if start.attributes_raw().trim().is_empty() {
            return Ok(());
        }
        self.attributes(start, events)
    }

    fn attributes(&self, start: &BytesStart<'_>, events: &mut impl XmlEvents) -> Result<(), String> {
        let mut first_names: Vec<&str> = Vec::new();
        let mut names: HashSet<&str> = HashSet::new();
        // quick-xml would compare each attribute with all others, which takes quadratic time.
        let mut attributes = start.attributes();
        attributes.with_checks(false);
        for attribute in attributes {
            let attribute = attribute.map_err(|error| format!("in <{}>: {error}", start.name().into_inner()))?;
            let name = attribute.key.into_inner();
            if !is_xml_name(name) {
                return Err(format!("'{name}' is no name of an attribute"));
            }
            let is_new = if names.is_empty() { !first_names.contains(&name) } else { names.insert(name) };
            if !is_new {
                return Err(format!("the attribute '{name}' is there twice"));
            }
            if names.is_empty() {
                first_names.push(name);
                if first_names.len() > FEW_ATTRIBUTES {
                    names.extend(first_names.drain(..));
                }
            }
            events.attribute(name, attribute_value(&attribute.value)?);
        }
        Ok(())
    }
}

/// Returns the value with line ends and tabs as blanks, unless they are written as references (XML 1.0, section 3.3.3).
fn attribute_value(raw: &str) -> Result<Cow<'_, str>, String> {
    check_characters(raw)?;
    if !raw.bytes().any(|byte| matches!(byte, b'&' | b'<' | b'\t' | b'\n' | b'\r')) {
        return Ok(Cow::Borrowed(raw));
    }
    let mut value = String::with_capacity(raw.len());
    let mut rest = raw;
    while let Some(at) = rest.find(['&', '<', '\t', '\n', '\r']) {
        value.push_str(&rest[..at]);
        let special = &rest[at..];
        if let Some(after) = special.strip_prefix('&') {
            let (reference, after) = after.split_once(';').ok_or("a '&' in an attribute begins no reference; it is written '&amp;'")?;
            value.push(resolve(reference).ok_or_else(|| unknown_reference(reference))?);
            rest = after;
            continue;
        }
        if special.starts_with('<') {
            return Err("a '<' stands in an attribute; it is written '&lt;'".to_owned());
        }
        value.push(' ');
        rest = special.strip_prefix("\r\n").unwrap_or(&special[1..]);
    }
    value.push_str(rest);
    Ok(Cow::Owned(value))
}

/// Returns the character of `lt`, `#246` or `#xF6`.
fn resolve(reference: &str) -> Option<char> {
    let number = match reference {
        "lt" => return Some('<'),
        "gt" => return Some('>'),
        "amp" => return Some('&'),
        "apos" => return Some('\''),
        "quot" => return Some('"'),
        _ => reference.strip_prefix('#')?,
    };
    let (digits, radix) = number.strip_prefix('x').map_or((number, 10), |digits| (digits, 16));
    // `from_str_radix` would accept a sign.
    let is_number = digits.bytes().all(|byte| byte.is_ascii_hexdigit());
    let number = is_number.then(|| u32::from_str_radix(digits, radix).ok()).flatten()?;
    char::from_u32(number).filter(|character| is_xml_character(*character))
}

fn unknown_reference(reference: &str) -> String {
    let shown: String = reference.chars().take(40).collect();
    format!("'&{shown};' is none of &lt; &gt; &amp; &apos; &quot; and no number of a character")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn problem(text: &str) -> String {
        read_xml(text, &mut ()).err().map(|error| error.to_string()).unwrap_or_default()
    }

    #[test]
    fn malformed_xml_is_refused_with_its_line() {
        let cases = [
            ("", "no element"),
            ("  ", "no element"),
            ("<a>", "still open"),
            ("<a", ""),
            ("<a></b>", "line 1"),
            ("</a>", ""),
            ("<a/><b/>", "second element"),
            ("<a/>x", "outside of the root"),
            ("x<a/>", "outside of the root"),
            ("<a/>&amp;", "outside of the root"),
            ("<![CDATA[x]]><a/>", "outside of the root"),
            ("<a>&b;</a>", "'&b;'"),
            ("<a>&#0;</a>", "'&#0;'"),
            ("<a>&#+65;</a>", "'&#+65;'"),
            ("<a>& b</a>", ""),
            ("<a>]]></a>", "']]>'"),
            ("<a>\u{1}</a>", "U+0001"),
            ("<a>\u{ffff}</a>", "U+FFFF"),
            ("<a b></a>", ""),
            ("<a b=c/>", ""),
            ("<a b='<'/>", "'&lt;'"),
            ("<a b='&c;'/>", "'&c;'"),
            ("<a b='&'/>", "'&amp;'"),
            ("<a b='1'\n b='2'/>", "'b' is there twice"),
            ("<1/>", "no name"),
            ("<a 1='2'/>", "no name"),
            ("<a><!-- -- --></a>", ""),
            ("<a><?xml version='1.0'?></a>", "not the beginning"),
            ("<a><?XML x?></a>", "processing instruction"),
            ("\n<!DOCTYPE a [<!ENTITY b 'c'>]><a>&b;</a>", "line 2: the DOCTYPE has a declaration, <!ENTITY"),
            ("<!DOCTYPE a><!DOCTYPE a><a/>", "not the first"),
            ("<a><!DOCTYPE a></a>", "not the first"),
            ("<a/><!DOCTYPE a>", "not the first"),
            ("<!DOCTYPE a SYSTEM 'b'><a>&nbsp;</a>", "'&nbsp;'"),
        ];
        for (text, expected) in cases {
            let problem = problem(text);
            assert!(!problem.is_empty() && problem.contains(expected), "{text:?}: {problem:?}");
        }
    }

    #[test]
    fn well_formed_xml_is_read() {
        for text in [
            "<a/>",
            "<?xml version=\"1.0\" encoding=\"UTF-8\" standalone=\"yes\"?>\n<?pi x?><!-- c --><a xmlns:x='u'><x:b x:c='1'/>t</a><!-- -->\n",
            "<ö.-·/>",
            "<a b='>' c=\"'\">></a>",
            "<a></a >",
            "<?xml version='1.0'?>\n<!DOCTYPE cXML SYSTEM \"http://xml.cxml.org/schemas/cXML/1.2.014/cXML.dtd\">\n<cXML/>",
            "<!DOCTYPE svg PUBLIC '-//W3C//DTD SVG 1.1//EN' 'http://www.w3.org/Graphics/SVG/1.1/DTD/svg11.dtd'[]><svg/>",
            "<!DOCTYPE a SYSTEM 'x>y'><a/>",
            "<!doctype html><html/>",
        ] {
            assert_eq!(problem(text), "", "{text:?}");
        }
    }

    #[test]
    fn depth_is_bounded_and_many_attributes_take_time_in_proportion() {
        let nested = |depth: usize| format!("{}{}", "<a>".repeat(depth), "</a>".repeat(depth));
        assert_eq!(problem(&nested(MAX_XML_DEPTH)), "");
        assert!(problem(&nested(MAX_XML_DEPTH + 1)).contains("deeper than"));
        assert!(problem(&"<a>".repeat(1_000_000)).contains("deeper than"));
        let attributes: String = (0..200_000).map(|n| format!(" a{n}=''")).collect();
        let started = std::time::Instant::now();
        assert_eq!(problem(&format!("<a{attributes}/>")), "");
        assert!(problem(&format!("<a{attributes} a7=''/>")).contains("'a7' is there twice"));
        assert!(started.elapsed() < std::time::Duration::from_secs(5), "{:?}", started.elapsed());
    }
}
