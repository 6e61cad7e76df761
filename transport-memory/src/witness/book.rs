//! Members and seats, by the inputs of the hub.

use std::collections::{BTreeMap, BTreeSet};

use socketio_p2p_core::{ClientId, Dialect, MemberData, PeerId, RoomName, Time};

use super::rates::Bucket;

/// How many epochs lie between one welcome's base and the next.
const EPOCH_BLOCK: u32 = 4096;

#[derive(Debug, Default)]
pub(super) struct Book {
    pub(super) rooms: BTreeMap<RoomName, Room>,
    pub(super) clients: BTreeMap<ClientId, Client>,
    /// The seat of each resume token. Tokens outlive the hub.
    pub(super) tokens: BTreeMap<String, Issued>,
    /// All ids that were ever given.
    pub(super) ids: BTreeSet<PeerId>,
}

#[derive(Clone, Debug)]
pub(super) struct Issued {
    pub(super) room: RoomName,
    pub(super) id: PeerId,
    pub(super) base: u32,
}

#[derive(Debug, Default)]
pub(super) struct Room {
    /// In the order of their joins.
    pub(super) seats: Vec<Seat>,
    pub(super) joins: Bucket,
}

#[derive(Debug)]
pub(super) struct Seat {
    pub(super) id: PeerId,
    pub(super) dialect: Dialect,
    pub(super) presence: Presence,
    /// The base of the latest welcome.
    pub(super) base: u32,
    pub(super) resumes: Bucket,
    /// What the server's application has verified.
    pub(super) user: Option<MemberData>,
    pub(super) metadata: Option<MemberData>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Presence {
    Here(ClientId),
    Away { since: Time },
}

/// A connection.
#[derive(Debug)]
pub(super) struct Client {
    pub(super) id: PeerId,
    pub(super) room: RoomName,
    pub(super) dialect: Dialect,
    pub(super) updates: Bucket,
    pub(super) signals: Bucket,
    pub(super) envelopes: Bucket,
    pub(super) deliveries: Bucket,
}

impl Book {
    /// The hub has lost its memory.
    pub(super) fn forget(&mut self) {
        self.rooms.clear();
        self.clients.clear();
    }

    pub(super) fn seats(&self, room: &RoomName) -> &[Seat] {
        self.rooms.get(room).map_or(&[], |room| &room.seats)
    }

    pub(super) fn seat_mut(&mut self, room: &RoomName, id: &PeerId) -> Option<&mut Seat> {
        self.rooms.get_mut(room)?.seats.iter_mut().find(|seat| seat.id == *id)
    }

    /// The connection of a member that is there.
    pub(super) fn present(&self, room: &RoomName, id: &PeerId) -> Option<(ClientId, Dialect)> {
        let seat = self.seats(room).iter().find(|seat| seat.id == *id)?;
        Some((seat.client()?, seat.dialect))
    }

    pub(super) fn remove(&mut self, room: &RoomName, id: &PeerId) {
        if let Some(seats) = self.rooms.get_mut(room) {
            seats.seats.retain(|seat| seat.id != *id);
            if seats.seats.is_empty() {
                self.rooms.remove(room);
            }
        }
    }

    /// The identity that a token proves in a room.
    pub(super) fn proved(&self, room: &RoomName, token: Option<&str>) -> Option<Issued> {
        self.tokens.get(token?).filter(|issued| issued.room == *room).cloned()
    }

    /// The epoch base of the next welcome: of a new member, or of one with a valid token.
    pub(super) fn next_base(&self, proved: Option<&Issued>) -> u32 {
        let Some(Issued { room, id, base }) = proved else { return 0 };
        let seat = self.seats(room).iter().find(|seat| seat.id == *id);
        seat.map_or(*base, |seat| seat.base.max(*base)).saturating_add(EPOCH_BLOCK)
    }

    /// The members that are away, and since when.
    pub(super) fn away(&self) -> impl Iterator<Item = (&RoomName, &PeerId, Time)> {
        self.rooms.iter().flat_map(|(name, room)| {
            room.seats.iter().filter_map(move |seat| match seat.presence {
                Presence::Here(_) => None,
                Presence::Away { since } => Some((name, &seat.id, since)),
            })
        })
    }
}

impl Seat {
    pub(super) const fn client(&self) -> Option<ClientId> {
        match self.presence {
            Presence::Here(client) => Some(client),
            Presence::Away { .. } => None,
        }
    }
}
