//! In-memory transports for socketio-p2p.
//!
//! - [`Mesh`]: a hub and any number of sessions on a virtual clock, with faults to order. `step()` jumps to the
//!   next thing that happens; nothing sleeps, and the same seed gives the same run.
//! - [`MemoryNetwork`]: bounded in-memory channels for the async driver: a whole mesh within one process,
//!   without a socket.

mod broker;
mod channel;
mod mesh;
mod network;
mod server;

pub use channel::{MemoryChannel, channel};
pub use mesh::{Latency, Mesh, Node};
pub use network::{MemoryDirect, MemoryNetwork, MemorySignaling, MemorySocket};
