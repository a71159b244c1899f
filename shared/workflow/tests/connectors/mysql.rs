//! SQL on MariaDB.

use super::*;
use std::time::Duration;

fn with(changes: Json) -> Arc<Connection> {
    database_at("mysql", &from_env("FOREBAY_MARIADB_URL", "mysql://root@127.0.0.1:3306/test"), &changes)
}

fn database() -> Arc<Connection> {
    with(json!({}))
}

#[tokio::test]
async fn values_of_every_common_type_are_written_and_come_back_as_json() {
    let cases = [
        ("TINYINT", json!(-7), "-7"),
        ("BOOLEAN", json!(true), "1"),
        ("BIGINT", json!(9_223_372_036_854_775_807_i64), "9223372036854775807"),
        ("BIGINT UNSIGNED", json!(u64::MAX), "18446744073709551615"),
        ("FLOAT", json!(1.1), "1.1"),
        ("DOUBLE", json!(0.1), "0.1"),
        ("DECIMAL(30,10)", json!(19.9), "19.9000000000"),
        ("DECIMAL(4,2)", digits("1.10"), "1.10"),
        ("VARCHAR(20)", digits("1.00"), "\"1.00\""),
        ("DECIMAL(30,10)", digits("12345678901234567.8900000001"), "12345678901234567.8900000001"),
        ("VARCHAR(20) CHARSET utf8mb4", json!("Åsa '; --"), "\"Åsa '; --\""),
        ("TEXT CHARSET utf8mb4", json!({"a": [1]}), r#""{\"a\":[1]}""#),
        ("BLOB", json!("hi"), r#"{"base64":"aGk="}"#),
        ("VARBINARY(9)", json!({"base64": "AP8=", "contentType": null, "size": 2}), r#"{"base64":"AP8="}"#),
        ("BIGINT UNSIGNED", json!("18446744073709551615"), "18446744073709551615"),
        ("TIMESTAMP NULL", json!("2026-02-28T06:00:00+02:00"), "\"2026-02-28T04:00:00Z\""),
        ("DATETIME", json!("2026-02-28T06:00:00Z"), "\"2026-02-28T06:00:00\""),
        ("DATE", json!("2026-02-28T06:00:00Z"), "\"2026-02-28\""),
        ("VARCHAR(30)", json!("2026-02-28T06:00:00Z"), "\"2026-02-28T06:00:00Z\""),
        ("DATE", json!("2026-02-28"), "\"2026-02-28\""),
        ("DATETIME(3)", json!("2026-02-28 06:00:00.250"), "\"2026-02-28T06:00:00.25\""),
        ("TIMESTAMP NULL", json!("2026-02-28 06:00:00"), "\"2026-02-28T06:00:00Z\""),
        ("TIME", json!("-30:00:01"), "\"-30:00:01\""),
        ("YEAR", json!(2026), "2026"),
        ("ENUM('new','done')", json!("done"), "\"done\""),
        ("SET('a','b')", json!("a,b"), "\"a,b\""),
        ("BIT(12)", json!(2049), "2049"),
        ("INT", json!(null), "null"),
    ];
    let (connectors, database) = (connectors(), database());
    let table = unique("v");
    let columns: Vec<_> = cases.iter().enumerate().map(|(index, (kind, ..))| format!("c{index} {kind}")).collect();
    let create = format!("CREATE TABLE {table} ({})", columns.join(", "));
    let insert = format!("INSERT INTO {table} VALUES ({})", vec!["?"; cases.len()].join(", "));
    let values = Json::Array(cases.iter().map(|(_, value, _)| value.clone()).collect());
    connectors.sql(&database, vec![execute(&create, json!([]))], false, BOUNDS).await.unwrap();
    connectors.sql(&database, vec![execute(&insert, values)], false, BOUNDS).await.unwrap();
    let output = connectors.sql(&database, vec![query(&format!("SELECT * FROM {table}"), json!([]))], false, BOUNDS).await.unwrap();
    let row = output.get("rows").unwrap().as_array().unwrap()[0].clone();
    for (index, (kind, _, expected)) in cases.iter().enumerate() {
        assert_eq!(text(row.get(&format!("c{index}")).unwrap()), *expected, "{kind}");
    }
    drop_table(&connectors, &database, &table).await;
}

#[tokio::test]
async fn a_transaction_is_all_or_nothing_and_gives_a_list() {
    let (connectors, database) = (connectors(), database());
    let table = table(&connectors, &database).await;
    let insert = |id: i64| execute(&format!("INSERT INTO {table} VALUES (?, ?)"), json!([id, "x"]));
    let count = query(&format!("SELECT count(*) AS n FROM {table}"), json!([]));
    let failed = connectors.sql(&database, vec![insert(1), insert(1)], true, BOUNDS).await.unwrap_err();
    assert_permanent(&failed, ErrorCode::Remote, &["refused statement 2", "Duplicate entry", "error 1062", "(mysql at"]);
    assert_eq!(rows(&connectors, &database, count.clone()).await, json!([{ "n": 0 }]));
    let output = connectors.sql(&database, vec![insert(1), insert(2), count], true, BOUNDS).await.unwrap();
    let none = json!({ "rows": [], "affected": 1 });
    assert_eq!(json_of(&output), json!([none, none, { "rows": [{ "n": 2 }], "affected": 1 }]));
    let same = execute(&format!("UPDATE {table} SET name = 'x'"), json!([]));
    let output = connectors.sql(&database, vec![same], false, BOUNDS).await.unwrap();
    assert_eq!(json_of(&output), json!({ "rows": [], "affected": 2 }), "rows that were found, changed or not");
    let error = connectors.sql(&database, vec![insert(3), execute("CREATE TABLE x (y int)", json!([]))], true, BOUNDS).await.unwrap_err();
    assert_permanent(&error, ErrorCode::Definition, &["before which MySQL commits"]);
    drop_table(&connectors, &database, &table).await;
}

#[tokio::test]
async fn a_query_that_writes_is_refused() {
    let (connectors, database) = (connectors(), database());
    let table = table(&connectors, &database).await;
    let error = refused(&connectors, &database, query(&format!("INSERT INTO {table} VALUES (1, 'x')"), json!([]))).await;
    assert_permanent(&error, ErrorCode::Remote, &["a `query` only reads: write `execute`"]);
    assert_eq!(rows(&connectors, &database, query(&format!("SELECT * FROM {table}"), json!([]))).await, json!([]));
    drop_table(&connectors, &database, &table).await;
}

#[tokio::test]
async fn statements_that_cannot_be_run_say_why() {
    let (connectors, database) = (connectors(), database());
    let cases = [
        (query("SELEC 1", json!([])), ErrorCode::Remote, "error 1064"),
        (query("SELECT * FROM no_such_table", json!([])), ErrorCode::Remote, "error 1146"),
        (query("SELECT 1 AS a, 2 AS a", json!([])), ErrorCode::Remote, "two columns named 'a'"),
        (query("SELECT ?", json!([])), ErrorCode::Mapping, "has 1 parameters, and the mapping gave 0"),
    ];
    for (statement, code, part) in cases {
        let what = statement.text.as_str().to_owned();
        let error = refused(&connectors, &database, statement).await;
        assert!(error.code == code && !error.transient && error.message.contains(part), "{what}: {error:?}");
    }
    let bounds = Bounds { max_bytes: 10_000, ..BOUNDS };
    let much = query("SELECT repeat('x', 100) AS x FROM information_schema.collations", json!([]));
    let error = connectors.sql(&database, vec![much], false, bounds).await.unwrap_err();
    assert_permanent(&error, ErrorCode::Limit, &["more than 10000 bytes"]);
}

async fn running(connectors: &Connectors, database: &Arc<Connection>, mark: &str) -> i64 {
    let statement = "SELECT count(*) AS n FROM information_schema.processlist WHERE info LIKE ? AND id <> connection_id()";
    rows(connectors, database, query(statement, json!([format!("%{mark}%")]))).await[0]["n"].as_i64().unwrap()
}

#[tokio::test]
async fn a_statement_past_its_timeout_is_ended_at_the_server() {
    let (connectors, database) = (connectors(), database());
    let mark = unique("mark");
    let slow = execute(&format!("SELECT SLEEP(60) AS {mark}"), json!([]));
    let bounds = Bounds { timeout: Duration::from_millis(300), ..BOUNDS };
    let error = connectors.sql(&database, vec![slow], false, bounds).await.unwrap_err();
    assert_transient(&error, ErrorCode::Timeout, &["did not end within 300ms", "may have been carried out"]);
    eventually("ended after its timeout", async || running(&connectors, &database, &mark).await == 0).await;
}

#[tokio::test]
async fn a_session_that_the_server_ended_is_made_anew_and_settings_are_not_inherited() {
    let connectors = connectors();
    let database = with(json!({ "pool": 1 }));
    let who = || query("SELECT connection_id() AS id, @@session.sql_mode AS mode, @@session.time_zone AS zone", json!([]));
    let before = rows(&connectors, &database, who()).await;
    connectors.sql(&database, vec![execute("SET sql_mode = ''", json!([]))], false, BOUNDS).await.unwrap();
    assert_eq!(rows(&connectors, &database, who()).await, before, "the same session, as new");
    let kill = execute(&format!("KILL {}", before[0]["id"]), json!([]));
    super::connectors().sql(&database, vec![kill], false, BOUNDS).await.unwrap();
    let after = rows(&connectors, &database, who()).await;
    assert_ne!(after[0]["id"], before[0]["id"]);
}

#[tokio::test]
async fn a_server_that_cannot_be_signed_in_to_is_told_with_what_to_do() {
    let connectors = connectors();
    let one = || query("SELECT 1 AS one", json!([]));
    let error = refused(&connectors, &with(json!({ "database": "no_such_database" })), one()).await;
    assert_permanent(&error, ErrorCode::Remote, &["there is no database 'no_such_database'"]);
    let wrong = with(json!({ "username": "nobody_here", "password": "hunter2" }));
    let error = refused(&connectors, &wrong, one()).await;
    assert_permanent(&error, ErrorCode::Remote, &["the user name 'nobody_here' or its password is wrong"]);
    assert!(!error.message.contains("hunter2"));
    let error = refused(&connectors, &with(json!({ "tls": "require" })), one()).await;
    assert_permanent(&error, ErrorCode::Unreachable, &["TLS", "tls: disable"]);
    let error = refused(&connectors, &with(json!({ "port": 1 })), one()).await;
    assert_transient(&error, ErrorCode::Unreachable, &["could not be reached"]);
    let error = refused(&Connectors::new(Reach::deny()), &database(), one()).await;
    assert_permanent(&error, ErrorCode::Unreachable, &["FOREBAY_PRIVATE_ADDRESSES"]);
}

#[tokio::test]
async fn a_test_of_the_connection_says_what_was_reached() {
    let reached = support::engine().test(&database()).await.unwrap();
    assert!(reached.contains("MariaDB") && reached.contains("as 'root@"), "{reached}");
}
