//! The remote's ICE candidates: filtered, counted, and held back until its description is applied.

use socketio_p2p_core::wire::IceCandidate;
use thiserror::Error;

use crate::sdp::MAX_CANDIDATES;

/// The remote's candidates of one connection.
#[derive(Debug)]
pub(crate) enum RemoteCandidates {
    /// The remote's description is not applied yet: the candidates that came before it.
    Waiting(Vec<IceCandidate>),
    /// The remote's description is applied: the number of its candidates, those in the description included.
    Counting(usize),
}

/// The remote has exceeded the maximum number of candidates.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Error)]
#[error("the remote sent more than {MAX_CANDIDATES} candidates")]
pub(crate) struct TooManyCandidates;

impl RemoteCandidates {
    pub(crate) const fn new() -> Self {
        Self::Waiting(Vec::new())
    }

    /// Whether the remote's description is applied.
    pub(crate) const fn have_description(&self) -> bool {
        matches!(self, Self::Counting(_))
    }

    /// Notes that the remote's description is applied, with `in_description` candidates in it. Returns the candidates
    /// that came before it; the caller must [`take`](Self::take) each.
    pub(crate) fn begin(&mut self, in_description: usize) -> Vec<IceCandidate> {
        match std::mem::replace(self, Self::Counting(in_description)) {
            Self::Waiting(candidates) => candidates,
            Self::Counting(_) => Vec::new(),
        }
    }

    /// Takes a candidate. Returns it when the ICE agent should get it now; `None` when it waits or is one for TCP.
    pub(crate) fn take(
        &mut self,
        candidate: IceCandidate,
    ) -> Result<Option<IceCandidate>, TooManyCandidates> {
        if !is_udp(&candidate.candidate) {
            return Ok(None);
        }
        match self {
            Self::Waiting(waiting) if waiting.len() == MAX_CANDIDATES => Err(TooManyCandidates),
            Self::Waiting(waiting) => {
                waiting.push(candidate);
                Ok(None)
            }
            Self::Counting(count) if *count >= MAX_CANDIDATES => Err(TooManyCandidates),
            Self::Counting(count) => {
                *count += 1;
                Ok(Some(candidate))
            }
        }
    }
}

/// Whether a candidate attribute is one for UDP, the only transport here. An empty one (end of candidates) is not.
fn is_udp(candidate: &str) -> bool {
    let transport = candidate.split_ascii_whitespace().nth(2);
    !candidate.is_empty() && transport.is_none_or(|name| !name.eq_ignore_ascii_case("tcp"))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn candidate(attribute: &str) -> IceCandidate {
        let mut candidate = IceCandidate::new(attribute);
        candidate.sdp_mline_index = Some(0);
        candidate
    }

    fn udp(port: usize) -> IceCandidate {
        candidate(&format!("candidate:1 1 udp 1 192.0.2.1 {port} typ host"))
    }

    #[test]
    fn candidates_before_the_description_wait_in_order() {
        let mut candidates = RemoteCandidates::new();
        assert_eq!(candidates.take(udp(1)), Ok(None));
        assert_eq!(candidates.take(udp(2)), Ok(None));
        assert!(!candidates.have_description());
        assert_eq!(candidates.begin(1), [udp(1), udp(2)]);
        assert!(candidates.have_description());
        assert_eq!(candidates.take(udp(3)), Ok(Some(udp(3))));
    }

    #[test]
    fn candidates_before_the_description_are_bounded() {
        let mut candidates = RemoteCandidates::new();
        for port in 0..MAX_CANDIDATES {
            assert_eq!(candidates.take(udp(port)), Ok(None));
        }
        assert_eq!(candidates.take(udp(0)), Err(TooManyCandidates));
    }

    #[test]
    fn candidates_in_and_before_the_description_count_against_the_bound() {
        let mut candidates = RemoteCandidates::new();
        assert_eq!(candidates.take(udp(1)), Ok(None));
        for waited in candidates.begin(MAX_CANDIDATES - 2) {
            assert!(candidates.take(waited).is_ok_and(|taken| taken.is_some()));
        }
        assert_eq!(candidates.take(udp(2)), Ok(Some(udp(2))));
        assert_eq!(candidates.take(udp(3)), Err(TooManyCandidates));
    }

    #[test]
    fn tcp_and_empty_candidates_are_skipped_and_not_counted() {
        let tcp = "candidate:1 1 TCP 1 192.0.2.1 9 typ host tcptype active";
        let mut candidates = RemoteCandidates::new();
        candidates.begin(MAX_CANDIDATES - 1);
        for skipped in [tcp, "", tcp] {
            assert_eq!(candidates.take(candidate(skipped)), Ok(None));
        }
        assert_eq!(candidates.take(udp(1)), Ok(Some(udp(1))));
    }

    #[test]
    fn too_many_candidates_error_states_the_bound() {
        assert_eq!(TooManyCandidates.to_string(), "the remote sent more than 64 candidates");
    }
}
