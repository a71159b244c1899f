//! File names that are not UTF-8.
//!
//! A name is bytes on the server and text in a workflow. A byte that is not part of UTF-8 is represented in the text by one character of
//! the private use area, U+EF00 plus the byte (U+EF80 to U+EFFF); the bytes of such a character in a name that is UTF-8 are represented by
//! three of them. So every name has exactly one text, from which its bytes can be restored, and ordinary names are their own text.
//!
//! The SFTP library represents names and handles as text and would lose such bytes. So it uses a stream that converts them.

use std::borrow::Cow;
use std::io::{Error, ErrorKind, Result};
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt, DuplexStream, duplex, split};

/// The first of the characters that represent bytes.
const RAW: u32 = 0xEF00;
/// Maximum bytes of a packet from and to the server: more than known servers send.
const MAX_PACKET_BYTES: u32 = 512 * 1024;
/// Maximum bytes of a packet after each byte became three.
pub(super) const MAX_RECODED_BYTES: u32 = MAX_PACKET_BYTES * 3;
const BUFFER_BYTES: usize = 64 * 1024;

// Packet types (draft-ietf-secsh-filexfer-02, section 3).
const OPEN: u8 = 3;
const RENAME: u8 = 18;
const SYMLINK: u8 = 20;
const HANDLE: u8 = 102;
const NAME: u8 = 104;

// Attribute flags (section 5).
const SIZE: u32 = 1;
const OWNER: u32 = 2;
const PERMISSIONS: u32 = 4;
const TIMES: u32 = 8;
const EXTENDED: u32 = 0x8000_0000;

/// Returns the text of a name.
pub(super) fn text_of(name: &[u8]) -> String {
    let mut text = String::with_capacity(name.len());
    let raw = |bytes: &[u8], text: &mut String| text.extend(bytes.iter().filter_map(|byte| char::from_u32(RAW + u32::from(*byte))));
    for chunk in name.utf8_chunks() {
        for character in chunk.valid().chars() {
            match byte_of(character) {
                None => text.push(character),
                Some(_) => raw(character.encode_utf8(&mut [0; 4]).as_bytes(), &mut text),
            }
        }
        raw(chunk.invalid(), &mut text);
    }
    text
}

/// Returns the name of a text.
pub(super) fn name_of(text: &str) -> Cow<'_, [u8]> {
    if is_utf8(text) {
        return Cow::Borrowed(text.as_bytes());
    }
    let mut name = Vec::with_capacity(text.len());
    for character in text.chars() {
        match byte_of(character) {
            None => name.extend_from_slice(character.encode_utf8(&mut [0; 4]).as_bytes()),
            Some(byte) => name.push(byte),
        }
    }
    Cow::Owned(name)
}

/// Returns true if no byte of the name is represented by a character.
pub(super) fn is_utf8(text: &str) -> bool {
    !text.chars().any(|character| byte_of(character).is_some())
}

/// Returns the byte that a character represents. It is never ASCII, so no text hides a `/` or a `.`.
fn byte_of(character: char) -> Option<u8> {
    u8::try_from(u32::from(character).checked_sub(RAW)?).ok().filter(|byte| !byte.is_ascii())
}

/// Returns the stream for the library. Both streams end together.
pub(super) fn recoded(stream: impl AsyncRead + AsyncWrite + Unpin + Send + 'static) -> DuplexStream {
    let (inner, outer) = duplex(BUFFER_BYTES);
    let (from_server, to_server) = split(stream);
    let (from_library, to_library) = split(inner);
    tokio::spawn(async move {
        let ended = tokio::select! {
            ended = pump(from_server, to_library, MAX_PACKET_BYTES, incoming) => ended,
            ended = pump(from_library, to_server, MAX_RECODED_BYTES, outgoing) => ended,
        };
        if let Err(error) = ended {
            tracing::debug!(%error, "an SFTP session ended");
        }
    });
    outer
}

async fn pump(
    mut from: impl AsyncRead + Unpin,
    mut to: impl AsyncWrite + Unpin,
    max_bytes: u32,
    recode: impl Fn(&[u8]) -> Option<Vec<u8>>,
) -> Result<()> {
    loop {
        let length = match from.read_u32().await {
            Ok(length) => length,
            Err(error) if error.kind() == ErrorKind::UnexpectedEof => return to.shutdown().await,
            Err(error) => return Err(error),
        };
        if length > max_bytes {
            return Err(Error::new(ErrorKind::InvalidData, format!("a packet of {length} bytes")));
        }
        let mut packet = vec![0; usize::try_from(length).unwrap_or_default()];
        from.read_exact(&mut packet).await?;
        let packet = recode(&packet).unwrap_or(packet);
        let length = u32::try_from(packet.len()).map_err(|_| Error::from(ErrorKind::InvalidData))?;
        let mut framed = Vec::with_capacity(packet.len() + 4);
        framed.extend_from_slice(&length.to_be_bytes());
        framed.extend_from_slice(&packet);
        to.write_all(&framed).await?;
        to.flush().await?;
    }
}

/// Returns the packet with names converted to text; `None`: it is unchanged, also if it cannot be read, which the library reports.
fn incoming(packet: &[u8]) -> Option<Vec<u8>> {
    let mut rest = packet;
    let kind = *taken(&mut rest, 1)?.first()?;
    if ![HANDLE, NAME].contains(&kind) || packet.is_ascii() {
        return None;
    }
    let id = taken(&mut rest, 4)?;
    let mut recoded = vec![kind];
    recoded.extend_from_slice(id);
    if kind == HANDLE {
        put(&mut recoded, text_of(string(&mut rest)?).as_bytes());
        return Some(recoded);
    }
    let count = taken(&mut rest, 4)?;
    recoded.extend_from_slice(count);
    for _ in 0..u32::from_be_bytes(count.try_into().ok()?) {
        put(&mut recoded, text_of(string(&mut rest)?).as_bytes());
        // The line for people repeats the name, and is not used here.
        string(&mut rest)?;
        put(&mut recoded, b"");
        let before = rest;
        skip_attributes(&mut rest)?;
        recoded.extend_from_slice(before.get(..before.len() - rest.len())?);
    }
    Some(recoded)
}

/// Returns the packet with texts converted to names.
fn outgoing(packet: &[u8]) -> Option<Vec<u8>> {
    let mut rest = packet;
    let kind = *taken(&mut rest, 1)?.first()?;
    if !(OPEN..=SYMLINK).contains(&kind) {
        return None;
    }
    let id = taken(&mut rest, 4)?;
    let mut texts = vec![std::str::from_utf8(string(&mut rest)?).ok()?];
    if [RENAME, SYMLINK].contains(&kind) {
        texts.push(std::str::from_utf8(string(&mut rest)?).ok()?);
    }
    if texts.iter().all(|text| is_utf8(text)) {
        return None;
    }
    let mut recoded = vec![kind];
    recoded.extend_from_slice(id);
    for text in texts {
        put(&mut recoded, &name_of(text));
    }
    recoded.extend_from_slice(rest);
    Some(recoded)
}

fn skip_attributes(rest: &mut &[u8]) -> Option<()> {
    let flags = u32::from_be_bytes(taken(rest, 4)?.try_into().ok()?);
    for (flag, bytes) in [(SIZE, 8), (OWNER, 8), (PERMISSIONS, 4), (TIMES, 8)] {
        if flags & flag != 0 {
            taken(rest, bytes)?;
        }
    }
    if flags & EXTENDED != 0 {
        for _ in 0..u32::from_be_bytes(taken(rest, 4)?.try_into().ok()?) {
            string(rest)?;
            string(rest)?;
        }
    }
    Some(())
}

fn taken<'p>(rest: &mut &'p [u8], count: usize) -> Option<&'p [u8]> {
    let (bytes, after) = rest.split_at_checked(count)?;
    *rest = after;
    Some(bytes)
}

/// Reads a length, and as many bytes.
fn string<'p>(rest: &mut &'p [u8]) -> Option<&'p [u8]> {
    let length = u32::from_be_bytes(taken(rest, 4)?.try_into().ok()?);
    taken(rest, usize::try_from(length).ok()?)
}

fn put(packet: &mut Vec<u8>, string: &[u8]) {
    packet.extend_from_slice(&u32::try_from(string.len()).unwrap_or(u32::MAX).to_be_bytes());
    packet.extend_from_slice(string);
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn usual_names_are_their_own_text_and_others_lead_back_to_their_bytes() {
        for name in ["a.xml", "Räksmörgås 5%.csv", "日本", ""] {
            assert_eq!((text_of(name.as_bytes()).as_str(), &*name_of(name)), (name, name.as_bytes()));
        }
        assert_eq!(text_of(b"J\xf6rg"), "J\u{eff6}rg");
        assert_eq!(text_of("\u{ef80}".as_bytes()), "\u{efee}\u{efbe}\u{ef80}");
        assert!(is_utf8("Jörg") && !is_utf8(&text_of(b"J\xf6rg")));
    }

    proptest! {
        #[test]
        fn every_name_leads_back_to_its_bytes(name in prop::collection::vec(any::<u8>(), 0..40)) {
            prop_assert_eq!(name_of(&text_of(&name)).into_owned(), name);
        }

        #[test]
        fn a_name_near_the_characters_for_bytes_leads_back(text in "[\u{ee70}-\u{f010}a/]{0,10}") {
            let name = text.as_bytes();
            prop_assert_eq!(name_of(&text_of(name)).into_owned(), name);
        }

        #[test]
        fn no_packet_stops_the_stream(packet in prop::collection::vec(any::<u8>(), 0..80), kind in prop::sample::select(vec![3_u8, 18, 102, 104])) {
            let packet: Vec<u8> = [kind].into_iter().chain(packet).collect();
            let _ = (incoming(&packet), outgoing(&packet));
        }
    }
}
