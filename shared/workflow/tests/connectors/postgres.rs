//! SQL on PostgreSQL.

use super::*;
use std::time::Duration;

fn url() -> String {
    from_env("FOREBAY_DATABASE_URL", "postgres://postgres@127.0.0.1:5432/postgres")
}

fn with(changes: Json) -> Arc<Connection> {
    database_at("postgres", &url(), &changes)
}

fn database() -> Arc<Connection> {
    with(json!({}))
}

#[tokio::test]
async fn values_of_every_common_type_come_as_json() {
    let cases = [
        ("true", "true"),
        ("1::int2", "1"),
        ("'-2147483648'::int4", "-2147483648"),
        ("9223372036854775807::int8", "9223372036854775807"),
        ("1.1::float4", "1.1"),
        ("0.1::float8", "0.1"),
        ("'NaN'::float8", "\"NaN\""),
        ("'-Infinity'::float4", "\"-Infinity\""),
        ("19.90::numeric", "19.90"),
        ("-0.00012300::numeric", "-0.00012300"),
        ("123456789012345678901234567890.12345::numeric", "123456789012345678901234567890.12345"),
        ("10000::numeric", "10000"),
        ("100000000.5::numeric", "100000000.5"),
        ("0::numeric(10,2)", "0.00"),
        ("'NaN'::numeric", "\"NaN\""),
        ("'Åsa'::text", "\"Åsa\""),
        ("'x'::varchar(9)", "\"x\""),
        ("'x'::char(3)", "\"x  \""),
        ("NULL::int", "null"),
        (r#"'{"a":[1.50,null]}'::json"#, r#"{"a":[1.50,null]}"#),
        (r#"'{"a":1.50}'::jsonb"#, r#"{"a":1.50}"#),
        ("'\\x00ff'::bytea", "\"AP8=\""),
        ("'0b1d7c5e-8f0a-4a3b-9c2d-1e2f3a4b5c6d'::uuid", "\"0b1d7c5e-8f0a-4a3b-9c2d-1e2f3a4b5c6d\""),
        ("'1999-12-31'::date", "\"1999-12-31\""),
        ("'2026-02-28'::date", "\"2026-02-28\""),
        ("'infinity'::date", "\"infinity\""),
        ("'06:07:08.5'::time", "\"06:07:08.5\""),
        ("'2026-12-01 06:00:00.25'::timestamp", "\"2026-12-01T06:00:00.25\""),
        ("'1970-01-01 01:00:00+01'::timestamptz", "\"1970-01-01T00:00:00Z\""),
        ("interval '1 year 2 months 3 days 4 hours 5.5 seconds'", "\"P1Y2M3DT4H5.5S\""),
        ("interval '-0.5 seconds'", "\"PT-0.5S\""),
        ("ARRAY[1,2,NULL]", "[1,2,null]"),
        ("ARRAY[['a','b'],['c','d']]", r#"[["a","b"],["c","d"]]"#),
        ("'{}'::int[]", "[]"),
    ];
    let (connectors, database) = (connectors(), database());
    for (expression, expected) in cases {
        let statement = query(&format!("SELECT {expression} AS value"), json!([]));
        let output = connectors.sql(&database, vec![statement], false, BOUNDS).await.unwrap();
        assert_eq!(text(&output), format!(r#"{{"rows":[{{"value":{expected}}}],"affected":1}}"#), "{expression}");
    }
}

#[tokio::test]
async fn parameters_of_every_common_type_are_bound() {
    let cases = [
        ("text", json!("it's; DROP TABLE x --"), json!("it's; DROP TABLE x --")),
        ("text", json!(12), json!("12")),
        ("text", json!({"a": 1}), json!("{\"a\":1}")),
        ("varchar", json!("x"), json!("x")),
        ("int2", json!(7), json!(7)),
        ("int4", json!("7"), json!(7)),
        ("int8", json!(9_007_199_254_740_993_i64), json!(9_007_199_254_740_993_i64)),
        ("float8", json!(0.5), json!(0.5)),
        ("numeric", json!(19.9), json!(19.9)),
        ("numeric", digits("1.10"), digits("1.10")),
        ("numeric", digits("12345678901234567.8900000001"), digits("12345678901234567.8900000001")),
        ("text", digits("1.00"), json!("1.00")),
        ("bool", json!(true), json!(true)),
        ("json", json!("text"), json!("text")),
        ("jsonb", json!({"a": [1, null]}), json!({"a": [1, null]})),
        ("uuid", json!("0b1d7c5e-8f0a-4a3b-9c2d-1e2f3a4b5c6d"), json!("0b1d7c5e-8f0a-4a3b-9c2d-1e2f3a4b5c6d")),
        ("date", json!("2026-12-01"), json!("2026-12-01")),
        ("timestamptz", json!("2026-12-01T06:00:00+02:00"), json!("2026-12-01T04:00:00Z")),
        ("bytea", json!("AP8="), json!("AP8=")),
        ("bytea", json!({"base64": "AP8=", "size": 2}), json!("AP8=")),
        ("int[]", json!([1, null, 3]), json!([1, null, 3])),
        ("text[]", json!(["a,b", "\"q\"", "\\", "NULL", ""]), json!(["a,b", "\"q\"", "\\", "NULL", ""])),
        ("int[]", json!([[1, 2], [3, 4]]), json!([[1, 2], [3, 4]])),
        ("jsonb[]", json!([[1], {"a": "b"}]), json!([[1], {"a": "b"}])),
        ("int", json!(null), json!(null)),
    ];
    let (connectors, database) = (connectors(), database());
    for (kind, given, expected) in cases {
        let statement = query(&format!("SELECT $1::{kind} AS value"), json!([given]));
        assert_eq!(rows(&connectors, &database, statement).await, json!([{ "value": expected }]), "{kind}");
    }
}

#[tokio::test]
async fn enums_domains_and_composites_are_read_and_written() {
    let (connectors, database) = (connectors(), database());
    let name = unique("k");
    for create in [
        format!("CREATE TYPE {name} AS ENUM ('new', 'done')"),
        format!("CREATE DOMAIN {name}_d AS {name}"),
        format!("CREATE TYPE {name}_c AS (state {name}, count int)"),
    ] {
        connectors.sql(&database, vec![execute(&create, json!([]))], false, BOUNDS).await.unwrap();
    }
    let statement = format!("SELECT $1::{name} AS e, $1::{name}::{name}_d AS d, ROW($1, 2)::{name}_c AS c, ARRAY[$1] AS a");
    let expected = json!([{ "e": "done", "d": "done", "c": { "state": "done", "count": 2 }, "a": ["done"] }]);
    assert_eq!(rows(&connectors, &database, query(&statement, json!(["done"]))).await, expected);
    let drop = format!("DROP TYPE {name} CASCADE");
    connectors.sql(&database, vec![execute(&drop, json!([]))], false, BOUNDS).await.unwrap();
    connectors.sql(&database, vec![execute(&format!("DROP TYPE {name}_c"), json!([]))], false, BOUNDS).await.unwrap();
}

#[tokio::test]
async fn a_transaction_is_all_or_nothing_and_gives_a_list() {
    let (connectors, database) = (connectors(), database());
    let table = table(&connectors, &database).await;
    let insert = |id: i64| execute(&format!("INSERT INTO {table} VALUES ($1, $2)"), json!([id, "x"]));
    let count = query(&format!("SELECT count(*) FROM {table}"), json!([]));
    let failed = connectors.sql(&database, vec![insert(1), insert(1)], true, BOUNDS).await.unwrap_err();
    assert_permanent(&failed, ErrorCode::Remote, &["refused statement 2", "duplicate key", "23505", "connection 'remote' (postgres at"]);
    assert_eq!(rows(&connectors, &database, count.clone()).await, json!([{ "count": 0 }]));
    let output = connectors.sql(&database, vec![insert(1), insert(2), count], true, BOUNDS).await.unwrap();
    let none = json!({ "rows": [], "affected": 1 });
    assert_eq!(json_of(&output), json!([none, none, { "rows": [{ "count": 2 }], "affected": 1 }]));
    let returning = execute(&format!("UPDATE {table} SET name = 'y' WHERE id > $1 RETURNING id"), json!([1]));
    assert_eq!(rows(&connectors, &database, returning).await, json!([{ "id": 2 }]));
    drop_table(&connectors, &database, &table).await;
}

#[tokio::test]
async fn a_query_that_writes_or_ends_its_transaction_is_refused() {
    let (connectors, database) = (connectors(), database());
    let table = table(&connectors, &database).await;
    let writes = query(&format!("WITH x AS (INSERT INTO {table} VALUES (1, 'x') RETURNING id) SELECT * FROM x"), json!([]));
    let error = refused(&connectors, &database, writes).await;
    assert_permanent(&error, ErrorCode::Remote, &["a `query` only reads: write `execute`"]);
    let error = refused(&connectors, &database, query("/* now */ COMMIT", json!([]))).await;
    assert_permanent(&error, ErrorCode::Definition, &["COMMIT", "`transaction`"]);
    assert_eq!(rows(&connectors, &database, query(&format!("SELECT * FROM {table}"), json!([]))).await, json!([]));
    assert_eq!(connectors.sessions(), 1, "a refused statement does not cost a session");
    drop_table(&connectors, &database, &table).await;
}

#[tokio::test]
async fn statements_that_cannot_be_run_say_why() {
    let (connectors, database) = (connectors(), database());
    let cases = [
        (query("SELEC 1", json!([])), ErrorCode::Remote, "syntax error"),
        (query("SELECT * FROM no_such_table", json!([])), ErrorCode::Remote, "42P01"),
        (query("SELECT 1 AS a, 2 AS a", json!([])), ErrorCode::Remote, "two columns named 'a'"),
        (query("SELECT '1'::money AS r", json!([])), ErrorCode::Remote, "r::text"),
        (query("SELECT $1::int", json!([])), ErrorCode::Mapping, "has 1 parameters, and the mapping gave 0"),
        (query("SELECT $1::int", json!(["seven"])), ErrorCode::Remote, "invalid input syntax for type integer"),
        (query("SELECT $1::int", json!([[1]])), ErrorCode::Mapping, "parameter $1, of the type int4: an array does not fit the type int4"),
        (query("SELECT $1::bytea", json!(["%"])), ErrorCode::Mapping, "Base64"),
        (query("SELECT 1; SELECT 2", json!([])), ErrorCode::Remote, "multiple commands"),
    ];
    for (statement, code, part) in cases {
        let what = statement.text.as_str().to_owned();
        let error = refused(&connectors, &database, statement).await;
        assert!(error.code == code && !error.transient && error.message.contains(part), "{what}: {error:?}");
    }
    assert_eq!(rows(&connectors, &database, query("SELECT 1 AS one", json!([]))).await, json!([{ "one": 1 }]));
}

#[tokio::test]
async fn too_many_rows_end_the_statement() {
    let (connectors, database) = (connectors(), database());
    let bounds = Bounds { max_bytes: 100_000, ..BOUNDS };
    let endless = query("SELECT repeat('x', 100) AS x, generate_series(1, 1000000000)", json!([]));
    let error = connectors.sql(&database, vec![endless], false, bounds).await.unwrap_err();
    assert_permanent(&error, ErrorCode::Limit, &["more than 100000 bytes", "LIMIT"]);
}

async fn running(connectors: &Connectors, database: &Arc<Connection>, mark: &str) -> i64 {
    let statement = "SELECT count(*) AS n FROM pg_stat_activity WHERE query LIKE $1 AND state = 'active' AND pid <> pg_backend_pid()";
    rows(connectors, database, query(statement, json!([format!("%{mark}%")]))).await[0]["n"].as_i64().unwrap()
}

#[tokio::test]
async fn a_statement_past_its_timeout_or_of_a_dropped_step_is_cancelled_at_the_server() {
    let (connectors, database) = (connectors(), database());
    let mark = unique("mark");
    let slow = execute(&format!("SELECT pg_sleep(60) AS {mark}"), json!([]));
    let bounds = Bounds { timeout: Duration::from_millis(300), ..BOUNDS };
    let error = connectors.sql(&database, vec![slow.clone()], false, bounds).await.unwrap_err();
    assert_transient(&error, ErrorCode::Timeout, &["did not end within 300ms", "may have been carried out"]);
    eventually("cancelled after its timeout", async || running(&connectors, &database, &mark).await == 0).await;

    let (theirs, on, statements) = (connectors.clone(), database.clone(), vec![slow]);
    let step = tokio::spawn(async move { theirs.sql(&on, statements, true, BOUNDS).await });
    eventually("running", async || running(&connectors, &database, &mark).await == 1).await;
    step.abort();
    eventually("cancelled with its step", async || running(&connectors, &database, &mark).await == 0).await;
}

#[tokio::test]
async fn a_session_leaves_nothing_of_itself_for_the_next_step() {
    let connectors = connectors();
    let database = with(json!({ "pool": 1 }));
    let settings = "SELECT current_setting('search_path') AS path, pg_backend_pid() AS pid";
    let before = rows(&connectors, &database, query(settings, json!([]))).await;
    connectors.sql(&database, vec![execute("SET search_path = pg_catalog", json!([]))], false, BOUNDS).await.unwrap();
    assert_eq!(rows(&connectors, &database, query(settings, json!([]))).await, before);
}

#[tokio::test]
async fn a_session_that_the_server_ended_is_made_anew() {
    let connectors = connectors();
    let database = with(json!({ "pool": 1 }));
    let pid = rows(&connectors, &database, query("SELECT pg_backend_pid() AS pid", json!([]))).await[0]["pid"].clone();
    rows(&super::connectors(), &database, query("SELECT pg_terminate_backend($1)", json!([pid]))).await;
    let after = rows(&connectors, &database, query("SELECT pg_backend_pid() AS pid", json!([]))).await[0]["pid"].clone();
    assert_ne!(after, pid);
}

#[tokio::test]
async fn a_session_that_ends_under_a_statement_is_told_with_what_may_have_happened() {
    let (connectors, database) = (connectors(), database());
    let suicide = "SELECT pg_terminate_backend(pg_backend_pid())";
    for (is_transaction, part) in [(false, "may have been carried out"), (true, "nothing was changed")] {
        let error = connectors.sql(&database, vec![execute(suicide, json!([]))], is_transaction, BOUNDS).await.unwrap_err();
        assert!(error.transient && error.message.contains(part), "{error:?}");
    }
}

#[tokio::test]
async fn a_lock_that_is_waited_for_in_a_circle_is_worth_another_attempt() {
    let (connectors, database) = (connectors(), database());
    let table = table(&connectors, &database).await;
    let insert = format!("INSERT INTO {table} VALUES (1, 'x'), (2, 'x')");
    connectors.sql(&database, vec![execute(&insert, json!([]))], false, BOUNDS).await.unwrap();
    let update = |id: i64| execute(&format!("UPDATE {table} SET name = 'y' WHERE id = $1"), json!([id]));
    let pause = || execute("SELECT pg_sleep(0.3)", json!([]));
    let (one, two) = tokio::join!(
        connectors.sql(&database, vec![update(1), pause(), update(2)], true, BOUNDS),
        connectors.sql(&database, vec![update(2), pause(), update(1)], true, BOUNDS)
    );
    let error = one.err().or(two.err()).expect("one of the two has to give way");
    assert_transient(&error, ErrorCode::Remote, &["40P01"]);
    drop_table(&connectors, &database, &table).await;
}

#[tokio::test]
async fn a_server_that_cannot_be_signed_in_to_is_told_with_what_to_do() {
    let connectors = connectors();
    let one = || query("SELECT 1 AS one", json!([]));
    let error = refused(&connectors, &with(json!({ "database": "no_such_database" })), one()).await;
    assert_permanent(&error, ErrorCode::Remote, &["there is no database 'no_such_database'"]);
    let error = refused(&connectors, &with(json!({ "username": "no_such_role" })), one()).await;
    assert_permanent(&error, ErrorCode::Remote, &["refused the sign-in", "no_such_role"]);
    let error = refused(&connectors, &with(json!({ "tls": "require" })), one()).await;
    // The server may have a certificate.
    let advice = if error.message.contains("offers no TLS") { "tls: disable" } else { "as tls.certificate" };
    assert_permanent(&error, ErrorCode::Unreachable, &["TLS", advice]);
    let error = refused(&connectors, &with(json!({ "port": 1 })), one()).await;
    assert_transient(&error, ErrorCode::Unreachable, &["could not be reached at 127.0.0.1", "refused"]);
    let error = refused(&Connectors::new(Reach::deny()), &database(), one()).await;
    assert_permanent(&error, ErrorCode::Unreachable, &["FOREBAY_PRIVATE_ADDRESSES"]);
    let error = refused(&connectors, &connection(json!({ "http": { "url": "http://x" } })), one()).await;
    assert_permanent(&error, ErrorCode::Definition, &["is no database"]);
    let mut disabled = (*database()).clone();
    disabled.enabled = false;
    let error = refused(&connectors, &Arc::new(disabled), one()).await;
    assert_permanent(&error, ErrorCode::Connection, &["is not enabled"]);
}

#[tokio::test]
async fn steps_at_once_share_the_pool_and_a_changed_connection_gets_a_new_one() {
    let connectors = connectors();
    let database = with(json!({ "pool": 2 }));
    let steps: Vec<_> =
        (0..8).map(|number| rows(&connectors, &database, query("SELECT $1::int AS n, pg_sleep(0.02)", json!([number])))).collect();
    for (number, rows) in futures_util::future::join_all(steps).await.into_iter().enumerate() {
        assert_eq!(rows[0]["n"], json!(number));
    }
    assert_eq!(connectors.sessions(), 2);
    rows(&connectors, &with(json!({ "pool": 3 })), query("SELECT 1 AS one", json!([]))).await;
    assert_eq!(connectors.sessions(), 1);
}

#[tokio::test]
async fn a_test_of_the_connection_says_what_was_reached_or_is_wrong() {
    let reached = support::engine().test(&database()).await.unwrap();
    assert!(reached.starts_with("PostgreSQL ") && reached.contains("as 'postgres'"), "{reached}");
    let wrong = support::engine().test(&with(json!({ "database": "no_such_database" }))).await.unwrap_err();
    assert!(wrong.contains("there is no database"), "{wrong}");
}
