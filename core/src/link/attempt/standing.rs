//! The state of the direct path as the application sees it, and the diagnosis of a failure.

use super::{Attempt, Connection};
use crate::config::Policy;
use crate::connection_report::{ConnectionReport, DirectStage};
use crate::direct_state::{DirectFailure, DirectState, NotWanted, Side};
use crate::error::PeerError;
use crate::link::state::State;

impl Connection {
    /// Notes that the attempt has come so far; it never goes back.
    pub(super) fn reach(&mut self, stage: DirectStage) {
        self.stage = self.stage.max(stage);
    }
}

impl Attempt {
    /// Handles the transport's report about the connection.
    pub(crate) fn handle_report(&mut self, report: ConnectionReport) {
        if let Some(connection) = &mut self.connection {
            connection.reach(report.stage.min(DirectStage::Channel));
            connection.report = report;
        }
    }

    pub(crate) fn failure(&self) -> Option<&DirectFailure> {
        self.failure.as_deref()
    }

    /// Returns the state, as it is once the attempts have been started that are due and possible.
    pub(crate) fn direct_state(&self, policy: Policy, relay_up: bool) -> DirectState {
        match self.state {
            State::Direct => DirectState::Direct,
            State::Validated => DirectState::Validated,
            State::Negotiating(_) | State::Validating => {
                let stage = self.connection.as_ref().map(|connection| connection.stage);
                let stage = stage.unwrap_or_default();
                // The attempts may have begun anew during this one.
                DirectState::Trying { attempt: self.attempts.max(1), stage }
            }
            State::Closed => DirectState::NotWanted(NotWanted::Closing),
            State::Relayed | State::Backoff if policy == Policy::RelayOnly => {
                DirectState::NotWanted(NotWanted::RelayOnly)
            }
            State::Backoff => match self.offer_at {
                Some(retry_at) => DirectState::Failed { retry_at },
                None => DirectState::GaveUp,
            },
            State::Relayed => self.without_attempt(relay_up),
        }
    }

    fn without_attempt(&self, relay_up: bool) -> DirectState {
        match self.declined {
            Some((by @ Side::Remote, reason)) => {
                DirectState::Declined { by, reason, retry_at: None }
            }
            _ if !relay_up => DirectState::NoSignaling,
            _ if self.wants_offer => DirectState::NotWanted(NotWanted::MaxPeers),
            Some((by @ Side::Local, reason)) => {
                DirectState::Declined { by, reason, retry_at: self.offer_at }
            }
            None => DirectState::AwaitingOffer { until: self.offer_at },
        }
    }

    /// Returns the diagnosis of the attempt or the path that ends with this error.
    pub(super) fn diagnose(&self, error: &PeerError) -> Option<Box<DirectFailure>> {
        let connection = self.connection.as_ref()?;
        let ConnectionReport { local, remote, .. } = connection.report;
        let (stage, error) = (connection.stage, error.clone());
        Some(Box::new(DirectFailure { attempt: self.attempts, stage, error, local, remote }))
    }
}
