//! Execution ids: 16 bytes that are unique and begin with the time, then an 8-byte tag keyed by the installation.
//!
//! The tag proves that this installation issued the id for this integration. So `GET .../executions/{id}` can answer "queued" for an
//! execution that has no row in the database yet, and 404 for an id that was never issued.

use crate::unix_time::UnixMillis;
use hmac::{Hmac, Mac};
use sha2::Sha256;
use std::cell::RefCell;
use std::fmt;
use uuid::Uuid;

const UNIQUE_BYTES: usize = 16;
const TAG_BYTES: usize = 8;
const ID_BYTES: usize = UNIQUE_BYTES + TAG_BYTES;
/// Random bytes that each thread has in reserve.
const POOL_BYTES: usize = 1000;
/// Length of the text: 192 bits in symbols of 5 bits.
const TEXT_LENGTH: usize = 39;

/// An execution's id. Its text is 39 lower-case base32hex symbols; ids sort by the time at which they were issued.
#[derive(Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct ExecutionId([u8; ID_BYTES]);

/// The text does not have the form of an id.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("'{text}' is no execution id: an id has {TEXT_LENGTH} of the characters 0-9 a-v")]
pub struct ExecutionIdError {
    text: String,
}

impl ExecutionId {
    /// Returns the part that is stored as the primary key: 48 bits of Unix time in milliseconds, then 80 random bits.
    #[must_use]
    pub fn unique(&self) -> Uuid {
        let mut bytes = [0; UNIQUE_BYTES];
        bytes.copy_from_slice(&self.0[..UNIQUE_BYTES]);
        Uuid::from_bytes(bytes)
    }

    /// Returns the time at which the id was issued: its first 48 bits.
    #[must_use]
    pub fn issued_at(&self) -> UnixMillis {
        UnixMillis::new(self.0[..6].iter().fold(0, |millis, byte| (millis << 8) | i64::from(*byte)))
    }
}

/// Issues and checks ids with the installation's key; one per process.
#[derive(Clone)]
pub struct IdIssuer {
    /// The MAC with its key schedule computed, cloned for each use.
    mac: Hmac<Sha256>,
}

impl IdIssuer {
    /// Creates an issuer with the installation's key, of any length (the first migration of the store makes 32 random bytes).
    #[must_use]
    pub fn new(key: &[u8]) -> Self {
        // HMAC accepts a key of any length (RFC 2104), so the error of the general trait cannot occur; an empty MAC key is the fallback.
        let mac = Hmac::new_from_slice(key).unwrap_or_else(|_| Hmac::new(&Default::default()));
        Self { mac }
    }

    /// Issues a new id for the integration.
    ///
    /// # Errors
    /// The operating system provides no random bytes.
    pub fn issue(&self, integration: Uuid) -> Result<ExecutionId, getrandom::Error> {
        let millis = u64::try_from(UnixMillis::now().get()).unwrap_or_default();
        let mut unique = [0; UNIQUE_BYTES];
        unique[..6].copy_from_slice(&millis.to_be_bytes()[2..]);
        random(&mut unique[6..])?;
        Ok(self.with_tag(unique, integration))
    }

    /// Returns an id that is always the same for an integration, a time and a name, such as that of a due run.
    #[must_use]
    pub fn derive(&self, integration: Uuid, time: UnixMillis, name: &str) -> ExecutionId {
        let millis = u64::try_from(time.get()).unwrap_or_default();
        let mut unique = [0; UNIQUE_BYTES];
        unique[..6].copy_from_slice(&millis.to_be_bytes()[2..]);
        let mut mac = self.mac_over(&unique[..6], integration);
        mac.update(name.as_bytes());
        unique[6..].copy_from_slice(&mac.finalize().into_bytes()[..UNIQUE_BYTES - 6]);
        self.with_tag(unique, integration)
    }

    /// Returns the id with a known unique part, as it is read from the store.
    #[must_use]
    pub fn restore(&self, unique: Uuid, integration: Uuid) -> ExecutionId {
        self.with_tag(unique.into_bytes(), integration)
    }

    /// Returns true if this installation issued the id for this integration.
    #[must_use]
    pub fn is_issued(&self, id: &ExecutionId, integration: Uuid) -> bool {
        self.mac_over(&id.0[..UNIQUE_BYTES], integration).verify_truncated_left(&id.0[UNIQUE_BYTES..]).is_ok()
    }

    fn with_tag(&self, unique: [u8; UNIQUE_BYTES], integration: Uuid) -> ExecutionId {
        let tag = self.mac_over(&unique, integration).finalize().into_bytes();
        let mut bytes = [0; ID_BYTES];
        bytes[..UNIQUE_BYTES].copy_from_slice(&unique);
        bytes[UNIQUE_BYTES..].copy_from_slice(&tag[..TAG_BYTES]);
        ExecutionId(bytes)
    }

    fn mac_over(&self, unique: &[u8], integration: Uuid) -> Hmac<Sha256> {
        let mut mac = self.mac.clone();
        mac.update(unique);
        mac.update(integration.as_bytes());
        mac
    }
}

/// Fills `bytes` with random bytes of the operating system, which are read for many ids at once: a system call for each id would be
/// noticeable in each call.
fn random(bytes: &mut [u8]) -> Result<(), getrandom::Error> {
    thread_local! {
        /// The bytes, and the number of them that are used.
        static POOL: RefCell<([u8; POOL_BYTES], usize)> = const { RefCell::new(([0; POOL_BYTES], POOL_BYTES)) };
    }
    POOL.with_borrow_mut(|(pool, used)| {
        if pool.len() - *used < bytes.len() {
            getrandom::fill(pool)?;
            *used = 0;
        }
        bytes.copy_from_slice(&pool[*used..*used + bytes.len()]);
        *used += bytes.len();
        Ok(())
    })
}

impl fmt::Display for ExecutionId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut text = [0; TEXT_LENGTH];
        data_encoding::BASE32HEX_NOPAD.encode_mut(&self.0, &mut text);
        text.make_ascii_lowercase();
        f.write_str(std::str::from_utf8(&text).map_err(|_| fmt::Error)?)
    }
}

impl fmt::Debug for ExecutionId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

impl std::str::FromStr for ExecutionId {
    type Err = ExecutionIdError;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let error = || ExecutionIdError { text: text.chars().take(64).collect() };
        if text.len() != TEXT_LENGTH {
            return Err(error());
        }
        let decoded = data_encoding::BASE32HEX_NOPAD.decode(text.to_ascii_uppercase().as_bytes()).map_err(|_| error())?;
        decoded.try_into().map(Self).map_err(|_| error())
    }
}

impl serde::Serialize for ExecutionId {
    fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

impl<'de> serde::Deserialize<'de> for ExecutionId {
    fn deserialize<D: serde::Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let text = std::borrow::Cow::<str>::deserialize(deserializer)?;
        text.parse().map_err(serde::de::Error::custom)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const TIME: UnixMillis = UnixMillis::new(1_700_000_000_000);

    #[test]
    fn a_derived_id_is_the_same_for_the_same_name_and_counts_as_issued() {
        let (ids, integration) = (IdIssuer::new(b"k"), Uuid::from_u128(1));
        let id = ids.derive(integration, TIME, "due");
        assert_eq!(id, ids.derive(integration, TIME, "due"));
        assert_ne!(id, ids.derive(integration, TIME, "other"));
        assert_ne!(id, ids.derive(Uuid::from_u128(2), TIME, "due"));
        assert_eq!(id.issued_at(), TIME);
        assert!(ids.is_issued(&id, integration));
    }

    #[test]
    fn an_issued_id_survives_text_and_is_recognised() {
        let issuer = IdIssuer::new(b"key");
        let integration = Uuid::new_v4();
        let id = issuer.issue(integration).unwrap();
        let read: ExecutionId = id.to_string().parse().unwrap();
        assert_eq!(read, id);
        assert!(issuer.is_issued(&read, integration));
        assert_eq!(issuer.restore(id.unique(), integration), id);
    }

    #[test]
    fn an_id_of_another_integration_or_installation_was_never_issued() {
        let issuer = IdIssuer::new(b"key");
        let integration = Uuid::new_v4();
        let id = issuer.issue(integration).unwrap();
        assert!(!issuer.is_issued(&id, Uuid::new_v4()));
        assert!(!IdIssuer::new(b"other").is_issued(&id, integration));
    }

    #[test]
    fn a_changed_symbol_is_noticed() {
        let issuer = IdIssuer::new(b"key");
        let integration = Uuid::new_v4();
        let text = issuer.issue(integration).unwrap().to_string();
        for at in 0..text.len() {
            let mut changed = text.clone().into_bytes();
            changed[at] = if changed[at] == b'0' { b'g' } else { b'0' };
            let changed = String::from_utf8(changed).unwrap();
            let recognised = changed.parse::<ExecutionId>().is_ok_and(|id| issuer.is_issued(&id, integration));
            assert!(!recognised, "position {at}");
        }
    }

    #[test]
    fn a_text_that_is_no_id_is_refused() {
        for text in ["", "abc", &"z".repeat(39), &"0".repeat(40), &"ä".repeat(20)] {
            assert!(text.parse::<ExecutionId>().is_err(), "{text}");
        }
    }
}
