//! The peers: bundles of records in any division, and of control, through the server and through neighbours.

use bytes::Bytes;
use socketio_p2p_core::wire::{
    Bundle, Download, Epochs, Item, Lane, Neighbours, Numbers, Passage, Passed, PeerLimits, Piece,
    Record, Seal, ServerMessage, Stream, flatten,
};
use socketio_p2p_core::{ConnectionId, Dialect, Path, PeerId};

use super::remote::Cursor;
use super::server::key;
use super::{MAX_FRAMES, NAMES, Run};
use crate::input::Input;

/// The session's decoder takes envelope bodies of this length, whatever the server allows.
const MAX_BODY: usize = 3_800;

/// The greatest number on the wire.
const MAX_NUMBER: u64 = (1 << 62) - 1;

const STREAMS: [Stream; 5] = [
    Stream::Lane(Lane::Events),
    Stream::Lane(Lane::Events),
    Stream::Lane(Lane::Bulk),
    Stream::Transfers,
    Stream::Lane(Lane::Volatile),
];

impl Run {
    // ----- through the server -----

    pub(super) fn relay(&mut self, input: &mut Input<'_>) {
        let index = input.below(NAMES.len());
        if self.is_original(index) {
            return self.relay_original(index);
        }
        let (epochs, items) = self.bundle(index, input);
        self.relay_bundle(index, epochs, &items);
    }

    fn relay_original(&mut self, index: usize) {
        let remote = &mut self.remotes[index];
        let (from, body) = (remote.id.clone(), flatten(&remote.unnumbered()));
        let piece = Some(Piece::WHOLE);
        self.hear(&ServerMessage::Relay(Download { from, numbers: None, piece, body }));
    }

    fn is_original(&self, index: usize) -> bool {
        let link = self.model.links.get(&self.remotes[index].id);
        link.is_some_and(|link| link.dialect == Dialect::V0)
    }

    fn relay_bundle(&mut self, index: usize, epochs: Epochs, items: &[Item]) {
        let (from, body) = (self.remotes[index].id.clone(), Bundle::write(epochs, items));
        if body.len() > MAX_BODY {
            return;
        }
        self.trail.note(format_args!("{from}: {epochs:?} {items:?}"));
        if self.model.is_listening() {
            let policy = self.session.policy();
            self.model.hear_bundle(&from, &Path::Relay, &body, policy, &self.remotes);
        }
        let (numbers, piece) = (None, None);
        self.hear(&ServerMessage::Relay(Download { from, numbers, piece, body }));
    }

    /// Sends a record that went to several receivers, or a malformed one.
    pub(super) fn relay_shared(&mut self, input: &mut Input<'_>) {
        let index = input.below(NAMES.len());
        if self.is_original(index) {
            return;
        }
        let epochs = self.epochs(index, input);
        let stream = Stream::Lane(input.pick([Lane::Events, Lane::Bulk, Lane::Volatile]));
        let record = match input.below(64) {
            63 => {
                let number = input.pick([u64::MAX - 1, u64::MAX]);
                let whole = self.remotes[index].speak(epochs.epoch, stream, number);
                whole.record(stream, number, 0..whole.bytes.len())
            }
            _ => self.record(index, epochs.epoch, stream, input),
        };
        let Stream::Lane(lane) = record.stream else { return };
        let (body, from) = (record.bytes, self.remotes[index].id.clone());
        let numbers = Numbers { epochs, lane, seq: record.number };
        let numbers = (input.below(32) != 31).then_some(numbers);
        let piece = Piece { at: record.offset, end: record.end };
        let piece = (input.below(32) != 31).then_some(piece);
        if body.len() > MAX_BODY || (numbers.is_none() && piece.is_none()) {
            return;
        }
        self.trail.note(format_args!("{from}: {numbers:?} {piece:?} {} bytes", body.len()));
        if self.model.is_listening() {
            let policy = self.session.policy();
            self.model.hear_shared(&from, numbers, piece, &body, policy, &self.remotes);
        }
        self.hear(&ServerMessage::Relay(Download { from, numbers, piece, body }));
    }

    /// Lets each member send something, receive what was sent to it, and answer.
    pub(super) fn exchange(&mut self, input: &mut Input<'_>) {
        self.pump_signaling(MAX_FRAMES);
        self.pump_channels();
        for index in 0..self.remotes.len() {
            let Some(ours) = self.model.epochs(&self.remotes[index].id) else { continue };
            if self.is_original(index) {
                continue;
            }
            let epochs = Epochs { epoch: self.remotes[index].epoch, peer_epoch: ours.epoch };
            let stream = input.pick(STREAMS);
            let record = self.whole_record(index, epochs.epoch, stream);
            let state = self.honest_state(index, 300);
            let pong = Item::Pong(self.model.outgoing(&self.remotes[index].id).pinged);
            let items = [Item::Record(record), Item::State(state), pong];
            self.relay_bundle(index, epochs, &items);
        }
    }

    // ----- bundles -----

    pub(super) fn epochs(&self, index: usize, input: &mut Input<'_>) -> Epochs {
        let Self { model, remotes, .. } = self;
        let (ours, epoch) = (model.epochs(&remotes[index].id), remotes[index].epoch);
        let ours = ours.map_or(0, |epochs| epochs.epoch);
        match input.below(48) {
            0 => Epochs { epoch: input.pick([0, 1, 2, 9, u32::MAX]), peer_epoch: ours },
            1 => Epochs { epoch, peer_epoch: input.pick([1, ours.saturating_sub(1), u32::MAX]) },
            2..=5 => Epochs { epoch, peer_epoch: 0 },
            _ => Epochs { epoch, peer_epoch: ours },
        }
    }

    pub(super) fn bundle(&mut self, index: usize, input: &mut Input<'_>) -> (Epochs, Vec<Item>) {
        let epochs = self.epochs(index, input);
        let count = input.pick([1, 1, 1, 2, 2, 3, 4, 12]);
        let items = (0..count).map(|_| self.item(index, epochs.epoch, input)).collect();
        (epochs, items)
    }

    fn item(&mut self, index: usize, epoch: u32, input: &mut Input<'_>) -> Item {
        match input.below(32) {
            0..=15 => {
                let stream = input.pick(STREAMS);
                Item::Record(self.record(index, epoch, stream, input))
            }
            16..=18 => {
                let number = u64::from(input.byte());
                Item::Ping(input.pick([1, 2, number, MAX_NUMBER]))
            }
            19..=21 => {
                let pinged = self.model.outgoing(&self.remotes[index].id).pinged;
                let back = input.pick([0, 0, 0, 1, 5]);
                let number = input.pick([pinged.saturating_sub(back), pinged + 1, 0, MAX_NUMBER]);
                Item::Pong(if input.flag() { pinged } else { number })
            }
            22..=24 => Item::State(self.honest_state(index, 100 * input.below(4) as u64)),
            25..=27 => Item::State(self.any_state(index, input)),
            28 => {
                let mut limits = PeerLimits::unbounded();
                limits.packet_bytes = input.pick([0, 100, 400, 2_000, 1 << 40]);
                limits.attachments = input.pick([0, 1, 8]);
                Item::Limits(limits)
            }
            29 => {
                let ours = self.model.epochs(&self.remotes[index].id);
                let ours = ours.map_or(0, |epochs| epochs.epoch);
                let epoch = input.pick([ours, ours.saturating_sub(1), 0, u32::MAX]);
                if input.below(4) == 3 { Item::GivenUp(epoch) } else { Item::GivenUp(0) }
            }
            30 => {
                let peers = (0..input.below(6)).map(|_| self.remote(input).id.clone()).collect();
                let rate = input.pick([0, 1_000_000, MAX_NUMBER]);
                Item::Neighbours(Neighbours { peers, rate })
            }
            _ => match input.below(8) {
                0 => Item::Bye,
                1..=3 => Item::NoWay(self.remote(input).id.clone()),
                4 | 5 => Item::Wait,
                _ => Item::GivenUp(0),
            },
        }
    }

    /// Draws a record: most often the next one, whole or a piece; or an earlier, a later or a malformed one.
    fn record(
        &mut self,
        index: usize,
        epoch: u32,
        stream: Stream,
        input: &mut Input<'_>,
    ) -> Record {
        if input.below(8) == 0
            && let (Stream::Lane(lane), [question, ..]) = (stream, &self.model.questions()[..])
        {
            self.remotes[index].answer(lane, *question);
        }
        let remote = &mut self.remotes[index];
        let Cursor { number, offset } = *remote.cursor(epoch, stream);
        let mut record = match input.below(16) {
            0..=4 => return self.whole_record(index, epoch, stream),
            5..=9 => {
                let len = input.pick([1, 16, 64, 200, 1_000]);
                return self.next_piece(index, epoch, stream, offset + len);
            }
            choice => {
                // The next record is lost; or one near it comes, twice or too early.
                let number = match choice {
                    10 => number + 1,
                    11..=14 => (number + 2).saturating_sub(input.below(8) as u64),
                    _ => input.pick([number + 3, number + 30, MAX_NUMBER - 1, MAX_NUMBER]),
                };
                let whole = remote.speak(epoch, stream, number);
                let len = whole.bytes.len();
                let [a, b] = [(); 2].map(|()| input.below(256));
                let from = input.pick([0, 0, a.min(len), len / 2]);
                let to = input.pick([len, len, (from + b).min(len), from]);
                whole.record(stream, number, from..to)
            }
        };
        match input.below(24) {
            0 => record.end = !record.end,
            1 => record.abort = true,
            2 => record.offset = input.pick([record.offset + 1, 4_140, 5_000, MAX_NUMBER]),
            3 => record.bytes = Bytes::copy_from_slice(input.bytes()),
            _ => {}
        }
        record
    }

    /// The next packet of a stream, as one record.
    fn whole_record(&mut self, index: usize, epoch: u32, stream: Stream) -> Record {
        self.next_piece(index, epoch, stream, usize::MAX)
    }

    /// The next piece of a stream up to `to`; of a transfer up to its credit.
    fn next_piece(&mut self, index: usize, epoch: u32, stream: Stream, to: usize) -> Record {
        let remote = &mut self.remotes[index];
        let Cursor { number, offset } = *remote.cursor(epoch, stream);
        let whole = remote.speak(epoch, stream, number);
        let len = whole.bytes.len();
        let most = match stream {
            Stream::Lane(_) => len,
            Stream::Transfers => {
                let granted = self.model.heard.granted(&remote.id, epoch, number);
                whole.data_at.max(usize::try_from(granted).unwrap_or(usize::MAX))
            }
        };
        let to = to.min(len).min(most).max(offset);
        let next = if to == len {
            Cursor { number: number + 1, offset: 0 }
        } else {
            Cursor { number, offset: to }
        };
        *remote.cursor(epoch, stream) = next;
        whole.record(stream, number, offset..to)
    }

    // ----- through a neighbour -----

    /// Sends a bundle of a peer through a neighbour, or asks the session to pass one on.
    pub(super) fn pass_on(&mut self, input: &mut Input<'_>) {
        let Some(connection) = self.a_channel(input) else { return };
        let neighbour = self.channels[&connection].peer.clone();
        let index = input.below(NAMES.len());
        let peer = self.remotes[index].id.clone();
        if input.below(4) == 3 {
            return self.ask_to_pass_on(connection, &neighbour, peer, input);
        }
        let Some(own_id) = self.session.id().cloned() else { return };
        let (epochs, items) = self.bundle(index, input);
        self.trail.note(format_args!("{peer} via {neighbour}: {epochs:?} {items:?}"));
        let bundle = Bundle::write(epochs, &items);
        let remote = &mut self.remotes[index];
        remote.sealed += 1;
        let number = remote.sealed - input.pick([0, 0, 0, 0, 0, 0, 0, 1]);
        let passage = Passage { neighbour: &neighbour, from: &peer, to: &own_id };
        let mut passed = passage.seal(&key(&peer), number, bundle);
        match input.below(16) {
            // The neighbour adds a bundle of its own, or alters the one that it passes on.
            0 => passed.bundle = Bundle::write(epochs, &[Item::Bye]),
            1 => passed.number += 1,
            2 => passed.seal = Seal::new([7; 32]),
            _ => {}
        }
        let item = Item::Passed(peer, passed);
        let count = if input.below(8) == 7 { 2 } else { 1 };
        let index = self.remotes.iter().position(|remote| remote.id == neighbour).unwrap();
        let epochs = self.epochs(index, input);
        self.say(connection, epochs, &vec![item; count]);
    }

    /// Asks the session to pass a bundle on. The session cannot check its MAC.
    fn ask_to_pass_on(
        &mut self,
        connection: ConnectionId,
        neighbour: &PeerId,
        peer: PeerId,
        input: &mut Input<'_>,
    ) {
        let bundle = Bytes::from(vec![7; usize::from(input.byte()) * 100]);
        let (number, seal) = (u64::from(input.byte()), Seal::new([input.byte(); 32]));
        let passed = Passed { number, seal, bundle };
        self.wires.passed_on.push((neighbour.clone(), peer.clone(), passed.clone()));
        let index = self.remotes.iter().position(|remote| remote.id == *neighbour).unwrap();
        let epochs = self.epochs(index, input);
        self.say(connection, epochs, &[Item::Pass(peer, passed)]);
    }
}
