//! Conversion between CSV and arrays of rows.
//!
//! With a header, a row is an object with the names of the header. A column without a name is `column_3` by its number; a repeated name
//! gets its number (`price_3`), and so do fields beyond the header. Fields that a row lacks are absent. Without a header a row is an array.
//! All values are strings.

use super::place::{Misfit, Place, Step};
use super::push;
use crate::{Text, Value, reserve, tick};
use forebay_contract::body::{CsvError, CsvFields, CsvFormat};
use std::collections::{HashMap, HashSet};

/// Returns the rows of a CSV text.
///
/// # Errors
/// A quote that is never closed.
pub(crate) fn read_csv(text: &str, format: CsvFormat) -> Result<Value, CsvError> {
    let mut rows: Vec<Value> = Vec::new();
    let mut names: Option<Vec<Text>> = None;
    let mut fields: Vec<String> = Vec::new();
    for field in CsvFields::new(text, format) {
        let field = field?;
        tick(2);
        if field.text.len() > 1 << 12 || fields.len() == fields.capacity() {
            reserve(field.text.len() + 2 * fields.len() * size_of::<String>());
        }
        fields.push(field.text.into_owned());
        if !field.ends_record {
            continue;
        }
        let record = std::mem::take(&mut fields);
        match &mut names {
            None if format.has_header => names = Some(column_names(record)),
            None => rows.push(record.into_iter().map(Value::string).collect()),
            Some(names) => rows.push(row(names, record)),
        }
        if rows.len() == rows.capacity() {
            reserve(2 * rows.len() * size_of::<Value>());
        }
    }
    Ok(Value::array(rows))
}

fn column_names(header: Vec<String>) -> Vec<Text> {
    let mut taken = HashSet::with_capacity(header.len());
    let names = header.into_iter().enumerate().map(|(index, name)| {
        tick(2);
        let number = index + 1;
        let mut name = if name.is_empty() { format!("column_{number}") } else { name };
        while !taken.insert(name.clone()) {
            tick(1);
            name = format!("{name}_{number}");
        }
        Text::new(name)
    });
    names.collect()
}

fn row(names: &mut Vec<Text>, record: Vec<String>) -> Value {
    while names.len() < record.len() {
        tick(1);
        let number = names.len() + 1;
        names.push(Text::new(format!("column_{number}")));
    }
    tick(record.len());
    Value::object_sharing(names.iter().cloned().zip(record.into_iter().map(Value::string)))
}

/// The options of writing rows.
#[derive(Debug, Clone)]
pub(crate) struct CsvWrite {
    /// The separator, an ASCII character.
    pub separator: char,
    pub header: Header,
}

/// The columns, and whether the first record has their names.
#[derive(Debug, Clone)]
pub(crate) enum Header {
    /// All names of the rows, in the order of their first occurrence.
    Found { is_written: bool },
    /// These columns, in this order; other members of rows are left out.
    Named { names: Vec<String>, is_written: bool },
}

/// Returns the CSV text of an array of rows: objects with a header, or arrays without. Records end with CRLF.
///
/// # Errors
/// A value that is not an array, a row that is neither an object nor an array, rows of both kinds, and a value that is not a text, number,
/// boolean or null.
pub(crate) fn write_csv(value: &Value, options: &CsvWrite) -> Result<String, Misfit> {
    let mut place = Place::default();
    let rows = value.as_array().ok_or_else(|| place.misfit(format!("CSV takes an array of rows, not {value}")))?;
    let mut writer = Writer { out: String::new(), separator: options.separator };
    if rows.first().is_some_and(|row| row.as_array().is_some()) {
        for (index, row) in rows.iter().enumerate() {
            place.enter(Step::Index(index));
            let fields = row.as_array().ok_or_else(|| place.misfit(format!("the first row is an array, and this one is {row}")))?;
            for (column, field) in fields.iter().enumerate() {
                place.enter(Step::Index(column));
                writer.field(column == 0, field, &place)?;
                place.leave();
            }
            writer.end_record(fields.len() == 1 && is_empty(&fields[0]));
            place.leave();
        }
        return Ok(writer.out);
    }
    let (columns, is_written) = match &options.header {
        Header::Named { names, is_written } => (names.iter().map(String::as_str).collect(), *is_written),
        Header::Found { is_written } => (columns_of(rows, &mut place)?, *is_written),
    };
    if is_written && !columns.is_empty() {
        for (column, name) in columns.iter().enumerate() {
            writer.text(column == 0, name);
        }
        writer.end_record(columns == [""]);
    }
    for (index, row) in rows.iter().enumerate() {
        place.enter(Step::Index(index));
        if row.entries().is_none() {
            return Err(place.misfit(format!("a row is an object, and this one is {row}")));
        }
        let mut last_is_empty = false;
        for (column, name) in columns.iter().enumerate() {
            place.enter(Step::Name(name));
            let field = row.get(name).unwrap_or(&Value::NULL);
            writer.field(column == 0, field, &place)?;
            last_is_empty = is_empty(field);
            place.leave();
        }
        writer.end_record(columns.len() == 1 && last_is_empty);
        place.leave();
    }
    Ok(writer.out)
}

fn columns_of<'v>(rows: &'v [Value], place: &mut Place<'v>) -> Result<Vec<&'v str>, Misfit> {
    let mut columns = Vec::new();
    let mut known: HashMap<&str, ()> = HashMap::new();
    for (index, row) in rows.iter().enumerate() {
        place.enter(Step::Index(index));
        let members = row.entries().ok_or_else(|| place.misfit(format!("a row is an object or an array, not {row}")))?;
        for (name, _) in members {
            tick(1);
            if known.insert(name, ()).is_none() {
                columns.push(name);
            }
        }
        place.leave();
    }
    Ok(columns)
}

fn is_empty(field: &Value) -> bool {
    field.is_null() || field.as_str() == Some("")
}

struct Writer {
    out: String,
    separator: char,
}

impl Writer {
    fn field(&mut self, is_first: bool, field: &Value, place: &Place<'_>) -> Result<(), Misfit> {
        if field.is_null() {
            self.text(is_first, "");
            return Ok(());
        }
        let text = field.scalar_text().ok_or_else(|| place.misfit(format!("a field is a text, number, boolean or null, not {field}")))?;
        self.text(is_first, &text);
        Ok(())
    }

    fn text(&mut self, is_first: bool, text: &str) {
        if !is_first {
            push(&mut self.out, self.separator.encode_utf8(&mut [0; 4]));
        }
        // Without quotes, a first line `sep=;` would be read as the declaration of the separator.
        let names_separator = self.out.is_empty() && text.get(..4).is_some_and(|start| start.eq_ignore_ascii_case("sep="));
        if !names_separator && !text.contains(['"', '\r', '\n', self.separator]) {
            push(&mut self.out, text);
            return;
        }
        push(&mut self.out, "\"");
        for (index, part) in text.split('"').enumerate() {
            push(&mut self.out, if index > 0 { "\"\"" } else { "" });
            push(&mut self.out, part);
        }
        push(&mut self.out, "\"");
    }

    /// Ends a record. A record of one empty field would be an empty line, which readers skip.
    fn end_record(&mut self, is_empty: bool) {
        push(&mut self.out, if is_empty { "\"\"\r\n" } else { "\r\n" });
    }
}
