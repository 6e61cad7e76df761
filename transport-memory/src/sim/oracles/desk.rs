//! What sessions and the server's application say to each other: at most once, and each question ends once.

use std::collections::{BTreeMap, BTreeSet};

use crate::invariant::{Breach, Invariant};

/// Events and questions in both directions, by numbers of their own.
#[derive(Debug, Default)]
pub(in crate::sim) struct Desk {
    /// Of each event of a node its sender, and whether it has come.
    up: Vec<(usize, bool)>,
    /// The questions of nodes without an end, by node and emit.
    asked: BTreeMap<(usize, u64), u64>,
    /// Of each event of the server its receiver (none: all), and to whom it has come.
    down: Vec<(Option<usize>, BTreeSet<usize>)>,
    /// Who has answered which question of the server.
    answered: BTreeSet<(u64, usize)>,
}

fn breach<T>(expected: String, came: String) -> Result<T, Breach> {
    Err(Breach::new(Invariant::ServerTalk, expected, came))
}

impl Desk {
    /// The number of the next event of a node.
    pub(in crate::sim) const fn next_up(&self) -> u64 {
        self.up.len() as u64
    }

    /// A node has emitted the next event to the server, as this emit, and asks for an answer or not.
    pub(in crate::sim) fn emitted(&mut self, node: usize, emit: u64, asks: bool) {
        if asks {
            self.asked.insert((node, emit), self.next_up());
        }
        self.up.push((node, false));
    }

    /// An event of a node has come to the server.
    pub(in crate::sim) fn came_up(&mut self, node: usize, number: u64) -> Result<(), Breach> {
        let event = usize::try_from(number).ok().and_then(|index| self.up.get_mut(index));
        match event {
            Some((sender, came)) if *sender == node && !*came => {
                *came = true;
                Ok(())
            }
            event => breach(
                "an event of its sender to the server, at most once".to_owned(),
                format!("{number} of node {node}, where it is {event:?}"),
            ),
        }
    }

    /// A question of a node has ended, with this answer or without one.
    pub(in crate::sim) fn ended(
        &mut self,
        node: usize,
        emit: u64,
        answer: Option<Option<u64>>,
    ) -> Result<(), Breach> {
        match (self.asked.remove(&(node, emit)), answer) {
            (Some(_), None) => Ok(()),
            (Some(number), Some(answer)) if answer == Some(number) => Ok(()),
            (asked, answer) => breach(
                format!("one end of each question to the server, of {asked:?} here"),
                format!("{answer:?} for emit {emit} of node {node}"),
            ),
        }
    }

    /// The server emits an event to a node or to all. Its number.
    pub(in crate::sim) fn sent_down(&mut self, to: Option<usize>) -> u64 {
        self.down.push((to, BTreeSet::new()));
        self.down.len() as u64 - 1
    }

    /// An event of the server has come to a node.
    pub(in crate::sim) fn came_down(
        &mut self,
        node: usize,
        number: Option<u64>,
    ) -> Result<(), Breach> {
        let index = number.and_then(|number| usize::try_from(number).ok());
        let event = index.and_then(|index| self.down.get_mut(index));
        match event {
            Some((to, came)) if to.is_none_or(|to| to == node) && !came.contains(&node) => {
                came.insert(node);
                Ok(())
            }
            event => breach(
                "an event of the server to its receiver, at most once".to_owned(),
                format!("{number:?} at node {node}, where it is {event:?}"),
            ),
        }
    }

    /// A node has answered a question of the server, with this number.
    pub(in crate::sim) fn answered(
        &mut self,
        node: usize,
        question: u64,
        answer: Option<u64>,
    ) -> Result<(), Breach> {
        let event = usize::try_from(question).ok().and_then(|index| self.down.get(index));
        let right = event.is_some_and(|(to, came)| *to == Some(node) && came.contains(&node));
        if right && answer == Some(question) && self.answered.insert((question, node)) {
            return Ok(());
        }
        breach(
            format!("one answer to question {question} of those asked, as they gave it"),
            format!("{answer:?} of node {node}"),
        )
    }

    /// Whether each question of a node has an end.
    pub(in crate::sim) fn is_settled(&self) -> bool {
        self.asked.is_empty()
    }

    /// The questions of a node that have no end.
    pub(in crate::sim) fn open_of(&self, node: usize) -> usize {
        self.asked.keys().filter(|(asker, _)| *asker == node).count()
    }
}

#[cfg(test)]
mod tests {
    use super::Desk;

    #[test]
    fn events_come_once_to_their_receiver_and_questions_end_once() {
        let mut desk = Desk::default();
        desk.emitted(1, 7, true);
        assert!(desk.came_up(2, 0).is_err() && desk.came_up(1, 0).is_ok());
        assert!(desk.came_up(1, 0).is_err() && desk.came_up(1, 1).is_err());
        assert_eq!((desk.open_of(1), desk.open_of(2)), (1, 0));
        assert!(desk.ended(1, 7, Some(Some(0))).is_ok() && desk.ended(1, 7, None).is_err());
        desk.emitted(1, 8, true);
        assert!(desk.ended(1, 8, Some(Some(0))).is_err());
        let (one, all) = (desk.sent_down(Some(1)), desk.sent_down(None));
        assert!(desk.came_down(2, Some(one)).is_err() && desk.answered(1, one, Some(one)).is_err());
        assert!(desk.came_down(1, Some(one)).is_ok() && desk.came_down(1, Some(one)).is_err());
        assert!((1..4).all(|node| desk.came_down(node, Some(all)).is_ok()));
        assert!(desk.answered(2, one, Some(one)).is_err() && desk.answered(1, one, None).is_err());
        assert!(
            desk.answered(1, one, Some(one)).is_ok() && desk.answered(1, one, Some(one)).is_err()
        );
    }
}
