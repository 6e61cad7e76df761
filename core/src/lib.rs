//! Sans-IO core of socketio-p2p.

pub mod codec;
#[cfg(feature = "driver")]
pub mod driver;
pub mod hub;
pub mod signal;

mod frame;
mod id;
mod packet;
mod time;

pub use frame::Frame;
pub use id::{ClientId, ConnectionId, EmitId, InvalidName, MAX_PEER_ID, MAX_ROOM_NAME, PeerId, RoomName, Version};
pub use packet::{InvalidNamespace, Namespace, Packet, PacketType};
pub use time::Time;
