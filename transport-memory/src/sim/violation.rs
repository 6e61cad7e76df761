//! What a run can find.

use std::fmt;
use std::time::Duration;

use thiserror::Error;

use super::Profile;

/// What always holds.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[non_exhaustive]
pub enum Invariant {
    /// What arrives is a prefix of what was sent, per sender, receiver, lane and epoch.
    Order,
    /// Nothing arrives twice.
    Singleness,
    /// A blob arrives whole or not at all.
    Wholeness,
    /// What arrives was sent, by the peer that it is said to come from.
    Origin,
    /// Every emit ends once for each peer, and as it is said.
    Outcome,
    /// Every question ends once, by its answer or without one.
    Answer,
    /// Peers join before they leave, are away before they are back, and nothing comes of those that have left.
    Presence,
    /// A path changes to another one.
    Path,
    /// A direct path that is dead is found out in time.
    Distress,
    /// `Writable` follows `Blocked`, once.
    Pushback,
    /// No queue grows above its bound.
    QueueCap,
    /// Nobody is twice in a roster.
    Roster,
    /// A peer keeps its id.
    Identity,
    /// A transfer brings all bytes in order, and ends once at each side, as it is said.
    Transfer,
    /// Two peers have one channel with each other, and both agree on it.
    Agreement,
    /// When faults end, everybody finds everybody, by the best path allowed.
    Convergence,
    /// When faults end, all that was accepted arrives.
    Delivery,
    /// What is not needed any more is given back: queues, timers, connections.
    Leak,
    /// Attempts at direct paths are bounded.
    Attempts,
    /// Time goes on: nothing is due for ever.
    Progress,
    /// Nothing panics.
    Panic,
    /// What the application on top says of itself.
    Application,
}

impl Invariant {
    /// Its name in reports.
    #[must_use]
    pub const fn label(self) -> &'static str {
        match self {
            Self::Order => "order",
            Self::Singleness => "singleness",
            Self::Wholeness => "wholeness",
            Self::Origin => "origin",
            Self::Outcome => "outcome",
            Self::Answer => "answer",
            Self::Presence => "presence",
            Self::Path => "path",
            Self::Distress => "distress",
            Self::Pushback => "pushback",
            Self::QueueCap => "queue cap",
            Self::Roster => "roster",
            Self::Identity => "identity",
            Self::Transfer => "transfer",
            Self::Agreement => "agreement",
            Self::Convergence => "convergence",
            Self::Delivery => "delivery",
            Self::Leak => "leak",
            Self::Attempts => "attempts",
            Self::Progress => "progress",
            Self::Panic => "panic",
            Self::Application => "application",
        }
    }
}

impl fmt::Display for Invariant {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.label())
    }
}

/// What was expected, and what came instead.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
#[error("{invariant}: expected {expected}, got {came}")]
pub struct Breach {
    /// What does not hold.
    pub invariant: Invariant,
    /// What should have been.
    pub expected: String,
    /// What was.
    pub came: String,
}

impl Breach {
    /// A breach of an invariant.
    pub fn new(invariant: Invariant, expected: impl Into<String>, came: impl Into<String>) -> Self {
        Self { invariant, expected: expected.into(), came: came.into() }
    }
}

/// An invariant that did not hold in a run, and where.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
#[error("seed {seed}, profile {profile}, step {step}, {at:?} into the run: {breach}")]
pub struct Violation {
    /// The seed of the scenario.
    pub seed: u64,
    /// Its profile.
    pub profile: Profile,
    /// After how many steps.
    pub step: u64,
    /// After how much virtual time.
    pub at: Duration,
    /// What did not hold.
    pub breach: Breach,
}
