//! What peers and hub say to each other: signals, membership, relay envelopes.
//!
//! The wire is described in `PROTOCOL.md`. Everything here is plain data; who may send what to whom is the
//! hub's business.
//!
//! - `description`: offers, answers, candidates, ICE servers
//! - `membership`: joining, the welcome, members
//! - `envelope`: lanes, numbers, epochs, uploads and downloads
//! - `pair_key`: the secret of two members
//! - `unreadable`: JSON that cannot be read
//! - `message`: all messages ⇄ Socket.IO packets

mod description;
mod envelope;
mod membership;
mod message;
mod pair_key;
mod unreadable;

pub use self::description::{Decline, IceCandidate, IceServer, RawSignal, Signal};
pub use self::envelope::{Download, Lane, Upload};
// What is in an envelope: a hub passes it on as it came.
#[doc(hidden)]
pub use self::envelope::{Epochs, Numbers, Piece, Recipient};
#[doc(hidden)]
pub use self::membership::EPOCH_BLOCK;
pub use self::membership::{HubLimits, Join, Member, PeerLimits, Welcome};
pub use self::message::{
    AddressedOffer, ClientMessage, MessageError, PeerSignal, ServerMessage, is_reserved_event,
};
pub use self::pair_key::PairKey;
pub use self::unreadable::UnreadableJson;
