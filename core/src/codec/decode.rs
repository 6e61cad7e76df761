//! Frames to packets.

use bytes::Bytes;
use bytestring::ByteString;

use super::attachments::Attachments;
use super::error::{DecodeError, DecodeErrorKind};
use super::header::{self, Header};
use super::limits::Limits;
use super::namespace::Namespace;
use super::packet::Packet;
use super::packet_type::PacketType;
use crate::frame::Frame;

/// A decoder, which assembles the frames of one path into packets.
///
/// The decoder checks framing, header, attachment count and event name, at a cost that is independent of the
/// payload; [`Packet::validate`] checks the rest. Nothing is copied: packets share the frames' bytes.
///
/// An error resets the decoder: the frames of the unfinished packet are dropped. A remote that sends such
/// frames violates the protocol, which then requires closing the connection; a caller that continues instead
/// may see further errors for the rest of the packet.
///
/// ```
/// use bytes::Bytes;
/// use socketio_p2p_core::codec::{Decoder, Limits};
///
/// let mut decoder = Decoder::new(Limits::default());
/// let head = r#"51-["file",{"_placeholder":true,"num":0}]"#;
/// assert!(decoder.push(head.into())?.is_none(), "one attachment is missing");
/// let packet = decoder.push(Bytes::from_static(b"\x89PNG").into())?.expect("now it is whole");
/// assert_eq!(packet.event_name().as_deref(), Some("file"));
/// assert_eq!(packet.args::<(&[u8],)>()?.0, b"\x89PNG");
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Debug)]
pub struct Decoder {
    limits: Limits,
    pending: Option<Pending>,
}

/// The initial capacity of the list of attachments, because the announced number is not trusted.
const LARGEST_FIRST_LIST: usize = 16;

/// A packet with missing attachments.
struct Pending {
    head: ByteString,
    header: Header,
    announced: usize,
    attachments: Vec<Bytes>,
    bytes: usize,
}

/// Prints numbers only.
impl std::fmt::Debug for Pending {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "Pending({} of {} attachments)", self.attachments.len(), self.announced)
    }
}

impl Decoder {
    /// Creates a decoder for one path.
    #[must_use]
    pub const fn new(limits: Limits) -> Self {
        Self { limits, pending: None }
    }

    /// Takes the next frame. Returns the packet that it completes, or `None` while attachments are missing.
    ///
    /// # Errors
    /// [`DecodeError`] when the protocol does not permit the frame here, or when it exceeds a limit.
    #[inline]
    pub fn push(&mut self, frame: Frame) -> Result<Option<Packet>, DecodeError> {
        match frame {
            Frame::Text(_) if self.pending.is_some() => Err(self.unexpected_text()),
            Frame::Text(head) => {
                let header = Header::scan(&head, &self.limits)?;
                if header.packet_type().is_binary() {
                    self.expect_attachments(head, header);
                    return Ok(None);
                }
                Ok(Some(Packet::new(head, header, Attachments::None)))
            }
            // A `Result` of its own lets the packet of the other arm stay in registers: returned directly, it
            // makes a small event take half as long again.
            Frame::Binary(bytes) => Ok(self.push_attachment(bytes)?),
        }
    }

    #[cold]
    fn unexpected_text(&mut self) -> DecodeError {
        let (missing, frame) = self.pending.take().map_or((0, 0), |pending| {
            let got = pending.attachments.len();
            (pending.announced - got, got + 1)
        });
        DecodeError::in_frame(DecodeErrorKind::UnexpectedText { missing }, frame)
    }

    fn expect_attachments(&mut self, head: ByteString, header: Header) {
        let (announced, _) = header.attachments(&head);
        let attachments = match announced {
            // One attachment needs no list.
            1 => Vec::new(),
            announced => Vec::with_capacity(announced.min(LARGEST_FIRST_LIST)),
        };
        let bytes = head.len();
        self.pending = Some(Pending { head, header, announced, attachments, bytes });
    }

    fn push_attachment(&mut self, bytes: Bytes) -> Result<Option<Packet>, DecodeError> {
        let Some(pending) = &mut self.pending else {
            return Err(DecodeError::in_frame(DecodeErrorKind::UnexpectedBinary, 0));
        };
        pending.bytes = pending.bytes.saturating_add(bytes.len());
        if pending.bytes > self.limits.max_packet_bytes {
            let kind = DecodeErrorKind::PacketTooLarge { max: self.limits.max_packet_bytes };
            let frame = pending.attachments.len() + 1;
            self.pending = None;
            return Err(DecodeError::in_frame(kind, frame));
        }
        if pending.attachments.len() + 1 < pending.announced {
            pending.attachments.push(bytes);
            return Ok(None);
        }
        let whole = self.pending.take().map(|Pending { head, header, mut attachments, .. }| {
            let attachments = if attachments.is_empty() {
                Attachments::One(bytes)
            } else {
                attachments.push(bytes);
                Attachments::from(attachments)
            };
            Packet::new(head, header, attachments)
        });
        Ok(whole)
    }

    /// Returns whether a packet has missing attachments.
    #[must_use]
    pub const fn pending(&self) -> bool {
        self.pending.is_some()
    }

    /// Returns the bytes held of a packet with missing attachments.
    #[must_use]
    pub fn pending_bytes(&self) -> usize {
        self.pending.as_ref().map_or(0, |pending| pending.bytes)
    }

    /// Drops a packet with missing attachments.
    pub fn reset(&mut self) {
        self.pending = None;
    }

    /// Returns the limits.
    #[must_use]
    pub const fn limits(&self) -> &Limits {
        &self.limits
    }
}

/// Constructors from frames and from JSON.
impl Packet {
    /// Creates a packet from a payload that is JSON already; an empty payload is none. The type must be a
    /// binary one if and only if there are attachments.
    ///
    /// # Errors
    /// [`DecodeError`] when a [`Decoder`] without limits would not accept the packet. Like a decoder, it does
    /// not check the payload: [`validate`](Self::validate) does.
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
        let header = check(&head, &attachments, &Limits::unbounded())?;
        if header.payload() != header_len {
            // The payload begins with a text that parses as a namespace or an ack id.
            let kind = DecodeErrorKind::Payload("JSON as the payload");
            return Err(DecodeError::in_head(kind, &head, header_len));
        }
        Ok(Self::new(head.into(), header, attachments.into()))
    }

    /// Creates a packet from all its frames, with the checks of a [`Decoder`].
    ///
    /// # Errors
    /// [`DecodeError`] when the frames are not exactly one packet, or exceed a limit.
    pub fn from_head_and_attachments(
        head: ByteString,
        attachments: Vec<Bytes>,
        limits: &Limits,
    ) -> Result<Self, DecodeError> {
        let header = check(&head, &attachments, limits)?;
        Ok(Self::new(head, header, attachments.into()))
    }

    /// Applies the checks of a decoder with these limits to a packet that was not decoded.
    pub(crate) fn check(&self, limits: &Limits) -> Result<(), DecodeError> {
        check(self.head(), self.attachments(), limits).map(|_| ())
    }
}

/// Checks head and attachments of a packet against limits, without the payload.
fn check(head: &str, attachments: &[Bytes], limits: &Limits) -> Result<Header, DecodeError> {
    let header = Header::scan(head, limits)?;
    let ((announced, _), got) = (header.attachments(head), attachments.len());
    if announced != got {
        let kind = DecodeErrorKind::AttachmentNumber { announced, got };
        return Err(DecodeError::in_frame(kind, got.min(announced)));
    }
    let mut total = head.len();
    for (index, bytes) in attachments.iter().enumerate() {
        total = total.saturating_add(bytes.len());
        if total > limits.max_packet_bytes {
            let kind = DecodeErrorKind::PacketTooLarge { max: limits.max_packet_bytes };
            return Err(DecodeError::in_frame(kind, index + 1));
        }
    }
    Ok(header)
}
