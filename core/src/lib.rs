//! Sans-IO core of socketio-p2p.

#![cfg_attr(docsrs, feature(doc_cfg))]

pub mod codec;
#[cfg(feature = "driver")]
pub mod driver;
pub mod hub;
pub mod signal;

mod command;
mod config;
mod error;
mod event;
mod frame;
mod id;
mod link;
mod packet;
mod session;
mod time;

pub use command::{Command, DirectCommand};
pub use config::{Backoff, Config, Policy};
pub use error::{EmitError, JoinRefusal, PeerError, SignalingError};
pub use event::{Event, LeaveReason, Outcome, Path, ReplyToken};
pub use frame::Frame;
pub use id::{
    ClientId, ConnectionId, EmitId, InvalidName, MAX_PEER_ID, MAX_ROOM_NAME, PeerId, RoomName,
    Version,
};
pub use packet::{InvalidNamespace, Namespace, Packet, PacketType};
pub use session::{Emitted, Peer, Session, Target};
pub use time::Time;
