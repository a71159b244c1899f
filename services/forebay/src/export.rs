//! `forebay export`: stored definitions as their authors wrote them.

use std::io::Write;
use std::path::Path;

use forebay_admin_api::integrations::{Integration, Version as StoredVersion};
use forebay_contract::IntegrationPath;
use forebay_contract::definition::{documents, to_yaml};
use serde_json::{Value, json};

use crate::api::Api;
use crate::args::Export;
use crate::error::Error;
use crate::output::{Output, Row, pretty, write_json};

/// One version of an integration.
struct Version {
    path: IntegrationPath,
    number: i32,
    document: Value,
    source: String,
}

impl Version {
    fn of_integration(path: IntegrationPath, integration: Integration) -> Self {
        let Integration { version: number, document, source, .. } = integration;
        Self { path, number, document: document.unwrap_or_default(), source: source.unwrap_or_default() }
    }

    fn of_version(path: IntegrationPath, version: StoredVersion) -> Self {
        let StoredVersion { summary, document, source } = version;
        Self { path, number: summary.version, document, source }
    }

    /// Returns the text as it was applied, byte for byte, if it contains only this document; otherwise the document as YAML.
    fn text(&self) -> String {
        let is_its_own = documents(&self.source).is_ok_and(|read| read == std::slice::from_ref(&self.document));
        if is_its_own { self.source.clone() } else { to_yaml(&self.document) }
    }
}

/// `forebay export`.
pub(crate) async fn export(output: &Output, api: &Api, export: &Export) -> Result<(), Error> {
    let chosen = choose(api, export).await?;
    if let Some(folder) = &export.to {
        let rows = chosen.iter().map(|version| write_file(folder, version, output.is_json())).collect::<Result<_, _>>()?;
        return output.listing(&["integration", "version", "file"], rows, "no integrations");
    }
    if output.is_json() {
        return match (chosen.as_slice(), &export.path) {
            ([one], Some(_)) => write_json(&one.document),
            (all, _) => write_json(&all.iter().map(|version| &version.document).collect::<Vec<_>>()),
        };
    }
    let texts: Vec<String> = chosen.iter().map(Version::text).collect();
    write_exactly(&join(&texts))
}

async fn choose(api: &Api, export: &Export) -> Result<Vec<Version>, Error> {
    let Some(path) = &export.path else {
        let all = api.integrations_with_source(export.tenant.as_ref().map(Into::into)).await?;
        let version = |one: Integration| match format!("{}/{}", one.tenant, one.name).parse() {
            Ok(path) => Ok(Version::of_integration(path, one)),
            Err(_) => Err(Error::Failed(format!("the console returned an integration with an invalid name: {}/{}", one.tenant, one.name))),
        };
        return all.into_iter().map(version).collect();
    };
    let Some(number) = export.version else {
        return Ok(vec![Version::of_integration(path.clone(), api.integration(path).await?)]);
    };
    let version = api.versions(path).await?.into_iter().find(|version| version.summary.version == number);
    let version =
        version.ok_or_else(|| Error::Failed(format!("{path} has no version {number}: `forebay versions {path}` lists all versions")))?;
    Ok(vec![Version::of_version(path.clone(), version)])
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

fn write_file(folder: &Path, version: &Version, as_json: bool) -> Result<Row<Value>, Error> {
    let (extension, text) = if as_json { ("json", format!("{}\n", pretty(&version.document))) } else { ("yaml", version.text()) };
    // Names consist of letters, digits, - and _, so they are valid file names on every system.
    let folder = folder.join(version.path.tenant.as_str());
    let file = folder.join(format!("{}.{extension}", version.path.name));
    let written = std::fs::create_dir_all(&folder).and_then(|()| std::fs::write(&file, text));
    written.map_err(|source| Error::Io { doing: format!("cannot write {}", file.display()), source })?;
    let shown = file.display().to_string();
    let object = json!({
        "tenant": version.path.tenant.as_str(), "name": version.path.name.as_str(), "version": version.number, "file": shown,
    });
    Ok(Row { cells: vec![version.path.to_string(), version.number.to_string(), shown], object })
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

    fn text_of(source: &str, document: Value) -> String {
        Version { path: "t/n".parse().unwrap(), number: 1, document, source: source.to_owned() }.text()
    }

    #[test]
    fn a_source_is_exported_as_it_is_unless_it_holds_something_else() {
        assert_eq!(text_of("# mine\na:   1", json!({"a": 1})), "# mine\na:   1");
        assert_eq!(text_of("a: 1\n--- # two\nb: 2\n", json!({"b": 2})), "b: 2\n");
    }

    #[test]
    fn exported_texts_read_as_one_document_each() {
        let joined = join(&["a: 1".to_owned(), "---\nb: 2\n".to_owned(), "c: 3\n".to_owned()]);
        assert_eq!(documents(&joined).unwrap(), [json!({"a": 1}), json!({"b": 2}), json!({"c": 3})], "{joined}");
    }
}
