//! The server: signalling channels, joining, membership, signals.

use std::collections::BTreeMap;

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use socketio_p2p_core::wire::{
    Decline, HubLimits, IceCandidate, Member, PairKey, PeerLimits, PeerSignal, RawSignal,
    ServerMessage, Signal, Welcome,
};
use socketio_p2p_core::{Dialect, Frame, Packet, PeerId, RoomName};

use super::model::Channel;
use super::{MAX_FRAMES, OWN_NAMES, Run};
use crate::input::Input;

impl Run {
    /// Acts as a correct server, and after that as correct peers.
    pub(super) fn join(&mut self, input: &mut Input<'_>) {
        if self.session.is_joined() && input.below(8) != 7 {
            return self.exchange(input);
        }
        if self.model.channel == Channel::None {
            self.reconnect();
        }
        self.open_signaling();
        self.pump_signaling(MAX_FRAMES);
        self.answer_connect();
        self.welcome(input);
    }

    pub(super) fn half_join(&mut self, input: &mut Input<'_>) {
        match input.below(6) {
            0 => self.open_signaling(),
            1 => self.answer_connect(),
            2 => self.welcome(input),
            3 => self.hear(&ServerMessage::NumClients { others: 3, welcome: None }),
            4 => self.hear_packet(
                &Packet::connect_error(&BTreeMap::from([("message", "full")])).unwrap(),
            ),
            _ => self.lose_signaling(),
        }
    }

    pub(super) fn open_signaling(&mut self) {
        self.trail.note(format_args!("the signalling channel opens"));
        if self.model.channel == Channel::Connecting {
            self.model.channel = Channel::Open;
            self.model.answered = false;
            self.wires.reset_signaling();
        }
        self.session.handle_signaling_open(self.now);
        self.settle();
    }

    pub(super) fn answer_connect(&mut self) {
        self.model.answered |= self.model.channel == Channel::Open;
        self.hear_packet(&Packet::connect(Some(&BTreeMap::from([("sid", "s")]))).unwrap());
    }

    pub(super) fn welcome(&mut self, input: &mut Input<'_>) {
        let count = input.below(5);
        let limits = match input.below(32) {
            31 => (0, 0),
            number => [(65_536, 16), (65_536, 16), (2_048, 4), (900, 2)][number % 4],
        };
        let limits = HubLimits::new(limits.0, limits.1);
        let id = OWN_NAMES[input.below(16) / 15].parse().unwrap();
        let mut welcome = Welcome::new(id, RoomName::default(), "token".to_owned(), limits);
        welcome.roster = (0..count).map(|_| self.member(input)).collect();
        welcome.epoch_base = input.pick([0, 0, 0, 1, 20, 1_000]);
        self.wires.limits = limits;
        self.model.epoch_base = welcome.epoch_base;
        let others = u32::try_from(count).unwrap();
        self.hear(&ServerMessage::NumClients { others, welcome: Some(Box::new(welcome)) });
    }

    pub(super) fn member(&self, input: &mut Input<'_>) -> Member {
        let id = match input.below(32) {
            30 => "m".parse().unwrap(),
            31 => "n".parse().unwrap(),
            number => self.remotes[number % 6].id.clone(),
        };
        // The first ids are most often those of original clients.
        let v0 = (id.as_str() == "c") != (input.below(16) == 15);
        let dialect = if v0 { Dialect::V0 } else { Dialect::V1 };
        let key = (!v0 && input.below(8) != 7).then(|| key(&id));
        let limits = (!v0 && input.below(8) == 7).then(|| {
            let mut limits = PeerLimits::unbounded();
            (limits.packet_bytes, limits.attachments) = (input.pick([300, 2_000]), 4);
            limits
        });
        let mut member = Member::new(id, dialect);
        (member.away, member.key, member.limits) = (input.below(8) == 7, key, limits);
        member
    }

    pub(super) fn lose_signaling(&mut self) {
        self.trail.note(format_args!("the signalling channel is lost"));
        self.model.channel = Channel::None;
        self.session.handle_signaling_closed("cut".to_owned(), self.now);
        self.settle();
    }

    pub(super) fn hear(&mut self, message: &ServerMessage) {
        if self.model.is_listening() {
            let validated =
                self.session.peers().filter(|one| one.validated && one.dialect == Dialect::V1);
            self.model.desk.validated = validated.map(|one| one.id).collect();
            self.model.desk.hear(message);
            self.model.hear_server(message);
        }
        self.hear_packet(&message.to_packet().unwrap());
    }

    pub(super) fn hear_packet(&mut self, packet: &Packet) {
        self.trail.note(format_args!("the server says {}", packet.head()));
        self.hear_frames(packet.frames().collect());
    }

    pub(super) fn hear_frames(&mut self, frames: Vec<Frame>) {
        for frame in frames {
            self.session.handle_signaling_frame(frame, self.now);
        }
        self.settle();
    }

    pub(super) fn offer(&mut self, input: &mut Input<'_>) {
        let from = self.remote(input).id.clone();
        let offer_id = format!("theirs-{}", input.below(4));
        let offer = match input.below(8) {
            7 => RawSignal::from_json("7".to_owned()).unwrap(),
            _ => RawSignal::try_from(&Signal::Offer("sdp".to_owned())).unwrap(),
        };
        self.hear(&ServerMessage::Offer { from, offer_id, offer });
    }

    pub(super) fn signal(&mut self, input: &mut Input<'_>) {
        let from = self.remote(input).id.clone();
        let ours = self.offers.iter().rev().find(|(to, _)| *to == from);
        let offer_id = match (input.below(4), ours) {
            (0, _) | (_, None) => format!("theirs-{}", input.below(4)),
            (_, Some((_, ours))) => ours.clone(),
        };
        let signal = any_signal(input);
        let signal = match input.below(8) {
            7 => RawSignal::from_json("{}".to_owned()).unwrap(),
            _ => RawSignal::try_from(&signal).unwrap(),
        };
        let mut signal = PeerSignal::new(offer_id, signal, OWN_NAMES[0].parse().unwrap());
        signal.from_peer_id = Some(from);
        self.hear(&ServerMessage::Signal(signal));
    }
}

/// The pair key of the session and a peer.
pub(super) fn key(peer: &PeerId) -> PairKey {
    let text = URL_SAFE_NO_PAD.encode([peer.as_str().as_bytes()[0]; 32]);
    serde_json::from_value(text.into()).expect("a key is 32 bytes in base64url")
}

pub(super) fn any_signal(input: &mut Input<'_>) -> Signal {
    match input.below(8) {
        0 => Signal::Offer("sdp".to_owned()),
        1..=3 => Signal::Answer("sdp".to_owned()),
        4 => Signal::Candidate(IceCandidate::new("candidate")),
        _ => Signal::Decline(input.pick([
            Decline::Full,
            Decline::RelayOnly,
            Decline::Glare,
            Decline::Failed,
        ])),
    }
}
