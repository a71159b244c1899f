//! A message that is larger than the broker takes: RabbitMQ closes its channel and names both sizes in the text.

use lapin::protocol::channel::Close;

const PRECONDITION_FAILED: u16 = 406;

/// A message was refused for its size.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct TooLarge {
    /// Bytes of its body.
    pub(super) size: usize,
    /// Maximum bytes of a body that the broker takes.
    pub(super) limit: usize,
}

impl TooLarge {
    /// The sizes in the close of a channel; `None`: it was closed for another reason.
    ///
    /// RabbitMQ 3.10 to 4.x: `PRECONDITION_FAILED - message size 100000 is larger than configured max size 65536`; where nothing is
    /// configured, `than max size`.
    pub(super) fn of_close(close: &Close) -> Option<Self> {
        if close.reply_code != PRECONDITION_FAILED {
            return None;
        }
        let (_, sizes) = close.reply_text.as_str().split_once("message size ")?;
        let (size, limit) = sizes.split_once(" is larger than ")?;
        let (_, limit) = limit.rsplit_once("max size ")?;
        let limit = limit.split(|c: char| !c.is_ascii_digit()).next()?;
        Some(Self { size: size.parse().ok()?, limit: limit.parse().ok()? })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn close(reply_code: u16, text: &str) -> Close {
        Close { reply_code, reply_text: text.into(), class_id: 60, method_id: 40 }
    }

    #[test]
    fn the_sizes_are_read_from_the_texts_of_all_versions() {
        let found = Some(TooLarge { size: 100_000, limit: 65_536 });
        for kind in ["configured ", ""] {
            let text = format!("PRECONDITION_FAILED - message size 100000 is larger than {kind}max size 65536");
            assert_eq!(TooLarge::of_close(&close(406, &text)), found, "{text}");
        }
    }

    #[test]
    fn a_channel_that_is_closed_for_another_reason_names_no_sizes() {
        let texts = ["PRECONDITION_FAILED - unknown delivery tag 7", "message size x is larger than max size 5", "message size 9", ""];
        for text in texts {
            assert_eq!(TooLarge::of_close(&close(406, text)), None, "{text}");
        }
        assert_eq!(TooLarge::of_close(&close(403, "message size 100000 is larger than max size 65536")), None);
    }
}
