//! Payloads as they are stored: a JSON head and raw bytes, deflated where that helps.

use crate::database::row::ReadRow;
use crate::database::word::words;
use crate::error::StoreError;
use crate::history::record::{StoredRequest, StoredResponse};
use bytes::Bytes;
use flate2::{Compress, Compression, FlushCompress, Status, read::DeflateDecoder};
use forebay_contract::VariableLog;
use forebay_contract::envelope::Request;
use forebay_contract::outcome::{Checkpoint, StepRecord};
use serde::{Deserialize, Serialize};
use serde_json::Value;
use std::borrow::Cow;
use std::io::Read;
use tokio_postgres::Row;

words! {
    /// The kind of a payload that is no batch of checkpoints.
    #[derive(Debug, Clone, Copy, PartialEq, Eq)]
    pub(crate) enum PayloadKind {
        Input = "input",
        Output = "output",
        Steps = "steps",
        Variables = "variables",
        /// The request as it came, where the input is shown without some of its fields.
        Retry = "retry",
        /// The response as it was made, where the output is shown without some of its fields.
        Answer = "answer",
    }
}

words! {
    /// The encoding of stored content.
    #[derive(Debug, Clone, Copy, PartialEq, Eq)]
    pub(crate) enum Encoding {
        Identity = "identity",
        Deflate = "deflate",
        /// Encrypted.
        SealedIdentity = "sealed-identity",
        /// Deflated, then encrypted.
        SealedDeflate = "sealed-deflate",
    }
}

/// Bytes below which a deflated payload saves less than its row costs.
const WORTH_DEFLATING: usize = 256;
/// Bytes of the length before the head.
const LENGTH_BYTES: usize = 4;
/// Maximum bytes of an answer's body in the history; larger ones are cut. Inputs are bounded by the broker.
const MAX_OUTPUT_BYTES: usize = 32 * 1024 * 1024;
/// Maximum bytes of all steps' outputs; beyond, outputs are left out, the largest first.
const MAX_STEPS_BYTES: usize = 4 * 1024 * 1024;

/// One payload in its stored form.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Packed {
    pub(crate) encoding: Encoding,
    pub(crate) content: Vec<u8>,
}

impl Packed {
    /// Reads the columns `encoding` and `content`.
    pub(crate) fn of_row(row: &Row) -> Result<Self, StoreError> {
        Ok(Self { encoding: row.word("execution_payloads", "encoding")?, content: row.get("content") })
    }
}

#[derive(Serialize, Deserialize)]
struct InputHead<'a> {
    request: Cow<'a, Request>,
    content_type: Option<String>,
    content_encoding: Option<String>,
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    redacted: bool,
}

#[derive(Serialize, Deserialize)]
struct OutputHead<'a> {
    status: u16,
    headers: Cow<'a, [(String, String)]>,
}

/// Packs payloads. It reuses the deflate state, whose allocation costs more than deflating a small payload.
pub(crate) struct Packer(Compress);

impl Packer {
    pub(crate) fn new() -> Self {
        Self(Compress::new(Compression::fast(), false))
    }

    pub(crate) fn input(&mut self, input: &StoredRequest) -> Packed {
        let StoredRequest { request, content_type, content_encoding, body, redacted } = input;
        let (content_type, content_encoding) = (content_type.clone(), content_encoding.clone());
        let head = InputHead { request: Cow::Borrowed(request), content_type, content_encoding, redacted: *redacted };
        self.pack(framed(&head, body))
    }

    pub(crate) fn output(&mut self, output: &StoredResponse) -> Packed {
        let head = OutputHead { status: output.status, headers: Cow::Borrowed(&output.headers) };
        let body = &output.body[..output.body.len().min(MAX_OUTPUT_BYTES)];
        self.pack(framed(&head, body))
    }

    pub(crate) fn steps(&mut self, steps: &[StepRecord]) -> Packed {
        let mut content = serde_json::to_vec(steps).unwrap_or_default();
        if content.len() > MAX_STEPS_BYTES {
            content = serde_json::to_vec(&without_large_outputs(steps)).unwrap_or_default();
        }
        self.pack(content)
    }

    pub(crate) fn variables(&mut self, variables: &VariableLog) -> Packed {
        self.pack(serde_json::to_vec(variables).unwrap_or_default())
    }

    /// Packs, for each step, the path's length, the path, the output's length, the output.
    pub(crate) fn checkpoints(&mut self, steps: &[Checkpoint]) -> Packed {
        let mut content = Vec::new();
        for part in steps.iter().flat_map(|step| [step.path.as_bytes(), &step.output]) {
            content.extend_from_slice(&u32::try_from(part.len()).unwrap_or(u32::MAX).to_be_bytes());
            content.extend_from_slice(part);
        }
        self.pack(content)
    }

    fn pack(&mut self, content: Vec<u8>) -> Packed {
        if content.len() < WORTH_DEFLATING {
            return Packed { encoding: Encoding::Identity, content };
        }
        self.0.reset();
        // A payload that compression does not shrink is stored as it is.
        let mut deflated = Vec::with_capacity(content.len());
        match self.0.compress_vec(&content, &mut deflated, FlushCompress::Finish) {
            Ok(Status::StreamEnd) => {
                deflated.shrink_to_fit();
                Packed { encoding: Encoding::Deflate, content: deflated }
            }
            _ => Packed { encoding: Encoding::Identity, content },
        }
    }
}

/// Returns the head's length, the head, and the body. Every head of this module has a form in JSON.
fn framed(head: &impl Serialize, body: &[u8]) -> Vec<u8> {
    let mut content = vec![0; LENGTH_BYTES];
    let _ = serde_json::to_writer(&mut content, head);
    let length = u32::try_from(content.len() - LENGTH_BYTES).unwrap_or(u32::MAX);
    content[..LENGTH_BYTES].copy_from_slice(&length.to_be_bytes());
    content.extend_from_slice(body);
    content
}

/// Leaves out the largest outputs until the rest is small enough.
fn without_large_outputs(steps: &[StepRecord]) -> Vec<StepRecord> {
    let mut steps = steps.to_vec();
    let size = |step: &StepRecord| serde_json::to_vec(step).map_or(0, |text| text.len());
    let mut by_size: Vec<(usize, usize)> = steps.iter().map(size).enumerate().map(|(index, size)| (size, index)).collect();
    by_size.sort_unstable_by(|a, b| b.cmp(a));
    let mut total: usize = by_size.iter().map(|(size, _)| size).sum();
    for (size, index) in by_size {
        if total <= MAX_STEPS_BYTES {
            break;
        }
        let step = &mut steps[index];
        step.output = Some(Value::String(format!("(output left out of the history: {size} bytes)")));
        step.error = step.error.take().map(|error| error.chars().take(1000).collect());
        total -= size;
    }
    steps
}

/// Returns the bytes that were packed.
fn unpack(Packed { encoding, content }: Packed) -> Result<Vec<u8>, StoreError> {
    let damaged = StoreError::damaged("payload");
    match encoding {
        Encoding::Identity => Ok(content),
        Encoding::Deflate => {
            let mut inflated = Vec::new();
            match DeflateDecoder::new(content.as_slice()).read_to_end(&mut inflated) {
                Ok(_) => Ok(inflated),
                Err(_) => Err(damaged),
            }
        }
        // The caller opens what is encrypted.
        Encoding::SealedIdentity | Encoding::SealedDeflate => Err(damaged),
    }
}

pub(crate) fn read_input(packed: Packed) -> Result<StoredRequest, StoreError> {
    let (head, body) = split(unpack(packed)?)?;
    let InputHead { request, content_type, content_encoding, redacted } = read_json(&head)?;
    Ok(StoredRequest { request: request.into_owned(), content_type, content_encoding, body, redacted })
}

pub(crate) fn read_output(packed: Packed) -> Result<StoredResponse, StoreError> {
    let (head, body) = split(unpack(packed)?)?;
    let OutputHead { status, headers } = read_json(&head)?;
    Ok(StoredResponse { status, headers: headers.into_owned(), body })
}

pub(crate) fn read_steps(packed: Packed) -> Result<Vec<StepRecord>, StoreError> {
    read_json(&unpack(packed)?)
}

pub(crate) fn read_variables(packed: Packed) -> Result<VariableLog, StoreError> {
    read_json(&unpack(packed)?)
}

pub(crate) fn read_checkpoints(packed: Packed) -> Result<Vec<Checkpoint>, StoreError> {
    let damaged = || StoreError::damaged("checkpoints");
    let content = unpack(packed)?;
    let (mut left, mut parts) = (content.as_slice(), Vec::new());
    while let Some((length, rest)) = left.split_first_chunk::<LENGTH_BYTES>() {
        let (part, rest) = rest.split_at_checked(u32::from_be_bytes(*length) as usize).ok_or_else(damaged)?;
        parts.push(part);
        left = rest;
    }
    let step = |pair: &[&[u8]]| match pair {
        [path, output] => Ok(Checkpoint { path: String::from_utf8_lossy(path).into_owned(), output: output.to_vec() }),
        _ => Err(damaged()),
    };
    parts.chunks(2).map(step).collect()
}

fn split(content: Vec<u8>) -> Result<(Bytes, Bytes), StoreError> {
    let damaged = || StoreError::damaged("payload");
    let mut content = Bytes::from(content);
    let length: [u8; LENGTH_BYTES] = content.get(..LENGTH_BYTES).and_then(|bytes| bytes.try_into().ok()).ok_or_else(damaged)?;
    let mut rest = content.split_off(LENGTH_BYTES);
    let length = u32::from_be_bytes(length) as usize;
    if rest.len() < length {
        return Err(damaged());
    }
    let body = rest.split_off(length);
    Ok((rest, body))
}

fn read_json<'a, T: Deserialize<'a>>(text: &'a [u8]) -> Result<T, StoreError> {
    serde_json::from_slice(text).map_err(|_| StoreError::damaged("payload"))
}

#[cfg(test)]
mod tests {
    use super::*;
    use forebay_contract::UnixMicros;
    use forebay_contract::outcome::StepStatus;

    fn request(body: Bytes) -> StoredRequest {
        let headers = vec![("x-a".to_owned(), "1\0".to_owned())];
        let request =
            Request { method: "POST".into(), path: "/t/n".into(), query_string: String::new(), query: serde_json::Map::new(), headers };
        StoredRequest { request, content_type: Some("text/plain".into()), content_encoding: None, body, redacted: false }
    }

    #[test]
    fn an_input_is_read_back_byte_for_byte() {
        let all_bytes: Vec<u8> = (0..=255).collect();
        for body in [Vec::new(), vec![0, 255, 10], vec![b'a'; 100_000], all_bytes] {
            let input = request(body.into());
            let packed = Packer::new().input(&input);
            assert_eq!(read_input(packed).unwrap(), input);
        }
    }

    #[test]
    fn a_packer_is_used_again_and_what_repeats_gets_small() {
        let mut packer = Packer::new();
        let output = StoredResponse { status: 201, headers: vec![], body: vec![b'x'; 10_000].into() };
        for _ in 0..3 {
            let packed = packer.output(&output);
            assert!(packed.content.len() < 500, "{}", packed.content.len());
            assert_eq!(read_output(packed).unwrap(), output);
        }
    }

    #[test]
    fn the_largest_outputs_are_left_out_of_a_too_long_history() {
        let step = |id: &str, bytes: usize| StepRecord {
            id: id.to_owned(),
            status: StepStatus::Succeeded,
            started_at: UnixMicros::default(),
            duration: 2,
            output: Some(Value::String("x".repeat(bytes))),
            error: None,
            note: None,
        };
        let steps = [step("small", 10), step("large", MAX_STEPS_BYTES), step("middle", 1000)];
        let packed = Packer::new().steps(&steps);
        let read = read_steps(packed).unwrap();
        assert_eq!((&read[0], &read[2]), (&steps[0], &steps[2]));
        assert!(read[1].output.as_ref().unwrap().as_str().unwrap().contains("left out"));
    }

    #[test]
    fn kept_steps_are_read_back_byte_for_byte() {
        let step = |path: &str, output: &[u8]| Checkpoint { path: path.to_owned(), output: output.to_vec() };
        for steps in [vec![], vec![step("a", b"1"), step("lines[3]/b", &[0, 255]), step("", b"")], vec![step("a", &[b'x'; 10_000])]] {
            let packed = Packer::new().checkpoints(&steps);
            assert_eq!(read_checkpoints(packed).unwrap(), steps);
        }
        assert!(read_checkpoints(Packed { encoding: Encoding::Identity, content: vec![0, 0, 0, 9, 1] }).is_err());
    }

    #[test]
    fn a_damaged_payload_is_an_error() {
        assert!(read_input(Packed { encoding: Encoding::Deflate, content: vec![1, 2, 3] }).is_err());
        assert!(read_input(Packed { encoding: Encoding::Identity, content: vec![0, 0, 0, 9, 1] }).is_err());
        assert!(read_output(Packed { encoding: Encoding::SealedIdentity, content: vec![0, 0, 0, 0] }).is_err());
    }
}
