//! Pair keys.

use std::fmt;

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use serde::{Deserialize, Deserializer, Serialize, Serializer};

/// The length of a key in bytes.
const LEN: usize = 32;

/// A pair key: the secret of two v1 members of a room, which the hub gives to these two only. With it they seal
/// the bundles that a neighbour forwards between them. It is never printed, and is written only as part of a
/// [`Member`](super::Member), in the hub's welcomes and joins.
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

/// Never prints the key.
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
        // The error names the length, never the text, which may be a key with one character too many.
        let wrong = || serde::de::Error::custom("expected a key of 32 bytes in base64url");
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
    fn a_pair_key_is_written_as_base64url_and_never_printed() {
        let key = PairKey::new([0xfb; 32]);
        let json = serde_json::to_string(&key).unwrap();
        assert_eq!(json, format!("\"{}-_s\"", "-_v7".repeat(10)));
        assert_eq!(serde_json::from_str::<PairKey>(&json).unwrap(), key);
        assert_eq!(format!("{key:?}"), "PairKey");
    }

    #[test]
    fn a_malformed_pair_key_is_refused_without_being_printed() {
        for text in ["", "AAAA", &"A".repeat(42), &"A".repeat(44), &"+".repeat(43)] {
            let error = serde_json::from_value::<PairKey>(text.into()).unwrap_err().to_string();
            assert!(text.is_empty() || !error.contains(text), "{error}");
        }
    }
}
