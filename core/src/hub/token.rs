//! Resume tokens and pair keys, which the hub derives from its key instead of storing them. A token proves that
//! the hub gave its bearer this peer id in this room.
//!
//! A token also carries the epoch base of its bearer's next incarnations. A restarted program therefore has
//! higher epochs than other members remember, although neither the program nor the hub remembers them. Each
//! welcome contains a base, and a token whose base is [`EPOCH_BLOCK`](crate::wire::EPOCH_BLOCK) higher: above
//! all epochs that its bearer may use until its next welcome.

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use hmac::{Hmac, KeyInit as _, Mac as _};
use sha2::Sha256;

use crate::id::{PeerId, RoomName};
use crate::wire::PairKey;

/// Separates tokens from every other use of the same key.
const CONTEXT: &[u8] = b"token/socketio-p2p/1";

/// Separates pair keys likewise. Neither context is a prefix of the other.
const PAIR_CONTEXT: &[u8] = b"pair/socketio-p2p/1";

/// The length in characters of the peer ids that a hub draws.
const ID_LEN: usize = 22;

/// Base and tag of a token, before base64url.
const SEALED_LEN: usize = 4 + 32;

/// The content of a valid token.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Proof {
    pub(super) id: PeerId,
    pub(super) epoch_base: u32,
}

/// Issues and checks tokens under one key.
pub(super) struct TokenKey {
    /// HMAC with the key absorbed; a clone of it is used per message.
    keyed: Hmac<Sha256>,
}

impl TokenKey {
    pub(super) fn new(key: [u8; 32]) -> Self {
        // The key, padded with zeros to the block length of SHA-256 as HMAC requires.
        let mut block = [0; 64];
        block[..32].copy_from_slice(&key);
        Self { keyed: Hmac::new(&block.into()) }
    }

    /// Issues `<peer id>.<base64url of base ‖ HMAC-SHA-256(key, context ‖ length of room as one byte ‖ room ‖
    /// base ‖ peer id)>`, with the base as four bytes, big-endian.
    pub(super) fn issue(&self, room: &RoomName, id: &PeerId, epoch_base: u32) -> String {
        let tag = self.mac(room, id, epoch_base).finalize().into_bytes();
        let sealed = [&epoch_base.to_be_bytes()[..], &tag].concat();
        format!("{id}.{}", URL_SAFE_NO_PAD.encode(sealed))
    }

    /// Verifies `token` for `room`, and returns its content.
    pub(super) fn verify(&self, room: &RoomName, token: &str) -> Option<Proof> {
        let (id, sealed) = token.split_once('.')?;
        if id.len() != ID_LEN {
            return None;
        }
        let id = PeerId::new(id.to_owned()).ok()?;
        let mut bytes = [0; SEALED_LEN];
        let len = URL_SAFE_NO_PAD.decode_slice(sealed, &mut bytes).ok()?;
        let (base, tag) = bytes.get(..len)?.split_first_chunk::<4>()?;
        let epoch_base = u32::from_be_bytes(*base);
        self.mac(room, &id, epoch_base).verify_slice(tag).ok()?;
        Some(Proof { id, epoch_base })
    }

    /// Returns the pair key of two members of a room, in either order: `HMAC-SHA-256(key, context ‖ (length as
    /// one byte ‖ text) of room, smaller id and greater id)`.
    pub(super) fn pair_key(&self, room: &RoomName, a: &PeerId, b: &PeerId) -> PairKey {
        let mut mac = self.keyed.clone();
        mac.update(PAIR_CONTEXT);
        for text in [room.as_str(), a.min(b).as_str(), a.max(b).as_str()] {
            // The length fits in a byte: MAX_ROOM_NAME is 128, MAX_PEER_ID is 64.
            mac.update(&[text.len() as u8]);
            mac.update(text.as_bytes());
        }
        PairKey::new(mac.finalize().into_bytes().into())
    }

    fn mac(&self, room: &RoomName, id: &PeerId, epoch_base: u32) -> Hmac<Sha256> {
        let mut mac = self.keyed.clone();
        mac.update(CONTEXT);
        // The length separates room and id, and fits in a byte: MAX_ROOM_NAME is 128.
        mac.update(&[room.as_str().len() as u8]);
        mac.update(room.as_str().as_bytes());
        mac.update(&epoch_base.to_be_bytes());
        mac.update(id.as_str().as_bytes());
        mac
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn room(name: &'static str) -> RoomName {
        RoomName::new(name).unwrap()
    }

    #[test]
    fn a_token_proves_its_identity_and_base_in_its_room_under_its_key_only() {
        let key = TokenKey::new([7; 32]);
        let id = PeerId::from_random([1; 16]);
        assert_eq!(id.as_str().len(), ID_LEN);
        for epoch_base in [0, 4096, u32::MAX] {
            let token = key.issue(&room("a"), &id, epoch_base);
            let proof = Proof { id: id.clone(), epoch_base };
            assert_eq!(key.verify(&room("a"), &token), Some(proof));
            assert_eq!(key.verify(&room("b"), &token), None);
            assert_eq!(TokenKey::new([8; 32]).verify(&room("a"), &token), None);
            let other = PeerId::from_random([2; 16]);
            let forged = token.replace(id.as_str(), other.as_str());
            assert_eq!(key.verify(&room("a"), &forged), None);
        }
    }

    #[test]
    fn a_token_with_a_changed_epoch_base_is_invalid() {
        let key = TokenKey::new([7; 32]);
        let id = PeerId::from_random([1; 16]);
        let [token, other] = [4096, 8192].map(|base| key.issue(&room("a"), &id, base));
        // Four bytes take five characters and a third.
        let (at, end) = (ID_LEN + 1, ID_LEN + 1 + 5);
        assert_ne!(token[at..end], other[at..end]);
        let forged = format!("{}{}{}", &token[..at], &other[at..end], &token[end..]);
        assert_eq!(key.verify(&room("a"), &forged), None);
    }

    #[test]
    fn the_token_is_stable_across_versions() {
        let key = TokenKey::new([0; 32]);
        let id = PeerId::from_random([0; 16]);
        assert_eq!(
            key.issue(&room("lobby"), &id, 4096),
            "AAAAAAAAAAAAAAAAAAAAAA.AAAQALUGqfAnG2SFPDFQOh6d8_BCc_Ns1W4RhX_EFVrI26cV"
        );
    }

    #[test]
    fn each_pair_of_members_has_its_own_pair_key() {
        let key = TokenKey::new([7; 32]);
        let id = |text: &'static str| PeerId::new(text).unwrap();
        let ours = key.pair_key(&room("r"), &id("ab"), &id("c"));
        assert_eq!(key.pair_key(&room("r"), &id("c"), &id("ab")), ours);
        for other in [
            key.pair_key(&room("r"), &id("a"), &id("bc")),
            key.pair_key(&room("r"), &id("ab"), &id("d")),
            key.pair_key(&room("s"), &id("ab"), &id("c")),
            TokenKey::new([8; 32]).pair_key(&room("r"), &id("ab"), &id("c")),
        ] {
            assert_ne!(other, ours);
        }
    }

    #[test]
    fn malformed_tokens_are_invalid() {
        let key = TokenKey::new([7; 32]);
        let id = PeerId::from_random([1; 16]);
        let token = key.issue(&room("a"), &id, 4096);
        let long = format!("{token}{}", "A".repeat(10_000));
        for malformed in
            ["", ".", "AAAA", &token[..token.len() - 1], &token[1..], &long, "é.é", id.as_str()]
        {
            assert_eq!(key.verify(&room("a"), malformed), None, "{malformed:.80}");
        }
    }
}
