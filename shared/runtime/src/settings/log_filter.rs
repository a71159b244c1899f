//! Checks the filter of the log before the process starts.

use tracing_subscriber::EnvFilter;

const LEVELS: [&str; 6] = ["trace", "debug", "info", "warn", "error", "off"];

/// Refuses what the filter cannot parse, and a misspelled level: the filter would take it for the name of a crate,
/// log all of that crate and nothing else.
pub(super) fn check(text: &str) -> Result<String, String> {
    for part in text.split(',').map(str::trim) {
        let word = part.to_ascii_lowercase();
        if LEVELS.contains(&word.as_str()) {
            continue;
        }
        let meant = match word.as_str() {
            "warning" => Some(&"warn"),
            _ => LEVELS.iter().find(|level| strsim::osa_distance(&word, level) <= 2),
        };
        if let Some(level) = meant {
            return Err(format!("{part:?} is not a log level: write {level}, or name a crate with its level as in forebay_worker=warn"));
        }
    }
    EnvFilter::builder()
        .parse(text)
        .map(|_| text.to_owned())
        .map_err(|error| format!("{error}: write a level, or crates with levels as in warn,forebay_worker=debug"))
}

#[cfg(test)]
mod tests {
    use super::check;

    #[test]
    fn takes_levels_and_crates_with_levels() {
        for text in ["info", "INFO", "warn,forebay_worker=debug", "forebay_ingress", "off", "info,[call]=trace"] {
            assert_eq!(check(text), Ok(text.to_owned()));
        }
    }

    #[test]
    fn refuses_a_misspelled_level_and_says_what_was_meant() {
        for (text, meant) in [("inof", "write info"), ("warn,debgu", "write debug"), ("warning", "write warn")] {
            let error = check(text).unwrap_err();
            assert!(error.contains(meant), "{error}");
        }
        assert!(check("forebay_worker=loud").unwrap_err().contains("write a level"));
    }
}
