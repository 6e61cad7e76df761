//! The handlers that `socketioxide` calls.
//!
//! The function handlers of `socketioxide` run on one task per event and lose the order of events. These handlers run
//! on the connection's own task, one after the other.

use std::fmt;
use std::pin::Pin;
use std::sync::{Arc, Weak};

use socketio_p2p_core::ClientId;
use socketio_p2p_core::hub::{Admission, Departure, JoinError};
use socketio_p2p_core::wire::{ClientMessage, Join};
use socketioxide::adapter::LocalAdapter;
use socketioxide::extract::{AckSender, SocketRef};
use socketioxide::handler::{
    ConnectHandler, DisconnectHandler, FromMessageParts, MessageHandler, Value,
};
use socketioxide::socket::{DisconnectReason, Sid, Socket};

use super::V0Client;
use super::admission::{JoinRequest, Rejection};
use super::application::PeerReply;
use super::outbox::Outbox;
use super::state::Shared;
use super::wire;

type Middleware<'a> =
    Pin<Box<dyn Future<Output = Result<(), Box<dyn fmt::Display + Send>>> + Send + 'a>>;

/// The connect handler of the namespace, around the application's handler.
///
/// The client joins in the middleware. `socketioxide` answers `CONNECT` before it calls the connect handler: handlers
/// registered there would miss the first events, and a full room could not be refused.
pub(super) struct Gate<H> {
    shared: Arc<Shared>,
    application: H,
}

impl<H> Gate<H> {
    pub(super) const fn new(shared: Arc<Shared>, application: H) -> Self {
        Self { shared, application }
    }

    async fn admit(&self, socket: &Arc<Socket>, auth: Option<&Value>) -> Result<(), Refusal> {
        let auth = auth.and_then(Value::as_str).map(|auth| auth.as_str());
        let join = Join::from_auth(auth.unwrap_or_default()).map_err(|error| {
            let error = JoinError::BadAuth { reason: error.to_string() };
            #[cfg(feature = "tracing")]
            super::trace::refused(None, error.code());
            error
        })?;
        let join = match join {
            Some(join) if join.dialect != socketio_p2p_core::Dialect::V0 => join,
            Some(_) | None => {
                let socket = SocketRef::from(Arc::clone(socket));
                let client = V0Client { socket: &socket, auth };
                Join::v0((self.shared.settings.room_for_v0)(&client))
            }
        };
        let settings = &self.shared.settings;
        let (join, admission) = match &settings.admission {
            None => (join, Admission::default()),
            Some(decide) => {
                let socket = SocketRef::from(Arc::clone(socket));
                let request = JoinRequest::new(socket, auth.map(str::to_owned), join.clone());
                let within = settings.admission_timeout;
                let decided = tokio::time::timeout(within, decide(request)).await;
                let decided = decided.unwrap_or_else(|_| Err(Rejection::took_too_long(within)));
                #[cfg(feature = "tracing")]
                if let Err(rejection) = &decided {
                    super::trace::refused(join.room.as_ref(), rejection.code());
                }
                (join, decided?)
            }
        };
        let outbox = Arc::new(Outbox::new(Arc::downgrade(socket)));
        let client = self.shared.join(join, admission, socket.id, outbox)?;
        let shared = Arc::downgrade(&self.shared);
        let seat = Arc::new(Seat { shared, client, socket: socket.id });
        socket.on_disconnect(OnDisconnect(Arc::clone(&seat)));
        socket.on_fallback(OnEvent(seat));
        Ok(())
    }
}

impl<H: Clone> Clone for Gate<H> {
    fn clone(&self) -> Self {
        Self { shared: Arc::clone(&self.shared), application: self.application.clone() }
    }
}

impl<H, T> ConnectHandler<LocalAdapter, T> for Gate<H>
where
    H: ConnectHandler<LocalAdapter, T>,
    T: Send + Sync + 'static,
{
    fn call(&self, socket: Arc<Socket>, auth: Option<Value>) {
        if self.shared.open(socket.id) {
            self.application.call(socket, auth);
        } else {
            // The buffer cannot be full: it contains the answer to `CONNECT` only.
            let _ = SocketRef::from(socket).disconnect();
        }
    }

    fn call_middleware<'a>(
        &'a self,
        socket: Arc<Socket>,
        auth: &'a Option<Value>,
    ) -> Middleware<'a> {
        Box::pin(async move {
            self.application.call_middleware(Arc::clone(&socket), auth).await?;
            let admitted = self.admit(&socket, auth.as_ref()).await;
            admitted.map_err(|refusal| Box::new(refusal) as _)
        })
    }
}

/// The text of a `CONNECT_ERROR`. `socketioxide` can send a message only, so the code for programs precedes the text,
/// up to the colon.
enum Refusal {
    Hub(JoinError),
    Application(Rejection),
}

impl From<JoinError> for Refusal {
    fn from(error: JoinError) -> Self {
        Self::Hub(error)
    }
}

impl From<Rejection> for Refusal {
    fn from(rejection: Rejection) -> Self {
        Self::Application(rejection)
    }
}

impl fmt::Display for Refusal {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Hub(error) => write!(f, "{}: {error}", error.code()),
            Self::Application(rejection) => write!(f, "{rejection}"),
        }
    }
}

/// A client's seat in the hub, held by the handlers of its socket. Dropping it removes the client: a socket can go
/// without a disconnect when a later step of its connecting fails.
struct Seat {
    shared: Weak<Shared>,
    client: ClientId,
    socket: Sid,
}

impl Seat {
    fn depart(&self, departure: Departure) {
        if let Some(shared) = self.shared.upgrade() {
            shared.depart(self.client, self.socket, departure);
        }
    }
}

impl Drop for Seat {
    fn drop(&mut self) {
        self.depart(Departure::Lost);
    }
}

struct OnEvent(Arc<Seat>);

impl MessageHandler<LocalAdapter, Self> for OnEvent {
    fn call(&self, socket: Arc<Socket>, mut value: Value, ack: Option<i64>) {
        if let Some(shared) = self.0.shared.upgrade() {
            let reply = ack.and_then(|_| {
                AckSender::from_message_parts(&socket, &mut value, &ack).ok().map(PeerReply)
            });
            let message =
                wire::read(value).and_then(|packet| ClientMessage::from_packet(packet).ok());
            shared.receive(self.0.client, message, reply);
        }
    }
}

struct OnDisconnect(Arc<Seat>);

impl DisconnectHandler<LocalAdapter, Self> for OnDisconnect {
    fn call_with_defer(
        &self,
        socket: Arc<Socket>,
        reason: DisconnectReason,
        defer: fn(Arc<Socket>),
    ) {
        self.0.depart(match reason {
            DisconnectReason::ClientNSDisconnect | DisconnectReason::ServerNSDisconnect => {
                Departure::Left
            }
            // The end of the server must not end links over direct paths.
            DisconnectReason::ClosingServer
            | DisconnectReason::TransportClose
            | DisconnectReason::MultipleHttpPollingError
            | DisconnectReason::PacketParsingError
            | DisconnectReason::TransportError
            | DisconnectReason::HeartbeatTimeout => Departure::Lost,
        });
        defer(socket);
    }
}
