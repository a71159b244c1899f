//! The `email` step: renders an email and sends it.

mod recipients;

use super::{CompiledKind, Effect, StepFuture, StepKind, StepRun, TrialStep, wrong_kind};
use crate::compiler::Compiler;
use crate::execution::Scope;
use crate::flow::Done;
use crate::trial::{self, Fault, Rendering, Trial};
use data_encoding::BASE64;
use forebay_connectors::{Mail, MailFile};
use forebay_contract::Name;
use forebay_contract::connection::ConnectionKind;
use forebay_contract::definition::EmailCall;
use forebay_contract::outcome::{ErrorCode, ExecutionError};
use forebay_mapping::{Encoding, Mapping, Paced, Piece, Template, Value};
use recipients::{addresses, one_address};
use serde_json::Map;

/// A compiled `email` step.
struct EmailStep {
    connection: Name,
    from: Option<Paced<Template>>,
    to: Vec<Paced<Template>>,
    cc: Vec<Paced<Template>>,
    bcc: Vec<Paced<Template>>,
    reply_to: Option<Paced<Template>>,
    subject: Paced<Template>,
    text: Option<Paced<Template>>,
    /// The HTML text; inserted values are escaped.
    html: Option<Paced<Template>>,
    attachments: Option<Paced<Mapping>>,
}

impl StepKind for EmailCall {
    fn compile(&self, path: &str, compiler: &mut Compiler) -> Option<Box<dyn CompiledKind>> {
        let from = optional_address(compiler, &format!("{path}.from"), self.from.as_ref());
        let mut list = |field: &str, sources: &[String]| -> Vec<Paced<Template>> {
            let place = |index: usize| if sources.len() == 1 { format!("{path}.{field}") } else { format!("{path}.{field}[{index}]") };
            sources.iter().enumerate().filter_map(|(index, source)| address(compiler, &place(index), source, false)).collect()
        };
        let (to, cc, bcc) = (list("to", &self.to), list("cc", &self.cc), list("bcc", &self.bcc));
        let reply_to = optional_address(compiler, &format!("{path}.reply_to"), self.reply_to.as_ref());
        let one = Encoding::HeaderValue;
        let subject = compiler.template(&format!("{path}.subject"), &self.subject, one);
        let text = compiler.optional_template(&format!("{path}.text"), self.text.as_ref(), Encoding::Scalar);
        let html = compiler.optional_template(&format!("{path}.html"), self.html.as_ref(), Encoding::Html);
        let attachments = compiler.optional_mapping(&format!("{path}.attachments"), self.attachments.as_ref());
        Some(Box::new(EmailStep {
            connection: self.connection.clone(),
            from: from?,
            to,
            cc,
            bcc,
            reply_to: reply_to?,
            subject: subject?,
            text: text?,
            html: html?,
            attachments: attachments?,
        }))
    }

    fn run_trial(&self, step: TrialStep<'_>, scope: &mut trial::Scope, _trial: &mut Trial<'_>) -> Result<trial::Done, Fault> {
        let render = Rendering { part: step.part, scope };
        let mut request = Map::new();
        let shown = |field: &str, source: &str| -> Result<Vec<String>, Fault> {
            let part = format!("{}.{field}", step.part);
            let found = addresses(&scope.pieces(&part, source, Encoding::HeaderValue)?);
            let found = found.map_err(|problem| Fault::at(&part, source, None, problem))?;
            Ok(found.iter().map(ToString::to_string).collect())
        };
        for (field, sources) in [("to", &self.to), ("cc", &self.cc), ("bcc", &self.bcc)] {
            let mut all = Vec::new();
            for (index, source) in sources.iter().enumerate() {
                all.extend(shown(&format!("{field}[{index}]"), source)?);
            }
            request.insert(field.to_owned(), all.into());
        }
        for (field, source) in [("from", &self.from), ("reply_to", &self.reply_to)] {
            if let Some(source) = source {
                request.insert(field.to_owned(), shown(field, source)?.join(", ").into());
            }
        }
        request.insert("subject".to_owned(), render.template("subject", &self.subject, Encoding::HeaderValue)?.into());
        if let Some(text) = &self.text {
            request.insert("text".to_owned(), render.text("text", text)?.into());
        }
        if let Some(html) = &self.html {
            request.insert("html".to_owned(), render.template("html", html, Encoding::Html)?.into());
        }
        if let Some(attachments) = &self.attachments {
            request.insert("attachments".to_owned(), render.list("attachments", attachments, "a list of files")?);
        }
        Ok(trial::Done::request_by(&self.connection, request))
    }
}

/// Compiles a template of addresses. A literal that is not an address is refused in new documents only: a stored one may be in a step that
/// never runs.
fn address(compiler: &mut Compiler, path: &str, source: &str, is_one: bool) -> Option<Paced<Template>> {
    let template = compiler.template(path, source, Encoding::HeaderValue)?;
    if let Err(problem) = recipients::check(template.program(), is_one) {
        compiler.new_problem(path, problem);
    }
    Some(template)
}

fn optional_address(compiler: &mut Compiler, path: &str, source: Option<&String>) -> Option<Option<Paced<Template>>> {
    match source {
        None => Some(None),
        Some(source) => address(compiler, path, source, true).map(Some),
    }
}

impl CompiledKind for EmailStep {
    fn effect(&self) -> Effect {
        Effect::Writes
    }

    fn connection(&self) -> Option<&Name> {
        Some(&self.connection)
    }

    fn run<'r>(&'r self, step: StepRun<'r>, scope: &'r mut Scope) -> StepFuture<'r> {
        Box::pin(async move { self.send(step, scope).await.map(Done::Output) })
    }
}

impl EmailStep {
    async fn send(&self, step: StepRun<'_>, scope: &Scope) -> Result<Value, ExecutionError> {
        let connection = step.connection(&self.connection)?;
        if !matches!(connection.kind, ConnectionKind::Smtp(_)) {
            return Err(wrong_kind(&connection, "smtp"));
        }
        let text = async |part: &str, template: &Option<Paced<Template>>| match template {
            Some(template) => step.template(part, template, scope).await.map(Some),
            None => Ok(None),
        };
        let one = async |part: &str, template: &Option<Paced<Template>>| match template {
            Some(template) => one_address(&pieces(part, template, step, scope).await?).map(Some).map_err(|problem| wrong(part, &problem)),
            None => Ok(None),
        };
        let list = async |part: &str, templates: &[Paced<Template>]| {
            let mut found = Vec::with_capacity(templates.len());
            for template in templates {
                found.extend(addresses(&pieces(part, template, step, scope).await?).map_err(|problem| wrong(part, &problem))?);
            }
            Ok::<_, ExecutionError>(found)
        };
        let mail = Mail {
            id: step.idempotency_key(),
            from: one("from", &self.from).await?,
            to: list("to", &self.to).await?,
            cc: list("cc", &self.cc).await?,
            bcc: list("bcc", &self.bcc).await?,
            reply_to: one("reply_to", &self.reply_to).await?,
            subject: step.template("subject", &self.subject, scope).await?,
            text: text("text", &self.text).await?,
            html: text("html", &self.html).await?,
            attachments: match &self.attachments {
                Some(mapping) => attachments(&step.mapping("attachments", mapping, scope).await?)?,
                None => Vec::new(),
            },
        };
        step.engine().connectors().email(&connection, mail, step.bounds()).await
    }
}

async fn pieces(part: &str, template: &Paced<Template>, step: StepRun<'_>, scope: &Scope) -> Result<Vec<Piece>, ExecutionError> {
    let context = scope.context.value().clone();
    template.evaluate(part, step.budget(), move |template, limits| template.pieces(&context, limits)).await
}

fn wrong(part: &str, problem: &str) -> ExecutionError {
    ExecutionError::permanent(ErrorCode::Mapping, format!("{part}: {problem}"))
}

fn attachments(output: &Value) -> Result<Vec<MailFile>, ExecutionError> {
    let Some(list) = output.as_array() else {
        let message = format!("attachments: the mapping must give a list of files, and gave {}", output.kind());
        return Err(ExecutionError::permanent(ErrorCode::Mapping, message));
    };
    list.iter().enumerate().map(|(index, file)| attachment(file, &format!("attachments[{index}]"))).collect()
}

fn attachment(file: &Value, place: &str) -> Result<MailFile, ExecutionError> {
    let wrong = |what: &str| ExecutionError::permanent(ErrorCode::Mapping, format!("{place}: {what}"));
    let text = |name: &str| file.get(name).and_then(Value::as_str);
    let filename = text("filename").ok_or_else(|| wrong("needs a text `filename`"))?.to_owned();
    let content_type = text("contentType");
    match (text("text"), text("base64")) {
        (Some(text), None) => MailFile::of_text(filename, content_type, text).map_err(|problem| wrong(&problem)),
        (None, Some(base64)) => {
            let bytes = BASE64.decode(base64.as_bytes());
            let bytes = bytes.map_err(|error| wrong(&format!("the text in `base64` is no Base64 (RFC 4648, with padding): {error}")))?;
            MailFile::of_bytes(filename, content_type, bytes).map_err(|problem| wrong(&problem))
        }
        _ => Err(wrong("needs one of `text` and `base64`, a text")),
    }
}
