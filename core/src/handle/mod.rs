//! The cloneable handle.
mod close;
mod config;
mod emit;
mod error;
mod events;
mod fan_out;
mod farewell;
mod incoming;
mod lines;
mod outgoing;
mod peer;
mod progress;
mod questions;
mod request;
mod run;
mod shared;
mod streams;
mod unread;
mod waits;

use std::sync::Arc;

pub use self::close::Close;
pub use self::config::HandleConfig;
pub use self::emit::{Emit, Reply};
pub use self::error::{Closed, RequestError, StreamError};
pub use self::events::Events;
pub use self::fan_out::Sent;
pub use self::farewell::Undelivered;
pub use self::incoming::IncomingTransfer;
pub use self::outgoing::OutgoingTransfer;
use self::peer::Owner;
pub use self::peer::Peer;
pub use self::progress::Progress;
pub use self::request::{Answers, PendingAnswer, Request};
pub use self::run::Run;
use self::shared::Shared;
use crate::driver::{Clock, DirectTransport, Driver, Signaling};

impl<S, D, C> Driver<S, D, C>
where
    S: Signaling + Unpin + 'static,
    D: DirectTransport,
    C: Clock + Sync + 'static,
{
    /// Splits the driver into a cloneable handle, the stream of events, and the task that moves frames and
    /// timers, which is to be spawned. The bounds are the defaults of [`HandleConfig`].
    #[must_use = "nothing moves unless the task is spawned"]
    pub fn split(self) -> (Peer, Events, Run<S, D, C>) {
        self.split_with(HandleConfig::default())
    }

    /// Splits the driver, with other bounds than those of [`split`](Self::split).
    #[must_use = "nothing moves unless the task is spawned"]
    pub fn split_with(self, config: HandleConfig) -> (Peer, Events, Run<S, D, C>) {
        let (session, transports) = self.into_parts();
        let clock = Arc::clone(transports.clock());
        let shared = Arc::new(Shared::new(session, clock, config));
        let owner = Arc::new(Owner::new(Arc::clone(&shared)));
        let events = Events::new(Arc::clone(&owner));
        (Peer::new(owner), events, Run::new(transports, shared))
    }
}
