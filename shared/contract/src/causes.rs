//! Texts of errors with their causes.

use std::error::Error;

/// Returns an error and its sources, from the outermost.
pub fn error_chain<'e>(error: &'e (dyn Error + 'static)) -> impl Iterator<Item = &'e (dyn Error + 'static)> {
    std::iter::successors(Some(error), |&error| error.source())
}

/// Returns the texts of the causes of an error, from the outermost. A cause whose text is at the end of the text before it is left out: errors
/// of some libraries repeat their cause.
#[must_use]
pub fn causes(error: &(dyn Error + 'static)) -> Vec<String> {
    let mut last_text = error.to_string();
    let mut causes = Vec::new();
    for cause in error_chain(error).skip(1) {
        let text = cause.to_string();
        if !last_text.ends_with(&text) {
            causes.push(text.clone());
            last_text = text;
        }
    }
    causes
}

/// Returns an error and its [`causes`] in one line.
#[must_use]
pub fn with_causes(error: &(dyn Error + 'static)) -> String {
    let mut text = error.to_string();
    for cause in causes(error) {
        text.push_str(": ");
        text.push_str(&cause);
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::io;

    #[derive(Debug, thiserror::Error)]
    enum Failed {
        #[error("the broker does not answer")]
        Outer(#[source] Box<Failed>),
        #[error("IO error: {0}")]
        Repeats(#[source] io::Error),
    }

    #[test]
    fn a_cause_that_the_text_before_it_repeats_is_told_once() {
        let refused = || Failed::Repeats(io::Error::other("connection refused"));
        assert_eq!(with_causes(&refused()), "IO error: connection refused");
        assert_eq!(with_causes(&Failed::Outer(Box::new(refused()))), "the broker does not answer: IO error: connection refused");
        assert_eq!(causes(&Failed::Outer(Box::new(refused()))), ["IO error: connection refused"]);
    }
}
