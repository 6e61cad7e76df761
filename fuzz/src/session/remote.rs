//! The peers as the fuzzer plays them: what they have sent so far, so that what they send again is the same.

use std::collections::{BTreeMap, BTreeSet};

use bytes::Bytes;
use socketio_p2p_core::codec::Blob;
use socketio_p2p_core::signal::Lane;
use socketio_p2p_core::{ConnectionId, Packet, PeerId, Version};

use super::book::{Parts, control, parts};
use crate::input::Input;

/// The event whose arguments say which one it is.
pub(super) const LABEL: &str = "labelled";

/// What is in place of a number that was sent out of the blue.
const FOREIGN: &str = "foreign";

/// Epoch, lane and number of an event, and something to make it longer.
pub(super) type Label = (u32, u8, u64, String);

/// One lane of one incarnation of a peer.
#[derive(Debug, Default)]
pub(super) struct Stream {
    /// What was sent, by number, from 0; and whether it is an event that counts.
    sent: Vec<(Parts, bool)>,
    /// Numbers beyond them.
    foreign: BTreeSet<u64>,
}

impl Stream {
    pub(super) fn len(&self) -> u64 {
        self.sent.len() as u64
    }

    /// What has the number: what was sent under it before or, above that, something out of the blue.
    pub(super) fn get(&mut self, seq: u64) -> Parts {
        let index = usize::try_from(seq).unwrap_or(usize::MAX);
        if let Some((parts, _)) = self.sent.get(index) {
            return parts.clone();
        }
        self.foreign.insert(seq);
        parts(&Packet::event(FOREIGN, &(seq,)).unwrap())
    }

    /// Whether some number has been used out of the blue.
    pub(super) fn has_foreign(&self) -> bool {
        !self.foreign.is_empty()
    }

    /// Whether nothing has to come of this number.
    pub(super) fn may_be_skipped(&self, seq: u64) -> bool {
        let index = usize::try_from(seq).unwrap_or(usize::MAX);
        self.foreign.contains(&seq) || self.sent.get(index).is_some_and(|(_, event)| !event)
    }

    fn push(&mut self, parts: Parts, event: bool) -> u64 {
        self.sent.push((parts, event));
        self.len() - 1
    }
}

/// A peer.
#[derive(Debug)]
pub(super) struct Remote {
    pub(super) id: PeerId,
    pub(super) epoch: u32,
    /// The session's, of its link to this peer.
    pub(super) session_epoch: u32,
    streams: BTreeMap<(u32, Lane), Stream>,
    /// How far its packet in pieces has been sent, per lane.
    pub(super) in_pieces: BTreeMap<Lane, (u64, usize)>,
    /// v0: how many events it has sent.
    pub(super) unnumbered: u64,
    /// How many bytes each of its transfers has.
    transfers: BTreeMap<(u32, u64), usize>,
    /// Whether there was ever a transfer, or talk of one.
    pub(super) mixed: bool,
    /// How many packets it has sealed for a neighbour to pass on.
    pub(super) sealed: u64,
}

impl Remote {
    pub(super) fn new(id: PeerId) -> Self {
        Self {
            id,
            epoch: 1,
            session_epoch: 0,
            streams: BTreeMap::new(),
            in_pieces: BTreeMap::new(),
            unnumbered: 0,
            transfers: BTreeMap::new(),
            mixed: false,
            sealed: 0,
        }
    }

    pub(super) fn stream(&mut self, epoch: u32, lane: Lane) -> &mut Stream {
        self.streams.entry((epoch, lane)).or_default()
    }

    /// Thinks of the next packet of a lane; its number. `questions`: the ack ids that it may answer.
    pub(super) fn compose(&mut self, lane: Lane, questions: &[u64], input: &mut Input<'_>) -> u64 {
        let epoch = self.epoch;
        let seq = self.stream(epoch, lane).len();
        let kind = input.below(16);
        let (packet, event) = match (kind, lane) {
            (0 | 1, _) if !questions.is_empty() => {
                let question = questions[input.below(256) % questions.len()];
                (parts(&Packet::ack(question, &(seq,)).unwrap()), false)
            }
            (2, _) => (vec![Bytes::from_static(input.pick(BAD_HEADS))], false),
            (3, _) => (parts(&control("ping", &(seq,))), false),
            (4..=11, Lane::Bulk) => (parts(&self.transfer_message(input)), false),
            _ => {
                let packet = labelled(epoch, lane, seq, input);
                (parts(&packet), true)
            }
        };
        self.stream(epoch, lane).push(packet, event)
    }

    /// A message about a transfer, of the peer's or of the session's.
    fn transfer_message(&mut self, input: &mut Input<'_>) -> Packet {
        self.mixed = true;
        let number = input.pick([0, 0, 0, 1, 1, 2, 3, u64::MAX]);
        match input.below(10) {
            0 | 1 => {
                let size = input.flag().then(|| u64::from(input.byte()));
                let event = Packet::event(input.pick(["file", "file", "offer"]), &(1,)).unwrap();
                let head = Blob::from(event.head().as_bytes().clone());
                let opening = Opening { transfer: number, size };
                control("open", &(opening, head, Vec::<Blob>::new()))
            }
            2..=4 => {
                let start = self.transfers.entry((self.epoch, number)).or_default();
                let end = *start + input.below(120);
                let bytes: Vec<u8> = (*start..end).map(pattern).collect();
                *start = end;
                control("chunk", &(number, Blob::from(bytes)))
            }
            5 => control("finish", &(number,)),
            6 => control("abort", &(number,)),
            7 => {
                let granted = input.pick([0, 50, 200, 1000, u64::MAX]);
                let read = input.pick([0, 10, u64::MAX]);
                control("credit", &(number, read, granted, self.session_epoch))
            }
            8 => control("refuse", &(number, self.session_epoch)),
            _ => control("done", &(number, self.session_epoch)),
        }
    }

    /// The next event of a v0 peer.
    pub(super) fn compose_unnumbered(&mut self, input: &mut Input<'_>) -> Parts {
        self.unnumbered += 1;
        parts(&labelled(0, Lane::Events, self.unnumbered - 1, input))
    }
}

#[derive(serde::Serialize)]
struct Opening {
    transfer: u64,
    #[serde(skip_serializing_if = "Option::is_none")]
    size: Option<u64>,
}

/// The byte of a transfer at a place.
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
    b"2[\"x\",[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[]]]]]",
    b"\xff\xfe",
];

fn labelled(epoch: u32, lane: Lane, seq: u64, input: &mut Input<'_>) -> Packet {
    let pad = "x".repeat(input.pick([0, 0, 0, 30, 200, 700]));
    let label: Label = (epoch, lane.number(), seq, pad);
    let packet = match input.below(8) {
        7 => Packet::event(LABEL, &(label, input.blob())),
        _ => Packet::event(LABEL, &(label,)),
    };
    let packet = packet.unwrap();
    if input.below(4) == 3 { packet.with_ack_id(seq) } else { packet }
}

/// A channel as the peer sees it.
#[derive(Debug)]
pub(super) struct RemoteChannel {
    pub(super) peer: PeerId,
    pub(super) version: Version,
    pub(super) open: bool,
    /// The epoch of its last hello.
    pub(super) epoch: u32,
    /// The number of its next event, by counting.
    pub(super) count: Option<u64>,
    /// The next packet is this one of the volatile lane.
    pub(super) volatile: Option<u64>,
    /// Anything may have gone over it: its numbers mean nothing any more.
    pub(super) raw: bool,
}

/// All channels that are there, by the session's word.
pub(super) type Channels = BTreeMap<ConnectionId, RemoteChannel>;
