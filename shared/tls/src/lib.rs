//! TLS 1.2 and 1.3 by rustls with ring: the certificate of a server, and the trust of a client.

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
