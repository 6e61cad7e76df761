//! Frames to packets.

use bytes::Bytes;
use bytestring::ByteString;

use super::attachments::Attachments;
use super::error::{DecodeError, DecodeErrorKind};
use super::header::Header;
use super::limits::Limits;
use crate::frame::Frame;
use crate::packet::Packet;

/// Puts the frames of one path together to packets.
///
/// It checks framing, header, attachment count and event name, at a cost that does not grow with the payload;
/// [`Packet::validate`] checks the rest. Nothing is copied: packets share the frames' bytes.
///
/// After an error the decoder is as new: what it had of a packet is gone. A remote that sends such frames does
/// not keep to the protocol, which says to close the connection; a caller that goes on instead may see further
/// errors for the rest of the broken packet.
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

/// A packet whose attachments are still to come.
struct Pending {
    head: ByteString,
    header: Header,
    attachments: Vec<Bytes>,
    bytes: usize,
}

/// Shows numbers only.
impl std::fmt::Debug for Pending {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "Pending({} of {} attachments)", self.attachments.len(), self.header.attachments)
    }
}

impl Decoder {
    /// A decoder for one path.
    #[must_use]
    pub const fn new(limits: Limits) -> Self {
        Self { limits, pending: None }
    }

    /// Takes the next frame. Returns the packet that it completes, or nothing while attachments are missing.
    ///
    /// # Errors
    /// [`DecodeError`] when the frame is not what the protocol allows here or is over a limit.
    pub fn push(&mut self, frame: Frame) -> Result<Option<Packet>, DecodeError> {
        match (self.pending.take(), frame) {
            (None, Frame::Text(head)) => self.push_head(head),
            (Some(pending), Frame::Binary(bytes)) => self.push_attachment(pending, bytes),
            (None, Frame::Binary(_)) => {
                Err(DecodeError::in_frame(DecodeErrorKind::UnexpectedBinary, 0))
            }
            (Some(pending), Frame::Text(_)) => {
                let got = pending.attachments.len();
                let missing = pending.header.attachments - got;
                Err(DecodeError::in_frame(DecodeErrorKind::UnexpectedText { missing }, got + 1))
            }
        }
    }

    fn push_head(&mut self, head: ByteString) -> Result<Option<Packet>, DecodeError> {
        let header = Header::scan(&head, &self.limits)?;
        if header.attachments == 0 {
            return Ok(Some(Packet::new(head, header, Attachments::None)));
        }
        let bytes = head.len();
        self.pending = Some(Pending { head, header, attachments: Vec::new(), bytes });
        Ok(None)
    }

    fn push_attachment(
        &mut self,
        mut pending: Pending,
        bytes: Bytes,
    ) -> Result<Option<Packet>, DecodeError> {
        pending.bytes = pending.bytes.saturating_add(bytes.len());
        if pending.bytes > self.limits.max_packet_bytes {
            let kind = DecodeErrorKind::PacketTooLarge { max: self.limits.max_packet_bytes };
            return Err(DecodeError::in_frame(kind, pending.attachments.len() + 1));
        }
        if pending.header.attachments == 1 {
            let attachments = Attachments::One(bytes);
            return Ok(Some(Packet::new(pending.head, pending.header, attachments)));
        }
        pending.attachments.push(bytes);
        if pending.attachments.len() == pending.header.attachments {
            let attachments = Attachments::from(pending.attachments);
            return Ok(Some(Packet::new(pending.head, pending.header, attachments)));
        }
        self.pending = Some(pending);
        Ok(None)
    }

    /// Whether a packet lacks attachments.
    #[must_use]
    pub const fn pending(&self) -> bool {
        self.pending.is_some()
    }

    /// The bytes held of a packet that lacks attachments.
    #[must_use]
    pub fn pending_bytes(&self) -> usize {
        self.pending.as_ref().map_or(0, |pending| pending.bytes)
    }

    /// Drops what it has of a packet that lacks attachments.
    pub fn reset(&mut self) {
        self.pending = None;
    }

    /// The limits.
    #[must_use]
    pub const fn limits(&self) -> &Limits {
        &self.limits
    }
}

/// Takes head and attachments of a packet that came as a whole.
pub(crate) fn assemble(
    head: ByteString,
    attachments: Vec<Bytes>,
    limits: &Limits,
) -> Result<Packet, DecodeError> {
    let header = Header::scan(&head, limits)?;
    if header.attachments != attachments.len() {
        let kind = DecodeErrorKind::AttachmentNumber {
            announced: header.attachments,
            got: attachments.len(),
        };
        return Err(DecodeError::in_frame(kind, attachments.len().min(header.attachments)));
    }
    let mut total = head.len();
    for (index, bytes) in attachments.iter().enumerate() {
        total = total.saturating_add(bytes.len());
        if total > limits.max_packet_bytes {
            let kind = DecodeErrorKind::PacketTooLarge { max: limits.max_packet_bytes };
            return Err(DecodeError::in_frame(kind, index + 1));
        }
    }
    Ok(Packet::new(head, header, attachments.into()))
}
