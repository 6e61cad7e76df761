//! `Ready` and `Upgrade` are reported, and not before they are true.

use socketio_p2p_core::{Path, Policy};

use crate::invariant::{Breach, Invariant};
use crate::mesh::{Mesh, Node};
use crate::sim::model::Model;

/// What is known about who takes part in direct connections.
#[derive(Debug, Default)]
pub(in crate::sim) struct Milestones {
    /// Nodes that have declined or may have, ever: others may count them or not.
    reserved: Vec<usize>,
    /// Pairs whose direct paths break again and again: either may have given up.
    in_vain: Vec<(usize, usize)>,
    told: Vec<(usize, bool)>,
    /// Nodes that say things late.
    slow: Vec<usize>,
}

impl Milestones {
    /// A node does not, or not always, take part.
    pub(in crate::sim) fn reserve(&mut self, node: usize) {
        if !self.reserved.contains(&node) {
            self.reserved.push(node);
        }
    }

    /// All attempts of two nodes may come to nothing.
    pub(in crate::sim) fn try_in_vain(&mut self, a: usize, b: usize) {
        self.in_vain.push((a.min(b), a.max(b)));
    }

    /// What a node says may not be true any more when it is heard.
    pub(in crate::sim) fn slow(&mut self, node: usize) {
        self.slow.push(node);
    }

    /// A session says that it is ready, or that it has upgraded.
    pub(in crate::sim) fn note(
        &mut self,
        node: usize,
        upgrade: bool,
        mesh: &Mesh,
        model: &Model,
    ) -> Result<(), Breach> {
        self.told.push((node, upgrade));
        if self.slow.contains(&node) {
            return Ok(());
        }
        let Some((there, most)) = self.count(node, upgrade, mesh, model) else { return Ok(()) };
        if there >= most {
            return Ok(());
        }
        let what = if upgrade { "`Upgrade`" } else { "`Ready`" };
        Err(Breach::new(
            Invariant::Ready,
            format!("{what} of node {node} with {most} direct paths"),
            format!("{there}"),
        ))
    }

    /// Something about a node's paths has changed for the worse: what is not true any more has to be said anew once it is.
    pub(in crate::sim) fn review(&mut self, node: usize, mesh: &Mesh, model: &Model) {
        for upgrade in [false, true] {
            let counts = self.count(node, upgrade, mesh, model);
            if counts.is_some_and(|(there, most)| there < most) {
                self.told.retain(|told| *told != (node, upgrade));
            }
        }
    }

    /// Everybody has found everybody: whoever is ready has said so.
    pub(in crate::sim) fn check_told(
        &self,
        node: Node,
        mesh: &Mesh,
        model: &Model,
    ) -> Result<(), Breach> {
        // Whoever may have declined counts until it has.
        if !self.reserved.is_empty() {
            return Ok(());
        }
        for upgrade in [false, true] {
            let counts = self.count(node.index(), upgrade, mesh, model);
            let there = counts.is_some_and(|(there, most)| most > 0 && there >= most);
            if there && !self.told.contains(&(node.index(), upgrade)) {
                let what = if upgrade { "`Upgrade`" } else { "`Ready`" };
                return Err(Breach::new(
                    Invariant::Ready,
                    format!("{what} of {node:?} once it is true"),
                    "none",
                ));
            }
        }
        Ok(())
    }

    /// How many direct paths there are (used, or proved at least), and how many there must be.
    fn count(
        &self,
        node: usize,
        upgrade: bool,
        mesh: &Mesh,
        model: &Model,
    ) -> Option<(usize, usize)> {
        let handle = Node::from_index(node);
        if !mesh.is_running(handle) || mesh.session(handle).policy() == Policy::RelayOnly {
            return None;
        }
        let (mut there, mut all) = (0, 0);
        for peer in mesh.session(handle).peers() {
            let direct = peer.path == Some(Path::Direct);
            there += usize::from(if upgrade { direct } else { peer.validated });
            let other = model.find(&peer.id)?;
            let given_up = mesh.is_blocked(handle, Node::from_index(other))
                || self.in_vain.contains(&(node.min(other), node.max(other)));
            let counts =
                !peer.away && !model.is_raw(other) && !model.is_original(other) && !given_up;
            all += usize::from(counts && !self.reserved.contains(&other));
        }
        Some((there, all.min(model.max_peers(node))))
    }
}
