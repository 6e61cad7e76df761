//! Routing: signals to one member, envelopes to their recipients, events to the room.

use bytes::Bytes;

use super::client::Client;
use super::rate::{Charge, Rate};
use super::room::{Presence, Room, Seat};
use super::{ClientError, Hub};
use crate::codec::{Limits, Namespace, Packet};
use crate::id::{ClientId, Dialect, PeerId};
use crate::time::Time;
use crate::wire::{
    AddressedOffer, Download, MemberData, PeerSignal, Piece, Recipient, ServerMessage, Upload,
    check_reserved, flatten, unflatten,
};

/// The cost of a delivery's header in bytes: about its length on the wire, with framing.
const DELIVERY_HEADER: usize = 128;

/// The burst of the rate limit for changes of a member's metadata: twice that of a session.
const UPDATE_BURST: u32 = 16;

/// The rate limit for changes of a member's metadata, per second: twice that of a session.
const UPDATES_PER_SECOND: u32 = 2;

impl Hub {
    pub(super) fn route_offers(
        &mut self,
        client: ClientId,
        offers: Vec<AddressedOffer>,
        now: Time,
    ) -> Result<(), ClientError> {
        let sender = self.sender(client)?;
        match sender.dialect {
            Dialect::V0 => self.match_offers(client, offers, now),
            Dialect::V1 => {
                let max = self.config.max_offers;
                self.charge(client, offers.len().clamp(1, max.max(1)), now)?;
                if offers.len() > max {
                    return Err(ClientError::TooManyOffers { got: offers.len(), max });
                }
                // A receiver that has just left does not affect the offers for others.
                let mut outcome = Ok(());
                for offer in offers {
                    let passed = self.pass_offer(client, offer);
                    outcome = outcome.and(passed);
                }
                outcome
            }
        }
    }

    fn pass_offer(&mut self, client: ClientId, offer: AddressedOffer) -> Result<(), ClientError> {
        self.check_signal(&offer.offer_id, offer.offer.as_json())?;
        let to = offer.to_peer_id.ok_or(ClientError::Unaddressed)?;
        let (from, receiver) = self.find_receiver(client, &to)?;
        let AddressedOffer { offer_id, offer, .. } = offer;
        self.send(receiver, ServerMessage::Offer { from, offer_id, offer });
        Ok(())
    }

    /// Matches a v0 client's offers, one each, to the members that joined before it. Surplus offers are
    /// dropped.
    fn match_offers(
        &mut self,
        client: ClientId,
        offers: Vec<AddressedOffer>,
        now: Time,
    ) -> Result<(), ClientError> {
        let Client { id, room, place, offered, .. } = self.sender(client)?;
        let (from, place, offered) = (id.clone(), *place, *offered);
        let receivers: Vec<(u64, ClientId)> = match self.seats.room(room) {
            Some(seats) => seats.present_between(offered, place).take(offers.len()).collect(),
            None => Vec::new(),
        };
        self.charge(client, receivers.len().max(1), now)?;
        for (offer, (place, receiver)) in offers.into_iter().zip(receivers) {
            self.check_signal(&offer.offer_id, offer.offer.as_json())?;
            if let Some(sender) = self.clients.get_mut(&client) {
                sender.offered = Some(place);
            }
            let AddressedOffer { offer_id, offer, .. } = offer;
            self.send(receiver, ServerMessage::Offer { from: from.clone(), offer_id, offer });
        }
        Ok(())
    }

    pub(super) fn route_signal(
        &mut self,
        client: ClientId,
        mut signal: PeerSignal,
        now: Time,
    ) -> Result<(), ClientError> {
        self.charge(client, 1, now)?;
        self.check_signal(&signal.offer_id, signal.signal.as_json())?;
        let (from, receiver) = self.find_receiver(client, &signal.to_peer_id)?;
        signal.from_peer_id = Some(from);
        self.send(receiver, ServerMessage::Signal(signal));
        Ok(())
    }

    pub(super) fn relay(
        &mut self,
        client: ClientId,
        upload: Upload,
        now: Time,
    ) -> Result<(), ClientError> {
        match self.sender(client)?.dialect {
            Dialect::V0 => return Err(ClientError::UnexpectedEnvelope),
            Dialect::V1 => {}
        }
        self.charge_envelope(client, now)?;
        let Upload { to, piece, body } = upload;
        self.check_size(body.len())?;
        let sender = self.sender(client)?;
        let (from, room) = (sender.id.clone(), sender.room.clone());
        let members = self.seats.room(&room).map_or(0, Room::len);
        if to.len() > members {
            return Err(ClientError::TooManyRecipients { got: to.len(), members });
        }
        self.charge_deliveries(client, to.len(), body.len(), now)?;
        let receivers = self.resolve(client, &to)?;

        let mut opened = None;
        for (Recipient { numbers, .. }, receiver) in to.into_iter().zip(receivers) {
            let message = match receiver {
                Some((receiver, Dialect::V1)) => {
                    let (from, body) = (from.clone(), body.clone());
                    Some((receiver, ServerMessage::Relay(Download { from, numbers, piece, body })))
                }
                Some((receiver, Dialect::V0)) if piece == Some(Piece::WHOLE) => opened
                    .get_or_insert_with(|| open(&body))
                    .clone()
                    .map(|packet| (receiver, ServerMessage::Event(packet))),
                Some((_, Dialect::V0)) | None => None,
            };
            match message {
                Some((receiver, message)) => {
                    self.counters.relayed += 1;
                    self.send(receiver, message);
                }
                None => self.counters.undeliverable += 1,
            }
        }
        Ok(())
    }

    /// Sends a v0 client's event to all others; one of a v1 client is for the server's application.
    pub(super) fn route_event(
        &mut self,
        client: ClientId,
        packet: Packet,
        now: Time,
    ) -> Result<(), ClientError> {
        match self.sender(client)?.dialect {
            Dialect::V1 => return self.pass_up(client, packet, now),
            Dialect::V0 => {}
        }
        self.charge_envelope(client, now)?;
        let bytes = packet.wire_len();
        self.check_parts(1 + packet.attachments().len(), bytes)?;
        let sender = self.sender(client)?;
        let (from, room) = (sender.id.clone(), sender.room.clone());
        let receivers = self.seats.room(&room).map_or(0, Room::present_len);
        self.charge_deliveries(client, receivers.saturating_sub(1), bytes, now)?;
        let packet = plain_event(packet).ok_or(ClientError::Malformed)?;

        let body = flatten(&packet);
        let download = Download { from, numbers: None, piece: Some(Piece::WHOLE), body };
        self.counters.relayed += 1;
        self.tell_room(&room, Some(client), Dialect::V1, ServerMessage::Relay(download));
        self.tell_room(&room, Some(client), Dialect::V0, ServerMessage::Event(packet));
        Ok(())
    }

    /// Replaces a v1 member's metadata, and tells the others.
    pub(super) fn update(
        &mut self,
        client: ClientId,
        metadata: Option<MemberData>,
        now: Time,
    ) -> Result<(), ClientError> {
        let Some(sender) = self.clients.get_mut(&client) else { return Err(ClientError::Gone) };
        if sender.dialect == Dialect::V0 {
            return Err(ClientError::Malformed);
        }
        let (burst, per_second) = (UPDATE_BURST, UPDATES_PER_SECOND);
        let charge = sender.updates.charge(1, now, Rate::new(burst, per_second));
        let (peer, room) = (sender.id.clone(), sender.room.clone());
        self.enforce(client, charge, now, ClientError::TooManyUpdates { burst, per_second })?;
        if let Some(seat) = self.seats.seat_mut(&room, &peer) {
            seat.says.metadata.clone_from(&metadata);
        }
        let message = ServerMessage::PeerUpdate { peer, metadata };
        self.tell_room(&room, Some(client), Dialect::V1, message);
        Ok(())
    }

    /// Charges an envelope, or an event outside of one, to its sender.
    pub(super) fn charge_envelope(
        &mut self,
        client: ClientId,
        now: Time,
    ) -> Result<(), ClientError> {
        let (burst, per_second) = (self.config.envelope_burst, self.config.envelopes_per_second);
        let Some(sender) = self.clients.get_mut(&client) else { return Err(ClientError::Gone) };
        let charge = sender.envelopes.charge(1, now, Rate::new(burst, per_second));
        self.throttle(client, charge, now, ClientError::TooManyEnvelopes { burst, per_second })
    }

    /// Charges the bytes of a packet, once per receiver, to its sender.
    pub(super) fn charge_deliveries(
        &mut self,
        client: ClientId,
        receivers: usize,
        bytes: usize,
        now: Time,
    ) -> Result<(), ClientError> {
        let (burst, per_second) = (self.config.delivery_burst, self.config.deliveries_per_second);
        let Some(sender) = self.clients.get_mut(&client) else { return Err(ClientError::Gone) };
        let cost = receivers.saturating_mul(bytes + DELIVERY_HEADER) as u64;
        let charge = sender.deliveries.charge(cost, now, Rate::new(burst, per_second));
        self.throttle(client, charge, now, ClientError::TooMuchToDeliver { burst, per_second })
    }

    fn throttle(
        &mut self,
        client: ClientId,
        charge: Charge,
        now: Time,
        error: ClientError,
    ) -> Result<(), ClientError> {
        self.counters.throttled += u64::from(charge != Charge::Pass);
        self.enforce(client, charge, now, error)
    }

    /// Resolves the recipients of an envelope to present members. Returns an error when two of them are the
    /// same.
    fn resolve(
        &self,
        client: ClientId,
        to: &[Recipient],
    ) -> Result<Vec<Option<(ClientId, Dialect)>>, ClientError> {
        let sender = self.sender(client)?;
        let Some(seats) = self.seats.room(&sender.room) else { return Err(ClientError::Gone) };
        let mut places = Vec::with_capacity(to.len());
        let mut receivers = Vec::with_capacity(to.len());
        for recipient in to {
            let seat = seats.seat_or_alias(&recipient.id);
            places.extend(seat.map(|seat| seat.place));
            receivers.push(match seat {
                Some(Seat { place, dialect, presence: Presence::Here(receiver), .. })
                    if *place != sender.place =>
                {
                    Some((*receiver, *dialect))
                }
                Some(_) | None => None,
            });
        }
        places.sort_unstable();
        let twice = places.windows(2).find(|pair| pair.first() == pair.last());
        match twice.and_then(|pair| seats.id_at(*pair.first()?)) {
            Some(peer) => Err(ClientError::DuplicateRecipient { peer: peer.clone() }),
            None => Ok(receivers),
        }
    }

    fn sender(&self, client: ClientId) -> Result<&Client, ClientError> {
        self.clients.get(&client).ok_or(ClientError::Gone)
    }

    /// Returns the sender's id, and the connection of another member of its room.
    fn find_receiver(
        &self,
        sender: ClientId,
        to: &PeerId,
    ) -> Result<(PeerId, ClientId), ClientError> {
        let sender = self.sender(sender)?;
        let unknown = || ClientError::UnknownPeer { peer: to.clone() };
        let seats = self.seats.room(&sender.room).ok_or_else(unknown)?;
        let seat = seats.seat_or_alias(to).ok_or_else(unknown)?;
        if seat.place == sender.place {
            return Err(unknown());
        }
        match seat.presence {
            Presence::Here(receiver) => Ok((sender.id.clone(), receiver)),
            Presence::Away(_) => Err(ClientError::PeerAway { peer: to.clone() }),
        }
    }

    fn check_signal(&self, offer_id: &str, signal: &str) -> Result<(), ClientError> {
        let (got, max) = (offer_id.len() + signal.len(), self.config.max_signal);
        if got > max { Err(ClientError::SignalTooLarge { got, max }) } else { Ok(()) }
    }

    pub(super) fn check_parts(&self, parts: usize, bytes: usize) -> Result<(), ClientError> {
        let max = self.config.limits.max_attachments as usize;
        if parts == 0 || parts > max {
            return Err(ClientError::PartCount { got: parts, max });
        }
        self.check_size(bytes)
    }

    fn check_size(&self, bytes: usize) -> Result<(), ClientError> {
        let max = self.config.limits.max_envelope as usize;
        if bytes > max { Err(ClientError::PacketTooLarge { got: bytes, max }) } else { Ok(()) }
    }
}

/// Unwraps the packet of an envelope for a v0 client; `None` when that client cannot use it. The ack id is
/// removed, because no answer could reach the sender.
fn open(body: &Bytes) -> Option<Packet> {
    let (head, attachments) = unflatten(body.clone())?;
    let packet = Packet::from_head_and_attachments(head, attachments, &Limits::unbounded());
    plain_event(packet.ok()?)
}

/// Converts an event to the form between v0 clients: in the default namespace, because the hub does not know the
/// namespace of its clients, and without an ack id. `None` for an event with a reserved name.
fn plain_event(packet: Packet) -> Option<Packet> {
    packet.event_name()?;
    check_reserved(&packet).ok()?;
    if packet.ack_id().is_none() && packet.namespace().is_default() {
        return Some(packet);
    }
    let attachments = packet.attachments().to_vec();
    let root = Namespace::default();
    Packet::from_parts(packet.packet_type(), &root, None, packet.payload(), attachments).ok()
}
