//! The columns to which the parameters of a statement belong.
//!
//! The server does not return them: MariaDB describes every parameter as a text. So the statement is parsed, and if a parameter is directly
//! assigned to a column or compared with one, the column is known. Its type comes from the server, which prepares a SELECT of these columns
//! without running it. Other parameters are unknown, and are sent by the type of their value.

use mysql_async::prelude::Queryable;
use mysql_async::{Column, Conn};
use sqlparser::ast::{
    Assignment, AssignmentTarget, BinaryOperator, Expr, FromTable, InTarget, Insert, OnInsert, SetExpr, Statement, TableObject, Value,
    ValueWithSpan,
};
use sqlparser::dialect::MySqlDialect;
use sqlparser::parser::Parser;
use sqlparser::tokenizer::{Token, Tokenizer};

/// Maximum tokens of a parsed statement, including blanks: a condition has as many levels as it has parts.
const MAX_TOKENS: usize = 10_000;

/// The columns of a statement's parameters.
#[derive(Debug, Default)]
pub(super) struct Targets {
    /// The columns as written in the statement; empty for an INSERT without a list.
    columns: Vec<String>,
    /// The text after FROM with which they are looked up.
    tables: String,
    /// For each parameter the index of its column in `columns`, or in the table if that is empty.
    of_parameter: Vec<Option<usize>>,
}

/// The result of parsing a statement.
#[derive(Debug, Default)]
pub(super) struct Reading {
    /// `None` if nothing is known.
    pub targets: Option<Targets>,
    /// For each parameter, whether it is itself the argument of FROM_BASE64.
    decoded: Vec<bool>,
    /// The text contains the word FROM_BASE64, and cannot be parsed.
    may_decode: bool,
}

impl Reading {
    /// Parses a statement. It takes well under a millisecond, and its own thread: not for async code.
    pub(super) fn of(text: &str) -> Self {
        std::thread::scope(|scope| {
            let thread = std::thread::Builder::new().name("sql".to_owned()).stack_size(STACK_BYTES);
            thread.spawn_scoped(scope, || read(text)).ok()?.join().ok()?
        })
        // Bytes that the server decodes a second time silently become NULL.
        .unwrap_or_else(|| Self { may_decode: text.to_ascii_lowercase().contains("from_base64"), ..Self::default() })
    }

    /// Returns true if the server decodes this parameter, counted from 0, from Base64.
    pub(super) fn decodes(&self, index: usize) -> bool {
        self.decoded.get(index).copied().unwrap_or(self.may_decode)
    }
}

/// Maximum levels of a parsed statement, and a stack on which they fit: the parser takes tens of kilobytes for each.
const MAX_LEVELS: usize = 25;
const STACK_BYTES: usize = 8 * 1024 * 1024;

fn read(text: &str) -> Option<Reading> {
    let tokens = Tokenizer::new(&MySqlDialect {}, text).tokenize().ok()?;
    Some(Reading { decoded: decoded(&tokens), may_decode: false, targets: targets(tokens) })
}

fn decoded(tokens: &[Token]) -> Vec<bool> {
    let tokens: Vec<&Token> = tokens.iter().filter(|token| !matches!(token, Token::Whitespace(_))).collect();
    let is_argument = |at: usize| {
        let before = tokens.iter().take(at).rev();
        let opened = before.clone().take_while(|token| matches!(token, Token::LParen)).count();
        let is_decoder = |token: &Token| matches!(token, Token::Word(word) if word.value.eq_ignore_ascii_case("from_base64"));
        opened > 0 && before.clone().nth(opened).is_some_and(|token| is_decoder(token)) && matches!(tokens.get(at + 1), Some(Token::RParen))
    };
    let places = tokens.iter().enumerate().filter(|(_, token)| matches!(token, Token::Placeholder(_)));
    places.map(|(at, _)| is_argument(at)).collect()
}

fn targets(mut tokens: Vec<Token>) -> Option<Targets> {
    if tokens.len() > MAX_TOKENS {
        return None;
    }
    let mut count = 0;
    for token in &mut tokens {
        if let Token::Placeholder(mark) = token {
            *mark = format!("?{count}");
            count += 1;
        }
    }
    let statement = Parser::new(&MySqlDialect {}).with_recursion_limit(MAX_LEVELS).with_tokens(tokens).parse_statement().ok()?;
    let mut targets = Targets { of_parameter: vec![None; count], ..Targets::default() };
    match statement {
        Statement::Insert(insert) => targets.insert(&insert)?,
        Statement::Update(update) => {
            targets.tables = update.table.to_string();
            targets.assignments(&update.assignments);
            update.selection.iter().for_each(|condition| targets.condition(condition));
        }
        Statement::Delete(delete) => {
            let (FromTable::WithFromKeyword(tables) | FromTable::WithoutKeyword(tables)) = &delete.from;
            targets.tables = listed(delete.using.as_ref().unwrap_or(tables));
            delete.selection.iter().for_each(|condition| targets.condition(condition));
        }
        Statement::Query(query) => {
            let SetExpr::Select(select) = *query.body else { return None };
            targets.tables = listed(&select.from);
            select.selection.iter().chain(&select.having).for_each(|condition| targets.condition(condition));
        }
        _ => return None,
    }
    // A parameter in a table expression would have to be sent again.
    let is_useful = targets.of_parameter.iter().any(Option::is_some) && !targets.tables.is_empty() && !targets.tables.contains('?');
    is_useful.then_some(targets)
}

fn listed(tables: &[impl ToString]) -> String {
    tables.iter().map(ToString::to_string).collect::<Vec<_>>().join(", ")
}

impl Targets {
    fn insert(&mut self, insert: &Insert) -> Option<()> {
        let TableObject::TableName(table) = &insert.table else { return None };
        self.tables = table.to_string();
        self.columns = insert.columns.iter().map(ToString::to_string).collect();
        if let Some(SetExpr::Values(values)) = insert.source.as_ref().map(|source| &*source.body) {
            for row in &values.rows {
                for (index, value) in row.content.iter().enumerate() {
                    self.note(value, index);
                }
            }
        }
        self.assignments(&insert.assignments);
        // Without a list of columns, the columns of the assignments cannot be distinguished from those of the table.
        if let Some(OnInsert::DuplicateKeyUpdate(assignments)) = &insert.on
            && !self.columns.is_empty()
        {
            self.assignments(assignments);
        }
        Some(())
    }

    fn assignments(&mut self, assignments: &[Assignment]) {
        for Assignment { target, value } in assignments {
            if let AssignmentTarget::ColumnName(column) = target
                && parameter(value).is_some()
            {
                let index = self.column(column.to_string());
                self.note(value, index);
            }
        }
    }

    fn condition(&mut self, condition: &Expr) {
        use BinaryOperator::{And, Eq, Gt, GtEq, Lt, LtEq, NotEq, Or, Spaceship, Xor};
        match condition {
            Expr::Nested(inner) | Expr::UnaryOp { expr: inner, .. } => self.condition(inner),
            Expr::BinaryOp { left, op: And | Or | Xor, right } => {
                self.condition(left);
                self.condition(right);
            }
            Expr::BinaryOp { left, op: Eq | NotEq | Lt | LtEq | Gt | GtEq | Spaceship, right } => {
                self.compared(left, &[right]);
                self.compared(right, &[left]);
            }
            Expr::In { expr, target: InTarget::List(list), .. } => self.compared(expr, &list.iter().collect::<Vec<_>>()),
            Expr::Between { expr, low, high, .. } => self.compared(expr, &[low, high]),
            _ => {}
        }
    }

    fn compared(&mut self, column: &Expr, values: &[&Expr]) {
        if !matches!(column, Expr::Identifier(_) | Expr::CompoundIdentifier(_)) {
            return;
        }
        for value in values.iter().filter(|value| parameter(value).is_some()) {
            let index = self.column(column.to_string());
            self.note(value, index);
        }
    }

    fn column(&mut self, name: String) -> usize {
        self.columns.iter().position(|column| *column == name).unwrap_or_else(|| {
            self.columns.push(name);
            self.columns.len() - 1
        })
    }

    fn note(&mut self, value: &Expr, column: usize) {
        if let Some(target) = parameter(value).and_then(|number| self.of_parameter.get_mut(number)) {
            *target = Some(column);
        }
    }

    /// Returns the number of the parameter, from 1, that belongs to a column of this name; `None` for none or several.
    pub(super) fn parameter_of(&self, column: &str) -> Option<usize> {
        let is_it = |name: &String| name.rsplit('.').next().is_some_and(|name| name.trim_matches('`').eq_ignore_ascii_case(column));
        let of = |target: &Option<usize>| target.and_then(|index| self.columns.get(index)).is_some_and(is_it);
        let mut found = self.of_parameter.iter().enumerate().filter(|(_, target)| of(target)).map(|(number, _)| number + 1);
        found.next().filter(|_| found.next().is_none())
    }

    /// Returns the column of each parameter as the server describes it; empty if it does not.
    pub(super) async fn described(&self, session: &mut Conn) -> Vec<Option<Column>> {
        let columns = if self.columns.is_empty() { "*".to_owned() } else { self.columns.join(", ") };
        // It fails, for example, if the user may write to the table but not read it.
        let Ok(prepared) = session.prep(format!("SELECT {columns} FROM {}", self.tables)).await else { return Vec::new() };
        let of = |target: &Option<usize>| target.and_then(|index| prepared.columns().get(index).cloned());
        let described = self.of_parameter.iter().map(of).collect();
        let _ = session.close(prepared).await;
        described
    }
}

/// Returns the number of the parameter, from 0, if the expression is one.
fn parameter(value: &Expr) -> Option<usize> {
    let Expr::Value(ValueWithSpan { value: Value::Placeholder(mark), .. }) = value else { return None };
    mark.strip_prefix('?')?.parse().ok()
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn targets_of(text: &str) -> Option<(String, Vec<Option<String>>)> {
        let targets = Reading::of(text).targets?;
        let name = |target: &Option<usize>| target.map(|index| targets.columns.get(index).cloned().unwrap_or_else(|| format!("#{index}")));
        Some((targets.tables.clone(), targets.of_parameter.iter().map(name).collect()))
    }

    #[test]
    fn a_parameter_that_goes_to_a_column_as_it_is_is_told_and_no_other() {
        let cases: [(&str, &str, &[&str]); 12] = [
            ("INSERT INTO t (a, `b`) VALUES (?, ?), (now(), ?)", "t", &["a", "`b`", "`b`"]),
            ("insert into db.t values (?, upper(?), ?)", "db.t", &["#0", "", "#2"]),
            ("REPLACE INTO t (a) VALUES (?)", "t", &["a"]),
            ("INSERT IGNORE INTO t SET a = ?, b = '?'", "t", &["a"]),
            ("INSERT INTO t (a) VALUES (?) ON DUPLICATE KEY UPDATE b = ?, c = c + ?", "t", &["a", "b", ""]),
            ("INSERT INTO t (a) SELECT ? FROM x", "", &[]),
            (
                "UPDATE t x SET x.a = ?, b = concat(?, 'z') WHERE id = ? AND (c > ? OR NOT d <= ?) LIMIT 1",
                "t x",
                &["x.a", "", "id", "c", "d"],
            ),
            ("UPDATE t JOIN u ON t.id = u.id SET t.a = ? WHERE ? < u.b", "t JOIN u ON t.id = u.id", &["t.a", "u.b"]),
            ("DELETE FROM t WHERE a IN (?, 1, ?) AND b BETWEEN ? AND ?", "t", &["a", "a", "b", "b"]),
            ("SELECT a, ? FROM t -- ?\n WHERE a = ? AND date(b) = ? ORDER BY a LIMIT ?", "t", &["", "a", "", ""]),
            ("SELECT * FROM t JOIN u ON t.x = ? WHERE a = ?", "", &[]),
            ("CALL p(?)", "", &[]),
        ];
        for (text, tables, columns) in cases {
            let columns = columns.iter().map(|name| (!name.is_empty()).then(|| (*name).to_owned())).collect();
            let expected = (!tables.is_empty()).then(|| (tables.to_owned(), columns));
            assert_eq!(targets_of(text), expected, "{text}");
        }
        let update = Reading::of("UPDATE t SET a = ?, `B` = ? WHERE a = ?").targets.unwrap();
        assert_eq!((update.parameter_of("b"), update.parameter_of("a"), update.parameter_of("c")), (Some(2), None, None));
    }

    #[test]
    fn a_parameter_is_decoded_where_it_is_itself_the_argument() {
        for (text, expected) in [
            ("INSERT INTO t VALUES (from_base64(?), ?)", vec![true, false]),
            ("SELECT From_Base64 ( /* ? */ (?) ) , ?", vec![true, false]),
            ("SELECT ? AS from_base64 -- from_base64(?)\n, 'from_base64(?)', from_base64(a), (?)", vec![false, false]),
            ("SELECT from_base64(concat(?, 'x')), from_base64(? || a)", vec![false, false]),
            ("CALL p(?, from_base64(?))", vec![false, true]),
            ("SELECT '", vec![]),
            ("", vec![]),
        ] {
            let reading = Reading::of(text);
            assert_eq!((0..expected.len()).map(|index| reading.decodes(index)).collect::<Vec<_>>(), expected, "{text}");
            assert!(!reading.decodes(expected.len()), "{text}");
        }
        // The safe result if the text cannot be parsed.
        assert!(Reading::of("SELECT From_Base64(?), '").decodes(0));
    }

    #[test]
    fn a_statement_of_many_levels_ends_without_an_answer() {
        for (open, close) in [("(", ")"), ("NOT (", ")"), ("a = (SELECT a FROM t WHERE ", ")"), ("- ", ""), ("CASE WHEN ", " THEN 1 END")] {
            let text = format!("SELECT a FROM t WHERE {}a = ?{}", open.repeat(2000), close.repeat(2000));
            assert!(Reading::of(&text).targets.is_none(), "{open}");
        }
        let text = format!("SELECT a FROM t WHERE b = ? {}", "OR a = ? ".repeat(2000));
        assert!(Reading::of(&text).targets.is_none_or(|targets| targets.of_parameter.len() == 2001));
    }

    proptest! {
        #[test]
        fn no_text_stops_the_reader(words in prop::collection::vec(prop::sample::select(vec![
            "SELECT", "INSERT INTO", "UPDATE", "DELETE FROM", "t", "(", ")", "?", ",", "=", "SET", "VALUES", "WHERE", "a", "'", "`", "--", "\n", "IN", "BETWEEN",
            "AND", "ON DUPLICATE KEY UPDATE", "é", "\\", ";", "*", "0x", "/*", "JOIN", "FROM_BASE64",
        ]), 0..20)) {
            let _ = Reading::of(&words.join(" "));
        }
    }
}
