//! The characters of XML 1.0, and those of names (sections 2.2 and 2.3).

/// Returns true if XML 1.0 allows the character.
pub fn is_xml_character(character: char) -> bool {
    !matches!(character, '\0'..='\u{8}' | '\u{b}' | '\u{c}' | '\u{e}'..='\u{1f}' | '\u{fffe}' | '\u{ffff}')
}

/// Checks that XML 1.0 allows all characters; the error names the first other one.
pub(super) fn check_characters(text: &str) -> Result<(), String> {
    let bytes = text.as_bytes();
    let is_suspect = |byte: &u8| (*byte < 0x20 && !matches!(byte, b'\t' | b'\n' | b'\r')) || *byte == 0xef;
    if !bytes.iter().any(is_suspect) {
        return Ok(());
    }
    match text.chars().find(|character| !is_xml_character(*character)) {
        Some(character) => Err(format!("the character U+{:04X} cannot stand in XML", u32::from(character))),
        None => Ok(()),
    }
}

/// Returns true if the text is a `Name` of XML 1.0; colons are allowed anywhere.
pub fn is_xml_name(text: &str) -> bool {
    let mut characters = text.chars();
    characters.next().is_some_and(starts_name) && characters.all(is_in_name)
}

fn starts_name(character: char) -> bool {
    matches!(character, 'a'..='z' | 'A'..='Z' | '_' | ':')
        || matches!(character, '\u{c0}'..='\u{2ff}' if !matches!(character, '\u{d7}' | '\u{f7}'))
        || matches!(character, '\u{370}'..='\u{1fff}' if character != '\u{37e}')
        || matches!(character, '\u{200c}' | '\u{200d}' | '\u{2070}'..='\u{218f}' | '\u{2c00}'..='\u{2fef}')
        || matches!(character, '\u{3001}'..='\u{d7ff}' | '\u{f900}'..='\u{fdcf}' | '\u{fdf0}'..='\u{fffd}' | '\u{10000}'..='\u{effff}')
}

fn is_in_name(character: char) -> bool {
    matches!(character, '-' | '.' | '0'..='9' | '\u{b7}' | '\u{300}'..='\u{36f}' | '\u{203f}' | '\u{2040}') || starts_name(character)
}
