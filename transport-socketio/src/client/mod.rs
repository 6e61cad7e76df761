//! The client: signalling channels for a session. Engine.IO, the settings and [`join`] are the same everywhere; the
//! WebSocket is that of tokio-tungstenite, or that of the browser.

mod address;
mod channel;
mod engine;
mod join;
mod message;
#[cfg(not(target_family = "wasm"))]
mod native;
mod signaling;
#[cfg(feature = "tracing")]
mod trace;
#[cfg(target_family = "wasm")]
mod web;

#[cfg(not(target_family = "wasm"))]
use native as host;
#[cfg(target_family = "wasm")]
use web as host;

pub use self::address::AddressError;
pub use self::channel::SocketIoChannel;
pub use self::join::{Join, JoinFailure, NoChannel, RelayOnly, join};
pub use self::signaling::SocketIoSignaling;
