//! A value that is read from a column and written to a column of the same type does not change: every type, on both databases.

use super::*;
use forebay_mapping::parse_json;

/// The page that lists the types; each line of its tables is generated here.
const DOCS: &str = include_str!("../../../../docs/sql.md");

/// A type and SQL literals of it; the first one is the example of the docs.
type Case = (&'static str, &'static [&'static str]);

const MYSQL: &[Case] = &[
    ("TINYINT", &["-128", "127"]),
    ("BOOLEAN", &["TRUE", "FALSE"]),
    ("SMALLINT UNSIGNED", &["65535"]),
    ("MEDIUMINT", &["-8388608"]),
    ("INT(6) ZEROFILL", &["42"]),
    ("BIGINT", &["-9223372036854775808", "9223372036854775807"]),
    ("BIGINT UNSIGNED", &["18446744073709551615", "0"]),
    ("DECIMAL(30,15)", &["123456789012345.123456789012345", "-0.000000000000001"]),
    ("DECIMAL(65,30)", &["12345678901234567890123456789012345.123456789012345678901234567890"]),
    ("FLOAT", &["1.1", "-3.40282e38", "1.17549e-38", "16777217", "0.1"]),
    ("DOUBLE", &["0.1", "1.7976931348623157e308", "-2.2250738585072014e-308", "123456789.123456789"]),
    ("BIT(12)", &["b'100000000001'", "b'0'"]),
    ("BIT(64)", &["0xFFFFFFFFFFFFFFFF", "1"]),
    ("DATE", &["'2026-02-28'", "'0001-01-01'", "'9999-12-31'", "'0000-00-00'"]),
    ("DATETIME(6)", &["'2026-02-28 06:00:00.25'", "'0001-01-01 00:00:00'", "'9999-12-31 23:59:59.999999'", "'0000-00-00'"]),
    ("TIMESTAMP(6) NULL", &["'2026-02-28 06:00:00.25'", "'1970-01-01 00:00:01'", "'2038-01-19 03:14:07.999999'", "'0000-00-00'"]),
    ("TIME(6)", &["'06:07:08.5'", "'-838:59:59'", "'838:59:59.999999'", "'-00:00:00.000001'"]),
    ("YEAR", &["2026", "0000", "1901"]),
    ("CHAR(9) CHARSET utf8mb4", &["'Åsa 😀'", "''", "'12'"]),
    ("CHAR(9) CHARSET latin1", &["'Jörg'"]),
    ("VARCHAR(40) CHARSET utf8mb4", &["'2026-02-28T06:00:00Z'", "'aGk='", "'  '", r"'\\'''"]),
    ("VARCHAR(9) COLLATE utf8mb4_bin", &["'a'"]),
    ("VARCHAR(9) CHARSET ucs2", &["'ж'"]),
    ("TEXT CHARSET utf8mb4", &["'[1]'", "'null'"]),
    ("LONGTEXT CHARSET latin1", &["'ÿ'"]),
    ("BINARY(3)", &["x'00FF'", "'hi'"]),
    ("VARBINARY(9)", &["x'00FF0A'", "''", "'hi'"]),
    ("TINYBLOB", &["x'5C27'"]),
    ("BLOB", &["x'89504E47'", "'text'"]),
    ("LONGBLOB", &["x'00'", "repeat(x'F0', 100000)"]),
    ("ENUM('new','done','1','2')", &["'done'", "'1'"]),
    ("SET('a','b')", &["'a,b'", "''"]),
    ("JSON", &[r#"'{"a": [1.50, null]}'"#, r#"'"x"'"#, "'1'", r#"'{"base64": "aGk="}'"#]),
    ("UUID", &["'0b1d7c5e-8f0a-4a3b-9c2d-1e2f3a4b5c6d'"]),
    ("INET6", &["'2001:db8::1'", "'::ffff:192.0.2.1'"]),
    ("INET4", &["'192.0.2.1'"]),
    ("POINT", &["POINT(1, 2)"]),
    ("INT", &["NULL"]),
];

const POSTGRES: &[Case] = &[
    ("boolean", &["true", "false"]),
    ("smallint", &["-32768"]),
    ("integer", &["2147483647"]),
    ("bigint", &["9223372036854775807", "-9223372036854775808"]),
    ("oid", &["4294967295"]),
    ("real", &["1.1", "'NaN'", "'-Infinity'", "3.4028235e38", "1e-45", "16777216"]),
    ("double precision", &["0.1", "'NaN'", "'Infinity'", "1.7976931348623157e308", "5e-324"]),
    ("numeric", &["12345678901234567890.12345678901234567890", "'NaN'", "'Infinity'", "'-Infinity'", "-0.00012300", "1e400", "1e-400"]),
    ("numeric(10,2)", &["19.90", "0"]),
    ("text", &["'Åsa 😀'", "''", "'2026-02-28T06:00:00Z'", "'aGk='", "'null'", "'[1]'", r"E'\\\''"]),
    ("varchar(9)", &["'x'"]),
    ("char(3)", &["'x'"]),
    ("\"char\"", &["'x'"]),
    ("name", &["'x'"]),
    ("bytea", &[r"'\x00ff'", r"'\x'", r"'\x5c27'"]),
    ("date", &["'2026-02-28'", "'infinity'", "'-infinity'", "'9999-12-31'", "'0044-03-15 BC'", "'0001-01-01'"]),
    ("time", &["'06:07:08.5'", "'24:00'", "'00:00'"]),
    ("timetz", &["'06:07:08.5+02'", "'23:59:59.999999-12:34:56'", "'00:00+00'"]),
    ("timestamp", &["'2026-02-28 06:00:00.25'", "'infinity'", "'9999-12-31 23:59:59.999999'", "'0044-03-15 12:00 BC'"]),
    ("timestamptz", &["'2026-02-28 06:00:00.25+02'", "'-infinity'", "'9999-12-31 23:59:59+00'", "'0044-03-15 12:00+00 BC'"]),
    (
        "interval",
        &["'1 year 2 months 3 days 4 hours 5.5 seconds'", "'-0.5 seconds'", "'1 month -3 days -00:00:01.000001'", "'0'", "'-100 years'"],
    ),
    ("uuid", &["'0b1d7c5e-8f0a-4a3b-9c2d-1e2f3a4b5c6d'"]),
    ("json", &[r#"'{"a":[1.50,null]}'"#, r#"'"x"'"#, "'12345678901234567890.10'", r#"'{"base64":"aGk="}'"#]),
    ("jsonb", &[r#"'{"a": [1.50, null]}'"#, r#"'"x"'"#, "'[]'"]),
    ("xml", &["'<a/>'"]),
    ("inet", &["'192.0.2.1'", "'192.0.2.1/24'", "'2001:db8::1'", "'2001:db8::/32'", "'::ffff:192.0.2.1'"]),
    ("cidr", &["'192.0.2.0/24'", "'192.0.2.1/32'", "'2001:db8::/32'"]),
    ("macaddr", &["'08:00:2b:01:02:03'"]),
    ("macaddr8", &["'08:00:2b:01:02:03:04:05'"]),
    ("bit(5)", &["B'01010'"]),
    ("varbit", &["B'0101010101'", "B''"]),
    ("int4range", &["'[1,10)'", "'empty'", "'(,5]'", "'(,)'"]),
    ("int8range", &["'[1,9223372036854775806]'"]),
    ("numrange", &["'(1.50,2]'", "'[NaN,NaN]'"]),
    ("daterange", &["'[2026-01-01,2026-02-01)'", "'[-infinity,0044-03-15 BC)'"]),
    ("tsrange", &["'[\"2026-01-01 00:00:00.5\",)'"]),
    ("tstzrange", &["'[\"2026-01-01 00:00:00+02\",\"2026-02-01 00:00:00+02\"]'"]),
    ("int4multirange", &["'{[1,2),[5,6)}'", "'{}'"]),
    ("int[]", &["'{1,2,NULL}'", "'{}'", "'{{1,2},{3,4}}'"]),
    ("bigint[]", &["'{9223372036854775807}'"]),
    ("numeric[]", &["'{1.10,NaN}'"]),
    ("text[]", &[r#"ARRAY['a,b', '"q"', 'NULL', '']"#, r"ARRAY[E'\\', E'\'']", "'{NULL}'"]),
    ("boolean[]", &["'{t,f}'"]),
    ("bytea[]", &[r"ARRAY['\x00ff'::bytea]"]),
    ("uuid[]", &["'{0b1d7c5e-8f0a-4a3b-9c2d-1e2f3a4b5c6d}'"]),
    ("timestamp[]", &["'{2026-02-28 06:00:00}'"]),
    ("timestamptz[]", &["'{2026-02-28 06:00:00+00}'"]),
    ("jsonb[]", &[r#"ARRAY['[1]'::jsonb, '{"a": "b"}']"#]),
    ("inet[]", &["'{192.0.2.1}'"]),
    ("int4range[]", &["ARRAY['[1,10)'::int4range, 'empty']"]),
    ("enum_KEY", &["'done'"]),
    ("domain_KEY", &["'done'"]),
    ("composite_KEY", &[r#"ROW('done', 2, 'a "b" (c), d', NULL, ARRAY['x,y'])"#, r"ROW(NULL, NULL, E'\\', '2026-02-28 06:00', NULL)"]),
    ("composite_KEY[]", &["ARRAY[ROW('done', 2, 'x', '2026-02-28 06:00', NULL)::composite_KEY, NULL]"]),
];

fn mariadb() -> Arc<Connection> {
    database_at("mysql", &from_env("FOREBAY_MARIADB_URL", "mysql://root@127.0.0.1:3306/test"), &json!({}))
}

fn postgresql() -> Arc<Connection> {
    database_at("postgres", &from_env("FOREBAY_DATABASE_URL", "postgres://postgres@127.0.0.1:5432/postgres"), &json!({}))
}

/// Reads each value, writes it, and lets the database compare both. Returns the lines of the docs.
async fn both_directions(connectors: &Connectors, database: &Arc<Connection>, cases: &[Case], key: &str, same: &str) -> Vec<String> {
    let mark = if matches!(database.kind, ConnectionKind::Mysql(_)) { "?" } else { "$1" };
    let (mut lines, mut faults) = (Vec::new(), Vec::new());
    for (written, literals) in cases {
        let kind = written.replace("KEY", key);
        let table = unique("type");
        let run = async |text: String, params: Vec<Value>| {
            let statement = Statement { text: StatementText::new(text), params, reads_only: false };
            connectors.sql(database, vec![statement], false, BOUNDS).await.map_err(|error| error.message)
        };
        run(format!("CREATE TABLE {table} (id int PRIMARY KEY, a {kind}, b {kind}, c {kind})"), Vec::new()).await.unwrap();
        for (id, literal) in literals.iter().enumerate() {
            let literal = literal.replace("KEY", key);
            let what = format!("{kind} {literal}");
            let made = run(format!("INSERT INTO {table} (id, a) VALUES ({id}, {literal})"), Vec::new()).await;
            made.unwrap_or_else(|error| panic!("{what}: {error}"));
            let read = match run(format!("SELECT a FROM {table} WHERE id = {id}"), Vec::new()).await {
                Ok(output) => output.get("rows").unwrap().as_array().unwrap()[0].get("a").unwrap().clone(),
                Err(error) => {
                    faults.push(format!("{what}: not read: {error}"));
                    continue;
                }
            };
            // A checkpoint of the step stores it in this form.
            let read = parse_json(&to_json(&read)).unwrap();
            if id == 0 {
                lines.push(format!("| `{written}` | `{}` | `{}` |", literal.replace(key, "KEY"), text(&read)));
            }
            let new = id + 1000;
            let update = run(format!("UPDATE {table} SET b = {mark} WHERE id = {id}"), vec![read.clone()]).await;
            let insert = run(format!("INSERT INTO {table} (id, c) VALUES ({new}, {mark})"), vec![read.clone()]).await;
            if let Err(error) = update.and(insert) {
                faults.push(format!("{what}: {} is not written: {error}", text(&read)));
                continue;
            }
            let compare = format!("SELECT ({same}) AS same FROM {table} x, {table} y WHERE x.id = {id} AND y.id = {new}");
            let compared = run(compare, Vec::new()).await.unwrap_or_else(|error| panic!("{what}: {error}"));
            let is_same = &json_of(&compared)["rows"][0]["same"];
            if *is_same != json!(1) && *is_same != json!(true) {
                faults.push(format!("{what}: {} became another value", text(&read)));
            }
        }
        drop_table(connectors, database, &table).await;
    }
    assert!(faults.is_empty(), "{}", faults.join("\n"));
    lines
}

fn assert_documented(lines: &[String]) {
    let table = lines.join("\n");
    assert!(DOCS.contains(&table), "docs/sql.md has not these lines:\n{table}");
}

#[tokio::test]
async fn what_is_read_from_mariadb_is_written_there_as_the_same_value() {
    // Compares by value, and by each byte of the text or number.
    let same = "x.a <=> x.b AND x.a <=> y.c AND HEX(CONCAT(x.a)) <=> HEX(CONCAT(x.b)) AND HEX(CONCAT(x.a)) <=> HEX(CONCAT(y.c))";
    assert_documented(&both_directions(&connectors(), &mariadb(), MYSQL, "KEY", same).await);
}

#[tokio::test]
async fn what_is_read_from_postgresql_is_written_there_as_the_same_value() {
    let (connectors, database, key) = (connectors(), postgresql(), unique("k"));
    let run = async |text: String| connectors.sql(&database, vec![execute(&text, json!([]))], false, BOUNDS).await.unwrap();
    run(format!("CREATE TYPE enum_{key} AS ENUM ('new', 'done')")).await;
    run(format!("CREATE DOMAIN domain_{key} AS enum_{key} CHECK (VALUE <> 'new')")).await;
    run(format!("CREATE TYPE composite_{key} AS (state domain_{key}, count int, note text, at timestamp, list text[])")).await;
    let same = "x.a::text IS NOT DISTINCT FROM x.b::text AND x.a::text IS NOT DISTINCT FROM y.c::text";
    let lines = both_directions(&connectors, &database, POSTGRES, &key, same).await;
    run(format!("DROP TYPE composite_{key}")).await;
    run(format!("DROP TYPE enum_{key} CASCADE")).await;
    assert_documented(&lines);
}

#[tokio::test]
async fn a_time_with_a_zone_is_written_to_columns_of_times_in_utc_and_to_texts_as_it_is() {
    let connectors = connectors();
    let (mysql, postgres) = (mariadb(), postgresql());
    let (given, utc) = ("2026-03-01T01:30:00.25+02:00", "2026-02-28T23:30:00.25");
    for (database, stamp, local) in [(&mysql, "timestamp(6) null", "datetime(6)"), (&postgres, "timestamptz", "timestamp")] {
        let is_mysql = matches!(database.kind, ConnectionKind::Mysql(_));
        let sql = |text: &str| -> String {
            let numbered = text.split('?').enumerate().map(|(n, part)| if n == 0 { part.to_owned() } else { format!("${n}{part}") });
            if is_mysql { text.to_owned() } else { numbered.collect() }
        };
        let table = unique("zone");
        let create = format!("CREATE TABLE {table} (s {stamp}, l {local}, d date, t text)");
        connectors.sql(database, vec![execute(&create, json!([]))], false, BOUNDS).await.unwrap();
        let all = json!([given, given, given, given]);
        let expected = json!({ "s": format!("{utc}Z"), "l": utc, "d": "2026-03-01", "t": given });
        for insert in [format!("INSERT INTO {table} (s, l, d, t) VALUES (?, ?, ?, ?)"), format!("INSERT INTO {table} VALUES (?, ?, ?, ?)")]
        {
            connectors.sql(database, vec![execute(&sql(&insert), all.clone())], false, BOUNDS).await.unwrap();
            let read = rows(&connectors, database, query(&format!("SELECT * FROM {table}"), json!([]))).await;
            assert_eq!(read, json!([expected]), "{insert}");
            for (condition, params) in [
                ("s = ? AND l = ? AND t = ?", json!([given, given, given])),
                ("x.s BETWEEN ? AND ? AND NOT (? < l)", json!([given, given, given])),
                ("s IN (?, ?)", json!([given, "2020-01-01T00:00:00Z"])),
            ] {
                let select = query(&sql(&format!("SELECT count(*) AS n FROM {table} x WHERE {condition}")), params);
                assert_eq!(rows(&connectors, database, select).await, json!([{ "n": 1 }]), "{condition}");
            }
            let update = execute(&sql(&format!("UPDATE {table} SET s = ?, l = ?, t = ? WHERE s = ?")), all.clone());
            assert_eq!(json_of(&connectors.sql(database, vec![update], false, BOUNDS).await.unwrap())["affected"], 1);
            let delete = execute(&sql(&format!("DELETE FROM {table} WHERE l = ?")), json!([given]));
            assert_eq!(json_of(&connectors.sql(database, vec![delete], false, BOUNDS).await.unwrap())["affected"], 1);
        }
        drop_table(&connectors, database, &table).await;
    }
}

#[tokio::test]
async fn the_time_of_the_execution_and_those_of_the_date_functions_are_written_as_they_are() {
    let (connectors, mysql, table) = (connectors(), mariadb(), unique("now"));
    let create = execute(&format!("CREATE TABLE {table} (a timestamp(6) null, b datetime(6), c timestamp null, d datetime)"), json!([]));
    connectors.sql(&mysql, vec![create], false, BOUNDS).await.unwrap();
    let times = "[.execution.receivedAt, .execution.receivedAt, (1000000000 | todate), (\"2026-03-01\" | date_add({days: 1}))]";
    let steps = format!(
        "
steps:
  - {{ id: times, set: '{times}' }}
  - {{ id: write, sql: {{ connection: remote, execute: 'INSERT INTO {table} VALUES (?, ?, ?, ?)', params: .steps.times }} }}
  - {{ id: read, sql: {{ connection: remote, query: 'SELECT * FROM {table}' }} }}
  - {{ id: copy, sql: {{ connection: remote, execute: 'UPDATE {table} SET a = ?, b = ?, c = ?, d = ?', params: '[.steps.read.rows[0][]]' }} }}
  - {{ id: again, sql: {{ connection: remote, query: 'SELECT * FROM {table}' }} }}
respond: {{ body: '[.steps.times, .steps.read.rows[0], .steps.again.rows[0]]' }}"
    );
    let output = run_on(mysql.clone(), &steps, &json!({})).await.unwrap();
    let (times, read) = (&output[0], &output[1]);
    assert_eq!(read, &output[2], "{output}");
    let without_zeros = |time: &str| time.trim_end_matches('Z').trim_end_matches('0').trim_end_matches('.').to_owned();
    let received = without_zeros(times[0].as_str().unwrap());
    let same = |read: &Json| without_zeros(read.as_str().unwrap()).get(..received.len()).map(str::to_owned) == Some(received.clone());
    assert!(same(&read["a"]) && same(&read["b"]), "{output}");
    assert_eq!((&read["c"], &read["d"]), (&json!("2001-09-09T01:46:40Z"), &json!("2026-03-02T00:00:00")), "{output}");
    drop_table(&connectors, &mysql, &table).await;
}

#[tokio::test]
async fn what_does_not_fit_names_the_parameter() {
    let connectors = connectors();
    let (mysql, postgres) = (mariadb(), postgresql());
    let table = unique("fit");
    let create = execute(&format!("CREATE TABLE {table} (a int, b varchar(3), c datetime, d varbinary(9), e int NOT NULL)"), json!([]));
    connectors.sql(&mysql, vec![create], false, BOUNDS).await.unwrap();
    let insert = format!("INSERT INTO {table} (a, b, c, d, e) VALUES (?, ?, ?, ?, ?)");
    for (params, part) in [
        (json!(["x", "b", null, null, 1]), "that is parameter 1, of the kind string"),
        (json!([99_999_999_999_i64, "b", null, null, 1]), "that is parameter 1, of the kind number"),
        (json!([1, "long", null, null, 1]), "that is parameter 2, of the kind string"),
        (json!([1, "b", "2026-02-30T00:00:00", null, 1]), "that is parameter 3, of the kind string"),
        (json!([1, "b", null, "longer than nine", 1]), "that is parameter 4, of the kind string"),
        (json!([1, "b", null, null, null]), "that is parameter 5, of the kind null"),
        (json!([1, "b", null, { "base64": "no base64!" }, 1]), "parameter 4: the text in `base64` is no Base64"),
    ] {
        let error = refused(&connectors, &mysql, execute(&insert, params)).await;
        assert!(!error.transient && error.message.contains(part), "{error}");
    }
    let twice = query("SELECT FROM_BASE64(?) AS x", json!([{ "base64": "aGk=" }]));
    assert_permanent(&refused(&connectors, &mysql, twice).await, ErrorCode::Mapping, &["parameter 1: it is bytes already"]);
    let both = format!("INSERT INTO {table} (b, d, e) VALUES (from_base64(?), ?, 1) /* not from_base64(?) */");
    connectors.sql(&mysql, vec![execute(&both, json!(["aGk=", { "base64": "aGk=" }]))], false, BOUNDS).await.unwrap();
    let check = format!("SELECT count(*) AS n FROM {table} WHERE b = 'hi' AND d = 'hi'");
    let output = connectors.sql(&mysql, vec![query(&check, json!([]))], false, BOUNDS).await.unwrap();
    assert_eq!(json_of(&output)["rows"], json!([{ "n": 1 }]));
    drop_table(&connectors, &mysql, &table).await;
    for (kind, value, part) in [
        ("int", json!("x"), "that is parameter $2, of the type int4"),
        ("timestamp", json!("2026-02-30"), "that is parameter $2, of the type timestamp"),
        ("bytea", json!("no base64!"), "parameter $2, of the type bytea: bytea takes Base64"),
        ("int", json!([1]), "parameter $2, of the type int4: an array does not fit"),
        ("uuid", json!({"a": 1}), "parameter $2, of the type uuid: an object does not fit"),
    ] {
        let error = refused(&connectors, &postgres, query(&format!("SELECT $1::text AS a, $2::{kind} AS b"), json!(["a", value]))).await;
        assert!(!error.transient && error.message.contains(part), "{error}");
    }
    let error = refused(&connectors, &postgres, query("SELECT '1'::money AS m", json!([]))).await;
    assert_permanent(&error, ErrorCode::Remote, &["the column 'm' of type money", "m::text"]);
}
