//! Shrinking a scenario with a violation.

use super::run;
use super::scenario::Scenario;
use super::violation::Violation;
use crate::invariant::Invariant;

/// Removes the actions that are not needed for a violation of the same invariant: halves first, then ever smaller
/// parts, at last single actions, until none can be removed. At most `runs` runs are made.
///
/// `scenario` itself must fail; otherwise it is returned unchanged, without a violation.
#[must_use]
pub fn shrink(scenario: &Scenario, runs: usize) -> (Scenario, Option<Violation>) {
    shrink_with(scenario, runs, |scenario| run(scenario).err())
}

/// As [`shrink`], with a run of one's own: an application on top, for one.
pub fn shrink_with(
    scenario: &Scenario,
    runs: usize,
    mut fails: impl FnMut(&Scenario) -> Option<Violation>,
) -> (Scenario, Option<Violation>) {
    let mut best = scenario.clone();
    let Some(mut violation) = fails(&best) else { return (best, None) };
    let invariant = violation.breach.invariant;
    let mut left = runs;
    cut_tail(&mut best, &violation);
    let mut part = best.actions.len().div_ceil(2).max(1);
    loop {
        let mut shorter = false;
        let mut start = 0;
        while start < best.actions.len() {
            if left == 0 {
                return (best, Some(violation));
            }
            left -= 1;
            let mut candidate = best.clone();
            candidate.actions.drain(start..candidate.actions.len().min(start + part));
            match fails(&candidate).filter(|found| same(found, invariant)) {
                Some(found) => {
                    best = candidate;
                    violation = found;
                    shorter = true;
                }
                None => start += part,
            }
        }
        match (part, shorter) {
            (1, false) => return (best, Some(violation)),
            (1, true) => {}
            (_, _) => part = part.div_ceil(2),
        }
    }
}

fn same(found: &Violation, invariant: Invariant) -> bool {
    found.breach.invariant == invariant
}

/// What would have come after the violation did not matter.
fn cut_tail(scenario: &mut Scenario, violation: &Violation) {
    let at = violation.at.as_millis();
    scenario.actions.retain(|timed| u128::from(timed.at) <= at);
}
