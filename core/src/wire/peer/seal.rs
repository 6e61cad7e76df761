//! The MAC that proves the sender of a bundle that a neighbour forwards.

use bytes::Bytes;
use hmac::{Hmac, KeyInit as _, Mac as _};
use sha2::Sha256;

use crate::id::PeerId;
use crate::redacted::Redacted;
use crate::wire::PairKey;

pub(crate) const SEAL_LEN: usize = 32;

/// Separates seals from every other use of a key.
const CONTEXT: &[u8] = b"socketio-p2p/1 via";

/// A bundle that a neighbour is to forward, or has forwarded.
#[derive(Clone, PartialEq)]
pub struct Passed {
    /// The number, which grows with every bundle that the sender gives to a neighbour in an epoch.
    pub number: u64,
    /// The MAC.
    pub seal: Seal,
    /// The bundle.
    pub bundle: Bytes,
}

/// Prints the length of the bundle only.
impl std::fmt::Debug for Passed {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "Passed({}, {} bytes)", self.number, self.bundle.len())
    }
}

/// A MAC under a pair key (`PROTOCOL.md`, "Via a neighbour").
#[derive(Clone, Copy, PartialEq)]
pub struct Seal([u8; SEAL_LEN]);

/// Prints no byte of the MAC.
impl std::fmt::Debug for Seal {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_tuple("Seal").field(&Redacted(&self.0[..])).finish()
    }
}

/// The neighbour, sender and receiver of a bundle, which a seal covers.
#[derive(Clone, Copy, Debug)]
pub struct Passage<'a> {
    /// The neighbour that forwards the bundle.
    pub neighbour: &'a PeerId,
    /// The sender, which seals the bundle.
    pub from: &'a PeerId,
    /// The receiver.
    pub to: &'a PeerId,
}

impl Seal {
    /// Creates a seal from bytes, without verification.
    #[must_use]
    pub const fn new(bytes: [u8; SEAL_LEN]) -> Self {
        Self(bytes)
    }

    /// Returns the bytes.
    #[must_use]
    pub const fn as_bytes(&self) -> &[u8; SEAL_LEN] {
        &self.0
    }
}

impl Passage<'_> {
    /// Seals a bundle.
    #[must_use]
    pub fn seal(&self, key: &PairKey, number: u64, bundle: Bytes) -> Passed {
        let seal = Seal(self.mac(key, number, &bundle).finalize().into_bytes().into());
        Passed { number, seal, bundle }
    }

    /// Returns whether the sender has sealed the bundle. Compares in constant time.
    #[must_use]
    pub fn is_genuine(&self, key: &PairKey, passed: &Passed) -> bool {
        self.mac(key, passed.number, &passed.bundle).verify_slice(&passed.seal.0).is_ok()
    }

    fn mac(&self, key: &PairKey, number: u64, bundle: &[u8]) -> Hmac<Sha256> {
        let mut block = [0; 64];
        block[..32].copy_from_slice(key.as_bytes());
        let mut mac = Hmac::<Sha256>::new(&block.into());
        mac.update(CONTEXT);
        for id in [self.neighbour, self.from, self.to] {
            // The length fits in a byte: MAX_PEER_ID is 64.
            mac.update(&[id.as_str().len() as u8]);
            mac.update(id.as_str().as_bytes());
        }
        mac.update(&number.to_be_bytes());
        mac.update(bundle);
        mac
    }
}

#[cfg(test)]
mod tests {
    use bytes::Bytes;

    use super::{Passage, Passed};
    use crate::id::PeerId;
    use crate::wire::PairKey;

    #[test]
    fn a_seal_covers_the_bundle_its_number_and_its_passage() {
        let id = |name: &str| name.parse::<PeerId>().unwrap();
        let (ann, bob, cid) = (id("ann"), id("bob"), id("cid"));
        let key = PairKey::new([7; 32]);
        let way = Passage { neighbour: &cid, from: &ann, to: &bob };
        let passed = way.seal(&key, 3, Bytes::from_static(b"bundle"));
        assert!(way.is_genuine(&key, &passed));
        assert!(!way.is_genuine(&PairKey::new([8; 32]), &passed));
        for other in [
            Passage { neighbour: &ann, ..way },
            Passage { from: &cid, ..way },
            Passage { from: &bob, to: &ann, ..way },
        ] {
            assert!(!other.is_genuine(&key, &passed), "{other:?}");
        }
        assert!(!way.is_genuine(&key, &Passed { number: 4, ..passed.clone() }));
        assert!(!way.is_genuine(&key, &Passed { bundle: Bytes::from_static(b"bundlf"), ..passed }));
    }
}
