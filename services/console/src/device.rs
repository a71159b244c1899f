//! Devices with an earlier sign-in: they have a signed cookie, so that failed attempts from elsewhere do not delay their owner.
//!
//! The cookie does not authenticate. It proves that this browser has signed in to this account, and gives it its own throttle.

use hmac::{Hmac, Mac};
use sha2::{Digest, Sha256};
use std::time::Duration;

/// Time after the last sign-in during which a device is recognized.
pub(crate) const LIFETIME: Duration = Duration::from_secs(180 * 86_400);
const PURPOSE: &[u8] = b"forebay console device";
const ACCOUNT_BYTES: usize = 16;
const ID_BYTES: usize = 16;
const TIME_BYTES: usize = 8;
const MAC_BYTES: usize = 32;

/// Signs and checks device cookies; the same in every process of an installation.
#[derive(Clone)]
pub(crate) struct Devices {
    key: [u8; 32],
}

/// The id of a device.
pub(crate) type DeviceId = [u8; ID_BYTES];

impl Devices {
    pub(crate) fn new(installation_key: &[u8]) -> Self {
        Self { key: Sha256::new().chain_update(PURPOSE).chain_update(installation_key).finalize().into() }
    }

    /// Returns the cookie of a device on which this account has just signed in. `now` is in seconds of Unix time. Empty if no random bytes
    /// are available.
    pub(crate) fn cookie(&self, account: &str, now: u64) -> String {
        let mut id = DeviceId::default();
        if getrandom::fill(&mut id).is_err() {
            return String::new();
        }
        let mut text = [digest(account).as_slice(), &id, &now.to_be_bytes()].concat();
        let mac = self.mac(&text).finalize().into_bytes();
        text.extend_from_slice(&mac);
        data_encoding::BASE64URL_NOPAD.encode(&text)
    }

    /// Returns the device of a cookie, if this account has signed in on it.
    pub(crate) fn recognize(&self, cookie: &str, account: &str, now: u64) -> Option<DeviceId> {
        let text = data_encoding::BASE64URL_NOPAD.decode(cookie.as_bytes()).ok()?;
        if text.len() != ACCOUNT_BYTES + ID_BYTES + TIME_BYTES + MAC_BYTES {
            return None;
        }
        let (text, mac) = text.split_at(text.len() - MAC_BYTES);
        self.mac(text).verify_slice(mac).ok()?;
        let (of_account, rest) = text.split_at(ACCOUNT_BYTES);
        let (id, time) = rest.split_at(ID_BYTES);
        let signed_in_at = u64::from_be_bytes(time.try_into().ok()?);
        let is_fresh = now.saturating_sub(signed_in_at) < LIFETIME.as_secs();
        if of_account != digest(account) || !is_fresh { None } else { id.try_into().ok() }
    }

    /// Returns a digest that identifies an account in logs, since people type passwords into the wrong field. The same name has the same
    /// digest in one installation.
    pub(crate) fn log_digest(&self, account: &str) -> String {
        let mac = self.mac(&[b"log ".as_slice(), account.as_bytes()].concat()).finalize().into_bytes();
        data_encoding::HEXLOWER.encode(&mac[..8])
    }

    fn mac(&self, text: &[u8]) -> Hmac<Sha256> {
        // HMAC accepts a key of any length.
        let mut mac = Hmac::<Sha256>::new_from_slice(&self.key).unwrap_or_else(|_| Hmac::<Sha256>::new(&Default::default()));
        mac.update(text);
        mac
    }
}

fn digest(account: &str) -> [u8; ACCOUNT_BYTES] {
    let mut digest = [0; ACCOUNT_BYTES];
    digest.copy_from_slice(&Sha256::digest(account)[..ACCOUNT_BYTES]);
    digest
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_the_installations_own_cookie_for_the_account_is_known_and_not_for_ever() {
        let devices = Devices::new(b"one installation");
        let cookie = devices.cookie("anna", 1000);
        let id = devices.recognize(&cookie, "anna", 2000).unwrap();
        assert_eq!(devices.recognize(&cookie, "anna", 1000 + LIFETIME.as_secs() - 1), Some(id));
        assert_eq!(devices.recognize(&cookie, "anna", 1000 + LIFETIME.as_secs()), None);
        assert_eq!(devices.recognize(&cookie, "bert", 2000), None);
        assert_eq!(Devices::new(b"another").recognize(&cookie, "anna", 2000), None);
        assert_ne!(devices.recognize(&devices.cookie("anna", 1000), "anna", 2000), Some(id), "each device is one of its own");
        let bytes = data_encoding::BASE64URL_NOPAD.decode(cookie.as_bytes()).unwrap();
        for at in 0..bytes.len() {
            let mut bent = bytes.clone();
            bent[at] ^= 1;
            assert_eq!(devices.recognize(&data_encoding::BASE64URL_NOPAD.encode(&bent), "anna", 2000), None, "byte {at}");
        }
        assert_eq!(devices.recognize("", "anna", 2000), None);
        assert_eq!(devices.log_digest("anna").len(), 16);
    }
}
