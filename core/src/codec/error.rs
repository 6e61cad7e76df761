//! What can be wrong with frames, payloads and values to encode.
//!
//! No message shows more of the content than one character and the names of object keys: payloads carry
//! passwords, session descriptions and tokens.

use std::fmt;

use serde::{de, ser};
use thiserror::Error;

/// What is wrong with a JSON text (RFC 8259).
#[derive(Clone, Copy, Debug, PartialEq, Eq, Error)]
#[non_exhaustive]
pub enum JsonError {
    /// Something else stands where this was expected.
    #[error("expected {0}")]
    Expected(&'static str),
    /// The text ends where this was expected.
    #[error("expected {0}, got the end")]
    UnexpectedEnd(&'static str),
    /// A raw control character stands inside a string.
    #[error("expected control characters in a string to be escaped")]
    ControlCharacter,
    /// Half a surrogate pair, which no Unicode string holds.
    #[error("expected a surrogate pair, got half of one")]
    LoneSurrogate,
    /// A number with a zero before its first digit.
    #[error("expected a number without leading zeros")]
    LeadingZero,
    /// A number beyond what a double holds.
    #[error("expected a number that a double can hold")]
    NumberOutOfRange,
    /// More arrays and objects are open at once than allowed.
    #[error("expected less nesting: arrays and objects are nested deeper than the limit")]
    TooDeep,
}

/// What is wrong, and the byte it is wrong at.
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

/// What is wrong with an object that says it stands for an attachment
/// (`{"_placeholder":true,"num":0}`).
#[derive(Clone, Copy, Debug, PartialEq, Eq, Error)]
#[non_exhaustive]
pub enum PlaceholderError {
    /// `num` is missing, no number, or not written as a plain decimal number.
    #[error("expected a placeholder's `num` to be a plain decimal number")]
    Number,
    /// `num` is beyond the packet's attachments.
    #[error("expected a placeholder's `num` below {attachments}")]
    OutOfRange {
        /// How many attachments the packet has.
        attachments: usize,
    },
}

/// What is wrong with a frame.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
#[non_exhaustive]
pub enum DecodeErrorKind {
    /// A text frame without a byte.
    #[error("expected a packet")]
    EmptyFrame,
    /// The frame does not begin with a digit from 0 to 6.
    #[error("expected a packet type from 0 to 6")]
    UnknownType,
    /// The attachment count of a binary packet is not a plain decimal number followed by `-`.
    #[error("expected an attachment count from 1 in plain decimal, then `-`")]
    AttachmentCount,
    /// More attachments are announced than allowed.
    #[error("expected at most {max} attachments")]
    TooManyAttachments {
        /// The limit.
        max: usize,
    },
    /// The namespace is longer than allowed.
    #[error("expected a namespace of at most {max} bytes")]
    NamespaceTooLong {
        /// The limit.
        max: usize,
    },
    /// The ack id has leading zeros or does not fit in 64 bits.
    #[error("expected an ack id in plain decimal that fits in 64 bits")]
    AckId,
    /// An ACK without ack id: it answers nothing.
    #[error("expected an ack id")]
    AckIdMissing,
    /// An ack id on a packet that can neither ask for an ack nor be one.
    #[error("expected no ack id on {0}")]
    AckIdUnexpected(crate::PacketType),
    /// The payload is missing or of the wrong kind.
    #[error("expected {0}")]
    Payload(&'static str),
    /// The first element of an EVENT's payload is no event name.
    #[error("expected an event name: a string, or a whole number in plain decimal")]
    EventName,
    /// The event name has a meaning of its own in the reference implementation.
    #[error("expected an event name that is not reserved")]
    ReservedEventName,
    /// The event name is longer than allowed.
    #[error("expected an event name of at most {max} bytes")]
    EventNameTooLong {
        /// The limit.
        max: usize,
    },
    /// The payload is not well-formed.
    #[error(transparent)]
    Json(#[from] JsonError),
    /// A placeholder cannot be resolved.
    #[error(transparent)]
    Placeholder(#[from] PlaceholderError),
    /// A text frame came where an attachment is due.
    #[error("expected an attachment, of which {missing} are missing, got a text frame")]
    UnexpectedText {
        /// How many attachments the packet still lacks.
        missing: usize,
    },
    /// A binary frame came where none is due.
    #[error("expected the head of a packet, got a binary frame")]
    UnexpectedBinary,
    /// A whole packet came with another number of attachments than its head announces.
    #[error("expected {announced} attachments, got {got}")]
    AttachmentNumber {
        /// What the head says.
        announced: usize,
        /// What came.
        got: usize,
    },
    /// Head and attachments together are longer than allowed.
    #[error("expected a packet of at most {max} bytes")]
    PacketTooLarge {
        /// The limit.
        max: usize,
    },
}

impl DecodeErrorKind {
    /// A name for logs, metrics and scripts, which stays the same between versions.
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

/// A frame that the remote should not have sent.
///
/// It is one pointer: results on the way of good packets stay small.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct DecodeError(Box<Fault>);

#[derive(Clone, Debug, PartialEq, Eq)]
struct Fault {
    kind: DecodeErrorKind,
    frame: usize,
    offset: usize,
    found: Option<Found>,
}

/// What stands at the place of an error in the head.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Found {
    Char(char),
    End,
}

impl DecodeError {
    /// An error in the head, at `offset`.
    #[cold]
    pub(crate) fn in_head(kind: impl Into<DecodeErrorKind>, head: &str, offset: usize) -> Self {
        let found = head.get(offset..).and_then(|rest| rest.chars().next());
        let found = Some(found.map_or(Found::End, Found::Char));
        Self(Box::new(Fault { kind: kind.into(), frame: 0, offset, found }))
    }

    /// An error about a frame as a whole.
    #[cold]
    pub(crate) fn in_frame(kind: DecodeErrorKind, frame: usize) -> Self {
        Self(Box::new(Fault { kind, frame, offset: 0, found: None }))
    }

    #[cold]
    pub(crate) fn in_json(error: ScanError, head: &str) -> Self {
        Self::in_head(error.error, head, error.offset)
    }

    /// What is wrong.
    #[must_use]
    pub fn kind(&self) -> &DecodeErrorKind {
        &self.0.kind
    }

    /// Which frame of the packet: 0 is the head, 1 the first attachment.
    #[must_use]
    pub fn frame(&self) -> usize {
        self.0.frame
    }

    /// The byte of the frame at which it went wrong; the frame's length when it ends too early.
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

/// A payload that is not the value that was asked for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PayloadError(Box<PayloadErrorInner>);

#[derive(Clone, Debug, PartialEq, Eq)]
struct PayloadErrorInner {
    kind: PayloadErrorKind,
    offset: Option<usize>,
}

/// Why a payload is not the value that was asked for.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
#[non_exhaustive]
pub enum PayloadErrorKind {
    /// The payload is not well-formed; [`Packet::validate`](crate::Packet::validate) finds the same.
    #[error(transparent)]
    Json(JsonError),
    /// A placeholder cannot be resolved; [`Packet::validate`](crate::Packet::validate) finds the same.
    #[error(transparent)]
    Placeholder(PlaceholderError),
    /// The payload is well-formed and does not fit the type.
    #[error("{0}")]
    Type(String),
}

impl PayloadError {
    #[cold]
    pub(crate) fn new(kind: PayloadErrorKind, offset: Option<usize>) -> Self {
        Self(Box::new(PayloadErrorInner { kind, offset }))
    }

    /// Notes the place, unless a place nearer to the cause is known.
    #[cold]
    pub(crate) fn at(mut self, offset: usize) -> Self {
        self.0.offset.get_or_insert(offset);
        self
    }

    /// What is wrong.
    #[must_use]
    pub const fn kind(&self) -> &PayloadErrorKind {
        &self.0.kind
    }

    /// The byte of the packet's head at which it went wrong.
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

/// serde's own texts would quote the value.
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

/// A value that cannot become a packet.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
#[non_exhaustive]
pub enum EncodeError {
    /// The event name has a meaning of its own in the reference implementation, which refuses it.
    #[error("expected an event name that is not reserved, got {0:?}")]
    ReservedEventName(String),
    /// The arguments are no sequence.
    #[error("expected the arguments as a tuple, a sequence or a unit, got {0}")]
    Arguments(&'static str),
    /// The payload of this packet type is an object, or an object or a string.
    #[error("expected {0} as the payload")]
    Payload(&'static str),
    /// A map has a key that is neither string, number, boolean nor unit variant.
    #[error("expected map keys that are strings or numbers, got {0}")]
    Key(&'static str),
    /// Arrays and objects are nested deeper than [`MAX_DEPTH`](super::MAX_DEPTH).
    #[error("expected at most {} levels of nesting", super::MAX_DEPTH)]
    TooDeep,
    /// The value has bytes and also an object of its own with `"_placeholder": true`, which the remote would
    /// take for an attachment.
    #[error("expected no `_placeholder` of the value's own beside attachments")]
    Placeholder,
    /// Bytes in a packet that cannot have attachments.
    #[error("expected no bytes in {0}")]
    Attachment(crate::PacketType),
    /// Raw JSON in the value is not well-formed.
    #[error("expected well-formed raw JSON")]
    RawJson(#[source] JsonError),
    /// The head would be longer than 512 MiB.
    #[error("expected a head of at most 512 MiB")]
    TooLarge,
    /// A `Serialize` implementation failed.
    #[error("{0}")]
    Custom(String),
}

/// An [`EncodeError`] on its way out of serde. One pointer: the results of writing stay in a register.
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
