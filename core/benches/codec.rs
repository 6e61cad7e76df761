//! The codec compared with `socketioxide-parser-common`, the parser of the Socket.IO server `socketioxide`, and with
//! `serde_json` on the bare payload. Prints a Markdown table.
//!
//! `cargo bench -p socketio-p2p-core --bench codec [FILTER]`: the filter selects the rows that contain it.
//!
//! Measured, for both parsers: everything from received frames that the parser owns to the value, including the
//! release of frames and value. Not measured: making the frames, which is the transport's work. Both parsers get
//! their own shares of the same buffers, made before the clock starts. `serde_json` reads from a `&str`.

#![allow(
    clippy::unwrap_used,
    clippy::panic,
    clippy::print_stdout,
    reason = "a bench prints, and fails by panicking"
)]

mod common;

use std::hint::black_box;
use std::time::Duration;

use bytes::Bytes;
use serde::{Deserialize, Serialize};
use socketio_p2p_core::codec::{Blob, Decoder, Encoder, Limits, Value};
use socketio_p2p_core::{Frame, Namespace, Packet, PacketType};
use socketioxide_core::packet::{Packet as CompetitorPacket, PacketData};
use socketioxide_core::parser::{Parse, ParseConfig, ParserState};
use socketioxide_core::{Str, Value as CompetitorValue};
use socketioxide_parser_common::CommonParser;

use self::common::{repeated, thread_time};

/// The rounds of each case, in which all contestants take turns; the best round counts.
const ROUNDS: usize = 40;
const ROUND: Duration = Duration::from_millis(3);

fn main() {
    let mut table = Table { filter: common::filter(), rows: Vec::new() };
    small(&mut table);
    nested(&mut table);
    batch(&mut table);
    file(&mut table);
    chunks(&mut table);
    text(&mut table);
    signal(&mut table);
    table.print();
}

/// A head of the corpus with its attachments.
struct Case {
    name: &'static str,
    head: &'static str,
    attachments: Vec<Bytes>,
}

impl Case {
    fn new(name: &'static str, head: &'static str, attachments: usize, bytes: usize) -> Self {
        let attachments =
            (0..attachments).map(|fill| Bytes::from(vec![fill as u8; bytes])).collect();
        Self { name, head, attachments }
    }

    fn packet(&self) -> Packet {
        Packet::from_head_and_attachments(self.head.into(), self.attachments.clone(), &limits())
            .unwrap()
    }

    fn competitor_packet(&self) -> CompetitorPacket {
        competitor_decode((self.head.to_owned().into(), self.attachments.clone()), |packet| packet)
    }
}

/// The frames of one packet, with the type of text that a parser takes.
type Frames<Text> = (Text, Vec<Bytes>);

fn limits() -> Limits {
    Limits::default().with_max_attachments(100)
}

/// Decodes frames, and passes the packet on.
fn decode<R>(
    decoder: &mut Decoder,
    (head, attachments): Frames<Frame>,
    then: impl FnOnce(Packet) -> R,
) -> R {
    match decoder.push(head).unwrap() {
        Some(packet) => then(packet),
        None => then(decode_attachments(decoder, attachments)),
    }
}

fn decode_attachments(decoder: &mut Decoder, attachments: Vec<Bytes>) -> Packet {
    let mut packet = None;
    for bytes in attachments {
        packet = decoder.push(Frame::Binary(bytes)).unwrap();
    }
    packet.unwrap()
}

/// Decodes frames with `socketioxide-parser-common`.
fn competitor_decode<R>(
    (head, attachments): Frames<Str>,
    then: impl FnOnce(CompetitorPacket) -> R,
) -> R {
    let (config, state) = (ParseConfig::default(), ParserState::default());
    match CommonParser.decode_str(&config, &state, head) {
        Ok(packet) => then(packet),
        Err(_) => {
            let mut packet = None;
            for bytes in attachments {
                packet = CommonParser.decode_bin(&config, &state, bytes).ok();
            }
            then(packet.unwrap())
        }
    }
}

/// Reads the event's name, and returns its only argument.
fn competitor_args<P: for<'de> Deserialize<'de>>(frames: Frames<Str>) -> P {
    competitor_decode(frames, |mut packet| {
        black_box(CommonParser.read_event(competitor_value(&mut packet)).unwrap().len());
        CommonParser.decode_value::<(P,)>(competitor_value(&mut packet), true).unwrap().0
    })
}

fn competitor_value(packet: &mut CompetitorPacket) -> &mut CompetitorValue {
    match &mut packet.inner {
        PacketData::Event(value, _) | PacketData::BinaryEvent(value, _) => value,
        PacketData::Connect(_)
        | PacketData::Disconnect
        | PacketData::EventAck(..)
        | PacketData::ConnectError(_)
        | PacketData::BinaryAck(..) => panic!("an event"),
    }
}

/// The rows without a type: header and event name, dynamic values, pre-serialised payloads.
fn untyped(table: &mut Table, case: &Case) {
    let (head, competitor_head) =
        (Frame::from(case.head.to_owned()), Str::from(case.head.to_owned()));
    let attachments = &case.attachments;
    let received = || (head.clone(), attachments.clone());
    let competitor_received = || (competitor_head.clone(), attachments.clone());
    let limits = limits();
    let mut decoder = Decoder::new(limits.clone());
    table.row(
        case,
        "header and event name",
        [
            &mut on_frames(received, |frames| {
                decode(&mut decoder, frames, |packet| {
                    black_box(packet.event_name().unwrap().len());
                });
            }),
            &mut on_frames(competitor_received, |frames| {
                competitor_decode(frames, |mut packet| {
                    black_box(
                        CommonParser.read_event(competitor_value(&mut packet)).unwrap().len(),
                    );
                });
            }),
        ],
    );
    table.row(
        case,
        "the same, validated",
        [
            &mut on_frames(received, |frames| {
                decode(&mut decoder, frames, |packet| {
                    packet.validate(&limits).unwrap();
                    black_box(packet.event_name().unwrap().len());
                });
            }),
            &mut on_frames(competitor_received, |frames| {
                competitor_decode(frames, |mut packet| {
                    black_box(
                        CommonParser.read_event(competitor_value(&mut packet)).unwrap().len(),
                    );
                });
            }),
        ],
    );

    let ours: (Value,) = case.packet().args().unwrap();
    let mut encoder = Encoder::new();
    let namespace = case.packet().namespace();
    let ack_id = case.packet().ack_id();
    let name = case.packet().event_name().unwrap().into_owned();
    if attachments.is_empty() {
        table.row(
            case,
            "decode dynamic",
            [
                &mut on_frames(received, |frames| {
                    decode(&mut decoder, frames, |packet| {
                        black_box(packet.event_name().unwrap().len());
                        black_box(packet.args::<(Value,)>().unwrap());
                    });
                }),
                &mut on_frames(competitor_received, |frames| {
                    black_box(competitor_args::<serde_json::Value>(frames));
                }),
            ],
        );
        let theirs: (serde_json::Value,) = case.packet().args().unwrap();
        table.row(
            case,
            "encode dynamic",
            [
                &mut repeated(|| {
                    black_box(
                        encoder.event(&namespace, ack_id, &name, &ours).unwrap().head().len(),
                    );
                }),
                &mut repeated(|| {
                    black_box(competitor_encode(&namespace, ack_id, &name, &theirs));
                }),
            ],
        );
    }

    let packet = case.packet();
    let (payload, competitor_payload) =
        (packet.payload().to_owned(), competitor_value(&mut case.competitor_packet()).clone());
    let packet_type =
        if attachments.is_empty() { PacketType::Event } else { PacketType::BinaryEvent };
    let mut competitor = repeated(|| {
        let mut packet = CompetitorPacket::event(namespace.to_string(), competitor_payload.clone());
        if let Some(id) = ack_id {
            packet.inner.set_ack_id(id as i64);
        }
        black_box(CommonParser.encode(packet));
    });
    table.row(
        case,
        "encode raw, one more receiver",
        [
            &mut repeated(|| {
                for frame in packet.frames() {
                    black_box(frame);
                }
            }),
            &mut competitor,
        ],
    );
    table.row(
        case,
        "encode raw, from parts",
        [
            &mut repeated(|| {
                let attachments = attachments.clone();
                let packet =
                    Packet::from_parts(packet_type, &namespace, ack_id, &payload, attachments);
                black_box(packet.unwrap());
            }),
            &mut competitor,
        ],
    );
}

fn competitor_encode<T: Serialize>(
    namespace: &Namespace,
    ack_id: Option<u64>,
    name: &str,
    args: &T,
) -> CompetitorValue {
    let value = CommonParser.encode_value(args, Some(name)).unwrap();
    let mut packet = CompetitorPacket::event(namespace.to_string(), value);
    if let Some(id) = ack_id {
        packet.inner.set_ack_id(id as i64);
    }
    CommonParser.encode(packet)
}

/// The rows of one type: `O` for this codec, `P` for `socketioxide-parser-common`, which has other types for bytes.
fn typed<O, P>(table: &mut Table, case: &Case)
where
    O: Serialize + for<'de> Deserialize<'de>,
    P: Serialize + for<'de> Deserialize<'de>,
{
    let (head, competitor_head) =
        (Frame::from(case.head.to_owned()), Str::from(case.head.to_owned()));
    let attachments = &case.attachments;
    let payload = case.packet().payload().to_owned();
    let mut decoder = Decoder::new(limits());
    let mut ours = on_frames(
        || (head.clone(), attachments.clone()),
        |frames| {
            decode(&mut decoder, frames, |packet| {
                black_box(packet.event_name().unwrap().len());
                black_box(packet.args::<(O,)>().unwrap());
            });
        },
    );
    let mut competitor = on_frames(
        || (competitor_head.clone(), attachments.clone()),
        |frames| {
            black_box(competitor_args::<P>(frames));
        },
    );
    if attachments.is_empty() {
        let mut json = repeated(|| {
            black_box(serde_json::from_str::<(&str, O)>(&payload).unwrap());
        });
        table.row(case, "decode typed", [&mut ours, &mut competitor, &mut json]);
    } else {
        table.row(case, "decode typed", [&mut ours, &mut competitor]);
    }

    let packet = case.packet();
    let (ours,) = packet.args::<(O,)>().unwrap();
    let theirs = CommonParser
        .decode_value::<(P,)>(competitor_value(&mut case.competitor_packet()), true)
        .unwrap()
        .0;
    let (namespace, ack_id) = (packet.namespace(), packet.ack_id());
    let name = packet.event_name().unwrap();
    let mut encoder = Encoder::new();
    let mut buffer = Vec::new();
    let args = (ours,);
    let mut encode = repeated(|| {
        let encoded = encoder.event(&namespace, ack_id, &name, &args).unwrap();
        black_box((encoded.head().len(), encoded.attachments().len()));
    });
    let mut competitor = repeated(|| {
        black_box(competitor_encode(&namespace, ack_id, &name, &theirs));
    });
    if attachments.is_empty() {
        let mut json = repeated(|| {
            buffer.clear();
            serde_json::to_writer(&mut buffer, &(&*name, &args.0)).unwrap();
            black_box(buffer.len());
        });
        table.row(case, "encode typed", [&mut encode, &mut competitor, &mut json]);
    } else {
        table.row(case, "encode typed", [&mut encode, &mut competitor]);
    }
    drop(encode);
    let mut encode = repeated(|| {
        let encoded = encoder.event(&namespace, ack_id, &name, &args).unwrap();
        black_box(encoded.to_packet());
    });
    table.row(case, "encode typed to a packet", [&mut encode, &mut competitor]);
}

fn small(table: &mut Table) {
    #[derive(Serialize, Deserialize)]
    struct Chat {
        text: String,
        n: u32,
    }
    let case = Case::new("small event", include_str!("corpus/a_small.head"), 0, 0);
    untyped(table, &case);
    typed::<Chat, Chat>(table, &case);
}

fn nested(table: &mut Table) {
    #[derive(Serialize, Deserialize)]
    struct Update {
        id: u64,
        name: String,
        pos: [f64; 3],
        active: bool,
        score: f64,
        note: Option<String>,
        tags: Vec<String>,
        inventory: Vec<Item>,
    }
    #[derive(Serialize, Deserialize)]
    struct Item {
        sku: String,
        qty: u32,
        price: f64,
        meta: Meta,
    }
    #[derive(Serialize, Deserialize)]
    struct Meta {
        color: String,
        size: u32,
        parts: Vec<u32>,
    }
    let case = Case::new("1 KB nested", include_str!("corpus/b_1k.head"), 0, 0);
    untyped(table, &case);
    typed::<Update, Update>(table, &case);
}

fn batch(table: &mut Table) {
    #[derive(Serialize, Deserialize)]
    struct Point {
        id: u32,
        x: f64,
        y: f64,
        label: String,
    }
    #[derive(Deserialize)]
    #[allow(dead_code, reason = "only read")]
    struct Borrowed<'a> {
        id: u32,
        x: f64,
        y: f64,
        label: &'a str,
    }
    let case = Case::new("64 KB array", include_str!("corpus/c_64k.head"), 0, 0);
    untyped(table, &case);
    typed::<Vec<Point>, Vec<Point>>(table, &case);
    let (head, competitor_head) =
        (Frame::from(case.head.to_owned()), Str::from(case.head.to_owned()));
    let mut decoder = Decoder::new(limits());
    table.row(
        &case,
        "decode typed, borrowed",
        [
            &mut on_frames(
                || (head.clone(), Vec::new()),
                |frames| {
                    decode(&mut decoder, frames, |packet| {
                        black_box(packet.event_name().unwrap().len());
                        black_box(packet.args::<(Vec<Borrowed<'_>>,)>().unwrap());
                    });
                },
            ),
            &mut on_frames(
                || (competitor_head.clone(), Vec::new()),
                |frames| {
                    black_box(competitor_args::<Vec<Point>>(frames));
                },
            ),
        ],
    );
}

fn file(table: &mut Table) {
    let case =
        Case::new("one 64 KB blob", r#"51-["file",{"_placeholder":true,"num":0}]"#, 1, 65_536);
    untyped(table, &case);
    typed::<Blob, Bytes>(table, &case);
}

fn chunks(table: &mut Table) {
    #[derive(Serialize, Deserialize)]
    struct Chunks<B> {
        id: u32,
        parts: Vec<Part<B>>,
    }
    #[derive(Serialize, Deserialize)]
    struct Part<B> {
        idx: u32,
        name: String,
        chunk: Chunk<B>,
    }
    #[derive(Serialize, Deserialize)]
    struct Chunk<B> {
        hash: String,
        data: B,
    }
    let case = Case::new("16 blobs of 1 KB", include_str!("corpus/e_bin16.head"), 16, 1024);
    untyped(table, &case);
    typed::<Chunks<Blob>, Chunks<Bytes>>(table, &case);
}

fn text(table: &mut Table) {
    #[derive(Serialize, Deserialize)]
    struct Text {
        body: String,
    }
    let case = Case::new("escapes, 4 KB", include_str!("corpus/f_esc.head"), 0, 0);
    untyped(table, &case);
    typed::<Text, Text>(table, &case);
}

fn signal(table: &mut Table) {
    #[derive(Serialize, Deserialize)]
    struct Signal {
        r#type: String,
        from: String,
        to: String,
        sdp: String,
    }
    let case = Case::new("SDP signal, 3 KB", include_str!("corpus/g_sdp.head"), 0, 0);
    untyped(table, &case);
    typed::<Signal, Signal>(table, &case);
}

struct Table {
    filter: Option<String>,
    rows: Vec<Row>,
}

struct Row {
    name: String,
    /// Of this codec, of `socketioxide-parser-common`, and, in some rows, of `serde_json`.
    nanos: Vec<f64>,
}

impl Table {
    fn row<const N: usize>(
        &mut self,
        case: &Case,
        what: &str,
        contestants: [&mut dyn FnMut(u32) -> Duration; N],
    ) {
        let name = format!("{}: {what}", case.name);
        if self.filter.as_ref().is_some_and(|filter| !name.contains(filter.as_str())) {
            return;
        }
        self.rows.push(Row { name, nanos: measure(contestants) });
    }

    fn print(&self) {
        println!(
            "| case | ours ns | socketioxide-parser-common ns | ratio | serde_json ns |\n|---|---:|---:|---:|---:|"
        );
        for Row { name, nanos } in &self.rows {
            let [ours, competitor] = [nanos[0], nanos[1]];
            let json = nanos.get(2).map_or(String::new(), |nanos| format!("{nanos:.0}"));
            println!(
                "| {name} | {ours:.0} | {competitor:.0} | {:.2} | {json} |",
                competitor / ours
            );
        }
    }
}

/// Returns the nanoseconds of each contestant's best run. A contestant returns the time of the given number of runs.
fn measure<const N: usize>(mut contestants: [&mut dyn FnMut(u32) -> Duration; N]) -> Vec<f64> {
    let mut repeats = Vec::new();
    for contestant in &mut contestants {
        let mut count = 1_u32;
        loop {
            let elapsed = contestant(count);
            if elapsed > ROUND / 4 {
                let wanted = ROUND.as_secs_f64() / elapsed.as_secs_f64() * f64::from(count);
                repeats.push((wanted as u32).max(1));
                break;
            }
            count *= 4;
        }
    }
    let mut best = vec![f64::INFINITY; N];
    for _ in 0..ROUNDS {
        for ((contestant, count), best) in contestants.iter_mut().zip(&repeats).zip(&mut best) {
            let nanos = contestant(*count).as_secs_f64() * 1e9 / f64::from(*count);
            *best = best.min(nanos);
        }
    }
    best
}

/// Measures runs that consume a packet's frames. A batch of frames at a time is made outside the measurement: small
/// enough for the nearest cache, large enough to hide the cost of reading the clock.
fn on_frames<Text>(
    mut frames: impl FnMut() -> Frames<Text>,
    mut run: impl FnMut(Frames<Text>),
) -> impl FnMut(u32) -> Duration {
    const BATCH: u32 = 256;
    let mut batch = Vec::with_capacity(BATCH as usize);
    move |mut count| {
        let mut total = Duration::ZERO;
        while count > 0 {
            batch.extend((0..count.min(BATCH)).map(|_| frames()));
            count -= count.min(BATCH);
            let start = thread_time();
            batch.drain(..).for_each(&mut run);
            total += thread_time().saturating_sub(start);
        }
        total
    }
}
