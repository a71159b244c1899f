//! The address of an `http` step: a template that is checked to be an address as far as possible before it is rendered.

use forebay_contract::outcome::{ErrorCode, ExecutionError};
use forebay_mapping::{Encoding, Limits, MappingError, Template, Value};
use percent_encoding::{AsciiSet, NON_ALPHANUMERIC, utf8_percent_encode};
use reqwest::Url;

/// All characters except the unreserved ones of RFC 3986.
const RESERVED: &AsciiSet = &NON_ALPHANUMERIC.remove(b'-').remove(b'.').remove(b'_').remove(b'~');

const NOT_HTTP: &str = "must start with http:// or https://";
const CREDENTIALS: &str = "must hold no credentials; send them in a header";

pub(crate) struct UrlTemplate(Template);

impl UrlTemplate {
    /// Compiles the template; the error is for the author and contains no secrets.
    pub(crate) fn compile(source: &str) -> Result<Self, String> {
        let template = Template::compile(source, Encoding::Url).map_err(|error| error.to_string())?;
        let text = template.with_ones();
        if text.contains('#') {
            return Err("must not hold a fragment (#); it is never sent".to_owned());
        }
        if !template.starts_with_expression() {
            check(&text)?;
        }
        Ok(Self(template))
    }

    pub(crate) fn render(&self, context: &Value, limits: &Limits) -> Result<String, MappingError> {
        self.0.render(context, limits)
    }
}

/// The path of a call through a connection, with its query.
pub(crate) struct PathTemplate(UrlTemplate);

/// Placeholder of the connection's address while a path is compiled and rendered, so that each value is encoded for its place.
const BASE: &str = "http://connection/";

impl PathTemplate {
    /// Compiles the template, see [`UrlTemplate::compile`].
    pub(crate) fn compile(source: &str) -> Result<Self, String> {
        UrlTemplate::compile(&format!("{BASE}{}", source.trim_start_matches('/'))).map(Self)
    }

    /// Returns path and query without a leading slash.
    pub(crate) fn render(&self, context: &Value, limits: &Limits) -> Result<String, MappingError> {
        let address = self.0.render(context, limits)?;
        Ok(address.strip_prefix(BASE).unwrap_or_default().to_owned())
    }
}

/// Returns an address below that of a connection.
pub(crate) fn under(base: &str, path: &str) -> Result<Url, ExecutionError> {
    if path.is_empty() {
        return parse(base);
    }
    parse(&format!("{}/{path}", base.trim_end_matches('/')))
}

/// Parses the result of a template.
pub(crate) fn parse(address: &str) -> Result<Url, ExecutionError> {
    check(address).map_err(|problem| ExecutionError::permanent(ErrorCode::Mapping, format!("url: the address {problem}")))
}

fn check(address: &str) -> Result<Url, String> {
    // The URL parser drops line breaks and tabs, so its segments could differ from those of the checks below.
    if address.chars().any(char::is_control) {
        return Err("must hold no line break or other control character".to_owned());
    }
    let lower = address.to_ascii_lowercase();
    let Some(rest) = lower.strip_prefix("https://").or_else(|| lower.strip_prefix("http://")) else {
        return Err(NOT_HTTP.to_owned());
    };
    let end = rest.find(['/', '?', '#', '\\']).unwrap_or(rest.len());
    let (authority, path) = rest.split_at(end);
    if authority.contains('@') {
        return Err(CREDENTIALS.to_owned());
    }
    // The URL parser would use the first segment of the path as the missing host.
    if authority.is_empty() {
        return Err("must name a host".to_owned());
    }
    let path = path.split(['?', '#']).next().unwrap_or_default();
    if path.split(['/', '\\']).any(|segment| matches!(segment.replace("%2e", ".").as_str(), "." | "..")) {
        return Err("must not hold the segments `.` or `..`, which lead to another path".to_owned());
    }
    let mut url = Url::parse(address).map_err(|error| format!("does not name a host and port that can be read: {error}"))?;
    if !url.username().is_empty() || url.password().is_some() {
        return Err(CREDENTIALS.to_owned());
    }
    url.set_fragment(None);
    Ok(url)
}

/// Appends a query parameter; both name and value are encoded.
pub(crate) fn add_query(url: &mut Url, name: &str, value: &str) {
    let mut query = url.query().filter(|query| !query.is_empty()).map(|query| format!("{query}&")).unwrap_or_default();
    query.extend(utf8_percent_encode(name, RESERVED));
    query.push('=');
    query.extend(utf8_percent_encode(value, RESERVED));
    url.set_query(Some(&query));
}
