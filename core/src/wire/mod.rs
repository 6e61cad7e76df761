//! The wire above Socket.IO, as `PROTOCOL.md` specifies it.
//!
//! - `hub`: messages between a client and the hub (sections 1 to 4)
//! - `peer`: bundles between two v1 peers (section 5)
//! - `names`: reserved names; `lane`, `epochs`, `pair_key`: types used by both
//!
//! A [`Session`](crate::Session) and a [`Hub`](crate::hub::Hub) read and write the wire themselves. The module
//! is public for tests, fuzzers, and tools that inspect traffic.
//!
//! ```
//! use socketio_p2p_core::wire::{Bundle, Epochs, Item};
//!
//! let bytes = Bundle::write(Epochs { epoch: 7, peer_epoch: 3 }, &[Item::Ping(1), Item::Bye]);
//! assert_eq!(bytes[..], [7, 3, 1, 1, 1, 4, 0]);
//! let items: Vec<Item> = Bundle::read(bytes)?.collect::<Result<_, _>>()?;
//! assert_eq!(items, [Item::Ping(1), Item::Bye]);
//! # Ok::<(), socketio_p2p_core::wire::BadBundle>(())
//! ```

mod epochs;
mod hub;
mod lane;
mod names;
mod pair_key;
mod peer;

#[doc(hidden)]
pub use self::epochs::Epochs;
pub use self::hub::description::{Decline, IceCandidate, IceServer, RawSignal, Signal};
pub use self::hub::envelope::{Download, Upload};
// The parts of an envelope, which a hub forwards unread.
#[doc(hidden)]
pub use self::hub::envelope::{Numbers, Piece, Recipient};
pub use self::hub::member_data::{MAX_MEMBER_DATA, MemberData, MemberDataError};
#[doc(hidden)]
pub use self::hub::membership::EPOCH_BLOCK;
pub use self::hub::membership::{Dismissal, HubLimits, Join, Member, PeerLimits, Welcome};
pub use self::hub::message::{
    AddressedOffer, ClientMessage, MessageError, PeerSignal, ServerMessage,
};
pub use self::hub::unreadable::UnreadableJson;
pub use self::lane::Lane;
pub use self::names::is_reserved_event;
pub(crate) use self::names::{Reserved, check_reserved};
pub use self::pair_key::PairKey;
// The parts of bundles, for simulators, fuzzers and tools that inspect traffic: a session reads and writes them itself.
#[doc(hidden)]
pub use self::peer::bundle::{BadBundle, Bundle, Item, MAX_NEIGHBOURS, Neighbours, Record, Stream};
pub(crate) use self::peer::bundle::{RecordHead, Writer};
pub(crate) use self::peer::flat::{Flat, flat_limit};
#[doc(hidden)]
pub use self::peer::flat::{flatten, unflatten};
#[doc(hidden)]
pub use self::peer::seal::{Passage, Passed, Seal};
#[doc(hidden)]
pub use self::peer::state::{
    Incoming, IncomingKind, LaneState, MAX_RANGES, MAX_REFUSED, Place, State,
};
pub(crate) use self::peer::varint::MAX as MAX_NUMBER;
