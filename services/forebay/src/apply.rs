//! `forebay apply`: reads files, checks every definition, shows what would change, asks, applies.

pub(crate) mod files;

use std::collections::HashMap;
use std::io::{BufRead, IsTerminal};
use std::path::Path;
use std::sync::Arc;

use forebay_contract::IntegrationPath;
use forebay_contract::definition::{Definition, Problem, documents};
use forebay_runtime::settings::Settings;
use forebay_store::{Applied, Change, NewDefinition};
use forebay_workflow::Program;
use serde_json::{Value, json};

use crate::args::Apply;
use crate::error::Error;
use crate::output::{Output, Row, note};

/// `forebay apply`.
pub(crate) async fn apply(output: &Output, settings: &Settings, apply: &Apply) -> Result<(), Error> {
    let definitions = read_all(&apply.paths)?;
    let store = crate::client_store(settings).await?;
    let plan = store.plan(&definitions).await?;
    if plan.iter().all(|one| one.change == Change::Unchanged) {
        return show(output, &plan);
    }
    if !apply.yes {
        note(&summary("to apply", &plan));
        for one in plan.iter().filter(|one| one.change != Change::Unchanged) {
            note(&format!("  {}  {}", change_word(one.change), one.path));
        }
        if !std::io::stdin().is_terminal() {
            return Err(Error::Usage(
                "there is no terminal to ask on, so nothing was applied: add --yes to apply without asking".to_owned(),
            ));
        }
        if !confirmed()? {
            return Err(Error::Failed("nothing was applied".to_owned()));
        }
    }
    let applied = store.apply(&definitions, &author()).await?;
    show(output, &applied)?;
    if !output.is_json() {
        note(&summary("applied", &applied));
    }
    Ok(())
}

/// Reads and checks everything before anything is applied, so that an author sees all mistakes at once.
fn read_all(paths: &[std::path::PathBuf]) -> Result<Vec<NewDefinition>, Error> {
    let files = files::find(paths)?;
    if files.is_empty() {
        return Err(Error::Usage("there is no *.yaml, *.yml or *.json file in what was given".to_owned()));
    }
    let mut definitions = Vec::new();
    let mut problems: Vec<String> = Vec::new();
    let mut seen: HashMap<IntegrationPath, String> = HashMap::new();
    for file in &files {
        let text =
            std::fs::read_to_string(file).map_err(|source| Error::Io { doing: format!("cannot read {}", file.display()), source })?;
        let shown = file.display().to_string();
        let (read, wrong) = read_file(file, &text);
        problems.extend(wrong);
        for definition in read {
            let path = definition.definition.path();
            match seen.get(&path) {
                Some(first) => problems.push(format!("{shown}: {path} is defined in {first} already")),
                None => {
                    seen.insert(path, shown.clone());
                    definitions.push(definition);
                }
            }
        }
    }
    if problems.is_empty() {
        return if definitions.is_empty() { Err(Error::Usage("the files hold no definition".to_owned())) } else { Ok(definitions) };
    }
    problems.iter().for_each(|problem| note(problem));
    let count = if problems.len() == 1 { "1 problem".to_owned() } else { format!("{} problems", problems.len()) };
    Err(Error::Failed(format!("{count}: nothing was applied")))
}

/// The definitions of a file that are right, and a line for each problem of those that are not.
fn read_file(file: &Path, text: &str) -> (Vec<NewDefinition>, Vec<String>) {
    let file = file.display();
    let read = match documents(text) {
        Ok(read) => read,
        Err(error) => return (Vec::new(), vec![format!("{file}: {error}")]),
    };
    let sources = files::sources(text, read.len());
    let several = read.len() > 1;
    let (mut definitions, mut problems) = (Vec::new(), Vec::new());
    for (index, (document, source)) in read.into_iter().zip(sources).enumerate() {
        match check(&document) {
            Ok(definition) => definitions.push(NewDefinition { definition, document, source }),
            Err(wrong) => {
                let place = if several { format!("{file} (document {})", index + 1) } else { file.to_string() };
                problems.extend(wrong.iter().map(|problem| format!("{place}: {problem}")));
            }
        }
    }
    (definitions, problems)
}

/// Of the right shape, and every mapping and template compiles.
fn check(document: &Value) -> Result<Definition, Vec<Problem>> {
    let definition = Definition::from_value(document).map_err(|error| error.problems)?;
    Program::compile(Arc::new(definition.clone()))?;
    Ok(definition)
}

fn show(output: &Output, applied: &[Applied]) -> Result<(), Error> {
    let rows = applied.iter().map(row).collect();
    output.listing(&["change", "integration", "version"], rows, "nothing")
}

fn row(applied: &Applied) -> Row {
    let object = json!({
        "tenant": applied.path.tenant.as_str(),
        "name": applied.path.name.as_str(),
        "id": applied.id.to_string(),
        "version": applied.version,
        "change": applied.change,
    });
    Row { cells: vec![change_word(applied.change).to_owned(), applied.path.to_string(), applied.version.to_string()], object }
}

fn change_word(change: Change) -> &'static str {
    match change {
        Change::Created => "created",
        Change::Updated => "updated",
        Change::Unchanged => "unchanged",
    }
}

fn summary(tense: &str, applied: &[Applied]) -> String {
    let count = |change| applied.iter().filter(|one| one.change == change).count();
    let (created, updated, unchanged) = (count(Change::Created), count(Change::Updated), count(Change::Unchanged));
    format!("{tense}: {created} created, {updated} updated, {unchanged} unchanged")
}

fn confirmed() -> Result<bool, Error> {
    note("Apply? [y/N]");
    let mut answer = String::new();
    let read = std::io::stdin().lock().read_line(&mut answer);
    read.map_err(|source| Error::Io { doing: "cannot read the answer".to_owned(), source })?;
    Ok(matches!(answer.trim().to_ascii_lowercase().as_str(), "y" | "yes"))
}

/// Who uses the command, for the history.
pub(crate) fn author() -> String {
    ["USER", "LOGNAME"]
        .iter()
        .find_map(|name| std::env::var(name).ok().filter(|name| !name.is_empty()))
        .unwrap_or_else(|| "forebay command".to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    const GOOD: &str = "tenant: t\nname: A\ntrigger: { webhook: {} }\n";

    #[test]
    fn every_problem_names_its_file_and_document() {
        let text = format!("{GOOD}---\ntenant: t\nname: B\ntrigger: {{ webhook: {{}} }}\ninput: '.body |'\n");
        let (definitions, problems) = read_file(Path::new("two.yaml"), &text);
        assert_eq!(definitions.len(), 1);
        assert_eq!(problems.len(), 1);
        assert!(problems[0].starts_with("two.yaml (document 2): input: "), "{problems:?}");
    }

    #[test]
    fn a_field_that_does_not_exist_is_a_problem() {
        let (definitions, problems) = read_file(Path::new("a.yaml"), &format!("{GOOD}stepz: []\n"));
        assert!(definitions.is_empty());
        assert!(problems[0].starts_with("a.yaml: stepz"), "{problems:?}");
    }

    #[test]
    fn the_examples_are_right_and_none_is_defined_twice() {
        let examples = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../examples");
        assert!(read_all(std::slice::from_ref(&examples)).unwrap().len() >= 4);
        let error = read_all(&[examples.join("item-price.yaml"), examples.join("../examples/item-price.yaml")]).unwrap_err();
        assert!(error.to_string().contains("1 problem"), "{error}");
    }
}
