//! The inputs of the hub, and the messages due for them.

use std::time::Duration;

use socketio_p2p_core::hub::{ClientError, Departure, Hub};
use socketio_p2p_core::wire::{ClientMessage, Piece, Signal, Upload};
use socketio_p2p_core::{ClientId, Dialect, PeerId, RoomName, Time};

use super::book::{Client, Presence, Seat};
use super::rates::{Bucket, Rate};
use super::words::{ClientInput, Due, Word, is_v1};
use super::{Claim, DELIVERY_HEADER, Declined, Refused, Witness};
use crate::invariant::Invariant;

/// The longest time that admitting a client takes.
const ADMISSION: Duration = Duration::from_secs(5);

impl Witness {
    /// A client was let in.
    pub(crate) fn connected(&mut self, hub: &Hub, client: ClientId, claim: Claim, now: Time) {
        self.now = now;
        let Claim { dialect, room, token, metadata, user, capacity } = claim;
        let metadata = if is_v1(dialect) { metadata } else { None };
        let capacity = capacity.unwrap_or(self.config.room_capacity);
        let (Some(id), Some(seated)) = (hub.peer_id(client), hub.room_of(client)) else {
            return self.blame(Invariant::HubPresence, "a client that is let in", "none");
        };
        let (id, given) = (id.clone(), seated.clone());
        if given != room {
            let came = format!("{given}");
            self.blame(Invariant::HubPresence, &format!("a seat in {room}"), &came);
        }
        let proved = if is_v1(dialect) { self.book.proved(&room, token.as_deref()) } else { None };
        // The application may admit later than the hub has looked at the token.
        let proved = proved.filter(|proved| {
            let ago = if proved.id == id { Duration::ZERO } else { ADMISSION };
            !self.is_revoked(&room, &proved.id, ago)
        });
        match &proved {
            Some(proved) if proved.id != id => {
                let expected = format!("{} to come back under its id", proved.id);
                self.blame(Invariant::HubPresence, &expected, id.as_str());
            }
            None if is_v1(dialect) && self.book.ids.contains(&id) => {
                let expected = "a new id for who proves nothing in this room";
                self.blame(Invariant::HubPresence, expected, id.as_str());
            }
            _ => {}
        }
        let base = self.book.next_base(proved.as_ref());
        self.book.ids.insert(id.clone());
        // Where others were let in beyond what there is for this client, it has its seat, or that of somebody away.
        let before = self.book.seats(&room).len();
        self.take_seat(hub, &room, &id, (client, dialect), base, capacity);
        if let Some(seat) = self.book.seat_mut(&room, &id) {
            (seat.user, seat.metadata) = (user.clone(), metadata.clone());
        }
        let count = self.book.seats(&room).len();
        if count > capacity.max(before) {
            let expected = format!("at most {capacity} members of a room");
            self.blame(Invariant::HubBounds, &expected, &count.to_string());
        }
        let [updates, signals, envelopes, deliveries] = [Bucket::default(); 4];
        let (name, place) = (id.clone(), room.clone());
        let member =
            Client { id: name, room: place, dialect, updates, signals, envelopes, deliveries };
        self.book.clients.insert(client, member);
        let welcome = if is_v1(dialect) {
            Word::Welcome { id: id.clone(), base, user: user.clone() }
        } else {
            Word::Count
        };
        self.due.push(Due { to: client, word: welcome, optional: false });
        self.expect_all(&room, Some(client), true, &Word::Join { id, user, metadata });
    }

    /// Seats a client: on its old seat, on a new one, or on that of a member who is away.
    fn take_seat(
        &mut self,
        hub: &Hub,
        room: &RoomName,
        id: &PeerId,
        (client, dialect): (ClientId, Dialect),
        base: u32,
        capacity: usize,
    ) {
        let (now, config) = (self.now, &self.config);
        let resumes = Rate {
            burst: config.resume_burst.into(),
            per_second: config.resumes_per_second.into(),
        };
        if let Some(seat) = self.book.seat_mut(room, id) {
            let within = seat.resumes.pass(1, resumes, now);
            let old = std::mem::replace(&mut seat.presence, Presence::Here(client));
            seat.base = base;
            if let Presence::Here(old) = old {
                self.book.clients.remove(&old);
            }
            if !within {
                let expected = "comebacks at the rate that is set";
                self.blame(Invariant::HubBounds, expected, &format!("one more of {id}"));
            }
            return;
        }
        let everyone = 2 * config.room_capacity as u64;
        let burst = u64::from(config.room_join_burst).max(everyone);
        let joins = Rate { burst, per_second: config.room_joins_per_second.into() };
        if let Some(seats) = self.book.rooms.get_mut(room)
            && !seats.joins.pass(1, joins, now)
        {
            let came = format!("one more into {room}");
            self.blame(Invariant::HubBounds, "joins at the rate that is set", &came);
        }
        if self.book.seats(room).len() >= capacity {
            let away = self.gone(hub, room);
            if let Some(displaced) = away.first() {
                self.book.remove(room, displaced);
                self.expect_all(
                    room,
                    None,
                    false,
                    &Word::Gone { id: displaced.clone(), kicked: false },
                );
            }
        }
        let presence = Presence::Here(client);
        let (resumes, user, metadata) = (Bucket::default(), None, None);
        let seat = Seat { id: id.clone(), dialect, presence, base, resumes, user, metadata };
        self.book.rooms.entry(room.clone()).or_default().seats.push(seat);
    }

    /// Members that were away from a room and are no members of the hub any more.
    fn gone(&self, hub: &Hub, room: &RoomName) -> Vec<PeerId> {
        let away = self.book.seats(room).iter().filter(|seat| seat.client().is_none());
        let kept: Vec<PeerId> = hub.members(room).map(|member| member.id).collect();
        away.filter(|seat| !kept.contains(&seat.id)).map(|seat| seat.id.clone()).collect()
    }

    /// A client has sent a message, and the hub has accepted or refused it.
    pub(crate) fn said(
        &mut self,
        client: ClientId,
        message: ClientMessage,
        refusal: Option<ClientError>,
        now: Time,
    ) {
        self.now = now;
        let Some(member) = self.book.clients.get(&client) else { return };
        let (from, room, dialect) = (member.id.clone(), member.room.clone(), member.dialect);
        let taken = refusal.is_none();
        match &message {
            ClientMessage::Offers(_) | ClientMessage::Signal(_) => {
                self.expect_signals(&message, (client, dialect), &from, &room, taken);
            }
            ClientMessage::Relay(upload) if taken => {
                self.expect_relay(upload, client, &from, &room);
                self.charge(client, Some((upload.to.len(), upload.body.len())));
            }
            ClientMessage::Event(_) if taken && !is_v1(dialect) => {
                self.expect_all(&room, Some(client), true, &Word::Event);
                for seat in self.book.seats(&room) {
                    if let Some(to) =
                        seat.client().filter(|to| *to != client && !is_v1(seat.dialect))
                    {
                        self.due.push(Due { to, word: Word::Event, optional: false });
                    }
                }
                self.charge(client, None);
            }
            ClientMessage::Event(packet) if taken => {
                self.orders.expect_up(client, packet);
                self.charge(client, Some((1, packet.wire_len())));
            }
            ClientMessage::Metadata(metadata) if taken => {
                self.expect_update(client, &room, &from, metadata.clone());
            }
            ClientMessage::Relay(_) | ClientMessage::Event(_) | ClientMessage::Metadata(_) | _ => {}
        }
        if let Some(
            why @ (ClientError::PacketTooLarge { .. }
            | ClientError::DuplicateRecipient { .. }
            | ClientError::TooManyUpdates { .. }
            | ClientError::UnexpectedEnvelope),
        ) = refusal
        {
            self.refused.push(Refused { from: from.clone(), why });
        }
        if let ClientMessage::Signal(signal) = &message
            && let Ok(Signal::Decline(decline)) = signal.signal.parse()
        {
            let (by, of) = (from.clone(), signal.to_peer_id.clone());
            self.declined.push(Declined { by, of, why: decline });
        }
        self.said = Some(ClientInput { client, from, message });
    }

    fn expect_signals(
        &mut self,
        message: &ClientMessage,
        (client, dialect): (ClientId, Dialect),
        from: &PeerId,
        room: &RoomName,
        taken: bool,
    ) {
        let mut expect = |to: &PeerId, word: Word| {
            let receiver = self.book.present(room, to).filter(|_| to != from);
            if let Some((to, _)) = receiver {
                self.due.push(Due { to, word, optional: !taken });
            }
        };
        match message {
            ClientMessage::Offers(offers) if is_v1(dialect) => {
                // Those before a faulty one have been passed on.
                for (place, offer) in offers.iter().enumerate() {
                    if let Some(to) = &offer.to_peer_id {
                        expect(to, Word::Offer(Some(place)));
                    }
                }
            }
            ClientMessage::Offers(_) => {
                let seats = self.book.seats(room).iter();
                let before = seats.take_while(|seat| seat.client() != Some(client));
                for to in before.filter_map(Seat::client) {
                    self.due.push(Due { to, word: Word::Offer(None), optional: true });
                }
            }
            ClientMessage::Signal(signal) if taken => expect(&signal.to_peer_id, Word::Signal),
            ClientMessage::Signal(_) | ClientMessage::Relay(_) | ClientMessage::Event(_) | _ => {}
        }
    }

    fn expect_relay(&mut self, upload: &Upload, client: ClientId, from: &PeerId, room: &RoomName) {
        for (place, recipient) in upload.to.iter().enumerate() {
            let Some((to, dialect)) = self.book.present(room, &recipient.id) else { continue };
            let named_before = upload.to.iter().take(place).any(|other| other.id == recipient.id);
            if named_before {
                let expected = "an envelope that names nobody twice";
                self.blame(Invariant::HubRelay, expected, &format!("one of {from}"));
            }
            if to == client {
                continue;
            }
            match dialect {
                Dialect::V1 => {
                    self.due.push(Due { to, word: Word::Relay(place), optional: false });
                }
                Dialect::V0 if upload.piece == Some(Piece::WHOLE) => {
                    self.due.push(Due { to, word: Word::Event, optional: true });
                }
                Dialect::V0 => {}
            }
        }
        let (got, most) = (upload.body.len(), self.config.limits.max_envelope);
        if got > most as usize {
            let expected = format!("envelopes of at most {most} bytes");
            self.blame(Invariant::HubBounds, &expected, &format!("{got} of {from}"));
        }
    }

    /// An envelope has passed.
    fn charge(&mut self, client: ClientId, deliveries: Option<(usize, usize)>) {
        let (now, config) = (self.now, &self.config);
        let Some(member) = self.book.clients.get_mut(&client) else { return };
        let rate = Rate {
            burst: config.envelope_burst.into(),
            per_second: config.envelopes_per_second.into(),
        };
        let mut within = member.envelopes.pass(1, rate, now);
        if let Some((receivers, bytes)) = deliveries {
            let rate =
                Rate { burst: config.delivery_burst, per_second: config.deliveries_per_second };
            let cost = receivers.saturating_mul(bytes + DELIVERY_HEADER) as u64;
            within &= member.deliveries.pass(cost, rate, now);
        }
        if !within {
            let came = format!("one more of {}", member.id);
            self.blame(Invariant::HubBounds, "envelopes at the rate that is set", &came);
        }
    }

    /// A client's connection has ended.
    pub(crate) fn left(&mut self, client: ClientId, departure: Departure, now: Time) {
        self.now = now;
        let Some(Client { id, room, dialect, .. }) = self.book.clients.remove(&client) else {
            return;
        };
        if departure == Departure::Lost && is_v1(dialect) {
            if let Some(seat) = self.book.seat_mut(&room, &id) {
                seat.presence = Presence::Away { since: now };
            }
            let end = now + self.config.resume_window;
            self.next_end = Some(self.next_end.map_or(end, |next| next.min(end)));
            return self.expect_all(&room, None, true, &Word::Away(id));
        }
        self.book.remove(&room, &id);
        self.expect_all(&room, None, false, &Word::Gone { id, kicked: false });
    }

    /// The hub was told that time has passed.
    pub(crate) fn timed_out(&mut self, hub: &Hub, now: Time) {
        self.now = now;
        let window = self.config.resume_window;
        let due = self.book.away().filter(|(.., since)| *since + window <= now);
        let rooms: Vec<RoomName> = due.map(|(room, ..)| room.clone()).collect();
        for room in rooms {
            for id in self.gone(hub, &room) {
                let since = self.book.away().find(|(_, other, _)| **other == id);
                if let Some(away) = since.map(|(.., since)| now - since).filter(|at| *at < window) {
                    let expected = format!("{id} to be waited for, {window:?} long");
                    self.blame(Invariant::HubPresence, &expected, &format!("{away:?}"));
                }
                self.book.remove(&room, &id);
                self.expect_all(&room, None, false, &Word::Gone { id, kicked: false });
            }
        }
    }

    /// A message is due to all present members of a room but one; to v1 members only where `v1` says so.
    pub(super) fn expect_all(
        &mut self,
        room: &RoomName,
        except: Option<ClientId>,
        v1: bool,
        word: &Word,
    ) {
        for seat in self.book.seats(room) {
            let told = !v1 || is_v1(seat.dialect);
            if let Some(to) = seat.client().filter(|to| told && Some(*to) != except) {
                self.due.push(Due { to, word: word.clone(), optional: false });
            }
        }
    }
}
