//! WebRTC data channels for socketio-p2p.
//!
//! [`WebRtcTransport`] is the [`DirectTransport`](socketio_p2p_core::driver::DirectTransport) of native
//! programs: it makes one ordered, reliable data channel per connection, on UDP sockets of this machine. It
//! speaks with browsers and with itself.
//!
//! ```no_run
//! use futures::{SinkExt as _, StreamExt as _};
//! use socketio_p2p_core::driver::{DirectCommand, DirectEvent, DirectTransport as _};
//! use socketio_p2p_core::{ConnectionId, Frame};
//! use socketio_p2p_transport_webrtc::{WebRtcConfig, WebRtcTransport};
//!
//! # async fn run(connection: ConnectionId) {
//! let mut transport = WebRtcTransport::new(WebRtcConfig::default());
//! transport.execute(DirectCommand::Offer { connection, ice_servers: vec![] });
//! while let Some(event) = transport.next().await {
//!     match event {
//!         DirectEvent::Signal { signal, .. } => drop(signal), // goes to the remote peer
//!         DirectEvent::Open { mut channel, .. } => drop(channel.send(Frame::from("hello")).await),
//!         DirectEvent::Closed { error, .. } => drop(error),
//!         _ => {}
//!     }
//! }
//! # }
//! ```
//!
//! # What the `webrtc` crate has no setting for
//!
//! - Socket buffers, tasks that end with the connection, cutting a path, sending at once what an event caused,
//!   looking again for messages that were held back: done through its `Runtime` hook.
//! - The bytes of its receive queues: they are bounded by count (768 messages), hence
//!   [`WebRtcConfig::max_unread`].
//! - A message limit for one direction: the remote's is taken out of its description and checked by the sink. A
//!   remote that sends longer messages than we allow loses them, and the crate tells nobody.
//! - TURN over TCP or TLS, and ICE restarts that the crate would begin by itself: not there. A lost path ends the
//!   connection, and the session makes another one.
//!
//! # Features
//!
//! - `native` (default): the transport above, on Tokio and the [`webrtc`](https://docs.rs/webrtc) crate.

#[cfg(feature = "native")]
mod native;
#[cfg(feature = "native")]
mod sdp;

#[cfg(feature = "native")]
pub use native::{WebRtcChannel, WebRtcConfig, WebRtcTransport};
