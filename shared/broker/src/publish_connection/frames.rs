//! Writes and reads frames of AMQP 0-9-1.
//!
//! A frame is its type (1 byte), its channel (2), the size of its payload (4), the payload, and the octet 206 (section 4.2.3).

use crate::codec::Message;
use lapin::protocol::basic::gen_properties;
use lapin::protocol::constants::{FRAME_BODY, FRAME_END, FRAME_HEADER, FRAME_HEARTBEAT, FRAME_METHOD};
use lapin::protocol::{AMQPClass, basic, gen_class, parse_class};

/// Type, channel and size before the payload.
const FRAME_HEAD: usize = 7;
/// Bytes of a frame without its payload.
pub(super) const FRAME_OVERHEAD: usize = FRAME_HEAD + 1;
const BASIC: u16 = 60;
const BASIC_PUBLISH: u16 = 40;
/// The first bit of `basic.publish`.
const MANDATORY: u8 = 1;

pub(super) const HEARTBEAT: [u8; FRAME_OVERHEAD] = [FRAME_HEARTBEAT, 0, 0, 0, 0, 0, 0, FRAME_END];

/// One frame as it arrived.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Frame<'a> {
    pub(super) kind: u8,
    pub(super) channel: u16,
    pub(super) payload: &'a [u8],
}

/// The bytes are no frame; nothing more of the connection can be read.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("the broker sent what is no {0} of AMQP 0-9-1")]
pub(crate) struct Malformed(pub(super) &'static str);

impl<'a> Frame<'a> {
    /// The first frame of what has arrived and its length; `None` while it is incomplete.
    pub(super) fn first(arrived: &'a [u8], max_bytes: usize) -> Result<Option<(Self, usize)>, Malformed> {
        let Some((head, rest)) = arrived.split_first_chunk::<FRAME_HEAD>() else { return Ok(None) };
        let [kind, channel_high, channel_low, size @ ..] = *head;
        let size = u32::from_be_bytes(size) as usize;
        if size + FRAME_OVERHEAD > max_bytes {
            return Err(Malformed("frame"));
        }
        let Some(end) = rest.get(size) else { return Ok(None) };
        if *end != FRAME_END {
            return Err(Malformed("frame"));
        }
        let frame = Self { kind, channel: u16::from_be_bytes([channel_high, channel_low]), payload: &rest[..size] };
        Ok(Some((frame, size + FRAME_OVERHEAD)))
    }

    /// The method that a method frame carries.
    pub(super) fn method(&self) -> Result<AMQPClass, Malformed> {
        parse_class(self.payload).map(|(_, method)| method).map_err(|_| Malformed("method"))
    }

    /// The message id in a header frame.
    pub(super) fn message_id(&self) -> Result<Option<String>, Malformed> {
        // Class (2 bytes), weight (2) and the size of the body (8) come before the properties.
        let (_, properties) = self.payload.split_first_chunk::<12>().ok_or(Malformed("header"))?;
        let (_, properties) = basic::parse_properties(properties).map_err(|_| Malformed("header"))?;
        Ok(properties.message_id().as_ref().map(ToString::to_string))
    }
}

/// Appends a frame whose payload `write` appends.
fn frame(to: &mut Vec<u8>, kind: u8, channel: u16, write: impl FnOnce(&mut Vec<u8>)) {
    to.push(kind);
    to.extend_from_slice(&channel.to_be_bytes());
    let size_at = to.len();
    to.extend_from_slice(&[0; 4]);
    write(to);
    let size = (to.len() - size_at - 4) as u32;
    to[size_at..size_at + 4].copy_from_slice(&size.to_be_bytes());
    to.push(FRAME_END);
}

/// Appends a method.
pub(super) fn method(to: &mut Vec<u8>, channel: u16, method: &AMQPClass) {
    frame(to, FRAME_METHOD, channel, |to| generated(to, |written| gen_class(method)(written.into()).map(|done| done.write)));
}

/// Returns the frames of a message without those of its body: `basic.publish` to the default exchange, and the header.
pub(super) fn publish(channel: u16, queue: &str, message: &Message, mandatory: bool) -> Vec<u8> {
    let mut frames = Vec::with_capacity(1024);
    frame(&mut frames, FRAME_METHOD, channel, |to| {
        to.extend_from_slice(&BASIC.to_be_bytes());
        to.extend_from_slice(&BASIC_PUBLISH.to_be_bytes());
        // A reserved short and the name of the default exchange, which is empty.
        to.extend_from_slice(&[0, 0, 0]);
        // Names are short strings everywhere; see `topology::short`.
        to.push(queue.len() as u8);
        to.extend_from_slice(queue.as_bytes());
        to.push(if mandatory { MANDATORY } else { 0 });
    });
    frame(&mut frames, FRAME_HEADER, channel, |to| {
        to.extend_from_slice(&BASIC.to_be_bytes());
        to.extend_from_slice(&[0, 0]);
        to.extend_from_slice(&(message.body.len() as u64).to_be_bytes());
        generated(to, |written| gen_properties(&message.properties)(written.into()).map(|done| done.write));
    });
    frames
}

/// Appends a body in as many frames as it needs; none when it is empty.
pub(super) fn body(to: &mut Vec<u8>, channel: u16, body: &[u8], max_frame_bytes: usize) {
    for part in body.chunks(max_frame_bytes - FRAME_OVERHEAD) {
        frame(to, FRAME_BODY, channel, |to| to.extend_from_slice(part));
    }
}

/// Moves whole frames to another channel.
pub(super) fn move_to(channel: u16, frames: &mut [u8]) {
    let mut rest = frames;
    while let Some(([_, number @ .., _, _, _, _], _)) = rest.split_first_chunk_mut::<FRAME_HEAD>() {
        number.copy_from_slice(&channel.to_be_bytes());
        let size = u32::from_be_bytes([rest[3], rest[4], rest[5], rest[6]]) as usize;
        rest = &mut rest[size + FRAME_OVERHEAD..];
    }
}

/// Appends the output of lapin's generated code, which cannot fail into a vector.
fn generated<E>(to: &mut Vec<u8>, write: impl FnOnce(Vec<u8>) -> Result<Vec<u8>, E>) {
    if let Ok(written) = write(std::mem::take(to)) {
        *to = written;
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use bytes::Bytes;
    use lapin::BasicProperties;
    use lapin::types::{AMQPValue, FieldTable};
    use proptest::prelude::*;

    /// Reads the frames of a message with lapin's parsers.
    fn read(written: &[u8], max_bytes: usize) -> (basic::Publish, u64, BasicProperties, Vec<u8>) {
        let (mut rest, mut frames) = (written, Vec::new());
        while let Some((frame, length)) = Frame::first(rest, max_bytes).unwrap() {
            frames.push(frame);
            rest = &rest[length..];
        }
        assert!(rest.is_empty());
        let [method, header, bodies @ ..] = frames.as_slice() else { panic!("{frames:?}") };
        assert!(frames.iter().all(|frame| frame.channel == 7));
        assert_eq!((method.kind, header.kind), (FRAME_METHOD, FRAME_HEADER));
        let AMQPClass::Basic(basic::AMQPMethod::Publish(publish)) = method.method().unwrap() else { panic!() };
        let size = u64::from_be_bytes(header.payload[4..12].try_into().unwrap());
        let (_, properties) = basic::parse_properties(&header.payload[12..]).unwrap();
        assert!(bodies.iter().all(|body| body.kind == FRAME_BODY));
        (publish, size, properties, bodies.iter().flat_map(|body| body.payload).copied().collect())
    }

    proptest! {
        #[test]
        fn a_message_is_read_as_it_was_written(
            size in prop_oneof![0..40usize, 100..140usize],
            queue in "[a-z.]{0,255}",
            id in "[0-9a-v]{0,39}",
            header in ".{0,200}",
            mandatory: bool,
        ) {
            let mut headers = FieldTable::default();
            headers.insert("forebay-call".into(), AMQPValue::LongString(header.into()));
            let properties = BasicProperties::default().with_message_id(id.as_str().into()).with_headers(headers).with_delivery_mode(2);
            let bytes: Vec<u8> = (0..size).map(|n| n as u8).collect();
            let message = Message { properties, body: Bytes::from(bytes.clone()) };
            let mut written = publish(7, &queue, &message, mandatory);
            // Bodies of 32 bytes a frame.
            body(&mut written, 7, &message.body, 32 + FRAME_OVERHEAD);
            let (publish, announced, properties, read) = read(&written, usize::MAX);
            prop_assert_eq!((publish.exchange.as_str(), publish.routing_key.as_str()), ("", queue.as_str()));
            prop_assert_eq!((publish.mandatory, publish.immediate), (mandatory, false));
            prop_assert_eq!(announced, size as u64);
            prop_assert_eq!(properties, message.properties);
            prop_assert_eq!(read, bytes);
        }

        #[test]
        fn a_frame_that_has_not_arrived_whole_is_waited_for(cut in 0..27usize) {
            let mut written = Vec::new();
            method(&mut written, 3, &AMQPClass::Basic(basic::AMQPMethod::Ack(basic::Ack { delivery_tag: 9, multiple: true })));
            let cut = cut % written.len();
            prop_assert_eq!(Frame::first(&written[..cut], 4096), Ok(None));
        }

        #[test]
        fn no_bytes_stop_the_reader(bytes: Vec<u8>) {
            if let Ok(Some((frame, _))) = Frame::first(&bytes, 4096) {
                let _ = (frame.method(), frame.message_id());
            }
        }
    }

    #[test]
    fn frames_that_are_moved_to_another_channel_differ_in_nothing_else() {
        let message = Message { properties: BasicProperties::default().with_message_id("m1".into()), body: Bytes::from_static(b"x") };
        let mut moved = publish(3, "queue", &message, true);
        move_to(7_000, &mut moved);
        assert_eq!(moved, publish(7_000, "queue", &message, true));
    }

    #[test]
    fn bytes_that_are_no_frame_are_an_error() {
        let mut written = Vec::new();
        frame(&mut written, FRAME_BODY, 1, |to| to.extend_from_slice(&[0; 100]));
        assert!(Frame::first(&written, 108).is_ok());
        assert_eq!(Frame::first(&written, 107), Err(Malformed("frame")), "longer than was agreed");
        *written.last_mut().unwrap() = 0;
        assert_eq!(Frame::first(&written, 4096), Err(Malformed("frame")), "without its end");
    }
}
