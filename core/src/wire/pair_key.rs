//! The secret that two members of a room share.

use std::fmt;

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use serde::{Deserialize, Deserializer, Serialize, Serializer};

/// The length of a key in bytes.
const LEN: usize = 32;

/// A secret of two v1 members of a room, which the hub gives to both and to nobody else. By it the two know
/// packets of each other that a third peer passes on. It is never shown, and goes only where a
/// [`Member`](super::Member) goes: into the welcome and the joins that the hub sends.
#[derive(Clone, PartialEq, Eq)]
pub struct PairKey([u8; LEN]);

impl PairKey {
    pub(crate) const fn new(bytes: [u8; LEN]) -> Self {
        Self(bytes)
    }

    pub(crate) const fn as_bytes(&self) -> &[u8; LEN] {
        &self.0
    }
}

/// Never shows the key.
impl fmt::Debug for PairKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("PairKey")
    }
}

impl Serialize for PairKey {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(&URL_SAFE_NO_PAD.encode(self.0))
    }
}

impl<'de> Deserialize<'de> for PairKey {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let text = String::deserialize(deserializer)?;
        // The words name the length, never the text: it may be a key with one character too many.
        let wrong = || serde::de::Error::custom("a key is 32 bytes in base64url");
        let mut bytes = [0; LEN];
        match URL_SAFE_NO_PAD.decode_slice(&text, &mut bytes) {
            Ok(LEN) => Ok(Self(bytes)),
            Ok(_) | Err(_) => Err(wrong()),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::PairKey;

    #[test]
    fn a_key_travels_as_base64url_and_is_never_shown() {
        let key = PairKey::new([0xfb; 32]);
        let json = serde_json::to_string(&key).unwrap();
        assert_eq!(json, format!("\"{}-_s\"", "-_v7".repeat(10)));
        assert_eq!(serde_json::from_str::<PairKey>(&json).unwrap(), key);
        assert_eq!(format!("{key:?}"), "PairKey");
    }

    #[test]
    fn what_is_no_key_is_refused_without_being_shown() {
        for text in ["", "AAAA", &"A".repeat(42), &"A".repeat(44), &"+".repeat(43)] {
            let error = serde_json::from_value::<PairKey>(text.into()).unwrap_err().to_string();
            assert!(text.is_empty() || !error.contains(text), "{error}");
        }
    }
}
