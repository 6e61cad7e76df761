//! Predicts the receivers of a message, and its refusal.

use std::time::Duration;

use bytes::Bytes;
use socketio_p2p_core::codec::Limits;
use socketio_p2p_core::hub::{ClientError, CloseReason};
use socketio_p2p_core::wire::{
    AddressedOffer, ClientMessage, Download, PeerSignal, Piece, ServerMessage, Upload, flatten,
    is_reserved_event, unflatten,
};
use socketio_p2p_core::{ClientId, Dialect, Namespace, Packet, PacketType, PeerId, RoomName, Time};

use super::{Bucket, Model, Person, Presence};

impl Model {
    /// Predicts the result of a message.
    pub(in crate::hub) fn say(
        &mut self,
        client: ClientId,
        message: ClientMessage,
        now: Time,
    ) -> Result<(), ClientError> {
        let said = match self.by_client(client) {
            None => Err(ClientError::Gone),
            Some(index) => match message {
                ClientMessage::Offers(offers) => match self.people[index].dialect {
                    Dialect::V0 => self.match_offers(index, offers, now),
                    Dialect::V1 => self.pass_offers(index, offers, now),
                },
                ClientMessage::Signal(signal) => self.signal(index, signal, now),
                ClientMessage::Relay(upload) => self.relay(index, &upload, now),
                ClientMessage::Event(packet) => self.broadcast(index, packet, now),
                ClientMessage::Metadata(metadata) => self.update(index, metadata, now),
                other => panic!("expected a message known to the model, got {other:?}"),
            },
        };
        self.refused += u64::from(said.is_err());
        if let (Ok(()), Some(index)) = (&said, self.by_client(client)) {
            self.people[index].has_spoken = true;
        }
        said
    }

    /// Predicts the result of a packet that is no message.
    pub(in crate::hub) fn garble(&mut self, client: ClientId, now: Time) -> ClientError {
        self.refused += 1;
        let Some(index) = self.by_client(client) else { return ClientError::Gone };
        self.charge(index, 1, now).err().unwrap_or(ClientError::Malformed)
    }

    fn match_offers(
        &mut self,
        index: usize,
        offers: Vec<AddressedOffer>,
        now: Time,
    ) -> Result<(), ClientError> {
        let sender = &self.people[index];
        let (from, own_client, last) = (sender.id.clone(), sender.client(), sender.offered);
        // The connected members that joined earlier, after the last one that an offer went to.
        let receivers = self.people[..index]
            .iter()
            .filter(|person| person.room == sender.room)
            .filter(|person| last.is_none_or(|last| person.arrival > last))
            .filter_map(|person| Some((person.arrival, person.client()?)));
        let receivers: Vec<_> = receivers.take(offers.len()).collect();
        self.charge(index, receivers.len().max(1), now)?;
        assert_eq!(self.people[index].client(), own_client);
        for ((arrival, receiver), offer) in receivers.into_iter().zip(offers) {
            let AddressedOffer { offer_id, offer, .. } = offer;
            self.check_signal(&offer_id, offer.as_json())?;
            self.people[index].offered = Some(arrival);
            self.expect(receiver, ServerMessage::Offer { from: from.clone(), offer_id, offer });
        }
        Ok(())
    }

    fn pass_offers(
        &mut self,
        index: usize,
        offers: Vec<AddressedOffer>,
        now: Time,
    ) -> Result<(), ClientError> {
        let (got, max) = (offers.len(), self.config.max_offers);
        self.charge(index, got.max(1).min(max.max(1)), now)?;
        if got > max {
            return Err(ClientError::TooManyOffers { got, max });
        }
        let from = self.people[index].id.clone();
        let mut first_error = None;
        for AddressedOffer { offer_id, offer, to_peer_id, .. } in offers {
            let receiver = self
                .check_signal(&offer_id, offer.as_json())
                .and_then(|()| to_peer_id.ok_or(ClientError::Unaddressed))
                .and_then(|to| self.receiver(index, &to));
            match receiver {
                Ok((receiver, _)) => {
                    let from = from.clone();
                    self.expect(receiver, ServerMessage::Offer { from, offer_id, offer });
                }
                Err(error) => first_error = first_error.or(Some(error)),
            }
        }
        first_error.map_or(Ok(()), Err)
    }

    fn signal(&mut self, index: usize, signal: PeerSignal, now: Time) -> Result<(), ClientError> {
        self.charge(index, 1, now)?;
        self.check_signal(&signal.offer_id, signal.signal.as_json())?;
        let (receiver, _) = self.receiver(index, &signal.to_peer_id)?;
        let from_peer_id = Some(self.people[index].id.clone());
        let mut signal = signal;
        signal.from_peer_id = from_peer_id;
        self.expect(receiver, ServerMessage::Signal(signal));
        Ok(())
    }

    fn relay(&mut self, index: usize, upload: &Upload, now: Time) -> Result<(), ClientError> {
        let Person { dialect, id: from, room, .. } = &self.people[index];
        let (from, room) = (from.clone(), room.clone());
        if *dialect == Dialect::V0 {
            return Err(ClientError::UnexpectedEnvelope);
        }
        self.charge_envelope(index, now)?;
        self.check_size(upload.body.len())?;
        let members = self.people.iter().filter(|person| person.room == room).count();
        let got = upload.to.len();
        if got > members {
            return Err(ClientError::TooManyRecipients { got, members });
        }
        self.charge_deliveries(index, got, upload.body.len(), now)?;
        let named: Vec<_> = upload.to.iter().filter_map(|to| self.named(&room, &to.id)).collect();
        let twice =
            named.iter().filter(|who| named.iter().filter(|named| named == who).count() > 1);
        if let Some(twice) = twice.min() {
            let peer = self.people[*twice].id.clone();
            return Err(ClientError::DuplicateRecipient { peer });
        }
        for recipient in &upload.to {
            let message = match self.receiver(index, &recipient.id) {
                Ok((receiver, Dialect::V1)) => Some((
                    receiver,
                    ServerMessage::Relay(Download {
                        from: from.clone(),
                        numbers: recipient.numbers,
                        piece: upload.piece,
                        body: upload.body.clone(),
                    }),
                )),
                Ok((receiver, Dialect::V0)) => upload
                    .piece
                    .filter(|piece| *piece == Piece::WHOLE)
                    .and_then(|_| unpack(&upload.body))
                    .map(|packet| (receiver, ServerMessage::Event(packet))),
                Err(_) => None,
            };
            match message {
                Some((receiver, message)) => {
                    self.relayed += 1;
                    self.expect(receiver, message);
                }
                None => self.undeliverable += 1,
            }
        }
        Ok(())
    }

    fn broadcast(&mut self, index: usize, packet: Packet, now: Time) -> Result<(), ClientError> {
        let Person { dialect, id: from, room, .. } = &self.people[index];
        let (from, room, dialect) = (from.clone(), room.clone(), *dialect);
        self.charge_envelope(index, now)?;
        self.check_parts(&packet)?;
        if dialect == Dialect::V1 {
            self.charge_deliveries(index, 1, packet.wire_len(), now)?;
            let kind = packet.packet_type();
            let is_answer = matches!(kind, PacketType::Ack | PacketType::BinaryAck);
            let fits = is_answer || plain(&packet).is_some();
            if !fits {
                return Err(ClientError::Malformed);
            }
            self.application.extend(self.people[index].client().map(|client| (client, packet)));
            return Ok(());
        }
        let here = self.people.iter().filter(|who| who.room == room && who.client().is_some());
        let others = here.count() - 1;
        self.charge_deliveries(index, others, packet.wire_len(), now)?;
        let packet = plain(&packet).ok_or(ClientError::Malformed)?;
        self.relayed += 1;
        let (body, piece) = (flatten(&packet), Some(Piece::WHOLE));
        let envelope = Download { from: from.clone(), numbers: None, piece, body };
        self.expect_room(&room, Dialect::V1, &from, &ServerMessage::Relay(envelope));
        self.expect_room(&room, Dialect::V0, &from, &ServerMessage::Event(packet));
        Ok(())
    }

    // ----- rules -----

    /// Takes signals from the sender's leaky bucket.
    fn charge(&mut self, index: usize, signals: usize, now: Time) -> Result<(), ClientError> {
        let (burst, per_second) = (self.config.signal_burst, self.config.signals_per_second);
        let price = Duration::from_secs(1) / per_second;
        let person = &mut self.people[index];
        person.debt = person.debt.saturating_sub(now - person.debt_at);
        person.debt_at = now;
        person.debt += price * u32::try_from(signals).unwrap();
        if person.debt <= price * burst {
            return Ok(());
        }
        if person.debt > price * burst * 2 {
            self.closed.extend(person.client().map(|client| (client, CloseReason::Abusive)));
            self.remove(index, false);
        }
        Err(ClientError::TooManySignals { burst, per_second })
    }

    fn charge_envelope(&mut self, index: usize, now: Time) -> Result<(), ClientError> {
        let (burst, per_second) = (self.config.envelope_burst, self.config.envelopes_per_second);
        let buckets = &mut self.people[index].envelopes;
        let full = throttle(buckets, 1, now, burst.into(), per_second.into());
        self.enforce(index, full, ClientError::TooManyEnvelopes { burst, per_second })
    }

    fn charge_deliveries(
        &mut self,
        index: usize,
        receivers: usize,
        bytes: usize,
        now: Time,
    ) -> Result<(), ClientError> {
        let (burst, per_second) = (self.config.delivery_burst, self.config.deliveries_per_second);
        let cost = receivers * (128 + bytes);
        let full = throttle(&mut self.people[index].deliveries, cost, now, burst, per_second);
        self.enforce(index, full, ClientError::TooMuchToDeliver { burst, per_second })
    }

    fn enforce(
        &mut self,
        index: usize,
        full: usize,
        error: ClientError,
    ) -> Result<(), ClientError> {
        if full == 0 {
            return Ok(());
        }
        self.throttled += 1;
        if full == 2 {
            self.closed.extend(self.people[index].client().map(|it| (it, CloseReason::Abusive)));
            self.remove(index, false);
        }
        Err(error)
    }

    fn check_signal(&self, offer_id: &str, signal: &str) -> Result<(), ClientError> {
        let (got, max) = (offer_id.len() + signal.len(), self.config.max_signal);
        if got > max { Err(ClientError::SignalTooLarge { got, max }) } else { Ok(()) }
    }

    fn check_parts(&self, packet: &Packet) -> Result<(), ClientError> {
        let got = 1 + packet.attachments().len();
        let max = self.config.limits.max_attachments as usize;
        if got > max {
            return Err(ClientError::PartCount { got, max });
        }
        self.check_size(packet.wire_len())
    }

    fn check_size(&self, got: usize) -> Result<(), ClientError> {
        let max = self.config.limits.max_envelope as usize;
        if got > max { Err(ClientError::PacketTooLarge { got, max }) } else { Ok(()) }
    }

    /// Finds another connected member of the room by its id, or else by an alias.
    fn receiver(&self, sender: usize, to: &PeerId) -> Result<(ClientId, Dialect), ClientError> {
        let room = &self.people[sender].room;
        match self.named(room, to).filter(|index| *index != sender) {
            None => Err(ClientError::UnknownPeer { peer: to.clone() }),
            Some(index) => match self.people[index].presence {
                Presence::Here(client) => Ok((client, self.people[index].dialect)),
                Presence::Away(_) => Err(ClientError::PeerAway { peer: to.clone() }),
            },
        }
    }

    fn named(&self, room: &RoomName, to: &PeerId) -> Option<usize> {
        let named = || {
            let alias = self.aliases.iter().find(|(of, name, _)| of == room && name == to);
            alias.and_then(|(_, _, owner)| self.by_id(room, owner))
        };
        self.by_id(room, to).or_else(named)
    }
}

/// The index of the first bucket with room (passing, then refused operations); 2 when both are exhausted.
fn throttle(
    buckets: &mut [Bucket; 2],
    cost: usize,
    now: Time,
    burst: u64,
    per_second: u64,
) -> usize {
    buckets.iter_mut().position(|bucket| bucket.take(cost, now, burst, per_second)).unwrap_or(2)
}

/// The packet that a v0 client receives from an envelope.
fn unpack(body: &Bytes) -> Option<Packet> {
    let (head, attachments) = unflatten(body.clone())?;
    let unbounded = Limits::unbounded();
    plain(&Packet::from_head_and_attachments(head, attachments, &unbounded).ok()?)
}

/// The packet if it is an event without namespace and ack id whose name is not reserved.
pub(super) fn plain(packet: &Packet) -> Option<Packet> {
    let reserved = is_reserved_event(&packet.event_name()?);
    if reserved || packet.namespace().as_str() == "/socketio-p2p" {
        return None;
    }
    let (root, attachments) = (Namespace::default(), packet.attachments().to_vec());
    Packet::from_parts(packet.packet_type(), &root, None, packet.payload(), attachments).ok()
}
