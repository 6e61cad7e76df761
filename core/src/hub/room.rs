//! One room: its members, their order of arrival, and their presence.

use std::collections::BTreeMap;
use std::ops::Bound;

use super::rate::Usage;
use crate::id::{ClientId, Dialect, PeerId};
use crate::time::Time;
use crate::wire::{Member, MemberData, PeerLimits};

/// The members of a room, including members that are away.
#[derive(Debug, Default)]
pub(super) struct Room {
    members: BTreeMap<PeerId, Seat>,
    /// All members in the order of arrival.
    order: BTreeMap<u64, PeerId>,
    /// The members that are present, per dialect, in the order of arrival.
    present: [BTreeMap<u64, ClientId>; 2],
    /// The aliases of members.
    aliases: BTreeMap<PeerId, PeerId>,
    next_place: u64,
    /// The usage of the room's rate limit for joins.
    pub(super) joins: Usage,
}

/// A member's seat, which stays while the member is away.
#[derive(Debug)]
pub(super) struct Seat {
    pub(super) dialect: Dialect,
    /// The position in the order of arrival.
    pub(super) place: u64,
    pub(super) presence: Presence,
    pub(super) says: Says,
    /// The base above which the member's next epochs are.
    pub(super) epoch_base: u32,
    /// Whether the hub has accepted any message of the member.
    pub(super) has_spoken: bool,
    /// The usage of the member's rate limit for returns.
    pub(super) resumes: Usage,
}

/// What other members are told about a member, beside its id.
#[derive(Debug, Default)]
pub(super) struct Says {
    /// The limits of the member's application.
    pub(super) limits: Option<PeerLimits>,
    /// What the server's application has verified.
    pub(super) user: Option<MemberData>,
    pub(super) metadata: Option<MemberData>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Presence {
    Here(ClientId),
    /// The end of the resume window.
    Away(Time),
}

impl Room {
    pub(super) fn len(&self) -> usize {
        self.members.len()
    }

    pub(super) fn is_empty(&self) -> bool {
        self.members.is_empty()
    }

    pub(super) fn seat(&self, id: &PeerId) -> Option<&Seat> {
        self.members.get(id)
    }

    pub(super) fn seat_mut(&mut self, id: &PeerId) -> Option<&mut Seat> {
        self.members.get_mut(id)
    }

    pub(super) fn seat_or_alias(&self, name: &PeerId) -> Option<&Seat> {
        self.seat(name).or_else(|| self.seat(self.aliases.get(name)?))
    }

    /// Returns the member at a position in the order of arrival.
    pub(super) fn id_at(&self, place: u64) -> Option<&PeerId> {
        self.order.get(&place)
    }

    pub(super) fn add_alias(&mut self, alias: PeerId, id: PeerId) {
        self.aliases.entry(alias).or_insert(id);
    }

    /// Adds a member behind all others.
    pub(super) fn enter(
        &mut self,
        id: PeerId,
        dialect: Dialect,
        says: Says,
        client: ClientId,
    ) -> u64 {
        let place = self.next_place;
        self.next_place += 1;
        self.order.insert(place, id.clone());
        self.present_mut(dialect).insert(place, client);
        let seat = Seat {
            dialect,
            place,
            presence: Presence::Here(client),
            says,
            epoch_base: 0,
            has_spoken: false,
            resumes: Usage::default(),
        };
        self.members.insert(id, seat);
        place
    }

    /// Puts another connection on a seat. Returns the previous state of the seat; without such a member the
    /// arguments come back.
    pub(super) fn reseat(
        &mut self,
        id: &PeerId,
        says: Says,
        client: ClientId,
    ) -> Result<(u64, Presence), Says> {
        let Some(seat) = self.members.get_mut(id) else { return Err(says) };
        let before = std::mem::replace(&mut seat.presence, Presence::Here(client));
        seat.says = says;
        let (place, dialect) = (seat.place, seat.dialect);
        self.present_mut(dialect).insert(place, client);
        Ok((place, before))
    }

    /// Keeps the seat of a member whose connection is lost.
    pub(super) fn keep(&mut self, id: &PeerId, until: Time) {
        if let Some(seat) = self.members.get_mut(id) {
            seat.presence = Presence::Away(until);
            let (place, dialect) = (seat.place, seat.dialect);
            self.present_mut(dialect).remove(&place);
        }
    }

    pub(super) fn leave(&mut self, id: &PeerId) -> Option<Seat> {
        let seat = self.members.remove(id)?;
        self.order.remove(&seat.place);
        self.present_mut(seat.dialect).remove(&seat.place);
        self.aliases.retain(|_, owner| owner != id);
        Some(seat)
    }

    /// Iterates over the members that are away, with the end of their resume windows.
    pub(super) fn away(&self) -> impl Iterator<Item = (Time, &PeerId)> {
        self.members.iter().filter_map(|(id, seat)| match seat.presence {
            Presence::Away(until) => Some((until, id)),
            Presence::Here(_) => None,
        })
    }

    /// Returns the member that a newcomer replaces in a full room: the one that has been away for longest, but
    /// first one of whose messages none was accepted.
    pub(super) fn longest_away(&self) -> Option<&PeerId> {
        let away = self.away();
        let ranked = away.map(|(until, id)| (self.seat(id).map(|seat| seat.has_spoken), until, id));
        ranked.min().map(|(.., id)| id)
    }

    /// Iterates over the members in the order of arrival.
    pub(super) fn roster(&self) -> impl Iterator<Item = Member> {
        self.order.values().filter_map(|id| {
            let seat = self.members.get(id)?;
            let away = matches!(seat.presence, Presence::Away(_));
            let Seat { dialect, says: Says { limits, user, metadata }, .. } = seat;
            let (user, metadata) = (user.clone(), metadata.clone());
            let (dialect, limits) = (*dialect, *limits);
            Some(Member { id: id.clone(), dialect, away, key: None, limits, user, metadata })
        })
    }

    /// Returns the present members of a dialect.
    pub(super) fn present(&self, dialect: Dialect) -> &BTreeMap<u64, ClientId> {
        &self.present[usize::from(dialect.number())]
    }

    /// Returns the number of present members of all dialects.
    pub(super) fn present_len(&self) -> usize {
        self.present.iter().map(BTreeMap::len).sum()
    }

    fn present_mut(&mut self, dialect: Dialect) -> &mut BTreeMap<u64, ClientId> {
        &mut self.present[usize::from(dialect.number())]
    }

    /// Iterates over the present members between the positions `after` (exclusive) and `place` (exclusive).
    pub(super) fn present_between(
        &self,
        after: Option<u64>,
        place: u64,
    ) -> impl Iterator<Item = (u64, ClientId)> {
        let from = after.map_or(Bound::Unbounded, Bound::Excluded);
        // `range` panics when an excluded start is at or behind the end.
        let range =
            after.is_none_or(|after| after < place).then_some((from, Bound::Excluded(place)));
        range.into_iter().flat_map(|range| self.order.range(range)).filter_map(|(place, id)| {
            match self.members.get(id)?.presence {
                Presence::Here(client) => Some((*place, client)),
                Presence::Away(_) => None,
            }
        })
    }
}
