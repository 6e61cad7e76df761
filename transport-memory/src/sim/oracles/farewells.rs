//! A session closes in time, and its good-bye reaches all peers that it reaches.

use std::time::Duration;

use socketio_p2p_core::Time;

use crate::invariant::{Breach, Invariant};
use crate::mesh::Node;

/// What saying good-bye may take beside the time for what was accepted, and a driver's pause.
const PARTING: Duration = Duration::from_millis(150);

/// A node that has been asked to close.
#[derive(Debug)]
struct Parting {
    node: Node,
    asked: Time,
    /// How much had been done to the mesh then.
    stirs: u64,
    /// Who was reached.
    reached: Vec<Node>,
}

/// Somebody who has to hear that a node has left.
#[derive(Clone, Copy, Debug)]
pub(in crate::sim) struct Expected {
    pub(in crate::sim) listener: Node,
    pub(in crate::sim) gone: Node,
    pub(in crate::sim) asked: Time,
    pub(in crate::sim) stirs: u64,
    due: Time,
}

#[derive(Debug, Default)]
pub(in crate::sim) struct Farewells {
    partings: Vec<Parting>,
    expected: Vec<Expected>,
}

impl Farewells {
    /// A node is asked to close while it reaches these.
    pub(in crate::sim) fn asked(&mut self, node: Node, now: Time, stirs: u64, reached: Vec<Node>) {
        self.partings.push(Parting { node, asked: now, stirs, reached });
    }

    /// When a node was asked to close.
    pub(in crate::sim) fn asked_at(&self, node: Node) -> Option<Time> {
        let parting = self.partings.iter().find(|parting| parting.node == node);
        parting.map(|parting| parting.asked)
    }

    /// A node has closed. `within`: how long it may take to deliver; `calm`: it has kept its times; `travel`: how long a
    /// farewell may be on its way.
    pub(in crate::sim) fn closed(
        &mut self,
        node: Node,
        within: Duration,
        calm: bool,
        travel: Duration,
        now: Time,
    ) -> Result<(), Breach> {
        let Some(index) = self.partings.iter().position(|parting| parting.node == node) else {
            return Ok(());
        };
        let Parting { asked, stirs, reached, .. } = self.partings.swap_remove(index);
        if calm && now > asked + within + PARTING {
            return Err(Breach::new(
                Invariant::Close,
                format!("{node:?} to close within {within:?}, and a little"),
                format!("it took {:?}", now - asked),
            ));
        }
        let due = now + travel;
        let expected = |listener| Expected { listener, gone: node, asked, stirs, due };
        self.expected.extend(reached.into_iter().map(expected));
        Ok(())
    }

    /// Somebody has heard that a node has left.
    pub(in crate::sim) fn heard(&mut self, listener: Node, gone: Node) {
        self.expected.retain(|one| (one.listener, one.gone) != (listener, gone));
        for parting in self.partings.iter_mut().filter(|parting| parting.node == gone) {
            parting.reached.retain(|one| *one != listener);
        }
    }

    /// When somebody has to have heard something.
    pub(in crate::sim) fn next(&self) -> Option<Time> {
        self.expected.iter().map(|expected| expected.due).min()
    }

    /// What has to have been heard by now.
    pub(in crate::sim) fn take_due(&mut self, now: Time) -> Vec<Expected> {
        if self.expected.is_empty() {
            return Vec::new();
        }
        let (due, later) = self.expected.iter().partition(|expected| expected.due <= now);
        self.expected = later;
        due
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use socketio_p2p_core::Time;

    use super::Farewells;
    use crate::mesh::Node;

    #[test]
    fn who_closes_does_so_in_time_and_those_it_reaches_hear_of_it_soon_after() {
        let at = Time::from_millis;
        let ms = Duration::from_millis;
        let node = Node::from_index;
        let mut farewells = Farewells::default();
        for index in 0..2 {
            farewells.asked(node(index), at(0), 7, vec![node(3), node(4), node(5)]);
        }
        assert!(farewells.closed(node(0), ms(500), true, ms(40), at(700)).is_err());
        farewells.heard(node(5), node(1));
        assert!(farewells.closed(node(1), ms(500), true, ms(40), at(650)).is_ok());
        assert_eq!(farewells.next(), Some(at(690)));
        assert!(farewells.take_due(at(689)).is_empty());
        let due = farewells.take_due(at(690));
        let due: Vec<_> = due.iter().map(|one| (one.listener, one.gone, one.stirs)).collect();
        assert_eq!(due, [(node(3), node(1), 7), (node(4), node(1), 7)]);
        assert!(farewells.take_due(at(9_000)).is_empty());
    }
}
