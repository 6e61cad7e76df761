//! The settings in which one node differs from the others, and the configuration that comes of both.
//!
//! All drawing of settings for wide scenarios is in [`NodeSettings`], so that a field of [`Config`] that comes or
//! goes is dealt with here and in [`Settings::config_of`](super::Settings::config_of) only.

use serde::{Deserialize, Serialize};

use super::action::PolicyName;
use crate::dice::Dice;

/// Settings of one node; absent ones are as in the scenario's settings.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
#[non_exhaustive]
pub struct NodeSettings {
    /// The maximum of bytes of a received packet.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub packet_bytes: Option<usize>,
    /// The maximum of attachments of a received packet.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub attachments: Option<usize>,
    /// The maximum depth of a received packet.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub depth: Option<usize>,
    /// The maximum of direct connections.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub max_peers: Option<usize>,
    /// The maximum of bytes queued for one peer in one lane.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub queue_bytes: Option<usize>,
    /// The maximum of packets queued for one peer in one lane.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub queue_packets: Option<usize>,
    /// The maximum of bytes of volatile events in flight to one peer.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub volatile_bytes: Option<usize>,
    /// The maximum length of a record.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub piece_bytes: Option<usize>,
    /// The maximum of bytes in flight to one peer through the relay.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub relay_window: Option<usize>,
    /// The maximum of bytes in flight to one peer on a direct path.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub direct_window: Option<usize>,
    /// The maximum of bytes of a transfer that wait to be read.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub transfer_window: Option<usize>,
    /// The maximum of open transfers to one peer, and from it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub max_transfers: Option<usize>,
    /// The maximum of pending acks.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub max_pending_acks: Option<usize>,
    /// The initial policy.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub policy: Option<PolicyName>,
    /// Its timeouts, in percent of the scenario's.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub patience: Option<u32>,
    /// The maximum of bytes in flight in one direction of its connections.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub outstanding: Option<usize>,
    /// The maximum of bytes received and not yet delivered, of all peers.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub receive_bytes: Option<usize>,
    /// The maximum of pairs of peers for which it forwards.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub forward_pairs: Option<usize>,
    /// The maximum of members with state.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub max_members: Option<usize>,
    /// Bytes forwarded per second, from one peer to another.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub forward_rate: Option<u64>,
    /// The maximum of failed attempts at a direct path with one peer.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub max_attempts: Option<u32>,
    /// The maximum length of a message of its datagram channels; absent: it has none.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub datagrams: Option<usize>,
}

/// Which settings differ from node to node.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(in crate::sim) enum Variety {
    /// All that change nothing about who may talk directly.
    Sizes,
    /// Policies and numbers of peers too.
    All,
}

impl NodeSettings {
    /// The settings of one node.
    pub(in crate::sim) fn draw(dice: &mut Dice, variety: Variety, peers: usize) -> Self {
        let mut node = Self::default();
        let some = |dice: &mut Dice, chance: u16, of: &[usize]| {
            dice.happens(chance).then(|| dice.pick(of).unwrap_or(1))
        };
        node.packet_bytes = some(dice, 350, &[4_000, 4_000, 9_000, 30_000, 200_000]);
        node.attachments = some(dice, 250, &[0, 1, 3, 10]);
        node.depth = some(dice, 200, &[4, 8, 30]);
        node.queue_bytes = some(dice, 500, &[2_048, 6_000, 16_384, 100_000]);
        node.queue_packets = some(dice, 300, &[1, 2, 5, 40]);
        node.volatile_bytes = some(dice, 300, &[500, 2_000, 10_000]);
        node.piece_bytes = some(dice, 500, &[256, 700, 2_048, 10_000]);
        node.relay_window = some(dice, 500, &[2_048, 5_000, 16_384, 60_000]);
        node.transfer_window = some(dice, 500, &[600, 3_000, 20_000]);
        node.max_transfers = some(dice, 300, &[1, 2, 3]);
        node.max_pending_acks = some(dice, 300, &[1, 2, 5]);
        node.outstanding = some(dice, 500, &[2_048, 8_192, 65_536]);
        node.patience = dice.happens(300).then(|| dice.between(70, 140) as u32);
        if variety == Variety::All {
            let most = peers.saturating_sub(1).max(1) as u64;
            node.max_peers = dice.happens(150).then(|| dice.between(0, most) as usize);
            let policies = [PolicyName::Manual, PolicyName::RelayOnly, PolicyName::DirectOnly];
            node.policy = dice.happens(250).then(|| dice.pick(&policies)).flatten();
        }
        node
    }

    /// Draws what was added later, with dice of its own: what is drawn before stays what it was for each seed.
    pub(in crate::sim) fn draw_rest(&mut self, dice: &mut Dice, budgets: bool, pairs: bool) {
        let longest = dice.pick(&[100, 300, 1_200, 16_384]);
        self.datagrams = longest.filter(|_| dice.happens(600));
        if budgets {
            let held = dice.pick(&[20_000, 60_000, 200_000]);
            self.receive_bytes = held.filter(|_| dice.happens(300));
        }
        if pairs {
            self.forward_pairs = dice.pick(&[1, 2]).filter(|_| dice.happens(300));
        }
    }

    /// Draws the window of its direct paths, with dice of its own too.
    pub(in crate::sim) fn draw_direct_window(&mut self, dice: &mut Dice) {
        let window = dice.pick(&[2_048, 5_000, 16_384, 60_000]);
        self.direct_window = window.filter(|_| dice.happens(400));
    }
}
