//! The requests whose answers are not complete.

use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::task::Waker;

use super::error::RequestError;
use crate::codec::Packet;
use crate::id::{EmitId, PeerId};
use crate::time::Time;

/// All open requests.
#[derive(Debug, Default)]
pub(super) struct Questions {
    open: BTreeMap<EmitId, Question>,
    /// The requests that wait for room, by deadline. The session knows the deadlines of the others.
    deadlines: BTreeSet<(Time, EmitId)>,
}

#[derive(Debug, Default)]
struct Question {
    /// The peers that were asked and have not answered.
    asked: BTreeSet<PeerId>,
    answers: VecDeque<Answer>,
    waker: Option<Waker>,
}

/// The answer of a peer, or the reason why there is none.
pub(super) type Answer = (PeerId, Result<Packet, RequestError>);

impl Questions {
    /// Notes peers that were asked.
    pub(super) fn ask(&mut self, id: EmitId, peers: impl IntoIterator<Item = PeerId>) {
        self.open.entry(id).or_default().asked.extend(peers);
    }

    /// Takes the answer of a peer. Returns it when no request here waits for it.
    pub(super) fn answer(
        &mut self,
        id: EmitId,
        answer: Answer,
        woken: &mut Vec<Waker>,
    ) -> Option<Answer> {
        let Some(question) = self.open.get_mut(&id) else { return Some(answer) };
        question.asked.remove(&answer.0);
        question.answers.push_back(answer);
        woken.extend(question.waker.take());
        None
    }

    /// Gives a peer that was asked its new id.
    pub(super) fn rename(&mut self, from: &PeerId, to: &PeerId) {
        for question in self.open.values_mut() {
            if question.asked.remove(from) {
                question.asked.insert(to.clone());
            }
        }
    }

    /// Returns whether a request here waits for answers to this emit.
    pub(super) fn contains(&self, id: EmitId) -> bool {
        self.open.contains_key(&id)
    }

    /// Returns the next answer.
    pub(super) fn next(&mut self, id: EmitId) -> Option<Answer> {
        self.open.get_mut(&id)?.answers.pop_front()
    }

    /// Returns whether all peers that were asked have answered. The request is over then.
    pub(super) fn is_complete(&mut self, id: EmitId) -> bool {
        let complete = self
            .open
            .get(&id)
            .is_none_or(|question| question.asked.is_empty() && question.answers.is_empty());
        if complete {
            self.open.remove(&id);
        }
        complete
    }

    /// Ends the request of each peer that has not answered, because the session has ended.
    pub(super) fn give_up(&mut self, id: EmitId) {
        if let Some(question) = self.open.get_mut(&id) {
            let asked = std::mem::take(&mut question.asked).into_iter();
            question.answers.extend(asked.map(|peer| (peer, Err(RequestError::Closed))));
        }
    }

    /// Keeps the waker of a caller, until `deadline` if it waits for room.
    pub(super) fn wait(&mut self, id: EmitId, deadline: Option<Time>, waker: &Waker) {
        self.open.entry(id).or_default().waker = Some(waker.clone());
        self.deadlines.extend(deadline.map(|deadline| (deadline, id)));
    }

    /// Notes that a request no longer waits for room.
    pub(super) fn end_wait(&mut self, id: EmitId, deadline: Time) {
        self.deadlines.remove(&(deadline, id));
    }

    /// Removes a request whose caller is gone. Returns the peers that were asked and have not answered.
    pub(super) fn forget(&mut self, id: EmitId) -> BTreeSet<PeerId> {
        self.open.remove(&id).map(|question| question.asked).unwrap_or_default()
    }

    /// Wakes the requests whose deadline has passed while they wait for room.
    pub(super) fn expire(&mut self, now: Time, woken: &mut Vec<Waker>) {
        while let Some((deadline, id)) = self.deadlines.first().copied()
            && deadline <= now
        {
            self.deadlines.pop_first();
            let question = self.open.get_mut(&id);
            woken.extend(question.and_then(|question| question.waker.take()));
        }
    }

    pub(super) fn next_deadline(&self) -> Option<Time> {
        self.deadlines.first().map(|(deadline, _)| *deadline)
    }

    pub(super) fn wake_all(&mut self, woken: &mut Vec<Waker>) {
        woken.extend(self.open.values_mut().filter_map(|question| question.waker.take()));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn peer(name: &'static str) -> PeerId {
        PeerId::new(name).unwrap()
    }

    #[test]
    fn a_request_that_was_forgotten_leaves_no_entry() {
        let (mut questions, mut woken) = (Questions::default(), Vec::new());
        let id = EmitId(7);
        questions.ask(id, [peer("a"), peer("b")]);
        questions.wait(id, Some(Time::from_millis(5)), Waker::noop());
        questions.end_wait(id, Time::from_millis(5));
        let answer = || (peer("a"), Err(RequestError::TimedOut(peer("a"))));
        assert!(questions.answer(id, answer(), &mut woken).is_none());
        assert_eq!(questions.forget(id), BTreeSet::from([peer("b")]));
        assert!(questions.answer(id, answer(), &mut woken).is_some());
        assert!(questions.open.is_empty() && questions.deadlines.is_empty());
    }

    #[test]
    fn the_answer_of_a_renamed_peer_completes_the_request() {
        let (mut questions, mut woken) = (Questions::default(), Vec::new());
        let id = EmitId(7);
        questions.ask(id, [peer("a")]);
        questions.rename(&peer("a"), &peer("b"));
        let answer = (peer("b"), Err(RequestError::Closed));
        assert!(questions.answer(id, answer, &mut woken).is_none());
        assert!(questions.next(id).is_some() && questions.is_complete(id));
    }

    #[test]
    fn a_request_that_is_over_leaves_no_entry() {
        let (mut questions, mut woken) = (Questions::default(), Vec::new());
        let id = EmitId(7);
        questions.ask(id, [peer("a")]);
        questions.wait(id, None, Waker::noop());
        assert!(!questions.is_complete(id));
        let answer = (peer("a"), Err(RequestError::PeerLeft(peer("a"))));
        assert!(questions.answer(id, answer, &mut woken).is_none());
        assert_eq!(woken.len(), 1);
        assert!(questions.next(id).is_some() && questions.next(id).is_none());
        assert!(questions.is_complete(id) && questions.open.is_empty());
    }
}
