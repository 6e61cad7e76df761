//! The two incarnations of a link whose bundles count.

use socketio_p2p_core::wire::Epochs;

/// The epochs of a link.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) struct Standing {
    /// The session's and the peer's; 0 when unknown.
    pub(super) epochs: Epochs,
    /// The peer's epochs up to this one are over.
    pub(super) over: u32,
}

impl Standing {
    pub(super) fn last_heard(self) -> u32 {
        self.over.max(self.epochs.peer_epoch)
    }
}
