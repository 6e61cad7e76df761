//! A hub as plain as can be: lists that are searched from end to end. It says what each client is to receive
//! and what is to be refused.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use bytes::Bytes;
use bytestring::ByteString;
use socketio_p2p_core::codec::Limits;
use socketio_p2p_core::hub::{ClientError, CloseReason, Departure, HubConfig, HubStats, JoinError};
use socketio_p2p_core::signal::{
    AddressedOffer, ClientMessage, Download, Member, PeerSignal, ServerMessage, Upload,
    is_reserved_event,
};
use socketio_p2p_core::{ClientId, Namespace, Packet, PeerId, RoomName, Time, Version};

/// The most other names of a v0 client.
const MAX_ALIASES: usize = 4;

/// Who is called later than this after a deadline has a clock that jumped.
const CLOCK_JUMP: Duration = Duration::from_secs(2);

#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) enum Presence {
    Here(ClientId),
    Away(Time),
}

/// A member of a room.
#[derive(Debug)]
pub(super) struct Person {
    pub(super) room: RoomName,
    pub(super) version: Version,
    pub(super) id: PeerId,
    pub(super) presence: Presence,
    /// When it came, counted over all rooms.
    arrival: usize,
    /// v0: when the last one came that had an offer of it.
    offered: Option<usize>,
    /// v0: how many other names were given to it.
    aliases: usize,
    /// How long it would have to be silent to have its whole allowance of signals.
    debt: Duration,
    debt_at: Time,
}

/// Who there is, and what is to come of what they do.
#[derive(Debug)]
pub(super) struct Model {
    config: HubConfig,
    /// Everyone with a seat, in the order in which they came.
    pub(super) people: Vec<Person>,
    /// Other names: room, name, whose.
    aliases: Vec<(RoomName, PeerId, PeerId)>,
    arrivals: usize,
    /// When something happened last.
    heard_at: Time,
    relayed: u64,
    undeliverable: u64,
    refused: u64,
    /// What the latest operation is to bring to each client.
    pub(super) expected: BTreeMap<ClientId, Vec<ServerMessage>>,
    /// Every connection that the hub is to have ended.
    pub(super) closed: Vec<(ClientId, CloseReason)>,
}

impl Model {
    pub(super) fn new(config: HubConfig) -> Self {
        Self {
            config,
            people: Vec::new(),
            aliases: Vec::new(),
            arrivals: 0,
            heard_at: Time::ZERO,
            relayed: 0,
            undeliverable: 0,
            refused: 0,
            expected: BTreeMap::new(),
            closed: Vec::new(),
        }
    }

    // ----- who is there -----

    pub(super) fn here(&self) -> Vec<ClientId> {
        let mut here: Vec<_> = self.people.iter().filter_map(Person::client).collect();
        here.sort();
        here
    }

    fn by_client(&self, client: ClientId) -> Option<usize> {
        self.people.iter().position(|person| person.client() == Some(client))
    }

    pub(super) fn by_id(&self, room: &RoomName, id: &PeerId) -> Option<usize> {
        self.people.iter().position(|person| person.room == *room && person.id == *id)
    }

    pub(super) fn roster(&self, room: &RoomName) -> Vec<(PeerId, Version, bool)> {
        let members = self.people.iter().filter(|person| person.room == *room);
        members.map(|m| (m.id.clone(), m.version, m.client().is_none())).collect()
    }

    pub(super) fn stats(&self) -> HubStats {
        let rooms: BTreeSet<_> = self.people.iter().map(|person| &person.room).collect();
        let clients = self.here().len();
        let mut stats = HubStats::default();
        stats.rooms = rooms.len();
        stats.clients = clients;
        stats.away = self.people.len() - clients;
        stats.relayed = self.relayed;
        stats.undeliverable = self.undeliverable;
        stats.refused = self.refused;
        stats
    }

    pub(super) fn next_timeout(&self) -> Option<Time> {
        self.people.iter().filter_map(Person::away_until).min()
    }

    /// Something happens now. When the clock has jumped, nobody was away in the meantime.
    pub(super) fn advance(&mut self, now: Time) {
        let jump = now - std::mem::replace(&mut self.heard_at, now);
        if self.next_timeout().is_none_or(|due| now - due <= CLOCK_JUMP) {
            return;
        }
        for person in &mut self.people {
            if let Presence::Away(until) = &mut person.presence {
                *until = *until + jump;
            }
        }
    }

    // ----- coming and going -----

    /// Whether there is room for one more.
    pub(super) fn check_capacity(&self, room: &RoomName) -> Result<(), JoinError> {
        let (room, capacity) = (room.clone(), self.config.room_capacity);
        let rooms: BTreeSet<_> = self.people.iter().map(|person| &person.room).collect();
        let members = self.people.iter().filter(|person| person.room == room).count();
        if members >= capacity && members > 0 {
            return Err(JoinError::RoomFull { room, capacity });
        }
        if members == 0 && rooms.len() >= self.config.max_rooms {
            return Err(JoinError::TooManyRooms { room, max: self.config.max_rooms });
        }
        Ok(())
    }

    /// Somebody new has a seat.
    pub(super) fn enter(
        &mut self,
        room: RoomName,
        version: Version,
        id: PeerId,
        client: ClientId,
        now: Time,
    ) {
        self.announce(&room, &id, version);
        let (presence, arrival) = (Presence::Here(client), self.arrivals);
        self.arrivals += 1;
        self.people.push(Person {
            room,
            version,
            id,
            presence,
            arrival,
            offered: None,
            aliases: 0,
            debt: Duration::ZERO,
            debt_at: now,
        });
    }

    /// Somebody is back on its seat.
    pub(super) fn come_back(&mut self, index: usize, client: ClientId) {
        let person = &mut self.people[index];
        if let Presence::Here(old) = std::mem::replace(&mut person.presence, Presence::Here(client))
        {
            self.closed.push((old, CloseReason::Replaced));
        }
        person.debt = Duration::ZERO;
        let (room, id, version) = (person.room.clone(), person.id.clone(), person.version);
        self.announce(&room, &id, version);
    }

    fn announce(&mut self, room: &RoomName, id: &PeerId, version: Version) {
        let member = Member { id: id.clone(), version, away: false, key: None };
        self.expect_room(room, Version::V1, id, &ServerMessage::PeerJoin(member));
    }

    pub(super) fn part(&mut self, client: ClientId, departure: Departure, now: Time) {
        let Some(index) = self.by_client(client) else { return };
        let person = &mut self.people[index];
        if departure == Departure::Lost && person.version == Version::V1 {
            person.presence = Presence::Away(now + self.config.resume_window);
            let (room, id) = (person.room.clone(), person.id.clone());
            let away = ServerMessage::PeerAway(id.clone());
            self.expect_room(&room, Version::V1, &id, &away);
        } else {
            self.remove(index);
        }
    }

    /// Time has passed.
    pub(super) fn pass(&mut self, now: Time) {
        let due = self.people.iter().filter_map(|person| {
            let until = person.away_until().filter(|until| *until <= now)?;
            Some((until, person.room.clone(), person.id.clone()))
        });
        let mut due: Vec<_> = due.collect();
        due.sort();
        for (_, room, id) in due {
            let index = self.by_id(&room, &id).unwrap();
            self.remove(index);
        }
    }

    fn remove(&mut self, index: usize) {
        let gone = self.people.remove(index);
        self.aliases.retain(|(room, _, owner)| (room, owner) != (&gone.room, &gone.id));
        for version in [Version::V0, Version::V1] {
            let message = ServerMessage::PeerDisconnect(gone.id.clone());
            self.expect_room(&gone.room, version, &gone.id, &message);
        }
    }

    pub(super) fn add_alias(&mut self, client: ClientId, alias: PeerId) {
        let Some(index) = self.by_client(client) else { return };
        let person = &mut self.people[index];
        if person.version == Version::V1 || person.aliases == MAX_ALIASES {
            return;
        }
        person.aliases += 1;
        let (room, owner) = (person.room.clone(), person.id.clone());
        // The first to have a name keeps it.
        if !self.aliases.iter().any(|(of, name, _)| *of == room && *name == alias) {
            self.aliases.push((room, alias, owner));
        }
    }

    // ----- what they say -----

    /// What is to come of a message.
    pub(super) fn say(
        &mut self,
        client: ClientId,
        message: ClientMessage,
        now: Time,
    ) -> Result<(), ClientError> {
        let said = match self.by_client(client) {
            None => Err(ClientError::Gone),
            Some(index) => match message {
                ClientMessage::Offers(offers) => match self.people[index].version {
                    Version::V0 => self.match_offers(index, offers, now),
                    Version::V1 => self.pass_offers(index, offers, now),
                },
                ClientMessage::Signal(signal) => self.signal(index, signal, now),
                ClientMessage::Relay(upload) => self.relay(index, &upload),
                ClientMessage::Broadcast(packet) => self.broadcast(index, packet),
                other => panic!("a message that nobody here knows: {other:?}"),
            },
        };
        self.refused += u64::from(said.is_err());
        said
    }

    /// What is to come of what is no message.
    pub(super) fn garble(&mut self, client: ClientId, now: Time) -> ClientError {
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
        // Those who came before and are here, from the one behind the last that had an offer on.
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
        for AddressedOffer { offer_id, offer, to_peer_id } in offers {
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
        self.expect(receiver, ServerMessage::Signal(PeerSignal { from_peer_id, ..signal }));
        Ok(())
    }

    fn relay(&mut self, index: usize, upload: &Upload) -> Result<(), ClientError> {
        let Person { version, id: from, room, .. } = &self.people[index];
        let (from, room) = (from.clone(), room.clone());
        if *version == Version::V0 {
            return Err(ClientError::UnexpectedEnvelope);
        }
        self.check_parts(&upload.parts)?;
        let members = self.people.iter().filter(|person| person.room == room).count();
        let got = upload.to.len();
        if got > members {
            return Err(ClientError::TooManyRecipients { got, members });
        }
        for recipient in &upload.to {
            let message = match self.receiver(index, &recipient.id) {
                Ok((receiver, Version::V1)) => Some((
                    receiver,
                    ServerMessage::Relay(Download {
                        from: from.clone(),
                        epochs: Some(recipient.epochs),
                        sequence: recipient.sequence,
                        parts: upload.parts.clone().into(),
                    }),
                )),
                Ok((receiver, Version::V0)) => recipient
                    .sequence
                    .and_then(|_| unpack(&upload.parts))
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

    fn broadcast(&mut self, index: usize, packet: Packet) -> Result<(), ClientError> {
        let Person { version, id: from, room, .. } = &self.people[index];
        let (from, room) = (from.clone(), room.clone());
        if *version == Version::V1 {
            return Err(ClientError::UnexpectedEvent);
        }
        self.check_parts(&parts(&packet))?;
        let packet = plain(&packet).ok_or(ClientError::Malformed)?;
        self.relayed += 1;
        let parts = parts(&packet).into();
        let envelope = Download { from: from.clone(), epochs: None, sequence: None, parts };
        self.expect_room(&room, Version::V1, &from, &ServerMessage::Relay(envelope));
        self.expect_room(&room, Version::V0, &from, &ServerMessage::Event(packet));
        Ok(())
    }

    // ----- rules -----

    /// Takes the price of signals from a bucket that leaks.
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
            self.remove(index);
        }
        Err(ClientError::TooManySignals { burst, per_second })
    }

    fn check_signal(&self, offer_id: &str, signal: &str) -> Result<(), ClientError> {
        let (got, max) = (offer_id.len() + signal.len(), self.config.max_signal);
        if got > max { Err(ClientError::SignalTooLarge { got, max }) } else { Ok(()) }
    }

    fn check_parts(&self, parts: &[Bytes]) -> Result<(), ClientError> {
        let (got, max) = (parts.len(), self.config.limits.max_attachments as usize);
        if !(1..=max).contains(&got) {
            return Err(ClientError::PartCount { got, max });
        }
        let (got, max) =
            (parts.iter().map(Bytes::len).sum(), self.config.limits.max_envelope as usize);
        if got > max { Err(ClientError::PacketTooLarge { got, max }) } else { Ok(()) }
    }

    /// Another member of the room that is here, by its id or else by another of its names.
    fn receiver(&self, sender: usize, to: &PeerId) -> Result<(ClientId, Version), ClientError> {
        let room = &self.people[sender].room;
        let named = || {
            let alias = self.aliases.iter().find(|(of, name, _)| of == room && name == to);
            alias.and_then(|(_, _, owner)| self.by_id(room, owner))
        };
        match self.by_id(room, to).or_else(named).filter(|index| *index != sender) {
            None => Err(ClientError::UnknownPeer { peer: to.clone() }),
            Some(index) => match self.people[index].presence {
                Presence::Here(client) => Ok((client, self.people[index].version)),
                Presence::Away(_) => Err(ClientError::PeerAway { peer: to.clone() }),
            },
        }
    }

    // ----- what is to come -----

    pub(super) fn expect(&mut self, client: ClientId, message: ServerMessage) {
        self.expected.entry(client).or_default().push(message);
    }

    /// Expects a message at everyone who is in the room, speaks the dialect and is not the one.
    fn expect_room(
        &mut self,
        room: &RoomName,
        version: Version,
        not: &PeerId,
        message: &ServerMessage,
    ) {
        for person in &self.people {
            if let Some(client) = person.client()
                && (&person.room, person.version) == (room, version)
                && person.id != *not
            {
                self.expected.entry(client).or_default().push(message.clone());
            }
        }
    }
}

impl Person {
    fn client(&self) -> Option<ClientId> {
        match self.presence {
            Presence::Here(client) => Some(client),
            Presence::Away(_) => None,
        }
    }

    fn away_until(&self) -> Option<Time> {
        match self.presence {
            Presence::Away(until) => Some(until),
            Presence::Here(_) => None,
        }
    }
}

fn parts(packet: &Packet) -> Vec<Bytes> {
    let head = packet.head().as_bytes().clone();
    std::iter::once(head).chain(packet.attachments().iter().cloned()).collect()
}

/// What a v0 client gets of an envelope.
fn unpack(parts: &[Bytes]) -> Option<Packet> {
    let head = ByteString::try_from(parts[0].clone()).ok()?;
    let unbounded = Limits::unbounded();
    plain(&Packet::from_head_and_attachments(head, parts[1..].to_vec(), &unbounded).ok()?)
}

/// An event without namespace and ack id, unless its name or namespace is none for applications.
fn plain(packet: &Packet) -> Option<Packet> {
    let reserved = is_reserved_event(&packet.event_name()?);
    if reserved || packet.namespace().as_str() == "/socketio-p2p" {
        return None;
    }
    let (root, attachments) = (Namespace::default(), packet.attachments().to_vec());
    Packet::from_parts(packet.packet_type(), &root, None, packet.payload(), attachments).ok()
}
