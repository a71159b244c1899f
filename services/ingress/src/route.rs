//! The route table: what a path means.
//!
//! | path | meaning |
//! |---|---|
//! | `/{tenant}/{name}` | a call of the integration |
//! | `/{tenant}/{name}/executions/{id}` | the outcome of one execution |

use percent_encoding::percent_decode_str;

/// What a path asks for. Segments are percent-decoded, so `/t/Create%57orkOrder` is `/t/CreateWorkOrder` (RFC 3986, section 6.2.2.2).
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Route {
    /// A call.
    Call {
        /// The tenant.
        tenant: String,
        /// The integration.
        name: String,
    },
    /// One execution's outcome.
    Execution {
        /// The tenant.
        tenant: String,
        /// The integration.
        name: String,
        /// The id as it was sent.
        id: String,
    },
}

impl Route {
    /// `None` for a path that is in no row of the table.
    pub(crate) fn of(path: &str) -> Option<Self> {
        let mut segments = path.strip_prefix('/')?.split('/').map(decoded);
        let (tenant, name) = (segments.next()??, segments.next()??);
        let Some(third) = segments.next() else { return Some(Self::Call { tenant, name }) };
        let (id, end) = (segments.next()??, segments.next());
        if third?.as_str() != "executions" || end.is_some() {
            return None;
        }
        Some(Self::Execution { tenant, name, id })
    }
}

fn decoded(segment: &str) -> Option<String> {
    Some(percent_decode_str(segment).decode_utf8().ok()?.into_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn paths_mean_what_the_table_says() {
        let call = |tenant: &str, name: &str| Some(Route::Call { tenant: tenant.into(), name: name.into() });
        let execution = |id: &str| Some(Route::Execution { tenant: "t".into(), name: "n".into(), id: id.into() });
        let cases = [
            ("/t37ed/CreateWorkOrder", call("t37ed", "CreateWorkOrder")),
            ("/t37ed/Create%57orkOrder", call("t37ed", "CreateWorkOrder")),
            ("/t/a%2Fb", call("t", "a/b")),
            ("/t/n/", None),
            ("/t/n/executions/abc", execution("abc")),
            ("/t/n/executions", None),
            ("/t/n/executions/a/b", None),
            ("/t/n/other/a", None),
            ("/t", None),
            ("/", None),
            ("*", None),
            ("/t/%FF", None),
            ("//t/n", None),
        ];
        for (path, route) in cases {
            assert_eq!(Route::of(path), route, "{path}");
        }
    }
}
