//! The server's application and the peers: events and questions in both directions.

use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use serde::Serialize;
use serde::de::DeserializeOwned;
use socketio_p2p_core::wire::{MemberData, ServerMessage};
use socketio_p2p_core::{EmitError, Packet, PeerId, RoomName};
use socketioxide::extract::AckSender;
use socketioxide::socket::Socket;
use thiserror::Error;

use super::SignalingHandle;
use super::wire::Wire;

pub(super) type OnEvent = Arc<dyn Fn(PeerEvent) + Send + Sync>;

/// An event that a peer sent to the server's application, with
/// [`Target::Server`](socketio_p2p_core::Target::Server).
#[derive(Debug)]
#[non_exhaustive]
pub struct PeerEvent {
    /// The peer's room.
    pub room: RoomName,
    /// The peer.
    pub peer: PeerId,
    /// What the application has verified about the peer.
    pub user: Option<MemberData>,
    /// The event.
    pub packet: Packet,
    /// The way to answer, when the peer asked for an answer.
    pub reply: Option<PeerReply>,
}

/// The answer to one question of a peer. Dropping it leaves the question without an answer.
pub struct PeerReply(pub(super) AckSender);

impl PeerReply {
    /// Sends the answer, a tuple of arguments or one value.
    ///
    /// # Errors
    /// [`ReplyFailure`] when it cannot be written, or the peer's connection takes nothing now.
    pub fn send<T: Serialize + ?Sized>(self, args: &T) -> Result<(), ReplyFailure> {
        self.0.send(args).map_err(|error| ReplyFailure(error.to_string()))
    }
}

impl fmt::Debug for PeerReply {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("PeerReply")
    }
}

/// Why an answer to a peer was not sent.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
#[error("the answer was not sent: {0}")]
pub struct ReplyFailure(String);

/// Why a peer did not answer the server's application.
#[derive(Debug, Error)]
#[non_exhaustive]
pub enum AskError {
    /// The room has no such member, or it is away.
    #[error("no peer {0} is present in the room")]
    NotPresent(PeerId),
    /// The event cannot be sent by an application.
    #[error("the question was not accepted")]
    Event(#[from] EmitError),
    /// The peer's connection takes nothing now.
    #[error("the question was not sent: {0}")]
    NotSent(String),
    /// The peer did not answer in time, or its connection ended.
    #[error("peer {peer} did not answer within {} ms", .within.as_millis())]
    NoAnswer {
        /// The peer.
        peer: PeerId,
        /// The time-out.
        within: Duration,
    },
    /// The answer is not of the expected type.
    #[error("the answer does not have the expected arguments")]
    Arguments,
}

impl SignalingHandle {
    /// Sends an event to one peer, at most once: it arrives as
    /// [`Event::ServerEvent`](socketio_p2p_core::Event::ServerEvent). Returns whether the peer is present.
    ///
    /// # Errors
    /// [`EmitError`] when the packet is not an event that an application can send.
    pub fn emit(&self, room: &RoomName, peer: &PeerId, event: &Packet) -> Result<bool, EmitError> {
        self.shared.command(|hub, _| hub.emit_to(room, peer, event))
    }

    /// Sends an event to all members of a room, clients of the original library included, at most once.
    ///
    /// # Errors
    /// As [`emit`](Self::emit).
    pub fn broadcast(&self, room: &RoomName, event: &Packet) -> Result<(), EmitError> {
        self.shared.command(|hub, _| hub.emit_to_room(room, event))
    }

    /// Asks one peer, and returns the arguments of its answer: one value, or a tuple of several. The question may
    /// overtake events that wait for the peer's connection.
    ///
    /// # Errors
    /// [`AskError`].
    ///
    /// # Cancel safety
    /// Dropping the future forgets the question.
    pub async fn request<T: DeserializeOwned>(
        &self,
        room: &RoomName,
        peer: &PeerId,
        event: &Packet,
        timeout: Duration,
    ) -> Result<T, AskError> {
        let client = self.shared.with_hub(|hub| hub.client_of(room, peer));
        let socket = client.and_then(|client| self.shared.socket(client));
        let Some(socket) = socket else { return Err(AskError::NotPresent(peer.clone())) };
        let answer = ask::<T>(&socket, event, timeout)?;
        match answer.await {
            Ok(answer) => Ok(answer),
            Err(socketioxide::AckError::Decode(_)) => Err(AskError::Arguments),
            Err(_) => Err(AskError::NoAnswer { peer: peer.clone(), within: timeout }),
        }
    }
}

fn ask<T: DeserializeOwned>(
    socket: &Socket,
    event: &Packet,
    timeout: Duration,
) -> Result<socketioxide::ack::AckStream<T>, AskError> {
    socketio_p2p_core::hub::check_event(event)?;
    let wire = Wire::new(&ServerMessage::Event(event.clone()));
    let wire = wire.ok_or_else(|| AskError::NotSent("the event has no valid form".to_owned()))?;
    wire.ask(socket, timeout).map_err(|error| AskError::NotSent(error.to_string()))
}
