//! What the hub allows, where that differs from its defaults.

use serde::{Deserialize, Serialize};
use socketio_p2p_core::hub::HubConfig;

use crate::dice::Dice;

/// Limits of the hub; absent ones are as in [`HubConfig`]. A rate is a burst and a number per second.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
#[non_exhaustive]
pub struct HubSettings {
    /// The maximum of members of a room.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub room_capacity: Option<usize>,
    /// The rate of signals of a client.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub signals: Option<(u32, u32)>,
    /// The rate of envelopes of a client.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub envelopes: Option<(u32, u32)>,
    /// The rate of bytes of a client, counted per receiver.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub deliveries: Option<(u64, u64)>,
    /// The rate of resumes of a member.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub resumes: Option<(u32, u32)>,
    /// The rate of joins of a room.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub joins: Option<(u32, u32)>,
}

impl HubSettings {
    pub(super) fn is_default(&self) -> bool {
        *self == Self::default()
    }

    /// Bounds that honest sessions hardly reach, with one or two guests in the room.
    pub(in crate::sim) fn draw(dice: &mut Dice, peers: usize) -> Self {
        let guests = dice.between(1, 2) as usize;
        Self {
            room_capacity: dice.happens(500).then_some(peers + guests),
            signals: dice.happens(600).then(|| (dice.between(40, 80) as u32, 20)),
            envelopes: dice.happens(500).then(|| (dice.between(400, 600) as u32, 400)),
            deliveries: dice.happens(300).then(|| (dice.between(200_000, 400_000), 300_000)),
            resumes: dice.happens(600).then(|| (dice.between(2, 5) as u32, 1)),
            joins: dice.happens(400).then_some((1, 1)),
        }
    }

    pub(super) fn apply(&self, mut config: HubConfig) -> HubConfig {
        if let Some(members) = self.room_capacity {
            config = config.with_room_capacity(members);
        }
        if let Some((burst, per_second)) = self.signals {
            config = config.with_signal_rate(burst, per_second);
        }
        if let Some((burst, per_second)) = self.envelopes {
            config = config.with_envelope_rate(burst, per_second);
        }
        if let Some((burst, per_second)) = self.deliveries {
            config = config.with_delivery_rate(burst, per_second);
        }
        if let Some((burst, per_second)) = self.resumes {
            config = config.with_resume_rate(burst, per_second);
        }
        if let Some((burst, per_second)) = self.joins {
            config = config.with_room_join_rate(burst, per_second);
        }
        config
    }
}
