//! Packets that one peer passes on for another: written and read independently of the code under test.

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use bytes::Bytes;
use hmac::{Hmac, KeyInit as _, Mac as _};
use serde::{Deserialize, Serialize};
use sha2::Sha256;
use socketio_p2p_core::codec::Blob;
use socketio_p2p_core::signal::{Epochs, PairKey, Sequence};
use socketio_p2p_core::{Packet, PeerId};

use super::book::{Parts, control};

/// The secret of the session and a peer.
fn secret(peer: &PeerId) -> [u8; 32] {
    [peer.as_str().as_bytes()[0]; 32]
}

/// The same, as the hub tells it.
pub(super) fn key(peer: &PeerId) -> PairKey {
    let text = URL_SAFE_NO_PAD.encode(secret(peer));
    serde_json::from_value(text.into()).expect("a key is 32 bytes in base64url")
}

/// What the channel says about a packet that is passed on.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub(super) struct Header {
    #[serde(flatten)]
    pub(super) end: End,
    #[serde(flatten)]
    pub(super) epochs: Epochs,
    #[serde(flatten)]
    pub(super) sequence: Option<Sequence>,
    #[serde(rename = "n")]
    pub(super) number: u64,
    pub(super) mac: String,
}

#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub(super) enum End {
    To(PeerId),
    From(PeerId),
}

impl Header {
    /// The header without its end, by which a packet is known on its way.
    pub(super) fn on_the_way(&self) -> (Epochs, Option<Sequence>, u64, String) {
        (self.epochs, self.sequence, self.number, self.mac.clone())
    }

    /// The packet for the channel. At most two parts can be passed on.
    pub(super) fn enclose(&self, parts: &[Bytes]) -> Option<Packet> {
        let blobs: Vec<Blob> = parts.iter().cloned().map(Blob::from).collect();
        match &blobs[..] {
            [head] => Some(control("via", &(self, head))),
            [head, attachment] => Some(control("via", &(self, head, attachment))),
            _ => None,
        }
    }

    pub(super) fn open(packet: &Packet) -> (Self, Parts) {
        let parts = packet.attachments().to_vec();
        let header = match &parts[..] {
            [_] => packet.args::<(Self, Blob)>().map(|(header, _)| header),
            _ => packet.args::<(Self, Blob, Blob)>().map(|(header, ..)| header),
        };
        (header.expect("what is passed on can be read"), parts)
    }
}

/// The ends of a packet that is passed on.
#[derive(Clone, Copy, Debug)]
pub(super) struct Passage<'a> {
    /// The one of the two whose secret it is: the other is the session.
    pub(super) peer: &'a PeerId,
    pub(super) neighbour: &'a PeerId,
    pub(super) from: &'a PeerId,
    pub(super) to: &'a PeerId,
}

/// `HMAC-SHA-256(secret, context, ends, epochs, sequence, number, parts)`, every text and part with its length.
pub(super) fn seal(
    passage: Passage<'_>,
    epochs: Epochs,
    sequence: Option<Sequence>,
    number: u64,
    parts: &[Bytes],
) -> String {
    let mut text = b"socketio-p2p/1 via".to_vec();
    for id in [passage.neighbour, passage.from, passage.to] {
        text.push(u8::try_from(id.as_str().len()).unwrap());
        text.extend_from_slice(id.as_str().as_bytes());
    }
    text.extend_from_slice(&epochs.epoch.to_be_bytes());
    text.extend_from_slice(&epochs.peer_epoch.to_be_bytes());
    text.push(sequence.map_or(255, |sequence| sequence.lane.number()));
    text.extend_from_slice(&sequence.map_or(0, |sequence| sequence.seq).to_be_bytes());
    text.extend_from_slice(&number.to_be_bytes());
    for part in parts {
        text.extend_from_slice(&(part.len() as u64).to_be_bytes());
        text.extend_from_slice(part);
    }
    let mut mac = Hmac::<Sha256>::new_from_slice(&secret(passage.peer)).unwrap();
    mac.update(&text);
    URL_SAFE_NO_PAD.encode(mac.finalize().into_bytes())
}
