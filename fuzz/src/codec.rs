//! Fuzzes the packet codec.

use std::collections::BTreeMap;

use bytes::Bytes;
use serde::{Deserialize, Serialize};
use socketio_p2p_core::codec::{
    Blob, DecodeError, Decoder, Encoder, Limits, Value, is_reserved_event_name,
};
use socketio_p2p_core::{Frame, Namespace, Packet};

use crate::input::Input;

/// Ends a frame of the input. Frames that begin with `b` are binary, all others text.
const END_OF_FRAME: u8 = 0x1e;

fn read_frames(data: &[u8]) -> Vec<Frame> {
    let frames = data.split(|byte| *byte == END_OF_FRAME);
    let frame = |frame: &[u8]| match frame.strip_prefix(b"b") {
        Some(bytes) => Frame::Binary(Bytes::copy_from_slice(bytes)),
        None => Frame::from(String::from_utf8_lossy(frame).into_owned()),
    };
    frames.map(frame).collect()
}

fn limits() -> Limits {
    Limits::default().with_max_packet_bytes(4096)
}

/// Decodes any sequence of frames. The decoder's memory stays bounded, an error resets it, the same frames give the
/// same results, and a validated packet can be read.
pub fn frames(data: &[u8]) {
    let frames = read_frames(data);
    let first = push_all(&frames);
    assert!(first == push_all(&frames), "the same frames gave different results");
    for packet in first.into_iter().flatten().flatten() {
        let again = push_all(&packet.frames().collect::<Vec<_>>());
        assert!(matches!(again.last(), Some(Ok(Some(last))) if *last == packet));
        assert!(packet.wire_len() <= limits().max_packet_bytes);
        assert!(!format!("{packet:?}").is_empty());
        let check = packet.validate(&limits());
        assert_eq!(check.is_ok(), packet.data::<Value>().is_ok(), "{packet:?}: {check:?}");
        let offset = check.err().map_or(0, |error| error.offset());
        assert!(offset <= packet.head().len());
    }
}

fn push_all(frames: &[Frame]) -> Vec<Result<Option<Packet>, DecodeError>> {
    let mut decoder = Decoder::new(limits());
    let push = |frame: &Frame| {
        let result = decoder.push(frame.clone());
        assert!(decoder.pending_bytes() <= limits().max_packet_bytes);
        assert!(decoder.pending() == matches!(result, Ok(None)));
        result
    };
    frames.iter().map(push).collect()
}

/// Encodes and decodes each decoded packet once more, and compares the two.
pub fn round_trip(data: &[u8]) {
    for packet in push_all(&read_frames(data)).into_iter().flatten().flatten() {
        if packet.validate(&limits()).is_err() {
            continue;
        }
        let (Some(name), Ok(args)) = (packet.event_name(), packet.args::<Vec<Value>>()) else {
            continue;
        };
        let mut encoder = Encoder::new();
        let encoded = encoder
            .event(&packet.namespace(), packet.ack_id(), &name, &args)
            .unwrap_or_else(|error| refused(&error));
        let again = reassemble(&encoded.to_packet());
        assert_eq!(again.event_name(), Some(name));
        assert_eq!(again.namespace(), packet.namespace());
        assert_eq!(again.ack_id(), packet.ack_id());
        assert!(again.args::<Vec<Value>>().is_ok_and(|again| again == args));
    }
}

/// Encodes any value: it decodes to the same value, or is refused with an error.
pub fn values(data: &[u8]) {
    let mut input = Input(data);
    let name = input.text();
    let ack_id = input.flag().then(|| input.number());
    let namespace = Namespace::new(format!("/{}", input.text().replace(',', ".")));
    let args: Vec<Value> = (0..input.byte() % 4).map(|_| input.value(6)).collect();
    let Ok(namespace) = namespace else { return };
    let mut encoder = Encoder::new();
    match encoder.event(&namespace, ack_id, &name, &args) {
        Ok(encoded) => {
            let packet = reassemble(&encoded.to_packet());
            assert_eq!(packet.event_name().as_deref(), Some(name.as_str()));
            assert_eq!((packet.namespace(), packet.ack_id()), (namespace, ack_id));
            assert!(packet.args::<Vec<Value>>().is_ok_and(|again| again == args));
        }
        Err(_) => assert!(
            is_reserved_event_name(&name)
                || args.iter().any(has_flag) && args.iter().any(has_bytes)
        ),
    }
}

/// A type with bytes wherever a type can contain them.
#[derive(Debug, PartialEq, Serialize, Deserialize)]
struct Typed<'a> {
    text: String,
    blob: Blob,
    #[serde(borrow, serialize_with = "write_bytes")]
    slice: &'a [u8],
    list: Vec<Option<Blob>>,
    either: Either,
    wide: i128,
    float: f64,
    #[serde(flatten)]
    rest: Rest,
}

#[derive(Debug, PartialEq, Serialize, Deserialize)]
#[serde(untagged)]
enum Either {
    Number(i64),
    Blob(Blob),
    Named { blob: Blob },
}

#[derive(Debug, PartialEq, Serialize, Deserialize)]
struct Rest {
    inner: BTreeMap<String, Blob>,
    kind: Kind,
}

#[derive(Debug, PartialEq, Serialize, Deserialize)]
enum Kind {
    Unit,
    Blob(Blob),
    Pair(u8, Blob),
}

fn write_bytes<S: serde::Serializer>(bytes: &[u8], serializer: S) -> Result<S::Ok, S::Error> {
    serializer.serialize_bytes(bytes)
}

/// Encodes a typed value with bytes anywhere: it decodes to the same value. Reading the same type from any head does
/// not panic, and a value so read passes another round trip.
pub fn typed(data: &[u8]) {
    let mut input = Input(data);
    let value = Typed {
        text: input.text(),
        blob: input.blob(),
        slice: input.bytes(),
        list: (0..input.byte() % 4).map(|_| input.flag().then(|| input.blob())).collect(),
        either: match input.byte() % 3 {
            0 => Either::Number(input.number().cast_signed()),
            1 => Either::Blob(input.blob()),
            _ => Either::Named { blob: input.blob() },
        },
        wide: i128::from(input.number()) << (input.byte() % 60),
        float: input.float(),
        rest: Rest {
            inner: (0..input.byte() % 3).map(|_| (input.text(), input.blob())).collect(),
            kind: match input.byte() % 3 {
                0 => Kind::Unit,
                1 => Kind::Blob(input.blob()),
                _ => Kind::Pair(input.byte(), input.blob()),
            },
        },
    };
    goes_out_and_comes_back(&value);
    for packet in push_all(&read_frames(data)).into_iter().flatten().flatten() {
        if let Ok((value,)) = packet.args::<(Typed<'_>,)>() {
            goes_out_and_comes_back(&value);
        }
    }
}

fn goes_out_and_comes_back(value: &Typed<'_>) {
    let packet = Packet::event("typed", &(value,)).unwrap_or_else(|error| refused(&error));
    let packet = reassemble(&packet);
    let again = packet.args::<(Typed<'_>,)>();
    assert!(again.as_ref().is_ok_and(|(again,)| again == value), "{:?}", again.err());
}

/// Passes a packet through a decoder without limits.
fn reassemble(packet: &Packet) -> Packet {
    let mut decoder = Decoder::new(Limits::unbounded());
    let mut last = None;
    for frame in packet.frames() {
        assert!(last.is_none());
        last = decoder.push(frame).unwrap_or_else(|error| refused(&error));
    }
    let again = last.unwrap_or_else(|| refused(&"the last frame completes no packet"));
    assert!(again == *packet && again.validate(&Limits::unbounded()).is_ok());
    again
}

#[allow(clippy::panic, reason = "a fuzz target fails by panicking")]
fn refused(reason: &dyn std::fmt::Display) -> ! {
    panic!("expected a valid packet to be accepted, got: {reason}")
}

fn has_bytes(value: &Value) -> bool {
    match value {
        Value::Bytes(_) => true,
        Value::Array(items) => items.iter().any(has_bytes),
        Value::Object(entries) => entries.values().any(has_bytes),
        Value::Null | Value::Bool(_) | Value::Number(_) | Value::String(_) => false,
    }
}

fn has_flag(value: &Value) -> bool {
    match value {
        Value::Array(items) => items.iter().any(has_flag),
        Value::Object(entries) => {
            entries.get("_placeholder") == Some(&Value::Bool(true))
                || entries.values().any(has_flag)
        }
        Value::Null | Value::Bool(_) | Value::Number(_) | Value::String(_) | Value::Bytes(_) => {
            false
        }
    }
}
