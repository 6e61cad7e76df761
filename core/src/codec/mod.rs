//! The Socket.IO packet codec: frames ⇄ [`Packet`](crate::Packet)s ⇄ typed values.
//!
//! ```
//! use socketio_p2p_core::codec::{Blob, Decoder, Limits};
//! use socketio_p2p_core::{Frame, Packet};
//!
//! // Out: one pass over the value; bytes anywhere in it become attachments.
//! let packet = Packet::event("photo", &("cat.png", Blob::from(vec![0x89, 0x50])))?.with_ack_id(7);
//! let frames: Vec<Frame> = packet.frames().collect();
//! assert_eq!(*packet.head(), r#"51-7["photo","cat.png",{"_placeholder":true,"num":0}]"#);
//!
//! // In: frames to packets, at a cost that does not grow with the payload; then, where the frames come from a
//! // remote, the check of the payload; then typed values.
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
//! # What is shared and what is copied
//!
//! | | head | attachments |
//! |---|---|---|
//! | frame to packet, packet to frame, clone | shared | shared |
//! | payload to `&str` (without escapes), `&RawValue` | borrowed | |
//! | payload to `&[u8]` | | borrowed; [`Packet::share_attachment`](crate::Packet::share_attachment) makes `Bytes` of it |
//! | payload to [`Blob`], [`Value::Bytes`] | | shared |
//! | payload to `Vec<u8>` and other types of bytes | | one copy, which serde imposes |
//! | [`Blob`], [`Value::Bytes`] to payload | | shared |
//! | other types that call `serialize_bytes` | | one copy |
//! | [`Packet::in_namespace`](crate::Packet::in_namespace), [`with_ack_id`](crate::Packet::with_ack_id), [`from_parts`](crate::Packet::from_parts) | copied | shared |
//!
//! A text frame is one piece of memory. So receivers of the same header share the frame, as those of an event without
//! ack do, and cost a reference count each; a receiver with a header of its own, as of an event that each is to
//! acknowledge under another id, costs a copy of the payload, which is never written anew.
//!
//! All of it holds anywhere inside a value, in untagged enums and flattened structs too. Two limits come from
//! serde: raw JSON (`serde_json::value::RawValue`) cannot be read inside those two, and raw JSON with placeholders
//! in it keeps them as text. `RawValue` otherwise works both ways.
//!
//! # How strict it is
//!
//! The measure is the reference implementation's parser, npm `socket.io-parser` 4.2.7, and the protocol text
//! (Socket.IO protocol v5). What that parser takes and the text allows has the same meaning here; what it rejects
//! is rejected. [`Decoder::push`] and [`Packet::validate`](crate::Packet::validate) together differ from it in
//! this and nothing else:
//!
//! | difference | the reference parser | here, and why |
//! |---|---|---|
//! | `type-digit` | takes an empty frame or whitespace for type 0, CONNECT | rejected: no packet type |
//! | `plain-decimal` | takes attachment counts, ack ids and placeholder numbers as `01`, `1.0`, `1e0`, `0x1`, `" 1"`, a placeholder number of 0.5 even | rejected: one number is written in one way, plain decimal without leading zeros |
//! | `space-in-header` | takes whitespace before the payload for an ack id, or part of it (`2 ["a"]` has the ack id 0) | rejected: the format has no whitespace there |
//! | `exact-numbers` | rounds whole numbers to doubles | ack ids up to 2⁶⁴ - 1 and whole numbers of 64 bits are exact; greater ack ids are rejected, since an ack must name its event |
//! | `payload-mandatory` | takes EVENT and ACK without a payload (as when the comma after the namespace is missing) | rejected: the text says it is mandatory |
//! | `ack-id-mandatory` | takes ACK without ack id | rejected: it answers nothing |
//! | `ack-id-meaningless` | takes CONNECT, DISCONNECT and CONNECT_ERROR with ack id | rejected: they can be neither answered nor answers |
//! | `event-name-number` | takes any number as event name | only whole numbers below 2⁵³ in plain decimal: for them the name's text is the same everywhere |
//! | `lone-surrogate` | takes half a surrogate pair (`"\ud800"`) | rejected: no Unicode text holds it |
//! | `number-range` | reads `1e400` as infinity, and would pass it on as `null` | rejected: the value would be lost silently |
//! | `nesting` | has no bound | at most [`MAX_DEPTH`] arrays and objects are open at once |
//! | `late-payload` | rejects a broken payload before the attachments come | once they have come: the payload is checked by a step of its own |
//! | `overridden-placeholder` | does not look at the value of a key that comes again in the same object | judged like any other |
//! | `name-limits` | has no bound | namespaces and event names have one, see [`Limits`] |
//!
//! As in the reference, a placeholder may have other keys (of equal keys the last counts), may come in any order,
//! and several may refer to one attachment or none to another; event names that it reserves
//! ([`is_reserved_event_name`]) are rejected; a namespace may lack its comma where nothing follows, and may have a
//! query part; a CONNECT_ERROR may be a string, as in older protocol versions, or have no payload.
//!
//! Writing is as strict: what [`Encoder`] writes, [`Decoder`] takes (given limits that fit). It refuses an object
//! with `"_placeholder": true` beside attachments, which the remote would take for one.
//!
//! # JavaScript on the other side
//!
//! Not a number and the infinities are written as `null`, as `JSON.stringify` does. A JavaScript remote rounds
//! whole numbers beyond 2⁵³, and ack ids too: keep to smaller ones.

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
