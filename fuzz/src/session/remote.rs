//! The peers that the fuzzer plays. A peer sends the same content under the same number, however it is cut.

use std::collections::{BTreeMap, BTreeSet};
use std::ops::Range;

use bytes::{BufMut as _, Bytes, BytesMut};
use socketio_p2p_core::codec::Blob;
use socketio_p2p_core::wire::{Lane, Record, Stream, flatten};
use socketio_p2p_core::{ConnectionId, Dialect, Packet, PeerId};

/// The name of events whose arguments identify them.
pub(super) const LABEL: &str = "labelled";

/// The name of events that announce a transfer and identify it.
const FILE: &str = "file";

/// Epoch, lane and number of an event, a sum over these, and padding.
pub(super) type Label = (u32, u8, u64, u64, String);

/// A length beyond the session's limit.
const TOO_LONG: usize = 4_300;

/// A peer.
#[derive(Debug)]
pub(super) struct Remote {
    pub(super) id: PeerId,
    pub(super) epoch: u32,
    /// Selects the content that this peer sends.
    salt: u64,
    /// The next number per epoch and stream, and the offset in the packet before it.
    cursors: BTreeMap<(u32, u8), Cursor>,
    /// Answers in place of events.
    answers: BTreeMap<(u32, u8, u64), Bytes>,
    /// Numbers of which a part was sent: their content is fixed.
    spoken: BTreeSet<(u32, u8, u64)>,
    /// v0: the number of events sent.
    unnumbered: u64,
    /// The number of bundles sealed for neighbours.
    pub(super) sealed: u64,
}

/// A position in a stream.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Cursor {
    pub(super) number: u64,
    pub(super) offset: usize,
}

/// The content that a peer sends under one number of a stream.
#[derive(Clone, Debug)]
pub(super) struct Whole {
    pub(super) bytes: Bytes,
    /// The offset at which the data of a transfer begins; 0 in a lane.
    pub(super) data_at: usize,
    /// Whether it is an answer.
    pub(super) is_answer: bool,
    /// Whether it is acceptable to an application.
    pub(super) good: bool,
}

impl Whole {
    /// A piece of it, as a record.
    pub(super) fn record(&self, stream: Stream, number: u64, range: Range<usize>) -> Record {
        let (offset, end) = (range.start as u64, range.end == self.bytes.len());
        let bytes = self.bytes.slice(range);
        Record { stream, number, offset, end, abort: false, bytes }
    }

    /// Whether a record is a piece of it.
    pub(super) fn has(&self, record: &Record) -> bool {
        let start = usize::try_from(record.offset).unwrap_or(usize::MAX);
        let until = start.saturating_add(record.bytes.len());
        let same = self.bytes.get(start..until).is_some_and(|bytes| *bytes == record.bytes);
        same && !record.abort && (!record.end || until == self.bytes.len())
    }
}

pub(super) fn stream_index(stream: Stream) -> u8 {
    match stream {
        Stream::Lane(lane) => lane.number(),
        Stream::Transfers => 3,
    }
}

impl Remote {
    pub(super) fn new(id: PeerId, salt: u64) -> Self {
        Self {
            id,
            epoch: 1,
            salt,
            cursors: BTreeMap::new(),
            answers: BTreeMap::new(),
            spoken: BTreeSet::new(),
            unnumbered: 0,
            sealed: 0,
        }
    }

    pub(super) fn cursor(&mut self, epoch: u32, stream: Stream) -> &mut Cursor {
        self.cursors.entry((epoch, stream_index(stream))).or_default()
    }

    /// Makes the next packet of a lane an answer, if no part of it was sent.
    pub(super) fn answer(&mut self, lane: Lane, question: u64) {
        let number = self.cursor(self.epoch, Stream::Lane(lane)).number;
        let key = (self.epoch, lane.number(), number);
        if !self.spoken.contains(&key) {
            let packet = Packet::ack(question, &(number,)).unwrap();
            self.answers.insert(key, flatten(&packet));
        }
    }

    /// The content under a number, fixed from now on.
    pub(super) fn speak(&mut self, epoch: u32, stream: Stream, number: u64) -> Whole {
        self.spoken.insert((epoch, stream_index(stream), number));
        self.whole(epoch, stream, number)
    }

    /// The content under a number.
    pub(super) fn whole(&self, epoch: u32, stream: Stream, number: u64) -> Whole {
        let Stream::Lane(lane) = stream else { return self.transfer(epoch, number) };
        if let Some(answer) = self.answers.get(&(epoch, lane.number(), number)) {
            return Whole { bytes: answer.clone(), data_at: 0, is_answer: true, good: false };
        }
        let dice = self.dice(epoch, stream, number);
        let bad = |bytes: Bytes| Whole { bytes, data_at: 0, is_answer: false, good: false };
        match dice % 24 {
            0 => {
                let head = BAD_HEADS[(dice >> 8) as usize % BAD_HEADS.len()];
                let mut bytes = BytesMut::new();
                bytes.put_u32(head.len() as u32 + u32::from(dice >> 16 & 7 == 0));
                bytes.put_slice(head);
                bad(bytes.freeze())
            }
            1 => bad(flatten(&labelled(epoch, lane, number, dice, TOO_LONG))),
            _ => {
                let len = [0, 0, 0, 30, 30, 200, 700, 2_000][(dice >> 8) as usize % 8];
                let bytes = flatten(&labelled(epoch, lane, number, dice, len));
                Whole { bytes, data_at: 0, is_answer: false, good: true }
            }
        }
    }

    fn transfer(&self, epoch: u32, number: u64) -> Whole {
        let dice = self.dice(epoch, Stream::Transfers, number);
        let good = !dice.is_multiple_of(12);
        let name = if good { FILE } else { ["offer", "p2p:x"][(dice >> 4) as usize % 2] };
        let event = flatten(&Packet::event(name, &(epoch, number)).unwrap());
        let len = [0, 1, 60, 150, 700, 1_500][(dice >> 8) as usize % 6];
        let size = match dice >> 16 & 7 {
            0..=3 => u64::MAX,
            4 => len as u64 + 1,
            _ => len as u64,
        };
        let mut bytes = BytesMut::new();
        bytes.put_u64(size);
        bytes.put_u32(u32::try_from(event.len()).unwrap());
        bytes.put_slice(&event);
        let data_at = bytes.len();
        bytes.extend((0..len).map(pattern));
        Whole {
            bytes: bytes.freeze(),
            data_at,
            is_answer: false,
            good: good && dice >> 16 & 7 != 4,
        }
    }

    /// The next event of a v0 peer.
    pub(super) fn unnumbered(&mut self) -> Packet {
        self.unnumbered += 1;
        let dice = self.dice(0, Stream::Lane(Lane::Events), self.unnumbered);
        labelled(0, Lane::Events, self.unnumbered, dice, 20)
    }

    fn dice(&self, epoch: u32, stream: Stream, number: u64) -> u64 {
        let seed = number ^ u64::from(epoch) << 40 ^ u64::from(stream_index(stream)) << 60;
        mix(seed ^ mix(self.salt))
    }
}

fn mix(number: u64) -> u64 {
    let number = (number ^ number >> 30).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    let number = (number ^ number >> 27).wrapping_mul(0x94d0_49bb_1331_11eb);
    number ^ number >> 31
}

/// The byte of a transfer at an offset.
pub(super) fn pattern(place: usize) -> u8 {
    u8::try_from(place % 251).unwrap()
}

/// Heads that are no events for an application.
const BAD_HEADS: [&[u8]; 8] = [
    b"",
    b"9",
    b"2[\"x\",",
    b"2[\"p2p:x\"]",
    b"0{}",
    b"51-[\"x\",{\"_placeholder\":true,\"num\":0}]",
    b"2[\"x\",[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[]]]]]",
    b"\xff\xfe",
];

fn sum(epoch: u32, lane: u8, number: u64) -> u64 {
    mix(u64::from(epoch) << 8 ^ u64::from(lane) ^ mix(number)) >> 16
}

fn labelled(epoch: u32, lane: Lane, number: u64, dice: u64, len: usize) -> Packet {
    let lane = lane.number();
    let label: Label = (epoch, lane, number, sum(epoch, lane, number), "x".repeat(len));
    let packet = match dice >> 24 & 7 {
        7 => Packet::event(LABEL, &(label, Blob::from(vec![lane; 9]))),
        _ => Packet::event(LABEL, &(label,)),
    };
    let packet = packet.unwrap();
    if dice >> 32 & 3 == 3 { packet.with_ack_id(number) } else { packet }
}

/// The epoch, lane and number of a labelled event.
pub(super) fn label(packet: &Packet) -> Option<(u32, u8, u64)> {
    if packet.event_name().as_deref() != Some(LABEL) {
        return None;
    }
    let (epoch, lane, number, said, _) = match packet.attachments() {
        [] => packet.args::<(Label,)>().ok()?.0,
        _ => packet.args::<(Label, serde::de::IgnoredAny)>().ok()?.0,
    };
    (said == sum(epoch, lane, number)).then_some((epoch, lane, number))
}

/// The epoch and number of the transfer that an event announces.
pub(super) fn file_label(packet: &Packet) -> Option<(u32, u64)> {
    packet.args::<(u32, u64)>().ok().filter(|_| packet.event_name().as_deref() == Some(FILE))
}

/// A channel as the peer sees it.
#[derive(Debug)]
pub(super) struct RemoteChannel {
    pub(super) peer: PeerId,
    pub(super) dialect: Dialect,
    pub(super) open: bool,
    /// The message limits that the peer states for the data channel and the datagram channel.
    pub(super) max_message: usize,
    pub(super) max_datagram: Option<usize>,
}

/// All channels that the session has opened.
pub(super) type Channels = BTreeMap<ConnectionId, RemoteChannel>;
