//! The actions of a scenario.

use serde::{Deserialize, Serialize};
use socketio_p2p_core::Policy;

use crate::conditions::{Conditions, RosterFaults, SignalFaults};

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
    pub(in crate::sim) const ALL: [Self; 9] = [
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
pub(super) const fn is_zero(number: &u32) -> bool {
    *number == 0
}
