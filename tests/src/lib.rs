//! Harness of the end-to-end suites: real processes of the `forebay` command, a real broker and a real database, and a remote system that
//! records the calls that it receives. Each [`Stack`] has its own database and queue prefix, so that all tests can run in parallel.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "a harness that fails has to fail the test, with the place")]

mod balancer;
mod cluster;
mod oidc;
mod proxy;
mod sftp;
mod sink;
mod smtp;
mod stack;
mod tls;

pub use balancer::Balancer;
pub use cluster::{Cluster, VirtualAddress};
pub use oidc::IdentityProvider;
pub use proxy::{Proxy, Way};
pub use sftp::FileServer;
pub use sink::{ReceivedCall, Sink};
pub use smtp::{MailServer, ReceivedMail};
pub use stack::{Answer, Process, Stack, command_path, eventually};
pub use tls::{Authority, SelfSigned, TlsFront};
