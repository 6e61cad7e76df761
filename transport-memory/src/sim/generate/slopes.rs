//! Paths of some KB/s or with long delays, without other faults, and with default timeouts.

use std::time::Duration;

use super::{FOREVER, Plan};
use crate::conditions::Conditions;
use crate::dice::Dice;
use crate::sim::scenario::{Action, Manner, NodeSettings, PolicyName, Settings};

/// When the paths have become what they are, and when there is something on them.
const NARROW_AT: u64 = 6_000;
const START: u64 = 8_000;

/// The course of a scenario.
#[derive(Clone, Copy, Debug)]
enum Course {
    SmallBehindBulk,
    BulkBesideEvents,
    OneBig,
    Cuts,
    LateDrivers,
    /// Bulk on a path without a rate whose round trips are long.
    Long,
    /// A path that gets narrow under bulk.
    Narrowing,
    /// A path whose round trips get long under bulk.
    Stretching,
}

impl Plan {
    pub(super) fn slopes(&mut self, seed: u64) {
        let defaults = Settings::default();
        let settings = &mut self.settings;
        settings.peers = settings.peers.min(3);
        settings.honest = true;
        settings.patient = false;
        settings.resume_window = defaults.resume_window;
        settings.hub_resume_window = defaults.hub_resume_window;
        settings.silence = defaults.silence;
        settings.ping_timeout = defaults.ping_timeout;
        settings.behind_bulk = FOREVER;
        let outstanding = [16_384, 32_768, 65_536];
        let outstanding = self.dice.pick(&outstanding);
        let node = NodeSettings { outstanding, ..NodeSettings::default() };
        self.settings.nodes = vec![node; self.settings.peers];
        let (a, b) = self.two();
        let relayed = self.dice.happens(600);
        let rate = if relayed { self.dice.between(12_500, 32_000) } else { 12_000 } as u32;
        // What was added later has dice of its own.
        let mut dice = Dice::for_purpose(seed, 28);
        let later = [Course::Long, Course::Narrowing, Course::Stretching];
        let later = dice.pick(&later).filter(|_| dice.happens(300));
        let course = later.unwrap_or(match self.dice.roll(5) {
            0 => Course::SmallBehindBulk,
            1 => Course::BulkBesideEvents,
            2 => Course::OneBig,
            3 => Course::Cuts,
            _ => Course::LateDrivers,
        });
        if relayed {
            for node in 0..self.settings.peers {
                self.push(0, Action::Policy { node, policy: PolicyName::RelayOnly });
            }
        }
        match course {
            Course::Long => {}
            Course::Narrowing | Course::Stretching => {
                // It is judged by the narrowest that it ever is. Finding out that it has become long takes time.
                let stretches = matches!(course, Course::Stretching);
                let (narrowest, rate) = if stretches { (rate / 2, rate) } else { (rate, rate * 8) };
                let conditions = |rate| Conditions { rate, ..Conditions::default() };
                self.paths(NARROW_AT - 100, relayed, conditions(narrowest));
                self.paths(NARROW_AT, relayed, conditions(rate));
            }
            Course::SmallBehindBulk
            | Course::BulkBesideEvents
            | Course::OneBig
            | Course::Cuts
            | Course::LateDrivers => {
                self.paths(NARROW_AT, relayed, Conditions { rate, ..Conditions::default() });
            }
        }
        self.course(course, (a, b), relayed, rate, &mut dice);
        // Paths stay as they are until all can have come.
        let mut end = 90_000;
        for timed in &self.actions {
            if let Action::Emit { size, count, .. } = &timed.action {
                end += u64::from(*size) * u64::from(*count) * 4_000 / u64::from(rate);
            }
        }
        self.push(end, Action::Heal);
    }

    /// All paths that are used are like that from now on.
    fn paths(&mut self, at: u64, relayed: bool, conditions: Conditions) {
        for node in 0..self.settings.peers {
            if relayed {
                self.push(at, Action::RelayPath { node, conditions });
            }
            for to in (0..self.settings.peers).filter(|to| *to != node && !relayed) {
                self.push(at, Action::DirectPath { from: node, to, conditions });
            }
        }
    }

    fn course(
        &mut self,
        course: Course,
        (a, b): (usize, usize),
        relayed: bool,
        rate: u32,
        dice: &mut Dice,
    ) {
        let behind_bulk = Settings::default().behind_bulk;
        let emit = |to, count, size, how| Action::Emit { node: a, to, count, size, how };
        match course {
            Course::SmallBehindBulk => {
                self.settings.behind_bulk = behind_bulk;
                let size = self.dice.between(100_000, 400_000) as u32;
                self.push(START, emit(Some(b), 1, size, Manner::Bulk));
                for turn in 0..6 {
                    let at = START + 1_500 + turn * 1_700;
                    self.push(at, emit(Some(b), 1, 0, Manner::Event));
                }
            }
            Course::BulkBesideEvents => {
                self.push(START, emit(Some(b), 1, 20_000, Manner::Bulk));
                for turn in 0..40 {
                    let size = rate / 2;
                    self.push(START + turn * 500, emit(Some(b), 1, size, Manner::Event));
                }
            }
            Course::OneBig => {
                let size = self.dice.between(200_000, 1_000_000) as u32;
                let how = if self.dice.happens(500) { Manner::Event } else { Manner::Bulk };
                self.push(START, emit(Some(b), 1, size, how));
            }
            Course::Cuts => {
                let size = self.dice.between(300_000, 900_000) as u32;
                self.push(START, emit(Some(b), 1, size, Manner::Bulk));
                for turn in 1..4 {
                    let at = START + turn * 30_000;
                    let cut = match (relayed, turn % 2) {
                        (true, 0) => Action::Break { node: a },
                        (true, _) => Action::Drop { node: a },
                        (false, _) => Action::CloseDirect { a, b },
                    };
                    self.push(at, cut);
                }
            }
            Course::LateDrivers => {
                let pause = self.dice.between(20, 200);
                for node in 0..self.settings.peers {
                    self.push(START, Action::Drain { node, pause });
                }
                for turn in 0..8 {
                    let size = self.dice.roll(20_000) as u32;
                    self.push(START + turn * 700, emit(None, 1, size, Manner::Event));
                }
            }
            Course::Long => {
                let latency = Duration::from_millis(dice.between(60, 100));
                self.settings.relay_latency = latency;
                self.settings.direct_latency = latency;
                self.settings.nodes.iter_mut().for_each(|node| node.outstanding = None);
                let size = dice.between(2_000_000, 3_500_000) as u32;
                self.push(START, emit(Some(b), 1, size, Manner::Bulk));
            }
            Course::Narrowing => {
                self.settings.behind_bulk = behind_bulk;
                self.push(START, emit(Some(b), 1, rate * 35, Manner::Bulk));
                let narrow = START + dice.between(1_000, 2_000);
                self.paths(narrow, relayed, Conditions { rate, ..Conditions::default() });
                for turn in 0..4 {
                    let at = narrow + 10_000 + turn * 1_700;
                    self.push(at, emit(Some(b), 1, 0, Manner::Event));
                }
            }
            Course::Stretching => {
                self.push(START, emit(Some(b), 1, rate * 40, Manner::Bulk));
                let delay = Duration::from_millis(if relayed { 300 } else { 600 });
                let long = Conditions { rate, delay, ..Conditions::default() };
                self.paths(START + 2_000, relayed, long);
            }
        }
    }
}
