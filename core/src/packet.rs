//! One Socket.IO packet (protocol v5).

use std::borrow::Cow;
use std::fmt;

use bytes::Bytes;
use bytestring::ByteString;
use serde::{Deserialize, Serialize};
use thiserror::Error;

use crate::codec::attachments::Attachments;
use crate::codec::header::{self, Header};
use crate::codec::{
    DecodeError, DecodeErrorKind, EncodeError, Limits, PayloadError, de, decode, encode, validate,
};
use crate::frame::Frame;

/// The seven types of packets. They display as the protocol writes them: `CONNECT`, `BINARY_EVENT`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum PacketType {
    /// Asks for, or confirms, the connection to a namespace.
    Connect,
    /// Leaves a namespace.
    Disconnect,
    /// An event without attachments.
    Event,
    /// The answer to an event that asked for one, without attachments.
    Ack,
    /// Refuses the connection to a namespace.
    ConnectError,
    /// An event with attachments.
    BinaryEvent,
    /// The answer to an event that asked for one, with attachments.
    BinaryAck,
}

impl PacketType {
    /// The name in the protocol text.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Connect => "CONNECT",
            Self::Disconnect => "DISCONNECT",
            Self::Event => "EVENT",
            Self::Ack => "ACK",
            Self::ConnectError => "CONNECT_ERROR",
            Self::BinaryEvent => "BINARY_EVENT",
            Self::BinaryAck => "BINARY_ACK",
        }
    }

    /// Whether packets of this type have attachments.
    #[must_use]
    pub const fn is_binary(self) -> bool {
        matches!(self, Self::BinaryEvent | Self::BinaryAck)
    }

    /// Whether packets of this type have an event name.
    #[must_use]
    pub const fn is_event(self) -> bool {
        matches!(self, Self::Event | Self::BinaryEvent)
    }

    /// Whether packets of this type ask for an ack or are one.
    pub(crate) const fn may_have_ack_id(self) -> bool {
        matches!(self, Self::Event | Self::Ack | Self::BinaryEvent | Self::BinaryAck)
    }

    /// The type without attachments that does the same.
    #[must_use]
    pub const fn without_attachments(self) -> Self {
        match self {
            Self::BinaryEvent => Self::Event,
            Self::BinaryAck => Self::Ack,
            Self::Connect | Self::Disconnect | Self::Event | Self::Ack | Self::ConnectError => self,
        }
    }

    /// The type with attachments that does the same.
    pub(crate) const fn to_binary(self) -> Self {
        match self {
            Self::Event => Self::BinaryEvent,
            Self::Ack => Self::BinaryAck,
            Self::Connect
            | Self::Disconnect
            | Self::ConnectError
            | Self::BinaryEvent
            | Self::BinaryAck => self,
        }
    }

    pub(crate) const fn from_digit(digit: u8) -> Option<Self> {
        Some(match digit {
            b'0' => Self::Connect,
            b'1' => Self::Disconnect,
            b'2' => Self::Event,
            b'3' => Self::Ack,
            b'4' => Self::ConnectError,
            b'5' => Self::BinaryEvent,
            b'6' => Self::BinaryAck,
            _ => return None,
        })
    }

    /// The digit that stands for the type on the wire.
    pub(crate) const fn digit(self) -> char {
        match self {
            Self::Connect => '0',
            Self::Disconnect => '1',
            Self::Event => '2',
            Self::Ack => '3',
            Self::ConnectError => '4',
            Self::BinaryEvent => '5',
            Self::BinaryAck => '6',
        }
    }
}

impl fmt::Display for PacketType {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

/// The namespace of a packet: `/` by default, else a name that begins with `/`. It may have a query part
/// (`/room?token=x`), which the codec passes on as it is. Cloning shares the text.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Namespace(ByteString);

const MAX_NAMESPACE: usize = 65_535;

/// A text that cannot be a namespace.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Error)]
#[error("a namespace begins with `/`, has no comma and at most {MAX_NAMESPACE} bytes")]
pub struct InvalidNamespace;

impl Namespace {
    /// Takes a text as a namespace.
    ///
    /// # Errors
    /// [`InvalidNamespace`] when it does not begin with `/`, has a comma, which ends a namespace on the wire, or
    /// is longer than 65,535 bytes.
    pub fn new(namespace: impl Into<ByteString>) -> Result<Self, InvalidNamespace> {
        let namespace = namespace.into();
        if Self::is_valid(&namespace) { Ok(Self(namespace)) } else { Err(InvalidNamespace) }
    }

    /// Takes a text that is known when the program is built.
    ///
    /// # Panics
    /// When the text is no namespace; in a constant, that is when the program is built.
    #[must_use]
    pub const fn from_static(namespace: &'static str) -> Self {
        assert!(Self::is_valid(namespace), "a namespace begins with `/` and has no comma");
        Self(ByteString::from_static(namespace))
    }

    const fn is_valid(namespace: &str) -> bool {
        let bytes = namespace.as_bytes();
        if bytes.is_empty() || bytes.len() > MAX_NAMESPACE || bytes[0] != b'/' {
            return false;
        }
        let mut at = 1;
        while at < bytes.len() {
            if bytes[at] == b',' {
                return false;
            }
            at += 1;
        }
        true
    }

    /// The text, query part included.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// Whether it is `/`.
    #[must_use]
    pub fn is_default(&self) -> bool {
        self.as_str() == "/"
    }
}

impl Default for Namespace {
    fn default() -> Self {
        Self(ByteString::from_static("/"))
    }
}

impl fmt::Display for Namespace {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

/// Shows the name without the query part, which may carry a token.
impl fmt::Debug for Namespace {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.as_str().split_once('?') {
            Some((name, _)) => write!(f, "Namespace({name:?} and a query)"),
            None => write!(f, "Namespace({:?})", self.as_str()),
        }
    }
}

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

/// Making packets.
impl Packet {
    /// An event in the default namespace that asks for no ack. The arguments are a tuple, a sequence, or a unit
    /// for none. Byte strings anywhere in them become attachments: [`Blob`](crate::codec::Blob) and
    /// [`Value::Bytes`](crate::codec::Value) without a copy, what else calls `serialize_bytes` with one. (A
    /// `Vec<u8>` does not: to serde it is an array of numbers.)
    ///
    /// # Errors
    /// [`EncodeError`] when the name is reserved or the arguments cannot be written.
    pub fn event<T: Serialize + ?Sized>(name: &str, args: &T) -> Result<Self, EncodeError> {
        encode::with_encoder(|encoder| {
            Ok(encoder.event(&Namespace::default(), None, name, args)?.to_packet())
        })
    }

    /// An ack in the default namespace. The arguments are as those of [`event`](Self::event).
    ///
    /// # Errors
    /// [`EncodeError`] when the arguments cannot be written.
    pub fn ack<T: Serialize + ?Sized>(ack_id: u64, args: &T) -> Result<Self, EncodeError> {
        encode::with_encoder(|encoder| {
            Ok(encoder.ack(&Namespace::default(), ack_id, args)?.to_packet())
        })
    }

    /// Asks to connect to the default namespace, with a payload (an object: a client's auth, a server's session
    /// id) or, for `None::<&()>`, without.
    ///
    /// # Errors
    /// [`EncodeError`] when the payload is no object, has bytes in it, or cannot be written.
    pub fn connect<T: Serialize + ?Sized>(payload: Option<&T>) -> Result<Self, EncodeError> {
        match payload {
            None => Ok(Self::without_payload(PacketType::Connect, "0")),
            Some(payload) => encode::with_encoder(|encoder| {
                Ok(encoder.connect(&Namespace::default(), payload)?.to_packet())
            }),
        }
    }

    /// Leaves the default namespace.
    #[must_use]
    pub fn disconnect() -> Self {
        Self::without_payload(PacketType::Disconnect, "1")
    }

    /// Refuses the connection to the default namespace. The payload is an object with a `message`.
    ///
    /// # Errors
    /// [`EncodeError`] when the payload is neither object nor string, has bytes in it, or cannot be written.
    pub fn connect_error<T: Serialize + ?Sized>(payload: &T) -> Result<Self, EncodeError> {
        encode::with_encoder(|encoder| {
            Ok(encoder.connect_error(&Namespace::default(), payload)?.to_packet())
        })
    }

    fn without_payload(packet_type: PacketType, head: &'static str) -> Self {
        let header = Header::new(packet_type, head.len());
        Self::new(ByteString::from_static(head), header, Attachments::None)
    }

    /// Puts a packet together from a payload that is JSON already; an empty one is none. The type is a binary
    /// one if and only if there are attachments.
    ///
    /// # Errors
    /// [`DecodeError`] when such a packet would not get through a [`Decoder`](crate::codec::Decoder) without
    /// limits. Like a decoder it does not look into the payload: [`validate`](Self::validate) does.
    pub fn from_parts(
        packet_type: PacketType,
        namespace: &Namespace,
        ack_id: Option<u64>,
        payload: impl AsRef<str>,
        attachments: Vec<Bytes>,
    ) -> Result<Self, DecodeError> {
        let payload = payload.as_ref();
        let (head, header_len) =
            header::prepend(packet_type, attachments.len(), namespace.as_str(), ack_id, payload);
        let packet =
            Self::from_head_and_attachments(head.into(), attachments, &Limits::unbounded())?;
        if packet.header.payload() != header_len {
            // It began with what reads as a namespace or as an ack id.
            let kind = DecodeErrorKind::Payload("JSON as the payload");
            return Err(DecodeError::in_head(kind, &packet.head, header_len));
        }
        Ok(packet)
    }

    /// Takes the frames of one packet at once, with the checks of a [`Decoder`](crate::codec::Decoder).
    ///
    /// # Errors
    /// [`DecodeError`] when the frames are not exactly one packet or over a limit.
    pub fn from_head_and_attachments(
        head: ByteString,
        attachments: Vec<Bytes>,
        limits: &Limits,
    ) -> Result<Self, DecodeError> {
        decode::assemble(head, attachments, limits)
    }

    pub(crate) const fn new(head: ByteString, header: Header, attachments: Attachments) -> Self {
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
        Namespace(self.head.slice_ref(&self.head[range]))
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

    /// Checks what a decoder with these limits would, of a packet that has not come through one.
    pub(crate) fn check(&self, limits: &Limits) -> Result<(), DecodeError> {
        decode::check(&self.head, self.attachments(), limits).map(|_| ())
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
