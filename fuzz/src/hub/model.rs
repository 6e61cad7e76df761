//! A hub as plain as can be: lists that are searched from end to end. It says what each client is to receive
//! and what is to be refused.

mod talk;

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use socketio_p2p_core::hub::{CloseReason, Departure, HubConfig, HubStats, JoinError};
use socketio_p2p_core::wire::{Member, PeerLimits, ServerMessage};
use socketio_p2p_core::{ClientId, Dialect, PeerId, RoomName, Time};

/// The most other names of a v0 client.
const MAX_ALIASES: usize = 4;

/// Who is called later than this after a deadline has a clock that jumped.
const CLOCK_JUMP: Duration = Duration::from_secs(2);

#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) enum Presence {
    Here(ClientId),
    Away(Time),
}

/// What everyone may know of a member: id, dialect, whether it is away, what it accepts.
pub(super) type Entry = (PeerId, Dialect, bool, Option<PeerLimits>);

/// A member of a room.
#[derive(Debug)]
pub(super) struct Person {
    pub(super) room: RoomName,
    pub(super) dialect: Dialect,
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
    /// What it has used of its allowances: envelopes and bytes that passed, and those that were refused.
    envelopes: [Bucket; 2],
    deliveries: [Bucket; 2],
    resumes: Bucket,
    /// Whether anything that it said was accepted.
    has_spoken: bool,
    limits: Option<PeerLimits>,
    /// The base of its next welcome, if its token has no higher one.
    pub(super) epoch_base: u32,
}

/// What is owed, in billionths.
#[derive(Debug, Default)]
struct Bucket {
    owed: u128,
    at: Time,
}

impl Bucket {
    fn take(&mut self, cost: usize, now: Time, burst: u64, per_second: u64) -> bool {
        let paid = (now - self.at).as_nanos() * u128::from(per_second);
        self.owed = self.owed.saturating_sub(paid);
        self.at = now;
        let cost = cost as u128 * 1_000_000_000;
        let burst = u128::from(burst) * 1_000_000_000;
        // What is too much for any bucket must not find it empty.
        let passes = if cost > burst {
            self.owed + 1_000_000_000 <= burst
        } else {
            self.owed + cost <= burst
        };
        if passes {
            self.owed += cost;
        }
        passes
    }

    /// In whole milliseconds, how long it is until one more may be owed.
    fn wait(&self, burst: u64, per_second: u64) -> Duration {
        let missing = self.owed + 1_000_000_000 - u128::from(burst) * 1_000_000_000;
        let nanos = missing.div_ceil(u128::from(per_second));
        Duration::from_millis(u64::try_from(nanos.div_ceil(1_000_000)).unwrap())
    }
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
    /// When something happened last, by the caller's clock, and how much that clock has jumped over. All other times are
    /// without it.
    heard_at: Time,
    skipped: Duration,
    relayed: u64,
    undeliverable: u64,
    refused: u64,
    throttled: u64,
    pub(super) joins_refused: u64,
    displaced: u64,
    /// What newcomers have used of the rooms' allowances.
    joins: Vec<(RoomName, Bucket)>,
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
            skipped: Duration::ZERO,
            relayed: 0,
            undeliverable: 0,
            refused: 0,
            throttled: 0,
            joins_refused: 0,
            displaced: 0,
            joins: Vec::new(),
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

    pub(super) fn roster(&self, room: &RoomName) -> Vec<Entry> {
        let members = self.people.iter().filter(|person| person.room == *room);
        members.map(|m| (m.id.clone(), m.dialect, m.client().is_none(), m.limits)).collect()
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
        stats.throttled = self.throttled;
        stats.joins_refused = self.joins_refused;
        stats.displaced = self.displaced;
        stats
    }

    /// By the caller's clock.
    pub(super) fn next_timeout(&self) -> Option<Time> {
        let due = self.people.iter().filter_map(Person::away_until).min();
        due.map(|due| due + self.skipped)
    }

    /// Something happens now: the time without what the clock has jumped over.
    pub(super) fn advance(&mut self, now: Time) -> Time {
        let passed = now - std::mem::replace(&mut self.heard_at, now);
        if self.next_timeout().is_some_and(|due| now - due > CLOCK_JUMP) {
            self.skipped += passed;
        }
        Time::ZERO + ((now - Time::ZERO) - self.skipped)
    }

    // ----- coming and going -----

    /// Whether somebody may join, on a seat of its own or as one more; who has to go for it is gone then.
    pub(super) fn admit(
        &mut self,
        room: &RoomName,
        seat: Option<usize>,
        now: Time,
    ) -> Result<(), JoinError> {
        let HubConfig { resume_burst, resumes_per_second, .. } = self.config;
        let (bucket, burst, per_second, displaced) = match seat {
            Some(seat) => {
                (&mut self.people[seat].resumes, resume_burst, resumes_per_second, Vec::new())
            }
            None => {
                let displaced = self.find_place(room)?;
                let at = match self.joins.iter().position(|(of, _)| of == room) {
                    Some(at) => at,
                    // The first one makes the room.
                    None => {
                        self.displace(displaced);
                        return Ok(());
                    }
                };
                let everyone = u32::try_from(self.config.room_capacity).unwrap();
                let burst = self.config.room_join_burst.max(2 * everyone);
                (&mut self.joins[at].1, burst, self.config.room_joins_per_second, displaced)
            }
        };
        let (burst, per_second) = (u64::from(burst), u64::from(per_second));
        if !bucket.take(1, now, burst, per_second) {
            let retry_after = bucket.wait(burst, per_second);
            return Err(JoinError::TooManyJoins { room: room.clone(), retry_after });
        }
        self.displace(displaced);
        Ok(())
    }

    /// Who has to go for one more.
    fn find_place(&self, room: &RoomName) -> Result<Vec<PeerId>, JoinError> {
        let (room, capacity) = (room.clone(), self.config.room_capacity);
        let members: Vec<_> = self.people.iter().filter(|person| person.room == room).collect();
        if members.len() >= capacity && !members.is_empty() {
            let away = members.iter().filter_map(|member| {
                Some((member.has_spoken, member.away_until()?, member.id.clone()))
            });
            return match away.min() {
                Some((_, _, id)) => Ok(vec![id]),
                None => Err(JoinError::RoomFull { room, capacity }),
            };
        }
        let rooms: BTreeSet<_> = self.people.iter().map(|person| &person.room).collect();
        let max = self.config.max_rooms;
        if !members.is_empty() || rooms.len() < max {
            return Ok(Vec::new());
        }
        let of = |room: &RoomName| {
            self.people.iter().filter(|person| person.room == *room).collect::<Vec<_>>()
        };
        let deserted = rooms.into_iter().filter_map(|room| {
            let until = of(room).into_iter().map(|person| person.away_until());
            until.collect::<Option<Vec<_>>>()?.into_iter().min().map(|until| (until, room))
        });
        match deserted.min() {
            Some((_, deserted)) => Ok(of(deserted).iter().map(|gone| gone.id.clone()).collect()),
            None => Err(JoinError::TooManyRooms { room, max }),
        }
    }

    fn displace(&mut self, displaced: Vec<PeerId>) {
        for id in displaced {
            let away = |person: &Person| person.id == id && person.client().is_none();
            let index = self.people.iter().position(away).unwrap();
            self.displaced += 1;
            self.remove(index);
        }
    }

    /// Somebody new has a seat.
    pub(super) fn enter(
        &mut self,
        room: RoomName,
        dialect: Dialect,
        id: PeerId,
        client: ClientId,
        limits: Option<PeerLimits>,
        now: Time,
    ) {
        self.announce(&room, &id, dialect, limits);
        let (presence, arrival) = (Presence::Here(client), self.arrivals);
        self.arrivals += 1;
        if !self.joins.iter().any(|(of, _)| *of == room) {
            self.joins.push((room.clone(), Bucket::default()));
        }
        self.people.push(Person {
            room,
            dialect,
            id,
            presence,
            arrival,
            offered: None,
            aliases: 0,
            debt: Duration::ZERO,
            debt_at: now,
            envelopes: Default::default(),
            deliveries: Default::default(),
            resumes: Bucket::default(),
            has_spoken: false,
            limits,
            epoch_base: 0,
        });
    }

    /// Somebody is back on its seat.
    pub(super) fn come_back(&mut self, index: usize, client: ClientId, limits: Option<PeerLimits>) {
        let person = &mut self.people[index];
        if let Presence::Here(old) = std::mem::replace(&mut person.presence, Presence::Here(client))
        {
            self.closed.push((old, CloseReason::Replaced));
        }
        person.debt = Duration::ZERO;
        person.envelopes = Default::default();
        person.deliveries = Default::default();
        person.limits = limits;
        let (room, id, dialect) = (person.room.clone(), person.id.clone(), person.dialect);
        self.announce(&room, &id, dialect, limits);
    }

    fn announce(
        &mut self,
        room: &RoomName,
        id: &PeerId,
        dialect: Dialect,
        limits: Option<PeerLimits>,
    ) {
        let mut member = Member::new(id.clone(), dialect);
        member.limits = limits;
        self.expect_room(room, Dialect::V1, id, &ServerMessage::PeerJoin(member));
    }

    pub(super) fn part(&mut self, client: ClientId, departure: Departure, now: Time) {
        let Some(index) = self.by_client(client) else { return };
        let person = &mut self.people[index];
        if departure == Departure::Lost && person.dialect == Dialect::V1 {
            person.presence = Presence::Away(now + self.config.resume_window);
            let (room, id) = (person.room.clone(), person.id.clone());
            let away = ServerMessage::PeerAway(id.clone());
            self.expect_room(&room, Dialect::V1, &id, &away);
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
        if self.people.iter().all(|person| person.room != gone.room) {
            self.joins.retain(|(of, _)| *of != gone.room);
        }
        self.aliases.retain(|(room, _, owner)| (room, owner) != (&gone.room, &gone.id));
        for dialect in [Dialect::V0, Dialect::V1] {
            let message = ServerMessage::PeerDisconnect(gone.id.clone());
            self.expect_room(&gone.room, dialect, &gone.id, &message);
        }
    }

    pub(super) fn add_alias(&mut self, client: ClientId, alias: PeerId) {
        let Some(index) = self.by_client(client) else { return };
        let person = &mut self.people[index];
        if person.dialect == Dialect::V1 || person.aliases == MAX_ALIASES {
            return;
        }
        person.aliases += 1;
        let (room, owner) = (person.room.clone(), person.id.clone());
        // The first to have a name keeps it.
        if !self.aliases.iter().any(|(of, name, _)| *of == room && *name == alias) {
            self.aliases.push((room, alias, owner));
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
        dialect: Dialect,
        not: &PeerId,
        message: &ServerMessage,
    ) {
        for person in &self.people {
            if let Some(client) = person.client()
                && (&person.room, person.dialect) == (room, dialect)
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
