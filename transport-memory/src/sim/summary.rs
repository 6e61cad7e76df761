//! The statistics of many runs.

use std::collections::BTreeMap;
use std::fmt;
use std::time::Duration;

use super::{Invariant, Report, Violation};
use crate::mesh::Fault;

/// The statistics of many runs.
#[derive(Clone, Debug, Default)]
pub struct Summary {
    seeds: u64,
    violations: Vec<Violation>,
    steps: Vec<u32>,
    packets: Vec<u32>,
    path_changes: Vec<u32>,
    delivered: u64,
    answers: u64,
    transfers: u64,
    span: Duration,
    faults: Vec<Tally>,
}

/// One fault over many runs.
#[derive(Clone, Copy, Debug, Default)]
struct Tally {
    hits: u64,
    seeds_hit: u64,
    changes: u64,
    seeds_changed: u64,
}

impl Summary {
    /// Adds a run.
    pub fn add(&mut self, result: Result<Report, Violation>) {
        self.seeds += 1;
        let report = match result {
            Ok(report) => report,
            Err(violation) => return self.violations.push(violation),
        };
        let count = |number: u64| u32::try_from(number).unwrap_or(u32::MAX);
        self.steps.push(count(report.steps));
        self.packets.push(count(report.packets));
        self.path_changes.push(count(report.path_changes));
        self.delivered += report.delivered;
        self.answers += report.answers;
        self.transfers += report.transfers;
        self.span += report.span;
        self.faults.resize(Fault::ALL.len(), Tally::default());
        for (tally, fault) in self.faults.iter_mut().zip(Fault::ALL) {
            let (hits, changes) = (report.effects.hits(*fault), report.effects.changes(*fault));
            tally.hits += u64::from(hits);
            tally.changes += u64::from(changes);
            tally.seeds_hit += u64::from(hits > 0 || changes > 0);
            tally.seeds_changed += u64::from(changes > 0);
        }
    }

    /// Adds the runs of another summary.
    pub fn merge(&mut self, mut other: Self) {
        self.seeds += other.seeds;
        self.violations.append(&mut other.violations);
        self.steps.append(&mut other.steps);
        self.packets.append(&mut other.packets);
        self.path_changes.append(&mut other.path_changes);
        self.delivered += other.delivered;
        self.answers += other.answers;
        self.transfers += other.transfers;
        self.span += other.span;
        self.faults.resize(Fault::ALL.len(), Tally::default());
        for (mine, theirs) in self.faults.iter_mut().zip(other.faults) {
            mine.hits += theirs.hits;
            mine.seeds_hit += theirs.seeds_hit;
            mine.changes += theirs.changes;
            mine.seeds_changed += theirs.seeds_changed;
        }
    }

    /// The number of runs.
    #[must_use]
    pub const fn seeds(&self) -> u64 {
        self.seeds
    }

    /// The violations, in the order in which they were added.
    #[must_use]
    pub fn violations(&self) -> &[Violation] {
        &self.violations
    }

    /// The share of runs without a violation, in percent, in which a fault changed what was delivered, when, or on which path.
    #[must_use]
    pub fn share_changed(&self, fault: Fault) -> f64 {
        let changed = self.faults.get(fault as usize).map_or(0, |tally| tally.seeds_changed);
        percent(changed, self.steps.len() as u64)
    }

    /// The numbers of events delivered, acks received, and transfers read to their end.
    #[must_use]
    pub const fn delivered(&self) -> (u64, u64, u64) {
        (self.delivered, self.answers, self.transfers)
    }

    /// The medians over all runs of steps, of reliable packets, and of path changes.
    #[must_use]
    pub fn medians(&self) -> (u32, u32, u32) {
        (median(&self.steps), median(&self.packets), median(&self.path_changes))
    }
}

fn percent(part: u64, whole: u64) -> f64 {
    part as f64 * 100.0 / whole.max(1) as f64
}

fn median(numbers: &[u32]) -> u32 {
    let mut numbers = numbers.to_vec();
    let middle = numbers.len() / 2;
    if numbers.is_empty() {
        return 0;
    }
    *numbers.select_nth_unstable(middle).1
}

impl fmt::Display for Summary {
    /// A table of the faults, then the statistics.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        // What a run with a violation was like is not known.
        let whole = self.steps.len() as u64;
        writeln!(
            f,
            "{:<34} {:>12} {:>9} {:>12} {:>12}",
            "fault", "ordered", "in seeds", "took effect", "in seeds"
        )?;
        for (tally, fault) in self.faults.iter().zip(Fault::ALL) {
            writeln!(
                f,
                "{:<34} {:>12} {:>8.2}% {:>12} {:>11.2}%",
                fault.label(),
                tally.hits,
                percent(tally.seeds_hit, whole),
                tally.changes,
                percent(tally.seeds_changed, whole),
            )?;
        }
        let (steps, packets, path_changes) = self.medians();
        writeln!(
            f,
            "medians per seed: {steps} steps, {packets} reliable packets, {path_changes} path changes"
        )?;
        writeln!(
            f,
            "{} seeds, {} events delivered, {} questions answered, {} transfers read, {:.0} s of virtual time",
            self.seeds,
            self.delivered,
            self.answers,
            self.transfers,
            self.span.as_secs_f64()
        )?;
        let mut kinds: BTreeMap<Invariant, u64> = BTreeMap::new();
        for violation in &self.violations {
            *kinds.entry(violation.breach.invariant).or_default() += 1;
        }
        for (kind, count) in kinds {
            writeln!(f, "{count:>8} seeds: {kind}")?;
        }
        write!(f, "violations {}", self.violations.len())
    }
}
