//! TLS 1.2 and 1.3 by rustls with ring: what a server shows, and which servers a client trusts.

mod client;
mod failure;
mod pem;
mod server;
mod untrusted;

pub use client::{Check, Trust, Trusted, authorities_as_pem, client_config};
pub use failure::TlsFailure;
pub use pem::TlsError;
pub use server::server_config;
pub use untrusted::{Remedy, Untrusted};
