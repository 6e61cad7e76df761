//! What happens in a run: settings and a list of timed actions, as data and as text.
//!
//! The text is JSON lines: the first one is the seed, the profile and the settings, each further one an action
//! with its time. What a run does beyond the actions (which message is lost, how long a delay is) comes from the
//! seed, so that the same text gives the same run.

use std::fmt;
use std::time::Duration;

use serde::{Deserialize, Serialize};
use socketio_p2p_core::hub::HubConfig;
use socketio_p2p_core::{Backoff, Config, Policy};
use thiserror::Error;

use super::Profile;
use crate::mesh::{Conditions, Latency, RosterFaults, SignalFaults, millis};

/// The most peers of a scenario.
pub const MAX_PEERS: usize = 16;

/// The most actions of a scenario that is read.
pub const MAX_ACTIONS: usize = 100_000;

/// The most events of one emit action, and the most bytes of each.
const MAX_COUNT: u32 = 10_000;
const MAX_SIZE: u32 = 4 << 20;

/// The longest span in a scenario, in milliseconds: eleven days.
const MAX_MILLIS: u64 = 1_000_000_000;

/// A generated or hand-written run.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Scenario {
    /// Where chance comes from.
    pub seed: u64,
    /// What kind of trouble it is about.
    pub profile: Profile,
    /// The settings of sessions, hub and network.
    pub settings: Settings,
    /// What happens, in order.
    pub actions: Vec<Timed>,
}

/// The settings of a scenario. Spans are in whole milliseconds when written.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
#[non_exhaustive]
pub struct Settings {
    /// Sessions at the start, numbered from 0.
    pub peers: usize,
    /// Whether nobody is ever given up: then everything must arrive.
    pub patient: bool,
    /// Direct connections per session.
    pub max_peers: usize,
    /// Bytes that may wait for one peer in one lane.
    pub queue_bytes: usize,
    /// The largest piece of a big packet.
    pub fragment_bytes: usize,
    /// The largest packet in one piece on a direct path.
    pub whole_bytes: usize,
    /// Bytes under way to one peer through the relay.
    pub relay_window: usize,
    /// Bytes under way in one direction of a direct connection, or to the hub.
    pub outstanding: usize,
    /// The way between a session and the hub.
    #[serde(with = "millis")]
    pub relay_latency: Duration,
    /// The way between sessions.
    #[serde(with = "millis")]
    pub direct_latency: Duration,
    /// How long a peer without a path is waited for.
    #[serde(with = "millis")]
    pub resume_window: Duration,
    /// How long the hub keeps a seat.
    #[serde(with = "millis")]
    pub hub_resume_window: Duration,
    /// How long a direct path may be silent. The other spans of a session are in proportion to it.
    #[serde(with = "millis")]
    pub silence: Duration,
    /// How long a half-open socket lasts.
    #[serde(with = "millis")]
    pub ping_timeout: Duration,
}

impl Default for Settings {
    /// The defaults of sessions, hub and mesh; four peers.
    fn default() -> Self {
        let config = Config::default();
        Self {
            peers: 4,
            patient: false,
            max_peers: config.max_peers,
            queue_bytes: config.queue_bytes,
            fragment_bytes: config.fragment_bytes,
            whole_bytes: config.whole_bytes,
            relay_window: config.relay_window,
            outstanding: 256 << 10,
            relay_latency: Latency::default().relay,
            direct_latency: Latency::default().direct,
            resume_window: config.resume_window,
            hub_resume_window: HubConfig::default().resume_window,
            silence: config.silence_timeout,
            ping_timeout: Duration::from_secs(5),
        }
    }
}

impl Settings {
    /// The configuration of each session.
    #[must_use]
    pub fn config(&self) -> Config {
        let defaults = Config::default();
        let scaled = |span: Duration| {
            let nanos = span.as_nanos() * self.silence.as_nanos();
            let nanos = nanos / defaults.silence_timeout.as_nanos().max(1);
            Duration::from_nanos(u64::try_from(nanos).unwrap_or(u64::MAX)).max(MILLISECOND)
        };
        let backoff =
            |backoff: Backoff| Backoff { first: scaled(backoff.first), most: scaled(backoff.most) };
        let mut config = defaults
            .clone()
            .with_max_peers(self.max_peers)
            .with_queue_bytes(self.queue_bytes)
            .with_fragment_bytes(self.fragment_bytes)
            .with_resume_window(self.resume_window)
            .with_silence_timeout(self.silence)
            .with_ack_timeout(scaled(defaults.ack_timeout))
            .with_retry(backoff(defaults.retry))
            .with_reconnect(backoff(defaults.reconnect));
        config.whole_bytes = self.whole_bytes;
        config.relay_window = self.relay_window;
        config.probe_interval = scaled(defaults.probe_interval);
        config.negotiation_timeout = scaled(defaults.negotiation_timeout);
        config.verification_timeout = scaled(defaults.verification_timeout);
        config.offer_patience = scaled(defaults.offer_patience);
        config.join_timeout = scaled(defaults.join_timeout);
        config.retransmit_timeout = scaled(defaults.retransmit_timeout);
        config.stall_timeout = scaled(defaults.stall_timeout);
        if self.patient {
            config.stall_timeout = self.resume_window;
        }
        config
    }

    /// The configuration of the hub.
    #[must_use]
    pub fn hub_config(&self) -> HubConfig {
        HubConfig::default().with_resume_window(self.hub_resume_window)
    }

    /// The delays.
    #[must_use]
    pub const fn latency(&self) -> Latency {
        Latency { relay: self.relay_latency, direct: self.direct_latency }
    }

    fn check(&self) -> Result<(), ScenarioError> {
        within("peers", self.peers as u64, 2, MAX_PEERS as u64)?;
        within("max_peers", self.max_peers as u64, 0, 64)?;
        within("queue_bytes", self.queue_bytes as u64, 1, 1 << 30)?;
        within("fragment_bytes", self.fragment_bytes as u64, 1, 1 << 20)?;
        within("whole_bytes", self.whole_bytes as u64, 1, 1 << 20)?;
        within("relay_window", self.relay_window as u64, 1, 1 << 30)?;
        within("outstanding", self.outstanding as u64, 1, 1 << 30)?;
        for (name, span) in [
            ("relay_latency", self.relay_latency),
            ("direct_latency", self.direct_latency),
            ("resume_window", self.resume_window),
            ("hub_resume_window", self.hub_resume_window),
            ("ping_timeout", self.ping_timeout),
        ] {
            within(name, u64::try_from(span.as_millis()).unwrap_or(u64::MAX), 0, MAX_MILLIS)?;
        }
        within("silence", u64::try_from(self.silence.as_millis()).unwrap_or(u64::MAX), 1, 60_000)
    }
}

const MILLISECOND: Duration = Duration::from_millis(1);

/// An action and its time from the start of the run, in milliseconds.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Timed {
    /// When.
    pub at: u64,
    /// What.
    #[serde(flatten)]
    pub action: Action,
}

/// A session's policy, as it is written.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum PolicyName {
    /// [`Policy::Automatic`].
    Automatic,
    /// [`Policy::Manual`].
    Manual,
    /// [`Policy::RelayOnly`].
    RelayOnly,
    /// [`Policy::DirectOnly`].
    DirectOnly,
}

impl From<PolicyName> for Policy {
    fn from(name: PolicyName) -> Self {
        match name {
            PolicyName::Automatic => Self::Automatic,
            PolicyName::Manual => Self::Manual,
            PolicyName::RelayOnly => Self::RelayOnly,
            PolicyName::DirectOnly => Self::DirectOnly,
        }
    }
}

/// How events are emitted.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Manner {
    /// As events.
    #[default]
    Event,
    /// In the lane for big things.
    Bulk,
    /// So that they may be lost.
    Volatile,
    /// As events that ask for answers.
    Question,
}

impl Manner {
    #[expect(clippy::trivially_copy_pass_by_ref, reason = "serde asks for a reference")]
    fn is_event(&self) -> bool {
        *self == Self::Event
    }
}

/// What a malicious peer does.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Attack {
    /// Claims to be the victim.
    Spoof,
    /// Sends link control of its own making, also within events.
    Control,
    /// Sends offers without end.
    Offers,
    /// Announces attachments without end.
    Bomb,
    /// Sends JSON without bottom.
    DeepJson,
    /// Sends giant names and numbers.
    GiantNames,
    /// Announces attachments and sends none.
    Stall,
    /// Sends bytes that mean nothing.
    Garbage,
}

impl Attack {
    pub(super) const ALL: [Self; 8] = [
        Self::Spoof,
        Self::Control,
        Self::Offers,
        Self::Bomb,
        Self::DeepJson,
        Self::GiantNames,
        Self::Stall,
        Self::Garbage,
    ];
}

/// Something that happens. Nodes are named by their numbers from 0; one that is not there (crashed, closed) is
/// left alone, so that any part of a scenario is a scenario.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "do", rename_all = "kebab-case", deny_unknown_fields)]
#[non_exhaustive]
pub enum Action {
    /// A node emits events.
    Emit {
        /// Who.
        node: usize,
        /// To whom; absent: to all.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        to: Option<usize>,
        /// How many.
        count: u32,
        /// The bytes of the blob in each; 0: none.
        #[serde(default, skip_serializing_if = "is_zero")]
        size: u32,
        /// How.
        #[serde(default, skip_serializing_if = "Manner::is_event")]
        how: Manner,
    },
    /// A node opens a transfer.
    Transfer {
        /// Who.
        node: usize,
        /// To whom.
        to: usize,
        /// How many bytes.
        size: u32,
        /// After how many bytes the receiver has had enough; absent: never.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        enough: Option<u32>,
    },
    /// A node breaks its oldest transfer off.
    CancelTransfer {
        /// Who.
        node: usize,
    },
    /// A node changes its policy.
    Policy {
        /// Who.
        node: usize,
        /// To what.
        policy: PolicyName,
    },
    /// A node asks for direct paths.
    Upgrade {
        /// Who.
        node: usize,
        /// With whom; absent: with all.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        to: Option<usize>,
    },
    /// A node closes.
    Close {
        /// Who.
        node: usize,
    },
    /// A node ends without a word.
    Crash {
        /// Who.
        node: usize,
    },
    /// A node that has crashed or closed comes back as somebody new.
    Restart {
        /// Who.
        node: usize,
    },
    /// The hub crashes.
    HubStop,
    /// A hub without memory starts.
    HubStart,
    /// A node's socket to the hub breaks.
    Drop {
        /// Whose.
        node: usize,
    },
    /// A node cannot reach the hub, or can again.
    Reach {
        /// Who.
        node: usize,
        /// Whether it can.
        on: bool,
    },
    /// A node's socket to the hub is half-open, or whole again.
    Mute {
        /// Whose.
        node: usize,
        /// Whether it is.
        on: bool,
    },
    /// Direct connections between two nodes are half-open, or whole again.
    Silence {
        /// Between this one
        a: usize,
        /// and this one.
        b: usize,
        /// Whether they are.
        on: bool,
    },
    /// Nothing gets through directly in one direction, or something does again.
    Cut {
        /// From this one
        from: usize,
        /// to this one.
        to: usize,
        /// Whether it is cut.
        on: bool,
    },
    /// These nodes are cut off from the others and from the hub.
    Partition {
        /// Who is together.
        island: Vec<usize>,
    },
    /// Cuts, silences and partitions end.
    Heal,
    /// No direct connection between two nodes comes about, or some do again.
    Block {
        /// Between this one
        a: usize,
        /// and this one.
        b: usize,
        /// Whether none does.
        on: bool,
    },
    /// Direct connections between two nodes last only so long.
    Flap {
        /// Between this one
        a: usize,
        /// and this one.
        b: usize,
        /// How many milliseconds; 0: for ever.
        lasts: u64,
    },
    /// Direct connections between two nodes close, in the middle of whatever is under way.
    CloseDirect {
        /// Between this one
        a: usize,
        /// and this one.
        b: usize,
    },
    /// The way between a node and the hub is like this from now on.
    RelayPath {
        /// Whose.
        node: usize,
        /// What it is like.
        conditions: Conditions,
    },
    /// The direct way from one node to another is like this from now on.
    DirectPath {
        /// From this one
        from: usize,
        /// to this one.
        to: usize,
        /// What it is like.
        conditions: Conditions,
    },
    /// Signals are lost, doubled or late from now on.
    Signals {
        /// How often.
        faults: SignalFaults,
    },
    /// The hub names its members wrongly from now on.
    Rosters {
        /// How often.
        faults: RosterFaults,
    },
    /// A node takes one message at a time, with a pause of so many milliseconds before each; 0: at once.
    Pace {
        /// Who.
        node: usize,
        /// How long.
        pause: u64,
    },
    /// A node's process stands still, or goes on.
    Freeze {
        /// Whose.
        node: usize,
        /// Whether it stands.
        on: bool,
    },
    /// Everybody's clock jumps.
    Jump {
        /// By how many milliseconds.
        by: u64,
    },
    /// One node's clock jumps.
    JumpNode {
        /// Whose.
        node: usize,
        /// By how many milliseconds.
        by: u64,
    },
    /// Two nodes lose their direct connection and both offer at the same time.
    Glare {
        /// This one
        a: usize,
        /// and this one.
        b: usize,
    },
    /// A malicious peer, in the room from its first attack on, attacks.
    Attack {
        /// Whom.
        victim: usize,
        /// How.
        attack: Attack,
        /// Whether over a direct connection, if it has one.
        #[serde(default, skip_serializing_if = "std::ops::Not::not")]
        direct: bool,
    },
}

#[expect(clippy::trivially_copy_pass_by_ref, reason = "serde asks for a reference")]
const fn is_zero(number: &u32) -> bool {
    *number == 0
}

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
            Action::Transfer { size, .. } => {
                within("size", u64::from(*size), 0, u64::from(MAX_SIZE))
            }
            Action::Flap { lasts: millis, .. }
            | Action::Pace { pause: millis, .. }
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
            Action::CancelTransfer { .. }
            | Action::Policy { .. }
            | Action::Upgrade { .. }
            | Action::Close { .. }
            | Action::Crash { .. }
            | Action::Restart { .. }
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
            Self::Emit { node, to, .. } | Self::Upgrade { node, to } => {
                std::iter::once(*node).chain(*to).collect()
            }
            Self::Transfer { node, to, .. } => vec![*node, *to],
            Self::CancelTransfer { node }
            | Self::Policy { node, .. }
            | Self::Close { node }
            | Self::Crash { node }
            | Self::Restart { node }
            | Self::Drop { node }
            | Self::Reach { node, .. }
            | Self::Mute { node, .. }
            | Self::RelayPath { node, .. }
            | Self::Pace { node, .. }
            | Self::Freeze { node, .. }
            | Self::JumpNode { node, .. }
            | Self::Attack { victim: node, .. } => vec![*node],
            Self::Silence { a, b, .. }
            | Self::Block { a, b, .. }
            | Self::Flap { a, b, .. }
            | Self::CloseDirect { a, b }
            | Self::Glare { a, b } => vec![*a, *b],
            Self::Cut { from, to, .. } | Self::DirectPath { from, to, .. } => vec![*from, *to],
            Self::Partition { island } => island.clone(),
            Self::HubStop
            | Self::HubStart
            | Self::Heal
            | Self::Signals { .. }
            | Self::Rosters { .. }
            | Self::Jump { .. } => Vec::new(),
        }
    }
}

impl Action {
    /// Whether it is a fault, or the end of one; otherwise it is something that an application asks for.
    pub(super) const fn is_fault(&self) -> bool {
        !matches!(
            self,
            Self::Emit { .. }
                | Self::Transfer { .. }
                | Self::CancelTransfer { .. }
                | Self::Policy { .. }
                | Self::Upgrade { .. }
                | Self::Close { .. }
        )
    }
}

impl fmt::Display for Action {
    /// In words.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let ends = |on: &bool| if *on { "" } else { " no more" };
        match self {
            Self::Emit { node, to, count, size, how } => {
                write!(f, "node {node} emits {count}")?;
                match how {
                    Manner::Event => {}
                    Manner::Bulk => f.write_str(" as bulk")?,
                    Manner::Volatile => f.write_str(" volatile")?,
                    Manner::Question => f.write_str(" with ack")?,
                }
                if *size > 0 {
                    write!(f, " of {size} bytes")?;
                }
                match to {
                    Some(to) => write!(f, " to node {to}"),
                    None => f.write_str(" to all"),
                }
            }
            Self::Transfer { node, to, size, enough } => {
                write!(f, "node {node} opens a transfer of {size} bytes to node {to}")?;
                match enough {
                    Some(enough) => write!(f, ", which has enough after {enough}"),
                    None => Ok(()),
                }
            }
            Self::CancelTransfer { node } => write!(f, "node {node} breaks a transfer off"),
            Self::Policy { node, policy } => write!(f, "node {node}: policy {policy:?}"),
            Self::Upgrade { node, to: Some(to) } => write!(f, "node {node} upgrades to node {to}"),
            Self::Upgrade { node, to: None } => write!(f, "node {node} upgrades to all"),
            Self::Close { node } => write!(f, "node {node} closes"),
            Self::Crash { node } => write!(f, "node {node} crashes"),
            Self::Restart { node } => write!(f, "node {node} comes back as somebody new"),
            Self::HubStop => f.write_str("the hub crashes"),
            Self::HubStart => f.write_str("a new hub starts"),
            Self::Drop { node } => write!(f, "the socket of node {node} breaks"),
            Self::Reach { node, on } => {
                let cannot = if *on { "can" } else { "cannot" };
                write!(f, "node {node} {cannot} reach the hub")
            }
            Self::Mute { node, on } => {
                write!(f, "the socket of node {node} is half-open{}", ends(on))
            }
            Self::Silence { a, b, on } => {
                write!(f, "nothing gets through between nodes {a} and {b}{}", ends(on))
            }
            Self::Cut { from, to, on } => {
                write!(f, "nothing gets through from node {from} to node {to}{}", ends(on))
            }
            Self::Partition { island } => write!(f, "nodes {island:?} are cut off"),
            Self::Heal => f.write_str("cuts and partitions heal"),
            Self::Block { a, b, on } => {
                write!(f, "upgrades of nodes {a} and {b} fail{}", ends(on))
            }
            Self::Flap { a, b, lasts: 0 } => write!(f, "upgrades of nodes {a} and {b} last"),
            Self::Flap { a, b, lasts } => {
                write!(f, "upgrades of nodes {a} and {b} last for {lasts} ms")
            }
            Self::CloseDirect { a, b } => write!(f, "the channel of nodes {a} and {b} closes"),
            Self::RelayPath { node, conditions } => {
                write!(f, "hub and node {node}: {}", describe(conditions))
            }
            Self::DirectPath { from, to, conditions } => {
                write!(f, "from node {from} to node {to}: {}", describe(conditions))
            }
            Self::Signals { faults } if *faults == SignalFaults::default() => {
                f.write_str("signals come as they should")
            }
            Self::Signals { faults } => {
                let SignalFaults { lose_offer, lose_answer, duplicate, late, stray_candidate } =
                    faults;
                f.write_str("signals of 1000:")?;
                for (chance, what) in [
                    (lose_offer, "offers lost"),
                    (lose_answer, "answers lost"),
                    (duplicate, "twice"),
                    (late, "late"),
                    (stray_candidate, "stray candidates"),
                ] {
                    if *chance > 0 {
                        write!(f, " {chance} {what}")?;
                    }
                }
                Ok(())
            }
            Self::Rosters { faults: RosterFaults { repeat, omit } } => {
                write!(f, "members of 1000: {repeat} named twice, {omit} not at first")
            }
            Self::Pace { node, pause: 0 } => write!(f, "node {node} takes its input at once"),
            Self::Pace { node, pause } => {
                write!(f, "node {node} takes a message every {pause} ms")
            }
            Self::Freeze { node, on: true } => write!(f, "node {node} stands still"),
            Self::Freeze { node, on: false } => write!(f, "node {node} goes on"),
            Self::Jump { by } => write!(f, "all clocks jump by {by} ms"),
            Self::JumpNode { node, by } => write!(f, "the clock of node {node} jumps by {by} ms"),
            Self::Glare { a, b } => write!(f, "nodes {a} and {b} lose their channel, both offer"),
            Self::Attack { victim, attack, direct } => {
                let way = if *direct { "its channel" } else { "the hub" };
                write!(f, "attack on node {victim} through {way}: {attack:?}")
            }
        }
    }
}

fn describe(conditions: &Conditions) -> String {
    let Conditions { delay, jitter, loss, duplicate, reorder, rate } = conditions;
    let mut parts = Vec::new();
    if !delay.is_zero() {
        parts.push(format!("{} ms late", delay.as_millis()));
    }
    if !jitter.is_zero() {
        parts.push(format!("{} ms jitter", jitter.as_millis()));
    }
    for (chance, what) in [(loss, "lost"), (duplicate, "doubled"), (reorder, "overtaken")] {
        if *chance > 0 {
            parts.push(format!("{chance} of 1000 {what}"));
        }
    }
    if *rate > 0 {
        parts.push(format!("{rate} bytes/s"));
    }
    if parts.is_empty() { "as good as before".to_owned() } else { parts.join(", ") }
}
