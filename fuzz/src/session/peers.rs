//! The peers: numbered packets, pieces of them and link control, through the server and through one another.

use bytes::Bytes;
use socketio_p2p_core::signal::{Download, Epochs, Lane, Sequence, ServerMessage};
use socketio_p2p_core::{ConnectionId, Packet, PeerId, Version};

use super::book::{CONTROL, PieceHeader, control, flatten, packet, parts, piece};
use super::model::Claim;
use super::{MAX_FRAMES, NAMES, Run, seal};
use crate::input::Input;

impl Run {
    pub(super) fn relay_data(&mut self, input: &mut Input<'_>) {
        let index = input.below(NAMES.len());
        let remote = &mut self.remotes[index];
        let link = self.model.links.get(&remote.id);
        if link.is_some_and(|link| link.version == Version::V0) {
            let parts = remote.compose_unnumbered(input);
            let from = remote.id.clone();
            return self.relay(from, None, None, parts);
        }
        let (lane, epoch, seq) = self.number(index, input);
        let epochs = self.epochs(index, epoch, input);
        let remote = &mut self.remotes[index];
        let parts = remote.stream(epochs.epoch, lane).get(seq);
        let from = remote.id.clone();
        self.relay(from, Some(epochs), Some(Sequence { lane, seq }), parts);
    }

    /// Each peer that is there says something, and has what was sent to it.
    pub(super) fn exchange(&mut self, input: &mut Input<'_>) {
        self.pump_signaling(MAX_FRAMES);
        self.pump_channels();
        for index in 0..self.remotes.len() {
            let remote = &mut self.remotes[index];
            let (from, epoch) = (remote.id.clone(), remote.epoch);
            let Some(link) = self.model.links.get(&from) else { continue };
            let epochs = Epochs { epoch, peer_epoch: link.epoch };
            if link.version == Version::V0 {
                continue;
            }
            let lane = if input.flag() { Lane::Events } else { Lane::Bulk };
            let seq = remote.compose(lane, &self.model.questions(), input);
            let data = remote.stream(epoch, lane).get(seq);
            self.relay(from.clone(), Some(epochs), Some(Sequence { lane, seq }), data);
            let received = self.honest(&from);
            let ack = Ack {
                received,
                partial: [0; 3],
                refused: Vec::new(),
                told: Some(self.lengths(index)),
            };
            self.relay(from, Some(epochs), None, parts(&control("ack", &(ack,))));
        }
    }

    /// What a peer can have got.
    pub(super) fn honest(&mut self, peer: &PeerId) -> [u64; 3] {
        let epoch = self.model.links.get(peer).map_or(0, |link| link.epoch);
        let received = Lane::ALL.map(|lane| self.model.outgoing(peer, epoch, lane).sent.end());
        self.note_acknowledged(peer, received);
        received
    }

    pub(super) fn note_acknowledged(&mut self, peer: &PeerId, received: [u64; 3]) {
        if let Some(link) = self.model.links.get_mut(peer) {
            for (most, received) in link.acknowledged.iter_mut().zip(received) {
                *most = received.max(*most);
            }
        }
    }

    /// A packet of a peer: mostly its next, or one of before, or one out of the blue.
    pub(super) fn number(&mut self, index: usize, input: &mut Input<'_>) -> (Lane, u32, u64) {
        let lane = input.pick([Lane::Events, Lane::Events, Lane::Bulk, Lane::Bulk, Lane::Volatile]);
        let remote = &mut self.remotes[index];
        let epoch = remote.epoch;
        let len = remote.stream(epoch, lane).len();
        let seq = match input.below(16) {
            0..=8 => remote.compose(lane, &self.model.questions(), input),
            // Lost on the way.
            9 => remote.compose(lane, &self.model.questions(), input) + 1,
            10..=14 => (len + 1).saturating_sub(input.below(8) as u64 + 1),
            _ => input.pick([len + 3, len + 30, u64::MAX - 1, u64::MAX]),
        };
        (lane, epoch, seq)
    }

    pub(super) fn epochs(&self, index: usize, epoch: u32, input: &mut Input<'_>) -> Epochs {
        let link = self.model.links.get(&self.remotes[index].id);
        let ours = link.map_or(0, |link| link.epoch);
        match input.below(32) {
            0 => Epochs { epoch: input.pick([0, 1, 2, 9, u32::MAX]), peer_epoch: ours },
            1 => Epochs { epoch, peer_epoch: input.pick([1, ours.saturating_sub(1), u32::MAX]) },
            2..=6 => Epochs { epoch, peer_epoch: 0 },
            _ => Epochs { epoch, peer_epoch: ours },
        }
    }

    pub(super) fn relay(
        &mut self,
        from: PeerId,
        epochs: Option<Epochs>,
        sequence: Option<Sequence>,
        parts: Vec<Bytes>,
    ) {
        self.model.claim = epochs.map(|epochs| claim(&from, epochs, sequence, &parts));
        let parts = parts.into();
        self.hear(&ServerMessage::Relay(Download { from, epochs, sequence, parts }));
        self.model.claim = None;
    }

    /// The next piece of a packet, or one out of turn.
    pub(super) fn piece(
        &mut self,
        index: usize,
        lane: Lane,
        input: &mut Input<'_>,
    ) -> (Sequence, PieceHeader, Bytes) {
        let questions = self.model.questions();
        let remote = &mut self.remotes[index];
        let epoch = remote.epoch;
        let (seq, offset) = match remote.in_pieces.get(&lane) {
            Some(place) if input.below(16) != 15 => *place,
            Some(_) | None => (remote.compose(lane, &questions, input), 0),
        };
        let flat = flatten(&remote.stream(epoch, lane).get(seq));
        let offset = offset.min(flat.len());
        let end = flat.len().min(offset + input.pick([16, 64, 200, 4_096]));
        match end < flat.len() {
            true => remote.in_pieces.insert(lane, (seq, end)),
            false => remote.in_pieces.remove(&lane),
        };
        let mut header = PieceHeader { of: None, offset: offset as u64, total: flat.len() as u64 };
        if input.below(32) == 31 {
            header.offset = input.pick([0, header.offset + 1, u64::MAX]);
            header.total = input.pick([header.total, 5_000, u64::MAX]);
            // What comes of that is nobody's packet.
            self.model.exact = false;
        }
        (Sequence { lane, seq }, header, flat.slice(offset..end))
    }

    pub(super) fn relay_piece(&mut self, input: &mut Input<'_>) {
        let index = input.below(NAMES.len());
        let lane = input.pick([Lane::Events, Lane::Bulk, Lane::Bulk, Lane::Volatile]);
        let epoch = self.remotes[index].epoch;
        let (sequence, header, bytes) = self.piece(index, lane, input);
        let epochs = self.epochs(index, epoch, input);
        if epochs.epoch != epoch {
            return;
        }
        let from = self.remotes[index].id.clone();
        self.relay(from, Some(epochs), Some(sequence), parts(&piece(header, bytes)));
    }

    pub(super) fn relay_control(&mut self, input: &mut Input<'_>) {
        let index = input.below(NAMES.len());
        let epoch = self.remotes[index].epoch;
        let epochs = self.epochs(index, epoch, input);
        let packet = self.control(index, epochs, input);
        let from = self.remotes[index].id.clone();
        self.relay(from, Some(epochs), None, parts(&packet));
    }

    /// Any link control.
    pub(super) fn control(
        &mut self,
        index: usize,
        epochs: Epochs,
        input: &mut Input<'_>,
    ) -> Packet {
        let peer = self.remotes[index].id.clone();
        match input.below(16) {
            0 => control("hello", &(epochs,)),
            1 => control("ping", &(u64::from(input.byte()),)),
            2 => control("pong", &(input.pick([0, 1, 2, u64::MAX]),)),
            3 | 4 => control("begin", &(Next { next: input.pick([0, 1, u64::MAX]) },)),
            5 => control("volatile", &(Seq { seq: u64::from(input.byte()) },)),
            6..=11 => {
                let ack = self.ack(&peer, input);
                control("ack", &(ack,))
            }
            12 | 13 => {
                let Ack { received, .. } = self.ack(&peer, input);
                control("resume", &(Received { received },))
            }
            14 => match input.below(8) {
                0 => control("bye", &()),
                1 => control("unheard-of", &()),
                2..=4 => {
                    let peers = (0..input.below(6)).map(|_| self.remote(input).id.clone());
                    let peers = peers.collect();
                    let rate = input.pick([0, 1_000_000, u64::MAX]);
                    control("neighbours", &(Neighbours { peers, rate },))
                }
                5 => control("no-way", &(To { to: self.remote(input).id.clone() },)),
                _ => control(input.pick(["ack", "hello", "begin", "resume"]), &(7,)),
            },
            _ => Packet::ack(1, &()).unwrap().in_namespace(&CONTROL),
        }
    }

    /// Mostly an honest acknowledgement.
    pub(super) fn ack(&mut self, peer: &PeerId, input: &mut Input<'_>) -> Ack {
        let epoch = self.model.links.get(peer).map_or(0, |link| link.epoch);
        let received = Lane::ALL.map(|lane| {
            let end = self.model.outgoing(peer, epoch, lane).sent.end();
            match input.below(16) {
                0 => end.saturating_sub(1),
                1 => end / 2,
                2 => 0,
                3 => input.pick([end + 1, end, u64::MAX]),
                _ => end,
            }
        });
        self.note_acknowledged(peer, received);
        let refused = (0..input.below(3)).map(|_| Sequence {
            lane: Lane::Events,
            seq: received[0].saturating_sub(u64::from(input.byte() % 4)),
        });
        let refused: Vec<Sequence> = refused.collect();
        let partial = [input.pick([0, 0, 64, u64::MAX]), input.pick([0, 64, 128]), 0];
        let index = self.remotes.iter().position(|remote| remote.id == *peer).unwrap();
        let told = (refused.len() != 1).then(|| self.lengths(index));
        Ack { received, partial, refused, told }
    }

    /// How much a peer has to say, per lane: it claims to know what became of all that.
    fn lengths(&mut self, index: usize) -> [u64; 3] {
        let remote = &mut self.remotes[index];
        Lane::ALL.map(|lane| remote.stream(remote.epoch, lane).len())
    }

    // ----- through one another -----

    /// A packet of a peer that comes through another, or one for another.
    pub(super) fn pass_on(&mut self, input: &mut Input<'_>) {
        let Some(connection) = self.a_channel(input) else { return };
        let neighbour = self.channels[&connection].peer.clone();
        let index = input.below(NAMES.len());
        let peer = self.remotes[index].id.clone();
        if input.below(4) == 3 {
            return self.ask_to_pass_on(connection, neighbour, peer, input);
        }
        let Some(own_id) = self.session.id().cloned() else { return };
        let epoch = self.remotes[index].epoch;
        let (sequence, parts, epochs) = match input.below(3) {
            0 => {
                let epochs = self.epochs(index, epoch, input);
                (None, parts(&self.control(index, epochs, input)), epochs)
            }
            _ => {
                let (lane, epoch, seq) = self.number(index, input);
                let epochs = self.epochs(index, epoch, input);
                let parts = self.remotes[index].stream(epochs.epoch, lane).get(seq);
                (Some(Sequence { lane, seq }), parts, epochs)
            }
        };
        let remote = &mut self.remotes[index];
        remote.sealed += 1;
        let number = remote.sealed;
        let forged = input.below(8) == 7;
        let passage =
            seal::Passage { peer: &peer, neighbour: &neighbour, from: &peer, to: &own_id };
        let mac = seal::seal(passage, epochs, sequence, number, &parts);
        // A neighbour puts something else into it.
        let parts = if forged { vec![Bytes::from_static(b"2[\"forged\"]")] } else { parts };
        self.model.claim = Some(claim(&peer, epochs, sequence, &parts));
        let end = seal::End::From(peer);
        let header = seal::Header { end, epochs, sequence, number, mac };
        if let Some(packet) = header.enclose(&parts) {
            self.say_on_channel(connection, &packet);
            if input.below(8) == 7 {
                self.say_on_channel(connection, &packet);
            }
        }
        self.model.claim = None;
    }

    /// A packet that the session is to pass on. It cannot know whether it is genuine.
    pub(super) fn ask_to_pass_on(
        &mut self,
        connection: ConnectionId,
        neighbour: PeerId,
        peer: PeerId,
        input: &mut Input<'_>,
    ) {
        let epochs = Epochs { epoch: u32::from(input.byte()), peer_epoch: 0 };
        let mac = seal::seal(
            seal::Passage { peer: &peer, neighbour: &peer, from: &neighbour, to: &peer },
            epochs,
            None,
            self.emits,
            &[],
        );
        let end = seal::End::To(peer);
        let number = u64::from(input.byte());
        let header = seal::Header { end, epochs, sequence: None, number, mac };
        let parts = vec![Bytes::from(vec![b'7'; usize::from(input.byte()) * 8])];
        if let Some(packet) = header.enclose(&parts) {
            self.wires.passed_on.push((neighbour, header.on_the_way()));
            self.say_on_channel(connection, &packet);
        }
    }
}

/// What an envelope of a peer says of incarnations, in its header and within.
fn claim(from: &PeerId, epochs: Epochs, sequence: Option<Sequence>, parts: &[Bytes]) -> Claim {
    let inner = packet(parts).filter(|inner| sequence.is_none() && inner.namespace() == CONTROL);
    let inner = inner.filter(|inner| inner.event_name().as_deref() == Some("hello"));
    let said = inner.and_then(|inner| Some(inner.args::<(Epochs,)>().ok()?.0));
    let over = said.map_or(0, |said| said.peer_epoch);
    Claim { peer: from.clone(), ours: epochs.peer_epoch, over }
}

#[derive(serde::Serialize, serde::Deserialize)]
pub(super) struct Next {
    pub(super) next: u64,
}

#[derive(serde::Serialize, serde::Deserialize)]
pub(super) struct Seq {
    pub(super) seq: u64,
}

#[derive(serde::Serialize, serde::Deserialize)]
pub(super) struct Received {
    pub(super) received: [u64; 3],
}

#[derive(serde::Serialize)]
pub(super) struct Neighbours {
    pub(super) peers: Vec<PeerId>,
    pub(super) rate: u64,
}

#[derive(serde::Serialize)]
pub(super) struct To {
    pub(super) to: PeerId,
}

#[derive(serde::Serialize, serde::Deserialize)]
pub(super) struct Ack {
    pub(super) received: [u64; 3],
    pub(super) partial: [u64; 3],
    #[serde(default)]
    pub(super) refused: Vec<Sequence>,
    #[serde(default)]
    pub(super) told: Option<[u64; 3]>,
}
