//! The filter of the log.

use tracing_subscriber::EnvFilter;

const LEVELS: [&str; 6] = ["trace", "debug", "info", "warn", "error", "off"];

/// A filter of the log, in the form of [`EnvFilter`].
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LogFilter(String);

impl LogFilter {
    /// Refuses a text that [`EnvFilter`] cannot parse, and a misspelled level: it would be taken for the name of a crate, of which
    /// everything would be logged, and nothing else.
    pub(super) fn parse(text: &str) -> Result<Self, String> {
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
                return Err(format!(
                    "{part:?} is not a log level: write {level}, or name a crate with its level as in forebay_worker=warn"
                ));
            }
        }
        EnvFilter::builder()
            .parse(text)
            .map(|_| Self(text.to_owned()))
            .map_err(|error| format!("{error}: write a level, or crates with levels as in warn,forebay_worker=debug"))
    }

    #[expect(clippy::expect_used, reason = "`parse` has parsed the same text")]
    pub(crate) fn to_filter(&self) -> EnvFilter {
        EnvFilter::builder().parse(&self.0).expect("a filter that was parsed before")
    }
}

#[cfg(test)]
mod tests {
    use super::LogFilter;

    #[test]
    fn takes_levels_and_crates_with_levels() {
        for text in ["info", "INFO", "warn,forebay_worker=debug", "forebay_ingress", "off", "info,[call]=trace"] {
            assert_eq!(LogFilter::parse(text), Ok(LogFilter(text.to_owned())));
            LogFilter::parse(text).unwrap().to_filter();
        }
    }

    #[test]
    fn refuses_a_misspelled_level_and_says_what_was_meant() {
        for (text, meant) in [("inof", "write info"), ("warn,debgu", "write debug"), ("warning", "write warn")] {
            let error = LogFilter::parse(text).unwrap_err();
            assert!(error.contains(meant), "{error}");
        }
        assert!(LogFilter::parse("forebay_worker=loud").unwrap_err().contains("write a level"));
    }
}
