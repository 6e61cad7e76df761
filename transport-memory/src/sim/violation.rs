//! What a run can find.

use std::time::Duration;

use thiserror::Error;

use super::profile::Profile;
use crate::invariant::Breach;

/// An invariant that did not hold in a run, and where.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
#[error("seed {seed}, profile {profile}, step {step}, {at:?} into the run: {breach}")]
pub struct Violation {
    /// The seed of the scenario.
    pub seed: u64,
    /// Its profile.
    pub profile: Profile,
    /// The number of steps before it.
    pub step: u64,
    /// The virtual time before it.
    pub at: Duration,
    /// The breach.
    pub breach: Breach,
}
