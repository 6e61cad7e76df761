//! What the session has received from the peers, what of it may be delivered, and what may be acknowledged.

use std::collections::{BTreeMap, BTreeSet};

use socketio_p2p_core::wire::{IncomingKind, Lane, LaneState, Record, State, Stream, flatten};
use socketio_p2p_core::{Packet, PeerId};

use super::TRANSFER_WINDOW;
use super::remote::{Remote, stream_index};
use super::standing::Standing;

/// What has come under one number of a stream in an epoch of a peer.
#[derive(Debug, Default)]
struct Come {
    bytes: Vec<bool>,
    end: bool,
    /// The record came in pieces, on a path that the policy forbids, or malformed: the session need not deliver it.
    pieces: bool,
    forbidden: bool,
    spoiled: bool,
}

/// What has come from the peers.
#[derive(Debug, Default)]
pub(super) struct ReceivedStreams {
    /// By peer, epoch, stream and number.
    come: BTreeMap<(PeerId, u32, u8, u64), Come>,
    /// Epochs in which a peer has sent a malformed record.
    spoiled: BTreeSet<(PeerId, u32)>,
    /// Delivered packets, by peer, epoch and lane.
    handed: BTreeMap<(PeerId, u32, u8), BTreeSet<u64>>,
    /// The peers of which a packet was refused for want of memory: one that never came, too.
    lacked_room: BTreeSet<PeerId>,
    unnumbered: BTreeMap<PeerId, u64>,
    /// Packets that the session has reported as refused; below, the numbers that the peer has reported as settled.
    refused: BTreeSet<(PeerId, u32, u8, u64)>,
    pub(super) settled: BTreeMap<(PeerId, u32), [u64; 2]>,
    /// The credit that the session has granted per transfer.
    granted: BTreeMap<(PeerId, u32, u64), u64>,
    /// The last number that each neighbour has passed on for each peer.
    pub(super) passed: BTreeMap<(PeerId, PeerId), u64>,
    /// The peers that have a pair key.
    pub(super) keys: BTreeMap<PeerId, bool>,
    /// All pings of the peers; below, those that are not answered, by path.
    pub(super) pings: BTreeSet<(PeerId, u64)>,
    pub(super) owed: BTreeMap<(PeerId, usize), u64>,
    /// Bytes sent to a peer on a path since its last message.
    pub(super) unanswered: BTreeMap<(PeerId, usize), usize>,
    /// The state of the links once the current input is processed.
    pub(super) drafts: BTreeMap<PeerId, Option<Standing>>,
}

impl ReceivedStreams {
    /// Notes an input that affects paths or acknowledgements.
    pub(super) fn note_word(&mut self, peer: &PeerId) {
        self.unanswered.retain(|(of, _), _| of != peer);
    }

    /// Resets the numbers for the next incarnation of a peer.
    pub(super) fn forget_numbers(&mut self, peer: &PeerId) {
        self.passed.retain(|(of, _), _| of != peer);
    }

    pub(super) fn is_spoiled(&self, peer: &PeerId, epoch: u32) -> bool {
        self.spoiled.contains(&(peer.clone(), epoch))
    }

    pub(super) fn hear_record(
        &mut self,
        from: &PeerId,
        epoch: u32,
        record: &Record,
        forbidden: bool,
        remotes: &[Remote],
    ) {
        let remote = remotes.iter().find(|remote| remote.id == *from).unwrap();
        let whole = remote.whole(epoch, record.stream, record.number);
        let key = (from.clone(), epoch, stream_index(record.stream), record.number);
        let come = self.come.entry(key).or_default();
        come.forbidden |= forbidden;
        let spoils = !(whole.has(record) || record.abort && record.stream == Stream::Transfers);
        if spoils {
            come.spoiled = true;
            self.spoiled.insert((from.clone(), epoch));
            return;
        }
        come.bytes.resize(whole.bytes.len(), false);
        let start = usize::try_from(record.offset).unwrap();
        if let Some(bytes) = come.bytes.get_mut(start..start + record.bytes.len()) {
            bytes.fill(true);
        }
        come.end |= record.end;
        come.pieces |= record.offset > 0 || !record.end;
    }

    /// Checks a delivered event: once, in order, unaltered, and sent by the peer.
    pub(super) fn receive(
        &mut self,
        remote: &Remote,
        epoch: u32,
        lane: Lane,
        number: u64,
        packet: &Packet,
    ) {
        let key = (remote.id.clone(), epoch, lane.number());
        let handed = self.handed.entry(key).or_default();
        let last = handed.last().copied();
        assert!(last < Some(number), "{lane:?} {number} of {} comes after {last:?}", remote.id);
        handed.insert(number);
        let come = self.come.get(&(remote.id.clone(), epoch, lane.number(), number));
        let come = come.expect("a delivered packet was sent");
        if !come.spoiled {
            let whole = remote.whole(epoch, Stream::Lane(lane), number);
            assert!(whole.good, "packet {number} is not acceptable to an application");
            assert!(flatten(packet) == whole.bytes, "{lane:?} {number} is altered");
            assert!(come.end && come.bytes.iter().all(|come| *come), "{number} is not complete");
        }
        if lane != Lane::Volatile {
            for skipped in last.map_or(0, |last| last + 1)..number {
                assert!(
                    self.may_be_refused(remote, epoch, lane, skipped),
                    "packet {skipped} is neither delivered nor refused"
                );
            }
        }
    }

    pub(super) fn note_no_room(&mut self, peer: &PeerId) {
        self.lacked_room.insert(peer.clone());
    }

    fn may_be_refused(&self, remote: &Remote, epoch: u32, lane: Lane, number: u64) -> bool {
        let come = self.come.get(&(remote.id.clone(), epoch, lane.number(), number));
        let come = come.is_some_and(|come| come.spoiled || come.pieces || come.forbidden);
        come || self.lacked_room.contains(&remote.id)
            || !remote.whole(epoch, Stream::Lane(lane), number).good
    }

    pub(super) fn receive_unnumbered(&mut self, peer: &PeerId, number: u64) {
        let last = self.unnumbered.entry(peer.clone()).or_default();
        assert!(*last < number, "event {number} of {peer} after {last}");
        *last = number;
    }

    /// Checks delivered bytes of a peer's transfer.
    pub(super) fn read(&self, remote: &Remote, label: (u32, u64), at: u64, bytes: &[u8]) {
        let (epoch, number) = label;
        let come = &self.come[&(remote.id.clone(), epoch, 3, number)];
        if come.spoiled {
            return;
        }
        let whole = remote.whole(epoch, Stream::Transfers, number);
        let start = whole.data_at + usize::try_from(at).unwrap();
        let range = start..start + bytes.len();
        assert!(whole.bytes.get(range.clone()) == Some(bytes), "transfer {number} is altered");
        assert!(
            come.bytes[range].iter().all(|come| *come),
            "transfer {number} has not come so far"
        );
    }

    /// Checks the end of a transfer that the application has read.
    pub(super) fn read_end(&self, remote: &Remote, (epoch, number): (u32, u64), at: u64) {
        let come = &self.come[&(remote.id.clone(), epoch, 3, number)];
        let whole = remote.whole(epoch, Stream::Transfers, number);
        let all = come.end && (whole.bytes.len() - whole.data_at) as u64 == at;
        assert!(come.spoiled || all, "transfer {number} does not end at {at}");
    }

    /// The credit that the session has granted for a peer's transfer.
    pub(super) fn granted(&self, peer: &PeerId, epoch: u32, number: u64) -> u64 {
        self.granted.get(&(peer.clone(), epoch, number)).copied().unwrap_or(0)
    }

    // ----- acknowledgements -----

    pub(super) fn check_pong(&mut self, peer: &PeerId, path: usize, number: u64) {
        assert!(self.pings.contains(&(peer.clone(), number)), "{peer} has not sent ping {number}");
        self.owed.remove(&(peer.clone(), path));
    }

    /// Checks a `state` of the session for a peer's epoch: it acknowledges only what has come, and all packets below
    /// `next` were delivered or refused.
    pub(super) fn check_state(&mut self, remote: &Remote, epoch: u32, state: &State) {
        let peer = &remote.id;
        for (lane, number) in &state.refused {
            let next = state.lanes[usize::from(lane.number())].next.number;
            assert!(*number < next, "{lane:?} {number} is refused ahead of its turn");
            assert!(
                self.may_be_refused(remote, epoch, *lane, *number),
                "packet {number} is refused without reason"
            );
            self.refused.insert((peer.clone(), epoch, lane.number(), *number));
        }
        let settled = self.settled.get(&(peer.clone(), epoch)).copied().unwrap_or_default();
        for (lane, LaneState { next, ahead }) in Lane::RELIABLE.into_iter().zip(&state.lanes) {
            let of = |number| (peer.clone(), epoch, lane.number(), number);
            let handed = self.handed.get(&(peer.clone(), epoch, lane.number()));
            for number in settled[usize::from(lane.number())]..next.number {
                let whole = remote.whole(epoch, Stream::Lane(lane), number);
                let handed = handed.is_some_and(|handed| handed.contains(&number));
                let known = handed || self.refused.contains(&of(number)) || whole.is_answer;
                let spoiled = self.come.get(&of(number)).is_some_and(|come| come.spoiled);
                assert!(known || spoiled, "{lane:?} {number} is neither delivered nor refused");
            }
            let had = |number, from: u64, to: u64| {
                let Some(come) = self.come.get(&of(number)) else { return from == to };
                let bytes = usize::try_from(from).unwrap()..usize::try_from(to).unwrap();
                let bytes = come.bytes.get(bytes);
                come.spoiled || bytes.is_some_and(|bytes| bytes.iter().all(|come| *come))
            };
            assert!(had(next.number, 0, next.offset), "{lane:?} has not come up to {next:?}");
            for (from, to) in ahead {
                assert!(
                    from < to && *next <= *from,
                    "expected a range ahead of {next:?}, got {from:?} to {to:?}"
                );
                if from.number == to.number {
                    assert!(had(from.number, from.offset, to.offset), "{from:?} to {to:?}");
                }
            }
        }
        for incoming in &state.incoming {
            let IncomingKind::Open { read, had, granted, .. } = incoming.kind else { continue };
            let key = (peer.clone(), epoch, incoming.number);
            self.granted.insert(key, granted);
            let come = &self.come[&(peer.clone(), epoch, 3, incoming.number)];
            let there = come.bytes.iter().take_while(|come| **come).count() as u64;
            assert!(come.spoiled || had <= there + u64::from(come.end), "{incoming:?}");
            let window = TRANSFER_WINDOW as u64;
            let fits = granted == 0 || (had <= granted + 1 && granted <= read + window);
            assert!(fits && read <= had, "{incoming:?}");
        }
    }
}
