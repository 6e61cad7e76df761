//! Requests: events that peers answer.

use std::collections::VecDeque;
use std::marker::PhantomData;
use std::pin::Pin;
use std::task::{Context, Poll};
use std::time::Duration;

use futures::{Stream, StreamExt as _};
use serde::de::DeserializeOwned;

use super::error::RequestError;
use super::peer::Peer;
use super::questions::Answer;
use super::shared::State;
use super::waits::{Waits, Way};
use crate::codec::Packet;
use crate::error::EmitError;
use crate::id::PeerId;
use crate::session::Target;
use crate::time::Time;

impl Peer {
    /// Asks one peer. Awaiting it sends the event, in one line with [`emit`](Self::emit), and returns the
    /// answer. The time-out is [`Config::ack_timeout`](crate::Config::ack_timeout) unless
    /// [`timeout`](Request::timeout) states another.
    pub fn request(&self, to: &PeerId, event: &Packet) -> Request {
        Request { answers: Answers::new(self.clone(), Target::Peer(to.clone()), event.clone()) }
    }

    /// Asks all peers that are in the room at the first poll, and returns the stream of their answers. The
    /// time-out is as in [`request`](Self::request).
    pub fn request_all(&self, event: &Packet) -> Answers {
        Answers::new(self.clone(), Target::All, event.clone())
    }
}

/// A request to one peer: [`Peer::request`].
#[derive(Debug)]
#[must_use = "a request that is not awaited is not sent"]
pub struct Request {
    answers: Answers,
}

impl Request {
    /// Sets the time within which the answer must come, from the first poll on, including the time for which
    /// the question waits for room.
    pub fn timeout(self, timeout: Duration) -> Self {
        Self { answers: self.answers.timeout(timeout) }
    }

    /// Sends the request, and parses the arguments of the answer, as [`Packet::args`] does.
    ///
    /// # Errors
    /// As the request, and [`RequestError::Payload`].
    ///
    /// # Cancel safety
    /// As of [`PendingAnswer`].
    pub async fn args<T: DeserializeOwned>(self) -> Result<T, RequestError> {
        Ok(self.await?.args()?)
    }
}

impl IntoFuture for Request {
    type Output = Result<Packet, RequestError>;
    type IntoFuture = PendingAnswer;

    fn into_future(self) -> PendingAnswer {
        PendingAnswer { answers: self.answers }
    }
}

/// The future of a [`Request`]. Fails with [`RequestError`].
///
/// # Cancel safety
/// Dropping it before the question had room takes it out of the line: it is not sent. Dropping it later forgets
/// the question: a late answer is discarded.
#[derive(Debug)]
#[must_use = "a request that is not awaited is not sent"]
pub struct PendingAnswer {
    answers: Answers,
}

impl Future for PendingAnswer {
    type Output = Result<Packet, RequestError>;

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        let answer = std::task::ready!(self.answers.poll_next_unpin(cx));
        Poll::Ready(answer.map_or(Err(RequestError::Closed), |(_, answer)| answer))
    }
}

/// The answers to a request to all peers ([`Peer::request_all`]), as they come: one item per peer, either the
/// answer or the reason why there is none. Ends after the last one. Without peers it is empty.
///
/// # Cancel safety
/// `next()` loses no answer when it is dropped. Dropping the stream forgets the question: peers without room
/// are not asked, late answers are discarded.
#[derive(Debug)]
#[must_use = "a request that is not polled is not sent"]
pub struct Answers {
    peer: Peer,
    event: Packet,
    to: Target,
    timeout: Option<Duration>,
    stage: Stage,
    /// The peers that were not asked, and why.
    refused: VecDeque<(PeerId, RequestError)>,
}

#[derive(Debug)]
enum Stage {
    New,
    /// Some peers have no room for the question.
    Waiting {
        waits: Waits,
        deadline: Time,
    },
    /// All peers were asked, or will not be.
    Asked(Waits),
    Over,
}

impl Answers {
    const fn new(peer: Peer, to: Target, event: Packet) -> Self {
        Self { peer, event, to, timeout: None, stage: Stage::New, refused: VecDeque::new() }
    }

    /// Sets the time within which the answers must come, from the first poll on, including the time for which
    /// the question waits for room.
    pub fn timeout(mut self, timeout: Duration) -> Self {
        self.timeout = Some(timeout);
        self
    }

    /// Parses the arguments of each answer, as [`Packet::args`] does: an answer of another type is
    /// [`RequestError::Payload`].
    pub fn args<T: DeserializeOwned>(self) -> AnswersAs<T> {
        AnswersAs { answers: self, args: PhantomData }
    }

    /// Asks the peers that have room for the question.
    fn ask(&mut self, state: &mut State, now: Time, cx: &Context<'_>) {
        let (mut waits, deadline) = match std::mem::replace(&mut self.stage, Stage::Over) {
            Stage::New => {
                let timeout = self.timeout.unwrap_or_else(|| state.session.ack_timeout());
                let deadline = now + timeout;
                (Waits::new(self.to.clone(), Way::Question(deadline)), deadline)
            }
            Stage::Waiting { waits, deadline } => (waits, deadline),
            other @ (Stage::Asked(_) | Stage::Over) => {
                self.stage = other;
                return;
            }
        };
        let polled = waits.poll(state, &self.event, now, cx.waker());
        if let Poll::Ready(Err(error)) = polled {
            return self.refuse_all(state, error, now);
        }
        let (accepted, rejected) = waits.take_news();
        let rejected = rejected.into_iter().map(|(peer, why)| (peer, RequestError::new(why)));
        self.refused.extend(rejected);
        let Some(id) = waits.id() else { return };
        state.questions.ask(id, accepted);
        if polled.is_pending() && now < deadline {
            self.stage = Stage::Waiting { waits, deadline };
            return;
        }
        let late = waits.abandon(state).map(|peer| (peer.clone(), RequestError::TimedOut(peer)));
        self.refused.extend(late);
        state.questions.end_wait(id, deadline);
        self.stage = Stage::Asked(waits);
    }

    /// Reports an error of the event itself for each receiver.
    fn refuse_all(&mut self, state: &mut State, error: EmitError, now: Time) {
        if let Target::Peer(peer) = &self.to {
            return self.refused.push_back((peer.clone(), RequestError::new(error)));
        }
        for peer in state.session.peer_ids() {
            let mut again = Waits::new(Target::Peer(peer.clone()), Way::Question(now));
            if let Err(error) = again.begin(state, &self.event, now) {
                self.refused.push_back((peer, RequestError::new(error)));
            }
        }
    }

    fn next_answer(&mut self, state: &mut State, cx: &Context<'_>) -> Poll<Option<Answer>> {
        if let Some((peer, error)) = self.refused.pop_front() {
            return Poll::Ready(Some((peer, Err(error))));
        }
        let (waits, deadline) = match &self.stage {
            Stage::Waiting { waits, deadline } => (waits, Some(*deadline)),
            Stage::Asked(waits) => (waits, None),
            Stage::New | Stage::Over => return Poll::Ready(None),
        };
        let Some(id) = waits.id() else { return Poll::Ready(None) };
        if state.has_ended() {
            state.questions.give_up(id);
        }
        if let Some(answer) = state.questions.next(id) {
            return Poll::Ready(Some(answer));
        }
        if deadline.is_none() && state.questions.is_complete(id) {
            self.stage = Stage::Over;
            return Poll::Ready(None);
        }
        state.questions.wait(id, deadline, cx.waker());
        Poll::Pending
    }
}

impl Stream for Answers {
    type Item = (PeerId, Result<Packet, RequestError>);

    fn poll_next(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Self::Item>> {
        let this = &mut *self;
        let peer = this.peer.clone();
        peer.shared().call(|state, now| {
            this.ask(state, now, cx);
            this.next_answer(state, cx)
        })
    }
}

/// The answers to a request to all peers, with arguments of one type: [`Answers::args`].
///
/// # Cancel safety
/// As of [`Answers`].
#[derive(Debug)]
#[must_use = "a request that is not polled is not sent"]
pub struct AnswersAs<T> {
    answers: Answers,
    args: PhantomData<fn() -> T>,
}

impl<T> AnswersAs<T> {
    /// Sets the time within which the answers must come, as [`Answers::timeout`] does.
    pub fn timeout(self, timeout: Duration) -> Self {
        Self { answers: self.answers.timeout(timeout), ..self }
    }
}

impl<T: DeserializeOwned> Stream for AnswersAs<T> {
    type Item = (PeerId, Result<T, RequestError>);

    fn poll_next(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Self::Item>> {
        let answer = std::task::ready!(self.answers.poll_next_unpin(cx));
        Poll::Ready(answer.map(|(peer, answer)| (peer, answer.and_then(|it| Ok(it.args()?)))))
    }
}

impl Drop for Answers {
    fn drop(&mut self) {
        let stage = std::mem::replace(&mut self.stage, Stage::Over);
        self.peer.shared().call(|state, now| {
            let (mut waits, deadline) = match stage {
                Stage::Waiting { waits, deadline } => (waits, Some(deadline)),
                Stage::Asked(waits) => (waits, None),
                Stage::New | Stage::Over => return,
            };
            drop(waits.abandon(state));
            let Some(id) = waits.id() else { return };
            if let Some(deadline) = deadline {
                state.questions.end_wait(id, deadline);
            }
            for peer in state.questions.forget(id) {
                state.session.forget_question(&peer, id, now);
            }
        });
    }
}
