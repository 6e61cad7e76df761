//! A simple model of the hub, which searches lists linearly. It predicts the messages to each client and the
//! refusals.

mod orders;
mod talk;

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use socketio_p2p_core::hub::{CloseReason, Departure, HubConfig, HubStats, JoinError};
use socketio_p2p_core::wire::{Member, PeerLimits, ServerMessage};
use socketio_p2p_core::{ClientId, Dialect, MemberData, Packet, PeerId, RoomName, Time};

/// Maximum aliases of a v0 client.
const MAX_ALIASES: usize = 4;

/// A call later than this after a deadline indicates a clock jump.
const CLOCK_JUMP: Duration = Duration::from_secs(2);

#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) enum Presence {
    Here(ClientId),
    Away(Time),
}

/// The public entry of a member: id, dialect, whether it is away, what else is said about it.
pub(super) type Entry = (PeerId, Dialect, bool, Says);

/// What others are told about a member.
#[derive(Clone, Debug, Default, PartialEq)]
pub(super) struct Says {
    pub(super) limits: Option<PeerLimits>,
    pub(super) user: Option<MemberData>,
    pub(super) metadata: Option<MemberData>,
}

/// A member of a room.
#[derive(Debug)]
pub(super) struct Person {
    pub(super) room: RoomName,
    pub(super) dialect: Dialect,
    pub(super) id: PeerId,
    pub(super) presence: Presence,
    /// Its place in the order of joining, over all rooms.
    arrival: usize,
    /// v0: the place of the last member that an offer of it went to.
    offered: Option<usize>,
    /// v0: the number of its aliases.
    aliases: usize,
    /// The time until its signal allowance is full again.
    debt: Duration,
    debt_at: Time,
    /// The same, of its changes of metadata.
    updates: (Duration, Time),
    /// What it has used of its rate limits: envelopes and bytes that passed, and those that were refused.
    envelopes: [Bucket; 2],
    deliveries: [Bucket; 2],
    resumes: Bucket,
    /// Whether one of its messages was accepted.
    has_spoken: bool,
    says: Says,
    /// The epoch base of its next welcome, unless its token has a higher one.
    pub(super) epoch_base: u32,
}

/// The used tokens, in billionths.
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
        // An operation too large for any bucket passes a full one.
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

    /// The time in whole milliseconds until one more operation fits.
    fn wait(&self, burst: u64, per_second: u64) -> Duration {
        let missing = self.owed + 1_000_000_000 - u128::from(burst) * 1_000_000_000;
        let nanos = missing.div_ceil(u128::from(per_second));
        Duration::from_millis(u64::try_from(nanos.div_ceil(1_000_000)).unwrap())
    }
}

/// The expected state of a hub.
#[derive(Debug)]
pub(super) struct Model {
    config: HubConfig,
    /// All members with a seat, in the order of joining.
    pub(super) people: Vec<Person>,
    /// Aliases: room, alias, and the id that it stands for.
    aliases: Vec<(RoomName, PeerId, PeerId)>,
    arrivals: usize,
    /// The time of the last input by the caller's clock, and the time that this clock has skipped. All other times are
    /// without the skipped time.
    heard_at: Time,
    skipped: Duration,
    relayed: u64,
    undeliverable: u64,
    refused: u64,
    throttled: u64,
    pub(super) joins_refused: u64,
    displaced: u64,
    kicked: u64,
    /// Whose tokens prove nothing, and until when.
    revoked: Vec<(RoomName, PeerId, Time)>,
    /// The pause that clients of a closing hub are told.
    closing: Option<Duration>,
    /// What the server's application must get by the latest operation.
    pub(super) application: Vec<(ClientId, Packet)>,
    /// What newcomers have used of the rooms' rate limits.
    joins: Vec<(RoomName, Bucket)>,
    /// The messages that the latest operation must bring to each client.
    pub(super) expected: BTreeMap<ClientId, Vec<ServerMessage>>,
    /// The connections that the hub must have closed.
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
            kicked: 0,
            revoked: Vec::new(),
            closing: None,
            application: Vec::new(),
            joins: Vec::new(),
            expected: BTreeMap::new(),
            closed: Vec::new(),
        }
    }

    // ----- members -----

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
        members.map(|m| (m.id.clone(), m.dialect, m.client().is_none(), m.says.clone())).collect()
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
        stats.kicked = self.kicked;
        stats
    }

    /// The next deadline, by the caller's clock.
    pub(super) fn next_timeout(&self) -> Option<Time> {
        let due = self.people.iter().filter_map(Person::away_until).min();
        due.map(|due| due + self.skipped)
    }

    /// Notes an input at `now`; returns the time without what the clock has skipped.
    pub(super) fn advance(&mut self, now: Time) -> Time {
        let passed = now - std::mem::replace(&mut self.heard_at, now);
        if self.next_timeout().is_some_and(|due| now - due > CLOCK_JUMP) {
            self.skipped += passed;
        }
        Time::ZERO + ((now - Time::ZERO) - self.skipped)
    }

    // ----- joining and leaving -----

    /// Whether a client may join, on its seat or as a newcomer; removes the members that it displaces.
    pub(super) fn admit(
        &mut self,
        room: &RoomName,
        seat: Option<usize>,
        capacity: Option<usize>,
        now: Time,
    ) -> Result<(), JoinError> {
        self.check_open()?;
        let HubConfig { resume_burst, resumes_per_second, .. } = self.config;
        let (bucket, burst, per_second, displaced) = match seat {
            Some(seat) => {
                (&mut self.people[seat].resumes, resume_burst, resumes_per_second, Vec::new())
            }
            None => {
                let displaced = self.find_place(room, capacity)?;
                let at = match self.joins.iter().position(|(of, _)| of == room) {
                    Some(at) => at,
                    // The first member creates the room.
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

    /// The members that a newcomer displaces.
    fn find_place(
        &self,
        room: &RoomName,
        capacity: Option<usize>,
    ) -> Result<Vec<PeerId>, JoinError> {
        let (room, capacity) = (room.clone(), capacity.unwrap_or(self.config.room_capacity));
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
            self.remove(index, false);
        }
    }

    /// Adds a newcomer.
    pub(super) fn enter(
        &mut self,
        room: RoomName,
        dialect: Dialect,
        id: PeerId,
        client: ClientId,
        says: Says,
        now: Time,
    ) {
        self.announce(&room, &id, dialect, &says);
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
            updates: (Duration::ZERO, now),
            envelopes: Default::default(),
            deliveries: Default::default(),
            resumes: Bucket::default(),
            has_spoken: false,
            says,
            epoch_base: 0,
        });
    }

    /// Notes that a member has resumed its seat.
    pub(super) fn come_back(&mut self, index: usize, client: ClientId, says: Says) {
        let person = &mut self.people[index];
        if let Presence::Here(old) = std::mem::replace(&mut person.presence, Presence::Here(client))
        {
            self.closed.push((old, CloseReason::Replaced));
        }
        person.debt = Duration::ZERO;
        person.envelopes = Default::default();
        person.deliveries = Default::default();
        person.updates.0 = Duration::ZERO;
        person.says = says.clone();
        let (room, id, dialect) = (person.room.clone(), person.id.clone(), person.dialect);
        self.announce(&room, &id, dialect, &says);
    }

    fn announce(&mut self, room: &RoomName, id: &PeerId, dialect: Dialect, says: &Says) {
        let mut member = Member::new(id.clone(), dialect);
        let Says { limits, user, metadata } = says.clone();
        (member.limits, member.user, member.metadata) = (limits, user, metadata);
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
            self.remove(index, false);
        }
    }

    /// Removes the members whose resume window is over.
    pub(super) fn pass(&mut self, now: Time) {
        let due = self.people.iter().filter_map(|person| {
            let until = person.away_until().filter(|until| *until <= now)?;
            Some((until, person.room.clone(), person.id.clone()))
        });
        let mut due: Vec<_> = due.collect();
        due.sort();
        for (_, room, id) in due {
            let index = self.by_id(&room, &id).unwrap();
            self.remove(index, false);
        }
    }

    fn remove(&mut self, index: usize, kicked: bool) {
        let gone = self.people.remove(index);
        if self.people.iter().all(|person| person.room != gone.room) {
            self.joins.retain(|(of, _)| *of != gone.room);
        }
        self.aliases.retain(|(room, _, owner)| (room, owner) != (&gone.room, &gone.id));
        for dialect in [Dialect::V0, Dialect::V1] {
            let message = ServerMessage::PeerDisconnect { peer: gone.id.clone(), kicked };
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
        // An alias stays with its first owner.
        if !self.aliases.iter().any(|(of, name, _)| *of == room && *name == alias) {
            self.aliases.push((room, alias, owner));
        }
    }

    // ----- expectations -----

    pub(super) fn expect(&mut self, client: ClientId, message: ServerMessage) {
        self.expected.entry(client).or_default().push(message);
    }

    /// Expects a message at all members of the room with this dialect but one.
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
