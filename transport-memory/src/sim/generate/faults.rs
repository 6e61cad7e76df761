//! The faults of a scenario: each a recipe that starts it, sends traffic into it, and ends it.

use std::time::Duration;

use super::Plan;
use crate::conditions::{Conditions, RosterFaults, SignalFaults};
use crate::sim::Profile;
use crate::sim::scenario::{Action, Attack, Manner, PolicyName};

/// One fault, as a generator adds it.
type Recipe = fn(&mut Plan);

impl Plan {
    /// Adds some of the faults that the profile is about.
    pub(super) fn faults(&mut self, profile: Profile) {
        let recipes: &[Recipe] = match profile {
            Profile::Calm
            | Profile::Limits
            | Profile::Streams
            | Profile::Policies
            | Profile::Slopes
            | Profile::Neighbours
            | Profile::Originals
            | Profile::Floods => &[],
            Profile::Lossy => &[
                Self::bad_relay,
                Self::bad_relay,
                Self::bad_direct,
                Self::bad_direct,
                Self::narrow,
            ],
            Profile::Partitions => {
                &[Self::partition, Self::cut, Self::silence, Self::mute, Self::detour]
            }
            Profile::Crashes => {
                &[Self::crash, Self::crash, Self::leave, Self::drop_signaling, Self::absence]
            }
            Profile::Hub => &[
                Self::hub_crash,
                Self::drop_signaling,
                Self::unreachable,
                Self::rosters,
                Self::mute,
            ],
            Profile::Slow => &[
                Self::slow,
                Self::slow,
                Self::freeze,
                Self::narrow,
                Self::blobs,
                Self::close_in_blob,
                Self::transfer,
            ],
            Profile::Glare => &[
                Self::glare,
                Self::glare,
                Self::signals,
                Self::block,
                Self::flap,
                Self::close_in_blob,
                Self::close_direct,
            ],
            Profile::Malice => &[
                Self::attack,
                Self::attack,
                Self::attack,
                Self::attack,
                Self::false_neighbour,
                Self::close_direct,
            ],
            Profile::Clock => &[Self::jump, Self::jump_node, Self::close_direct, Self::bad_relay],
            Profile::Mixed => &[
                Self::bad_relay,
                Self::bad_direct,
                Self::narrow,
                Self::partition,
                Self::cut,
                Self::silence,
                Self::mute,
                Self::hub_crash,
                Self::drop_signaling,
                Self::unreachable,
                Self::rosters,
                Self::slow,
                Self::freeze,
                Self::blobs,
                Self::glare,
                Self::signals,
                Self::block,
                Self::detour,
                Self::flap,
                Self::close_in_blob,
                Self::close_direct,
                Self::jump,
                Self::jump_node,
            ],
        };
        let most = if profile == Profile::Mixed { 8 } else { recipes.len() as u64 + 2 };
        let times = if recipes.is_empty() { 0 } else { self.dice.between(3, most) };
        for _ in 0..times {
            if let Some(recipe) = self.dice.pick(recipes) {
                recipe(self);
            }
        }
        if profile == Profile::Mixed && !self.settings.patient {
            let recipes: [Recipe; 5] =
                [Self::crash, Self::leave, Self::absence, Self::attack, Self::false_neighbour];
            for recipe in recipes {
                if self.dice.happens(400) {
                    recipe(self);
                }
            }
        }
    }

    fn chance(&mut self) -> u16 {
        self.dice.between(20, 300) as u16
    }

    fn millis(&mut self, most: u64) -> Duration {
        Duration::from_millis(self.dice.between(1, most))
    }

    fn bad_relay(&mut self) {
        let (at, node) = (self.time(), self.node());
        let mut conditions = Conditions::default();
        match self.dice.roll(5) {
            0 => conditions.loss = self.chance(),
            1 => conditions.duplicate = self.chance(),
            2 => conditions.reorder = self.chance(),
            3 => conditions.delay = self.millis(300),
            _ => {
                conditions.jitter = self.millis(100);
                conditions.loss = self.chance();
                conditions.reorder = self.chance();
                conditions.duplicate = self.chance();
            }
        }
        self.push(at, Action::RelayPath { node, conditions });
        // The relay matters when events take it.
        if self.dice.happens(700) {
            let policy = PolicyName::RelayOnly;
            self.push(at, Action::Policy { node, policy });
            for _ in 0..3 {
                let time = self.later(at, 1.0);
                self.burst(time);
            }
            let until = self.later(at, 2.0);
            let policy = PolicyName::Automatic;
            self.push(until, Action::Policy { node, policy });
        }
        let until = self.later(at, 3.0);
        self.push(until, Action::RelayPath { node, conditions: Conditions::default() });
    }

    fn bad_direct(&mut self) {
        let at = self.time();
        let (from, to) = self.two();
        let mut conditions = Conditions::default();
        match self.dice.roll(3) {
            0 => conditions.loss = self.chance(),
            1 => conditions.delay = self.millis(200),
            _ => {
                conditions.jitter = self.millis(100);
                conditions.loss = self.chance();
            }
        }
        self.push(at, Action::DirectPath { from, to, conditions });
        let until = self.later(at, 3.0);
        self.push(until, Action::DirectPath { from, to, conditions: Conditions::default() });
    }

    fn narrow(&mut self) {
        let at = self.time();
        let (from, to) = self.two();
        // What is in flight takes a while, not for ever.
        let bytes = self.settings.outstanding as u64;
        let rate = self.dice.between(bytes / 3, bytes * 4) as u32;
        let conditions = Conditions { rate, ..Conditions::default() };
        let until = self.later(at, 1.5);
        if self.dice.happens(300) {
            self.push(at, Action::RelayPath { node: from, conditions });
            self.push(until, Action::RelayPath { node: from, conditions: Conditions::default() });
        } else {
            self.push(at, Action::DirectPath { from, to, conditions });
            self.push(until, Action::DirectPath { from, to, conditions: Conditions::default() });
        }
        for _ in 0..2 {
            let time = self.dice.between(at, until);
            let size = self.blob();
            self.push(
                time,
                Action::Emit { node: from, to: Some(to), count: 1, size, how: Manner::Event },
            );
        }
    }

    fn partition(&mut self) {
        let at = self.time();
        let size = self.dice.between(1, self.settings.peers as u64 - 1) as usize;
        let first = self.node();
        let peers = self.settings.peers;
        let island = (0..size).map(|offset| (first + offset) % peers).collect();
        self.push(at, Action::Partition { island });
        let time = self.dice.between(at, at + self.settings.silence.as_millis() as u64);
        self.burst(time);
        let until = self.later(at, 2.5);
        self.push(until, Action::Heal);
    }

    fn cut(&mut self) {
        let at = self.time();
        let (from, to) = self.two();
        self.push(at, Action::Cut { from, to, on: true });
        self.burst(at + 1);
        let until = self.later(at, 2.5);
        self.push(until, Action::Cut { from, to, on: false });
    }

    fn silence(&mut self) {
        let at = self.time();
        let (a, b) = self.two();
        self.push(at, Action::Silence { a, b, on: true });
        self.push(at, Action::Emit { node: a, to: Some(b), count: 2, size: 0, how: Manner::Event });
        let until = self.later(at, 2.5);
        self.push(until, Action::Silence { a, b, on: false });
    }

    fn mute(&mut self) {
        let (at, node) = (self.time(), self.node());
        self.push(at, Action::Mute { node, on: true });
        self.burst(at + 1);
        let until = self.later(at, 2.0);
        self.push(until, Action::Mute { node, on: false });
    }

    fn crash(&mut self) {
        let (at, node) = (self.time(), self.node());
        if self.dice.happens(700) {
            self.push(at, Action::Emit { node, to: None, count: 1, size: 0, how: Manner::Event });
            let to = Some(node);
            let from = (node + 1) % self.settings.peers;
            self.push(at, Action::Emit { node: from, to, count: 2, size: 0, how: Manner::Event });
        }
        self.push(at, Action::Crash { node });
        let until = self.later(at, 1.5);
        self.push(until, Action::Restart { node });
    }

    fn leave(&mut self) {
        let (at, node) = (self.time(), self.node());
        self.push(at, Action::Emit { node, to: None, count: 2, size: 0, how: Manner::Event });
        self.push(at, Action::Close { node });
        let until = self.later(at, 2.0);
        self.push(until, Action::Restart { node });
    }

    fn hub_crash(&mut self) {
        let at = self.time();
        self.push(at, Action::HubStop);
        self.burst(at + 1);
        let until = self.later(at, 1.5);
        self.push(until, Action::HubStart);
    }

    fn drop_signaling(&mut self) {
        let (at, node) = (self.time(), self.node());
        self.push(at, Action::Drop { node });
    }

    fn unreachable(&mut self) {
        let (at, node) = (self.time(), self.node());
        self.push(at, Action::Reach { node, on: false });
        let until = self.later(at, 2.0);
        self.push(until, Action::Reach { node, on: true });
    }

    /// One stands still while the other comes and goes: each gives the other up, at its own time, and begins anew.
    fn absence(&mut self) {
        let at = self.time();
        let (frozen, other) = self.two();
        self.push(at, Action::Freeze { node: frozen, on: true });
        let mut time = at;
        for _ in 0..self.dice.between(1, 3) {
            self.push(time, Action::Reach { node: other, on: false });
            time = self.later(time, 2.0);
            self.push(time, Action::Reach { node: other, on: true });
            time = self.later(time, 2.0);
            self.burst(time);
        }
        self.push(time, Action::Freeze { node: frozen, on: false });
        // While they find out about each other, both have something to say.
        let finding_out = self.settings.relay_latency.as_millis() as u64 * 6;
        for _ in 0..6 {
            let soon = time + self.dice.between(0, finding_out);
            let (node, to) = if self.dice.happens(500) { (frozen, other) } else { (other, frozen) };
            let (to, how) = (Some(to), Manner::Event);
            self.push(soon, Action::Emit { node, to, count: 2, size: 0, how });
        }
        let (size, enough) = (self.blob() * 2, None);
        self.push(
            time,
            Action::Transfer { node: frozen, to: other, size, enough, unannounced: false, late: 0 },
        );
    }

    fn rosters(&mut self) {
        let (repeat, omit) = (self.chance() * 2, self.chance() * 2);
        self.push(0, Action::Rosters { faults: RosterFaults { repeat, omit } });
        self.drop_signaling();
    }

    fn slow(&mut self) {
        let at = self.time();
        let (node, from) = self.two();
        let pause = self.dice.between(5, 60);
        self.push(at, Action::Pace { node, pause });
        let count = self.dice.between(3, 12) as u32;
        let size = self.blob();
        let how = if self.dice.happens(300) { Manner::Bulk } else { Manner::Event };
        self.push(at, Action::Emit { node: from, to: Some(node), count, size, how });
        let until = self.later(at, 1.5);
        self.push(until, Action::Pace { node, pause: 0 });
    }

    fn freeze(&mut self) {
        let at = self.time();
        let (node, from) = self.two();
        self.push(at, Action::Freeze { node, on: true });
        let (count, size) = (self.dice.between(2, 6) as u32, self.blob());
        self.push(at, Action::Emit { node: from, to: Some(node), count, size, how: Manner::Event });
        let until = self.later(at, 2.0);
        self.push(until, Action::Freeze { node, on: false });
    }

    fn blobs(&mut self) {
        let at = self.time();
        let (node, to) = self.two();
        let (count, size) = (self.dice.between(2, 8) as u32, self.blob());
        let how = if self.dice.happens(500) { Manner::Bulk } else { Manner::Event };
        self.push(at, Action::Emit { node, to: Some(to), count, size, how });
        self.push(at, Action::Emit { node, to: Some(to), count: 2, size: 0, how: Manner::Event });
    }

    fn glare(&mut self) {
        let at = self.time();
        let (a, b) = self.two();
        self.push(at, Action::Glare { a, b });
    }

    pub(super) fn signals(&mut self) {
        let mut faults = SignalFaults::default();
        match self.dice.roll(5) {
            0 => faults.lose_offer = 500,
            1 => faults.lose_answer = 500,
            2 => faults.duplicate = 700,
            3 => faults.late = 700,
            _ => faults.stray_candidate = 700,
        }
        let at = if self.dice.happens(500) { 0 } else { self.time() };
        self.push(at, Action::Signals { faults });
        let (time, (a, b)) = (self.later(at, 0.3), self.two());
        self.push(time, Action::Glare { a, b });
        let until = self.later(at, 3.0);
        self.push(until, Action::Signals { faults: SignalFaults::default() });
    }

    fn block(&mut self) {
        let at = if self.dice.happens(500) { 0 } else { self.time() };
        let (a, b) = self.two();
        self.push(at, Action::Block { a, b, on: true });
        self.push(at, Action::CloseDirect { a, b });
        let until = self.later(at, 3.0);
        self.push(until, Action::Block { a, b, on: false });
    }

    /// Two nodes that find no way to each other but through a neighbour.
    fn detour(&mut self) {
        let at = self.time();
        let (a, b) = self.two();
        self.detour_between(at, a, b);
    }

    fn detour_between(&mut self, at: u64, a: usize, b: usize) {
        self.push(at, Action::Block { a, b, on: true });
        self.push(at, Action::CloseDirect { a, b });
        let until = self.later(at, 2.0) + self.in_silences(0.3);
        if self.dice.happens(500) {
            let policy = PolicyName::DirectOnly;
            self.push(at, Action::Policy { node: a, policy });
            let policy = PolicyName::Automatic;
            self.push(until, Action::Policy { node: a, policy });
        } else {
            self.push(at, Action::Reach { node: a, on: false });
            self.push(until, Action::Reach { node: a, on: true });
        }
        for _ in 0..4 {
            let time = self.dice.between(at, until);
            let (node, to) = if self.dice.happens(500) { (a, b) } else { (b, a) };
            let size = if self.dice.happens(300) { self.blob() } else { 0 };
            let how = Manner::Event;
            self.push(time, Action::Emit { node, to: Some(to), count: 2, size, how });
        }
        self.push(until, Action::Block { a, b, on: false });
    }

    fn flap(&mut self) {
        let at = if self.dice.happens(500) { 0 } else { self.time() };
        let (a, b) = self.two();
        let lasts = self.dice.between(1, 150);
        self.push(at, Action::Flap { a, b, lasts });
        self.push(at, Action::CloseDirect { a, b });
        self.burst(at + 1);
        let until = self.later(at, 2.0);
        self.push(until, Action::Flap { a, b, lasts: 0 });
    }

    fn close_in_blob(&mut self) {
        let at = self.time();
        let (a, b) = self.two();
        let size = self.blob() * 2;
        let how = if self.dice.happens(500) { Manner::Bulk } else { Manner::Event };
        self.push(at, Action::Emit { node: a, to: Some(b), count: 2, size, how });
        let delay = self.settings.direct_latency.as_millis() as u64;
        let time = at + self.dice.between(0, delay);
        self.push(time, Action::CloseDirect { a, b });
    }

    fn close_direct(&mut self) {
        let at = self.time();
        let (a, b) = self.two();
        self.push(at, Action::Emit { node: a, to: None, count: 2, size: 0, how: Manner::Event });
        self.push(at, Action::CloseDirect { a, b });
    }

    fn jump(&mut self) {
        let at = self.time();
        let by = if self.dice.happens(200) { 86_400_000 } else { self.dice.between(1, 20_000) };
        self.push(at, Action::Jump { by });
    }

    fn jump_node(&mut self) {
        let (at, node) = (self.time(), self.node());
        let by = self.dice.between(1, 20_000);
        self.push(at, Action::JumpNode { node, by });
    }

    /// One node finds no way to the others but through somebody malicious.
    fn false_neighbour(&mut self) {
        let (a, b) = self.two();
        let at = self.dice.between(0, self.end / 3);
        let attack = Action::Attack { victim: b, attack: Attack::Neighbour, direct: true };
        self.push(at, attack);
        // Until then it may have got its channels.
        let at = self.later(at, 1.0) + self.in_silences(0.3);
        let others: Vec<usize> =
            (0..self.settings.peers).filter(|other| *other != a && *other != b).collect();
        for &other in &others {
            self.push(at, Action::Block { a, b: other, on: true });
            self.push(at, Action::CloseDirect { a, b: other });
        }
        self.detour_between(at, a, b);
        let until = self.later(at, 2.0);
        for &other in &others {
            self.push(until, Action::Block { a, b: other, on: false });
        }
    }

    fn attack(&mut self) {
        for _ in 0..3 {
            let (at, victim) = (self.time(), self.node());
            let attack = self.dice.pick(&Attack::ALL).unwrap_or(Attack::Garbage);
            let direct = self.dice.happens(500);
            self.push(at, Action::Attack { victim, attack, direct });
        }
    }
}
