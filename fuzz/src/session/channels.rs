//! Channels between the session and the peers, and what goes over them; and what means nothing at all.

use bytes::Bytes;
use socketio_p2p_core::signal::{Epochs, Lane};
use socketio_p2p_core::{ConnectionId, Frame, Packet, Version};

use super::Run;
use super::book::{CONTROL, PieceHeader, control, frames, packet, piece};
use super::model::Claim;
use super::peers::{Neighbours, Next, Seq};
use super::remote::LABEL;
use super::server::any_signal;
use crate::input::Input;

impl Run {
    pub(super) fn a_channel(&self, input: &mut Input<'_>) -> Option<ConnectionId> {
        let index = input.below(256).checked_rem(self.channels.len())?;
        self.channels.keys().nth(index).copied()
    }

    /// An attempt that goes as it should, or half of it.
    pub(super) fn make_channel(&mut self, input: &mut Input<'_>) {
        let Some(connection) = self.a_channel(input) else { return self.offer(input) };
        let peer = self.channels[&connection].peer.clone();
        let index = self.remotes.iter().position(|remote| remote.id == peer).unwrap();
        let max_message = input.pick([65_536, 65_536, 4_096, 100, 0]);
        self.trail.note(format_args!("{connection} opens"));
        self.open_channel(connection, max_message);
        if input.below(4) == 3 {
            return;
        }
        let epochs = self.epochs(index, self.remotes[index].epoch, input);
        self.say_on_channel(connection, &control("hello", &(epochs,)));
        self.say_on_channel(connection, &control("pong", &(0,)));
        let next = self.remotes[index].stream(epochs.epoch, Lane::Events).len();
        let next = next.saturating_sub(input.below(4) as u64);
        self.say_on_channel(connection, &control("begin", &(Next { next },)));
        if input.flag() {
            let peers = self.remotes.iter().map(|remote| remote.id.clone()).collect();
            let neighbours = Neighbours { peers, rate: 1_000_000 };
            self.say_on_channel(connection, &control("neighbours", &(neighbours,)));
        }
    }

    pub(super) fn open_channel(&mut self, connection: ConnectionId, max_message: usize) {
        if let Some(channel) = self.channels.get_mut(&connection).filter(|channel| !channel.open) {
            channel.open = true;
            self.wires.open_channel(connection, max_message);
        }
        self.session.handle_direct_open(connection, max_message, self.now);
        self.settle();
    }

    pub(super) fn say_on_channel(&mut self, connection: ConnectionId, packet: &Packet) {
        self.trail.note(format_args!("{connection}: {}", packet.head()));
        let hello = packet.event_name().as_deref() == Some("hello");
        if hello
            && let (Some(channel), Ok((epochs,))) =
                (self.channels.get(&connection), packet.args::<(Epochs,)>())
        {
            let peer = channel.peer.clone();
            self.model.claim = Some(Claim { peer, ours: epochs.peer_epoch, over: 0 });
        }
        self.say_frames(connection, packet.frames().collect());
        if hello {
            self.model.claim = None;
        }
        self.note_said(connection, packet);
    }

    pub(super) fn say_frames(&mut self, connection: ConnectionId, frames: Vec<Frame>) {
        for frame in frames {
            self.session.handle_direct_frame(connection, frame, self.now);
            self.settle();
        }
    }

    /// Keeps count of what the peer says on a channel.
    pub(super) fn note_said(&mut self, connection: ConnectionId, packet: &Packet) {
        // What comes before a channel is open is ignored.
        let channel = self.channels.get_mut(&connection).filter(|channel| channel.open);
        let Some(channel) = channel else { return };
        match packet.event_name().as_deref() {
            Some("hello") => {
                if let Ok((epochs,)) = packet.args::<(Epochs,)>() {
                    channel.epoch = epochs.epoch;
                }
            }
            Some("begin") => channel.count = packet.args::<(Next,)>().ok().map(|(n,)| n.next),
            Some("volatile") => channel.volatile = packet.args::<(Seq,)>().ok().map(|(s,)| s.seq),
            Some(_) | None => {}
        }
    }

    pub(super) fn channel_data(&mut self, input: &mut Input<'_>) {
        let Some(connection) = self.a_channel(input) else { return };
        let channel = &self.channels[&connection];
        let (peer, raw) = (channel.peer.clone(), channel.raw);
        let index = self.remotes.iter().position(|remote| remote.id == peer).unwrap();
        if raw {
            let noise = Packet::event("noise", &()).unwrap();
            return self.say_frames(connection, noise.frames().collect());
        }
        if channel.version == Version::V0 {
            let parts = self.remotes[index].compose_unnumbered(input);
            return self.say_frames(connection, frames(&parts));
        }
        let epoch = channel.epoch;
        if input.below(8) == 7 && epoch == self.remotes[index].epoch {
            let seq = self.remotes[index].compose(Lane::Volatile, &[], input);
            self.say_on_channel(connection, &control("volatile", &(Seq { seq },)));
        }
        let questions = self.model.questions();
        let Some(channel) = self.channels.get_mut(&connection) else { return };
        let (lane, seq) = match (channel.volatile, channel.count) {
            (Some(seq), _) => (Lane::Volatile, seq),
            // Without a number there is nothing that could come of it.
            (None, count) => (Lane::Events, count.unwrap_or(u64::MAX)),
        };
        let remote = &mut self.remotes[index];
        if epoch == remote.epoch && seq == remote.stream(epoch, lane).len() {
            remote.compose(lane, &questions, input);
        }
        let parts = remote.stream(epoch, lane).get(seq);
        if packet(&parts).is_some_and(|packet| packet.namespace() == CONTROL) {
            // Link control has no number on a channel: this one goes in pieces or not at all.
            return;
        }
        if channel.volatile.take().is_none() {
            channel.count = channel.count.map(|count| count.wrapping_add(1));
        }
        self.trail.note(format_args!("{connection}: {lane:?} {seq}"));
        self.say_frames(connection, frames(&parts));
    }

    pub(super) fn channel_piece(&mut self, input: &mut Input<'_>) {
        let Some(connection) = self.a_channel(input) else { return };
        let channel = &self.channels[&connection];
        let index = self.remotes.iter().position(|remote| remote.id == channel.peer).unwrap();
        if channel.epoch != self.remotes[index].epoch || channel.raw {
            return;
        }
        let lane = input.pick([Lane::Events, Lane::Bulk, Lane::Bulk]);
        let (sequence, header, bytes) = self.piece(index, lane, input);
        let header = PieceHeader { of: Some(sequence), ..header };
        let is_last = header.offset.saturating_add(bytes.len() as u64) >= header.total;
        self.say_on_channel(connection, &piece(header, bytes));
        if let Some(channel) =
            self.channels.get_mut(&connection).filter(|channel| channel.open && is_last)
            && lane == Lane::Events
        {
            channel.count = Some(sequence.seq.wrapping_add(1));
        }
    }

    pub(super) fn channel_control(&mut self, input: &mut Input<'_>) {
        let Some(connection) = self.a_channel(input) else { return };
        let peer = self.channels[&connection].peer.clone();
        let index = self.remotes.iter().position(|remote| remote.id == peer).unwrap();
        let epochs = self.epochs(index, self.remotes[index].epoch, input);
        let packet = self.control(index, epochs, input);
        self.say_on_channel(connection, &packet);
    }

    pub(super) fn end_or_signal_channel(&mut self, input: &mut Input<'_>) {
        let connection = match self.a_channel(input) {
            Some(connection) => connection,
            // One that is over.
            None => ConnectionId::from_u64(u64::from(input.byte())),
        };
        match input.below(4) {
            0 => self.session.handle_direct_closed(connection, "cut".to_owned(), self.now),
            _ => self.session.handle_direct_signal(connection, &any_signal(input), self.now),
        }
        self.settle();
    }

    /// Anything at all.
    pub(super) fn raw(&mut self, input: &mut Input<'_>) {
        let connection = self.a_channel(input).filter(|_| input.flag());
        let bytes = Bytes::copy_from_slice(input.bytes());
        let text = String::from_utf8_lossy(&bytes).into_owned();
        // What is labelled is in the books.
        if text.contains(LABEL) || text.contains('\\') {
            return;
        }
        self.model.exact = false;
        let frame = if input.flag() { Frame::from(text) } else { Frame::from(bytes.to_vec()) };
        match connection {
            Some(connection) => {
                self.channels.entry(connection).and_modify(|channel| channel.raw = true);
                self.say_frames(connection, vec![frame]);
            }
            None => {
                self.model.answered = true;
                self.hear_frames(vec![frame]);
            }
        }
    }
}
