//! Errors, by culprit: this application, a remote peer, the server.
//!
//! An error returns its cause from [`source`](std::error::Error::source) and does not repeat it in its own text.

mod command;
mod peer;
mod server;

pub use self::command::{EmitError, ReplyError, Unsupported, UpgradeError};
pub use self::peer::{Misbehavior, PeerError};
pub use self::server::{JoinRefusal, SignalingError};
