//! Emits that wait for room, and those that do not.

use std::pin::Pin;
use std::task::{Context, Poll};

use serde::Serialize;

use super::lines::{Place, Ticket};
use super::peer::Peer;
use super::waits::{Waits, Way};
use crate::codec::Packet;
use crate::error::{EmitError, ReplyError};
use crate::event::ReplyToken;
use crate::id::PeerId;
use crate::session::{Emitted, Session, Target};
use crate::time::Time;
use crate::wire::Lane;

impl Peer {
    /// Sends an event to one peer or to all, exactly once and in order, as [`Session::emit`] does. Waits while
    /// the peer's queue is full.
    ///
    /// The order of the callers is kept per peer and lane: while somebody waits for a peer's lane, a later
    /// caller queues behind, whatever room there is. What waits is one packet per pending future.
    ///
    /// With [`Target::All`] it completes when each of the peers that are in the room now has accepted the event
    /// or left; [`Emitted`] lists both, under one id. A peer that left is listed with
    /// [`EmitError::UnknownPeer`].
    ///
    /// To [`Target::Server`] it does not wait: [`EmitError::ServerBlocked`] when the queue is full.
    ///
    /// # Errors
    /// As [`Session::emit`] except for [`EmitError::Blocked`]; [`EmitError::UnknownPeer`] also when the peer
    /// leaves meanwhile, [`EmitError::Closed`] when the session closes or ends. With all peers as receivers,
    /// errors of the event itself only.
    ///
    /// # Cancel safety
    /// Dropping the future before it completes takes the event out of the line: it is not sent, except to
    /// those of several receivers that had room.
    pub fn emit<'a>(&'a self, to: impl Into<Target>, event: &'a Packet) -> Emit<'a> {
        Emit::new(self, to.into(), Lane::Events, event)
    }

    /// Sends an event on the bulk lane, otherwise as [`emit`](Self::emit).
    ///
    /// # Errors
    /// As [`emit`](Self::emit).
    ///
    /// # Cancel safety
    /// As [`emit`](Self::emit).
    pub fn emit_bulk<'a>(&'a self, to: impl Into<Target>, event: &'a Packet) -> Emit<'a> {
        Emit::new(self, to.into(), Lane::Bulk, event)
    }

    /// Sends an event on the volatile lane, as [`Session::emit_volatile`] does. Never waits.
    ///
    /// # Errors
    /// As [`Session::emit_volatile`], and [`EmitError::Closed`] after the end.
    pub fn emit_volatile(
        &self,
        to: impl Into<Target>,
        event: &Packet,
    ) -> Result<Emitted, EmitError> {
        let to = to.into();
        self.shared().call(|state, now| state.session.emit_volatile(to, event, now))
    }

    /// Sends an event now or not at all.
    ///
    /// # Errors
    /// As [`Session::emit`]: [`EmitError::Blocked`] when the peer's queue is full or somebody waits for it.
    /// Emits of others may overtake a retry; [`emit`](Self::emit) keeps its place.
    pub fn try_emit(&self, to: impl Into<Target>, event: &Packet) -> Result<Emitted, EmitError> {
        self.try_in(to.into(), Lane::Events, event, Session::emit)
    }

    /// Sends an event on the bulk lane, otherwise as [`try_emit`](Self::try_emit).
    ///
    /// # Errors
    /// As [`try_emit`](Self::try_emit).
    pub fn try_emit_bulk(
        &self,
        to: impl Into<Target>,
        event: &Packet,
    ) -> Result<Emitted, EmitError> {
        self.try_in(to.into(), Lane::Bulk, event, Session::emit_bulk)
    }

    fn try_in(
        &self,
        to: Target,
        lane: Lane,
        event: &Packet,
        emit: impl FnOnce(&mut Session, Target, &Packet, Time) -> Result<Emitted, EmitError>,
    ) -> Result<Emitted, EmitError> {
        self.shared().call(|state, now| {
            if state.lines.is_empty() {
                return emit(&mut state.session, to, event, now);
            }
            let mut offer = Waits::new(to, Way::Lane(lane));
            offer.begin(state, event, now)?;
            offer.finish()
        })
    }

    /// Answers an event whose sender asked for an acknowledgement, as [`Session::reply`] does. Waits while the
    /// peer's queue is full, in one line with [`emit`](Self::emit). An answer to the server does not wait.
    ///
    /// # Errors
    /// As [`Session::reply`] except for [`ReplyError::Blocked`]; [`ReplyError::Closed`] after the end.
    ///
    /// # Cancel safety
    /// Dropping the future before it completes takes the answer out of the line: it is not sent.
    pub fn reply<'a, T: Serialize + ?Sized>(
        &'a self,
        token: &'a ReplyToken,
        args: &'a T,
    ) -> Reply<'a, T> {
        Reply { peer: self, token, args, ticket: None }
    }

    /// Answers an event now or not at all.
    ///
    /// # Errors
    /// As [`Session::reply`]: [`ReplyError::Blocked`] when the peer's queue is full or somebody waits for it;
    /// [`ReplyError::Closed`] after the end.
    pub fn try_reply<T: Serialize + ?Sized>(
        &self,
        token: &ReplyToken,
        args: &T,
    ) -> Result<(), ReplyError> {
        self.shared().call(|state, now| {
            if state.has_ended() {
                return Err(ReplyError::Closed);
            }
            if let Some(peer) = token.peer()
                && !state.lines.is_free(peer, Lane::Events)
            {
                return Err(blocked(peer));
            }
            state.session.reply(token, args, now)
        })
    }
}

fn blocked(peer: &PeerId) -> ReplyError {
    ReplyError::Blocked { peer: peer.clone(), lane: Lane::Events, queued: 0 }
}

/// The future of [`Peer::emit`] and [`Peer::emit_bulk`].
#[derive(Debug)]
#[must_use = "an event that is not awaited is not sent"]
pub struct Emit<'a> {
    peer: &'a Peer,
    event: &'a Packet,
    waits: Waits,
}

impl<'a> Emit<'a> {
    const fn new(peer: &'a Peer, to: Target, lane: Lane, event: &'a Packet) -> Self {
        Self { peer, event, waits: Waits::new(to, Way::Lane(lane)) }
    }
}

impl Future for Emit<'_> {
    type Output = Result<Emitted, EmitError>;

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        let Self { peer, event, waits } = &mut *self;
        peer.shared().call(|state, now| {
            std::task::ready!(waits.poll(state, event, now, cx.waker()))?;
            Poll::Ready(waits.finish())
        })
    }
}

impl Drop for Emit<'_> {
    fn drop(&mut self) {
        if self.waits.is_waiting() {
            self.peer.shared().call(|state, _| drop(self.waits.abandon(state)));
        }
    }
}

/// The future of [`Peer::reply`].
#[must_use = "an answer that is not awaited is not sent"]
pub struct Reply<'a, T: ?Sized> {
    peer: &'a Peer,
    token: &'a ReplyToken,
    args: &'a T,
    ticket: Option<Ticket>,
}

/// Prints neither the arguments nor their type.
impl<T: ?Sized> std::fmt::Debug for Reply<'_, T> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Reply").field("ticket", &self.ticket).finish_non_exhaustive()
    }
}

impl<T: Serialize + ?Sized> Future for Reply<'_, T> {
    type Output = Result<(), ReplyError>;

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        let Self { peer, token, args, ticket } = &mut *self;
        peer.shared().call(|state, now| {
            if state.has_ended() {
                return Poll::Ready(Err(ReplyError::Closed));
            }
            let Some(to) = token.peer() else {
                return Poll::Ready(state.session.reply(token, *args, now));
            };
            let place = match ticket {
                Some(ticket) => state.lines.place(ticket, cx.waker()),
                None if state.lines.is_free(to, Lane::Events) => Place::Head,
                None => Place::Behind,
            };
            let replied = match place {
                Place::Head | Place::Gone => state.session.reply(token, *args, now),
                Place::Behind => Err(blocked(to)),
            };
            if matches!(replied, Err(ReplyError::Blocked { .. })) {
                if ticket.is_none() || place == Place::Gone {
                    *ticket = Some(state.lines.join(to.clone(), Lane::Events, cx.waker()));
                }
                return Poll::Pending;
            }
            if let Some(ticket) = ticket.take() {
                state.lines.leave(&ticket, &mut state.woken);
            }
            Poll::Ready(replied)
        })
    }
}

impl<T: ?Sized> Drop for Reply<'_, T> {
    fn drop(&mut self) {
        if let Some(ticket) = self.ticket.take() {
            self.peer.shared().call(|state, _| state.lines.leave(&ticket, &mut state.woken));
        }
    }
}
