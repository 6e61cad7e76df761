//! The cloneable handle over the [`driver`](crate::driver), for applications that use a session in several places.
//!
//! [`Driver::split`] returns three parts: [`Peer`], the handle, which is cheap to clone and goes to any thread;
//! [`Events`], the stream of events; and [`Run`], the task that moves frames and timers, to be spawned. The
//! session itself is behind a lock, so that calls take effect at once. The layer depends on no runtime.
//!
//! | for | call | waits for |
//! |---|---|---|
//! | events | [`emit`](Peer::emit), [`emit_bulk`](Peer::emit_bulk) | room in the peer's queue, in the order of the calls |
//! | | [`try_emit`](Peer::try_emit), [`try_emit_bulk`](Peer::try_emit_bulk), [`emit_volatile`](Peer::emit_volatile) | nothing |
//! | requests | [`request`](Peer::request), [`request_all`](Peer::request_all) | room, and the answers |
//! | | [`request_server`](Peer::request_server) | the answer of the server's application |
//! | answers | [`reply`](Peer::reply), [`try_reply`](Peer::try_reply) | room; nothing |
//! | dispatch | [`Router`] | |
//! | transfers | [`open_transfer`](Peer::open_transfer), [`accept`](Peer::accept), [`send_transfer`](Peer::send_transfer) | the reading application |
//! | | [`refuse`](Peer::refuse) | nothing |
//! | the end | [`close`](Peer::close) | delivery, at most [`Config::close_timeout`](crate::Config::close_timeout) |
//!
//! What waits is bounded by its callers: one packet per pending future. Unread events are bounded by
//! [`HandleConfig`].
//!
//! ```
//! use futures::StreamExt;
//! use socketio_p2p_core::driver::{Clock, Driver, async_trait};
//! use socketio_p2p_core::hub::HubConfig;
//! use socketio_p2p_core::{Config, Event, Packet, Time};
//! use socketio_p2p_transport_memory::MemoryNetwork;
//! # use std::time::Duration;
//! # #[derive(Clone)]
//! # struct TokioClock(tokio::time::Instant);
//! # #[async_trait]
//! # impl Clock for TokioClock {
//! #     fn now(&self) -> Time {
//! #         Time::ZERO + self.0.elapsed()
//! #     }
//! #     async fn sleep(&self, duration: Duration) {
//! #         tokio::time::sleep(duration).await;
//! #     }
//! # }
//!
//! # #[tokio::main(flavor = "current_thread", start_paused = true)]
//! # async fn main() -> Result<(), Box<dyn std::error::Error>> {
//! # let clock = TokioClock(tokio::time::Instant::now());
//! let network = MemoryNetwork::new(HubConfig::default(), [0; 32], clock.clone());
//! let join = |seed| {
//!     let (signaling, direct) = (network.signaling(), network.direct());
//!     Driver::new(Config::default(), [seed; 32], signaling, direct, clock.clone())
//! };
//! let (ann, mut events, run) = join(1)?.split();
//! tokio::spawn(run);
//! let (bob, mut questions, run) = join(2)?.split();
//! tokio::spawn(run);
//!
//! // Bob answers questions.
//! tokio::spawn(async move {
//!     while let Some(event) = questions.next().await {
//!         let Event::Received { reply: Some(token), .. } = event else { continue };
//!         bob.reply(&token, &("fine",)).await.expect("Ann is there");
//!     }
//! });
//!
//! while let Some(event) = events.next().await {
//!     let Event::PeerJoined { peer, .. } = event else { continue };
//!     let question = Packet::event("how-are-you", &())?;
//!     let (answer,) = ann.request(&peer, &question).args::<(String,)>().await?;
//!     assert_eq!(answer, "fine");
//!     break;
//! }
//! let undelivered = ann.close().await?;
//! assert!(undelivered.is_empty());
//! # Ok(())
//! # }
//! ```
//!
//! # Reading events
//!
//! A task that awaits an emit, a reply or a request between two events reads none meanwhile. That is fine while
//! the peers do otherwise. When two programs do so and send each other more than fits, they wait for each other:
//! each has more than [`HandleConfig::unread_bytes`] unread, has therefore told the other to wait, and waits for
//! room in a queue that the other's acknowledgements would make. Requests end with their time-out, emits and
//! replies with the link or the session, which may be never.
//!
//! So the task that reads the events should not wait for a peer: it uses [`Peer::try_emit`] and
//! [`Peer::try_reply`], or leaves what may wait to another task. [`Router::run`] does so for its answers.
//!
//! # Inside
//!
//! - `shared`: the state behind the lock, and where each event of the session goes
//! - `run`, `events`, `peer`, `close`: the parts and the end
//! - `lines`, `waits`: who waits for room in a peer's lane, and an emit between its polls
//! - `emit`, `request`, `questions`: emits and answers; questions and the answers to them
//! - `server`, `server_questions`: questions to the server's application
//! - `router`: dispatch of events by name
//! - `outgoing`, `incoming`, `fan_out`, `progress`, `streams`: transfers
//! - `unread`: the bound of unread events; `farewell`: what was not delivered

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
mod router;
mod run;
mod server;
mod server_questions;
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
pub use self::fan_out::{SendTransfer, Sent};
pub use self::farewell::Undelivered;
pub use self::incoming::IncomingTransfer;
pub use self::outgoing::OutgoingTransfer;
use self::peer::Owner;
pub use self::peer::{Peer, WeakPeer};
pub use self::progress::{Progress, ProgressOfAll};
pub use self::request::{Answers, AnswersAs, PendingAnswer, Request};
pub use self::router::{Answering, RouteError, RouteFailure, Router};
pub use self::run::Run;
pub use self::server::ServerRequest;
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
        #[cfg(feature = "tracing")]
        let span = self.span().clone();
        let (session, transports) = self.into_parts();
        let clock = Arc::clone(transports.clock());
        let shared = Arc::new(Shared::new(
            session,
            clock,
            config,
            #[cfg(feature = "tracing")]
            span,
        ));
        let owner = Arc::new(Owner::new(Arc::clone(&shared)));
        let events = Events::new(Arc::clone(&owner));
        (Peer::new(owner), events, Run::new(transports, shared))
    }
}
