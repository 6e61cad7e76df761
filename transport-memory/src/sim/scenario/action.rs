//! The actions of a scenario.

use serde::{Deserialize, Serialize};
use socketio_p2p_core::Policy;

use super::operation::Operation;
use crate::conditions::{Conditions, RosterFaults, SignalFaults};

/// An action and its time.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Timed {
    /// The time from the start of the run, in milliseconds.
    pub at: u64,
    /// The action.
    #[serde(flatten)]
    pub action: Action,
}

/// A session's policy, in the text of a scenario.
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

/// The kind of an emit.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Manner {
    /// In the lane of events.
    #[default]
    Event,
    /// In the lane of bulk.
    Bulk,
    /// Volatile: may be lost.
    Volatile,
    /// In the lane of events, with a request for an ack.
    Question,
}

impl Manner {
    #[expect(clippy::trivially_copy_pass_by_ref, reason = "serde asks for a reference")]
    fn is_event(&self) -> bool {
        *self == Self::Event
    }
}

/// An attack of the malicious peer.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Attack {
    /// Claims to be the victim.
    Spoof,
    /// Sends forged link control, also within events.
    Control,
    /// Floods the victim with offers.
    Offers,
    /// Announces more attachments than any limit.
    Bomb,
    /// Sends JSON nested 100 to 2000 deep.
    DeepJson,
    /// Sends giant event names and numbers.
    GiantNames,
    /// Announces attachments and sends none.
    Stall,
    /// Sends random bytes.
    Garbage,
    /// Forwards bundles as a neighbour, and changes, repeats, drops and forges some.
    Neighbour,
    /// Forwards bundles with greater numbers than theirs, and some of them twice.
    Seals,
    /// Sends a neighbour more for the victim than its forwarding rate.
    Passes,
    /// Sends 40 states that acknowledge nothing.
    Resume,
    /// Sends 40 bundles of an incarnation that is over.
    Stale,
    /// Breaks a rule that the hub enforces: receivers, rates or joins.
    Hub,
    /// Receives everything, and acknowledges nothing.
    Hoard,
    /// Receives everything, and acknowledges one byte with each ping.
    Trickle,
    /// Sends reliable records and control over a datagram channel.
    Datagrams,
    /// Claims to be somebody under a former id, with nonces of its own, of others, and made up.
    Former,
    /// Sends metadata more often, and longer, than the hub takes; and what only a hub says.
    Metadata,
    /// Exceeds bounds: refusals, records ahead of their turn, transfers beyond credit and size, long messages.
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

/// An action of a scenario. Nodes are numbered from 0. An action on a node that has crashed or closed does nothing,
/// so that any part of a scenario is a scenario.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "do", rename_all = "kebab-case", deny_unknown_fields)]
#[non_exhaustive]
pub enum Action {
    /// The user of a node's application acts: see [`Scenario::with_turns`](super::Scenario::with_turns). Without
    /// applications nothing happens.
    Turn {
        /// The node.
        node: usize,
        /// The number of the turn, which determines its dice.
        number: u32,
    },
    /// A node emits events.
    Emit {
        /// The node.
        node: usize,
        /// The receiver; absent: all peers.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        to: Option<usize>,
        /// The number of events.
        count: u32,
        /// The bytes of the blob in each event; 0: no blob.
        #[serde(default, skip_serializing_if = "is_zero")]
        size: u32,
        /// The kind of emit.
        #[serde(default, skip_serializing_if = "Manner::is_event")]
        how: Manner,
    },
    /// A node emits one event of a shape.
    EmitShape {
        /// The node.
        node: usize,
        /// The receiver; absent: all peers.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        to: Option<usize>,
        /// The bytes of its blobs.
        size: u32,
        /// The number of its blobs.
        blobs: u32,
        /// The bytes of its text.
        text: u32,
        /// The depth of its arrays.
        depth: u32,
        /// The kind of emit.
        #[serde(default, skip_serializing_if = "Manner::is_event")]
        how: Manner,
    },
    /// An original client emits events.
    OriginalEmit {
        /// The client: original clients are numbered from 0.
        client: usize,
        /// Over its channel with this node, where it has one; absent: through the hub to all.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        to: Option<usize>,
        /// The number of events.
        count: u32,
        /// The bytes of the blob in each event; 0: no blob.
        #[serde(default, skip_serializing_if = "is_zero")]
        size: u32,
    },
    /// An original client joins, or leaves.
    OriginalHere {
        /// The client: original clients are numbered from 0.
        client: usize,
        /// Whether it joins.
        on: bool,
    },
    /// A node opens a transfer.
    Transfer {
        /// The node.
        node: usize,
        /// The receiver.
        to: usize,
        /// The bytes of the transfer.
        size: u32,
        /// The receiver cancels after this many bytes; absent: never.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        enough: Option<u32>,
        /// Whether the sender does not announce the size.
        #[serde(default, skip_serializing_if = "std::ops::Not::not")]
        unannounced: bool,
        /// The pause of the receiver before each read, in milliseconds.
        #[serde(default, skip_serializing_if = "is_zero")]
        late: u32,
    },
    /// A node cancels its oldest outgoing transfer.
    CancelTransfer {
        /// The node.
        node: usize,
    },
    /// A node cancels its oldest incoming transfer.
    RefuseTransfer {
        /// The node.
        node: usize,
    },
    /// A node's socket to the hub breaks, with some of the frames in flight on it delivered and the rest lost.
    Break {
        /// The node.
        node: usize,
    },
    /// A node's transports drain its output with pauses.
    Drain {
        /// The node.
        node: usize,
        /// The pause in milliseconds; 0: none.
        pause: u64,
    },
    /// Bundles that a neighbour forwards in one direction are lost, or no longer.
    Swallow {
        /// The neighbour.
        neighbour: usize,
        /// The sender.
        from: usize,
        /// The receiver.
        to: usize,
        /// Whether they are lost.
        on: bool,
    },
    /// A node changes its policy.
    Policy {
        /// The node.
        node: usize,
        /// The new policy.
        policy: PolicyName,
    },
    /// A node asks for direct paths.
    Upgrade {
        /// The node.
        node: usize,
        /// The peer; absent: all peers.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        to: Option<usize>,
    },
    /// A node closes.
    Close {
        /// The node.
        node: usize,
    },
    /// A node crashes: it sends no good-bye.
    Crash {
        /// The node.
        node: usize,
    },
    /// A node that has crashed or closed starts again, and gets a new id.
    Restart {
        /// The node.
        node: usize,
    },
    /// A node changes its metadata.
    Metadata {
        /// The node.
        node: usize,
        /// The number of changes, one right after the other.
        count: u32,
        /// The bytes that it has at least.
        #[serde(default, skip_serializing_if = "is_zero")]
        size: u32,
    },
    /// A node emits an event to the server's application.
    Report {
        /// The node.
        node: usize,
        /// Whether it asks for an answer.
        ask: bool,
    },
    /// A node connects again, whether it was refused or waits.
    Return {
        /// The node.
        node: usize,
    },
    /// The server's application acts.
    Server {
        /// What it does.
        operation: Operation,
    },
    /// The hub crashes.
    HubStop,
    /// A hub without members starts.
    HubStart,
    /// A node's socket to the hub breaks.
    Drop {
        /// The node.
        node: usize,
    },
    /// A node cannot reach the hub, or can again.
    Reach {
        /// The node.
        node: usize,
        /// Whether it can.
        on: bool,
    },
    /// A node's socket to the hub is half-open, or whole again.
    Mute {
        /// The node.
        node: usize,
        /// Whether it is.
        on: bool,
    },
    /// Direct connections between two nodes are half-open, or whole again.
    Silence {
        /// One node.
        a: usize,
        /// The other node.
        b: usize,
        /// Whether they are.
        on: bool,
    },
    /// Direct connections lose all messages in one direction, or no longer.
    Cut {
        /// The sender.
        from: usize,
        /// The receiver.
        to: usize,
        /// Whether it is cut.
        on: bool,
    },
    /// A partition separates nodes from all other nodes and from the hub.
    Partition {
        /// The separated nodes.
        island: Vec<usize>,
    },
    /// All cuts, half-open connections and partitions end.
    Heal,
    /// Attempts at direct connections between two nodes fail, or succeed again.
    Block {
        /// One node.
        a: usize,
        /// The other node.
        b: usize,
        /// Whether they fail.
        on: bool,
    },
    /// Direct connections between two nodes break after a time.
    Flap {
        /// One node.
        a: usize,
        /// The other node.
        b: usize,
        /// The time in milliseconds; 0: they last.
        lasts: u64,
    },
    /// Direct connections between two nodes close, with messages in flight.
    CloseDirect {
        /// One node.
        a: usize,
        /// The other node.
        b: usize,
    },
    /// The conditions of the path between a node and the hub change.
    RelayPath {
        /// The node.
        node: usize,
        /// The new conditions.
        conditions: Conditions,
    },
    /// The conditions of the direct path from one node to another change.
    DirectPath {
        /// The sender.
        from: usize,
        /// The receiver.
        to: usize,
        /// The new conditions.
        conditions: Conditions,
    },
    /// The faults of signals change.
    Signals {
        /// The new faults.
        faults: SignalFaults,
    },
    /// The faults of rosters change.
    Rosters {
        /// The new faults.
        faults: RosterFaults,
    },
    /// A node receives one message at a time, with a pause before each.
    Pace {
        /// The node.
        node: usize,
        /// The pause in milliseconds; 0: none.
        pause: u64,
    },
    /// A node's process stops (SIGSTOP), or continues.
    Freeze {
        /// The node.
        node: usize,
        /// Whether it stops.
        on: bool,
    },
    /// A node's application takes no events, or does again.
    Receive {
        /// The node.
        node: usize,
        /// Whether it takes events.
        on: bool,
    },
    /// All clocks jump forward.
    Jump {
        /// The jump in milliseconds.
        by: u64,
    },
    /// One node's clock jumps forward.
    JumpNode {
        /// The node.
        node: usize,
        /// The jump in milliseconds.
        by: u64,
    },
    /// Two nodes lose their direct connection and both offer at the same time.
    Glare {
        /// One node.
        a: usize,
        /// The other node.
        b: usize,
    },
    /// The malicious peer attacks. It joins the room with its first attack.
    Attack {
        /// The node attacked.
        victim: usize,
        /// The attack.
        attack: Attack,
        /// Whether over a direct connection, where there is one.
        #[serde(default, skip_serializing_if = "std::ops::Not::not")]
        direct: bool,
    },
}

#[expect(clippy::trivially_copy_pass_by_ref, reason = "serde asks for a reference")]
pub(super) const fn is_zero(number: &u32) -> bool {
    *number == 0
}
