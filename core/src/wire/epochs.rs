//! The epochs of a bundle or record.

use serde::{Deserialize, Serialize};

/// The two incarnations of a link that an envelope belongs to.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Epochs {
    /// The sender's epoch.
    pub epoch: u32,
    /// The receiver's epoch as the sender knows it; 0 when unknown.
    #[serde(default, rename = "for", skip_serializing_if = "is_zero")]
    pub peer_epoch: u32,
}

#[expect(clippy::trivially_copy_pass_by_ref, reason = "serde asks for a reference")]
const fn is_zero(number: &u32) -> bool {
    *number == 0
}
