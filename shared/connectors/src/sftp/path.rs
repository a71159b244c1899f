//! Paths and names of files on a server: the permitted paths, and patterns.

use forebay_contract::outcome::{ErrorCode, ExecutionError};

/// A path of a step.
#[derive(Debug, Clone)]
pub struct RemotePath {
    /// The path; a relative one is below the connection's folder.
    pub text: String,
    /// True if the path begins with an inserted value: then it must not leave the connection's folder.
    pub is_inserted: bool,
}

/// Returns the path on the server.
pub(super) fn resolved(path: &RemotePath, folder: &str, may_be_empty: bool) -> Result<String, ExecutionError> {
    let RemotePath { text, is_inserted } = path;
    let wrong = |what: &str| Err(ExecutionError::permanent(ErrorCode::Mapping, format!("path: '{}' {what}", text.escape_debug())));
    if text.is_empty() && !may_be_empty {
        return wrong("names no file");
    }
    if text.chars().any(char::is_control) {
        return wrong("holds a control character");
    }
    if text.split('/').any(|segment| segment == "..") {
        return wrong("holds the segment `..`, which leads to another folder");
    }
    let folder = folder.strip_suffix('/').unwrap_or(folder);
    if !text.starts_with('/') {
        return Ok(if folder.is_empty() { text.clone() } else { joined(folder, text) });
    }
    if *is_inserted && folder.is_empty() {
        return wrong(
            "is absolute, and the connection has no folder to hold it; give the connection a folder, or begin the template with /",
        );
    }
    let is_under = text.strip_prefix(folder).is_some_and(|rest| rest.is_empty() || rest.starts_with('/'));
    if *is_inserted && !is_under {
        return wrong(&format!("is not under the connection's folder '{folder}'; begin the template with / to allow it"));
    }
    Ok(text.clone())
}

pub(super) fn joined(folder: &str, name: &str) -> String {
    match folder {
        "" => name.to_owned(),
        _ if name.is_empty() => folder.to_owned(),
        _ if folder.ends_with('/') => format!("{folder}{name}"),
        _ => format!("{folder}/{name}"),
    }
}

pub(super) fn name_of(path: &str) -> &str {
    path.rsplit('/').next().unwrap_or(path)
}

/// Returns the media type of a file name's extension.
pub fn type_of(path: &str) -> Option<&'static str> {
    let (_, ending) = name_of(path).rsplit_once('.')?;
    Some(match ending.to_ascii_lowercase().as_str() {
        "json" => "application/json",
        "xml" => "application/xml",
        "csv" => "text/csv",
        "txt" => "text/plain",
        _ => return None,
    })
}

/// Matches a name; `*` stands for any characters, `?` for one. It does not recurse, so no pattern is slow.
pub(super) fn fits(pattern: &str, name: &str) -> bool {
    let (pattern, name): (Vec<char>, Vec<char>) = (pattern.chars().collect(), name.chars().collect());
    let (mut at, mut of_name) = (0, 0);
    // The last `*`, and the end of the text that it matches so far.
    let mut star: Option<(usize, usize)> = None;
    while of_name < name.len() {
        match pattern.get(at) {
            Some('*') => {
                star = Some((at, of_name));
                at += 1;
            }
            Some(character) if *character == '?' || *character == name[of_name] => {
                at += 1;
                of_name += 1;
            }
            _ => {
                let Some((star_at, taken)) = star else { return false };
                star = Some((star_at, taken + 1));
                at = star_at + 1;
                of_name = taken + 1;
            }
        }
    }
    pattern[at..].iter().all(|character| *character == '*')
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_pattern_stands_for_the_whole_name() {
        for (pattern, name, expected) in [
            ("*", "", true),
            ("*.xml", "a.xml", true),
            ("*.xml", "a.xml.part", false),
            ("a*b*c", "aXbYbZc", true),
            ("a?c", "abc", true),
            ("a?c", "ac", false),
            ("", "a", false),
            ("ö*", "öre", true),
        ] {
            assert_eq!(fits(pattern, name), expected, "{pattern} {name}");
        }
    }

    #[test]
    fn what_a_mapping_inserts_does_not_leave_the_folder() {
        let at = |text: &str, is_inserted, folder| {
            let path = RemotePath { text: text.to_owned(), is_inserted };
            resolved(&path, folder, false).map_err(|error| error.message)
        };
        assert_eq!(at("in/a.xml", true, "/data/"), Ok("/data/in/a.xml".to_owned()));
        assert_eq!(at("/data/a", true, "/data"), Ok("/data/a".to_owned()));
        assert_eq!(at("/etc/a", false, "/data"), Ok("/etc/a".to_owned()));
        assert_eq!(at("a", true, ""), Ok("a".to_owned()));
        assert_eq!(at("/etc/a", false, ""), Ok("/etc/a".to_owned()));
        for (text, folder) in [
            ("/etc/passwd", "/data"),
            ("/database/a", "/data"),
            ("in/../../a", "/data"),
            ("a\n", ""),
            ("", "/data"),
            ("/etc/passwd", ""),
            ("/", "/"),
        ] {
            assert!(at(text, true, folder).is_err(), "{text}");
        }
    }
}
