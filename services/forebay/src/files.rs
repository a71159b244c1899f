//! Finds files in paths and folders, and the text of each document in them.

use std::path::{Path, PathBuf};

use crate::error::Error;

const EXTENSIONS: [&str; 3] = ["yaml", "yml", "json"];

/// Returns the files in `paths`, and those in its folders, recursively and sorted by name. Hidden files in folders are left out.
pub(crate) fn find(paths: &[PathBuf]) -> Result<Vec<PathBuf>, Error> {
    let mut files = Vec::new();
    for path in paths {
        let metadata = std::fs::metadata(path).map_err(|source| cannot_read(path, source))?;
        if metadata.is_dir() {
            find_in(path, &mut files)?;
        } else {
            files.push(path.clone());
        }
    }
    Ok(files)
}

fn find_in(folder: &Path, files: &mut Vec<PathBuf>) -> Result<(), Error> {
    let failed = |source| cannot_read(folder, source);
    let mut entries = Vec::new();
    for entry in std::fs::read_dir(folder).map_err(failed)? {
        let entry = entry.map_err(failed)?;
        entries.push((entry.path(), entry.file_type().map_err(failed)?));
    }
    entries.sort_by(|(a, _), (b, _)| a.cmp(b));
    for (path, kind) in entries {
        let hidden = path.file_name().is_none_or(|name| name.to_string_lossy().starts_with('.'));
        if hidden {
            continue;
        }
        // A link to a folder is not followed, since it could form a cycle.
        if kind.is_dir() {
            find_in(&path, files)?;
        } else if path.is_file() && has_extension(&path) {
            files.push(path);
        }
    }
    Ok(())
}

fn has_extension(path: &Path) -> bool {
    path.extension().is_some_and(|extension| EXTENSIONS.iter().any(|supported| extension.eq_ignore_ascii_case(supported)))
}

fn cannot_read(path: &Path, source: std::io::Error) -> Error {
    Error::Io { doing: format!("cannot read {}", path.display()), source }
}

/// Returns the text of each of `count` documents, including comments. If the separators do not determine them, each gets the whole text.
pub(crate) fn sources(text: &str, count: usize) -> Vec<String> {
    let mut parts = vec![String::new()];
    for line in text.split_inclusive('\n') {
        if line.trim_end() == "---" {
            parts.push(String::new());
        } else if let Some(part) = parts.last_mut() {
            part.push_str(line);
        }
    }
    let has_content = |part: &String| part.lines().any(|line| !line.trim().is_empty() && !line.trim_start().starts_with('#'));
    parts.retain(has_content);
    if count > 1 && parts.len() == count { parts } else { vec![text.to_owned(); count] }
}

#[cfg(test)]
mod tests {
    use super::sources;

    #[test]
    fn each_document_keeps_its_own_text() {
        assert_eq!(sources("# one\na: 1\n---\n# two\nb: 2\n", 2), ["# one\na: 1\n", "# two\nb: 2\n"]);
        assert_eq!(sources("---\na: 1\n", 1), ["---\na: 1\n"]);
        assert_eq!(sources("a: 1\n--- # comment\nb: 2\n", 2), ["a: 1\n--- # comment\nb: 2\n"; 2]);
    }
}
