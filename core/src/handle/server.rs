//! Requests to the server's application.

use std::pin::Pin;
use std::task::{Context, Poll};
use std::time::Duration;

use serde::de::DeserializeOwned;

use super::error::RequestError;
use super::peer::Peer;
use super::server_questions::Question;
use super::shared::State;
use crate::codec::Packet;
use crate::id::EmitId;
use crate::session::Target;

impl Peer {
    /// Asks the server's application. Awaiting it sends the event, at most once, and returns the answer. The time-out
    /// is [`Config::ack_timeout`](crate::Config::ack_timeout) unless [`timeout`](ServerRequest::timeout) states
    /// another. It never waits for room.
    pub fn request_server(&self, event: &Packet) -> ServerRequest {
        ServerRequest { peer: self.clone(), event: event.clone(), timeout: None, question: None }
    }
}

/// A request to the server's application: [`Peer::request_server`]. Fails with [`RequestError`].
///
/// # Cancel safety
/// Dropping it forgets the question: a late answer is discarded.
#[derive(Debug)]
#[must_use = "a request that is not awaited is not sent"]
pub struct ServerRequest {
    peer: Peer,
    event: Packet,
    timeout: Option<Duration>,
    question: Option<EmitId>,
}

impl ServerRequest {
    /// Sets the time within which the answer must come.
    pub fn timeout(mut self, timeout: Duration) -> Self {
        self.timeout = Some(timeout);
        self
    }

    /// Sends the request, and parses the arguments of the answer, as [`Packet::args`] does.
    ///
    /// # Errors
    /// As the request, and [`RequestError::Payload`].
    ///
    /// # Cancel safety
    /// As of the request.
    pub async fn args<T: DeserializeOwned>(self) -> Result<T, RequestError> {
        Ok(self.await?.args()?)
    }
}

impl Future for ServerRequest {
    type Output = Result<Packet, RequestError>;

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        let Self { peer, event, timeout, question } = &mut *self;
        peer.shared().call(|state, now| {
            let State { session, server_questions, .. } = state;
            let id = match *question {
                Some(id) => id,
                None => match session.emit_with_ack(Target::Server, event, *timeout, now) {
                    Ok(emitted) => emitted.id,
                    Err(error) => return Poll::Ready(Err(RequestError::new(error))),
                },
            };
            *question = Some(id);
            match server_questions.open.remove(&id) {
                Some(Question::Answered(answer)) => Poll::Ready(answer),
                _ if state.has_ended() => Poll::Ready(Err(RequestError::Closed)),
                _ => {
                    let asked = Question::Asked(cx.waker().clone());
                    state.server_questions.open.insert(id, asked);
                    Poll::Pending
                }
            }
        })
    }
}

impl Drop for ServerRequest {
    fn drop(&mut self) {
        if let Some(id) = self.question {
            self.peer.shared().call(|state, _| {
                if state.server_questions.open.remove(&id).is_some() {
                    state.session.forget_server_question(id);
                }
            });
        }
    }
}
