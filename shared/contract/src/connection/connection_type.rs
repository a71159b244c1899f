//! The methods of every kind of connection.

/// A kind of connection. No method has a default: a new kind does not compile until it has all of them.
pub trait ConnectionType {
    /// Returns the field of a document that selects this kind.
    fn as_str(&self) -> &'static str;

    /// Returns the fields that determine the destination of the secrets, relative to the kind, with their values.
    fn destination(&self) -> Vec<(&'static str, String)>;
}
