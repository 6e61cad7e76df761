//! Random operations on a hub beside a simple model of rooms: who gets what.

use std::collections::BTreeSet;

use bytes::Bytes;
use proptest::prelude::*;
use socketio_p2p_core::Packet;
use socketio_p2p_core::signal::Upload;

use super::*;

const CAPACITY: usize = 5;
const MAX_ROOMS: usize = 2;
const ROOMS: [&str; 3] = ["a", "b", "c"];
const WINDOW: Duration = Duration::from_secs(8);

/// What may happen. Numbers choose among those who are there, modulo how many they are.
#[derive(Clone, Debug)]
enum Op {
    Join { v1: bool, room: usize },
    Resume(usize),
    Part { who: usize, departure: Departure },
    Pass(u64),
    Offers { who: usize, to: Vec<usize> },
    Signal { who: usize, to: usize },
    Relay { who: usize, to: Vec<(usize, bool)> },
    Broadcast(usize),
}

fn op() -> impl Strategy<Value = Op> {
    let departure = prop_oneof![Just(Departure::Left), Just(Departure::Lost)];
    let who = || 0..64usize;
    prop_oneof![
        4 => (any::<bool>(), 0..ROOMS.len()).prop_map(|(v1, room)| Op::Join { v1, room }),
        2 => who().prop_map(Op::Resume),
        2 => (who(), departure).prop_map(|(who, departure)| Op::Part { who, departure }),
        1 => (0..12_000u64).prop_map(Op::Pass),
        3 => (who(), prop::collection::vec(who(), 0..6)).prop_map(|(who, to)| Op::Offers { who, to }),
        3 => (who(), who()).prop_map(|(who, to)| Op::Signal { who, to }),
        3 => (who(), prop::collection::vec((who(), any::<bool>()), 0..6))
            .prop_map(|(who, to)| Op::Relay { who, to }),
        2 => who().prop_map(Op::Broadcast),
    ]
}

#[derive(Clone, Copy, Debug, PartialEq)]
enum Presence {
    Here(ClientId),
    Away(Time),
}

#[derive(Debug)]
struct Person {
    room: usize,
    version: Version,
    id: PeerId,
    presence: Presence,
    /// When it came, counted over all rooms.
    arrival: usize,
    /// v0: when the last one came that had an offer of it.
    offered: Option<usize>,
}

/// Everyone with a seat, in the order in which they came.
#[derive(Default)]
struct Model {
    people: Vec<Person>,
    /// Every identity there ever was.
    tokens: Vec<(usize, PeerId, String)>,
    arrivals: usize,
    expected: BTreeMap<ClientId, Vec<String>>,
    closed: Vec<(ClientId, CloseReason)>,
}

impl Model {
    fn here(&self) -> Vec<ClientId> {
        let here = self.people.iter().filter_map(|person| match person.presence {
            Presence::Here(client) => Some(client),
            Presence::Away(_) => None,
        });
        let mut here: Vec<_> = here.collect();
        here.sort();
        here
    }

    fn who(&self, number: usize) -> Option<(usize, ClientId)> {
        let here = self.here();
        let client = *here.get(number.checked_rem(here.len())?)?;
        let index = self.people.iter().position(|person| person.presence == Presence::Here(client));
        Some((index?, client))
    }

    fn expect(&mut self, client: ClientId, message: String) {
        self.expected.entry(client).or_default().push(message);
    }

    /// Expects a message at everyone who is in the room, speaks the dialect and is not the one.
    fn expect_room(&mut self, room: usize, version: Version, not: &PeerId, message: &str) {
        let receivers: Vec<_> = self
            .people
            .iter()
            .filter(|person| person.room == room && person.version == version && person.id != *not)
            .filter_map(|person| match person.presence {
                Presence::Here(client) => Some(client),
                Presence::Away(_) => None,
            })
            .collect();
        for client in receivers {
            self.expect(client, message.to_owned());
        }
    }

    fn remove(&mut self, index: usize) {
        let gone = self.people.remove(index);
        for version in [Version::V0, Version::V1] {
            let message = format!("disconnect {}", gone.id);
            self.expect_room(gone.room, version, &gone.id, &message);
        }
    }

    fn may_join(&self, room: usize) -> bool {
        let members = self.people.iter().filter(|person| person.room == room).count();
        let rooms: BTreeSet<_> = self.people.iter().map(|person| person.room).collect();
        if members == 0 { rooms.len() < MAX_ROOMS } else { members < CAPACITY }
    }
}

fn run(ops: Vec<Op>) -> Result<(), TestCaseError> {
    let config = HubConfig::default()
        .with_room_capacity(CAPACITY)
        .with_max_rooms(MAX_ROOMS)
        .with_signal_rate(1_000_000, 1_000_000);
    let mut world = World::new(config);
    let mut model = Model::default();
    for op in ops {
        step(&mut world, &mut model, op)?;
        let got: BTreeMap<_, Vec<_>> = std::mem::take(&mut world.inboxes)
            .into_iter()
            .filter(|(_, inbox)| !inbox.is_empty())
            .map(|(client, inbox)| (client, inbox.iter().map(short).collect()))
            .collect();
        prop_assert_eq!(got, std::mem::take(&mut model.expected));
        prop_assert_eq!(&world.closed, &model.closed);
        check_rosters(&world, &model)?;
    }
    Ok(())
}

fn check_rosters(world: &World, model: &Model) -> Result<(), TestCaseError> {
    for (number, name) in ROOMS.iter().enumerate() {
        let got: Vec<_> = world
            .hub
            .members(&room_name(name))
            .map(|member| (member.id, member.version, member.away))
            .collect();
        let expected: Vec<_> = model
            .people
            .iter()
            .filter(|person| person.room == number)
            .map(|person| {
                let away = matches!(person.presence, Presence::Away(_));
                (person.id.clone(), person.version, away)
            })
            .collect();
        prop_assert_eq!(got, expected);
    }
    let away = model.people.iter().filter_map(|person| match person.presence {
        Presence::Away(until) => Some(until),
        Presence::Here(_) => None,
    });
    prop_assert_eq!(world.hub.poll_timeout(), away.min());
    prop_assert_eq!(world.hub.stats().clients, model.here().len());
    Ok(())
}

fn step(world: &mut World, model: &mut Model, op: Op) -> Result<(), TestCaseError> {
    match op {
        Op::Join { v1: true, room } => {
            let joined = world.try_join(v1(ROOMS[room]), None);
            prop_assert_eq!(joined.is_ok(), model.may_join(room));
            if let Ok(client) = joined {
                let welcome = world.welcome(client);
                model.tokens.push((room, welcome.id.clone(), welcome.token.clone()));
                enter(model, room, Version::V1, welcome.id, client);
            }
        }
        Op::Join { v1: false, room } => {
            let name = format!("socket-{}", model.arrivals);
            let join = Join::v0(room_name(ROOMS[room]));
            let joined = world.try_join(join, Some(&name));
            prop_assert_eq!(joined.is_ok(), model.may_join(room));
            if let Ok(client) = joined {
                let others = model.people.iter().filter(|person| {
                    person.room == room && matches!(person.presence, Presence::Here(_))
                });
                let others = others.count();
                model.expect(client, format!("numClients {others}"));
                let id = PeerId::new(name).unwrap();
                enter(model, room, Version::V0, id, client);
            }
        }
        Op::Resume(number) => {
            let Some(number) = number.checked_rem(model.tokens.len()) else { return Ok(()) };
            let (room, id, token) = model.tokens[number].clone();
            let seat = model.people.iter().position(|person| person.id == id);
            let joined = world.try_join(resume(ROOMS[room], &token), None);
            prop_assert_eq!(joined.is_ok(), seat.is_some() || model.may_join(room));
            let Ok(client) = joined else { return Ok(()) };
            let welcome = world.welcome(client);
            prop_assert_eq!(&welcome.id, &id);
            match seat {
                Some(index) => {
                    let before = std::mem::replace(
                        &mut model.people[index].presence,
                        Presence::Here(client),
                    );
                    if let Presence::Here(old) = before {
                        model.closed.push((old, CloseReason::Replaced));
                    }
                    model.expect_room(room, Version::V1, &id, &format!("join {id} v1"));
                }
                None => enter(model, room, Version::V1, id, client),
            }
        }
        Op::Part { who, departure } => {
            let Some((index, client)) = model.who(who) else { return Ok(()) };
            world.part(client, departure);
            let Person { version, id, room, .. } = &model.people[index];
            if departure == Departure::Lost && *version == Version::V1 {
                let (id, room) = (id.clone(), *room);
                model.people[index].presence = Presence::Away(world.now + WINDOW);
                model.expect_room(room, Version::V1, &id, &format!("away {id}"));
            } else {
                model.remove(index);
            }
        }
        Op::Pass(millis) => {
            world.pass(Duration::from_millis(millis));
            let mut due: Vec<_> = model
                .people
                .iter()
                .filter_map(|person| match person.presence {
                    Presence::Away(until) if until <= world.now => {
                        Some((until, ROOMS[person.room], person.id.clone()))
                    }
                    Presence::Away(_) | Presence::Here(_) => None,
                })
                .collect();
            due.sort();
            for (_, _, id) in due {
                let index = model.people.iter().position(|person| person.id == id).unwrap();
                model.remove(index);
            }
        }
        Op::Offers { who, to } => offers(world, model, who, &to)?,
        Op::Signal { who, to } => {
            let Some((index, client)) = model.who(who) else { return Ok(()) };
            let target = &model.people[to % model.people.len()];
            let (from, room) = (model.people[index].id.clone(), model.people[index].room);
            let said = world.say(client, answer("s", None, &target.id));
            match target.presence {
                Presence::Here(receiver) if target.room == room && target.id != from => {
                    prop_assert_eq!(said, Ok(()));
                    let message =
                        format!("signal s from {from}: {{\"type\":\"answer\",\"sdp\":\"y\"}}");
                    model.expect(receiver, message);
                }
                Presence::Here(_) | Presence::Away(_) => prop_assert!(said.is_err()),
            }
        }
        Op::Relay { who, to } => relay(world, model, who, &to)?,
        Op::Broadcast(who) => {
            let Some((index, client)) = model.who(who) else { return Ok(()) };
            let Person { version, id, room, .. } = &model.people[index];
            let (version, id, room) = (*version, id.clone(), *room);
            let packet = Packet::event("chat", &(1,)).unwrap();
            let said = world.say(client, ClientMessage::Broadcast(packet));
            prop_assert_eq!(said.is_ok(), version == Version::V0);
            if said.is_ok() {
                model.expect_room(room, Version::V0, &id, "event 2[\"chat\",1]");
                let relayed = format!("relay from {id}: 2[\\\"chat\\\",1]");
                model.expect_room(room, Version::V1, &id, &relayed);
            }
        }
    }
    Ok(())
}

fn enter(model: &mut Model, room: usize, version: Version, id: PeerId, client: ClientId) {
    let message = format!("join {id} v{}", version.number());
    model.expect_room(room, Version::V1, &id, &message);
    let (presence, arrival) = (Presence::Here(client), model.arrivals);
    model.arrivals += 1;
    model.people.push(Person { room, version, id, presence, arrival, offered: None });
}

fn offers(
    world: &mut World,
    model: &mut Model,
    who: usize,
    to: &[usize],
) -> Result<(), TestCaseError> {
    let Some((index, client)) = model.who(who) else { return Ok(()) };
    let (from, room) = (model.people[index].id.clone(), model.people[index].room);
    let text =
        |number: usize| format!("offer {number} from {from}: {{\"type\":\"offer\",\"sdp\":\"x\"}}");
    if model.people[index].version == Version::V0 {
        let offers = (0..to.len()).map(|number| offer(&number.to_string(), None)).collect();
        prop_assert_eq!(world.say(client, ClientMessage::Offers(offers)), Ok(()));
        // Those who came before and are here, from the one behind the last that had an offer on.
        let last = model.people[index].offered;
        let receivers: Vec<_> = model.people[..index]
            .iter()
            .filter(|person| person.room == room)
            .filter(|person| last.is_none_or(|last| person.arrival > last))
            .filter_map(|person| match person.presence {
                Presence::Here(receiver) => Some((person.arrival, receiver)),
                Presence::Away(_) => None,
            })
            .take(to.len())
            .collect();
        for (number, (arrival, receiver)) in receivers.into_iter().enumerate() {
            model.people[index].offered = Some(arrival);
            model.expect(receiver, text(number));
        }
        return Ok(());
    }
    let targets: Vec<_> = to.iter().map(|to| to % model.people.len()).collect();
    let offers = targets
        .iter()
        .enumerate()
        .map(|(number, target)| offer(&number.to_string(), Some(&model.people[*target].id)))
        .collect();
    let said = world.say(client, ClientMessage::Offers(offers));
    let mut all = true;
    for (number, target) in targets.into_iter().enumerate() {
        let target = &model.people[target];
        match target.presence {
            Presence::Here(receiver) if target.room == room && target.id != from => {
                model.expect(receiver, text(number));
            }
            Presence::Here(_) | Presence::Away(_) => all = false,
        }
    }
    prop_assert_eq!(said.is_ok(), all);
    Ok(())
}

fn relay(
    world: &mut World,
    model: &mut Model,
    who: usize,
    to: &[(usize, bool)],
) -> Result<(), TestCaseError> {
    let Some((index, client)) = model.who(who) else { return Ok(()) };
    let Person { version, id, room, .. } = &model.people[index];
    let (version, from, room) = (*version, id.clone(), *room);
    let targets: Vec<_> = to.iter().map(|(to, data)| (to % model.people.len(), *data)).collect();
    let recipients = targets
        .iter()
        .map(|(target, data)| recipient(&model.people[*target].id, data.then_some(3)))
        .collect();
    let parts = vec![Bytes::from_static(b"2[\"chat\",1]")];
    let said = world.say(client, ClientMessage::Relay(Upload { to: recipients, parts }));
    let members = model.people.iter().filter(|person| person.room == room).count();
    prop_assert_eq!(said.is_ok(), version == Version::V1 && targets.len() <= members);
    if said.is_err() {
        return Ok(());
    }
    for (target, data) in targets {
        let target = &model.people[target];
        let Presence::Here(receiver) = target.presence else { continue };
        if target.room != room || target.id == from {
            continue;
        }
        let place = if data { " #3" } else { "" };
        match target.version {
            Version::V1 => {
                let message = format!("relay from {from} epoch 1{place}: 2[\\\"chat\\\",1]");
                model.expect(receiver, message);
            }
            Version::V0 if data => model.expect(receiver, "event 2[\"chat\",1]".to_owned()),
            Version::V0 => {}
        }
    }
    Ok(())
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 400, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn everyone_gets_what_the_rules_say(ops in prop::collection::vec(op(), 1..120)) {
        run(ops)?;
    }
}
