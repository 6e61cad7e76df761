//! Shrinking a scenario with a violation.

use super::run;
use super::scenario::{Action, Scenario};
use super::violation::Violation;

/// Removes the actions that are not needed for a violation of the same invariant: halves first, then ever smaller
/// parts, at last single actions, until none can be removed. What is left gets the smallest counts, sizes and spans
/// with which it still fails. At most `runs` runs are made.
///
/// `scenario` itself must fail; otherwise it is returned unchanged, without a violation.
#[must_use]
pub fn shrink(scenario: &Scenario, runs: usize) -> (Scenario, Option<Violation>) {
    shrink_with(scenario, runs, |scenario| run(scenario).err())
}

/// As [`shrink`], with a run of one's own; [`shrink_application`] is for those with an application.
pub fn shrink_with(
    scenario: &Scenario,
    runs: usize,
    mut fails: impl FnMut(&Scenario) -> Option<Violation>,
) -> (Scenario, Option<Violation>) {
    let Some(violation) = fails(scenario) else { return (scenario.clone(), None) };
    let mut search = Search { best: scenario.clone(), violation, fails, left: runs };
    search.cut_tail();
    loop {
        search.remove_actions();
        if !search.reduce_sizes() {
            return (search.best, Some(search.violation));
        }
    }
}

/// As [`shrink`], for a scenario that applications run: `fails` runs it, with
/// [`run_application`](super::run_application). The result consists of turns: see [`Scenario::with_turns`].
pub fn shrink_application(
    scenario: &Scenario,
    runs: usize,
    fails: impl FnMut(&Scenario) -> Option<Violation>,
) -> (Scenario, Option<Violation>) {
    shrink_with(&scenario.with_turns(), runs, fails)
}

/// The search for a smaller scenario that fails in the same way.
struct Search<F> {
    best: Scenario,
    violation: Violation,
    fails: F,
    /// The number of runs that are left.
    left: usize,
}

impl<F: FnMut(&Scenario) -> Option<Violation>> Search<F> {
    /// What would have come after the violation did not matter.
    fn cut_tail(&mut self) {
        let at = self.violation.at.as_millis();
        self.best.actions.retain(|timed| u128::from(timed.at) <= at);
    }

    fn remove_actions(&mut self) {
        let mut part = self.best.actions.len().div_ceil(2).max(1);
        loop {
            let mut is_shorter = false;
            let mut start = 0;
            while start < self.best.actions.len() && self.left > 0 {
                let mut candidate = self.best.clone();
                candidate.actions.drain(start..candidate.actions.len().min(start + part));
                if self.accept(candidate) {
                    is_shorter = true;
                } else {
                    start += part;
                }
            }
            match (part, is_shorter) {
                _ if self.left == 0 => return,
                (1, false) => return,
                (1, true) => {}
                (_, _) => part = part.div_ceil(2),
            }
        }
    }

    /// Returns whether any size is smaller now.
    fn reduce_sizes(&mut self) -> bool {
        let mut is_smaller = false;
        for index in 0..self.best.actions.len() {
            for size in 0..self.action(index).sizes().len() {
                is_smaller |= self.reduce_size(index, size);
            }
        }
        is_smaller
    }

    fn reduce_size(&mut self, index: usize, size: usize) -> bool {
        let before = self.action(index).sizes()[size];
        // Most sizes do not matter.
        if before.value <= before.least || self.try_size(index, size, before.least) {
            return before.value > before.least;
        }
        let (mut too_small, mut enough) = (before.least, before.value);
        while enough - too_small > 1 && self.left > 0 {
            let middle = too_small + (enough - too_small) / 2;
            if self.try_size(index, size, middle) {
                enough = middle;
            } else {
                too_small = middle;
            }
        }
        enough < before.value
    }

    fn try_size(&mut self, index: usize, size: usize, value: u64) -> bool {
        let mut candidate = self.best.clone();
        candidate.actions[index].action = self.action(index).with_size(size, value);
        self.accept(candidate)
    }

    fn action(&self, index: usize) -> &Action {
        &self.best.actions[index].action
    }

    /// Runs a candidate, and keeps it when it fails in the same way.
    fn accept(&mut self, candidate: Scenario) -> bool {
        if self.left == 0 {
            return false;
        }
        self.left -= 1;
        let invariant = self.violation.breach.invariant;
        let Some(found) = (self.fails)(&candidate) else { return false };
        if found.breach.invariant != invariant {
            return false;
        }
        self.best = candidate;
        self.violation = found;
        true
    }
}
