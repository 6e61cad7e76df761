//! The packet codec as a filter, for users and for test suites in other languages.
//!
//! Each input line is a stream of frames, each output line the packets in it:
//!
//! ```text
//! > {"frames":["51-[\"a\",{\"_placeholder\":true,\"num\":0}]",{"$bytes":"AQI="}]}
//! < {"packets":[{"type":"EVENT","nsp":"/","id":null,"data":["a",{"$bytes":"AQI="}]}],"pending":false}
//! ```
//!
//! After a frame that the codec rejects, the output line ends with
//! `"error":{"kind":…,"frame":…,"offset":…,"message":…}`, where `frame` is the index in the input line;
//! `pending` is true when the last packet has missing attachments. With `--encode` the filter works in the
//! other direction: each input line is `{"packet":{…}}`, each output line `{"frames":[…]}`. A malformed line is
//! answered with an error line.
//!
//! ```sh
//! echo '{"frames":["2[\"hello\",1]"]}' | cargo run -p socketio-p2p-core --example codec
//! ```

use std::error::Error;
use std::io::{self, BufRead, Write};

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD as BASE64;
use serde::{Deserialize, Deserializer, Serialize, Serializer, de};
use socketio_p2p_core::codec::{DecodeError, Decoder, Encoder, Limits, Value};
use socketio_p2p_core::{Frame, Namespace, Packet, PacketType};

fn main() -> Result<(), Box<dyn Error>> {
    let mode = std::env::args().nth(1);
    run(mode.as_deref(), io::stdin().lock(), io::stdout().lock())
}

/// Answers each line, up to the end of the input.
pub(crate) fn run(
    mode: Option<&str>,
    input: impl BufRead,
    mut out: impl Write,
) -> Result<(), Box<dyn Error>> {
    let answer = match mode {
        None => decode_line,
        Some("--encode") => encode_line,
        Some(_) => return Err("usage: codec [--encode]".into()),
    };
    for line in input.split(b'\n') {
        let line = line?;
        if line.iter().all(u8::is_ascii_whitespace) {
            continue;
        }
        serde_json::to_writer(&mut out, &answer(&line).unwrap_or_else(|error| failure(&*error)))?;
        out.write_all(b"\n")?;
        out.flush()?;
    }
    Ok(())
}

/// Returns the output line for a malformed input line.
fn failure(error: &dyn Error) -> Answer {
    Answer { error: Some(Failure::plain("line", error)), ..Answer::default() }
}

/// An output line.
#[derive(Default, Serialize)]
pub(crate) struct Answer {
    #[serde(skip_serializing_if = "Option::is_none")]
    packets: Option<Vec<ShownPacket>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    frames: Option<Vec<ShownFrame>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pending: Option<bool>,
    #[serde(skip_serializing_if = "Option::is_none")]
    error: Option<Failure>,
}

#[derive(Serialize)]
struct Failure {
    kind: &'static str,
    #[serde(skip_serializing_if = "Option::is_none")]
    frame: Option<usize>,
    #[serde(skip_serializing_if = "Option::is_none")]
    offset: Option<usize>,
    message: String,
}

impl Failure {
    fn plain(kind: &'static str, error: &dyn Error) -> Self {
        Self { kind, frame: None, offset: None, message: error.to_string() }
    }

    /// `first` is the index of the frame with which the faulty packet begins.
    fn decode(error: &DecodeError, first: usize) -> Self {
        Self {
            kind: error.kind().name(),
            frame: Some(first + error.frame()),
            offset: Some(error.offset()),
            message: error.to_string(),
        }
    }
}

pub(crate) fn decode_line(line: &[u8]) -> Result<Answer, Box<dyn Error>> {
    #[derive(Deserialize)]
    struct Line {
        frames: Vec<ShownFrame>,
    }
    let Line { frames } = serde_json::from_slice(line)?;
    let limits = Limits::default();
    let mut decoder = Decoder::new(limits.clone());
    let mut packets = Vec::new();
    let mut error = None;
    let mut first = 0;
    for (index, ShownFrame(frame)) in frames.into_iter().enumerate() {
        if !decoder.pending() {
            first = index;
        }
        let decoded = decoder.push(frame).and_then(|packet| {
            packet.map(|packet| packet.validate(&limits).map(|()| packet)).transpose()
        });
        match decoded {
            Ok(None) => {}
            Ok(Some(packet)) => packets.push(ShownPacket::try_from(&packet)?),
            Err(fault) => {
                error = Some(Failure::decode(&fault, first));
                break;
            }
        }
    }
    let pending = Some(decoder.pending());
    Ok(Answer { packets: Some(packets), pending, error, ..Answer::default() })
}

fn encode_line(line: &[u8]) -> Result<Answer, Box<dyn Error>> {
    #[derive(Deserialize)]
    struct Line {
        packet: ShownPacket,
    }
    let Line { packet } = serde_json::from_slice(line)?;
    Ok(match Packet::try_from(packet) {
        Ok(packet) => {
            let frames = packet.frames().map(ShownFrame).collect();
            Answer { frames: Some(frames), ..Answer::default() }
        }
        Err(error) => {
            Answer { error: Some(Failure::plain("encode", &*error)), ..Answer::default() }
        }
    })
}

/// A packet as the reference implementation shows it: with attachments in their positions, so that types with
/// and without attachments look the same.
#[derive(Serialize, Deserialize)]
struct ShownPacket {
    #[serde(rename = "type")]
    packet_type: String,
    #[serde(default = "default_namespace")]
    nsp: String,
    #[serde(default)]
    id: Option<u64>,
    #[serde(default)]
    data: ShownValue,
}

fn default_namespace() -> String {
    "/".to_owned()
}

impl TryFrom<&Packet> for ShownPacket {
    type Error = Box<dyn Error>;

    fn try_from(packet: &Packet) -> Result<Self, Self::Error> {
        let packet_type = packet.packet_type().without_attachments();
        Ok(Self {
            packet_type: packet_type.to_string(),
            nsp: packet.namespace().to_string(),
            id: packet.ack_id(),
            data: ShownValue(packet.data()?),
        })
    }
}

impl TryFrom<ShownPacket> for Packet {
    type Error = Box<dyn Error>;

    fn try_from(shown: ShownPacket) -> Result<Self, Self::Error> {
        let namespace = Namespace::new(shown.nsp)?;
        let mut encoder = Encoder::new();
        let encoded = match (shown.packet_type.as_str(), shown.data.0, shown.id) {
            ("EVENT" | "BINARY_EVENT", Value::Array(data), id) => match data.split_first() {
                Some((Value::String(name), args)) => encoder.event(&namespace, id, name, args)?,
                Some((Value::Number(_), _)) => {
                    // The array of an ack has the same form, and an event's name may be a number.
                    let array = Self::ack(0, &data)?;
                    let binary = array.packet_type().is_binary();
                    let packet_type =
                        if binary { PacketType::BinaryEvent } else { PacketType::Event };
                    let attachments = array.attachments().to_vec();
                    return Ok(Self::from_parts(
                        packet_type,
                        &namespace,
                        id,
                        array.payload(),
                        attachments,
                    )?);
                }
                Some(_) | None => return Err("an EVENT's data begins with its name".into()),
            },
            ("ACK" | "BINARY_ACK", Value::Array(data), Some(id)) => {
                encoder.ack(&namespace, id, &data)?
            }
            ("CONNECT", Value::Null, None) => {
                return Ok(Self::connect(None::<&()>)?.in_namespace(&namespace));
            }
            ("CONNECT", data, None) => encoder.connect(&namespace, &data)?,
            ("CONNECT_ERROR", Value::Null, None) => {
                let packet_type = PacketType::ConnectError;
                return Ok(Self::from_parts(packet_type, &namespace, None, "", Vec::new())?);
            }
            ("CONNECT_ERROR", data, None) => encoder.connect_error(&namespace, &data)?,
            ("DISCONNECT", Value::Null, None) => {
                return Ok(Self::disconnect().in_namespace(&namespace));
            }
            _ => return Err("the type does not go with this data and id".into()),
        };
        Ok(encoded.to_packet())
    }
}

/// A frame: a string, or bytes as `{"$bytes": base64}`.
struct ShownFrame(Frame);

impl Serialize for ShownFrame {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        match &self.0 {
            Frame::Text(text) => serializer.serialize_str(text),
            Frame::Binary(bytes) => show_bytes(bytes, serializer),
        }
    }
}

impl<'de> Deserialize<'de> for ShownFrame {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        match ShownValue::deserialize(deserializer)?.0 {
            Value::String(text) => Ok(Self(text.into())),
            Value::Bytes(bytes) => Ok(Self(bytes.into())),
            Value::Null
            | Value::Bool(_)
            | Value::Number(_)
            | Value::Array(_)
            | Value::Object(_) => {
                Err(de::Error::custom("expected a frame as a string or {\"$bytes\": base64}"))
            }
        }
    }
}

fn show_bytes<S: Serializer>(bytes: &[u8], serializer: S) -> Result<S::Ok, S::Error> {
    serializer.collect_map([("$bytes", BASE64.encode(bytes))])
}

/// JSON in which `{"$bytes": base64}` stands for bytes.
#[derive(Default)]
struct ShownValue(Value);

impl Serialize for ShownValue {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        struct Shown<'v>(&'v Value);

        impl Serialize for Shown<'_> {
            fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
                match self.0 {
                    Value::Bytes(bytes) => show_bytes(bytes, serializer),
                    Value::Array(items) => serializer.collect_seq(items.iter().map(Shown)),
                    Value::Object(entries) => serializer
                        .collect_map(entries.iter().map(|(key, value)| (key, Shown(value)))),
                    Value::Null | Value::Bool(_) | Value::Number(_) | Value::String(_) => {
                        self.0.serialize(serializer)
                    }
                }
            }
        }
        Shown(&self.0).serialize(serializer)
    }
}

impl<'de> Deserialize<'de> for ShownValue {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        resolve_bytes(Value::deserialize(deserializer)?).map(Self).map_err(de::Error::custom)
    }
}

fn resolve_bytes(value: Value) -> Result<Value, base64::DecodeError> {
    Ok(match value {
        Value::Array(items) => {
            Value::Array(items.into_iter().map(resolve_bytes).collect::<Result<_, _>>()?)
        }
        Value::Object(entries) => match (entries.len(), entries.get("$bytes")) {
            (1, Some(Value::String(text))) => Value::Bytes(BASE64.decode(text)?.into()),
            _ => Value::Object(
                entries
                    .into_iter()
                    .map(|(key, value)| Ok((key, resolve_bytes(value)?)))
                    .collect::<Result<_, _>>()?,
            ),
        },
        scalar @ (Value::Null
        | Value::Bool(_)
        | Value::Number(_)
        | Value::String(_)
        | Value::Bytes(_)) => scalar,
    })
}
