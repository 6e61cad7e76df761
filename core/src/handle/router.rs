//! Dispatch of received events by name, with typed arguments.

use std::collections::BTreeMap;
use std::fmt;

use futures::StreamExt as _;
use futures::future::BoxFuture;
use serde::Serialize;
use serde::de::DeserializeOwned;
use thiserror::Error;

use super::events::Events;
use super::peer::Peer;
use crate::codec::{Packet, PayloadError};
use crate::error::ReplyError;
use crate::event::{Event, ReplyToken};
use crate::id::PeerId;

/// A failure around a handler: which peer's event it was, and why.
#[derive(Debug, Error)]
#[error("event {event:?} of peer {peer}")]
pub struct RouteError {
    /// The sender of the event.
    pub peer: PeerId,
    /// The name of the event.
    pub event: String,
    /// The cause.
    #[source]
    pub cause: RouteFailure,
}

/// The cause of a [`RouteError`].
#[derive(Debug, Error)]
#[non_exhaustive]
pub enum RouteFailure {
    /// The arguments are not of the handler's type. The text names the expected type and the position.
    #[error("the arguments do not fit the handler")]
    Arguments(#[source] PayloadError),
    /// The answer could not be sent.
    #[error("the answer was not sent")]
    Answer(#[source] ReplyError),
}

type Sending = BoxFuture<'static, Result<(), ReplyError>>;
type Handler = Box<dyn FnMut(&Peer, &PeerId, &Packet, Option<ReplyToken>) -> Handled + Send>;
type Handled = Result<Option<Sending>, PayloadError>;

/// Handlers of events by name, each with typed arguments: [`route`](Self::route) passes an event to its handler.
///
/// A handler's arguments are a tuple, or whatever [`Packet::args`] can parse. A serde enum as the one argument
/// of an event works in all its forms, also with a [`Blob`](crate::codec::Blob) inside.
///
/// ```
/// use serde::Deserialize;
/// use socketio_p2p_core::codec::Blob;
/// use socketio_p2p_core::handle::Router;
///
/// #[derive(Deserialize)]
/// #[serde(tag = "kind", rename_all = "lowercase")]
/// enum Message {
///     Text { text: String },
///     Picture { name: String, data: Blob },
/// }
///
/// let router = Router::new()
///     .on("chat", |from, (message,): (Message,)| match message {
///         Message::Text { text } => println!("{from}: {text}"),
///         Message::Picture { name, data } => println!("{from}: {name}, {} bytes", data.len()),
///     })
///     .answer("add", |_, (a, b): (i64, i64)| (a + b,))
///     .otherwise(|event| println!("{event:?}"))
///     .on_error(|error| eprintln!("{error}: {}", error.cause));
/// # drop(router);
/// ```
#[derive(Default)]
pub struct Router {
    handlers: BTreeMap<String, Handler>,
    otherwise: Option<Box<dyn FnMut(Event) + Send>>,
    on_error: Option<Box<dyn FnMut(RouteError) + Send>>,
}

impl Router {
    /// Creates a router without handlers.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// Sets the handler of the events of this name. It replaces an earlier one. A question gets no answer from
    /// it.
    #[must_use]
    pub fn on<T: DeserializeOwned>(
        mut self,
        name: impl Into<String>,
        mut handler: impl FnMut(&PeerId, T) + Send + 'static,
    ) -> Self {
        let handle = move |_: &Peer, from: &PeerId, packet: &Packet, _: Option<ReplyToken>| {
            handler(from, packet.args()?);
            Ok(None)
        };
        self.handlers.insert(name.into(), Box::new(handle));
        self
    }

    /// Sets the handler that answers the questions of this name: it returns the arguments of the answer, a tuple
    /// or a sequence. For an event that asks for no answer they are dropped.
    #[must_use]
    pub fn answer<T: DeserializeOwned, R: Serialize + Send + Sync + 'static>(
        mut self,
        name: impl Into<String>,
        mut handler: impl FnMut(&PeerId, T) -> R + Send + 'static,
    ) -> Self {
        let handle =
            move |peer: &Peer, from: &PeerId, packet: &Packet, token: Option<ReplyToken>| {
                let answer = handler(from, packet.args()?);
                let peer = peer.clone();
                let sending = token.map(|token| -> Sending {
                    Box::pin(async move { peer.reply(&token, &answer).await })
                });
                Ok(sending)
            };
        self.handlers.insert(name.into(), Box::new(handle));
        self
    }

    /// Sets the handler of everything else: events without a handler, and all that is no event of a peer.
    #[must_use]
    pub fn otherwise(mut self, handler: impl FnMut(Event) + Send + 'static) -> Self {
        self.otherwise = Some(Box::new(handler));
        self
    }

    /// Sets the handler of failures. Without it they are ignored.
    #[must_use]
    pub fn on_error(mut self, handler: impl FnMut(RouteError) + Send + 'static) -> Self {
        self.on_error = Some(Box::new(handler));
        self
    }

    /// Passes an event to its handler, and sends the answer; waits while the queue of the peer that asked is full.
    ///
    /// # Cancel safety
    /// The handler has run with the first poll; dropping the future later drops the answer.
    pub async fn route(&mut self, peer: &Peer, event: Event) {
        let Event::Received { from, packet, reply, .. } = &event else {
            return self.pass(event);
        };
        let Some(name) = packet.event_name() else { return self.pass(event) };
        let Some(handler) = self.handlers.get_mut(&*name) else { return self.pass(event) };
        let failure = match handler(peer, from, packet, reply.clone()) {
            Ok(None) => return,
            Ok(Some(sending)) => match sending.await {
                Ok(()) => return,
                Err(error) => RouteFailure::Answer(error),
            },
            Err(error) => RouteFailure::Arguments(error),
        };
        if let Some(on_error) = &mut self.on_error {
            on_error(RouteError { peer: from.clone(), event: name.into_owned(), cause: failure });
        }
    }

    /// Routes all events, until the session has closed.
    ///
    /// # Cancel safety
    /// Dropping the future drops the events that were not routed, and the answer that is being sent.
    pub async fn run(mut self, peer: Peer, mut events: Events) {
        while let Some(event) = events.next().await {
            self.route(&peer, event).await;
        }
    }

    fn pass(&mut self, event: Event) {
        if let Some(otherwise) = &mut self.otherwise {
            otherwise(event);
        }
    }
}

impl fmt::Debug for Router {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Router").field("events", &self.handlers.keys()).finish_non_exhaustive()
    }
}
