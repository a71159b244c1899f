//! The proxy that other suites put in front of the broker and the database.

use forebay_tests::{Proxy, Way};
use std::time::Duration;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};

async fn connected() -> (Proxy, TcpStream, TcpStream) {
    let server = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let proxy = Proxy::start(&format!("tcp://user@{}/", server.local_addr().unwrap())).await.unwrap();
    let address = proxy.url.strip_prefix("tcp://user@").unwrap().trim_end_matches('/');
    let client = TcpStream::connect(address).await.unwrap();
    (proxy, client, server.accept().await.unwrap().0)
}

#[tokio::test]
async fn bytes_pass_except_while_they_are_held_back() {
    let (proxy, mut client, mut server) = connected().await;
    let mut byte = [0];
    let stays_away = async |end: &mut TcpStream| tokio::time::timeout(Duration::from_millis(100), end.read(&mut [0])).await.is_err();
    for way in [Way::Deaf, Way::Shut] {
        client.write_all(b"a").await.unwrap();
        server.read_exact(&mut byte).await.unwrap();
        proxy.set(way);
        client.write_all(b"b").await.unwrap();
        server.write_all(b"c").await.unwrap();
        assert_eq!(stays_away(&mut server).await, way == Way::Shut, "{way:?}");
        assert!(stays_away(&mut client).await, "{way:?}");
        proxy.set(Way::Open);
        client.read_exact(&mut byte).await.unwrap();
        assert_eq!(byte, *b"c");
    }
    server.read_exact(&mut byte).await.unwrap();
    assert_eq!(byte, *b"b");
    assert_eq!(proxy.connections(), 1);
}

#[tokio::test]
async fn a_cut_closes_both_ends_and_loses_what_was_held_back() {
    let (proxy, mut client, mut server) = connected().await;
    proxy.set(Way::Shut);
    client.write_all(b"a").await.unwrap();
    proxy.set(Way::Cut);
    proxy.set(Way::Open);
    let mut rest = Vec::new();
    server.read_to_end(&mut rest).await.unwrap();
    assert_eq!(rest, b"");
    assert_eq!(client.read(&mut [0]).await.unwrap_or(0), 0);
}
