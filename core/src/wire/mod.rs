//! What two v1 peers say to each other: bundles of records and control, the same on every path.
//!
//! - `varint`: integers of variable length
//! - `bundle`: one transport message between two peers, and what is in it
//! - `state`: what one end has of the other's, and knows of its own
//! - `flat`: packets as bytes that can be cut
//! - `seal`: proof of who sent what a neighbour passes on
//!
//! The form is described in `PROTOCOL.md`, section 5. A session reads and writes all this itself: here it is for tests, fuzzers,
//! and whoever wants to look into what is on the wire.
//!
//! ```
//! use socketio_p2p_core::signal::Epochs;
//! use socketio_p2p_core::wire::{Bundle, Item};
//!
//! let bytes = Bundle::write(Epochs { epoch: 7, peer_epoch: 3 }, &[Item::Ping(1), Item::Bye]);
//! assert_eq!(bytes[..], [7, 3, 1, 1, 1, 4, 0]);
//! let items: Vec<Item> = Bundle::read(bytes)?.collect::<Result<_, _>>()?;
//! assert_eq!(items, [Item::Ping(1), Item::Bye]);
//! # Ok::<(), socketio_p2p_core::wire::BadBundle>(())
//! ```

mod bundle;
mod flat;
mod seal;
mod state;
mod varint;

pub use self::bundle::{BadBundle, Bundle, Item, MAX_NEIGHBOURS, Neighbours, Record, Stream};
pub(crate) use self::bundle::{RecordHead, Writer};
pub(crate) use self::flat::{Flat, flat_limit};
pub use self::flat::{flatten, unflatten};
pub use self::seal::{Passage, Passed, Seal};
pub use self::state::{Incoming, IncomingKind, LaneState, MAX_RANGES, MAX_REFUSED, Place, State};
pub(crate) use self::varint::MAX as MAX_NUMBER;

/// The namespace that applications can neither send in nor receive from: kept so that nothing an application emits can
/// be taken for control by a peer of another version.
pub(crate) const CONTROL_NAMESPACE: &str = "/socketio-p2p";
