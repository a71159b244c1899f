//! Round trips: examples of the XML rule, and properties of all formats.

use super::*;
use crate::to_json;
use forebay_contract::body::{Charset, CsvFormat, XmlEvents, read_xml};
use proptest::prelude::*;
use std::borrow::Cow;

fn json_of(xml: &str) -> String {
    String::from_utf8(to_json(&xml_value(xml).unwrap())).unwrap()
}

fn xml_of(json: &str) -> String {
    write_xml(&crate::parse_json(json.as_bytes()).unwrap(), &XmlWrite::default()).unwrap()
}

#[test]
fn xml_becomes_json_by_the_rule_and_comes_back_as_it_was() {
    let cases = [
        ("<Order/>", r#"{"Order":null}"#),
        ("<a>text &lt;</a>", r#"{"a":"text <"}"#),
        ("<a> </a>", r#"{"a":" "}"#),
        (r#"<a b="1" xmlns:x="u"><x:c x:d="&quot;&#10;"/></a>"#, r#"{"a":{"@b":"1","@xmlns:x":"u","x:c":{"@x:d":"\"\n"}}}"#),
        (r#"<a b="1">t</a>"#, r##"{"a":{"@b":"1","#text":"t"}}"##),
        ("<a><b>1</b><b>2</b><c/></a>", r#"{"a":{"b":["1","2"],"c":null}}"#),
        ("<a><b>1</b><c/><b>2</b></a>", r##"{"a":{"b":["1","2"],"c":null,"#order":["b","c","b"]}}"##),
        ("<a>x<b/></a>", r##"{"a":{"#text":"x","b":null}}"##),
        ("<a>x <b>y</b> <i>z</i></a>", r##"{"a":{"#text":["x "," "],"b":"y","i":"z","#order":["#text","b","#text","i"]}}"##),
        ("<a>\r\n</a>", "{\"a\":\"\\n\"}"),
    ];
    for (xml, json) in cases {
        assert_eq!(json_of(xml), json, "{xml}");
        assert_eq!(xml_of(json), xml.replace("\r\n", "\n"), "{json}");
    }
}

#[test]
fn what_a_document_has_beside_its_content_is_dropped_and_cdata_is_text() {
    let xml = "<?xml version='1.0'?>\n<!-- c -->\n<a>\n  <b><![CDATA[<x>]]>&amp;</b><!-- c -->\n  <?pi?>\n</a>\n";
    assert_eq!(json_of(xml), r#"{"a":{"b":"<x>&"}}"#);
}

#[test]
fn what_mappings_make_is_written_with_some_freedom() {
    let cases = [
        (r#"{"a":{"b":1.50,"@c":true,"@d":null,"e":[],"f":""}}"#, r#"<a c="true"><b>1.50</b><f/></a>"#),
        (r##"{"a":{"b":["1","2"],"c":"3","#order":["c","gone","b"]}}"##, "<a><c>3</c><b>1</b><b>2</b></a>"),
        (r##"{"a":{"#order":null,"#text":"x"}}"##, "<a>x</a>"),
        (r##"{"a":{"#cdata":"x]]>y"}}"##, "<a><![CDATA[x]]]]><![CDATA[>y]]></a>"),
        (r#"{"a":"\r]]>"}"#, "<a>&#13;]]&gt;</a>"),
    ];
    for (json, xml) in cases {
        assert_eq!(xml_of(json), xml, "{json}");
    }
    let options = XmlWrite { declared_charset: Some("utf-8".to_owned()), indent: Some(2) };
    let value = xml_value("<a><b><c/></b><d>x<e/></d></a>").unwrap();
    let expected = "<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n<a>\n  <b>\n    <c/>\n  </b>\n  <d>x<e/></d>\n</a>";
    assert_eq!(write_xml(&value, &options).unwrap(), expected);
}

/// The content of a document, without the parts that the rule drops.
#[derive(Default)]
struct Said {
    lines: Vec<String>,
    text: String,
}

impl Said {
    fn flush(&mut self) {
        if !self.text.is_empty() {
            let text = std::mem::take(&mut self.text);
            self.lines.push(format!("text {text}"));
        }
    }

    fn of(xml: &str) -> Vec<String> {
        let mut said = Said::default();
        read_xml(xml, &mut said).unwrap();
        said.lines
    }
}

impl XmlEvents for Said {
    fn start(&mut self, name: &str) {
        self.flush();
        self.lines.push(format!("start {name}"));
    }
    fn attribute(&mut self, name: &str, value: Cow<'_, str>) {
        self.lines.push(format!("attribute {name}={value}"));
    }
    fn text(&mut self, text: &str) {
        self.text.push_str(text);
    }
    fn end(&mut self) {
        self.flush();
        self.lines.push("end".to_owned());
    }
}

/// Returns text of a document that is not blank, since the rule drops blank text between children.
fn text() -> impl Strategy<Value = String> {
    let piece = prop_oneof![
        "[a-z]{1,4}",
        Just("&lt;&amp;&#13;&#xF6;".to_owned()),
        Just("<![CDATA[<]]>".to_owned()),
        Just("<!-- c -->x<?p?>".to_owned()),
        Just("\u{10348}\t\r\n".to_owned()),
    ];
    (piece, "[ \n]{0,2}").prop_map(|(piece, blank)| format!("{blank}t{piece}{blank}"))
}

fn element() -> impl Strategy<Value = String> {
    let attributes = proptest::sample::subsequence(vec!["a", "x:b", "xmlns", "ö"], 0..4);
    let value = prop_oneof![Just(""), Just("1"), Just("&quot;&#10;&#9;'"), Just("a\n\tb"), Just("&gt;")];
    let start = (prop_oneof!["[a-c]", "n:[a-b]"], attributes, value);
    let leaf = prop_oneof![Just(String::new()), Just(" \n".to_owned()), text()];
    let written = |(name, attributes, value): &(String, Vec<&str>, &str), content: &str| {
        let attributes: String = attributes.iter().map(|attribute| format!(" {attribute}=\"{value}\"")).collect();
        format!("<{name}{attributes}>{content}</{name}>")
    };
    (start.clone(), leaf).prop_map(move |(start, content)| written(&start, &content)).prop_recursive(6, 60, 6, move |inner| {
        let content = proptest::collection::vec(prop_oneof![3 => inner, 1 => text()], 1..6);
        (start.clone(), content).prop_map(move |(start, content)| written(&start, &content.concat()))
    })
}

#[test]
fn a_first_field_that_looks_like_a_separator_line_comes_back() {
    let rows = Value::array([Value::array([Value::from("sep=;")]), Value::array([Value::from("a")])]);
    let text = write_csv(&rows, &CsvWrite { separator: ',', header: Header::Found { is_written: true } }).unwrap();
    let read = read_csv(&text, CsvFormat { separator: None, has_header: false }).unwrap();
    assert_eq!(to_json(&read), to_json(&rows), "{text}");
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(400))]

    #[test]
    fn every_document_comes_back_with_the_same_content(xml in element()) {
        let value = xml_value(&xml).unwrap();
        let written = write_xml(&value, &XmlWrite::default()).unwrap();
        prop_assert_eq!(Said::of(&written), Said::of(&xml));
        prop_assert_eq!(to_json(&xml_value(&written).unwrap()), to_json(&value));
    }

    #[test]
    fn no_text_stops_the_readers(text in "[<>/a&;#!\\[\\]CDAT\"'= \\-?x,\r\n\u{0}ö]{0,60}") {
        let _ = xml_value(&text).map(|value| write_xml(&value, &XmlWrite::default()).unwrap());
        let _ = read_csv(&text, CsvFormat { separator: None, has_header: true });
        let _ = read_multipart(text.as_bytes(), "a", None);
        let _ = read_form(text.as_bytes(), None);
    }

    #[test]
    fn rows_come_back_from_csv(rows in proptest::collection::vec(proptest::collection::vec("[a,;\"\r\n ö]{0,5}", 3), 0..6)) {
        let named = |row: &Vec<String>| Value::object([("x", &row[0]), ("y", &row[1]), ("z,", &row[2])].map(|(name, field)| (name, Value::from(field.as_str()))));
        let objects: Value = rows.iter().map(named).collect();
        let csv = |header| CsvWrite { separator: ',', header };
        let text = write_csv(&objects, &csv(Header::Found { is_written: true })).unwrap();
        let read = read_csv(&text, CsvFormat { separator: None, has_header: true }).unwrap();
        prop_assert_eq!(to_json(&read), to_json(&objects));

        let arrays: Value = rows.iter().map(|row| row.iter().map(|field| Value::from(field.as_str())).collect()).collect();
        let text = write_csv(&arrays, &csv(Header::Found { is_written: true })).unwrap();
        let read = read_csv(&text, CsvFormat { separator: Some(b','), has_header: false }).unwrap();
        prop_assert_eq!(to_json(&read), to_json(&arrays));
    }

    #[test]
    fn forms_come_back(fields in proptest::collection::btree_map("[a &=+%ö]{0,4}", "[a &=+%ö\n*]{0,6}", 0..5)) {
        let value = Value::object(fields.iter().map(|(name, field)| (name.as_str(), Value::from(field.as_str()))));
        prop_assert_eq!(to_json(&read_form(write_form(&value).unwrap().as_bytes(), Some(Charset::Utf8)).unwrap()), to_json(&value));
    }
}
