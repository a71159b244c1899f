//! Headers with credentials, which documents that are stored in clear must not contain: definitions and alert rules.

/// The names in lower case.
const CREDENTIALS: [&str; 10] = [
    "authorization",
    "proxy-authorization",
    "cookie",
    "x-api-key",
    "api-key",
    "apikey",
    "x-auth-token",
    "x-access-token",
    "x-gitlab-token",
    "private-token",
];

/// The text of the problem.
pub(crate) const STORED_IN_CLEAR: &str = "is a credential, and would be stored in clear: use an http connection, which is stored encrypted";

/// Returns whether a header is known to carry a credential.
pub(crate) fn is_credential(name: &str) -> bool {
    CREDENTIALS.iter().any(|credential| credential.eq_ignore_ascii_case(name))
}

#[cfg(test)]
mod tests {
    use crate::definition::{Definition, documents};

    #[test]
    fn a_credential_that_is_written_out_is_refused_and_one_that_the_call_brings_is_not() {
        let read = |header: &str, value: &str| {
            let yaml = format!(
                "tenant: t\nname: n\ntrigger: {{ webhook: {{}} }}\nsteps: [{{ id: a, http: {{ url: 'http://x', headers: {{ {header}: '{value}' }} }} }}]\n"
            );
            documents(&yaml).unwrap().remove(0)
        };
        for header in ["Authorization", "X-API-Key", "cookie", "PRIVATE-TOKEN"] {
            let error = Definition::from_value(&read(header, "Bearer hunter2")).unwrap_err().to_string();
            assert!(error.contains(&format!("headers.{header}: is a credential")) && !error.contains("hunter2"), "{error}");
            assert!(Definition::from_value(&read(header, "Bearer ${ .body.token }")).is_ok());
            assert!(Definition::from_stored(&read(header, "Bearer hunter2")).is_ok(), "an upgrade stops nothing");
        }
        assert!(Definition::from_value(&read("X-Site", "7")).is_ok());
    }
}
