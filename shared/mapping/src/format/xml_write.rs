//! Writes a value as XML, by the rule of [`super::xml`].

use super::place::{Misfit, Place, Step};
use super::push;
use crate::{Value, tick};
use forebay_contract::body::{MAX_XML_DEPTH, is_xml_character, is_xml_name};
use std::collections::HashMap;

/// Bytes of a text that are written at a time.
const PART_BYTES: usize = 32 * 1024;

/// The options of writing a document.
#[derive(Debug, Clone, Default)]
pub(crate) struct XmlWrite {
    /// The name of the charset in the declaration; without one there is no declaration.
    pub declared_charset: Option<String>,
    /// Blanks per level in elements with children and without text; without it everything is on one line.
    pub indent: Option<usize>,
}

/// Writes `value` as a document.
///
/// # Errors
/// A value that is not an object with one member, a name or a character that XML does not allow, and values without a place.
pub(crate) fn write_xml(value: &Value, options: &XmlWrite) -> Result<String, Misfit> {
    let mut writer = Writer { out: String::new(), place: Place::default(), indent: options.indent };
    if let Some(charset) = &options.declared_charset {
        writer.out.push_str(&format!("<?xml version=\"1.0\" encoding=\"{}\"?>", charset.to_ascii_uppercase()));
        writer.out.push_str(if options.indent.is_some() { "\n" } else { "" });
    }
    let mut members = value.entries().into_iter().flatten().filter(|(name, _)| *name != "#order");
    let (Some((name, root)), None) = (members.next(), members.next()) else {
        let problem = format!("XML takes an object with one member, the root element, not {value}");
        return Err(writer.place.misfit(problem));
    };
    writer.place.enter(Step::Name(name));
    writer.element(name, root, 1)?;
    Ok(writer.out)
}

struct Writer<'v> {
    out: String,
    place: Place<'v>,
    indent: Option<usize>,
}

impl<'v> Writer<'v> {
    fn element(&mut self, name: &str, value: &'v Value, depth: usize) -> Result<(), Misfit> {
        if depth > MAX_XML_DEPTH {
            return Err(self.place.misfit(format!("elements are nested deeper than {MAX_XML_DEPTH} levels")));
        }
        if !is_xml_name(name) {
            return Err(self.place.misfit("the name cannot be the name of an element"));
        }
        push(&mut self.out, "<");
        push(&mut self.out, name);
        if value.entries().is_some() {
            self.attributes(value)?;
            let content = self.content_of(value)?;
            if content.is_empty() {
                push(&mut self.out, "/>");
                return Ok(());
            }
            push(&mut self.out, ">");
            self.content(&content, depth)?;
        } else if value.is_null() {
            push(&mut self.out, "/>");
            return Ok(());
        } else {
            let text = value.scalar_text().ok_or_else(|| self.place.misfit("an array stands inside of an array; only elements repeat"))?;
            if text.is_empty() {
                push(&mut self.out, "/>");
                return Ok(());
            }
            push(&mut self.out, ">");
            self.escaped(&text, false)?;
        }
        push(&mut self.out, "</");
        push(&mut self.out, name);
        push(&mut self.out, ">");
        Ok(())
    }

    fn attributes(&mut self, value: &'v Value) -> Result<(), Misfit> {
        for (member, value) in value.entries().into_iter().flatten() {
            tick(1);
            let Some(name) = member.strip_prefix('@').filter(|_| !value.is_null()) else { continue };
            self.place.enter(Step::Name(member));
            if !is_xml_name(name) {
                return Err(self.place.misfit("the name cannot be the name of an attribute"));
            }
            let text = value.scalar_text().ok_or_else(|| self.place.misfit(format!("an attribute is a text, not {value}")))?;
            push(&mut self.out, " ");
            push(&mut self.out, name);
            push(&mut self.out, "=\"");
            self.escaped(&text, true)?;
            push(&mut self.out, "\"");
            self.place.leave();
        }
        Ok(())
    }

    /// Returns the children and texts of an element, in the order of writing.
    fn content_of(&self, value: &'v Value) -> Result<Vec<Piece<'v>>, Misfit> {
        let mut pieces = Vec::new();
        let mut taken: HashMap<&str, usize> = HashMap::new();
        let order = value.get("#order").filter(|order| !order.is_null());
        if let Some(order) = order {
            let names = order.as_array().map(|names| names.iter().map(Value::as_str).collect::<Option<Vec<_>>>());
            let names = names.flatten().ok_or_else(|| self.place.misfit("`#order` takes an array of names"))?;
            for name in names.into_iter().filter(|name| !is_special(name)) {
                tick(1);
                let Some(value) = value.get(name) else { continue };
                let index = taken.entry(name).or_insert(0);
                if let Some(piece) = Piece::of(name, value, *index) {
                    pieces.push(piece);
                }
                *index += 1;
            }
        }
        for (name, value) in value.entries().into_iter().flatten().filter(|(name, _)| !is_special(name)) {
            let first = taken.get(name).copied().unwrap_or(0);
            for index in first.. {
                tick(1);
                let Some(piece) = Piece::of(name, value, index) else { break };
                pieces.push(piece);
            }
        }
        Ok(pieces)
    }

    fn content(&mut self, content: &[Piece<'v>], depth: usize) -> Result<(), Misfit> {
        let is_indented = self.indent.is_some() && !content.iter().any(|piece| piece.name.starts_with('#'));
        for piece in content {
            if is_indented {
                self.new_line(depth);
            }
            self.place.enter(Step::Name(piece.name));
            if let Some(index) = piece.index {
                self.place.enter(Step::Index(index));
            }
            match piece.name {
                "#text" => {
                    let text = self.text_of(piece.value)?;
                    self.escaped(&text, false)?;
                }
                "#cdata" => {
                    let text = self.text_of(piece.value)?;
                    self.check(&text)?;
                    push(&mut self.out, "<![CDATA[");
                    // A section cannot contain its own end, which is split between two sections.
                    push(&mut self.out, &text.replace("]]>", "]]]]><![CDATA[>"));
                    push(&mut self.out, "]]>");
                }
                name if name.starts_with('#') => {
                    return Err(self.place.misfit("of the names with `#` there are `#text`, `#cdata` and `#order`"));
                }
                name => self.element(name, piece.value, depth + 1)?,
            }
            if piece.index.is_some() {
                self.place.leave();
            }
            self.place.leave();
        }
        if is_indented {
            self.new_line(depth - 1);
        }
        Ok(())
    }

    fn new_line(&mut self, depth: usize) {
        let blanks = self.indent.unwrap_or(0) * depth;
        push(&mut self.out, "\n");
        push(&mut self.out, &" ".repeat(blanks));
    }

    fn text_of(&self, value: &'v Value) -> Result<std::borrow::Cow<'v, str>, Misfit> {
        if value.is_null() {
            return Ok("".into());
        }
        value.scalar_text().ok_or_else(|| self.place.misfit(format!("a text takes a string, number or boolean, not {value}")))
    }

    fn check(&self, text: &str) -> Result<(), Misfit> {
        tick(text.len() / 16);
        match text.chars().find(|character| !is_xml_character(*character)) {
            Some(character) => Err(self.place.misfit(format!("the character U+{:04X} cannot stand in XML", u32::from(character)))),
            None => Ok(()),
        }
    }

    /// Escapes a text. Characters that a reader would change (line ends, and blanks other than spaces in an attribute) are written as
    /// references.
    fn escaped(&mut self, text: &str, is_attribute: bool) -> Result<(), Misfit> {
        let mut rest = text;
        while !rest.is_empty() {
            // A long text is written in parts, between which the meter is asked.
            let (part, after) = rest.split_at(rest.floor_char_boundary(PART_BYTES));
            self.escaped_part(part, is_attribute)?;
            rest = after;
        }
        Ok(())
    }

    fn escaped_part(&mut self, text: &str, is_attribute: bool) -> Result<(), Misfit> {
        self.check(text)?;
        let mut written = 0;
        for (at, byte) in text.bytes().enumerate() {
            let reference = match byte {
                b'<' => "&lt;",
                b'>' => "&gt;",
                b'&' => "&amp;",
                b'\r' => "&#13;",
                b'"' if is_attribute => "&quot;",
                b'\n' if is_attribute => "&#10;",
                b'\t' if is_attribute => "&#9;",
                _ => continue,
            };
            push(&mut self.out, &text[written..at]);
            push(&mut self.out, reference);
            written = at + 1;
        }
        push(&mut self.out, &text[written..]);
        Ok(())
    }
}

fn is_special(name: &str) -> bool {
    name.starts_with('@') || name == "#order"
}

/// A child or a text.
struct Piece<'v> {
    name: &'v str,
    value: &'v Value,
    /// The index, if the member is an array.
    index: Option<usize>,
}

impl<'v> Piece<'v> {
    /// Returns the value at this index of a member, which may be an array or a single value.
    fn of(name: &'v str, member: &'v Value, index: usize) -> Option<Self> {
        match member.as_array() {
            Some(items) => items.get(index).map(|value| Self { name, value, index: Some(index) }),
            None => (index == 0).then_some(Self { name, value: member, index: None }),
        }
    }
}
