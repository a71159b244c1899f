//! `forebay export`: stored definitions as their authors wrote them.

use std::io::Write;
use std::path::Path;

use forebay_contract::definition::{documents, to_yaml};
use forebay_store::{Store, StoredVersion, Which};
use serde_json::{Value, json};

use crate::args::Export;
use crate::error::Error;
use crate::output::{Output, Row, pretty, write};

/// `forebay export`.
pub(crate) async fn export(output: &Output, store: &Store, export: &Export) -> Result<(), Error> {
    let chosen = choose(store, export).await?;
    if let Some(folder) = &export.to {
        let rows = chosen.iter().map(|version| write_file(folder, version, output.is_json())).collect::<Result<_, _>>()?;
        return output.listing(&["integration", "version", "file"], rows, "no integrations");
    }
    if output.is_json() {
        return match (chosen.as_slice(), &export.path) {
            ([one], Some(_)) => write(&pretty(&one.document)),
            (all, _) => write(&pretty(&all.iter().map(|version| version.document.clone()).collect::<Value>())),
        };
    }
    let texts: Vec<String> = chosen.iter().map(source).collect();
    write_exactly(&join(&texts))
}

async fn choose(store: &Store, export: &Export) -> Result<Vec<StoredVersion>, Error> {
    let Some(path) = &export.path else {
        return Ok(store.current_versions(export.tenant.as_ref().map_or(Which::All, Which::Tenant)).await?);
    };
    let mut versions = store.versions(path).await?;
    match export.version {
        None => versions.truncate(1),
        Some(number) => versions.retain(|version| version.version == number),
    }
    match versions.is_empty() {
        true => Err(Error::Failed(format!("{path} has no version {}", export.version.unwrap_or_default()))),
        false => Ok(versions),
    }
}

/// The text as it was applied, byte for byte, where it holds this document and nothing else; otherwise the document as YAML.
fn source(version: &StoredVersion) -> String {
    let is_its_own = documents(&version.source).is_ok_and(|read| read == std::slice::from_ref(&version.document));
    if is_its_own { version.source.clone() } else { to_yaml(&version.document) }
}

fn join(texts: &[String]) -> String {
    let mut joined = String::new();
    for text in texts {
        if !joined.is_empty() {
            let end = if joined.ends_with('\n') { "" } else { "\n" };
            joined.push_str(end);
            joined.push_str("---\n");
        }
        joined.push_str(text);
    }
    joined
}

fn write_file(folder: &Path, version: &StoredVersion, as_json: bool) -> Result<Row, Error> {
    let (extension, text) = if as_json { ("json", format!("{}\n", pretty(&version.document))) } else { ("yaml", source(version)) };
    // Names hold letters, digits, - and _ only, so they are file names on any system.
    let folder = folder.join(version.path.tenant.as_str());
    let file = folder.join(format!("{}.{extension}", version.path.name));
    let written = std::fs::create_dir_all(&folder).and_then(|()| std::fs::write(&file, text));
    written.map_err(|source| Error::Io { doing: format!("cannot write {}", file.display()), source })?;
    let shown = file.display().to_string();
    let object = json!({
        "tenant": version.path.tenant.as_str(), "name": version.path.name.as_str(), "version": version.version, "file": shown,
    });
    Ok(Row { cells: vec![version.path.to_string(), version.version.to_string(), shown], object })
}

fn write_exactly(text: &str) -> Result<(), Error> {
    let mut stdout = std::io::stdout().lock();
    match stdout.write_all(text.as_bytes()).and_then(|()| stdout.flush()) {
        Err(source) if source.kind() != std::io::ErrorKind::BrokenPipe => {
            Err(Error::Io { doing: "cannot write the output".to_owned(), source })
        }
        _ => Ok(()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn version(source: &str, document: Value) -> StoredVersion {
        StoredVersion {
            path: "t/n".parse().unwrap(),
            version: 1,
            document,
            source: source.to_owned(),
            created_at: 0,
            created_by: String::new(),
        }
    }

    #[test]
    fn a_source_is_exported_as_it_is_unless_it_holds_something_else() {
        assert_eq!(source(&version("# mine\na:   1", json!({"a": 1}))), "# mine\na:   1");
        assert_eq!(source(&version("a: 1\n--- # two\nb: 2\n", json!({"b": 2}))), "b: 2\n");
    }

    #[test]
    fn exported_texts_read_as_one_document_each() {
        let joined = join(&["a: 1".to_owned(), "---\nb: 2\n".to_owned(), "c: 3\n".to_owned()]);
        assert_eq!(documents(&joined).unwrap(), [json!({"a": 1}), json!({"b": 2}), json!({"c": 3})], "{joined}");
    }
}
