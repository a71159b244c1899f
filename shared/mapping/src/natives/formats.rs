//! Conversion between texts and values in XML, CSV and forms.

use forebay_contract::body::CsvFormat;
use jaq_core::native::v;
use jaq_core::{Error, ValR};

use super::Function;
use super::arguments::{Options, failed, nullary, text, unary};
use super::encodings::charset;
use crate::format::{CsvWrite, Header, XmlWrite, read_csv, read_form, write_csv, write_form, write_xml, xml_value};
use crate::meter::foresee;
use crate::value::{Value, described};

pub(super) fn functions() -> Vec<Function> {
    vec![
        ("from_xml", v(0), |cv| nullary(cv, from_xml)),
        ("to_xml", v(0), |cv| nullary(cv, |value| to_xml(value, &Value::NULL))),
        ("to_xml", v(1), |cv| unary(cv, to_xml)),
        ("from_csv", v(0), |cv| nullary(cv, |value| from_csv(value, &Value::NULL))),
        ("from_csv", v(1), |cv| unary(cv, from_csv)),
        ("to_csv", v(0), |cv| nullary(cv, |value| to_csv(value, &Value::NULL))),
        ("to_csv", v(1), |cv| unary(cv, to_csv)),
        ("from_form", v(0), |cv| nullary(cv, |value| from_form(value, &Value::NULL))),
        ("from_form", v(1), |cv| unary(cv, from_form)),
        ("to_form", v(0), |cv| nullary(cv, |value| written("to_form", write_form(value)))),
    ]
}

fn written(function: &str, result: Result<String, crate::format::Misfit>) -> ValR<Value> {
    result.map(Value::string).map_err(|misfit| failed(function, misfit))
}

fn from_xml(value: &Value) -> ValR<Value> {
    let xml = text("from_xml", "a string of XML", value)?;
    foresee(xml.len());
    xml_value(xml).map_err(|error| failed("from_xml", error))
}

/// `indent`: blanks per level; `declaration`: whether to begin with `<?xml ...?>`.
fn to_xml(value: &Value, options: &Value) -> ValR<Value> {
    let options = Options::new("to_xml", &["indent", "declaration"], options)?;
    let indent = options.whole("indent", 0..=16)?.map(|blanks| blanks as usize);
    let declared_charset = options.flag("declaration")?.unwrap_or(false).then(|| "utf-8".to_owned());
    written("to_xml", write_xml(value, &XmlWrite { declared_charset, indent }))
}

/// `separator`: one character; `header`: false if the first record is an ordinary row.
fn from_csv(value: &Value, options: &Value) -> ValR<Value> {
    let options = Options::new("from_csv", &["separator", "header"], options)?;
    let separator = separator("from_csv", &options)?.map(|separator| separator as u8);
    let has_header = options.flag("header")?.unwrap_or(true);
    let csv = text("from_csv", "a string of CSV", value)?;
    foresee(csv.len());
    read_csv(csv.trim_start_matches('\u{feff}'), CsvFormat { separator, has_header }).map_err(|error| failed("from_csv", error))
}

/// `charset`: that of the percent-encoded bytes.
fn from_form(value: &Value, options: &Value) -> ValR<Value> {
    let options = Options::new("from_form", &["charset"], options)?;
    let charset = options.get("charset").map(|name| charset("from_form", name)).transpose()?;
    let form = text("from_form", "a string of form fields", value)?;
    foresee(form.len());
    read_form(form.as_bytes(), charset).map_err(|error| failed("from_form", error))
}

/// `separator`: one character; `header`: whether the names are written; `columns`: the columns, in this order.
fn to_csv(value: &Value, options: &Value) -> ValR<Value> {
    let options = Options::new("to_csv", &["separator", "header", "columns"], options)?;
    let separator = separator("to_csv", &options)?.unwrap_or(',');
    let is_written = options.flag("header")?.unwrap_or(true);
    let header = match options.texts("columns")? {
        Some(names) => Header::Named { names, is_written },
        None => Header::Found { is_written },
    };
    written("to_csv", write_csv(value, &CsvWrite { separator, header }))
}

fn separator(function: &'static str, options: &Options<'_>) -> Result<Option<char>, Error<Value>> {
    let Some(value) = options.get("separator") else { return Ok(None) };
    let mut characters = value.as_str().unwrap_or_default().chars();
    match (characters.next(), characters.next()) {
        (Some(separator), None) if separator.is_ascii() && !matches!(separator, '"' | '\r' | '\n') => Ok(Some(separator)),
        _ => Err(failed(function, format_args!("`separator` is one ASCII character, not {}", described(value)))),
    }
}
