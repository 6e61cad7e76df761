//! Typed values to packets.

use std::cell::Cell;

use bytes::Bytes;
use bytestring::ByteString;
use serde::Serialize;

use super::attachments::{Attachments, WriteScope};
use super::error::{EncodeError, Refusal};
use super::header::{self, Header, MAX_HEAD, is_reserved_event_name};
use super::namespace::Namespace;
use super::packet::Packet;
use super::packet_type::PacketType;
use super::ser::Serializer;

/// The maximum capacity of a buffer that is kept for the next packet.
const KEPT_CAPACITY: usize = 256 * 1024;

/// An encoder, which writes packets into a buffer that it reuses for the next packet.
///
/// Header, event name and arguments are written in one pass; byte strings among the arguments become
/// attachments. After the first packets of a size an encoder allocates nothing.
///
/// ```
/// use socketio_p2p_core::{Namespace, codec::Encoder};
///
/// let mut encoder = Encoder::new();
/// let packet = encoder.event(&Namespace::default(), Some(7), "greet", &("Ada", 3))?;
/// assert_eq!(packet.head(), r#"27["greet","Ada",3]"#);
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Default)]
pub struct Encoder {
    head: String,
    attachments: Vec<Bytes>,
}

/// Prints the size of the buffer only.
impl std::fmt::Debug for Encoder {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Encoder").field("capacity", &self.head.capacity()).finish()
    }
}

/// A packet in an encoder's buffer.
pub struct Encoded<'e> {
    head: &'e str,
    header: Header,
    attachments: &'e [Bytes],
}

/// Prints sizes only.
impl std::fmt::Debug for Encoded<'_> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Encoded")
            .field("packet_type", &self.header.packet_type())
            .field("head_bytes", &self.head.len())
            .field("attachments", &self.attachments.len())
            .finish()
    }
}

impl Encoded<'_> {
    /// Returns the text frame.
    #[must_use]
    pub const fn head(&self) -> &str {
        self.head
    }

    /// Returns the binary frames that follow the head.
    #[must_use]
    pub const fn attachments(&self) -> &[Bytes] {
        self.attachments
    }

    /// Creates an independent packet with a copy of the head.
    #[must_use]
    pub fn to_packet(&self) -> Packet {
        let attachments = Attachments::from(self.attachments);
        Packet::new(ByteString::from(self.head), self.header, attachments)
    }
}

impl Encoder {
    /// Creates an encoder with an empty buffer.
    #[must_use]
    pub const fn new() -> Self {
        Self { head: String::new(), attachments: Vec::new() }
    }

    /// Writes an EVENT, or a BINARY_EVENT when the arguments contain bytes. The arguments are a tuple, a
    /// sequence, or a unit for none.
    ///
    /// # Errors
    /// [`EncodeError`] when the name is reserved or the arguments cannot be written.
    pub fn event<T: Serialize + ?Sized>(
        &mut self,
        namespace: &Namespace,
        ack_id: Option<u64>,
        name: &str,
        args: &T,
    ) -> Result<Encoded<'_>, EncodeError> {
        if is_reserved_event_name(name) {
            return Err(EncodeError::ReservedEventName(name.to_owned()));
        }
        let header = self.begin(PacketType::Event, namespace, ack_id);
        let mut end = 0;
        self.serializer(|serializer| {
            end = serializer.write_args(Some(name), args)?;
            Ok(())
        })?;
        self.finish(header.with_written_name(name.len(), end))
    }

    /// Writes an ACK, or a BINARY_ACK when the arguments contain bytes. The arguments are a tuple, a sequence,
    /// or a unit for none.
    ///
    /// # Errors
    /// [`EncodeError`] when the arguments cannot be written.
    pub fn ack<T: Serialize + ?Sized>(
        &mut self,
        namespace: &Namespace,
        ack_id: u64,
        args: &T,
    ) -> Result<Encoded<'_>, EncodeError> {
        let header = self.begin(PacketType::Ack, namespace, Some(ack_id));
        self.serializer(|serializer| serializer.write_args(None, args).map(drop))?;
        self.finish(header)
    }

    /// Writes a CONNECT with a payload, which must be an object.
    ///
    /// # Errors
    /// [`EncodeError`] when the payload is not an object or contains bytes.
    pub fn connect<T: Serialize + ?Sized>(
        &mut self,
        namespace: &Namespace,
        payload: &T,
    ) -> Result<Encoded<'_>, EncodeError> {
        self.with_payload(PacketType::Connect, namespace, payload, "{", "an object")
    }

    /// Writes a CONNECT_ERROR with a payload, which must be an object or, as in older protocol versions, a
    /// string.
    ///
    /// # Errors
    /// [`EncodeError`] when the payload is neither, or contains bytes.
    pub fn connect_error<T: Serialize + ?Sized>(
        &mut self,
        namespace: &Namespace,
        payload: &T,
    ) -> Result<Encoded<'_>, EncodeError> {
        let expected = "an object or a string";
        self.with_payload(PacketType::ConnectError, namespace, payload, "{\"", expected)
    }

    fn with_payload<T: Serialize + ?Sized>(
        &mut self,
        packet_type: PacketType,
        namespace: &Namespace,
        payload: &T,
        opening: &str,
        expected: &'static str,
    ) -> Result<Encoded<'_>, EncodeError> {
        let header = self.begin(packet_type, namespace, None);
        self.serializer(|serializer| serializer.write_value(payload))?;
        if !self.attachments.is_empty() {
            self.attachments.clear();
            return Err(EncodeError::Attachment(packet_type));
        }
        if !self.head[header.payload()..].starts_with(|first| opening.contains(first)) {
            return Err(EncodeError::Payload(expected));
        }
        self.finish(header)
    }

    /// Clears the buffer and writes everything before the payload.
    #[inline]
    fn begin(
        &mut self,
        packet_type: PacketType,
        namespace: &Namespace,
        ack_id: Option<u64>,
    ) -> Header {
        if self.head.capacity() > KEPT_CAPACITY {
            self.head = String::new();
        }
        self.head.clear();
        self.attachments.clear();
        header::write(&mut self.head, packet_type, 0, namespace.as_str(), ack_id);
        Header::new(packet_type, self.head.len())
    }

    #[inline]
    fn serializer(
        &mut self,
        write: impl FnOnce(&mut Serializer<'_>) -> Result<(), Refusal>,
    ) -> Result<(), EncodeError> {
        let _scope = WriteScope::enter();
        let result = write(&mut Serializer::new(&mut self.head, &mut self.attachments));
        result.map_err(|refusal| {
            self.attachments.clear();
            refusal.into()
        })
    }

    #[inline]
    fn finish(&mut self, mut header: Header) -> Result<Encoded<'_>, EncodeError> {
        if self.head.len() > MAX_HEAD {
            return Err(EncodeError::TooLarge);
        }
        if !self.attachments.is_empty() {
            header = self.announce_attachments(header);
        }
        Ok(Encoded { head: &self.head, header, attachments: &self.attachments })
    }

    /// Rewrites the header as that of a binary packet, because the payload contains attachments.
    fn announce_attachments(&mut self, header: Header) -> Header {
        let packet_type = header.packet_type().to_binary();
        let before = self.head.len();
        let mut count = itoa::Buffer::new();
        let count = count.format(self.attachments.len());
        self.head.replace_range(..1, packet_type.digit().encode_utf8(&mut [0; 4]));
        self.head.insert_str(1, count);
        self.head.insert(1 + count.len(), '-');
        header.moved(packet_type, header.payload() + self.head.len() - before)
    }
}

/// Constructors from typed values.
impl Packet {
    /// Creates an event in the default namespace without an ack id. The arguments are a tuple, a sequence, or a
    /// unit for none. Byte strings anywhere in them become attachments: [`Blob`](crate::codec::Blob) and
    /// [`Value::Bytes`](crate::codec::Value) without a copy, other types that call `serialize_bytes` with one.
    /// (A `Vec<u8>` does not: to serde it is an array of numbers.)
    ///
    /// # Errors
    /// [`EncodeError`] when the name is reserved or the arguments cannot be written.
    pub fn event<T: Serialize + ?Sized>(name: &str, args: &T) -> Result<Self, EncodeError> {
        with_encoder(|encoder| {
            Ok(encoder.event(&Namespace::default(), None, name, args)?.to_packet())
        })
    }

    /// Creates an ack in the default namespace. The arguments are as for [`event`](Self::event).
    ///
    /// # Errors
    /// [`EncodeError`] when the arguments cannot be written.
    pub fn ack<T: Serialize + ?Sized>(ack_id: u64, args: &T) -> Result<Self, EncodeError> {
        with_encoder(|encoder| Ok(encoder.ack(&Namespace::default(), ack_id, args)?.to_packet()))
    }

    /// Creates a CONNECT for the default namespace, with a payload (an object: a client's auth, a server's
    /// session id) or, for `None::<&()>`, without.
    ///
    /// # Errors
    /// [`EncodeError`] when the payload is not an object, contains bytes, or cannot be written.
    pub fn connect<T: Serialize + ?Sized>(payload: Option<&T>) -> Result<Self, EncodeError> {
        match payload {
            None => Ok(Self::without_payload(PacketType::Connect, "0")),
            Some(payload) => with_encoder(|encoder| {
                Ok(encoder.connect(&Namespace::default(), payload)?.to_packet())
            }),
        }
    }

    /// Creates a DISCONNECT from the default namespace.
    #[must_use]
    pub fn disconnect() -> Self {
        Self::without_payload(PacketType::Disconnect, "1")
    }

    /// Creates a CONNECT_ERROR for the default namespace. The payload is an object with a `message`.
    ///
    /// # Errors
    /// [`EncodeError`] when the payload is neither object nor string, contains bytes, or cannot be written.
    pub fn connect_error<T: Serialize + ?Sized>(payload: &T) -> Result<Self, EncodeError> {
        with_encoder(|encoder| {
            Ok(encoder.connect_error(&Namespace::default(), payload)?.to_packet())
        })
    }

    fn without_payload(packet_type: PacketType, head: &'static str) -> Self {
        let header = Header::new(packet_type, head.len());
        Self::new(ByteString::from_static(head), header, Attachments::None)
    }
}

thread_local! {
    /// The encoder of [`Packet`]'s constructors. It is taken out while in use, because a `Serialize`
    /// implementation may create packets itself.
    static ENCODER: Cell<Option<Encoder>> = const { Cell::new(None) };
}

/// Creates a packet with this thread's encoder.
fn with_encoder(
    encode: impl FnOnce(&mut Encoder) -> Result<Packet, EncodeError>,
) -> Result<Packet, EncodeError> {
    let mut encoder = ENCODER.take().unwrap_or_default();
    let packet = encode(&mut encoder);
    encoder.attachments.clear();
    ENCODER.set(Some(encoder));
    packet
}
