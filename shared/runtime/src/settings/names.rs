//! Names of this process, of queues, and of variables that are no setting.

use super::docs::{SETTINGS, SettingDoc};

/// A variable that looks like a setting of Forebay and is none.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct UnknownVariable {
    /// Its name, as it was found.
    pub name: String,
    /// The setting that was probably meant.
    pub meant: Option<&'static str>,
}

/// Finds the variables among `names` that start with `FOREBAY_` and are neither a setting nor in `also_valid`
/// (variables of the client commands and scripts): a misspelled setting would otherwise do nothing, silently.
pub fn unknown_variables(names: impl IntoIterator<Item = String>, also_valid: &[&str]) -> Vec<UnknownVariable> {
    let is_setting = |name: &str| SETTINGS.iter().flat_map(SettingDoc::variables).any(|variable| variable == name);
    let is_known = |name: &str| is_setting(name) || also_valid.contains(&name);
    let mut unknown: Vec<UnknownVariable> = names
        .into_iter()
        .filter(|name| name.starts_with("FOREBAY_") && !is_known(name))
        .map(|name| UnknownVariable { meant: nearest_setting(&name), name })
        .collect();
    unknown.sort_by(|a, b| a.name.cmp(&b.name));
    unknown
}

fn nearest_setting(name: &str) -> Option<&'static str> {
    let distances = SETTINGS.iter().map(|doc| (strsim::osa_distance(name, doc.env), doc.env));
    let (distance, nearest) = distances.min()?;
    (distance <= 3).then_some(nearest)
}

pub(super) fn queue_prefix(text: &str) -> Result<String, String> {
    let allowed = |c: char| c.is_ascii_alphanumeric() || matches!(c, '.' | '_' | '-');
    if text.len() > 64 || !text.chars().all(allowed) {
        return Err("write at most 64 characters of A-Z a-z 0-9 . _ -".to_owned());
    }
    Ok(text.to_owned())
}

pub(super) fn worker_name(text: &str) -> Result<String, String> {
    if text.is_empty() || text.len() > 128 || !text.chars().all(|c| c.is_ascii_graphic()) {
        return Err("write 1 to 128 visible ASCII characters without spaces".to_owned());
    }
    Ok(text.to_owned())
}

/// Returns `<hostname>-<pid>`: the pid alone repeats across containers, the hostname across processes of one machine.
pub(super) fn default_worker_name() -> String {
    let host =
        std::fs::read_to_string("/proc/sys/kernel/hostname").ok().or_else(|| super::reader::environment("HOSTNAME")).unwrap_or_default();
    let host: String = host.trim().chars().filter(char::is_ascii_graphic).take(100).collect();
    let host = if host.is_empty() { "forebay" } else { &host };
    format!("{host}-{}", std::process::id())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_default_name_of_a_process_is_a_valid_one() {
        let name = default_worker_name();
        assert!(name.ends_with(&format!("-{}", std::process::id())));
        assert_eq!(worker_name(&name), Ok(name));
    }

    #[test]
    fn a_misspelled_variable_is_found_with_what_was_meant() {
        let names = [
            "PATH",
            "FOREBAY_LOG",
            "FOREBAY_LANES",
            "FOREBAY_SECRET_KEY_FILE",
            "FOREBAY_HTTP_LISTNE",
            "FOREBAY_WHATEVER_ELSE",
            "FOREBAY_TEST_ONLY",
        ];
        let unknown = unknown_variables(names.map(str::to_owned), &["FOREBAY_TEST_ONLY"]);
        let found: Vec<_> = unknown.iter().map(|u| (u.name.as_str(), u.meant)).collect();
        assert_eq!(found, [("FOREBAY_HTTP_LISTNE", Some("FOREBAY_HTTP_LISTEN")), ("FOREBAY_WHATEVER_ELSE", None)]);
    }
}
