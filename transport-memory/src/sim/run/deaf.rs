//! Direct paths on which nothing arrives: they must be found dead in time.

use std::time::Duration;

use socketio_p2p_core::{Path, Time};

use super::Run;
use crate::invariant::{Breach, Invariant};
use crate::mesh::Node;

/// A node that hears nothing of another on their direct path.
#[derive(Clone, Copy, Debug)]
pub(super) struct Deaf {
    pub(super) node: Node,
    pub(super) other: Node,
    pub(super) until: Time,
}

impl Run<'_> {
    /// `node` hears nothing of `other` from now on, or something again. It has to find out: what it heard last was
    /// before now.
    pub(super) fn set_deaf(&mut self, node: Node, other: Node, deaf: bool) {
        self.deaf.retain(|deaf| (deaf.node, deaf.other) != (node, other));
        if deaf {
            let until = self.mesh.now() + self.silence_of(node) + Duration::from_millis(1);
            self.deaf.push(Deaf { node, other, until });
        }
    }

    /// A direct path on which nothing was heard for the silence timeout is not used any more.
    pub(super) fn check_deaf(&mut self, now: Time) -> Result<(), Breach> {
        let (due, later) = self.deaf.iter().partition(|deaf| deaf.until <= now);
        self.deaf = later;
        for Deaf { node, other, .. } in due {
            let alive = |node: Node| self.mesh.is_running(node) && self.mesh.is_prompt(node);
            if alive(node)
                && let Some(id) = self.model.id(other.index())
                && let Some(peer) = self.mesh.session(node).peers().find(|peer| peer.id == *id)
                && (peer.path == Some(Path::Direct) || peer.validated)
            {
                let silence = self.silence_of(node);
                return Err(Breach::new(
                    Invariant::Distress,
                    format!("{node:?} to give up a direct path that is dead for {silence:?}"),
                    format!("{peer:?}"),
                ));
            }
        }
        Ok(())
    }
}
