//! Open channels that are not validated: they are closed in time.

use std::time::Duration;

use socketio_p2p_core::{ConnectionId, Time};

use crate::mesh::Node;

/// What ending one may take beside.
const UNHURRIED: Duration = Duration::from_millis(2);

/// A channel that has opened.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(in crate::sim) struct Opening {
    pub(in crate::sim) node: Node,
    pub(in crate::sim) connection: ConnectionId,
    pub(in crate::sim) since: Time,
    /// By then it is proved, or over.
    pub(in crate::sim) due: Time,
}

#[derive(Debug, Default)]
pub(in crate::sim) struct Channels {
    openings: Vec<Opening>,
    next: Option<Time>,
}

impl Channels {
    /// A channel has opened, and has so long to prove itself.
    pub(in crate::sim) fn opened(
        &mut self,
        node: Node,
        connection: ConnectionId,
        since: Time,
        within: Duration,
    ) {
        let due = since + within + UNHURRIED;
        self.next = Some(self.next.map_or(due, |next| next.min(due)));
        self.openings.push(Opening { node, connection, since, due });
    }

    /// Those whose time is over.
    pub(in crate::sim) fn take_due(&mut self, now: Time) -> Vec<Opening> {
        if self.next.is_none_or(|next| now < next) {
            return Vec::new();
        }
        let (due, later) = self.openings.drain(..).partition(|opening| opening.due <= now);
        self.openings = later;
        self.next = self.openings.iter().map(|opening| opening.due).min();
        due
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use socketio_p2p_core::{ConnectionId, Time};

    use super::Channels;
    use crate::mesh::Node;

    #[test]
    fn each_is_due_once_when_its_time_is_over() {
        let (mut channels, at) = (Channels::default(), Time::from_millis);
        let id = ConnectionId::from_u64;
        channels.opened(Node::from_index(1), id(7), at(10), Duration::from_millis(50));
        channels.opened(Node::from_index(2), id(8), at(0), Duration::from_millis(30));
        assert!(channels.take_due(at(31)).is_empty());
        let ids =
            |due: Vec<super::Opening>| due.iter().map(|one| one.connection).collect::<Vec<_>>();
        assert_eq!(ids(channels.take_due(at(32))), [id(8)]);
        assert_eq!(ids(channels.take_due(at(100))), [id(7)]);
        assert!(channels.take_due(at(200)).is_empty());
    }
}
