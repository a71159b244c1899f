//! The HTML page of a tenant's endpoints, without scripts, fonts or images.

use super::answers::answers;
use super::endpoint::Endpoint;
use super::openapi::rule_text;
use forebay_contract::authentication::Instruction;
use forebay_contract::definition::{IdempotencyMatch, QueryKind, QueryParameter};
use forebay_contract::format_duration;
use forebay_mapping::html_escaped;
use percent_encoding::{NON_ALPHANUMERIC, utf8_percent_encode};

/// Placeholder of scheme, host and port until the page is sent. No definition can contain it: a NUL in a text is replaced.
pub(super) const ORIGIN: &str = "\0origin\0";

/// The style of the page. Its hash is in the Content-Security-Policy.
pub(super) const STYLE: &str = "
:root { color-scheme: light dark; --line: #8886; --soft: #8881; }
body { font: 16px/1.5 system-ui, sans-serif; margin: 0 auto; max-width: 56rem; padding: 1rem; overflow-wrap: anywhere; }
h1 { margin: 1rem 0 .5rem; } h2 { border-top: 1px solid var(--line); margin-top: 2.5rem; padding-top: 1rem; } h3 { margin-bottom: .25rem; }
code, pre { font: .875rem/1.5 ui-monospace, monospace; }
pre { background: var(--soft); border-radius: .4rem; overflow-x: auto; padding: .75rem; }
.table { overflow-x: auto; } table { border-collapse: collapse; } th, td { border-bottom: 1px solid var(--line); padding: .3rem .8rem .3rem 0; text-align: left; vertical-align: top; }
";

/// Returns the whole page, with [`ORIGIN`] instead of the address of this installation.
pub(super) fn page(tenant: &str, endpoints: &[Endpoint<'_>]) -> String {
    let name = escaped(tenant);
    let mut html = format!(
        "<!doctype html>\n<html lang=\"en\"><head><meta charset=\"utf-8\"><meta name=\"viewport\" content=\"width=device-width, initial-scale=1\">\
         <title>{name}</title><style>{STYLE}</style></head><body>\n<h1>{name}</h1>\n\
         <p>The same for programs: <a href=\"/{name}/openapi.json\">openapi.json</a> (OpenAPI 3.1).</p>\n"
    );
    if endpoints.iter().any(|endpoint| endpoint.webhook.authentication.needs_key()) {
        html.push_str("<p>An API key travels as <code>X-API-Key: KEY</code> or <code>Authorization: Bearer KEY</code>.</p>\n");
    }
    if endpoints.is_empty() {
        html.push_str("<p>There is no endpoint that accepts calls.</p>\n");
    } else {
        html.push_str("<ul>\n");
        for Endpoint { definition, .. } in endpoints {
            html.push_str(&format!("<li><a href=\"#{0}\">{0}</a></li>\n", escaped(definition.name.as_str())));
        }
        html.push_str("</ul>\n");
    }
    for endpoint in endpoints {
        section(&mut html, tenant, *endpoint);
    }
    html.push_str("</body></html>\n");
    html
}

fn section(html: &mut String, tenant: &str, endpoint: Endpoint<'_>) {
    let Endpoint { definition, webhook, .. } = endpoint;
    let name = escaped(definition.name.as_str());
    let methods: Vec<&str> = webhook.methods.iter().map(|method| method.as_str()).collect();
    html.push_str(&format!("<h2 id=\"{name}\">{name}</h2>\n"));
    if !definition.description.is_empty() {
        html.push_str(&format!("<p>{}</p>\n", escaped(&definition.description)));
    }
    html.push_str(&format!("<p><code>{} /{}/{name}</code></p>\n<ul>\n", methods.join(" | "), escaped(tenant)));
    let Instruction { text, header } = webhook.authentication.instruction();
    let header = header.map(|header| format!(": <code>{}</code>", escaped(&header))).unwrap_or_default();
    html.push_str(&format!("<li>{}{header}.</li>\n", escaped(&text)));
    let when = match webhook.response {
        None => "Responds with 202 when the call is stored; the outcome is at <code>Location</code>.".to_owned(),
        Some(response) => format!("Waits at most {} for the outcome.", format_duration(response.wait)),
    };
    html.push_str(&format!("<li>{when}</li>\n"));
    if webhook.policy.is_ordered() {
        html.push_str("<li>Calls are executed in the order of their receipt.</li>\n");
    }
    if let Some(rate) = webhook.rate {
        html.push_str(&format!("<li>Accepts {}; further calls get 429 and <code>Retry-After</code>.</li>\n", escaped(&rate.to_string())));
    }
    let repeated = match (&webhook.idempotency.key, webhook.idempotency.matched_by) {
        (None, IdempotencyMatch::Request) => "<code>Idempotency-Key: TEXT</code> makes it safe to send a call again.",
        (None, IdempotencyMatch::Key) => {
            "<code>Idempotency-Key: TEXT</code> makes it safe to send a call again: of all calls with the same key, also with different requests, one is executed."
        }
        (Some(_), IdempotencyMatch::Request) => {
            "The idempotency key is a part of the call: a call that is sent again is not executed again."
        }
        (Some(_), IdempotencyMatch::Key) => {
            "The idempotency key is a part of the call: of all calls with the same key, also with different requests, one is executed."
        }
    };
    html.push_str(&format!("<li>{repeated}</li>\n</ul>\n"));
    parameters(html, &webhook.query);
    if methods.iter().any(|method| *method != "GET") {
        html.push_str(&format!("<h3>Body</h3>\n<p>At most {} bytes.</p>\n", endpoint.max_bytes));
        if let Some(rule) = rule_text(&webhook.body) {
            html.push_str(&format!("<p>{}</p>\n", escaped(&rule)));
        }
        if let Some(schema) = &webhook.schema {
            let what = if webhook.body.content_type().is_some() {
                "A body that fits this schema after it is read"
            } else {
                "JSON that fits this schema"
            };
            html.push_str(&format!("<p>{what}:</p>\n<pre>{}</pre>\n", escaped(&format!("{schema:#}"))));
        }
    }
    html.push_str(&format!("<h3>Example</h3>\n<pre>{}</pre>\n", curl(tenant, endpoint)));
    html.push_str("<h3>Responses</h3>\n<div class=\"table\"><table>\n");
    for answer in answers(endpoint) {
        html.push_str(&format!("<tr><td><code>{}</code></td><td>{}</td></tr>\n", escaped(&answer.status), escaped(&answer.meaning)));
    }
    html.push_str("</table></div>\n");
}

fn parameters(html: &mut String, parameters: &[QueryParameter]) {
    if parameters.is_empty() {
        return;
    }
    html.push_str("<h3>Query parameters</h3>\n<div class=\"table\"><table>\n<tr><th>Name</th><th>Type</th><th></th><th></th></tr>\n");
    for parameter in parameters {
        let default = parameter.default.as_ref().map(|value| format!("default {value}"));
        let presence = default.unwrap_or_else(|| if parameter.required { "required" } else { "optional" }.to_owned());
        html.push_str(&format!(
            "<tr><td><code>{}</code></td><td>{}</td><td>{}</td><td>{}</td></tr>\n",
            escaped(&parameter.name),
            parameter.kind.as_str(),
            escaped(&presence),
            escaped(&parameter.description)
        ));
    }
    html.push_str("</table></div>\n");
}

/// Returns a `curl` command to paste into a shell, as HTML.
fn curl(tenant: &str, endpoint: Endpoint<'_>) -> String {
    let webhook = endpoint.webhook;
    let method = webhook.methods.iter().find(|method| method.as_str() == "POST").or(webhook.methods.first());
    let method = method.map_or("GET", |method| method.as_str());
    let query: Vec<String> = webhook.query.iter().filter(|parameter| parameter.required).map(example).collect();
    let query = if query.is_empty() { String::new() } else { format!("?{}", query.join("&")) };
    let mut line = format!("curl -i '{ORIGIN}/{}/{}{}'", escaped(tenant), escaped(endpoint.definition.name.as_str()), escaped(&query));
    if method != "GET" && method != "POST" {
        line.push_str(&format!(" -X {method}"));
    }
    if let Some(header) = webhook.authentication.example() {
        line.push_str(&format!(" -H '{}'", escaped(&header)));
    }
    if method != "GET" && method != "DELETE" {
        match webhook.body.content_type() {
            None => line.push_str(" -H 'Content-Type: application/json' -d '{}'"),
            Some(content_type) => {
                let quoted = content_type.replace('\'', r"'\''");
                line.push_str(&format!(" -H 'Content-Type: {}' --data-binary @FILE", escaped(&quoted)));
            }
        }
    }
    line
}

/// Returns an example of the parameter, percent-encoded, so that no name ends the quotes of the shell.
fn example(parameter: &QueryParameter) -> String {
    let value = match parameter.kind {
        QueryKind::String => "TEXT",
        QueryKind::Integer => "1",
        QueryKind::Number => "1.5",
        QueryKind::Boolean => "true",
    };
    format!("{}={value}", utf8_percent_encode(&parameter.name, NON_ALPHANUMERIC))
}

/// Escapes a text for HTML. A NUL is replaced, since it marks the place of the origin.
fn escaped(text: &str) -> String {
    html_escaped(text).replace('\0', "\u{fffd}")
}

#[cfg(test)]
mod tests {
    use super::*;
    use forebay_contract::definition::Definition;

    fn page_of(yaml: &str) -> String {
        let document = forebay_contract::definition::documents(yaml).unwrap().remove(0);
        let definition = Definition::from_stored(&document).unwrap();
        let webhook = definition.trigger.webhook().unwrap();
        page("t1", &[Endpoint { definition: &definition, webhook, version: 1, max_bytes: 1000 }])
    }

    #[test]
    fn nothing_that_a_definition_says_leaves_its_place_in_the_page() {
        let html = page_of(
            "tenant: t1\nname: a\ndescription: \"<script>alert(1)</script>\\0origin\\0\"\ntrigger: { webhook: { methods: [POST], query: {
               \"'; rm -rf / #<b>\": { required: true, description: '<i>' }, q: { default: '\"><img>' } },
               body: { schema: { title: '</pre><script>' } } } }\n",
        );
        for inside in ["<script", "<b>", "<i>", "<img", "'; rm", "</pre><script"] {
            assert!(!html.contains(inside), "{inside}\n{html}");
        }
        assert!(html.contains("&lt;script&gt;alert(1)&lt;/script&gt;\u{fffd}origin\u{fffd}"), "{html}");
        assert_eq!(html.matches(ORIGIN).count(), 1);
    }

    #[test]
    fn a_call_is_shown_as_a_line_for_the_shell() {
        let html =
            page_of("tenant: t1\nname: a\ntrigger: { webhook: { methods: [GET], query: { id: { type: integer, required: true } } } }\n");
        assert!(html.contains("<pre>curl -i '\0origin\0/t1/a?id=1' -H 'X-API-Key: KEY'</pre>"), "{html}");
        let html = page_of("tenant: t1\nname: a\ntrigger: { webhook: { methods: [PUT], authentication: none } }\n");
        assert!(html.contains("/t1/a' -X PUT -H 'Content-Type: application/json' -d '{}'</pre>"), "{html}");
        let html = page_of("tenant: t1\nname: a\ntrigger: { webhook: { methods: [POST], body: { content_type: text/csv } } }\n");
        assert!(html.contains("-H 'Content-Type: text/csv' --data-binary @FILE</pre>"), "{html}");
        assert!(html.contains("<p>It is read as text/csv; the Content-Type of the call is ignored.</p>"), "{html}");
    }
}
