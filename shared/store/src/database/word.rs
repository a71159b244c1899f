//! Words: enums that are stored as text.

use crate::error::StoreError;
use bytes::BytesMut;
use forebay_contract::outcome::{ErrorCode, ExecutionStatus};
use std::error::Error;
use std::fmt::Debug;
use tokio_postgres::types::{IsNull, ToSql, Type, to_sql_checked};

/// A type of which each value is stored as a word.
pub(crate) trait Word: Copy + Debug + 'static {
    const ALL: &'static [Self];

    fn word(self) -> &'static str;

    /// Returns the value with this word.
    fn of_word(word: &str) -> Option<Self> {
        Self::ALL.iter().copied().find(|value| value.word() == word)
    }
}

/// Declares an enum of which each value has a word, with its `ALL` and `as_str`, and implements [`Word`] for it. `for T`: implements only
/// [`Word`], for an enum that has both already.
macro_rules! words {
    (for $type:ident) => {
        impl $crate::database::word::Word for $type {
            const ALL: &'static [Self] = &Self::ALL;

            fn word(self) -> &'static str {
                self.as_str()
            }
        }
    };
    ($(#[$of_type:meta])* $vis:vis enum $type:ident { $($(#[$of_variant:meta])* $variant:ident = $word:literal),+ $(,)? }) => {
        $(#[$of_type])*
        $vis enum $type {
            $($(#[$of_variant])* $variant),+
        }

        impl $type {
            /// All, in their order.
            $vis const ALL: [Self; [$($word),+].len()] = [$(Self::$variant),+];

            /// Returns the word that the API, the command and the store use.
            #[must_use]
            $vis fn as_str(self) -> &'static str {
                match self {
                    $(Self::$variant => $word),+
                }
            }
        }

        $crate::database::word::words!(for $type);
    };
}
pub(crate) use words;

words!(for ExecutionStatus);
words!(for ErrorCode);

/// Returns the value of a stored word.
///
/// # Errors
/// [`StoreError::Damaged`]: no value has this word; a newer Forebay may have written it.
pub(crate) fn read_word<W: Word>(table: &str, column: &str, word: &str) -> Result<W, StoreError> {
    W::of_word(word).ok_or_else(|| StoreError::damaged(format!("{column} of {table} ('{word}')")))
}

/// A word as a parameter of a statement.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Stored<W>(pub(crate) W);

impl<W: Word> ToSql for Stored<W> {
    fn to_sql(&self, column: &Type, out: &mut BytesMut) -> Result<IsNull, Box<dyn Error + Sync + Send>> {
        self.0.word().to_sql(column, out)
    }

    fn accepts(column: &Type) -> bool {
        <&str as ToSql>::accepts(column)
    }

    to_sql_checked!();
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_unknown_word_is_named_with_its_table_and_column() {
        assert_eq!(read_word::<ExecutionStatus>("executions", "status", "failed").unwrap(), ExecutionStatus::Failed);
        let error = read_word::<ExecutionStatus>("executions", "status", "lost").unwrap_err();
        assert_eq!(error.to_string(), "the stored status of executions ('lost') is damaged");
    }
}
