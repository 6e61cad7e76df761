//! One room: who is in it, in which order they came, and who of them is here.

use std::collections::BTreeMap;
use std::ops::Bound;

use super::rate::Usage;
use crate::id::{ClientId, Dialect, PeerId};
use crate::time::Time;
use crate::wire::{Member, PeerLimits};

/// The members of a room, those away included.
#[derive(Debug, Default)]
pub(super) struct Room {
    members: BTreeMap<PeerId, Seat>,
    /// All members in the order in which they came.
    order: BTreeMap<u64, PeerId>,
    /// Who is here, per dialect, in the order in which they came.
    present: [BTreeMap<u64, ClientId>; 2],
    /// Other names of members.
    aliases: BTreeMap<PeerId, PeerId>,
    next_place: u64,
    /// What newcomers have used of the room's rate.
    pub(super) joins: Usage,
}

/// A member's seat. It stays while the member is away.
#[derive(Debug)]
pub(super) struct Seat {
    pub(super) dialect: Dialect,
    /// The place in the order of arrival.
    pub(super) place: u64,
    pub(super) presence: Presence,
    /// What its program has said that it accepts.
    pub(super) limits: Option<PeerLimits>,
    /// Above this its next incarnations count.
    pub(super) epoch_base: u32,
    /// Whether anything that the member said was accepted.
    pub(super) has_spoken: bool,
    /// What the member's returns have used of its rate.
    pub(super) resumes: Usage,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Presence {
    Here(ClientId),
    /// Until then the seat is kept.
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

    /// Who has a place in the order of arrival.
    pub(super) fn id_at(&self, place: u64) -> Option<&PeerId> {
        self.order.get(&place)
    }

    pub(super) fn add_alias(&mut self, alias: PeerId, id: PeerId) {
        self.aliases.entry(alias).or_insert(id);
    }

    /// Seats a new member behind all others.
    pub(super) fn enter(
        &mut self,
        id: PeerId,
        dialect: Dialect,
        limits: Option<PeerLimits>,
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
            limits,
            epoch_base: 0,
            has_spoken: false,
            resumes: Usage::default(),
        };
        self.members.insert(id, seat);
        place
    }

    /// Puts another connection on a seat. What the seat was before, or nothing when there is no such member.
    pub(super) fn reseat(
        &mut self,
        id: &PeerId,
        limits: Option<PeerLimits>,
        client: ClientId,
    ) -> Option<(u64, Presence)> {
        let seat = self.members.get_mut(id)?;
        let before = std::mem::replace(&mut seat.presence, Presence::Here(client));
        seat.limits = limits;
        let (place, dialect) = (seat.place, seat.dialect);
        self.present_mut(dialect).insert(place, client);
        Some((place, before))
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

    /// Those away, with the end of their windows.
    pub(super) fn away(&self) -> impl Iterator<Item = (Time, &PeerId)> {
        self.members.iter().filter_map(|(id, seat)| match seat.presence {
            Presence::Away(until) => Some((until, id)),
            Presence::Here(_) => None,
        })
    }

    /// Whose place a newcomer takes when the room is full: of those away the one that has been for longest, but
    /// first one of whom nothing was ever accepted.
    pub(super) fn longest_away(&self) -> Option<&PeerId> {
        let away = self.away();
        let ranked = away.map(|(until, id)| (self.seat(id).map(|seat| seat.has_spoken), until, id));
        ranked.min().map(|(.., id)| id)
    }

    /// The members in the order in which they came.
    pub(super) fn roster(&self) -> impl Iterator<Item = Member> {
        self.order.values().filter_map(|id| {
            let seat = self.members.get(id)?;
            let away = matches!(seat.presence, Presence::Away(_));
            let Seat { dialect, limits, .. } = *seat;
            Some(Member { id: id.clone(), dialect, away, key: None, limits })
        })
    }

    /// Who of a dialect is here.
    pub(super) fn present(&self, dialect: Dialect) -> &BTreeMap<u64, ClientId> {
        &self.present[usize::from(dialect.number())]
    }

    /// How many are here, whatever they speak.
    pub(super) fn present_len(&self) -> usize {
        self.present.iter().map(BTreeMap::len).sum()
    }

    fn present_mut(&mut self, dialect: Dialect) -> &mut BTreeMap<u64, ClientId> {
        &mut self.present[usize::from(dialect.number())]
    }

    /// Who is here of those that came before `place`, from the one behind `after` on.
    pub(super) fn present_between(
        &self,
        after: Option<u64>,
        place: u64,
    ) -> impl Iterator<Item = (u64, ClientId)> {
        let from = after.map_or(Bound::Unbounded, Bound::Excluded);
        // An excluded start at or behind the end would be a panic.
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
