//! Scenarios as text, and what makes sense in them.

use std::fmt;

use serde::{Deserialize, Serialize};
use thiserror::Error;

use super::{Action, MAX_PEERS, Scenario, Settings, Timed};
use crate::conditions::SignalFaults;
use crate::sim::Profile;
use socketio_p2p_core::wire::MAX_MEMBER_DATA;

/// The most actions of a scenario that is read.
pub const MAX_ACTIONS: usize = 100_000;

/// The most events of one emit action, and the most bytes of each.
const MAX_COUNT: u32 = 10_000;
const MAX_SIZE: u32 = 4 << 20;

/// The longest span in a scenario, in milliseconds: eleven days.
const MAX_MILLIS: u64 = 1_000_000_000;

/// A scenario that makes no sense.
#[derive(Debug, Error)]
#[non_exhaustive]
pub enum ScenarioError {
    /// There is nothing in it.
    #[error("the scenario is empty: its first line is expected to be its seed and settings")]
    Empty,
    /// A line is not what it should be.
    #[error("line {line}: {error}")]
    Line {
        /// Which, from 1.
        line: usize,
        /// What is wrong.
        error: serde_json::Error,
    },
    /// A number is out of its range.
    #[error("{name} is {got}, expected {least} to {most}")]
    Range {
        /// What.
        name: &'static str,
        /// What it is.
        got: u64,
        /// The least.
        least: u64,
        /// The most.
        most: u64,
    },
    /// An action is out of place.
    #[error("line {line}: {error}")]
    Action {
        /// Which, from 1.
        line: usize,
        /// What is wrong.
        error: Box<ScenarioError>,
    },
    /// An action comes before the one above it.
    #[error("line {line}: at {at} ms, expected not to be before the line above, at {before} ms")]
    Order {
        /// Which, from 1.
        line: usize,
        /// Its time.
        at: u64,
        /// The time of the one above.
        before: u64,
    },
}

fn within(name: &'static str, got: u64, least: u64, most: u64) -> Result<(), ScenarioError> {
    if (least..=most).contains(&got) {
        Ok(())
    } else {
        Err(ScenarioError::Range { name, got, least, most })
    }
}

#[derive(Serialize, Deserialize)]
struct Header {
    seed: u64,
    profile: Profile,
    settings: Settings,
}

impl fmt::Display for Scenario {
    /// As JSON lines.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { seed, profile, settings, .. } = self;
        let header = Header { seed: *seed, profile: *profile, settings: settings.clone() };
        let header = serde_json::to_string(&header).map_err(|_| fmt::Error)?;
        writeln!(f, "{header}")?;
        for timed in &self.actions {
            writeln!(f, "{}", serde_json::to_string(timed).map_err(|_| fmt::Error)?)?;
        }
        Ok(())
    }
}

impl std::str::FromStr for Scenario {
    type Err = ScenarioError;

    /// Reads JSON lines; empty ones and those that begin with `#` are passed over.
    fn from_str(text: &str) -> Result<Self, ScenarioError> {
        let lines = text.lines().enumerate().map(|(index, line)| (index + 1, line.trim()));
        let mut lines = lines.filter(|(_, line)| !line.is_empty() && !line.starts_with('#'));
        let (line, header) = lines.next().ok_or(ScenarioError::Empty)?;
        let header: Header =
            serde_json::from_str(header).map_err(|error| ScenarioError::Line { line, error })?;
        let Header { seed, profile, settings } = header;
        settings.check()?;
        let mut actions: Vec<Timed> = Vec::new();
        for (line, text) in lines {
            let timed: Timed =
                serde_json::from_str(text).map_err(|error| ScenarioError::Line { line, error })?;
            timed
                .check(settings.peers)
                .map_err(|error| ScenarioError::Action { line, error: Box::new(error) })?;
            if let Some(last) = actions.last().filter(|last| last.at > timed.at) {
                return Err(ScenarioError::Order { line, at: timed.at, before: last.at });
            }
            actions.push(timed);
            within("the number of actions", actions.len() as u64, 0, MAX_ACTIONS as u64)?;
        }
        Ok(Self { seed, profile, settings, actions })
    }
}

impl Settings {
    fn check(&self) -> Result<(), ScenarioError> {
        within("peers", self.peers as u64, 2, MAX_PEERS as u64)?;
        within("max_peers", self.max_peers as u64, 0, 64)?;
        within("queue_bytes", self.queue_bytes as u64, 1, 1 << 30)?;
        within("record_bytes", self.record_bytes as u64, 1, 16 << 10)?;
        within("relay_window", self.relay_window as u64, 1, 1 << 30)?;
        within("outstanding", self.outstanding as u64, 1, 1 << 30)?;
        for (name, span) in [
            ("relay_latency", self.relay_latency),
            ("direct_latency", self.direct_latency),
            ("resume_window", self.resume_window),
            ("hub_resume_window", self.hub_resume_window),
            ("ping_timeout", self.ping_timeout),
            ("stall", self.stall),
            ("answers_within", self.answers_within),
        ] {
            within(name, u64::try_from(span.as_millis()).unwrap_or(u64::MAX), 0, MAX_MILLIS)?;
        }
        within("nodes", self.nodes.len() as u64, 0, MAX_PEERS as u64)?;
        within("originals", self.originals as u64, 0, MAX_PEERS as u64)?;
        within("max_envelope", u64::from(self.max_envelope), 4_000, 1 << 30)?;
        within("hub_attachments", u64::from(self.hub_attachments), 2, 1 << 20)?;
        for node in &self.nodes {
            within("patience", u64::from(node.patience.unwrap_or(100)), 1, 10_000)?;
            within("piece_bytes", node.piece_bytes.unwrap_or(1) as u64, 1, 16 << 10)?;
        }
        within("silence", u64::try_from(self.silence.as_millis()).unwrap_or(u64::MAX), 2, 60_000)
    }
}

impl Timed {
    fn check(&self, peers: usize) -> Result<(), ScenarioError> {
        within("at", self.at, 0, MAX_MILLIS)?;
        for node in self.action.nodes() {
            within("a node", node as u64, 0, peers as u64 - 1)?;
        }
        match &self.action {
            Action::Emit { count, size, .. } => {
                within("count", u64::from(*count), 1, u64::from(MAX_COUNT))?;
                within("size", u64::from(*size), 0, u64::from(MAX_SIZE))
            }
            Action::EmitShape { size, blobs, text, depth, .. } => {
                within("blobs", u64::from(*blobs), 0, 1_000)?;
                within("depth", u64::from(*depth), 0, 120)?;
                within("size", u64::from((*size).max(*text)), 0, u64::from(MAX_SIZE))
            }
            Action::OriginalEmit { count, size, .. } => {
                within("count", u64::from(*count), 1, u64::from(MAX_COUNT))?;
                within("size", u64::from(*size), 0, u64::from(MAX_SIZE))
            }
            Action::Transfer { size, .. } => {
                within("size", u64::from(*size), 0, u64::from(MAX_SIZE))
            }
            Action::Metadata { count, size, .. } => {
                within("count", u64::from(*count), 1, u64::from(MAX_COUNT))?;
                within("size", u64::from(*size), 0, MAX_MEMBER_DATA as u64 / 2)
            }
            Action::Server { operation } => within("a span", operation.span(), 0, MAX_MILLIS),
            Action::Flap { lasts: millis, .. }
            | Action::Pace { pause: millis, .. }
            | Action::Drain { pause: millis, .. }
            | Action::Jump { by: millis }
            | Action::JumpNode { by: millis, .. } => within("a span", *millis, 0, MAX_MILLIS),
            Action::RelayPath { conditions, .. } | Action::DirectPath { conditions, .. } => {
                for span in [conditions.delay, conditions.jitter] {
                    let millis = u64::try_from(span.as_millis()).unwrap_or(u64::MAX);
                    within("a delay", millis, 0, MAX_MILLIS)?;
                }
                let chances = [conditions.loss, conditions.duplicate, conditions.reorder];
                all_per_mille(&chances)
            }
            Action::Signals { faults } => {
                let SignalFaults { lose_offer, lose_answer, duplicate, late, stray_candidate } =
                    *faults;
                all_per_mille(&[lose_offer, lose_answer, duplicate, late, stray_candidate])
            }
            Action::Rosters { faults } => all_per_mille(&[faults.repeat, faults.omit]),
            Action::Turn { .. }
            | Action::CancelTransfer { .. }
            | Action::RefuseTransfer { .. }
            | Action::OriginalHere { .. }
            | Action::Break { .. }
            | Action::Swallow { .. }
            | Action::Policy { .. }
            | Action::Upgrade { .. }
            | Action::Close { .. }
            | Action::Crash { .. }
            | Action::Restart { .. }
            | Action::Report { .. }
            | Action::Return { .. }
            | Action::HubStop
            | Action::HubStart
            | Action::Drop { .. }
            | Action::Reach { .. }
            | Action::Mute { .. }
            | Action::Silence { .. }
            | Action::Cut { .. }
            | Action::Partition { .. }
            | Action::Heal
            | Action::Block { .. }
            | Action::CloseDirect { .. }
            | Action::Freeze { .. }
            | Action::Receive { .. }
            | Action::Glare { .. }
            | Action::Attack { .. } => Ok(()),
        }
    }
}

fn all_per_mille(chances: &[u16]) -> Result<(), ScenarioError> {
    chances.iter().try_for_each(|chance| within("a chance in 1000", u64::from(*chance), 0, 1000))
}

impl Action {
    /// The nodes that it names.
    fn nodes(&self) -> Vec<usize> {
        match self {
            Self::Emit { node, to, .. }
            | Self::EmitShape { node, to, .. }
            | Self::Upgrade { node, to } => std::iter::once(*node).chain(*to).collect(),
            Self::Transfer { node, to, .. } => vec![*node, *to],
            Self::Swallow { neighbour, from, to, .. } => vec![*neighbour, *from, *to],
            Self::OriginalEmit { to, .. } => to.iter().copied().collect(),
            Self::OriginalHere { .. } => Vec::new(),
            Self::Turn { node, .. }
            | Self::CancelTransfer { node }
            | Self::RefuseTransfer { node }
            | Self::Break { node }
            | Self::Drain { node, .. }
            | Self::Policy { node, .. }
            | Self::Metadata { node, .. }
            | Self::Report { node, .. }
            | Self::Return { node }
            | Self::Close { node }
            | Self::Crash { node }
            | Self::Restart { node }
            | Self::Drop { node }
            | Self::Reach { node, .. }
            | Self::Mute { node, .. }
            | Self::RelayPath { node, .. }
            | Self::Pace { node, .. }
            | Self::Freeze { node, .. }
            | Self::Receive { node, .. }
            | Self::JumpNode { node, .. }
            | Self::Attack { victim: node, .. } => vec![*node],
            Self::Silence { a, b, .. }
            | Self::Block { a, b, .. }
            | Self::Flap { a, b, .. }
            | Self::CloseDirect { a, b }
            | Self::Glare { a, b } => vec![*a, *b],
            Self::Cut { from, to, .. } | Self::DirectPath { from, to, .. } => vec![*from, *to],
            Self::Partition { island } => island.clone(),
            Self::Server { operation } => operation.nodes(),
            Self::HubStop
            | Self::HubStart
            | Self::Heal
            | Self::Signals { .. }
            | Self::Rosters { .. }
            | Self::Jump { .. } => Vec::new(),
        }
    }
}
