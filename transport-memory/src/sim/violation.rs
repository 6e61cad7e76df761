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
    /// After how many steps.
    pub step: u64,
    /// After how much virtual time.
    pub at: Duration,
    /// What did not hold.
    pub breach: Breach,
}
