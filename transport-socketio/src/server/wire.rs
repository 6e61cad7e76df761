//! Converts between packets of the core and values of `socketioxide`.
//!
//! `socketioxide` encodes `serde` types and copies attachments once per receiver. A packet without attachments is sent
//! as its text; only a binary event for v0 clients is decoded and encoded again.

use std::time::Duration;

use bytes::Bytes;
use bytestring::ByteString;
use serde::Serialize;
use serde::ser::{SerializeTuple as _, Serializer};
use serde_json::value::RawValue;
use socketio_p2p_core::codec;
use socketio_p2p_core::wire::{Download, ServerMessage};
use socketio_p2p_core::{Namespace, Packet, PacketType};
use socketioxide::SendError;
use socketioxide::ack::AckStream;
use socketioxide::handler::Value;
use socketioxide::socket::Socket;

/// A message in a form that `socketioxide` sends.
pub(super) enum Wire {
    /// The whole payload: event name and arguments.
    Text(Box<RawValue>),
    /// A relay envelope: header and body.
    Envelope(Box<RawValue>, Bytes),
    /// An event with attachments: name and arguments.
    Binary(String, Vec<codec::Value>),
}

impl Wire {
    /// `None` when the message has no valid form: a v1 peer's envelope to a v0 client contained no packet.
    pub(super) fn new(message: &ServerMessage) -> Option<Self> {
        if let ServerMessage::Relay(download) = message {
            let Download { body, .. } = download;
            let header = RawValue::from_string(download.header().ok()?).ok()?;
            return Some(Self::Envelope(header, body.clone()));
        }
        let packet = message.to_packet().ok()?;
        if packet.attachments().is_empty() {
            RawValue::from_string(packet.payload().to_owned()).ok().map(Self::Text)
        } else {
            let name = packet.event_name()?.into_owned();
            let args = packet.args::<Vec<codec::Value>>().ok()?;
            Some(Self::Binary(name, args))
        }
    }

    /// Sends an event that asks for an answer.
    pub(super) fn ask<T>(
        &self,
        socket: &Socket,
        timeout: Duration,
    ) -> Result<AckStream<T>, SendError> {
        let socket = socket.timeout(timeout);
        match self {
            Self::Text(payload) => socket.emit_with_ack("", &Verbatim(payload)),
            Self::Envelope(header, body) => {
                socket.emit_with_ack("p2p:relay", &(header, Body(body)))
            }
            Self::Binary(name, args) => socket.emit_with_ack(name, &Args(args)),
        }
    }

    pub(super) fn emit(&self, socket: &Socket) -> Result<(), SendError> {
        match self {
            Self::Text(payload) => socket.emit("", &Verbatim(payload)),
            Self::Envelope(header, body) => socket.emit("p2p:relay", &(header, Body(body))),
            Self::Binary(name, args) => socket.emit(name, &Args(args)),
        }
    }
}

/// An estimate of the bytes that a message holds.
pub(super) fn weight(message: &ServerMessage) -> usize {
    /// Bytes for names, ids and numbers.
    const FRAME: usize = 128;
    /// Bytes for a member with pair key and limits.
    const MEMBER: usize = 256;
    FRAME
        + match message {
            ServerMessage::NumClients { welcome, .. } => {
                welcome.as_ref().map_or(0, |welcome| welcome.roster.len() * MEMBER)
            }
            ServerMessage::Offer { offer, .. } => offer.as_json().len(),
            ServerMessage::Signal(signal) => signal.signal.as_json().len(),
            ServerMessage::Relay(download) => download.body.len(),
            ServerMessage::Event(packet) => {
                packet.payload().len() + packet.attachments().iter().map(Bytes::len).sum::<usize>()
            }
            ServerMessage::PeerJoin(_) => MEMBER,
            ServerMessage::PeerUpdate { metadata, .. } => {
                metadata.as_ref().map_or(0, |metadata| metadata.as_json().len())
            }
            ServerMessage::PeerAway(_)
            | ServerMessage::PeerDisconnect { .. }
            | ServerMessage::Close(_)
            | _ => 0,
        }
}

/// The packet in a received value.
pub(super) fn read(value: Value) -> Option<Packet> {
    match value {
        Value::Str(payload, attachments) => {
            let payload = ByteString::try_from(Bytes::from(payload)).ok()?;
            let attachments = attachments.map(Vec::from).unwrap_or_default();
            let kind = match attachments.len() {
                0 => PacketType::Event,
                _ => PacketType::BinaryEvent,
            };
            Packet::from_parts(kind, &Namespace::default(), None, payload, attachments).ok()
        }
        Value::Bytes(_) => None,
    }
}

/// A payload that is sent unchanged: `socketioxide` encodes a newtype as the whole payload, event name included.
#[derive(Serialize)]
struct Verbatim<'a>(&'a RawValue);

/// A sequence whose elements are the arguments of the event.
struct Args<'a>(&'a [codec::Value]);

impl Serialize for Args<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let mut args = serializer.serialize_tuple(self.0.len())?;
        for arg in self.0 {
            args.serialize_element(arg)?;
        }
        args.end()
    }
}

struct Body<'a>(&'a [u8]);

impl Serialize for Body<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_bytes(self.0)
    }
}
