//! Draws messages and the clients that they name from bytes.

use bytes::Bytes;
use socketio_p2p_core::hub::HubConfig;
use socketio_p2p_core::wire::{
    AddressedOffer, Epochs, Lane, Numbers, PeerLimits, PeerSignal, Piece, RawSignal, Recipient,
    Upload, flatten,
};
use socketio_p2p_core::{ClientId, MemberData, Namespace, Packet, PeerId};

use super::world::World;
use super::{MAX_SIGNAL, Run};
use crate::input::Input;

impl Run {
    pub(super) fn offers(&self, input: &mut Input<'_>) -> Vec<AddressedOffer> {
        let count = input.below(8);
        let offer = |number: usize| {
            let offer = signal(input);
            let to = (input.below(8) != 7).then(|| self.name(input));
            AddressedOffer::new(number.to_string(), offer, to)
        };
        (0..count).map(offer).collect()
    }

    pub(super) fn signal(&self, input: &mut Input<'_>) -> PeerSignal {
        let (signal, offer_id) = (signal(input), input.below(4).to_string());
        let claimed = input.flag().then(|| self.name(input));
        let mut signal = PeerSignal::new(offer_id, signal, self.name(input));
        signal.from_peer_id = claimed;
        signal
    }

    pub(super) fn upload(&self, input: &mut Input<'_>) -> Upload {
        let body = match input.below(4) {
            0 => Bytes::copy_from_slice(input.bytes()),
            _ => packet(input).map_or_else(Bytes::new, |packet| flatten(&packet)),
        };
        let piece = match input.below(4) {
            0 => None,
            1 => Some(Piece { at: u64::from(input.byte()), end: input.flag() }),
            _ => Some(Piece::WHOLE),
        };
        let count = input.below(8);
        let recipient = |_| {
            let id = self.name(input);
            let epochs = Epochs { epoch: u32::from(input.byte()), peer_epoch: 0 };
            let numbers = input.flag().then(|| Numbers {
                epochs,
                lane: input.pick(Lane::ALL),
                seq: u64::from(input.byte()),
            });
            Recipient { id, numbers }
        };
        Upload { to: (0..count).map(recipient).collect(), piece, body }
    }

    /// Draws a client, most often a connected one.
    pub(super) fn who(&self, input: &mut Input<'_>) -> ClientId {
        let here = self.model.here();
        let of = if input.below(16) == 15 { &self.clients } else { &here };
        let of = if of.is_empty() { &self.clients } else { of };
        let index = input.below(256).checked_rem(of.len());
        // Without clients: a client of another hub, which is unknown here.
        index.map_or_else(|| self.stranger(), |index| of[index])
    }

    fn stranger(&self) -> ClientId {
        assert!(self.clients.is_empty());
        World::new(HubConfig::default()).v1("a").0
    }

    /// Draws a peer id, most often that of a member of any room.
    pub(super) fn name(&self, input: &mut Input<'_>) -> PeerId {
        let people = &self.model.people;
        let of_token = input.below(256).checked_rem(self.tokens.len());
        match (input.below(16), input.below(256).checked_rem(people.len()), of_token) {
            (0, ..) | (_, None, None) => "nobody".parse().unwrap(),
            (1, ..) => format!("alias-{}", input.below(8)).parse().unwrap(),
            (2, _, Some(index)) | (_, None, Some(index)) => self.tokens[index].1.clone(),
            (_, Some(index), _) => people[index].id.clone(),
        }
    }
}

/// Draws a signal: to the hub any JSON is one.
fn signal(input: &mut Input<'_>) -> RawSignal {
    let len = if input.below(8) == 7 { MAX_SIGNAL } else { input.below(8) };
    RawSignal::from_json(format!("\"{}\"", "x".repeat(len))).unwrap()
}

/// Draws the data of a member.
pub(super) fn data(input: &mut Input<'_>) -> Option<MemberData> {
    let len = if input.below(8) == 7 { 4_000 } else { input.below(8) };
    MemberData::new(&"x".repeat(len)).ok().filter(|_| input.below(4) != 3)
}

/// Draws a packet, valid or invalid.
pub(super) fn packet(input: &mut Input<'_>) -> Option<Packet> {
    let name = input.pick(["chat", "chat", "chat", "p2p:x", "offers", "\u{e9}\"\n"]);
    let blobs: Vec<_> = (0..input.below(4).saturating_sub(1)).map(|_| input.blob()).collect();
    let filler = if input.below(8) == 7 { 300 } else { input.below(16) };
    let packet = match input.below(8) {
        7 => Packet::ack(3, &(1,)),
        6 => return Some(Packet::disconnect()),
        _ => Packet::event(name, &("x".repeat(filler), blobs)),
    };
    let mut packet = packet.ok()?;
    if input.below(4) == 3 {
        packet = packet.in_namespace(&Namespace::from_static(input.pick(["/a", "/socketio-p2p"])));
    }
    if input.below(4) == 3 {
        packet = packet.with_ack_id(u64::from(input.byte()));
    }
    Some(packet)
}

pub(super) fn limits(input: &mut Input<'_>) -> Option<PeerLimits> {
    let count = u32::from(input.byte());
    (count % 2 == 1).then(|| {
        let mut limits = PeerLimits::unbounded();
        (limits.packet_bytes, limits.attachments) = (u64::MAX - u64::from(count), count);
        (limits.json_depth, limits.event_name, limits.namespace) = (1, 2, 3);
        limits
    })
}
