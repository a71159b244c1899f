//! The route table: the endpoint of each path.
//!
//! | path | meaning |
//! |---|---|
//! | `/{tenant}`, `/{tenant}/` | the readable page of the tenant's endpoints |
//! | `/{tenant}/openapi.json` | the same for programs; no name has a dot |
//! | `/{tenant}/{name}` | a call of the integration |
//! | `/{tenant}/{name}/executions/{id}` | the outcome of one execution |

use crate::documents::Kind;
use percent_encoding::percent_decode_str;

/// The request of a path. Segments are percent-decoded, so `/t/Create%57orkOrder` is `/t/CreateWorkOrder` (RFC 3986, section 6.2.2.2).
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Route {
    /// A call.
    Call {
        /// The tenant.
        tenant: String,
        /// The integration.
        name: String,
    },
    /// A request for a tenant's endpoints.
    Documents {
        /// The tenant.
        tenant: String,
        /// The form of the document.
        kind: Kind,
    },
    /// A request for an execution's outcome.
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
    /// Returns the route; `None` for a path that is in no row of the table.
    pub(crate) fn of(path: &str) -> Option<Self> {
        let mut segments = path.strip_prefix('/')?.split('/').map(decoded);
        let tenant = segments.next()??;
        let Some(name) = segments.next() else { return page(tenant) };
        let name = name?;
        let Some(third) = segments.next() else {
            return match name.as_str() {
                "" => page(tenant),
                "openapi.json" => Some(Self::Documents { tenant, kind: Kind::OpenApi }),
                _ => Some(Self::Call { tenant, name }),
            };
        };
        let (id, end) = (segments.next()??, segments.next());
        if third?.as_str() != "executions" || end.is_some() {
            return None;
        }
        Some(Self::Execution { tenant, name, id })
    }
}

fn page(tenant: String) -> Option<Route> {
    (!tenant.is_empty()).then_some(Route::Documents { tenant, kind: Kind::Page })
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
        let documents = |kind| Some(Route::Documents { tenant: "t".into(), kind });
        let cases = [
            ("/t37ed/CreateWorkOrder", call("t37ed", "CreateWorkOrder")),
            ("/t37ed/Create%57orkOrder", call("t37ed", "CreateWorkOrder")),
            ("/t/a%2Fb", call("t", "a/b")),
            ("/t/n/", None),
            ("/t/n/executions/abc", execution("abc")),
            ("/t/n/executions", None),
            ("/t/n/executions/a/b", None),
            ("/t/n/other/a", None),
            ("/t", documents(Kind::Page)),
            ("/t/", documents(Kind::Page)),
            ("/t/openapi.json", documents(Kind::OpenApi)),
            ("/t/openapi.json/", None),
            ("//", None),
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
