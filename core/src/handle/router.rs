//! Dispatch of received events by name, with typed arguments.

use std::collections::BTreeMap;
use std::fmt;
use std::pin::Pin;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::task::{Context, Poll};

use futures::StreamExt as _;
use futures::future::BoxFuture;
use futures::stream::FuturesUnordered;
use serde::Serialize;
use serde::de::DeserializeOwned;
use thiserror::Error;

use super::events::Events;
use super::peer::Peer;
use crate::codec::{Packet, PayloadError};
use crate::error::ReplyError;
use crate::event::{Event, ReplyToken};
use crate::id::PeerId;

/// A failure around a handler: whose event it was, and why.
#[derive(Debug, Error)]
#[error("event {event:?} of {}", self.sender())]
pub struct RouteError {
    /// The sender of the event; `None` for the server's application.
    pub peer: Option<PeerId>,
    /// The name of the event.
    pub event: String,
    /// The cause.
    #[source]
    pub cause: RouteFailure,
}

impl RouteError {
    fn sender(&self) -> String {
        self.peer.as_ref().map_or_else(|| "the server".to_owned(), |peer| format!("peer {peer}"))
    }
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

/// The maximum number of answers under way beside the reading of events.
const MAX_ANSWERS: usize = 1024;

/// The maximum bytes of the questions that handlers work on beside the reading of events.
const MAX_WORK: usize = 16 << 20;

type Sending = BoxFuture<'static, Result<(), ReplyError>>;
type Handler = Box<dyn FnMut(&Peer, &PeerId, &Packet, Option<ReplyToken>) -> Handled + Send>;
type ServerHandler = Box<dyn FnMut(&Peer, &Packet, Option<ReplyToken>) -> Handled + Send>;
type Handled = Result<Option<Sending>, PayloadError>;
type OnError = Arc<Mutex<dyn FnMut(RouteError) + Send>>;

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
///     .answer_async("name", async |of, (): ()| (format!("{of}, as the database says"),))
///     .otherwise(|event| println!("{event:?}"))
///     .on_error(|error| eprintln!("{error}: {}", error.cause));
/// # drop(router);
/// ```
#[derive(Default)]
pub struct Router {
    handlers: BTreeMap<String, Handler>,
    server_handlers: BTreeMap<String, ServerHandler>,
    otherwise: Option<Box<dyn FnMut(Event) + Send>>,
    on_error: Option<OnError>,
    work: Arc<Work>,
}

/// The bytes of the questions that handlers work on.
#[derive(Debug, Default)]
struct Work(AtomicUsize);

/// A question that a handler works on.
struct InWork {
    work: Arc<Work>,
    bytes: usize,
}

impl InWork {
    fn new(work: &Arc<Work>, bytes: usize) -> Self {
        work.0.fetch_add(bytes, Ordering::Relaxed);
        Self { work: Arc::clone(work), bytes }
    }
}

impl Drop for InWork {
    fn drop(&mut self) {
        self.work.0.fetch_sub(self.bytes, Ordering::Relaxed);
    }
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

    /// Sets the handler that answers the questions of this name at once: it returns the arguments of the answer, a
    /// tuple or a sequence. For an event that asks for no answer they are dropped.
    #[must_use]
    pub fn answer<T: DeserializeOwned, R: Serialize + Send + Sync + 'static>(
        mut self,
        name: impl Into<String>,
        mut handler: impl FnMut(&PeerId, T) -> R + Send + 'static,
    ) -> Self {
        let handle =
            move |peer: &Peer, from: &PeerId, packet: &Packet, token: Option<ReplyToken>| {
                let answer = handler(from, packet.args()?);
                Ok(token.map(|token| send(peer, token, answer)))
            };
        self.handlers.insert(name.into(), Box::new(handle));
        self
    }

    /// Sets the handler that answers the questions of this name in its own time: it returns a future of the
    /// arguments of the answer. The router spawns nothing: [`run`](Self::run) polls the futures beside the
    /// events, so that answers may overtake each other, and [`route`](Self::route) returns them.
    ///
    /// Nobody tells the future when the peer that asked has left or given up: it runs to its end.
    ///
    /// ```
    /// use std::sync::{Arc, Mutex};
    /// use socketio_p2p_core::handle::Router;
    ///
    /// let notes = Arc::new(Mutex::new(vec!["buy milk".to_owned()]));
    /// let router = Router::new().answer_async("note", move |_, (number,): (usize,)| {
    ///     // Each future has its own share of the state.
    ///     let notes = Arc::clone(&notes);
    ///     async move { (notes.lock().unwrap().get(number).cloned(),) }
    /// });
    /// # drop(router);
    /// ```
    #[must_use]
    pub fn answer_async<T, R, F>(
        mut self,
        name: impl Into<String>,
        mut handler: impl FnMut(PeerId, T) -> F + Send + 'static,
    ) -> Self
    where
        T: DeserializeOwned,
        R: Serialize + Send + Sync + 'static,
        F: Future<Output = R> + Send + 'static,
    {
        let work = Arc::clone(&self.work);
        let handle =
            move |peer: &Peer, from: &PeerId, packet: &Packet, token: Option<ReplyToken>| {
                let answer = handler(from.clone(), packet.args()?);
                let (peer, in_work) = (peer.clone(), InWork::new(&work, packet.wire_len()));
                let sending: Sending = Box::pin(async move {
                    let answer = answer.await;
                    drop(in_work);
                    match token {
                        Some(token) => peer.reply(&token, &answer).await,
                        None => Ok(()),
                    }
                });
                Ok(Some(sending))
            };
        self.handlers.insert(name.into(), Box::new(handle));
        self
    }

    /// Sets the handler of the events of this name that the server's application emits. It replaces an earlier one.
    /// The names of the server are apart from those of peers.
    #[must_use]
    pub fn on_server<T: DeserializeOwned>(
        mut self,
        name: impl Into<String>,
        mut handler: impl FnMut(T) + Send + 'static,
    ) -> Self {
        let handle = move |_: &Peer, packet: &Packet, _: Option<ReplyToken>| {
            handler(packet.args()?);
            Ok(None)
        };
        self.server_handlers.insert(name.into(), Box::new(handle));
        self
    }

    /// Sets the handler that answers the questions of this name of the server's application, as
    /// [`answer`](Self::answer) does those of peers.
    #[must_use]
    pub fn answer_server<T: DeserializeOwned, R: Serialize + Send + Sync + 'static>(
        mut self,
        name: impl Into<String>,
        mut handler: impl FnMut(T) -> R + Send + 'static,
    ) -> Self {
        let handle = move |peer: &Peer, packet: &Packet, token: Option<ReplyToken>| {
            let answer = handler(packet.args()?);
            Ok(token.map(|token| send(peer, token, answer)))
        };
        self.server_handlers.insert(name.into(), Box::new(handle));
        self
    }

    /// Sets the handler of everything else: events without a handler, and all that is no event of a peer or of the
    /// server's application. Without it transfers are refused, and all else is ignored.
    #[must_use]
    pub fn otherwise(mut self, handler: impl FnMut(Event) + Send + 'static) -> Self {
        self.otherwise = Some(Box::new(handler));
        self
    }

    /// Sets the handler of failures. Without it they are ignored.
    #[must_use]
    pub fn on_error(mut self, handler: impl FnMut(RouteError) + Send + 'static) -> Self {
        self.on_error = Some(Arc::new(Mutex::new(handler)));
        self
    }

    /// Passes an event to its handler. The future that it returns sends the answer, if there is one: it waits for
    /// the handler's own future, and while the queue of the peer that asked is full.
    ///
    /// A task that awaits it between two events reads none meanwhile, which can
    /// [block two programs for ever](crate::handle#reading-events): spawn it, or use [`run`](Self::run).
    ///
    /// # Cancel safety
    /// The handler has run when this returns. Dropping the future drops the answer.
    pub fn route(&mut self, peer: &Peer, event: Event) -> Answering {
        let (from, packet, reply) = if let Event::Received { from, packet, reply, .. } = &event {
            (Some(from), packet, reply)
        } else if let Event::ServerEvent { packet, reply } = &event {
            (None, packet, reply)
        } else {
            return self.pass(peer, event);
        };
        let Some(name) = packet.event_name() else { return self.pass(peer, event) };
        let reply = reply.clone();
        let handled = match from {
            Some(from) => {
                let handler = self.handlers.get_mut(&*name);
                handler.map(|handler| handler(peer, from, packet, reply))
            }
            None => {
                let handler = self.server_handlers.get_mut(&*name);
                handler.map(|handler| handler(peer, packet, reply))
            }
        };
        match handled {
            None => self.pass(peer, event),
            Some(Ok(None)) => Answering(None),
            Some(Ok(Some(sending))) => {
                let (peer, event) = (from.cloned(), name.into_owned());
                Answering(Some(Answer { sending, peer, event, on_error: self.on_error.clone() }))
            }
            Some(Err(error)) => {
                let cause = RouteFailure::Arguments(error);
                report(self.on_error.as_ref(), from.cloned(), &name, cause);
                Answering(None)
            }
        }
    }

    /// Routes all events, until the session has closed. It reads on while answers are under way: up to 1024, of
    /// which handlers may work on up to 16 MiB of questions; beyond that it waits for one of them.
    ///
    /// # Cancel safety
    /// Dropping the future drops the events that were not routed, and the answers that are under way. So does the
    /// end of the session.
    pub async fn run(mut self, peer: Peer, mut events: Events) {
        let mut answers = FuturesUnordered::new();
        std::future::poll_fn(|cx| {
            loop {
                // First, so that those that need not wait leave in the order of the questions.
                while let Poll::Ready(Some(())) = answers.poll_next_unpin(cx) {}
                let is_full =
                    answers.len() >= MAX_ANSWERS || self.work.0.load(Ordering::Relaxed) >= MAX_WORK;
                if is_full && !answers.is_empty() {
                    return Poll::Pending;
                }
                let Some(event) = std::task::ready!(events.poll_next_unpin(cx)) else {
                    return Poll::Ready(());
                };
                answers.extend(self.route(&peer, event).0);
            }
        })
        .await;
    }

    fn pass(&mut self, peer: &Peer, event: Event) -> Answering {
        match (&mut self.otherwise, &event) {
            (Some(otherwise), _) => otherwise(event),
            // Nobody will read it.
            (None, Event::TransferOpened { transfer, .. }) => drop(peer.refuse(transfer)),
            (None, _) => {}
        }
        Answering(None)
    }
}

/// The future of [`Router::route`]: the answer to an event, which may be none.
#[derive(Debug)]
#[must_use = "an answer that is not awaited is not sent"]
pub struct Answering(Option<Answer>);

/// An answer that is under way.
struct Answer {
    sending: Sending,
    peer: Option<PeerId>,
    event: String,
    on_error: Option<OnError>,
}

impl Future for Answering {
    type Output = ();

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<()> {
        let Some(answer) = &mut self.0 else { return Poll::Ready(()) };
        std::task::ready!(Pin::new(answer).poll(cx));
        self.0 = None;
        Poll::Ready(())
    }
}

impl Future for Answer {
    type Output = ();

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<()> {
        let sent = std::task::ready!(self.sending.as_mut().poll(cx));
        if let Err(error) = sent {
            let (peer, cause) = (self.peer.clone(), RouteFailure::Answer(error));
            report(self.on_error.as_ref(), peer, &self.event, cause);
        }
        Poll::Ready(())
    }
}

fn send<R: Serialize + Send + Sync + 'static>(
    peer: &Peer,
    token: ReplyToken,
    answer: R,
) -> Sending {
    let peer = peer.clone();
    Box::pin(async move { peer.reply(&token, &answer).await })
}

fn report(on_error: Option<&OnError>, peer: Option<PeerId>, event: &str, cause: RouteFailure) {
    if let Some(on_error) = on_error {
        let error = RouteError { peer, event: event.to_owned(), cause };
        on_error.lock().unwrap_or_else(PoisonError::into_inner)(error);
    }
}

impl fmt::Debug for Answer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Answer")
            .field("peer", &self.peer)
            .field("event", &self.event)
            .finish_non_exhaustive()
    }
}

impl fmt::Debug for Router {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Router")
            .field("events", &self.handlers.keys())
            .field("server_events", &self.server_handlers.keys())
            .finish_non_exhaustive()
    }
}
