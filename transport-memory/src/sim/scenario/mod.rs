//! What happens in a run: settings and a list of timed actions, as data and as text.
//!
//! The text is JSON lines: the first one is the seed, the profile and the settings, each further one an action
//! with its time. What a run does beyond the actions (which message is lost, how long a delay is) comes from the
//! seed, so that the same text gives the same run.

mod hub;
mod nodes;
mod text;
mod words;

use std::time::Duration;

use serde::{Deserialize, Serialize};
use socketio_p2p_core::hub::HubConfig;
use socketio_p2p_core::wire::HubLimits;
use socketio_p2p_core::{Backoff, Config, Policy};

pub use self::hub::HubSettings;
pub use self::nodes::NodeSettings;
pub(super) use self::nodes::Variety;
pub use self::text::{MAX_ACTIONS, ScenarioError};
use super::Profile;
use crate::conditions::{Conditions, Latency, RosterFaults, SignalFaults, millis};

/// The most peers of a scenario.
pub const MAX_PEERS: usize = 16;

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
    /// The longest record on the relay and through neighbours.
    pub record_bytes: usize,
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
    /// What is different at single nodes, by their numbers.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub nodes: Vec<NodeSettings>,
    /// Bytes in one envelope that the hub takes.
    #[serde(skip_serializing_if = "is_default_envelope")]
    pub max_envelope: u32,
    /// Attachments in one envelope that the hub takes.
    #[serde(skip_serializing_if = "is_default_attachments")]
    pub hub_attachments: u32,
    /// What else the hub allows.
    #[serde(skip_serializing_if = "HubSettings::is_default")]
    pub hub: HubSettings,
    /// Original clients in the room, numbered from 0.
    #[serde(skip_serializing_if = "is_none")]
    pub originals: usize,
    /// Whether all that is promised of paths is looked at too: policies, milestones, what is sent how often.
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    pub strict: bool,
    /// Whether paths are slow at worst: with the patience of the settings nobody and no path is given up, and all that
    /// is accepted arrives in the time that its bytes take.
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    pub honest: bool,
    /// Where paths are honest: how long a small event may wait for bulk, beside the time that events take.
    #[serde(with = "millis", skip_serializing_if = "is_a_second")]
    pub behind_bulk: Duration,
    /// How long a peer may acknowledge nothing; absent: in proportion to the other spans, and for ever where everybody is
    /// waited for.
    #[serde(with = "millis", skip_serializing_if = "Duration::is_zero")]
    pub stall: Duration,
    /// How often in a second one member may come back to its seat; absent: as the hub's defaults say.
    #[serde(skip_serializing_if = "is_zero")]
    pub resumes: u32,
    /// How late applications answer, at most.
    #[serde(with = "millis", skip_serializing_if = "Duration::is_zero")]
    pub answers_within: Duration,
}

#[expect(clippy::trivially_copy_pass_by_ref, reason = "serde asks for a reference")]
const fn is_none(number: &usize) -> bool {
    *number == 0
}

#[expect(clippy::trivially_copy_pass_by_ref, reason = "serde asks for a reference")]
const fn is_default_envelope(bytes: &u32) -> bool {
    *bytes == 1 << 20
}

#[expect(clippy::trivially_copy_pass_by_ref, reason = "serde asks for a reference")]
const fn is_default_attachments(attachments: &u32) -> bool {
    *attachments == 256
}

fn is_a_second(span: &Duration) -> bool {
    *span == Duration::from_secs(1)
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
            record_bytes: config.record_bytes,
            relay_window: config.relay_window,
            outstanding: 256 << 10,
            relay_latency: Latency::default().relay,
            direct_latency: Latency::default().direct,
            resume_window: config.resume_window,
            hub_resume_window: HubConfig::default().resume_window,
            silence: config.silence_timeout,
            ping_timeout: Duration::from_secs(5),
            nodes: Vec::new(),
            max_envelope: 1 << 20,
            hub_attachments: 256,
            hub: HubSettings::default(),
            originals: 0,
            strict: false,
            honest: false,
            behind_bulk: Duration::from_secs(1),
            stall: Duration::ZERO,
            resumes: 0,
            answers_within: Duration::ZERO,
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
            .with_record_bytes(self.record_bytes)
            .with_resume_window(self.resume_window)
            .with_silence_timeout(self.silence)
            .with_ack_timeout(scaled(defaults.ack_timeout))
            .with_retry(backoff(defaults.retry))
            .with_reconnect(backoff(defaults.reconnect));
        config.relay_window = self.relay_window;
        config.probe_interval = scaled(defaults.probe_interval);
        config.negotiation_timeout = scaled(defaults.negotiation_timeout);
        config.validation_timeout = scaled(defaults.validation_timeout);
        config.offer_patience = scaled(defaults.offer_patience);
        config.join_timeout = scaled(defaults.join_timeout);
        config.unfinished_timeout = scaled(defaults.unfinished_timeout);
        config.stall_timeout = scaled(defaults.stall_timeout);
        if self.patient {
            config.stall_timeout = self.resume_window.max(MILLISECOND);
        }
        if !self.stall.is_zero() {
            config.stall_timeout = self.stall;
        }
        config
    }

    /// The configuration of the hub.
    #[must_use]
    pub fn hub_config(&self) -> HubConfig {
        let (max_envelope, max_attachments) = (self.max_envelope, self.hub_attachments);
        let config = HubConfig::default()
            .with_resume_window(self.hub_resume_window)
            .with_limits(HubLimits { max_envelope, max_attachments });
        let config = self.hub.apply(config);
        if self.resumes == 0 { config } else { config.with_resume_rate(self.resumes, self.resumes) }
    }

    /// The delays.
    #[must_use]
    pub const fn latency(&self) -> Latency {
        Latency { relay: self.relay_latency, direct: self.direct_latency }
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
    /// Passes packets on as a neighbour, and changes, repeats, drops and makes up some.
    Neighbour,
    /// Passes bundles on with greater numbers than they have, and some again later.
    Seals,
    /// Gives a neighbour more for the victim than that passes on.
    Passes,
    /// Acknowledges nothing, and asks again and again for everything.
    Resume,
    /// Speaks again and again of an incarnation of the victim that is over.
    Stale,
    /// Breaks a rule that the hub is there to keep: whom it names, how much it says, how often it comes.
    Hub,
    /// Takes everything, and acknowledges nothing.
    Hoard,
    /// Takes everything, and acknowledges a byte with each ping.
    Trickle,
    /// Sends over a datagram channel what does not belong there.
    Datagrams,
    /// Sends more than it may: refusals, ahead of its turn, transfers beyond credit and size, long messages for nothing.
    Excess,
}

impl Attack {
    pub(super) const ALL: [Self; 9] = [
        Self::Spoof,
        Self::Control,
        Self::Offers,
        Self::Bomb,
        Self::DeepJson,
        Self::GiantNames,
        Self::Stall,
        Self::Garbage,
        Self::Neighbour,
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
    /// A node emits one event of a shape.
    EmitShape {
        /// Who.
        node: usize,
        /// To whom; absent: to all.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        to: Option<usize>,
        /// The bytes of its blobs.
        size: u32,
        /// How many blobs these are in.
        blobs: u32,
        /// The bytes of a text in it.
        text: u32,
        /// How many arrays are open at once in it.
        depth: u32,
        /// How.
        #[serde(default, skip_serializing_if = "Manner::is_event")]
        how: Manner,
    },
    /// An original client emits events.
    OriginalEmit {
        /// Who, by its own numbers.
        client: usize,
        /// Over its channel with this node, where it has one; absent: through the hub to all.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        to: Option<usize>,
        /// How many.
        count: u32,
        /// The bytes of the blob in each; 0: none.
        #[serde(default, skip_serializing_if = "is_zero")]
        size: u32,
    },
    /// An original client joins, or leaves.
    OriginalHere {
        /// Who, by its own numbers.
        client: usize,
        /// Whether it joins.
        on: bool,
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
        /// Whether the sender does not say how many.
        #[serde(default, skip_serializing_if = "std::ops::Not::not")]
        unannounced: bool,
        /// The pause of the receiver before each read, in milliseconds.
        #[serde(default, skip_serializing_if = "is_zero")]
        late: u32,
    },
    /// A node breaks its oldest transfer off.
    CancelTransfer {
        /// Who.
        node: usize,
    },
    /// A node does not want the rest of the oldest transfer to it.
    RefuseTransfer {
        /// Who.
        node: usize,
    },
    /// A node's socket to the hub breaks in the middle of what is under way on it.
    Break {
        /// Whose.
        node: usize,
    },
    /// A node's transports take its output only every so many milliseconds; 0: at once.
    Drain {
        /// Whose.
        node: usize,
        /// How often.
        pause: u64,
    },
    /// What a neighbour passes on in one direction does not get through, or does again.
    Swallow {
        /// The neighbour.
        neighbour: usize,
        /// Of this node
        from: usize,
        /// to this one.
        to: usize,
        /// Whether it does not.
        on: bool,
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
