//! Mappings: jq programs, compiled once and run with hard limits.
//!
//! A program must not stop or delay the process (invariant 4 of the design), so each run has a deadline, a memory limit, a stack limit, and
//! can be cancelled: see [`Limits`]. Programs can only access their input: no files, no environment, no output.
//!
//! - A [`Mapping`] is a program; it returns one [`Value`].
//! - A [`Template`] is text with programs inside: `/orders/${ .input.id }`.
//!
//! A thread that runs mappings has [`STACK_BYTES`] of stack (or uses [`Limits::inline`]), and the binary sets the
//! [`CountingAllocator`](forebay_fairness::CountingAllocator).

mod alternatives;
pub mod body;
#[cfg(test)]
mod body_documentation;
mod deletion;
mod error;
pub mod failure;
mod format;
mod functions;
pub mod header;
mod library;
mod limits;
mod locate;
mod meter;
mod natives;
mod objects;
mod paced;
mod patterns;
pub mod payload;
mod program;
mod rewrite;
mod scan;
mod shape;
mod template;
mod value;
mod walk;
pub mod weight;

pub use error::{CompileError, MappingError};
pub use forebay_fairness::STACK_BYTES;
pub use limits::{Limits, MAX_DEPTH};
pub use locate::Located;
pub(crate) use meter::{metered, reserve, tick};
pub use paced::{Budget, Paced};
pub use program::Mapping;
pub use shape::MAX_SOURCE_BYTES;
pub use template::{Encoding, Piece, Template, html_escaped};
pub(crate) use value::Text;
pub use value::{ParseError, Value, parse_json, to_json};

#[cfg(test)]
mod tests;
