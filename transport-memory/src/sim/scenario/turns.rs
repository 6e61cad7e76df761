//! Scenarios for applications.

use super::{Action, Scenario, Timed};

impl Scenario {
    /// Returns the scenario as applications run it: each event that a node would emit becomes a turn of the
    /// application's user, and what only the simulator's own events and transfers give a meaning to is left out. All
    /// else, faults above all, is the same.
    ///
    /// The turns are numbered, and a number determines the dice of its turn: a turn draws the same whatever is removed
    /// from the scenario. Turns that are there already keep their numbers.
    #[must_use]
    #[expect(clippy::wildcard_enum_match_arm, reason = "all others mean the same to applications")]
    pub fn with_turns(&self) -> Self {
        let mut next =
            self.actions.iter().map(|timed| timed.action.after_turn()).max().unwrap_or(0);
        let mut actions = Vec::with_capacity(self.actions.len());
        for Timed { at, action } in &self.actions {
            let (node, count) = match action {
                Action::Emit { node, count, .. } => (*node, *count),
                Action::EmitShape { node, .. } => (*node, 1),
                Action::Transfer { .. }
                | Action::CancelTransfer { .. }
                | Action::RefuseTransfer { .. } => continue,
                other => {
                    actions.push(Timed { at: *at, action: other.clone() });
                    continue;
                }
            };
            for _ in 0..count {
                actions.push(Timed { at: *at, action: Action::Turn { node, number: next } });
                next = next.saturating_add(1);
            }
        }
        Self { seed: self.seed, profile: self.profile, settings: self.settings.clone(), actions }
    }
}

impl Action {
    /// The first number after the one of a turn.
    const fn after_turn(&self) -> u32 {
        if let Self::Turn { number, .. } = self { number.saturating_add(1) } else { 0 }
    }
}
