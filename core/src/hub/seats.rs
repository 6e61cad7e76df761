//! The seats of all rooms, and when those of members that are away are given up.

use std::collections::{BTreeMap, BTreeSet};

use super::room::{Presence, Room, Seat};
use crate::id::{ClientId, Dialect, PeerId, RoomName};
use crate::time::Time;
use crate::wire::PeerLimits;

/// How many of those who have been away for longest are looked at for a room with nobody else in it.
const MAX_DESERTED: usize = 64;

/// All seats. What has a deadline is entered and taken out here, so that seats and deadlines agree.
#[derive(Debug, Default)]
pub(super) struct Seats {
    rooms: BTreeMap<RoomName, Room>,
    /// The end of the resume window of each member that is away.
    deadlines: BTreeSet<(Time, RoomName, PeerId)>,
}

/// A connection on a seat.
pub(super) struct Seated {
    /// The seat's place in the order of arrival.
    pub(super) place: u64,
    /// The connection that had the seat.
    pub(super) replaced: Option<ClientId>,
}

impl Seats {
    pub(super) fn room(&self, room: &RoomName) -> Option<&Room> {
        self.rooms.get(room)
    }

    pub(super) fn room_mut(&mut self, room: &RoomName) -> Option<&mut Room> {
        self.rooms.get_mut(room)
    }

    pub(super) fn rooms(&self) -> impl ExactSizeIterator<Item = &RoomName> {
        self.rooms.keys()
    }

    pub(super) fn seat(&self, room: &RoomName, id: &PeerId) -> Option<&Seat> {
        self.rooms.get(room)?.seat(id)
    }

    pub(super) fn seat_mut(&mut self, room: &RoomName, id: &PeerId) -> Option<&mut Seat> {
        self.rooms.get_mut(room)?.seat_mut(id)
    }

    /// How many members are away.
    pub(super) fn away_len(&self) -> usize {
        self.deadlines.len()
    }

    /// A room in which everyone is away, of those who have been away for longest.
    pub(super) fn deserted(&self) -> Option<&RoomName> {
        let longest_away = self.deadlines.iter().map(|(_, room, _)| room);
        longest_away
            .take(MAX_DESERTED)
            .find(|room| self.rooms.get(*room).is_some_and(|room| room.present_len() == 0))
    }

    /// When the next seat is given up.
    pub(super) fn next_timeout(&self) -> Option<Time> {
        self.deadlines.first().map(|(until, ..)| *until)
    }

    /// A member whose resume window is over. Its seat is still there.
    pub(super) fn poll_expired(&mut self, now: Time) -> Option<(RoomName, PeerId)> {
        self.deadlines.first().filter(|(until, ..)| *until <= now)?;
        self.deadlines.pop_first().map(|(_, room, id)| (room, id))
    }

    /// Puts a connection on the seat of a member, or on a new one.
    pub(super) fn sit_down(
        &mut self,
        room: &RoomName,
        id: &PeerId,
        dialect: Dialect,
        limits: Option<PeerLimits>,
        client: ClientId,
    ) -> Seated {
        let members = self.rooms.entry(room.clone()).or_default();
        match members.reseat(id, limits, client) {
            Some((place, Presence::Here(old))) => Seated { place, replaced: Some(old) },
            Some((place, Presence::Away(until))) => {
                self.deadlines.remove(&(until, room.clone(), id.clone()));
                Seated { place, replaced: None }
            }
            None => {
                let place = members.enter(id.clone(), dialect, limits, client);
                Seated { place, replaced: None }
            }
        }
    }

    /// Keeps the seat of a member whose connection is lost.
    pub(super) fn keep(&mut self, room: &RoomName, id: &PeerId, until: Time) {
        if let Some(members) = self.rooms.get_mut(room) {
            members.keep(id, until);
            self.deadlines.insert((until, room.clone(), id.clone()));
        }
    }

    /// Takes a member out of its room, which stays, empty as it may be.
    pub(super) fn leave(&mut self, room: &RoomName, id: &PeerId) {
        let seat = self.rooms.get_mut(room).and_then(|members| members.leave(id));
        if let Some(Seat { presence: Presence::Away(until), .. }) = seat {
            self.deadlines.remove(&(until, room.clone(), id.clone()));
        }
    }

    /// Removes a room. Returns how many of its members were away.
    pub(super) fn remove_room(&mut self, room: &RoomName) -> u64 {
        let Some(members) = self.rooms.remove(room) else { return 0 };
        let mut away = 0;
        for (until, id) in members.away() {
            away += 1;
            self.deadlines.remove(&(until, room.clone(), id.clone()));
        }
        away
    }
}
