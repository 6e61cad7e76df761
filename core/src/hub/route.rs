//! Who gets what: signals to one member, envelopes to those they name, events to the room.

use std::sync::Arc;

use bytes::Bytes;
use bytestring::ByteString;

use super::room::Presence;
use super::{Client, ClientError, Hub};
use crate::codec::Limits;
use crate::id::{ClientId, PeerId, Version};
use crate::packet::{Namespace, Packet};
use crate::signal::{
    AddressedOffer, Download, PeerSignal, ServerMessage, Upload, is_reserved_event,
};
use crate::time::Time;

/// The namespace of link control, which is between v1 peers.
const CONTROL_NAMESPACE: &str = "/socketio-p2p";

impl Hub {
    pub(super) fn route_offers(
        &mut self,
        client: ClientId,
        offers: Vec<AddressedOffer>,
        now: Time,
    ) -> Result<(), ClientError> {
        let sender = self.sender(client)?;
        match sender.version {
            Version::V0 => self.match_offers(client, offers, now),
            Version::V1 => {
                let max = self.config.max_offers;
                self.charge(client, offers.len().clamp(1, max.max(1)), now)?;
                if offers.len() > max {
                    return Err(ClientError::TooManyOffers { got: offers.len(), max });
                }
                // One receiver that has just left must not cost the others their offer.
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

    /// A v0 client's offers, one each to those who came before it. Surplus ones find nobody.
    fn match_offers(
        &mut self,
        client: ClientId,
        offers: Vec<AddressedOffer>,
        now: Time,
    ) -> Result<(), ClientError> {
        let Client { id, room, place, offered, .. } = self.sender(client)?;
        let (from, place, offered) = (id.clone(), *place, *offered);
        let receivers: Vec<(u64, ClientId)> = match self.rooms.get(room) {
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

    pub(super) fn relay(&mut self, client: ClientId, upload: Upload) -> Result<(), ClientError> {
        let sender = self.sender(client)?;
        match sender.version {
            Version::V0 => return Err(ClientError::UnexpectedEnvelope),
            Version::V1 => {}
        }
        let (from, room) = (sender.id.clone(), sender.room.clone());
        self.check_parts(upload.parts.len(), upload.parts.iter().map(Bytes::len).sum())?;
        let members = self.rooms.get(&room).map_or(0, super::Room::len);
        if upload.to.len() > members {
            return Err(ClientError::TooManyRecipients { got: upload.to.len(), members });
        }

        let parts: Arc<[Bytes]> = upload.parts.into();
        let mut opened = None;
        for recipient in upload.to {
            let receiver = match self.find_receiver(client, &recipient.id) {
                Ok((_, receiver)) => self.clients.get(&receiver).map(|to| (receiver, to.version)),
                Err(_) => None,
            };
            let message = match receiver {
                Some((receiver, Version::V1)) => {
                    let message = ServerMessage::Relay(Download {
                        from: from.clone(),
                        epochs: Some(recipient.epochs),
                        sequence: recipient.sequence,
                        parts: Arc::clone(&parts),
                    });
                    Some((receiver, message))
                }
                Some((receiver, Version::V0)) if recipient.sequence.is_some() => opened
                    .get_or_insert_with(|| open(&parts))
                    .clone()
                    .map(|packet| (receiver, ServerMessage::Event(packet))),
                Some((_, Version::V0)) | None => None,
            };
            match message {
                Some((receiver, message)) => {
                    self.relayed += 1;
                    self.send(receiver, message);
                }
                None => self.undeliverable += 1,
            }
        }
        Ok(())
    }

    pub(super) fn broadcast(
        &mut self,
        client: ClientId,
        packet: Packet,
    ) -> Result<(), ClientError> {
        let sender = self.sender(client)?;
        match sender.version {
            Version::V1 => return Err(ClientError::UnexpectedEvent),
            Version::V0 => {}
        }
        let (from, room) = (sender.id.clone(), sender.room.clone());
        self.check_parts(1 + packet.attachments().len(), packet.wire_len())?;
        let packet = plain_event(packet).ok_or(ClientError::Malformed)?;

        let head = packet.head().as_bytes().clone();
        let parts = std::iter::once(head).chain(packet.attachments().iter().cloned()).collect();
        let download = Download { from, epochs: None, sequence: None, parts };
        self.relayed += 1;
        self.tell_room(&room, Some(client), Version::V1, ServerMessage::Relay(download));
        self.tell_room(&room, Some(client), Version::V0, ServerMessage::Event(packet));
        Ok(())
    }

    fn sender(&self, client: ClientId) -> Result<&Client, ClientError> {
        self.clients.get(&client).ok_or(ClientError::Gone)
    }

    /// The sender's id, and the connection of another member of its room.
    fn find_receiver(
        &self,
        sender: ClientId,
        to: &PeerId,
    ) -> Result<(PeerId, ClientId), ClientError> {
        let sender = self.sender(sender)?;
        let unknown = || ClientError::UnknownPeer { peer: to.clone() };
        let seats = self.rooms.get(&sender.room).ok_or_else(unknown)?;
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

    fn check_parts(&self, parts: usize, bytes: usize) -> Result<(), ClientError> {
        let max = self.config.limits.max_attachments as usize;
        if parts == 0 || parts > max {
            return Err(ClientError::PartCount { got: parts, max });
        }
        let max = self.config.limits.max_envelope as usize;
        if bytes > max { Err(ClientError::PacketTooLarge { got: bytes, max }) } else { Ok(()) }
    }
}

/// The packet in an envelope, for a v0 client; none when that client has no use for it. The acknowledgement id
/// goes: nobody would pass the answer back.
fn open(parts: &[Bytes]) -> Option<Packet> {
    let (head, attachments) = parts.split_first()?;
    let head = ByteString::try_from(head.clone()).ok()?;
    let packet =
        Packet::from_head_and_attachments(head, attachments.to_vec(), &Limits::unbounded());
    plain_event(packet.ok()?)
}

/// The event as v0 clients exchange it: in the namespace that they are in, whose name is not ours to know, and
/// without an acknowledgement id. None for what could pass for a message of the hub.
fn plain_event(packet: Packet) -> Option<Packet> {
    let name = packet.event_name()?;
    if is_reserved_event(&name) || packet.namespace().as_str() == CONTROL_NAMESPACE {
        return None;
    }
    drop(name);
    if packet.ack_id().is_none() && packet.namespace().is_default() {
        return Some(packet);
    }
    let attachments = packet.attachments().to_vec();
    let root = Namespace::default();
    Packet::from_parts(packet.packet_type(), &root, None, packet.payload(), attachments).ok()
}
