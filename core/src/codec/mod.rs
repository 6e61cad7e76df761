//! The Socket.IO packet codec: frames ⇄ [`Packet`](crate::Packet)s ⇄ typed values.
//!
//! [`Decoder`] puts frames together to packets, [`Encoder`] and the constructors of [`Packet`](crate::Packet) write
//! them. Both work on text and bytes only; nothing here does I/O.

pub(crate) mod attachments;
pub(crate) mod de;
pub(crate) mod decode;
pub(crate) mod encode;
mod error;
pub(crate) mod header;
mod json;
mod limits;
mod placeholder;
mod ser;
pub(crate) mod validate;
mod value;

pub use attachments::Blob;
pub use decode::Decoder;
pub use encode::{Encoded, Encoder};
pub use error::{
    DecodeError, DecodeErrorKind, EncodeError, JsonError, PayloadError, PayloadErrorKind,
    PlaceholderError,
};
pub use header::is_reserved_event_name;
pub use limits::{Limits, MAX_DEPTH};
pub use value::{Number, Value};
