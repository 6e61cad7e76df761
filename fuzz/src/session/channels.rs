//! The channels between the session and the peers, their messages, and inputs for unknown channels.

use bytes::Bytes;
use socketio_p2p_core::wire::{Bundle, Epochs, Item, Neighbours};
use socketio_p2p_core::{ConnectionId, ConnectionReport, Dialect, DirectStage, Frame, Path};

use super::remote::LABEL;
use super::server::any_signal;
use super::{NAMES, Run};
use crate::input::Input;

impl Run {
    pub(super) fn a_channel(&self, input: &mut Input<'_>) -> Option<ConnectionId> {
        let index = input.below(256).checked_rem(self.channels.len())?;
        self.channels.keys().nth(index).copied()
    }

    fn index_of(&self, connection: ConnectionId) -> usize {
        let peer = &self.channels[&connection].peer;
        self.remotes.iter().position(|remote| remote.id == *peer).unwrap()
    }

    /// Opens a channel as the protocol requires, or stops half-way.
    pub(super) fn make_channel(&mut self, input: &mut Input<'_>) {
        let Some(connection) = self.a_channel(input) else { return self.offer(input) };
        let index = self.index_of(connection);
        let max_message = input.pick([65_536, 65_536, 4_096, 100, 0]);
        self.open_channel(connection, max_message);
        if input.flag() {
            self.change_datagrams(connection, input);
        }
        let channel = self.channels.get(&connection);
        if input.below(4) == 3 || channel.is_none_or(|channel| channel.dialect == Dialect::V0) {
            return;
        }
        self.pump_channels();
        let epochs = self.epochs(index, input);
        let pong = Item::Pong(self.model.outgoing(&self.remotes[index].id).pinged);
        let state = Item::State(self.honest_state(index, 300));
        let mut items = vec![state, pong, Item::Ping(1)];
        if input.flag() {
            let peers = self.remotes[..NAMES.len()].iter().map(|remote| remote.id.clone());
            let neighbours = Neighbours { peers: peers.collect(), rate: 1_000_000 };
            items.push(Item::Neighbours(neighbours));
        }
        self.say(connection, epochs, &items);
    }

    fn open_channel(&mut self, connection: ConnectionId, max_message: usize) {
        self.trail.note(format_args!("{connection} opens"));
        if let Some(channel) = self.channels.get_mut(&connection).filter(|channel| !channel.open) {
            (channel.open, channel.max_message) = (true, max_message);
            self.model.heard.note_word(&channel.peer);
        }
        self.session.handle_direct_open(connection, max_message, self.now);
        self.settle();
    }

    fn change_datagrams(&mut self, connection: ConnectionId, input: &mut Input<'_>) {
        let max = input.pick([Some(1_200), Some(1_200), Some(70), Some(0), None]);
        self.trail.note(format_args!("{connection} takes datagrams of {max:?} bytes"));
        if let Some(channel) = self.channels.get_mut(&connection) {
            channel.max_datagram = max;
        }
        match max {
            Some(max) => self.session.handle_datagrams_open(connection, max, self.now),
            None => self.session.handle_datagrams_closed(connection, self.now),
        }
        self.settle();
    }

    /// Sends a bundle of a peer on its channel.
    pub(super) fn say(&mut self, connection: ConnectionId, epochs: Epochs, items: &[Item]) {
        self.trail.note(format_args!("{connection}: {epochs:?} {items:?}"));
        self.say_bytes(connection, Bundle::write(epochs, items));
    }

    fn say_bytes(&mut self, connection: ConnectionId, bytes: Bytes) {
        let Some(channel) = self.channels.get(&connection) else { return };
        if channel.open && channel.dialect == Dialect::V1 {
            let (peer, policy) = (channel.peer.clone(), self.session.policy());
            self.model.hear_bundle(&peer, &Path::Direct, &bytes, policy, &self.remotes);
        }
        self.session.handle_direct_frame(connection, bytes.into(), self.now);
        self.settle();
    }

    pub(super) fn on_channel(&mut self, input: &mut Input<'_>) {
        let Some(connection) = self.a_channel(input) else { return };
        let index = self.index_of(connection);
        if self.channels[&connection].dialect == Dialect::V0 {
            let packet = self.remotes[index].unnumbered();
            for frame in packet.frames().collect::<Vec<_>>() {
                self.session.handle_direct_frame(connection, frame, self.now);
                self.settle();
            }
            return;
        }
        let (epochs, items) = self.bundle(index, input);
        self.say(connection, epochs, &items);
    }

    pub(super) fn on_datagrams(&mut self, input: &mut Input<'_>) {
        let Some(connection) = self.a_channel(input) else { return };
        if input.below(8) == 7 {
            return self.change_datagrams(connection, input);
        }
        let index = self.index_of(connection);
        let (epochs, items) = self.bundle(index, input);
        let bytes = Bundle::write(epochs, &items);
        self.trail.note(format_args!("datagram of {connection}: {epochs:?} {items:?}"));
        let channel = &self.channels[&connection];
        if channel.dialect == Dialect::V1 {
            self.model.hear_datagram(&channel.peer, &bytes, &self.remotes);
        }
        self.session.handle_datagram(connection, bytes.into(), self.now);
        self.settle();
    }

    pub(super) fn end_or_signal_channel(&mut self, input: &mut Input<'_>) {
        let connection = match self.a_channel(input) {
            Some(connection) => connection,
            // A channel that is closed.
            None => ConnectionId::from_u64(u64::from(input.byte())),
        };
        match input.below(4) {
            0 => self.session.handle_direct_closed(connection, "cut".to_owned(), self.now),
            _ => {
                let report = ConnectionReport::new(self.any_stage());
                self.session.handle_direct_report(connection, report, self.now);
                self.session.handle_direct_signal(connection, &any_signal(input), self.now);
            }
        }
        self.settle();
    }

    /// A stage that costs no input, so that the seeds keep their meaning.
    fn any_stage(&self) -> DirectStage {
        const STAGES: [DirectStage; 4] = [
            DirectStage::Gathering,
            DirectStage::Dtls,
            DirectStage::Channel,
            DirectStage::Validated,
        ];
        STAGES[self.transcript.len() % STAGES.len()]
    }

    /// Sends arbitrary bytes.
    pub(super) fn raw(&mut self, input: &mut Input<'_>) {
        let connection = self.a_channel(input).filter(|_| input.flag());
        let bytes = Bytes::copy_from_slice(input.bytes());
        let text = String::from_utf8_lossy(&bytes).into_owned();
        let as_text = input.flag();
        let Some(connection) = connection else {
            // A v0 channel that waits for attachments would take the next binary message for one.
            if !text.starts_with(['5', '6']) && !text.contains("peer-join") {
                self.model.answered = true;
                let frame = if as_text { Frame::from(text) } else { Frame::from(bytes) };
                self.hear_frames(vec![frame]);
            }
            return;
        };
        // The model knows labelled events.
        if as_text && !text.contains(LABEL) && !text.contains('\\') {
            self.session.handle_direct_frame(connection, Frame::from(text), self.now);
            self.settle();
        } else if self.channels[&connection].dialect == Dialect::V1 {
            self.say_bytes(connection, bytes);
        }
    }
}
