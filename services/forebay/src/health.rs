//! Checks if a running process is ready, for the health check of a container, which has no other client.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};
use std::time::Duration;

use serde_json::Value;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;

use crate::error::Error;
use crate::output::Output;

const TIMEOUT: Duration = Duration::from_secs(2);

/// `forebay health`.
pub(crate) async fn health(output: &Output, management: SocketAddr) -> Result<(), Error> {
    let address = reachable(management);
    let response = match tokio::time::timeout(TIMEOUT, request(address)).await {
        Ok(Ok(response)) => response,
        Ok(Err(source)) => return Err(Error::Io { doing: format!("no response from http://{address}/readyz"), source }),
        Err(_) => return Err(Error::Failed(format!("no response from http://{address}/readyz within {} s", TIMEOUT.as_secs()))),
    };
    let (head, body) = response.split_once("\r\n\r\n").unwrap_or((&response, ""));
    let ready = head.split(' ').nth(1) == Some("200");
    let report: Value = serde_json::from_str(body).unwrap_or_default();
    output.one(&lines(&report), &report)?;
    if ready { Ok(()) } else { Err(Error::Failed("not ready".to_owned())) }
}

async fn request(address: SocketAddr) -> std::io::Result<String> {
    let mut stream = TcpStream::connect(address).await?;
    let request = format!("GET /readyz HTTP/1.1\r\nhost: {address}\r\nconnection: close\r\n\r\n");
    stream.write_all(request.as_bytes()).await?;
    let mut response = String::new();
    stream.read_to_string(&mut response).await?;
    Ok(response)
}

fn lines(report: &Value) -> String {
    let mut text = report["status"].as_str().unwrap_or("unknown").to_owned();
    for check in report["checks"].as_array().into_iter().flatten() {
        let state = if check["ok"] == true { "ok" } else { "not ok" };
        let (name, detail) = (check["name"].as_str().unwrap_or_default(), check["detail"].as_str().unwrap_or_default());
        text.push_str(&format!("\n  {name}: {state} ({detail})"));
    }
    text
}

/// Returns the address at which this machine reaches a listener on all of its addresses.
pub(crate) fn reachable(listen: SocketAddr) -> SocketAddr {
    let ip = match listen.ip() {
        IpAddr::V4(ip) if ip.is_unspecified() => Ipv4Addr::LOCALHOST.into(),
        IpAddr::V6(ip) if ip.is_unspecified() => Ipv6Addr::LOCALHOST.into(),
        ip => ip,
    };
    SocketAddr::new(ip, listen.port())
}
