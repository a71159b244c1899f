//! Pages for engineers name files, lists of files, log fields and settings: each one must exist, and each list must be complete.

use std::collections::BTreeSet;
use std::path::Path;

pub(crate) const ROOT: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/..");

/// Returns the files of the checkout, relative to its root, without build results and installed packages.
pub(crate) fn files() -> BTreeSet<String> {
    fn collect(folder: &Path, files: &mut BTreeSet<String>) {
        for entry in std::fs::read_dir(folder).unwrap() {
            let path = entry.unwrap().path();
            let name = path.file_name().unwrap().to_string_lossy().into_owned();
            if path.is_dir() {
                if !["target", "node_modules", ".git", ".forebay"].contains(&name.as_str()) {
                    collect(&path, files);
                }
            } else {
                files.insert(path.strip_prefix(ROOT).unwrap().to_string_lossy().into_owned());
            }
        }
    }
    let mut files = BTreeSet::new();
    collect(Path::new(ROOT), &mut files);
    files
}

fn page(name: &str) -> String {
    std::fs::read_to_string(format!("{ROOT}/{name}")).unwrap()
}

/// Returns the texts in backticks.
fn quoted(text: &str) -> impl Iterator<Item = &str> {
    text.split('`').skip(1).step_by(2)
}

#[test]
fn every_file_that_a_page_for_engineers_names_exists() {
    let files = files();
    let pages = files.iter().filter(|file| {
        ["ARCHITECTURE.md", "CONTRIBUTING.md"].contains(&file.as_str()) || file.starts_with("docs/adr/") || file.starts_with("docs/dev/")
    });
    let mut missing = Vec::new();
    for name in pages {
        let text = page(name);
        let is_file = |text: &&str| {
            let extension = text.rsplit_once('.').map(|(_, extension)| extension);
            ["rs", "md", "sql", "toml"].map(Some).contains(&extension) && !text.contains([' ', '*'])
        };
        for named in quoted(&text).filter(is_file) {
            let is_there = files.iter().any(|file| file == named || file.ends_with(&format!("/{named}")));
            if !is_there {
                missing.push(format!("{name}: {named}"));
            }
        }
    }
    assert!(missing.is_empty(), "{}", missing.join("\n"));
}

/// A list names exactly the files with certain words, except the part's own files (`Its own: ...`).
#[test]
fn the_lists_of_files_for_a_new_part_are_whole() {
    let files = files();
    let sources: Vec<(&String, String)> = files
        .iter()
        .filter(|file| file.starts_with("shared/") || file.starts_with("services/"))
        .filter(|file| file.ends_with(".rs") && !file.contains("/tests"))
        .map(|file| (file, page(file)))
        .collect();
    let contributing = page("CONTRIBUTING.md");
    let mut lists = 0;
    for part in contributing.split("\n### ").skip(1) {
        let mut lines = part.lines();
        let title = lines.next().unwrap();
        let own: Vec<&str> = part.lines().filter(|line| line.starts_with("Its own: ")).flat_map(quoted).collect();
        for place in &own {
            assert!(sources.iter().any(|(file, _)| file.starts_with(place)), "{title}: there is no {place}");
        }
        let is_own = |file: &str| own.iter().any(|place| file.starts_with(place));
        let Some(words) = lines.find(|line| line.starts_with("Files with ") || line.starts_with("Other files with ")) else { continue };
        let words: Vec<&str> = quoted(words).collect();
        let listed: BTreeSet<&str> = lines.filter_map(|line| line.strip_prefix("- `")?.split('`').next()).collect();
        let found: BTreeSet<&str> = sources
            .iter()
            .filter(|(file, text)| !is_own(file) && words.iter().any(|word| text.contains(word)))
            .map(|(file, _)| file.as_str())
            .collect();
        assert_eq!(listed, found, "{title}: the list in CONTRIBUTING.md, and the files with {words:?}");
        assert!(own.is_empty() || listed.len() <= 4, "{title}: with a folder of its own it touches at most four other files");
        lists += 1;
    }
    assert_eq!(lists, 3);
}

#[test]
fn a_module_with_files_of_its_own_is_a_folder_with_a_mod_rs() {
    let files = files();
    let sources = || files.iter().filter(|file| file.contains("/src/") && file.ends_with(".rs"));
    let beside: Vec<&String> = sources().filter(|file| sources().any(|other| other.starts_with(&file.replace(".rs", "/")))).collect();
    assert!(beside.is_empty(), "move each into its folder, as mod.rs: {beside:?}");
}

#[test]
fn the_page_of_the_log_has_every_field_of_forebay() {
    let mut fields = BTreeSet::new();
    for file in files().iter().filter(|file| file.starts_with("shared/") || file.starts_with("services/")) {
        if !file.ends_with(".rs") || file.contains("/tests") {
            continue;
        }
        let text = page(file);
        for (at, _) in text.match_indices("forebay.") {
            let field: String = text[at..].chars().take_while(|c| c.is_ascii_lowercase() || *c == '.' || *c == '_').collect();
            if text[at + field.len()..].starts_with(" = ") {
                fields.insert(field);
            }
        }
    }
    let logging = page("docs/dev/logging.md");
    let listed: BTreeSet<String> =
        quoted(&logging).filter(|text| text.starts_with("forebay.") && *text != "forebay.").map(str::to_owned).collect();
    assert_eq!(listed, fields);
}

#[test]
fn the_page_of_settings_has_every_setting_with_its_default() {
    let (table, settings) = (page("shared/runtime/src/settings/docs.rs"), page("docs/settings.md"));
    let (mut missing, mut found) = (Vec::new(), 0);
    for row in table.split("setting(\"").skip(1) {
        // The texts of `setting("NAME", "flag", "VALUE", Text("default"), "help")`.
        let texts: Vec<&str> = row.split('"').step_by(2).collect();
        let default = row.split('"').nth(5).filter(|between| between.ends_with("Text(")).map(|_| texts[3]);
        let line = settings.lines().find(|line| line.starts_with('|') && quoted(line).any(|text| text == texts[0]));
        let shows = |line: &str| default.is_none_or(|default| default.is_empty() || quoted(line).any(|text| text == default));
        found += 1;
        if !line.is_some_and(shows) {
            missing.push(format!("{} with the default {default:?}", texts[0]));
        }
    }
    assert!(found > 40 && missing.is_empty(), "docs/settings.md, of {found} settings, lacks {missing:#?}");
}
