//! Kinds of trouble.

use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Serialize};
use thiserror::Error;

macro_rules! profiles {
    ($($(#[doc = $doc:literal])* $name:ident $label:literal,)*) => {
        /// The kind of faults and traffic of a generated scenario.
        #[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
        #[serde(rename_all = "kebab-case")]
        #[non_exhaustive]
        pub enum Profile {
            $($(#[doc = $doc])* $name,)*
        }

        impl Profile {
            /// All profiles. Seeds of wide scenarios take them in turn.
            pub const ALL: &[Self] = &[$(Self::$name),*];

            /// The profiles of narrow scenarios. Seeds take them in turn.
            pub const NARROW: &[Self] = Self::ALL.split_at(Self::Limits as usize).0;

            /// Its name.
            #[must_use]
            pub const fn label(self) -> &'static str {
                match self {
                    $(Self::$name => $label,)*
                }
            }
        }
    };
}

profiles! {
    /// Traffic and changes of policy, no fault.
    Calm "calm",
    /// Loss, duplication, reordering, delay, jitter and narrow paths.
    Lossy "lossy",
    /// Partitions, one-way cuts, half-open paths and sockets.
    Partitions "partitions",
    /// Peers crash, close and restart.
    Crashes "crashes",
    /// The hub crashes, sockets break, rosters are wrong.
    Hub "hub",
    /// Slow and frozen consumers, big blobs, narrow paths.
    Slow "slow",
    /// Crossing offers; lost, late and duplicate signals; failing and flapping attempts; channels that close in mid-blob.
    Glare "glare",
    /// A malicious peer.
    Malice "malice",
    /// Clocks jump.
    Clock "clock",
    /// All of the above.
    Mixed "mixed",
    /// Receivers with limits of their own, and events beyond them; no fault.
    Limits "limits",
    /// Transfers of every kind, late readers, small windows; no fault.
    Streams "streams",
    /// All policies, and changes of policy.
    Policies "policies",
    /// Slow paths without faults, with default timeouts.
    Slopes "slopes",
    /// No path but via neighbours, some of which forward in one direction only.
    Neighbours "neighbours",
    /// Original clients in the room.
    Originals "originals",
    /// Peers that provoke repeated answers.
    Floods "floods",
}

impl Profile {
    /// The profile of a seed of narrow scenarios, where none is chosen.
    #[must_use]
    pub fn of_seed(seed: u64) -> Self {
        Self::in_turn(seed, Self::NARROW)
    }

    /// The profile of a seed of wide scenarios, where none is chosen.
    #[must_use]
    pub fn of_wide_seed(seed: u64) -> Self {
        Self::in_turn(seed, Self::ALL)
    }

    /// Whether its faults delay what goes through the hub.
    pub(super) const fn delays_relay(self) -> bool {
        matches!(
            self,
            Self::Lossy
                | Self::Partitions
                | Self::Crashes
                | Self::Hub
                | Self::Slow
                | Self::Clock
                | Self::Mixed
        )
    }

    fn in_turn(seed: u64, of: &[Self]) -> Self {
        let index = usize::try_from(seed % of.len() as u64).unwrap_or(0);
        of.get(index).copied().unwrap_or(Self::Mixed)
    }
}

impl fmt::Display for Profile {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.label())
    }
}

/// A profile that does not exist.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
#[error(
    "no profile {0:?}; there are calm, lossy, partitions, crashes, hub, slow, glare, malice, clock, mixed, limits, \
     streams, policies, slopes, neighbours, originals and floods"
)]
pub struct UnknownProfile(String);

impl FromStr for Profile {
    type Err = UnknownProfile;

    fn from_str(name: &str) -> Result<Self, UnknownProfile> {
        let found = Self::ALL.iter().find(|profile| profile.label() == name);
        found.copied().ok_or_else(|| UnknownProfile(name.to_owned()))
    }
}
