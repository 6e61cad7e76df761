//! The Socket.IO packet codec: frames ⇄ [`Packet`]s ⇄ typed values.
//!
//! ```
//! use socketio_p2p_core::codec::{Blob, Decoder, Limits};
//! use socketio_p2p_core::{Frame, Packet};
//!
//! // Encoding: one pass over the value; bytes anywhere in it become attachments.
//! let packet = Packet::event("photo", &("cat.png", Blob::from(vec![0x89, 0x50])))?.with_ack_id(7);
//! let frames: Vec<Frame> = packet.frames().collect();
//! assert_eq!(*packet.head(), r#"51-7["photo","cat.png",{"_placeholder":true,"num":0}]"#);
//!
//! // Decoding: frames to packets, at a cost independent of the payload; then, for frames from a remote, the
//! // validation of the payload; then typed values.
//! let limits = Limits::default();
//! let mut decoder = Decoder::new(limits.clone());
//! for frame in frames {
//!     let Some(packet) = decoder.push(frame)? else { continue };
//!     packet.validate(&limits)?;
//!     let (name, content): (&str, Blob) = packet.args()?;
//!     assert_eq!((name, content.len()), ("cat.png", 2));
//! }
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```
//!
//! # Sharing and copying
//!
//! | | head | attachments |
//! |---|---|---|
//! | frame to packet, packet to frame, clone | shared | shared |
//! | payload to `&str` (without escapes), `&RawValue` | borrowed | |
//! | payload to `&[u8]` | | borrowed; [`Packet::share_attachment`](crate::Packet::share_attachment) returns its `Bytes` |
//! | payload to [`Blob`], [`Value::Bytes`] | | shared |
//! | payload to `Vec<u8>` and other types of bytes | | one copy, which serde requires |
//! | [`Blob`], [`Value::Bytes`] to payload | | shared |
//! | other types that call `serialize_bytes` | | one copy |
//! | [`Packet::in_namespace`](crate::Packet::in_namespace), [`with_ack_id`](crate::Packet::with_ack_id), [`from_parts`](crate::Packet::from_parts) | copied | shared |
//!
//! A text frame is one block of memory. Receivers of the same header share the frame, as those of an event
//! without an ack id do, at the cost of one reference count each. A receiver with its own header, as of an
//! event with a different ack id per receiver, costs a copy of the payload, which is not encoded again.
//!
//! The table also holds inside untagged enums and flattened structs. serde imposes two limitations: raw JSON
//! (`serde_json::value::RawValue`) cannot be read inside those two, and placeholders in raw JSON stay text.
//! Otherwise `RawValue` can be read and written.
//!
//! # Strictness
//!
//! The reference is the parser of the reference implementation, npm `socket.io-parser` 4.2.7, and the protocol
//! text (Socket.IO protocol v5). A frame that this parser accepts and the text permits has the same meaning
//! here; a frame that the parser rejects is rejected. [`Decoder::push`] and
//! [`Packet::validate`](crate::Packet::validate) together differ from it in these points only:
//!
//! | difference | the reference parser | this crate, and why |
//! |---|---|---|
//! | `type-digit` | accepts an empty frame or whitespace as type 0, CONNECT | rejected: no packet type |
//! | `plain-decimal` | accepts attachment counts, ack ids and placeholder numbers as `01`, `1.0`, `1e0`, `0x1`, `" 1"`, even a placeholder number of 0.5 | rejected: a number has one notation, plain decimal without leading zeros |
//! | `space-in-header` | accepts whitespace before the payload as an ack id, or part of it (`2 ["a"]` has the ack id 0) | rejected: the format has no whitespace there |
//! | `exact-numbers` | rounds integers to doubles | ack ids up to 2⁶⁴ - 1 and integers of 64 bits are exact; greater ack ids are rejected, since an ack must identify its event |
//! | `payload-mandatory` | accepts EVENT and ACK without a payload (as when the comma after the namespace is missing) | rejected: the text says it is mandatory |
//! | `ack-id-mandatory` | accepts ACK without ack id | rejected: it answers no event |
//! | `ack-id-meaningless` | accepts CONNECT, DISCONNECT and CONNECT_ERROR with ack id | rejected: they can be neither answered nor answers |
//! | `event-name-number` | accepts any number as event name | only integers below 2⁵³ in plain decimal: their text is the same in all implementations |
//! | `lone-surrogate` | accepts half of a surrogate pair (`"\ud800"`) | rejected: it is not valid Unicode |
//! | `number-range` | reads `1e400` as infinity, and would forward it as `null` | rejected: the value would be lost silently |
//! | `nesting` | has no limit | at most [`MAX_DEPTH`] nested arrays and objects |
//! | `late-payload` | rejects a malformed payload before the attachments arrive | rejected after they have arrived: validation is a separate step |
//! | `overridden-placeholder` | ignores the value of a key that is repeated in the same object | checked like any other value |
//! | `name-limits` | has no limit | namespaces and event names have one, see [`Limits`] |
//!
//! As in the reference, a placeholder may have other keys (of equal keys the last one counts); placeholders may
//! be in any order, several may refer to one attachment, and attachments may be unreferenced. Event names that
//! the reference reserves ([`is_reserved_event_name`]) are rejected; a namespace may lack its comma where
//! nothing follows, and may have a query part; a CONNECT_ERROR may be a string, as in older protocol versions,
//! or have no payload.
//!
//! Encoding is equally strict: a [`Decoder`] with sufficient limits accepts every packet of an [`Encoder`]. The
//! encoder refuses an object with `"_placeholder": true` beside attachments, which the remote would take for an
//! attachment.
//!
//! # JavaScript remotes
//!
//! NaN and the infinities are written as `null`, as `JSON.stringify` does. A JavaScript remote rounds integers
//! and ack ids beyond 2⁵³: use smaller ones.

mod attachments;
mod de;
mod decode;
mod encode;
mod error;
mod header;
mod json;
mod limits;
pub(crate) mod namespace;
pub mod object;
pub(crate) mod packet;
pub(crate) mod packet_type;
mod placeholder;
mod ser;
mod validate;
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
pub(crate) use namespace::Namespace;
pub use object::Object;
pub(crate) use packet::Packet;
pub(crate) use packet_type::PacketType;
pub use value::{Number, Value};
