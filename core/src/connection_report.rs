//! What a direct transport reports about a connection: its stage, and the candidates.

use std::fmt;
use std::str::FromStr;

/// How far an attempt at a direct path has come, in the order of the stages.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[non_exhaustive]
pub enum DirectStage {
    /// This side's transport prepares its offer or answer, and gathers its candidates.
    #[default]
    Gathering,
    /// The offer is sent; the answer is awaited.
    Signaling,
    /// Both descriptions are exchanged; the transport looks for a way between the two ends (ICE).
    Checking,
    /// A way is found; the two ends agree on keys (DTLS).
    Dtls,
    /// The connection is secure; its data channel is being opened.
    Channel,
    /// The data channel is open; a round trip is to prove that it leads to the peer.
    Validating,
    /// The path was validated, so that it worked. Only of a path that was lost afterwards.
    Validated,
}

impl fmt::Display for DirectStage {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Gathering => "gathering",
            Self::Signaling => "signalling",
            Self::Checking => "checking",
            Self::Dtls => "DTLS",
            Self::Channel => "channel",
            Self::Validating => "validating",
            Self::Validated => "validated",
        })
    }
}

/// The kind of an ICE candidate (RFC 8445 section 5.1).
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[non_exhaustive]
pub enum CandidateKind {
    /// An address of the machine.
    Host,
    /// The address that a STUN server sees.
    ServerReflexive,
    /// An address that the other end sees, and that neither side knew before the checks.
    PeerReflexive,
    /// An address of a TURN server.
    Relay,
}

impl CandidateKind {
    /// All kinds.
    pub const ALL: [Self; 4] =
        [Self::Host, Self::ServerReflexive, Self::PeerReflexive, Self::Relay];

    /// Returns the name in session descriptions (RFC 8839 section 5.1): `host`, `srflx`, `prflx` or `relay`.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Host => "host",
            Self::ServerReflexive => "srflx",
            Self::PeerReflexive => "prflx",
            Self::Relay => "relay",
        }
    }
}

/// Prints the [`name`](CandidateKind::name).
impl fmt::Display for CandidateKind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

impl FromStr for CandidateKind {
    type Err = UnknownCandidateKind;

    fn from_str(name: &str) -> Result<Self, UnknownCandidateKind> {
        Self::ALL.into_iter().find(|kind| kind.name() == name).ok_or(UnknownCandidateKind)
    }
}

/// A text that is not the name of a [`CandidateKind`].
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("expected a kind of ICE candidate: host, srflx, prflx or relay")]
pub struct UnknownCandidateKind;

/// The number of one side's candidates of each kind. The counters stop at their maximum.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub struct CandidateCounts {
    /// [`CandidateKind::Host`].
    pub host: u16,
    /// [`CandidateKind::ServerReflexive`].
    pub server_reflexive: u16,
    /// [`CandidateKind::PeerReflexive`].
    pub peer_reflexive: u16,
    /// [`CandidateKind::Relay`].
    pub relay: u16,
}

impl CandidateCounts {
    /// Counts one more candidate of a kind.
    pub const fn add(&mut self, kind: CandidateKind) {
        let count = match kind {
            CandidateKind::Host => &mut self.host,
            CandidateKind::ServerReflexive => &mut self.server_reflexive,
            CandidateKind::PeerReflexive => &mut self.peer_reflexive,
            CandidateKind::Relay => &mut self.relay,
        };
        *count = count.saturating_add(1);
    }

    /// Returns the number of candidates of all kinds.
    #[must_use]
    pub fn total(&self) -> u32 {
        let Self { host, server_reflexive, peer_reflexive, relay } = *self;
        [host, server_reflexive, peer_reflexive, relay].map(u32::from).into_iter().sum()
    }
}

/// Prints the kinds with a candidate, such as `2 host, 1 srflx`, or `none`.
impl fmt::Display for CandidateCounts {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { host, server_reflexive, peer_reflexive, relay } = *self;
        let counts = [host, server_reflexive, peer_reflexive, relay];
        let present = CandidateKind::ALL.into_iter().zip(counts).filter(|(_, count)| *count > 0);
        let mut is_first = true;
        for (kind, count) in present {
            let separator = if std::mem::take(&mut is_first) { "" } else { ", " };
            write!(f, "{separator}{count} {kind}")?;
        }
        if is_first { f.write_str("none") } else { Ok(()) }
    }
}

/// The kinds of the two candidates between which a direct path leads.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct CandidatePair {
    /// The kind of this side's candidate.
    pub local: CandidateKind,
    /// The kind of the peer's candidate.
    pub remote: CandidateKind,
}

/// Prints both kinds, such as `host/srflx`.
impl fmt::Display for CandidatePair {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}/{}", self.local, self.remote)
    }
}

/// What a direct transport knows about a connection at present. Each report replaces the previous one.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub struct ConnectionReport {
    /// The stage. The session takes it for reached for good, at most [`DirectStage::Channel`]: it knows itself
    /// which signals were exchanged, and whether the channel is open and validated.
    pub stage: DirectStage,
    /// This side's candidates.
    pub local: CandidateCounts,
    /// The peer's candidates.
    pub remote: CandidateCounts,
    /// The pair of candidates in use, once there is one.
    pub selected: Option<CandidatePair>,
}

impl ConnectionReport {
    /// Creates a report without candidates.
    #[must_use]
    pub fn new(stage: DirectStage) -> Self {
        Self { stage, ..Self::default() }
    }
}

#[cfg(test)]
mod tests {
    use super::{CandidateCounts, CandidateKind};

    #[test]
    fn counts_print_the_kinds_that_are_present() {
        let mut counts = CandidateCounts::default();
        assert_eq!(counts.to_string(), "none");
        counts.add(CandidateKind::Relay);
        counts.add(CandidateKind::Host);
        counts.add(CandidateKind::Host);
        assert_eq!((counts.to_string().as_str(), counts.total()), ("2 host, 1 relay", 3));
    }

    #[test]
    fn a_kind_is_parsed_from_its_name() {
        for kind in CandidateKind::ALL {
            assert_eq!(kind.to_string().parse(), Ok(kind));
        }
        assert!("tcp".parse::<CandidateKind>().is_err());
    }
}
