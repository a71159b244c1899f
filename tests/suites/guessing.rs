//! Password guesses, floods and large bodies of unauthenticated callers of the console.

use crate::people::{Console, PASSWORD};
use forebay_console::{Access, routes};
use forebay_tests::Stack;
use futures_util::future::join_all;
use std::collections::BTreeMap;
use std::time::{Duration, Instant};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;

#[tokio::test(flavor = "multi_thread")]
async fn guesses_at_once_are_no_more_than_one_after_the_other_and_lock_nobody_out_elsewhere() {
    let stack = Stack::new().await;
    let dev = stack.start("dev").await;
    let console = Console::set_up(&stack, &dev).await;
    let guesses = (0..200).map(|number| {
        let console = &console;
        async move { console.sign_in("127.0.0.1", "root", &format!("wrong password {number}"), &[]).await }
    });
    let mut answers: BTreeMap<u16, usize> = BTreeMap::new();
    for answer in join_all(guesses).await {
        *answers.entry(answer.status).or_default() += 1;
        if answer.status == 429 {
            assert!(answer.header("retry-after").parse::<u64>().unwrap() >= 1 && !answer.header("retry-after").is_empty());
        }
    }
    assert_eq!(answers, BTreeMap::from([(401, 5), (429, 195)]), "five are free, whenever they come");
    let elsewhere = console.sign_in("127.0.0.2", "root", PASSWORD, &[]).await;
    assert_eq!(elsewhere.status, 303, "the owner is at another address");
    // Guesses of others do not affect a signed-in person, or a device with an earlier sign-in.
    assert_eq!(console.page("127.0.0.1", "/account", &[&console.session]).await.status, 200);
    let again = console.sign_in("127.0.0.1", "root", PASSWORD, &[&console.device]).await;
    assert_eq!(again.status, 303, "a known device");
    let other = console.sign_in("127.0.0.1", "mallory", "wrong password 1", &[&console.device]).await;
    assert_eq!(other.status, 401, "the cookie is of another account, and another account has not failed yet");
    let log = stack.log_of("dev");
    assert!(log.contains("a sign-in failed") && !log.contains("user.name=root") && !log.contains("mallory"), "names are not logged");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_flood_of_sign_ins_is_refused_and_leaves_the_console_to_those_who_are_signed_in() {
    let stack = Stack::new().await;
    let dev = stack.start("dev").await;
    let console = Console::set_up(&stack, &dev).await;
    let before = dev.resident_bytes();
    let flood = join_all((0..200).map(|number| {
        let (console, from) = (&console, format!("127.0.1.{}", number % 50));
        async move { console.sign_in(&from, &format!("nobody{number}"), "wrong password", &[]).await }
    }));
    let used = async {
        let mut slowest = Duration::ZERO;
        for _ in 0..20 {
            let begun = Instant::now();
            assert_eq!(console.page("127.0.0.2", "/account", &[&console.session]).await.status, 200);
            slowest = slowest.max(begun.elapsed());
        }
        slowest
    };
    let (answers, slowest) = tokio::join!(flood, used);
    let refused: Vec<_> = answers.iter().filter(|answer| answer.status == 503).collect();
    let checked = answers.iter().filter(|answer| answer.status == 401).count();
    assert_eq!(checked + refused.len(), 200);
    assert!(refused.len() > 100 && refused.iter().all(|answer| answer.header("retry-after") == "2"), "{} refused", refused.len());
    assert!(slowest < Duration::from_secs(3), "a page took {slowest:?}");
    let grown = dev.resident_bytes().saturating_sub(before);
    assert!(grown < 200 << 20, "{grown} bytes more");
}

#[tokio::test(flavor = "multi_thread")]
async fn nobody_who_is_not_signed_in_sends_more_than_a_few_kilobytes() {
    let stack = Stack::new().await;
    let dev = stack.start("dev").await;
    let console = Console::set_up(&stack, &dev).await;
    let (before, logged) = (dev.resident_bytes(), stack.log_of("dev").len());
    let large = format!("name={}&password=x", "n".repeat(7_500_000));
    let answers = join_all((0..60).map(|_| console.post("127.0.0.1", "/sign-in", &large, &[]))).await;
    for answer in &answers {
        assert_eq!(answer.status, 413, "{}", String::from_utf8_lossy(&answer.body));
        assert!(String::from_utf8_lossy(&answer.body).contains("more than 8192 bytes"));
    }
    assert!(dev.resident_bytes().saturating_sub(before) < 100 << 20, "{} bytes, {before} before", dev.resident_bytes());
    assert!(stack.log_of("dev").len() - logged < 100_000);

    // Any route with a body answers before it arrives, or accepts a few kilobytes of it.
    let mut faults = Vec::new();
    for route in routes().iter().filter(|route| route.method != "GET") {
        let path = route.path.replace(['{', '}'], "");
        let address = console.url.trim_start_matches("http://");
        let mut stream = TcpStream::connect(address).await.unwrap();
        let kind = if path.starts_with("/api/") { "application/json" } else { "application/x-www-form-urlencoded" };
        let head = format!(
            "{} {path} HTTP/1.1\r\nHost: {address}\r\nOrigin: http://{address}\r\nContent-Type: {kind}\r\nContent-Length: 8000000\r\n\r\n",
            route.method
        );
        stream.write_all(head.as_bytes()).await.unwrap();
        stream.write_all(&[b'x'; 100]).await.unwrap();
        let mut line = [0; 12];
        let read = tokio::time::timeout(Duration::from_secs(5), stream.read_exact(&mut line)).await;
        let status = String::from_utf8_lossy(&line[9..]).into_owned();
        let expected = match (route.access, path.as_str()) {
            // The route has no body.
            (Access::Public, "/sign-out") => "303",
            (Access::Public, _) => "413",
            _ if path.starts_with("/api/") => "401",
            _ => "303",
        };
        if read.is_err() || status != expected {
            faults.push(format!("{} {path}: {status}, {read:?}", route.method));
        }
    }
    assert!(faults.is_empty(), "{}", faults.join("\n"));
}

#[tokio::test(flavor = "multi_thread")]
async fn who_calls_is_told_by_trusted_proxies_alone_to_sign_in_audit_rates_and_documents() {
    let stack = Stack::new().await;
    stack
        .apply("tenant: t1\nname: open\ntrigger: { webhook: { authentication: none, rate: { calls: 2, per: 1h, scope: address } } }\n")
        .await;
    stack.command(&["tenants", "set", "t1", "--docs", "open"]).await;
    let dev = stack.start_with("dev", &[("FOREBAY_TRUSTED_PROXIES", "127.0.0.1/32")]).await;
    let console = Console::set_up(&stack, &dev).await;
    let guess = async |from: &str, client: String| {
        let request = console.request(from, "/sign-in").header("x-forwarded-for", client).body("name=root&password=wrong+password+1");
        stack.send(request).await.status
    };
    // The proxy adds the last one to those that a client writes.
    let of_one = join_all((0..10).map(|number| guess("127.0.0.1", format!("198.51.100.{number}, 203.0.113.7"))));
    let of_others =
        join_all([("127.0.0.1", "203.0.113.8"), ("127.0.0.9", "203.0.113.7")].map(|(from, client)| guess(from, client.to_owned())));
    let (of_one, of_others) = tokio::join!(of_one, of_others);
    assert_eq!(of_one.iter().filter(|status| **status == 401).count(), 5, "{of_one:?}");
    assert_eq!(of_others, [401, 401], "another client of the proxy, and an address that is no proxy");

    let lines = stack.command_json(&["audit", "list", "--action", "session.refuse"]).await;
    let mut addresses: Vec<&str> = lines.as_array().unwrap().iter().map(|line| line["address"].as_str().unwrap()).collect();
    addresses.sort_unstable();
    assert_eq!(addresses, ["127.0.0.9", "203.0.113.7", "203.0.113.7", "203.0.113.7", "203.0.113.7", "203.0.113.7", "203.0.113.8"]);

    let call = async |from: &str, client: &str| {
        let request = crate::people::client(from).post(format!("{}/t1/open", dev.url)).header("x-forwarded-for", client);
        stack.send(request).await
    };
    for (from, client) in [("127.0.0.1", "203.0.113.7"), ("127.0.0.1", "2001:db8::1"), ("127.0.0.9", "203.0.113.7")] {
        assert_eq!([call(from, client).await.status, call(from, client).await.status], [202, 202], "{from} {client}");
    }
    for (from, client) in [("127.0.0.1", "198.51.100.1, 203.0.113.7"), ("127.0.0.1", "2001:db8::2"), ("127.0.0.9", "203.0.113.8")] {
        let refused = call(from, client).await;
        let details = crate::contract::problem(&refused, 429);
        assert!(details["detail"].as_str().unwrap().contains("2 calls per 1h from each address"), "{from} {client}: {details}");
    }

    let shown = async |from: &str, host: &str| {
        let request = crate::people::client(from).get(format!("{}/t1", dev.url));
        let request = request.header("x-forwarded-proto", "https").header("x-forwarded-host", host);
        String::from_utf8_lossy(&stack.send(request).await.body).into_owned()
    };
    assert!(shown("127.0.0.1", "hooks.example").await.contains("https://hooks.example/t1/open"));
    let page = shown("127.0.0.1", "a';rm -rf /<b>").await;
    assert!(page.contains("https://HOST/t1/open") && !page.contains("rm -rf"), "it goes into a shell: {page}");
    let page = shown("127.0.0.2", "hooks.example").await;
    assert!(!page.contains("hooks.example") && page.contains(&format!("{}/t1/open", dev.url)), "{page}");
}
