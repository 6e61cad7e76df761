//! One Socket.IO packet (protocol v5).

use std::borrow::Cow;
use std::fmt;

use bytes::Bytes;
use bytestring::ByteString;
use serde::Deserialize;

use super::attachments::Attachments;
use super::error::{DecodeError, PayloadError};
use super::header::{self, Header};
use super::limits::Limits;
use super::namespace::Namespace;
use super::packet_type::PacketType;
use super::{de, validate};
use crate::frame::Frame;

/// One Socket.IO packet: its head, in wire format, and its attachments.
///
/// A packet *is* its frames: constructing a packet encodes them, decoding keeps them, and cloning shares them.
/// An event to a thousand receivers is encoded once, and a hub forwards payloads without reading them.
///
/// The payload is parsed on demand: [`args`](Self::args) returns the arguments of an event or ack,
/// [`data`](Self::data) the payload of the other types. A decoder does not check payloads;
/// [`validate`](Self::validate) does.
#[derive(Clone)]
pub struct Packet {
    head: ByteString,
    header: Header,
    attachments: Attachments,
}

/// Changes of the header.
impl Packet {
    pub(super) const fn new(head: ByteString, header: Header, attachments: Attachments) -> Self {
        Self { head, header, attachments }
    }

    /// Returns the packet in another namespace. Copies the head.
    #[must_use]
    pub fn in_namespace(self, namespace: &Namespace) -> Self {
        let ack_id = self.ack_id();
        self.with_header(namespace.as_str(), ack_id)
    }

    /// Returns the packet with another ack id, with which an event asks for an ack. Copies the head. Packets
    /// that are neither event nor ack have no ack id and are returned unchanged.
    #[must_use]
    pub fn with_ack_id(self, ack_id: u64) -> Self {
        if !self.packet_type().may_have_ack_id() {
            return self;
        }
        let namespace = self.namespace();
        self.with_header(namespace.as_str(), Some(ack_id))
    }

    /// Returns the packet without an ack id. Copies the head if it has one. An ack is returned unchanged,
    /// because it needs its id.
    #[must_use]
    pub fn without_ack_id(self) -> Self {
        if self.ack_id().is_none() || !self.packet_type().is_event() {
            return self;
        }
        let namespace = self.namespace();
        self.with_header(namespace.as_str(), None)
    }

    fn with_header(mut self, namespace: &str, ack_id: Option<u64>) -> Self {
        let (packet_type, attachments) = (self.packet_type(), self.attachments().len());
        let (head, header_len) =
            header::prepend(packet_type, attachments, namespace, ack_id, self.payload());
        self.header = self.header.moved(packet_type, header_len);
        Self { head: ByteString::from(head), ..self }
    }
}

/// The header.
impl Packet {
    /// Returns the packet type.
    #[must_use]
    pub const fn packet_type(&self) -> PacketType {
        self.header.packet_type()
    }

    /// Returns the namespace, shared.
    #[must_use]
    pub fn namespace(&self) -> Namespace {
        let range = self.header.namespace(&self.head);
        if range.is_empty() {
            return Namespace::default();
        }
        Namespace::from_scanned(self.head.slice_ref(&self.head[range]))
    }

    /// Returns the ack id: of an event, the id with which it asks for an ack; of an ack, the id of the event
    /// that it answers.
    #[must_use]
    pub fn ack_id(&self) -> Option<u64> {
        self.header.ack_id(&self.head)
    }

    /// Returns the name of an event; `None` for other types. The name of an event that is named by a number is
    /// the number's text.
    #[must_use]
    #[inline]
    pub fn event_name(&self) -> Option<Cow<'_, str>> {
        self.header.name(&self.head)
    }
}

/// The payload.
impl Packet {
    /// Returns the payload as on the wire: JSON, or nothing.
    #[must_use]
    pub fn payload(&self) -> &str {
        &self.head[self.header.payload()..]
    }

    /// Returns the attachments, in the order on the wire.
    #[must_use]
    #[inline]
    pub fn attachments(&self) -> &[Bytes] {
        self.attachments.as_slice()
    }

    /// Parses the arguments of an event without its name, or all arguments of an ack, as a tuple, a sequence, a
    /// struct (fields by position) or a unit for none. Their number must be that of the type.
    ///
    /// A `&str` borrows from the head if the text has no escapes. A `&[u8]` borrows an attachment
    /// ([`share_attachment`](Self::share_attachment) returns its [`Bytes`]); [`Blob`](crate::codec::Blob)
    /// shares it; `Vec<u8>` and other types copy it. This holds anywhere in the value, also inside untagged
    /// enums and flattened structs.
    ///
    /// # Errors
    /// [`PayloadError`] when the payload is not well-formed or not of the requested type, and for packets
    /// without arguments.
    pub fn args<'a, T: Deserialize<'a>>(&'a self) -> Result<T, PayloadError> {
        let payload = self.header.payload();
        let pos = match (self.header.name_end(), self.header.packet_type()) {
            (Some(name_end), _) => name_end,
            (None, PacketType::Ack | PacketType::BinaryAck) => payload + 1,
            (None, packet_type) => {
                let message = format_args!("expected arguments, {packet_type} has none");
                return Err(serde::de::Error::custom(message));
            }
        };
        de::read_args(&self.head, payload, pos, &self.attachments)
    }

    /// Parses the whole payload: the object of a CONNECT, the error of a CONNECT_ERROR, the array (with the
    /// event name) of events and acks. A missing payload is read as null. Borrowing is as in
    /// [`args`](Self::args).
    ///
    /// # Errors
    /// [`PayloadError`] when the payload is not well-formed or not of the requested type.
    pub fn data<'a, T: Deserialize<'a>>(&'a self) -> Result<T, PayloadError> {
        de::read_payload(&self.head, self.header.payload(), &self.attachments)
    }

    /// Returns a share of the attachment that contains the slice, to convert a borrowed `&[u8]` to [`Bytes`].
    /// `None` when no attachment contains the slice, or when it is empty.
    #[must_use]
    pub fn share_attachment(&self, slice: &[u8]) -> Option<Bytes> {
        self.attachments.share(slice)
    }

    /// Checks the payload, which a decoder does not: it must be well-formed JSON of bounded depth, and every
    /// placeholder must refer to an attachment. The payload of a valid packet can still be of another type than
    /// [`args`](Self::args) requests.
    ///
    /// # Errors
    /// [`DecodeError`] with the position of the first error.
    pub fn validate(&self, limits: &Limits) -> Result<(), DecodeError> {
        validate::payload(&self.head, self.header, limits)
    }
}

/// The frames.
impl Packet {
    /// Returns the text frame.
    #[must_use]
    pub const fn head(&self) -> &ByteString {
        &self.head
    }

    /// Iterates over all frames in order, shared.
    #[inline]
    pub fn frames(&self) -> impl Iterator<Item = Frame> + '_ {
        let attachments = self.attachments().iter().cloned().map(Frame::Binary);
        std::iter::once(Frame::Text(self.head.clone())).chain(attachments)
    }

    /// Returns the bytes of all frames.
    #[must_use]
    pub fn wire_len(&self) -> usize {
        self.head.len() + self.attachments().iter().map(Bytes::len).sum::<usize>()
    }
}

/// Packets are equal when they have the same frames.
impl PartialEq for Packet {
    fn eq(&self, other: &Self) -> bool {
        self.head == other.head && self.attachments() == other.attachments()
    }
}

impl Eq for Packet {}

/// Prints the header and sizes, never the payload.
impl fmt::Debug for Packet {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Packet")
            .field("packet_type", &self.packet_type())
            .field("namespace", &self.namespace())
            .field("ack_id", &self.ack_id())
            .field("event_name", &self.event_name())
            .field("payload_bytes", &self.payload().len())
            .field("attachments", &self.attachments().len())
            .finish_non_exhaustive()
    }
}
