//! The state of the direct path to a peer, as the application sees it.

use std::fmt;

use crate::connection_report::{CandidateCounts, DirectStage};
use crate::error::PeerError;
use crate::time::Time;
use crate::wire::Decline;

/// The state of the direct path to a peer: whether events use it, and if not, why.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum DirectState {
    /// Events go over the direct path.
    Direct,
    /// The direct path works, and [`Policy::Manual`](crate::Policy::Manual) keeps events off it until
    /// [`upgrade`](crate::Session::upgrade).
    Validated,
    /// An attempt is under way.
    Trying {
        /// The number of the attempt, from 1, since a direct path worked or the attempts began anew.
        attempt: u32,
        /// How far it has come.
        stage: DirectStage,
    },
    /// It is the peer's turn to offer.
    AwaitingOffer {
        /// When this side offers instead; `None`: never, because the peer is a v0 peer.
        until: Option<Time>,
    },
    /// No signal can reach the peer at present: this session or the peer has no connection to the server.
    NoSignaling,
    /// The latest attempt failed, or the path was lost. The [`DirectFailure`] has the details.
    Failed {
        /// When this side tries again.
        retry_at: Time,
    },
    /// This side makes no further attempt: [`max_attempts`](crate::Config::max_attempts) of them failed, or the
    /// one with a v0 peer. It begins anew with `upgrade`, with a change of the policy, and when the peer offers
    /// or joins again. The [`DirectFailure`] has the details.
    GaveUp,
    /// An offer was declined.
    Declined {
        /// The side that declined it.
        by: Side,
        /// The reason.
        reason: Decline,
        /// When this side offers. `None`: the peer declined, and offers itself when it can, or never.
        retry_at: Option<Time>,
    },
    /// This side wants no direct path to the peer at present.
    NotWanted(NotWanted),
}

/// One of the two sides of a link.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Side {
    /// This session.
    Local,
    /// The peer.
    Remote,
}

/// Why this side wants no direct path to a peer.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum NotWanted {
    /// The policy is [`RelayOnly`](crate::Policy::RelayOnly).
    RelayOnly,
    /// This session has [`max_peers`](crate::Config::max_peers) direct paths and attempts. An attempt follows
    /// when one of them ends.
    MaxPeers,
    /// The session is closing.
    Closing,
}

/// The latest failure of the direct path to a peer since the path last worked.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct DirectFailure {
    /// The number of the attempt, from 1; 0 for a path that had been validated.
    pub attempt: u32,
    /// The stage that the attempt had reached.
    pub stage: DirectStage,
    /// The error, as in [`Event::PeerError`](crate::Event::PeerError).
    pub error: PeerError,
    /// This side's candidates, as far as the transport reported them.
    pub local: CandidateCounts,
    /// The peer's candidates, as far as the transport reported them.
    pub remote: CandidateCounts,
}

impl DirectState {
    /// Returns the state with `convert` applied to its times.
    pub(crate) fn map_times(self, convert: impl Fn(Time) -> Time) -> Self {
        match self {
            Self::AwaitingOffer { until } => Self::AwaitingOffer { until: until.map(convert) },
            Self::Failed { retry_at } => Self::Failed { retry_at: convert(retry_at) },
            Self::Declined { by, reason, retry_at } => {
                Self::Declined { by, reason, retry_at: retry_at.map(convert) }
            }
            Self::Direct
            | Self::Validated
            | Self::Trying { .. }
            | Self::NoSignaling
            | Self::GaveUp
            | Self::NotWanted(_) => self,
        }
    }
}

impl fmt::Display for DirectState {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Direct => f.write_str("direct"),
            Self::Validated => f.write_str("validated, unused until `upgrade`"),
            Self::Trying { attempt, stage } => write!(f, "attempt {attempt}: {stage}"),
            Self::AwaitingOffer { .. } => f.write_str("the peer's offer is awaited"),
            Self::NoSignaling => f.write_str("no signal can reach the peer"),
            Self::Failed { .. } => f.write_str("failed, to be tried again"),
            Self::GaveUp => f.write_str("given up"),
            Self::Declined { by: Side::Local, reason, .. } => {
                write!(f, "declined by this side: {reason}")
            }
            Self::Declined { by: Side::Remote, reason, .. } => {
                write!(f, "declined by the peer: {reason}")
            }
            Self::NotWanted(NotWanted::RelayOnly) => f.write_str("not wanted: relay-only"),
            Self::NotWanted(NotWanted::MaxPeers) => f.write_str("not wanted: max_peers is reached"),
            Self::NotWanted(NotWanted::Closing) => f.write_str("not wanted: closing"),
        }
    }
}

/// Prints the stage, the candidates of both sides and the error.
impl fmt::Display for DirectFailure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { stage, error, local, remote, .. } = self;
        write!(f, "at the stage {stage} (candidates: {local}; the peer's: {remote}): {error}")
    }
}
