//! The address at which a trace is shown.

/// Stands for the id of a trace.
const ID: &str = "{trace}";

/// An address with a place for the id of a trace; scheme `http` or `https`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TraceUrl(String);

impl TraceUrl {
    pub(super) fn parse(text: &str) -> Result<Self, String> {
        let is_address = text.starts_with("http://") || text.starts_with("https://");
        match is_address && text.contains(ID) {
            true => Ok(Self(text.to_owned())),
            false => Err("write an address with {trace} in it, such as https://jaeger.example/trace/{trace}".to_owned()),
        }
    }

    /// Returns the address of a trace. `id`: 32 hexadecimal digits.
    #[must_use]
    pub fn of(&self, id: &str) -> String {
        self.0.replace(ID, id)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_id_of_a_trace_is_put_into_the_address() {
        assert_eq!(
            TraceUrl::parse("https://jaeger.example/trace/{trace}?x={trace}").unwrap().of("ab"),
            "https://jaeger.example/trace/ab?x=ab"
        );
        for text in ["https://jaeger.example/trace/", "jaeger.example/{trace}"] {
            assert!(TraceUrl::parse(text).unwrap_err().contains("{trace}"), "{text}");
        }
    }
}
