//! The time since the last disturbance of a node: since then its timers are exact.

use socketio_p2p_core::Time;

use crate::mesh::{Mesh, Node};

/// When each node was disturbed last: its clock jumped, its process stood still, or it took things late.
#[derive(Debug, Default)]
pub(in crate::sim) struct Calm {
    disturbed: Vec<Option<Time>>,
    /// Everybody's clock jumped.
    jumped: Option<Time>,
}

impl Calm {
    /// Something is done to a node, or ends.
    pub(in crate::sim) fn disturb(&mut self, node: Node, now: Time) {
        if self.disturbed.len() <= node.index() {
            self.disturbed.resize(node.index() + 1, None);
        }
        self.disturbed[node.index()] = Some(now);
    }

    /// Everybody's clock has jumped.
    pub(in crate::sim) fn jump(&mut self, now: Time) {
        self.jumped = Some(now);
    }

    /// Whether a node has kept its times since then.
    pub(in crate::sim) fn holds(&self, node: Node, since: Time, mesh: &Mesh) -> bool {
        let disturbed = self.disturbed.get(node.index()).copied().flatten().max(self.jumped);
        mesh.is_prompt(node) && disturbed.is_none_or(|then| then < since)
    }
}

#[cfg(test)]
mod tests {
    use super::Calm;
    use crate::mesh::Mesh;
    use socketio_p2p_core::{Config, Time};

    #[test]
    fn a_node_is_calm_from_its_last_disturbance_on_and_not_while_it_stands_still() {
        let mut mesh = Mesh::new(1);
        let (ann, bob) = (mesh.add(Config::default()), mesh.add(Config::default()));
        let at = Time::from_millis;
        let mut calm = Calm::default();
        calm.disturb(bob, at(50));
        assert!(calm.holds(ann, at(0), &mesh) && calm.holds(bob, at(51), &mesh));
        assert!(!calm.holds(bob, at(50), &mesh));
        mesh.set_frozen(ann, true);
        assert!(!calm.holds(ann, at(0), &mesh));
        calm.jump(at(70));
        assert!(!calm.holds(bob, at(60), &mesh) && calm.holds(bob, at(80), &mesh));
    }
}
