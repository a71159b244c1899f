//! Finds the separator of a CSV text that does not declare one.
//!
//! Comma, semicolon, tab and `|` are tested with the first [`SAMPLE_RECORDS`] records and at most [`SAMPLE_BYTES`] bytes; quotes are
//! respected. The tests are applied in order until one separator is left; if test 2 leaves none, the text has one column.
//!
//! 1. A first line `sep=;` declares the separator, as in Excel, and is not data: `sep=;\na,b;c` has `;`.
//! 2. A separator is a candidate if it splits the first record, and every quote is closed with it: `id,name\n1,Smith; John` has `,`.
//! 3. The candidates with which every closing quote ends its field remain, if there are any: `"a";1,5` has `;`.
//! 4. The candidates remain with which the largest part of the records has as many fields as the first: `a,b;c\n1,2\n3,4` has `,`.
//! 5. A comma is dropped if it is only between two digits or before a blank in the first record, and there are other candidates: `12,5;A`
//!    has `;`, and so has `Artikel;Pris, SEK`.
//! 6. The candidates with the most fields in the first record remain: `a,b;c;d` has `;`.
//! 7. The first of comma, semicolon, tab and `|` remains: `a|b;c` has `;`.

use super::csv::{CsvError, CsvFields, CsvFormat};

/// The candidates, the most common one first.
const SEPARATORS: [u8; 4] = [b',', b';', b'\t', b'|'];

/// The separator of a text with one column: the unit separator of ASCII, which no text contains. If no character splits the first record,
/// none splits the others: the comma of `12,50` is part of a number there.
const NO_SEPARATOR: u8 = 0x1f;

/// Maximum records of the sample.
const SAMPLE_RECORDS: usize = 20;

/// Maximum bytes of the sample.
const SAMPLE_BYTES: usize = 64 * 1024;

impl<'t> CsvFields<'t> {
    /// Reads `text`. A first line `sep=;` is not data; it determines the separator if the format does not.
    pub fn new(text: &'t str, format: CsvFormat) -> Self {
        let (named, at) = named_separator(text).map_or((None, 0), |(separator, length)| (Some(separator), length));
        let separator = format.separator.or(named).unwrap_or_else(|| guessed_separator(text));
        Self::strict(text, at, separator)
    }
}

/// Returns the separator of a first line such as `sep=;`, and the length of that line including its end.
fn named_separator(text: &str) -> Option<(u8, usize)> {
    let bytes = text.as_bytes();
    if !bytes.get(..4)?.eq_ignore_ascii_case(b"sep=") {
        return None;
    }
    let separator = *bytes.get(4)?;
    let line_end = match &bytes[5..] {
        [] => 0,
        [b'\r', b'\n', ..] => 2,
        [b'\r' | b'\n', ..] => 1,
        _ => return None,
    };
    is_separator(separator).then_some((separator, 5 + line_end))
}

/// Returns true if a byte can be a separator.
pub(super) fn is_separator(byte: u8) -> bool {
    byte.is_ascii() && !matches!(byte, b'"' | b'\r' | b'\n')
}

/// Returns the separator of a text without a `sep=` line.
fn guessed_separator(text: &str) -> u8 {
    let sample = sample_of(text);
    let is_whole = sample.len() == text.len();
    let mut best: Option<(Fit, u8)> = None;
    let mut is_unclosed = false;
    for separator in SEPARATORS {
        if memchr::memchr(separator, sample.as_bytes()).is_none() {
            continue;
        }
        let fit = match fit(sample, is_whole, separator) {
            Ok(Some(fit)) => fit,
            Ok(None) => continue,
            Err(_) => {
                is_unclosed = true;
                continue;
            }
        };
        if best.is_none_or(|(previous, _)| fit.is_better_than(previous)) {
            best = Some((fit, separator));
        }
    }
    // With the usual separator, the reader reports the place of the quote that is never closed.
    let otherwise = if is_unclosed { SEPARATORS[0] } else { NO_SEPARATOR };
    best.map_or(otherwise, |(_, separator)| separator)
}

/// Returns the sample of a text.
fn sample_of(text: &str) -> &str {
    &text[..text.floor_char_boundary(SAMPLE_BYTES)]
}

/// The properties by which separators are compared.
#[derive(Clone, Copy)]
struct Fit {
    /// True if each closing quote ends its field.
    is_well_quoted: bool,
    records: usize,
    /// Number of records with as many fields as the first.
    alike: usize,
    /// False for a comma that may be part of numbers and texts.
    is_clear: bool,
    /// Number of fields of the first record, at least 2.
    fields: usize,
}

impl Fit {
    fn is_better_than(self, other: Self) -> bool {
        // Compares fractions without division.
        let (this, that) = (self.alike * other.records, other.alike * self.records);
        (self.is_well_quoted, this, self.is_clear, self.fields) > (other.is_well_quoted, that, other.is_clear, other.fields)
    }
}

/// Returns the properties of a separator; `None` if it does not split the first record.
///
/// # Errors
/// A quote that is never closed with this separator.
fn fit(sample: &str, is_whole: bool, separator: u8) -> Result<Option<Fit>, CsvError> {
    let mut counts: Vec<usize> = Vec::with_capacity(SAMPLE_RECORDS);
    let mut fields = 0;
    let mut ends_with_digit = false;
    // Of the first record, and of the others.
    let mut clear = [separator != b','; 2];
    let mut read = CsvFields::separated_by(sample, separator);
    for field in read.by_ref() {
        let field = match field {
            Ok(field) => field,
            Err(error) if is_whole => return Err(error),
            // The end of the sample may cut a quoted field.
            Err(_) => break,
        };
        let is_in_number = ends_with_digit && field.text.starts_with(|first: char| first.is_ascii_digit());
        clear[usize::from(!counts.is_empty())] |= fields > 0 && !is_in_number && !field.text.starts_with(' ');
        ends_with_digit = field.text.ends_with(|last: char| last.is_ascii_digit());
        fields += 1;
        if field.ends_record {
            counts.push(std::mem::take(&mut fields));
            if counts.len() == SAMPLE_RECORDS {
                break;
            }
        }
    }
    // It may also cut the last record.
    if !is_whole && counts.len() > 1 && counts.len() < SAMPLE_RECORDS {
        counts.pop();
    }
    let Some(&first) = counts.first().or((fields > 0).then_some(&fields)) else { return Ok(None) };
    let alike = counts.iter().filter(|count| **count == first).count().max(1);
    // A header is less reliable than rows: `Pris,SEK` may be above `12,50`.
    let is_clear = clear[usize::from(counts.len() > 1)];
    let fit = Fit { is_well_quoted: !read.has_loose_quote(), records: counts.len().max(1), alike, is_clear, fields: first };
    Ok((first > 1).then_some(fit))
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn the_separator_is_the_one_that_makes_records_alike() {
        for (text, expected) in [
            ("a,b;c", b','),
            ("a;b\n1,5;2", b';'),
            ("\"a,b\";c", b';'),
            ("a\tb", b'\t'),
            ("a|b", b'|'),
            ("a", NO_SEPARATOR),
            ("", NO_SEPARATOR),
            ("Pris\n12,50\n13,00\n", NO_SEPARATOR),
            ("Artikel;Pris,SEK\nA;12,50\n", b';'),
            ("Artikel\tPris,SEK\nA\t12,50\n", b'\t'),
            ("Pris,SEK;Antal\n12,50;3", b';'),
            ("12,5;A;3", b';'),
            ("Artikel;Pris, SEK;Antal\nA;12,50;3\nB;7;1\n", b';'),
            ("Artikel;Pris, SEK;Antal", b';'),
            ("1,5;2,5;3,5\n10,0;0,5;7,25\n", b';'),
            ("1,5|2,5", b'|'),
            ("1,2\n3,4\n", b','),
            ("1,Smith; John\n2,Ek; Eva\n", b','),
            ("id,tags\n1,a;b;c\n2,d\n", b','),
            ("id,name\n1,Smith; John\n2,Ek; Eva\n", b','),
            ("a,b;c\n1,2\n3,4\n", b','),
            ("\"x;\ny\",b\n1,2;3\n", b','),
            ("a;b\n\"unclosed,1;2", b','),
            ("name\tprice, SEK\nA\t1,5\n", b'\t'),
            ("\"a\";1,5", b';'),
            ("12,5;A", b';'),
            ("a,b;c;d", b';'),
            ("a|b;c", b';'),
        ] {
            assert_eq!(char::from(guessed_separator(text)), char::from(expected), "{text:?}");
        }
    }

    #[test]
    fn a_first_line_of_excel_names_the_separator() {
        for (text, expected) in [
            ("sep=;\r\na;b", Some((b';', 7))),
            ("SEP=\t\na", Some((b'\t', 6))),
            ("sep=|", Some((b'|', 5))),
            ("sep=;;\na", None),
            ("sep=\na", None),
            ("sep=\"\na", None),
            ("sep", None),
            ("separator;x", None),
        ] {
            assert_eq!(named_separator(text), expected, "{text:?}");
        }
    }

    #[test]
    fn the_search_is_bounded() {
        let long = format!("{}\"{}", "a,b;c\td|".repeat(2_000_000), "x".repeat(1_000_000));
        assert_eq!((sample_of(&long).len(), guessed_separator(&long)), (SAMPLE_BYTES, b','));
        assert_eq!(sample_of(&"ö".repeat(SAMPLE_BYTES)).len(), SAMPLE_BYTES);
        assert_eq!(sample_of(&format!("a{}", "ö".repeat(SAMPLE_BYTES))).len(), SAMPLE_BYTES - 1);
        let many = "a;b\n".repeat(SAMPLE_BYTES / 8);
        assert_eq!(fit(&many, true, b';').unwrap().map(|fit| fit.records), Some(SAMPLE_RECORDS));
    }

    proptest! {
        /// Rows of the same number of columns, whose texts contain separators only within quotes.
        #[test]
        fn a_table_is_split_by_its_own_separator(
            separator in prop::sample::select(SEPARATORS.to_vec()),
            rows in (2usize..6).prop_flat_map(|columns| prop::collection::vec(prop::collection::vec("[a-z0-9 ]{0,5}(\"|[,;|\n\t]){0,3}", columns), 2..30)),
        ) {
            let quoted = |text: &String| format!("\"{}\"", text.replace('"', "\"\""));
            let joined = |row: &Vec<String>| row.iter().map(quoted).collect::<Vec<_>>().join(&char::from(separator).to_string());
            let text = rows.iter().map(joined).collect::<Vec<_>>().join("\r\n");
            prop_assert_eq!(guessed_separator(&text), separator, "{:?}", text);
        }

        /// Numbers with a decimal comma, separated by semicolons or tabs, with or without a header.
        #[test]
        fn decimal_commas_do_not_split(
            separator in prop::sample::select(vec![b';', b'\t', b'|']),
            rows in prop::collection::vec(prop::collection::vec((0u32..1000, 0u32..100), 3), 1..30),
        ) {
            let joined = |row: &Vec<(u32, u32)>| {
                row.iter().map(|(whole, part)| format!("{whole},{part}")).collect::<Vec<_>>().join(&char::from(separator).to_string())
            };
            let rows = rows.iter().map(joined).collect::<Vec<_>>().join("\n");
            let with_header = format!("a{0}b{0}c\n{rows}", char::from(separator));
            prop_assert_eq!(guessed_separator(&rows), separator, "{:?}", rows);
            prop_assert_eq!(guessed_separator(&with_header), separator, "{:?}", with_header);
        }

        #[test]
        fn no_text_ends_in_a_panic(text in "[a-b,;|\t\"\r\nö]{0,80}") {
            prop_assert!(SEPARATORS.contains(&guessed_separator(&text)) || guessed_separator(&text) == NO_SEPARATOR);
            let _ = named_separator(&format!("sep={text}"));
        }
    }
}
