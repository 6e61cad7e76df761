//! Sans-IO core of socketio-p2p: peers talk in Socket.IO events, first through a signalling server, then
//! directly over WebRTC data channels, and through the server again when the direct path fails. Between peers
//! of this library events arrive without loss, duplicates or reordering.
//!
//! This crate does no I/O, reads no clock and draws no randomness: the caller passes inputs (frames, signals,
//! time) and polls outputs (frames, commands, events). The adapter crates connect it to real sockets, the
//! simulator to virtual ones.
//!
//! | part | contents |
//! |---|---|
//! | [`codec`] | Socket.IO packets (protocol v5), any number of binary blobs |
//! | [`Session`] | one end of the mesh: signalling, links to all peers, events |
//! | [`Application`] | the logic of a program on one session, for production and simulation |
//! | [`hub::Hub`] | the server's end: rooms, rosters, routing |
//! | [`wire`] | messages between clients and hub, and bundles between peers |
//! | [`driver`] (feature `driver`) | the async loop between a session and real transports |
//! | [`handle`] (feature `driver`) | a cloneable handle, an event stream and a task over the driver |
//!
//! # How an event travels
//!
//! Out: [`Session::emit`] → the link's queue → the path in use → [`Frame`]. In: [`Frame`] (on the relay via a
//! [`Decoder`](codec::Decoder)) → bundle → the link (order, duplicates) → [`Packet`] → [`Event::Received`].
//!
//! # The run loop
//!
//! After every input or call of the application, and before the next input: drain events and [`Command`]s, drain
//! the transmits of the transports that have room, then wait for the next input or for the deadline of
//! [`Session::poll_timeout`]. Here the loop runs between two sessions and a hub, without a wire and without
//! waiting:
//!
//! ```
//! use std::collections::BTreeMap;
//! use socketio_p2p_core::codec::{Decoder, Limits};
//! use socketio_p2p_core::hub::{Hub, HubConfig, Output};
//! use socketio_p2p_core::wire::{ClientMessage, Join};
//! use socketio_p2p_core::{
//!     ClientId, Command, Config, Event, Packet, PacketType, Policy, Session, Target, Time,
//! };
//!
//! let now = Time::ZERO;
//! let mut hub = Hub::new(HubConfig::default(), [0; 32])?;
//! let config = Config::default().with_policy(Policy::RelayOnly);
//! let mut sessions = (1..=2)
//!     .map(|seed| Session::new(config.clone(), [seed; 32], now))
//!     .collect::<Result<Vec<_>, _>>()?;
//! let mut decoders = vec![Decoder::new(Limits::unbounded()), Decoder::new(Limits::unbounded())];
//! let mut clients: BTreeMap<ClientId, usize> = BTreeMap::new();
//! let (mut connected, mut received) = (Vec::new(), Vec::new());
//! let mut greeted = false;
//!
//! while received.is_empty() {
//!     for (index, session) in sessions.iter_mut().enumerate() {
//!         while let Some(event) = session.poll_event() {
//!             if let Event::Received { packet, .. } = event {
//!                 received.push(packet.args::<(String,)>()?.0);
//!             }
//!         }
//!         while let Some(command) = session.poll_command() {
//!             if matches!(command, Command::ConnectSignaling) {
//!                 session.handle_signaling_open(now);
//!             }
//!         }
//!         while let Some(frame) = session.poll_signaling_transmit(now) {
//!             let Some(packet) = decoders[index].push(frame)? else { continue };
//!             if packet.packet_type() == PacketType::Connect {
//!                 let join = Join::from_auth(packet.payload())?.expect("a session is a v1 client");
//!                 clients.insert(hub.handle_connect(join, None, now)?, index);
//!                 connected.push(index);
//!             } else if let Some(client) = clients.iter().find(|(_, at)| **at == index) {
//!                 hub.handle_message(*client.0, ClientMessage::from_packet(packet)?, now)?;
//!             }
//!         }
//!     }
//!     for index in connected.drain(..) {
//!         sessions[index].handle_signaling_frame("0{\"sid\":\"s\"}".into(), now);
//!     }
//!     while let Some(output) = hub.poll_output() {
//!         let Output::Send { to, message } = output else { continue };
//!         for client in hub.receivers(&to) {
//!             for frame in message.to_packet()?.frames() {
//!                 sessions[clients[&client]].handle_signaling_frame(frame, now);
//!             }
//!         }
//!     }
//!     if !greeted && sessions[0].peers().count() == 1 {
//!         sessions[0].emit(Target::All, &Packet::event("peer-msg", &("hello",))?, now)?;
//!         greeted = true;
//!     }
//! }
//! assert_eq!(received, ["hello"]);
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```
//!
//! With real transports the [`driver`] runs this loop. With virtual transports and faults, the crate
//! `socketio-p2p-transport-memory` runs it for any number of sessions.
//!
//! # Guarantees
//!
//! - No input from a remote causes a panic. Every buffer has a bound in [`Config`] or
//!   [`HubConfig`](hub::HubConfig).
//! - The same seed and the same inputs give the same outputs, byte for byte.
//! - The type of an error names its culprit: [`EmitError`] the caller, [`PeerError`] a peer, [`SignalingError`]
//!   the server or the connection to it. An error returns its cause from `source()` and does not repeat it in
//!   its own text. No error text and no `Debug` output contains a token, a session description or an
//!   application's data.
//!
//! `PROTOCOL.md`, beside this crate's manifest, specifies the wire.
//!
#![doc = include_str!("../TRACING.md")]
#![cfg_attr(docsrs, feature(doc_cfg))]

pub mod codec;
#[cfg(feature = "driver")]
pub mod driver;
#[cfg(feature = "driver")]
pub mod handle;
pub mod hub;
pub mod wire;

mod application;
mod auth;
mod clock;
mod command;
mod config;
mod config_error;
mod connection_report;
mod direct_state;
mod error;
mod event;
mod frame;
mod id;
mod link;
mod numbers;
mod path;
mod redacted;
mod session;
mod time;
#[cfg(feature = "tracing")]
mod trace;
mod transfer;

pub use application::Application;
pub use auth::{AuthError, AuthPayload, MAX_AUTH, ResumeToken};
pub use codec::namespace::{InvalidNamespace, Namespace};
pub use codec::packet::Packet;
pub use codec::packet_type::PacketType;
pub use command::{Command, DirectCommand};
pub use config::{Backoff, Config, Policy, UnknownPolicy};
pub use config_error::ConfigError;
pub use connection_report::{
    CandidateCounts, CandidateKind, CandidatePair, ConnectionReport, DirectStage,
    UnknownCandidateKind,
};
pub use direct_state::{DirectFailure, DirectState, NotWanted, Side};
pub use error::{
    EmitError, JoinRefusal, Misbehavior, PeerError, ReplyError, SignalingError, Unsupported,
    UpgradeError,
};
pub use event::{Event, LeaveReason, Outcome, ReplyToken};
pub use frame::Frame;
pub use id::{
    ClientId, ConnectionId, Dialect, EmitId, InvalidName, MAX_PEER_ID, MAX_ROOM_NAME, PeerId,
    RoomName,
};
pub use numbers::{PeerNumbers, SessionNumbers, Traffic};
pub use path::Path;
pub use session::{Emitted, Forwarding, PeerInfo, Session, Target};
pub use time::Time;
pub use transfer::{
    IncomingTransferId, OutgoingTransferId, TransferError, TransferId, TransferOutcome,
    TransferProgress, TransferRead,
};
pub use wire::{
    BadBundle, IceServer, Lane, MAX_MEMBER_DATA, MemberData, MemberDataError, UnreadableJson,
};

/// The example in this crate's README, compiled as a test.
#[cfg(doctest)]
#[doc = include_str!("../README.md")]
struct Readme;
