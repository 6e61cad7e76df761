//! Joining and leaving: the seat, the welcome, and the messages about it to other members.

use std::time::Duration;

use rand_chacha::rand_core::Rng as _;

use super::client::Client;
use super::rate::{Rate, Usage};
use super::room::{Room, Says};
use super::seats::Seated;
use super::token::Proof;
use super::{Admission, CloseReason, Departure, Hub, JoinError, Output};
use crate::id::{ClientId, Dialect, PeerId, RoomName};
use crate::time::{Time, millis};
use crate::wire::{EPOCH_BLOCK, Join, Member, MemberData, PairKey, ServerMessage, Welcome};

/// The maximum base below which a block of epochs fits. A peer id with a higher base is exhausted.
const MAX_EPOCH_BASE: u32 = u32::MAX - EPOCH_BLOCK;

/// The member or room that a newcomer replaces.
enum Displaced {
    /// A member that is away.
    Member(PeerId),
    /// A room in which all members are away.
    Room(RoomName),
}

impl Hub {
    /// Handles a client that connects with the content of its `p2p` entry. The welcome is the first message to
    /// the client.
    ///
    /// `client_name` is the Socket.IO socket id, which becomes the peer id of a v0 client; without one the hub
    /// assigns an id. A v1 client's id never depends on it.
    ///
    /// # Errors
    /// [`JoinError`] when the client is refused, without effect on other members. An invalid resume token is
    /// not an error: the client gets a new id.
    pub fn handle_connect(
        &mut self,
        join: Join,
        client_name: Option<&str>,
        now: Time,
    ) -> Result<ClientId, JoinError> {
        self.handle_admitted(join, Admission::default(), client_name, now)
    }

    /// Handles a client that the server's application has admitted; otherwise as
    /// [`handle_connect`](Self::handle_connect).
    ///
    /// # Errors
    /// As [`handle_connect`](Self::handle_connect).
    pub fn handle_admitted(
        &mut self,
        join: Join,
        admission: Admission,
        client_name: Option<&str>,
        now: Time,
    ) -> Result<ClientId, JoinError> {
        let now = self.advance(now);
        let joined = self.join(join, admission, client_name, now);
        self.counters.joins_refused += u64::from(joined.is_err());
        #[cfg(feature = "tracing")]
        if let Err(error) = &joined {
            super::trace::refused_join(error);
        }
        joined
    }

    fn join(
        &mut self,
        join: Join,
        admission: Admission,
        client_name: Option<&str>,
        now: Time,
    ) -> Result<ClientId, JoinError> {
        if let Some(retry_after) = self.closing {
            return Err(JoinError::Closing { retry_after });
        }
        let Admission { user, room, capacity } = admission;
        let room = room.or(join.room).unwrap_or_default();
        let (known, epoch_base) = match join.dialect {
            Dialect::V0 => (self.v0_name(&room, client_name)?, 0),
            Dialect::V1 => match join.token.and_then(|token| self.prove(&room, &token, now)) {
                Some(Proof { id, epoch_base }) => (Some(id), epoch_base),
                None => (None, 0),
            },
        };
        let client = ClientId(self.next_client);
        #[cfg(feature = "tracing")]
        let resumed = known.is_some() && join.dialect == Dialect::V1;
        if known.as_ref().is_some_and(|id| self.seats.seat(&room, id).is_some()) {
            self.charge_resume(&room, known.as_ref(), now)?;
        } else {
            let displaced = self.find_place(&room, capacity)?;
            self.charge_join(&room, now)?;
            self.displace(displaced, &room, client);
        }
        let id = match known {
            Some(id) => id,
            None => self.draw_peer_id(),
        };
        self.next_client += 1;
        #[cfg(feature = "tracing")]
        super::trace::joined(client, &room, &id, join.dialect, resumed);

        let (limits, metadata) = match join.dialect {
            Dialect::V0 => (None, None),
            Dialect::V1 => (join.limits, join.metadata),
        };
        let says = Says { limits, user: user.clone(), metadata: metadata.clone() };
        let Seated { place, replaced } =
            self.seats.sit_down(&room, &id, join.dialect, says, client);
        if let Some(old) = replaced {
            self.clients.remove(&old);
            let reason = CloseReason::Replaced;
            self.output.push_back(Output::Close { client: old, reason, farewell: None });
        }
        if let Some(seat) = self.seats.seat_mut(&room, &id) {
            seat.epoch_base = epoch_base.saturating_add(EPOCH_BLOCK);
        }
        self.clients.insert(client, Client::new(id.clone(), room.clone(), join.dialect, place));
        match join.dialect {
            Dialect::V0 => self.count_in(client, &room),
            Dialect::V1 => self.welcome(client, &id, &room, epoch_base, user.clone()),
        }
        let dialect = join.dialect;
        let member = Member { id, dialect, away: false, key: None, limits, user, metadata };
        self.announce(client, member, &room);
        Ok(client)
    }

    /// Handles the end of a client's connection.
    pub fn handle_disconnect(&mut self, client: ClientId, departure: Departure, now: Time) {
        let now = self.advance(now);
        self.depart(client, departure, now);
    }

    pub(super) fn depart(&mut self, client: ClientId, departure: Departure, now: Time) {
        let Some(gone) = self.clients.remove(&client) else { return };
        match (departure, gone.dialect) {
            (Departure::Lost, Dialect::V1) => {
                let until = now + self.config.resume_window;
                self.seats.keep(&gone.room, &gone.id, until);
                #[cfg(feature = "tracing")]
                super::trace::away(&gone.room, &gone.id);
                let message = ServerMessage::PeerAway(gone.id);
                self.tell_room(&gone.room, None, Dialect::V1, message);
            }
            (Departure::Left, _) | (Departure::Lost, Dialect::V0) => {
                self.vacate(&gone.room, gone.id, None, false);
            }
        }
    }

    // ----- identity -----

    fn v0_name(&self, room: &RoomName, name: Option<&str>) -> Result<Option<PeerId>, JoinError> {
        let Some(name) = name else { return Ok(None) };
        let name = PeerId::new(name.to_owned()).map_err(JoinError::BadName)?;
        match self.seats.seat(room, &name) {
            Some(_) => Err(JoinError::NameTaken { room: room.clone(), name }),
            None => Ok(Some(name)),
        }
    }

    /// Returns the peer id that a token proves, and the epoch base for it.
    fn prove(&self, room: &RoomName, token: &str, now: Time) -> Option<Proof> {
        let Proof { id, mut epoch_base } = self.key.verify(room, token)?;
        if self.revoked.contains(room, &id, now) {
            return None;
        }
        if let Some(seat) = self.seats.seat(room, &id) {
            // A v0 client may have taken the id of a member that left: a token does not lead to that seat.
            if seat.dialect == Dialect::V0 {
                return None;
            }
            epoch_base = epoch_base.max(seat.epoch_base);
        }
        (epoch_base <= MAX_EPOCH_BASE).then_some(Proof { id, epoch_base })
    }

    fn draw_peer_id(&mut self) -> PeerId {
        let mut random = [0; 16];
        self.rng.fill_bytes(&mut random);
        PeerId::from_random(random)
    }

    // ----- capacity -----

    /// Returns what must be replaced for one more member, if anything.
    fn find_place(
        &self,
        room: &RoomName,
        capacity: Option<usize>,
    ) -> Result<Option<Displaced>, JoinError> {
        let capacity = capacity.unwrap_or(self.config.room_capacity);
        let max = self.config.max_rooms;
        match self.seats.room(room) {
            Some(seats) if seats.len() >= capacity => match seats.longest_away() {
                Some(id) => Ok(Some(Displaced::Member(id.clone()))),
                None => Err(JoinError::RoomFull { room: room.clone(), capacity }),
            },
            None if self.seats.rooms().len() >= max => match self.seats.deserted() {
                Some(room) => Ok(Some(Displaced::Room(room.clone()))),
                None => Err(JoinError::TooManyRooms { room: room.clone(), max }),
            },
            Some(_) | None => Ok(None),
        }
    }

    /// Removes the replaced member or room, without messages to `newcomer`, whose welcome shows the state
    /// afterwards.
    fn displace(&mut self, displaced: Option<Displaced>, room: &RoomName, newcomer: ClientId) {
        match displaced {
            None => {}
            Some(Displaced::Member(id)) => {
                self.counters.displaced += 1;
                self.vacate(room, id, Some(newcomer), false);
            }
            Some(Displaced::Room(room)) => {
                self.counters.displaced += self.seats.remove_room(&room);
            }
        }
    }

    /// Charges a join without a seat to the room.
    fn charge_join(&mut self, room: &RoomName, now: Time) -> Result<(), JoinError> {
        // After a restart of the hub all members join at once.
        let everyone = u32::try_from(self.config.room_capacity).unwrap_or(u32::MAX);
        let burst = self.config.room_join_burst.max(everyone.saturating_mul(2));
        let rate = Rate::new(burst, self.config.room_joins_per_second);
        match self.seats.room_mut(room) {
            Some(members) => charge(&mut members.joins, rate, room, now),
            None => Ok(()),
        }
    }

    /// Charges a member's return to the member.
    fn charge_resume(
        &mut self,
        room: &RoomName,
        id: Option<&PeerId>,
        now: Time,
    ) -> Result<(), JoinError> {
        let rate = Rate::new(self.config.resume_burst, self.config.resumes_per_second);
        match id.and_then(|id| self.seats.seat_mut(room, id)) {
            Some(seat) => charge(&mut seat.resumes, rate, room, now),
            None => Ok(()),
        }
    }

    // ----- messages -----

    /// Sends a v0 client the number of other members.
    fn count_in(&mut self, client: ClientId, room: &RoomName) {
        let present = self.seats.room(room).map_or(0, Room::present_len);
        let others = u32::try_from(present.saturating_sub(1)).unwrap_or(u32::MAX);
        self.send(client, ServerMessage::NumClients { others, welcome: None });
    }

    fn welcome(
        &mut self,
        client: ClientId,
        id: &PeerId,
        room: &RoomName,
        epoch_base: u32,
        user: Option<MemberData>,
    ) {
        let Some(seats) = self.seats.room(room) else { return };
        let others = seats.roster().filter(|member| member.id != *id);
        let roster: Vec<Member> = others
            .map(|member| Member { key: self.pair_key(room, id, &member), ..member })
            .collect();
        let others = u32::try_from(roster.len()).unwrap_or(u32::MAX);
        let welcome = Welcome {
            dialect: Dialect::V1,
            token: self.key.issue(room, id, epoch_base.saturating_add(EPOCH_BLOCK)),
            id: id.clone(),
            room: room.clone(),
            epoch_base,
            user,
            roster,
            limits: self.config.limits,
            ice_servers: self.config.ice_servers.clone(),
            resume_window: Some(millis(self.config.resume_window)),
        };
        let welcome = Some(Box::new(welcome));
        self.send(client, ServerMessage::NumClients { others, welcome });
    }

    /// Announces a member to all others in the room, with a pair key for each of them if pair keys are enabled.
    fn announce(&mut self, client: ClientId, member: Member, room: &RoomName) {
        if member.dialect == Dialect::V0 || !self.config.pair_keys {
            let message = ServerMessage::PeerJoin(member);
            return self.tell_room(room, Some(client), Dialect::V1, message);
        }
        let present = self.seats.room(room).map(|room| room.present(Dialect::V1).values());
        let others: Vec<ClientId> =
            present.into_iter().flatten().copied().filter(|other| *other != client).collect();
        for other in others {
            let Some(Client { id, .. }) = self.clients.get(&other) else { continue };
            let key = self.pair_key(room, id, &member);
            self.send(other, ServerMessage::PeerJoin(Member { key, ..member.clone() }));
        }
    }

    /// Returns the pair key of a v1 member and `other`, if both have one.
    fn pair_key(&self, room: &RoomName, id: &PeerId, other: &Member) -> Option<PairKey> {
        let keyed = self.config.pair_keys && other.dialect == Dialect::V1;
        keyed.then(|| self.key.pair_key(room, id, &other.id))
    }

    /// Removes a member from its room, and reports that to all members but `newcomer`, which replaces it.
    pub(super) fn vacate(
        &mut self,
        room: &RoomName,
        id: PeerId,
        newcomer: Option<ClientId>,
        kicked: bool,
    ) {
        self.seats.leave(room, &id);
        #[cfg(feature = "tracing")]
        super::trace::left(room, &id, kicked);
        if newcomer.is_none() && self.seats.room(room).is_none_or(Room::is_empty) {
            self.seats.remove_room(room);
            return;
        }
        for dialect in [Dialect::V0, Dialect::V1] {
            let message = ServerMessage::PeerDisconnect { peer: id.clone(), kicked };
            self.tell_room(room, newcomer, dialect, message);
        }
    }
}

fn charge(usage: &mut Usage, rate: Rate, room: &RoomName, now: Time) -> Result<(), JoinError> {
    if usage.take(1, now, rate) {
        return Ok(());
    }
    // In whole milliseconds, as the client parses it.
    let wait = usage.wait(now, rate).as_nanos().div_ceil(1_000_000);
    let retry_after = Duration::from_millis(u64::try_from(wait).unwrap_or(u64::MAX));
    Err(JoinError::TooManyJoins { room: room.clone(), retry_after })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::hub::HubConfig;
    use crate::hub::token::TokenKey;

    #[test]
    fn a_client_with_exhausted_epochs_gets_a_new_id() {
        let key = [5; 32];
        let mut hub = Hub::new(HubConfig::default().with_token_key(key), [0; 32]).unwrap();
        let room = RoomName::default();
        let id = PeerId::from_random([1; 16]);
        for (epoch_base, proves) in
            [(MAX_EPOCH_BASE, true), (MAX_EPOCH_BASE + 1, false), (u32::MAX, false)]
        {
            let token = Some(TokenKey::new(key).issue(&room, &id, epoch_base));
            let join = Join { token, ..Join::v1() };
            let client = hub.handle_connect(join, None, Time::ZERO).unwrap();
            assert_eq!(hub.peer_id(client) == Some(&id), proves, "{epoch_base}");
            hub.handle_disconnect(client, Departure::Left, Time::ZERO);
        }
    }
}
