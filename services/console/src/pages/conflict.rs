//! Conflicting changes of two people to the same text: both changes since the common version, and the merged text.

use crate::view::conflict::{Conflict, Merge};
use diffy::MergeOptions;

/// Maximum bytes of a text that is merged: the cost of a comparison is the product of the lengths.
const MAX_BYTES: usize = 400_000;
const MARKS: [&str; 2] = ["<<<<<<< ", ">>>>>>> "];

/// The text with which the user continues.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Choice {
    /// Both changes, merged.
    Merge,
    /// The user's own text, without the other user's changes.
    Mine,
    /// The other user's text, without the user's own changes.
    Theirs,
}

impl Choice {
    /// Reads the choice from the value of a button.
    pub(crate) fn read(action: &str) -> Option<Self> {
        match action {
            "use-merge" => Some(Self::Merge),
            "use-mine" => Some(Self::Mine),
            "use-theirs" => Some(Self::Theirs),
            _ => None,
        }
    }

    /// Returns the chosen text, and a message for the user.
    pub(crate) fn text(self, conflict: &Conflict) -> (String, String) {
        let theirs = &conflict.theirs_name;
        match (self, &conflict.merge) {
            (Self::Merge, Merge::Done { text, conflicts: 0 }) => {
                (text.clone(), format!("It has your changes and those of {theirs}. Save it to replace {theirs}."))
            }
            (Self::Merge, Merge::Done { text, conflicts }) => {
                let marked = if *conflicts == 1 { "One conflict is".to_owned() } else { format!("{conflicts} conflicts are") };
                let notice = format!(
                    "It has your changes and those of {theirs}. {marked} marked with <<<<<<< and >>>>>>>: keep one text of each, remove the marks, then save."
                );
                (text.clone(), notice)
            }
            (Self::Theirs, _) => (conflict.theirs.clone(), format!("It is the text of {theirs}, without your changes.")),
            (Self::Mine, _) | (Self::Merge, Merge::TooLong | Merge::NoBase) => {
                (conflict.mine.clone(), format!("It is your text, without the changes of {theirs}. Save it to replace {theirs}."))
            }
        }
    }
}

impl Conflict {
    /// Compares the text `mine`, which began with `base` (empty: a new text), with `theirs`, which is stored under the number `over`.
    pub(crate) fn new(base: String, theirs: String, mine: String, over: i32, kind: &str) -> Self {
        let merge = merge(&base, &theirs, &mine);
        Self {
            other_change: format!("Another user saved {kind} {over}"),
            theirs_name: format!("{kind} {over}"),
            base,
            theirs,
            mine,
            over,
            merge,
        }
    }

    /// Sets the description of the other user's change.
    pub(crate) fn with_other_change(mut self, change: String) -> Self {
        self.other_change = change;
        self
    }
}

/// Merges both changes. `base` is the common version; empty if there is none.
fn merge(base: &str, theirs: &str, mine: &str) -> Merge {
    if base.is_empty() {
        return Merge::NoBase;
    }
    if base.len() + theirs.len() + mine.len() > MAX_BYTES {
        return Merge::TooLong;
    }
    let whole = |text: &str| format!("{}\n", text.trim_end_matches('\n'));
    let (base, theirs, mine) = (whole(base), whole(theirs), whole(mine));
    match MergeOptions::new().merge(&base, &mine, &theirs) {
        Ok(text) => Merge::Done { text, conflicts: 0 },
        Err(text) => {
            let conflicts = text.lines().filter(|line| line.starts_with(MARKS[0])).count();
            Merge::Done { text, conflicts }
        }
    }
}

/// Returns the first line, from 1, at which a merged text still has an unresolved conflict.
pub(crate) fn unresolved(text: &str) -> Option<usize> {
    text.lines().position(|line| MARKS.iter().any(|mark| line.starts_with(mark))).map(|line| line + 1)
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    const BASE: &str = "# Orders\ntenant: t\nname: n\ninput: .body\nsteps:\n  - id: a\n    set: '1'\n";

    #[test]
    fn changes_of_different_lines_are_both_in_the_merge_comments_too() {
        let theirs = BASE.replace("set: '1'", "set: '2' # two");
        let mine = BASE.replace("# Orders", "# Orders of ACME");
        let expected = mine.replace("set: '1'", "set: '2' # two");
        assert_eq!(merge(BASE, &theirs, &mine), Merge::Done { text: expected.clone(), conflicts: 0 });
        assert_eq!(unresolved(&expected), None);
    }

    #[test]
    fn a_line_that_both_changed_is_left_to_a_person_and_cannot_be_saved_unseen() {
        let (theirs, mine) = (BASE.replace("'1'", "'2'"), BASE.replace("'1'", "'3'"));
        let Merge::Done { text, conflicts } = merge(BASE, &theirs, &mine) else { panic!("it is merged") };
        assert!(text.contains("set: '2'") && text.contains("set: '3'"), "{text}");
        assert_eq!((conflicts, unresolved(&text).is_some()), (1, true));
        assert!(forebay_contract::definition::documents(&text).is_err() || unresolved(&text).is_some());
        assert_eq!(merge("", &theirs, &mine), Merge::NoBase);
    }
    proptest! {
        #[test]
        fn no_texts_end_in_a_panic_and_a_change_of_one_side_is_the_merge(
            base in "(a|b|ö|\r|\n|<<<<<<< |=======|>>>>>>> ){1,20}", theirs in "(a|b|ö|\r|\n|=======){0,20}", mine in "(a|b|ö|\r|\n){0,20}",
        ) {
            let _ = (merge(&base, &theirs, &mine), unresolved(&theirs));
            let text = format!("{}\n", mine.trim_end_matches('\n'));
            prop_assert_eq!(merge(&base, &base, &mine), Merge::Done { text, conflicts: 0 });
        }
    }
}
