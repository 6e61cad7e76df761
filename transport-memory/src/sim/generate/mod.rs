//! Scenarios from seeds.

mod attempts;
mod faults;
mod knows;
mod promises;
mod slopes;
mod ways;
mod wide;

use std::time::Duration;

use super::Profile;
use super::scenario::{Action, MAX_PEERS, Manner, PolicyName, Scenario, Settings, Timed};
use crate::dice::Dice;

/// A window in which nobody is given up.
const FOREVER: Duration = Duration::from_secs(3600);

impl Scenario {
    /// The scenario of a seed: the same seed, profile and number of peers (2 to 16; others count as the
    /// nearest) give the same.
    #[must_use]
    pub fn generate(seed: u64, profile: Profile, peers: usize) -> Self {
        let mut dice = Dice::for_purpose(seed, 11);
        let settings = settings(&mut dice, profile, peers.clamp(2, MAX_PEERS));
        let mut plan = Plan { dice, settings, actions: Vec::new(), end: 0 };
        plan.end = plan.in_silences(2.4);
        plan.traffic(profile);
        plan.faults(profile);
        let Plan { settings, mut actions, .. } = plan;
        actions.sort_by_key(|timed| timed.at);
        Self { seed, profile, settings, actions }
    }
}

fn settings(dice: &mut Dice, profile: Profile, peers: usize) -> Settings {
    let ms = Duration::from_millis;
    let defaults = Settings::default();
    let harsh = match profile {
        Profile::Crashes | Profile::Malice => true,
        Profile::Calm => false,
        Profile::Limits
        | Profile::Streams
        | Profile::Policies
        | Profile::Slopes
        | Profile::Neighbours
        | Profile::Originals
        | Profile::Floods => return Settings { peers, patient: true, ..defaults },
        Profile::Lossy
        | Profile::Partitions
        | Profile::Hub
        | Profile::Slow
        | Profile::Glare
        | Profile::Clock
        | Profile::Mixed => dice.happens(500),
    };
    // Most runs are at a quarter of the default timing or faster; the proportions stay.
    let silence = if dice.happens(125) { ms(5000) } else { ms(dice.between(600, 1400)) };
    let window = ms(silence.as_millis() as u64 * 8 / 5);
    let small = dice.happens(800);
    Settings {
        peers,
        patient: !harsh,
        max_peers: if dice.happens(100) {
            dice.between(1, peers as u64 / 2) as usize
        } else {
            peers.max(5)
        },
        queue_bytes: if small { 1 << dice.between(11, 14) } else { defaults.queue_bytes },
        record_bytes: if small { 1 << dice.between(8, 11) } else { defaults.record_bytes },
        relay_window: if small { 1 << dice.between(11, 14) } else { defaults.relay_window },
        outstanding: if small { 1 << dice.between(11, 14) } else { 256 << 10 },
        relay_latency: ms(dice.between(1, 40)),
        direct_latency: ms(dice.between(1, 20)),
        resume_window: if harsh {
            ms(window.as_millis() as u64 * dice.between(50, 150) / 100)
        } else {
            FOREVER
        },
        hub_resume_window: if harsh { window } else { FOREVER },
        silence,
        ping_timeout: silence,
        ..defaults
    }
}

struct Plan {
    dice: Dice,
    settings: Settings,
    actions: Vec<Timed>,
    /// In milliseconds.
    end: u64,
}

impl Plan {
    fn in_silences(&self, factor: f64) -> u64 {
        (self.settings.silence.as_secs_f64() * factor * 1000.0) as u64
    }

    fn push(&mut self, at: u64, action: Action) {
        self.actions.push(Timed { at, action });
    }

    /// A time at which something happens: after everybody has met, mostly.
    fn time(&mut self) -> u64 {
        self.dice.between(self.end / 10, self.end)
    }

    /// When something that began then ends.
    fn later(&mut self, at: u64, silences: f64) -> u64 {
        let most = self.in_silences(silences).max(2);
        at + self.dice.between(1, most)
    }

    fn node(&mut self) -> usize {
        self.dice.roll(self.settings.peers as u64) as usize
    }

    fn two(&mut self) -> (usize, usize) {
        let a = self.node();
        let offset = self.dice.between(1, self.settings.peers as u64 - 1) as usize;
        (a, (a + offset) % self.settings.peers)
    }

    fn traffic(&mut self, profile: Profile) {
        for _ in 0..self.dice.between(22, 33) {
            let at = self.time();
            self.burst(at);
        }
        // A stream under whatever happens.
        let (node, to) = self.two();
        let every = (self.end / 12).max(1);
        for turn in 0..12 {
            self.push(
                turn * every,
                Action::Emit { node, to: Some(to), count: 1, size: 0, how: Manner::Event },
            );
        }
        if self.dice.happens(300) {
            self.transfer();
        }
        // Some begin with another policy than the default.
        if self.dice.happens(200) {
            let node = self.node();
            let policies = [PolicyName::Manual, PolicyName::RelayOnly, PolicyName::DirectOnly];
            let policy = self.dice.pick(&policies).unwrap_or(PolicyName::Manual);
            self.push(0, Action::Policy { node, policy });
            let until = self.later(0, 1.5);
            self.push(until, Action::Policy { node, policy: PolicyName::Automatic });
        }
        let changes = if profile == Profile::Calm { 4 } else { self.dice.roll(3) };
        for _ in 0..changes {
            let (at, node) = (self.time(), self.node());
            let policy = self
                .dice
                .pick(&[
                    PolicyName::Automatic,
                    PolicyName::Manual,
                    PolicyName::RelayOnly,
                    PolicyName::DirectOnly,
                ])
                .unwrap_or(PolicyName::Automatic);
            self.push(at, Action::Policy { node, policy });
            if policy != PolicyName::Automatic {
                let until = self.later(at, 1.0);
                let policy = PolicyName::Automatic;
                let back = if self.dice.happens(500) {
                    Action::Policy { node, policy }
                } else {
                    Action::Upgrade { node, to: None }
                };
                self.push(until, back);
            }
        }
    }

    fn burst(&mut self, at: u64) {
        let (node, other) = self.two();
        let to = self.dice.happens(600).then_some(other);
        let how = match self.dice.roll(20) {
            0 | 1 => Manner::Question,
            2 => Manner::Volatile,
            3 => Manner::Bulk,
            _ => Manner::Event,
        };
        let size = if self.dice.happens(80) { self.blob() } else { 0 };
        let count = if size > 0 { 1 } else { self.dice.between(1, 3) as u32 };
        self.push(at, Action::Emit { node, to, count, size, how });
    }

    /// A blob that travels in a few pieces, mostly.
    fn blob(&mut self) -> u32 {
        let piece = self.settings.record_bytes as u64;
        let most = if self.dice.happens(200) { piece * 8 } else { piece * 3 };
        self.dice.between(1, most.min(100_000)) as u32
    }

    fn transfer(&mut self) {
        let at = self.time();
        let (node, to) = self.two();
        let size = self.blob() * 4;
        let enough = self.dice.happens(150).then_some(size / 2);
        self.push(at, Action::Transfer { node, to, size, enough, unannounced: false, late: 0 });
        if self.dice.happens(150) {
            let time = self.later(at, 0.3);
            self.push(time, Action::CancelTransfer { node });
        }
    }
}
