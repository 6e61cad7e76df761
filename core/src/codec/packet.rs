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

/// One Socket.IO packet: its head as it travels, and its attachments.
///
/// A packet *is* its frames: making one writes them, taking one from a decoder keeps them, and cloning one
/// shares them. So an event to a thousand receivers is written once, and what a hub passes on is never read.
///
/// The payload is read when it is asked for: [`args`](Self::args) for the arguments of an event or ack,
/// [`data`](Self::data) for the payload of the other types. A decoder does not look into payloads;
/// [`validate`](Self::validate) does.
#[derive(Clone)]
pub struct Packet {
    head: ByteString,
    header: Header,
    attachments: Attachments,
}

/// The same packet with another header.
impl Packet {
    pub(super) const fn new(head: ByteString, header: Header, attachments: Attachments) -> Self {
        Self { head, header, attachments }
    }

    /// The same packet in another namespace. Copies the head.
    #[must_use]
    pub fn in_namespace(self, namespace: &Namespace) -> Self {
        let ack_id = self.ack_id();
        self.with_header(namespace.as_str(), ack_id)
    }

    /// The same packet with another ack id: an event then asks for an ack. Copies the head. Packets that are
    /// neither event nor ack have no ack id and stay as they are.
    #[must_use]
    pub fn with_ack_id(self, ack_id: u64) -> Self {
        if !self.packet_type().may_have_ack_id() {
            return self;
        }
        let namespace = self.namespace();
        self.with_header(namespace.as_str(), Some(ack_id))
    }

    /// The same packet without an ack id. Copies the head if it has one. An ack stays as it is: it is about its id.
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
    /// The type.
    #[must_use]
    pub const fn packet_type(&self) -> PacketType {
        self.header.packet_type()
    }

    /// The namespace, shared.
    #[must_use]
    pub fn namespace(&self) -> Namespace {
        let range = self.header.namespace(&self.head);
        if range.is_empty() {
            return Namespace::default();
        }
        Namespace::from_scanned(self.head.slice_ref(&self.head[range]))
    }

    /// Of an event, the id under which it asks for an ack; of an ack, the id of the event that it answers.
    #[must_use]
    pub fn ack_id(&self) -> Option<u64> {
        self.header.ack_id(&self.head)
    }

    /// The name of an event; none of the other types. A name that is a number is that number's text.
    #[must_use]
    #[inline]
    pub fn event_name(&self) -> Option<Cow<'_, str>> {
        self.header.name(&self.head)
    }
}

/// The payload.
impl Packet {
    /// The payload as it travels: JSON, or nothing.
    #[must_use]
    pub fn payload(&self) -> &str {
        &self.head[self.header.payload()..]
    }

    /// The attachments, in the order in which they travel.
    #[must_use]
    #[inline]
    pub fn attachments(&self) -> &[Bytes] {
        self.attachments.as_slice()
    }

    /// The arguments of an event behind its name, or all arguments of an ack, as a tuple, a sequence, a struct
    /// (fields by position) or a unit for none. There must be as many as the type has.
    ///
    /// `&str` borrows from the head, if the text has no escape. `&[u8]` borrows an attachment
    /// ([`share_attachment`](Self::share_attachment) is the way back to [`Bytes`]);
    /// [`Blob`](crate::codec::Blob) shares it; `Vec<u8>` and other types copy it. That holds anywhere in the value,
    /// inside untagged enums and flattened structs too.
    ///
    /// # Errors
    /// [`PayloadError`] when the payload is not well-formed, or not what the type asks for, and for packets that
    /// have no arguments.
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

    /// The whole payload: the object of a CONNECT, the error of a CONNECT_ERROR, the array (with the event name)
    /// of events and acks. A missing payload reads as null. Borrowing is as with [`args`](Self::args).
    ///
    /// # Errors
    /// [`PayloadError`] when the payload is not well-formed or not what the type asks for.
    pub fn data<'a, T: Deserialize<'a>>(&'a self) -> Result<T, PayloadError> {
        de::read_payload(&self.head, self.header.payload(), &self.attachments)
    }

    /// Shares the attachment that the slice is part of: the way from a borrowed `&[u8]` back to [`Bytes`]. `None`
    /// when it is part of none, or empty.
    #[must_use]
    pub fn share_attachment(&self, slice: &[u8]) -> Option<Bytes> {
        self.attachments.share(slice)
    }

    /// Checks what a decoder leaves unchecked: that the payload is well-formed JSON of bounded depth, and that
    /// every placeholder refers to an attachment. A packet that passes can still have a payload that does not
    /// fit the type [`args`](Self::args) is asked for.
    ///
    /// # Errors
    /// [`DecodeError`] with the place of the first fault.
    pub fn validate(&self, limits: &Limits) -> Result<(), DecodeError> {
        validate::payload(&self.head, self.header, limits)
    }
}

/// The wire.
impl Packet {
    /// The text frame.
    #[must_use]
    pub const fn head(&self) -> &ByteString {
        &self.head
    }

    /// All frames in order, shared.
    #[inline]
    pub fn frames(&self) -> impl Iterator<Item = Frame> + '_ {
        let attachments = self.attachments().iter().cloned().map(Frame::Binary);
        std::iter::once(Frame::Text(self.head.clone())).chain(attachments)
    }

    /// The bytes of all frames.
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

/// Shows the header and sizes, never the payload.
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
