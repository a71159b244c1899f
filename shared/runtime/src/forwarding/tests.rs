use super::*;
use proptest::prelude::*;

const PROXY: &str = "10.0.0.1";

fn client_of(proxies: &str, peer: &str, headers: &[(&'static str, &str)]) -> Client {
    let proxies = TrustedProxies::parse(proxies).unwrap();
    let values = |name: &'static str| headers.iter().filter(|(header, _)| *header == name).map(|(_, value)| value.as_bytes()).collect();
    proxies.client(Some(peer.parse().unwrap()), false, values)
}

fn address(proxies: &str, peer: &str, headers: &[(&'static str, &str)]) -> String {
    client_of(proxies, peer, headers).address.unwrap().to_string()
}

#[test]
fn the_right_most_hop_that_is_no_trusted_proxy_is_the_client() {
    let trusted = "10.0.0.0/8, 2001:db8::/32";
    let for_ = |text| [("x-forwarded-for", text)];
    for (header, expected) in [
        ("203.0.113.7", "203.0.113.7"),
        ("198.51.100.1, 203.0.113.7", "203.0.113.7"),
        ("198.51.100.1, 203.0.113.7, 10.2.3.4", "203.0.113.7"),
        ("203.0.113.7:4711", "203.0.113.7"),
        ("2001:db9::1", "2001:db9::1"),
        ("[2001:db9::1]:80", "2001:db9::1"),
        ("::ffff:203.0.113.7", "203.0.113.7"),
        ("10.9.9.9", "10.9.9.9"),
        ("unknown", PROXY),
        ("203.0.113.7, unknown", PROXY),
        ("203.0.113.7, ", PROXY),
        ("", PROXY),
    ] {
        assert_eq!(address(trusted, PROXY, &for_(header)), expected, "{header:?}");
    }
    let two_lines = [("x-forwarded-for", "198.51.100.1"), ("x-forwarded-for", "203.0.113.7")];
    assert_eq!(address(trusted, PROXY, &two_lines), "203.0.113.7");
}

#[test]
fn forwarded_says_the_same_with_scheme_and_host() {
    let header = [(
        "forwarded",
        r#"for=198.51.100.1;proto=http, For="[2001:db9::1]:4711";Proto=HTTPS;host="forebay.example:8443";by=_x, for=10.2.3.4"#,
    )];
    let client = client_of("10.0.0.0/8", PROXY, &header);
    assert_eq!(client.address.unwrap().to_string(), "2001:db9::1");
    assert_eq!((client.is_https, client.host.as_deref()), (true, Some("forebay.example:8443")));
}

#[test]
fn nothing_counts_that_comes_from_an_address_that_is_not_listed() {
    let headers = [
        ("forwarded", "for=203.0.113.7;proto=https;host=evil.example"),
        ("x-forwarded-for", "203.0.113.7"),
        ("x-forwarded-proto", "https"),
        ("x-forwarded-host", "evil.example"),
    ];
    for proxies in ["", "10.0.0.2", "10.0.0.0/31,::1"] {
        let peer = "10.0.0.9";
        let direct = Client { address: Some(peer.parse().unwrap()), is_https: false, host: None };
        for headers in [&headers[..], &headers[..1], &headers[1..], &headers[2..]] {
            assert_eq!(client_of(proxies, peer, headers), direct, "{proxies} {headers:?}");
        }
    }
    assert!(client_of(PROXY, PROXY, &headers).is_https);
}

#[test]
fn a_header_that_a_client_may_have_added_to_the_proxys_own_counts_for_nothing() {
    let both = |forwarded| [("forwarded", forwarded), ("x-forwarded-for", "203.0.113.7"), ("x-forwarded-proto", "https")];
    assert_eq!(address(PROXY, PROXY, &both("for=1.2.3.4")), PROXY, "they disagree");
    assert_eq!(address(PROXY, PROXY, &both("for=203.0.113.7")), "203.0.113.7");
    // The client begins a quoted text, so that the proxy's own part would be within it.
    for forwarded in
        [r#"for="1.2.3.4, for=203.0.113.7"#, r#"for=1.2.3.4;by=", for="[2001:db9::1]:80""#, "for=1.2.3.4;for=5.6.7.8", "for", "for=a b"]
    {
        assert_eq!(address(PROXY, PROXY, &[("forwarded", forwarded)]), PROXY, "{forwarded}");
    }
}

#[test]
fn addresses_and_networks_are_read_and_anything_else_is_refused() {
    let proxies = TrustedProxies::parse(" 10.1.2.3/8 ,192.0.2.1,, ::1,::ffff:172.16.0.0/108").unwrap();
    assert_eq!(proxies.to_string(), "10.0.0.0/8,192.0.2.1/32,::1/128,172.16.0.0/12");
    assert!(TrustedProxies::parse("10.0.0.1,proxy.example").unwrap_err().contains("'proxy.example'"));
    assert!(TrustedProxies::parse("10.0.0.0/33").is_err());
}

fn any_address() -> impl Strategy<Value = IpAddr> {
    prop_oneof![any::<[u8; 4]>().prop_map(IpAddr::from), any::<[u16; 8]>().prop_map(IpAddr::from)]
        .prop_map(|address| address.to_canonical())
}

fn node(address: IpAddr) -> String {
    match address {
        IpAddr::V4(address) => address.to_string(),
        IpAddr::V6(address) => format!("\"[{address}]\""),
    }
}

proptest! {
    #[test]
    fn headers_of_a_client_never_change_the_address_that_the_proxy_gives(client in any_address(), written in "[ -~]{0,60}", lines in any::<bool>()) {
        let proxies = TrustedProxies::parse(PROXY).unwrap();
        let peer: IpAddr = PROXY.parse().unwrap();
        prop_assume!(client != peer);
        for (name, added) in [("forwarded", format!("for={}", node(client))), ("x-forwarded-for", client.to_string())] {
            let values: Vec<String> = if lines { vec![written.clone(), added] } else { vec![format!("{written}, {added}")] };
            let found = proxies.client(Some(peer), false, |requested| if requested == name { values.iter().map(String::as_bytes).collect() } else { Vec::new() });
            // Either the address that the proxy has seen, or the proxy itself where what the client wrote cannot be read.
            prop_assert!(found.address == Some(client) || found.address == Some(peer), "{found:?} of {values:?}");
            prop_assert!(name == "forwarded" || found.address == Some(client));
        }
    }

    #[test]
    fn any_bytes_are_read_without_a_panic(lines in prop::collection::vec(prop::collection::vec(any::<u8>(), 0..80), 0..4)) {
        let lines: Vec<&[u8]> = lines.iter().map(Vec::as_slice).collect();
        let proxies = TrustedProxies::parse("0.0.0.0/0,::/0").unwrap();
        let _ = proxies.client(Some(PROXY.parse().unwrap()), true, |_| lines.clone());
    }

    #[test]
    fn every_address_is_read_back_from_its_usual_forms(client in any_address(), port in any::<u16>()) {
        prop_assume!(client != PROXY.parse::<IpAddr>().unwrap());
        let quoted = match client {
            IpAddr::V4(address) => format!("\"{address}:{port}\""),
            IpAddr::V6(address) => format!("\"[{address}]:{port}\""),
        };
        for value in [format!("for={}", node(client)), format!("proto=https;FOR={quoted}")] {
            prop_assert_eq!(address(PROXY, PROXY, &[("forwarded", &value)]), client.to_string());
        }
        prop_assert_eq!(address(PROXY, PROXY, &[("x-forwarded-for", quoted.trim_matches('"'))]), client.to_string());
    }
}
