use super::*;

fn read(pairs: &[(&str, &str)]) -> Result<Settings, SettingsError> {
    Settings::read(|name| pairs.iter().find(|(setting, _)| *setting == name).map(|(_, value)| (*value).to_owned()))
}

/// The only problem of a reading, as text.
fn problem(name: &str, value: &str) -> String {
    let error = read(&[(name, value)]).unwrap_err();
    assert_eq!(error.problems().len(), 1, "{error}");
    assert_eq!(error.problems()[0].env, name);
    error.to_string()
}

#[test]
fn an_empty_source_gives_the_defaults_of_the_table() {
    let settings = read(&[]).unwrap();
    assert_eq!(settings.amqp_url.to_string(), "127.0.0.1:5672");
    assert_eq!(settings.database_url.expose(), "postgres://postgres@127.0.0.1:5432/forebay");
    assert_eq!(settings.http_listen.to_string(), "127.0.0.1:8080");
    assert_eq!(settings.console_listen.to_string(), "127.0.0.1:8081");
    assert_eq!(settings.management_listen.to_string(), "127.0.0.1:9464");
    assert_eq!(settings.queue_prefix, "");
    assert_eq!(settings.secret_key, None);
    assert_eq!((settings.worker_concurrency, settings.shared_queue_count.get(), settings.publisher_channels.get()), (256, 4, 6));
    assert_eq!(settings.max_in_flight, 10_000);
    assert_eq!((settings.queue_max_length, settings.queue_max_bytes), (1_000_000, 1 << 30));
    assert_eq!(settings.confirm_timeout, Duration::from_secs(10));
    assert_eq!(settings.max_body_bytes, 8 << 20);
    assert_eq!(settings.header_timeout, Duration::from_secs(5));
    assert_eq!(settings.body_timeout, Duration::from_secs(30));
    assert_eq!(settings.drain_timeout, Duration::from_secs(25));
    assert_eq!(settings.execution_timeout, Duration::from_secs(300));
    assert_eq!(settings.tls, None);
    assert!(settings.http_workers >= 1);
    assert_eq!((settings.log, settings.log_format), (LogFilter::parse("info").unwrap(), LogFormat::Text));
    assert_eq!((settings.otlp_endpoint, settings.otel_service_name), (None, None));
    assert_eq!(settings.retention, Duration::from_secs(30 * 86_400));
}

#[test]
fn an_empty_value_counts_as_not_given() {
    let settings = read(&[("FOREBAY_SECRET_KEY", ""), ("FOREBAY_SHARED_QUEUES", ""), ("OTEL_EXPORTER_OTLP_ENDPOINT", "")]).unwrap();
    assert_eq!((settings.secret_key, settings.shared_queue_count.get(), settings.otlp_endpoint), (None, 4, None));
}

#[test]
fn bytes_that_are_not_utf8_are_no_value() {
    let error = read(&[("FOREBAY_AMQP_URL", "amqp://guest:s\u{fffd}cret@127.0.0.1:5672")]).unwrap_err().to_string();
    assert!(error.contains("FOREBAY_AMQP_URL") && error.contains("has bytes that are not UTF-8") && !error.contains("cret"), "{error}");
}

#[test]
fn a_broker_url_that_cannot_be_read_is_refused_by_its_name_and_without_the_password() {
    let cases = [
        ("amqp://me:hunter2@host:port/v", "the port is not a number"),
        ("amqp://me:hun/ter2@host/v", "%2F"),
        ("amqp://me:hunter2@a,,b/v", "a comma has no host beside it"),
        ("amqp://me:hunter2@host/v?heartbeat=often", "write amqp://"),
        ("http://me:hunter2@host", "write amqp://"),
    ];
    for (url, part) in cases {
        let text = problem("FOREBAY_AMQP_URL", url);
        assert!(text.contains("FOREBAY_AMQP_URL") && text.contains(part), "{text}");
        assert!(!text.contains("hunter2") && !text.contains("ter2"), "{text}");
    }
    for (url, count) in [("amqp://me:hunter2@a,b:5673,c/v", 3), ("amqps://me:hunter2@a/v,amqps://me:hunter2@b/v", 2)] {
        let settings = read(&[("FOREBAY_AMQP_URL", url)]).unwrap();
        assert_eq!(settings.amqp_url.nodes().len(), count);
        assert!(!format!("{settings:?}").contains("hunter2"));
    }
}

#[test]
fn the_lame_duck_time_may_be_none() {
    assert_eq!(read(&[]).unwrap().lame_duck, None);
    assert_eq!(read(&[("FOREBAY_LAME_DUCK", "0s")]).unwrap().lame_duck, Some(Duration::ZERO));
    assert!(problem("FOREBAY_LAME_DUCK", "2h").contains("at most 1h"));
}

#[test]
fn given_values_are_read_in_their_units() {
    let settings = read(&[
        ("FOREBAY_HTTP_LISTEN", "[::]:0"),
        ("FOREBAY_QUEUE_PREFIX", "team-a."),
        ("FOREBAY_QUEUE_MAX_BYTES", "512MiB"),
        ("FOREBAY_CONFIRM_TIMEOUT", "1500ms"),
        ("FOREBAY_RETENTION", "14d"),
        ("FOREBAY_LOG_FORMAT", "json"),
        ("FOREBAY_WORKER_NAME", "w-1"),
        ("FOREBAY_TLS_CERT", "/c.pem"),
        ("FOREBAY_TLS_KEY", "/k.pem"),
    ])
    .unwrap();
    assert_eq!(settings.http_listen.port(), 0);
    assert_eq!(settings.queue_prefix, "team-a.");
    assert_eq!(settings.queue_max_bytes, 512 << 20);
    assert_eq!(settings.confirm_timeout, Duration::from_millis(1500));
    assert_eq!(settings.retention, Duration::from_secs(14 * 86_400));
    assert_eq!(settings.log_format, LogFormat::Json);
    assert_eq!(settings.worker_name, "w-1");
    assert_eq!(settings.tls, Some(TlsFiles { cert: "/c.pem".into(), key: "/k.pem".into() }));
}

#[test]
fn all_problems_are_reported_at_once_in_the_order_of_the_table() {
    let error = read(&[
        ("FOREBAY_RETENTION", "a month"),
        ("FOREBAY_SHARED_QUEUES", "many"),
        ("FOREBAY_TLS_KEY", "/k.pem"),
        ("FOREBAY_HTTP_LISTEN", "8080"),
    ])
    .unwrap_err();
    let names: Vec<_> = error.problems().iter().map(|problem| problem.env).collect();
    assert_eq!(names, ["FOREBAY_HTTP_LISTEN", "FOREBAY_SHARED_QUEUES", "FOREBAY_TLS_KEY", "FOREBAY_RETENTION"]);
    assert_eq!(error.to_string().lines().count(), 4);
}

#[test]
fn a_problem_names_the_variable_its_flag_the_value_and_what_to_write() {
    assert_eq!(
        problem("FOREBAY_PUBLISHER_CHANNELS", "33"),
        "FOREBAY_PUBLISHER_CHANNELS (--publisher-channels) is \"33\": write a whole number from 1 to 32"
    );
    assert!(problem("FOREBAY_EXECUTION_TIMEOUT", "16m").contains("at most 15m"));
    assert!(problem("FOREBAY_DRAIN_TIMEOUT", "0s").contains("more than zero"));
    assert!(problem("FOREBAY_MAX_BODY_BYTES", "16MiB").contains("16256KiB"));
    assert!(problem("FOREBAY_LOG_FORMAT", "xml").contains("write text or json"));
    assert!(problem("FOREBAY_QUEUE_PREFIX", "a/b").contains("64 characters"));
    assert!(problem("FOREBAY_HTTP_LISTEN", "localhost:80").contains("IP address"));
    assert!(problem("FOREBAY_TLS_CERT", "/c.pem").contains("FOREBAY_TLS_KEY"));
}

#[test]
fn secrets_are_in_neither_errors_nor_debug_output() {
    let error = problem("FOREBAY_DATABASE_URL", "user:hunter2@localhost");
    assert!(!error.contains("hunter2"), "{error}");
    let settings =
        read(&[("FOREBAY_SECRET_KEY", "hunter2hunter2hunter2hunter2hunter2"), ("FOREBAY_AMQP_URL", "amqps://app:hunter2@broker/v")])
            .unwrap();
    let debug = format!("{settings:?}");
    assert!(!debug.contains("hunter2"), "{debug}");
    assert!(debug.contains("broker:5671 (virtual host v)"), "{debug}");
    let error = problem("FOREBAY_SECRET_KEY", "hunter2");
    assert!(error.contains("at least 32 characters") && !error.contains("hunter2"), "{error}");
}

#[test]
fn every_default_in_the_table_is_asked_for_and_reads() {
    let read = std::cell::RefCell::new(std::collections::BTreeSet::new());
    Settings::read(|name| {
        read.borrow_mut().insert(name.to_owned());
        SETTINGS.iter().find(|doc| doc.env == name).and_then(|doc| match doc.default {
            SettingDefault::Text(text) => Some(text.to_owned()),
            _ => None,
        })
    })
    .unwrap();
    let listed: std::collections::BTreeSet<_> = SETTINGS.iter().flat_map(SettingDoc::variables).map(str::to_owned).collect();
    assert_eq!(read.into_inner(), listed);
}

#[test]
fn a_former_name_gives_the_setting_and_is_reported_with_its_replacement() {
    let settings = read(&[("FOREBAY_LANES", "7"), ("FOREBAY_ADMIN_LISTEN", "127.0.0.1:1"), ("FOREBAY_ALERTS_EVERY", "1s")]).unwrap();
    assert_eq!(settings.shared_queue_count.get(), 7);
    assert_eq!(settings.management_listen.to_string(), "127.0.0.1:1");
    assert_eq!(settings.alert_interval, Duration::from_secs(1));
    let names: Vec<_> = settings.deprecated_names.iter().map(|name| (name.used.env, name.env, name.flag)).collect();
    assert_eq!(
        names,
        [
            ("FOREBAY_ADMIN_LISTEN", "FOREBAY_MANAGEMENT_LISTEN", "management-listen"),
            ("FOREBAY_LANES", "FOREBAY_SHARED_QUEUES", "shared-queues"),
            ("FOREBAY_ALERTS_EVERY", "FOREBAY_ALERT_INTERVAL", "alert-interval"),
        ]
    );
    assert!(read(&[("FOREBAY_SHARED_QUEUES", "7"), ("FOREBAY_LANES", "")]).unwrap().deprecated_names.is_empty());
}

#[test]
fn both_names_of_a_setting_must_give_the_same_value() {
    let same = read(&[("FOREBAY_LANES", "7"), ("FOREBAY_SHARED_QUEUES", "7")]).unwrap();
    assert_eq!((same.shared_queue_count.get(), same.deprecated_names.len()), (7, 1));
    assert_eq!(
        problem_of(&[("FOREBAY_LANES", "7"), ("FOREBAY_SHARED_QUEUES", "8")]),
        "FOREBAY_LANES (--lanes) is \"7\": FOREBAY_SHARED_QUEUES is set too, with another value: remove FOREBAY_LANES, which is deprecated"
    );
}

#[test]
fn a_wrong_value_is_reported_under_the_name_that_gave_it() {
    assert_eq!(problem("FOREBAY_LANES", "0"), "FOREBAY_LANES (--lanes) is \"0\": write a whole number from 1 to 64");
}

/// A file with this text.
fn file(name: &str, text: &str) -> String {
    let path = std::env::temp_dir().join(format!("forebay-settings-{}-{name}", std::process::id()));
    std::fs::write(&path, text).unwrap();
    path.to_str().unwrap().to_owned()
}

#[test]
fn every_secret_setting_may_be_in_a_file() {
    let url = file("url", "amqp://guest:hunter2@127.0.0.1:5672/%2f\r\n");
    let key = file("key", "0123456789abcdef0123456789abcdef");
    let settings = read(&[("FOREBAY_AMQP_URL_FILE", &url), ("FOREBAY_SECRET_KEY_FILE", &key)]).unwrap();
    assert_eq!(settings.amqp_url.nodes()[0].authority.userinfo.password, "hunter2");
    assert_eq!(settings.secret_key, Some("0123456789abcdef0123456789abcdef".parse().unwrap()));
    for doc in SETTINGS.iter().filter(|doc| doc.secret) {
        let file = doc.file.unwrap();
        let error = problem(file.env, "/nowhere/at/all");
        assert!(error.contains(&format!("--{}", file.flag)) && error.contains("cannot be read"), "{error}");
    }
}

#[test]
fn a_file_of_a_secret_is_never_repeated_and_excludes_the_value_itself() {
    let key = file("both", "hunter2hunter2hunter2hunter2hunter2");
    let error = read(&[("FOREBAY_SECRET_KEY_FILE", &key), ("FOREBAY_SECRET_KEY", "hunter3")]).unwrap_err().to_string();
    assert!(error.contains("FOREBAY_SECRET_KEY is set too") && !error.contains("hunter"), "{error}");
    let broken = file("broken", "hunter2");
    let error = problem_of(&[("FOREBAY_DATABASE_URL_FILE", &broken)]);
    assert!(error.contains("FOREBAY_DATABASE_URL (") && !error.contains("hunter"), "{error}");
    assert!(problem("FOREBAY_SECRET_KEY_FILE", &file("empty", "\n")).contains("is empty"));
}

fn problem_of(pairs: &[(&str, &str)]) -> String {
    read(pairs).unwrap_err().to_string()
}

#[test]
fn trusted_proxies_are_addresses_and_networks_and_nobody_without() {
    assert_eq!(read(&[]).unwrap().trusted_proxies, TrustedProxies::default());
    assert_eq!(read(&[("FOREBAY_TRUSTED_PROXIES", "10.0.0.1, ::1/128")]).unwrap().trusted_proxies.to_string(), "10.0.0.1/32,::1/128");
    assert!(problem("FOREBAY_TRUSTED_PROXIES", "all").contains("'all' is neither an address nor a network"));
}
