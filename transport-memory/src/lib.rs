//! In-memory transports for socketio-p2p.
//!
//! - [`Mesh`]: a hub and any number of sessions on a virtual clock, with faults on request. `step()` jumps to
//!   the next wake-up; nothing sleeps, and the same seed gives the same run.
//! - [`sim`]: random scenarios on a mesh, with faults of every kind, checked by a reference model.
//! - [`conformance`]: checks of the contracts of transports, for the tests of any implementation.
//! - [`MemoryNetwork`]: bounded in-memory channels for the async driver: a whole mesh within one process,
//!   without a socket.

mod broker;
mod channel;
mod conditions;
pub mod conformance;
mod dice;
mod digest;
mod freight;
mod invariant;
mod mesh;
mod network;
mod order;
mod server;
pub mod sim;
mod witness;

pub use channel::{MemoryChannel, channel, datagram_channel};
pub use conditions::{Conditions, Latency, RosterFaults, SignalFaults};
pub use dice::Dice;
pub use mesh::{Effects, Fault, Mesh, Node, Place, RawInput, Step, TraceEntry, TraceEvent};
pub use network::{MemoryDirect, MemoryNetwork, MemorySignaling, MemorySocket};

/// The example of this crate's README is a test.
#[cfg(doctest)]
#[doc = include_str!("../README.md")]
struct Readme;
