//! The errors of frames, payloads and values to encode.
//!
//! No error text contains more of the content than one character and the names of object keys: payloads contain
//! passwords, session descriptions and tokens.

use std::fmt;

use serde::{de, ser};
use thiserror::Error;

/// An error in a JSON text (RFC 8259).
#[derive(Clone, Copy, Debug, PartialEq, Eq, Error)]
#[non_exhaustive]
pub enum JsonError {
    /// Something else than this was found.
    #[error("expected {0}")]
    Expected(&'static str),
    /// The text ends where this was expected.
    #[error("expected {0}, got the end")]
    UnexpectedEnd(&'static str),
    /// A raw control character inside a string.
    #[error("expected control characters in a string to be escaped")]
    ControlCharacter,
    /// Half of a surrogate pair, which is not valid Unicode.
    #[error("expected a surrogate pair, got half of one")]
    LoneSurrogate,
    /// A number with a leading zero.
    #[error("expected a number without leading zeros")]
    LeadingZero,
    /// A number beyond the range of a double.
    #[error("expected a number that a double can hold")]
    NumberOutOfRange,
    /// More nested arrays and objects than the limit.
    #[error("expected arrays and objects nested no deeper than the limit")]
    TooDeep,
}

/// An error, and its byte offset.
#[derive(Debug)]
pub(crate) struct ScanError {
    pub(crate) error: JsonError,
    pub(crate) offset: usize,
}

impl ScanError {
    #[cold]
    pub(crate) const fn new(error: JsonError, offset: usize) -> Self {
        Self { error, offset }
    }

    #[cold]
    pub(crate) fn expected(what: &'static str, bytes: &[u8], offset: usize) -> Self {
        let error = if offset < bytes.len() {
            JsonError::Expected(what)
        } else {
            JsonError::UnexpectedEnd(what)
        };
        Self { error, offset }
    }
}

/// An error in a placeholder of an attachment (`{"_placeholder":true,"num":0}`).
#[derive(Clone, Copy, Debug, PartialEq, Eq, Error)]
#[non_exhaustive]
pub enum PlaceholderError {
    /// `num` is missing, is not a number, or is not written in plain decimal.
    #[error("expected a placeholder's `num` to be a plain decimal number")]
    Number,
    /// `num` is not below the number of attachments.
    #[error("expected a placeholder's `num` below {attachments}")]
    OutOfRange {
        /// The number of the packet's attachments.
        attachments: usize,
    },
}

/// An error in a frame.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
#[non_exhaustive]
pub enum DecodeErrorKind {
    /// An empty text frame.
    #[error("expected a packet")]
    EmptyFrame,
    /// The frame does not begin with a digit from 0 to 6.
    #[error("expected a packet type from 0 to 6")]
    UnknownType,
    /// The attachment count of a binary packet is not a plain decimal number followed by `-`.
    #[error("expected an attachment count from 1 in plain decimal, then `-`")]
    AttachmentCount,
    /// The announced attachments exceed the limit.
    #[error("expected at most {max} attachments")]
    TooManyAttachments {
        /// The limit.
        max: usize,
    },
    /// The namespace exceeds the limit.
    #[error("expected a namespace of at most {max} bytes")]
    NamespaceTooLong {
        /// The limit.
        max: usize,
    },
    /// The ack id has leading zeros or does not fit in 64 bits.
    #[error("expected an ack id in plain decimal that fits in 64 bits")]
    AckId,
    /// An ACK without ack id, which answers no event.
    #[error("expected an ack id")]
    AckIdMissing,
    /// An ack id on a packet that can neither ask for an ack nor be one.
    #[error("expected no ack id on {0}")]
    AckIdUnexpected(crate::PacketType),
    /// The payload is missing or of another kind.
    #[error("expected {0}")]
    Payload(&'static str),
    /// The first element of an EVENT's payload is not an event name.
    #[error("expected an event name: a string, or a whole number in plain decimal")]
    EventName,
    /// The event name is reserved by the reference implementation.
    #[error("expected an event name that is not reserved")]
    ReservedEventName,
    /// The event name exceeds the limit.
    #[error("expected an event name of at most {max} bytes")]
    EventNameTooLong {
        /// The limit.
        max: usize,
    },
    /// The payload is not well-formed.
    #[error(transparent)]
    Json(#[from] JsonError),
    /// A placeholder is invalid.
    #[error(transparent)]
    Placeholder(#[from] PlaceholderError),
    /// A text frame arrived where an attachment was expected.
    #[error("expected an attachment ({missing} are missing), got a text frame")]
    UnexpectedText {
        /// The number of missing attachments.
        missing: usize,
    },
    /// A binary frame arrived where no attachment was expected.
    #[error("expected the head of a packet, got a binary frame")]
    UnexpectedBinary,
    /// A whole packet has another number of attachments than its head announces.
    #[error("expected {announced} attachments, got {got}")]
    AttachmentNumber {
        /// The announced number.
        announced: usize,
        /// The actual number.
        got: usize,
    },
    /// Head and attachments together exceed the limit.
    #[error("expected a packet of at most {max} bytes")]
    PacketTooLarge {
        /// The limit.
        max: usize,
    },
}

impl DecodeErrorKind {
    /// Returns a name for logs, metrics and scripts, which is stable across versions.
    #[must_use]
    pub const fn name(&self) -> &'static str {
        match self {
            Self::EmptyFrame => "empty-frame",
            Self::UnknownType => "unknown-type",
            Self::AttachmentCount => "attachment-count",
            Self::TooManyAttachments { .. } => "too-many-attachments",
            Self::NamespaceTooLong { .. } => "namespace-too-long",
            Self::AckId => "ack-id",
            Self::AckIdMissing => "ack-id-missing",
            Self::AckIdUnexpected(_) => "ack-id-unexpected",
            Self::Payload(_) => "payload",
            Self::EventName => "event-name",
            Self::ReservedEventName => "reserved-event-name",
            Self::EventNameTooLong { .. } => "event-name-too-long",
            Self::Json(_) => "json",
            Self::Placeholder(_) => "placeholder",
            Self::UnexpectedText { .. } => "unexpected-text",
            Self::UnexpectedBinary => "unexpected-binary",
            Self::AttachmentNumber { .. } => "attachment-number",
            Self::PacketTooLarge { .. } => "packet-too-large",
        }
    }
}

/// A frame that violates the protocol or a limit.
///
/// One pointer, so that the results for valid packets stay small.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct DecodeError(Box<Fault>);

#[derive(Clone, Debug, PartialEq, Eq)]
struct Fault {
    kind: DecodeErrorKind,
    frame: usize,
    offset: usize,
    found: Option<Found>,
}

/// What was found at the position of an error in the head.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Found {
    Char(char),
    End,
}

impl DecodeError {
    /// Creates an error in the head, at `offset`.
    #[cold]
    pub(crate) fn in_head(kind: impl Into<DecodeErrorKind>, head: &str, offset: usize) -> Self {
        let found = head.get(offset..).and_then(|rest| rest.chars().next());
        let found = Some(found.map_or(Found::End, Found::Char));
        Self(Box::new(Fault { kind: kind.into(), frame: 0, offset, found }))
    }

    /// Creates an error about a frame as a whole.
    #[cold]
    pub(crate) fn in_frame(kind: DecodeErrorKind, frame: usize) -> Self {
        Self(Box::new(Fault { kind, frame, offset: 0, found: None }))
    }

    #[cold]
    pub(crate) fn in_json(error: ScanError, head: &str) -> Self {
        Self::in_head(error.error, head, error.offset)
    }

    /// Returns the kind of the error.
    #[must_use]
    pub fn kind(&self) -> &DecodeErrorKind {
        &self.0.kind
    }

    /// Returns the index of the frame in the packet: 0 is the head, 1 the first attachment.
    #[must_use]
    pub fn frame(&self) -> usize {
        self.0.frame
    }

    /// Returns the byte offset of the error in the frame; the frame's length when the frame ends too early.
    #[must_use]
    pub fn offset(&self) -> usize {
        self.0.offset
    }
}

impl fmt::Display for DecodeError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Fault { kind, frame, offset, found } = &*self.0;
        write!(f, "{kind}")?;
        match (kind, found) {
            (DecodeErrorKind::Json(JsonError::UnexpectedEnd(_)), Some(Found::End)) | (_, None) => {}
            (_, Some(Found::End)) => f.write_str(", got the end")?,
            (_, Some(Found::Char(found))) => write!(f, ", got {found:?}")?,
        }
        match (frame, found) {
            (0, None) => Ok(()),
            (0, Some(_)) => write!(f, " at byte {offset} of the head"),
            (attachment, _) => write!(f, " at attachment {attachment}"),
        }
    }
}

impl std::error::Error for DecodeError {}

/// A payload that does not have the requested type.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PayloadError(Box<PayloadErrorInner>);

#[derive(Clone, Debug, PartialEq, Eq)]
struct PayloadErrorInner {
    kind: PayloadErrorKind,
    offset: Option<usize>,
}

/// The reason why a payload does not have the requested type.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
#[non_exhaustive]
pub enum PayloadErrorKind {
    /// The payload is not well-formed; [`Packet::validate`](crate::Packet::validate) returns the same error.
    #[error(transparent)]
    Json(JsonError),
    /// A placeholder is invalid; [`Packet::validate`](crate::Packet::validate) returns the same error.
    #[error(transparent)]
    Placeholder(PlaceholderError),
    /// The payload is well-formed and of another type.
    #[error("{0}")]
    Type(String),
}

impl PayloadError {
    #[cold]
    pub(crate) fn new(kind: PayloadErrorKind, offset: Option<usize>) -> Self {
        Self(Box::new(PayloadErrorInner { kind, offset }))
    }

    /// Sets the offset, unless a more precise one is set.
    #[cold]
    pub(crate) fn at(mut self, offset: usize) -> Self {
        self.0.offset.get_or_insert(offset);
        self
    }

    /// Returns the kind of the error.
    #[must_use]
    pub const fn kind(&self) -> &PayloadErrorKind {
        &self.0.kind
    }

    /// Returns the byte offset of the error in the packet's head.
    #[must_use]
    pub const fn offset(&self) -> Option<usize> {
        self.0.offset
    }
}

impl From<ScanError> for PayloadError {
    #[cold]
    fn from(error: ScanError) -> Self {
        Self::new(PayloadErrorKind::Json(error.error), Some(error.offset))
    }
}

impl fmt::Display for PayloadError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}", self.0.kind)?;
        match self.0.offset {
            Some(offset) => write!(f, " at byte {offset} of the head"),
            None => Ok(()),
        }
    }
}

impl std::error::Error for PayloadError {}

/// Names the kind only: serde's own texts would quote the value.
fn kind_of(unexpected: &de::Unexpected<'_>) -> &'static str {
    match unexpected {
        de::Unexpected::Bool(_) => "a boolean",
        de::Unexpected::Unsigned(_) | de::Unexpected::Signed(_) => "a whole number",
        de::Unexpected::Float(_) => "a fraction",
        de::Unexpected::Char(_) | de::Unexpected::Str(_) => "a string",
        de::Unexpected::Bytes(_) => "an attachment",
        de::Unexpected::Unit | de::Unexpected::Option => "null",
        de::Unexpected::Seq => "an array",
        de::Unexpected::Map => "an object",
        de::Unexpected::NewtypeStruct
        | de::Unexpected::Enum
        | de::Unexpected::UnitVariant
        | de::Unexpected::NewtypeVariant
        | de::Unexpected::TupleVariant
        | de::Unexpected::StructVariant => "a variant",
        de::Unexpected::Other(_) => "another value",
    }
}

impl de::Error for PayloadError {
    #[cold]
    fn custom<T: fmt::Display>(message: T) -> Self {
        Self::new(PayloadErrorKind::Type(message.to_string()), None)
    }

    #[cold]
    fn invalid_type(unexpected: de::Unexpected<'_>, expected: &dyn de::Expected) -> Self {
        Self::custom(format_args!("expected {expected}, got {}", kind_of(&unexpected)))
    }

    #[cold]
    fn invalid_value(unexpected: de::Unexpected<'_>, expected: &dyn de::Expected) -> Self {
        Self::custom(format_args!(
            "expected {expected}, got {} of another value",
            kind_of(&unexpected)
        ))
    }

    #[cold]
    fn unknown_variant(_variant: &str, expected: &'static [&'static str]) -> Self {
        Self::custom(format_args!("expected one of {}", expected.join(", ")))
    }

    #[cold]
    fn unknown_field(field: &str, expected: &'static [&'static str]) -> Self {
        let shown: String = field.chars().take(40).collect();
        Self::custom(format_args!("expected one of {}, got key {shown:?}", expected.join(", ")))
    }
}

/// A value that cannot be encoded as a packet.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
#[non_exhaustive]
pub enum EncodeError {
    /// The event name is reserved by the reference implementation.
    #[error("expected an event name that is not reserved, got {0:?}")]
    ReservedEventName(String),
    /// The arguments are not a sequence.
    #[error("expected the arguments as a tuple, a sequence or a unit, got {0}")]
    Arguments(&'static str),
    /// The payload has another kind than the packet type requires.
    #[error("expected {0} as the payload")]
    Payload(&'static str),
    /// A map key is neither a string, a number, a boolean nor a unit variant.
    #[error("expected map keys that are strings or numbers, got {0}")]
    Key(&'static str),
    /// Arrays and objects are nested deeper than [`MAX_DEPTH`](super::MAX_DEPTH).
    #[error("expected at most {} levels of nesting", super::MAX_DEPTH)]
    TooDeep,
    /// The value contains bytes and an object with `"_placeholder": true`, which the remote would take for an
    /// attachment.
    #[error("expected no object with `_placeholder` beside attachments")]
    Placeholder,
    /// Bytes in a packet of a type without attachments.
    #[error("expected no bytes in {0}")]
    Attachment(crate::PacketType),
    /// Raw JSON in the value is not well-formed.
    #[error("expected well-formed raw JSON")]
    RawJson(#[source] JsonError),
    /// The head would exceed 512 MiB.
    #[error("expected a head of at most 512 MiB")]
    TooLarge,
    /// A `Serialize` implementation failed.
    #[error("{0}")]
    Custom(String),
}

/// An [`EncodeError`] inside serde. One pointer, so that results stay in a register.
#[derive(Debug, Error)]
#[error(transparent)]
pub(crate) struct Refusal(Box<EncodeError>);

impl From<EncodeError> for Refusal {
    #[cold]
    fn from(error: EncodeError) -> Self {
        Self(Box::new(error))
    }
}

impl From<Refusal> for EncodeError {
    #[cold]
    fn from(refusal: Refusal) -> Self {
        *refusal.0
    }
}

impl ser::Error for Refusal {
    #[cold]
    fn custom<T: fmt::Display>(message: T) -> Self {
        EncodeError::Custom(message.to_string()).into()
    }
}
