//! Refuses statements that would control transactions.

use super::Batch;
use forebay_contract::outcome::{ErrorCode, ExecutionError};

/// Statements that begin or end transactions. Within a transaction of a step they would break its atomicity; on their own they would leave
/// a session with an open transaction.
const CONTROL: [&str; 7] = ["begin", "start", "commit", "end", "rollback", "abort", "xa"];
/// Statements before which MySQL commits the transaction.
const COMMIT_BEFORE: [&str; 11] =
    ["alter", "create", "drop", "truncate", "rename", "grant", "revoke", "lock", "unlock", "analyze", "optimize"];

pub(super) fn check(batch: &Batch, is_mysql: bool) -> Result<(), ExecutionError> {
    if batch.statements.is_empty() {
        return Err(ExecutionError::permanent(ErrorCode::Definition, "there is no statement to run"));
    }
    for (index, statement) in batch.statements.iter().enumerate() {
        let word = first_word(statement.text.as_str()).to_ascii_lowercase();
        let which = batch.name(index);
        if CONTROL.contains(&word.as_str()) {
            let message = format!(
                "{which} is {}: transactions are begun and ended by the step; list its statements under `transaction`",
                word.to_uppercase()
            );
            return Err(ExecutionError::permanent(ErrorCode::Definition, message));
        }
        let is_temporary = statement.text.as_str().to_ascii_lowercase().contains("temporary");
        if is_mysql && batch.in_transaction && COMMIT_BEFORE.contains(&word.as_str()) && !is_temporary {
            let message = format!("{which} is {}, before which MySQL commits: give it a step of its own", word.to_uppercase());
            return Err(ExecutionError::permanent(ErrorCode::Definition, message));
        }
    }
    Ok(())
}

/// Returns the first word after blanks and comments.
fn first_word(text: &str) -> &str {
    let mut rest = text.trim_start_matches(|c: char| c.is_whitespace() || c == ';' || c == '(');
    loop {
        let after = if let Some(comment) = rest.strip_prefix("--") {
            comment.split_once('\n').map_or("", |(_, after)| after)
        } else if let Some(comment) = rest.strip_prefix("/*") {
            comment.split_once("*/").map_or("", |(_, after)| after)
        } else {
            break;
        };
        rest = after.trim_start_matches(|c: char| c.is_whitespace() || c == ';' || c == '(');
    }
    let end = rest.find(|c: char| !c.is_ascii_alphabetic()).unwrap_or(rest.len());
    &rest[..end]
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_first_word_is_found_behind_blanks_and_comments() {
        let cases = [
            ("select 1", "select"),
            ("  -- why\n/* and /* how */\n COMMIT;", "COMMIT"),
            ("(select 1)", "select"),
            ("-- nothing", ""),
            ("", ""),
            ("start\ttransaction", "start"),
        ];
        for (text, word) in cases {
            assert_eq!(first_word(text), word, "{text}");
        }
    }
}
