//! The seats of all rooms, and the deadlines of seats of members that are away.

use std::collections::{BTreeMap, BTreeSet};

use super::room::{Presence, Room, Says, Seat};
use crate::id::{ClientId, Dialect, PeerId, RoomName};
use crate::time::Time;

/// The number of members, longest away first, that a search for a room without present members looks at.
const MAX_DESERTED: usize = 64;

/// All seats. Only the methods here change a seat with a deadline, so that seats and deadlines agree.
#[derive(Debug, Default)]
pub(super) struct Seats {
    rooms: BTreeMap<RoomName, Room>,
    /// The end of the resume window of each member that is away.
    deadlines: BTreeSet<(Time, RoomName, PeerId)>,
}

/// The result of seating a connection.
pub(super) struct Seated {
    /// The seat's position in the order of arrival.
    pub(super) place: u64,
    /// The connection that had the seat before.
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

    /// Returns the number of members that are away.
    pub(super) fn away_len(&self) -> usize {
        self.deadlines.len()
    }

    /// Returns a room in which all members are away, the longest away first.
    pub(super) fn deserted(&self) -> Option<&RoomName> {
        let longest_away = self.deadlines.iter().map(|(_, room, _)| room);
        longest_away
            .take(MAX_DESERTED)
            .find(|room| self.rooms.get(*room).is_some_and(|room| room.present_len() == 0))
    }

    /// Returns when the next resume window ends.
    pub(super) fn next_timeout(&self) -> Option<Time> {
        self.deadlines.first().map(|(until, ..)| *until)
    }

    /// Returns a member whose resume window has ended. The seat is not removed yet.
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
        says: Says,
        client: ClientId,
    ) -> Seated {
        let members = self.rooms.entry(room.clone()).or_default();
        match members.reseat(id, says, client) {
            Ok((place, Presence::Here(old))) => Seated { place, replaced: Some(old) },
            Ok((place, Presence::Away(until))) => {
                self.deadlines.remove(&(until, room.clone(), id.clone()));
                Seated { place, replaced: None }
            }
            Err(says) => {
                let place = members.enter(id.clone(), dialect, says, client);
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

    /// Removes a member from its room, which stays, even when it is empty.
    pub(super) fn leave(&mut self, room: &RoomName, id: &PeerId) {
        let seat = self.rooms.get_mut(room).and_then(|members| members.leave(id));
        if let Some(Seat { presence: Presence::Away(until), .. }) = seat {
            self.deadlines.remove(&(until, room.clone(), id.clone()));
        }
    }

    /// Removes a room. Returns the number of its members that were away.
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
