//! Events of the application for peers.

use std::time::Duration;

use serde::Serialize;

use super::{Closing, Session};
use crate::codec::{Packet, PacketType};
use crate::error::{EmitError, ReplyError};
use crate::event::ReplyToken;
use crate::id::{EmitId, PeerId};
use crate::link::{Context, Link};
use crate::time::Time;
use crate::wire::{Lane, Reserved, check_reserved};

/// Whom an emit or an upgrade is for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Target {
    /// Every peer in the room.
    All,
    /// One peer.
    Peer(PeerId),
}

impl From<PeerId> for Target {
    fn from(peer: PeerId) -> Self {
        Self::Peer(peer)
    }
}

impl From<&PeerId> for Target {
    fn from(peer: &PeerId) -> Self {
        Self::Peer(peer.clone())
    }
}

/// What became of an emit at once. How it ends for each peer that took it is told by
/// [`Event::Outcome`](crate::Event::Outcome), except for a volatile one.
#[derive(Debug)]
#[must_use = "the peers that did not take the event are in it"]
#[non_exhaustive]
pub struct Emitted {
    /// The name of this emit in later events.
    pub id: EmitId,
    /// The peers for which it is queued.
    pub accepted: Vec<PeerId>,
    /// The peers for which it is not, and why; [`EmitError::Blocked`] ones can be tried again.
    pub rejected: Vec<(PeerId, EmitError)>,
}

impl Session {
    /// Sends an event to one peer or to all: exactly once and in order, whatever the path does. An ack id that it has
    /// is not sent along; [`emit_with_ack`](Self::emit_with_ack) gives it one of its own.
    ///
    /// # Errors
    /// For one peer, why it was not accepted: [`EmitError::Blocked`] when its queue is full. For all, errors
    /// that concern the event itself; what concerns single peers is in [`Emitted::rejected`].
    pub fn emit(
        &mut self,
        to: impl Into<Target>,
        event: &Packet,
        now: Time,
    ) -> Result<Emitted, EmitError> {
        self.emit_in(Lane::Events, to.into(), event, now)
    }

    /// As [`emit`](Self::emit), in the lane for big things: it delays events by one fragment at most, and its
    /// order holds within the lane only.
    ///
    /// # Errors
    /// As [`emit`](Self::emit). The two lanes have a queue each.
    pub fn emit_bulk(
        &mut self,
        to: impl Into<Target>,
        event: &Packet,
        now: Time,
    ) -> Result<Emitted, EmitError> {
        self.emit_in(Lane::Bulk, to.into(), event, now)
    }

    /// Sends an event that may be lost rather than late: at most once, ahead of everything queued, in the order
    /// of the volatile events that arrive. It waits for nothing: where the path does not take it now, it is
    /// dropped, with [`EmitError::Dropped`], and counted in [`Peer::dropped`](crate::Peer::dropped). No
    /// [`Event::Outcome`](crate::Event::Outcome) follows.
    ///
    /// # Errors
    /// As [`emit`](Self::emit), with [`EmitError::Dropped`] in place of `Blocked`.
    pub fn emit_volatile(
        &mut self,
        to: impl Into<Target>,
        event: &Packet,
        now: Time,
    ) -> Result<Emitted, EmitError> {
        self.emit_in(Lane::Volatile, to.into(), event, now)
    }

    /// Sends an event that the receivers are to answer within `timeout` (default: [`Config::ack_timeout`]).
    /// [`Event::Ack`] or [`Event::NoAck`] comes for each peer that took it, and for [`Target::All`], after the
    /// last of them, [`Event::AcksComplete`].
    ///
    /// [`Config::ack_timeout`]: crate::Config::ack_timeout
    /// [`Event::Ack`]: crate::Event::Ack
    /// [`Event::NoAck`]: crate::Event::NoAck
    /// [`Event::AcksComplete`]: crate::Event::AcksComplete
    ///
    /// # Errors
    /// As [`emit`](Self::emit), and [`EmitError::TooManyPendingAcks`].
    pub fn emit_with_ack(
        &mut self,
        to: impl Into<Target>,
        event: &Packet,
        timeout: Option<Duration>,
        now: Time,
    ) -> Result<Emitted, EmitError> {
        let now = self.advance(now);
        self.check_event(event)?;
        let id = self.take_emit_id();
        let deadline = now + timeout.unwrap_or(self.shared.config.ack_timeout);
        // One number for all: what goes through the hub to many is uploaded once.
        let question = event.clone().with_ack_id(id.as_u64());
        let to = to.into();
        let all = to == Target::All;
        let emitted = self.offer_to(to, id, now, |link, shared, cx| {
            link.ask(question.clone(), id, deadline, shared, cx)
        })?;
        if all {
            self.shared.out.collect_acks(id, emitted.accepted.len());
        }
        Ok(emitted)
    }

    /// Answers an event whose sender asked for it. `args` is a tuple or sequence of arguments.
    ///
    /// # Errors
    /// [`ReplyError::Expired`] when the peer that asked is gone, [`ReplyError::Blocked`] when its queue is
    /// full, [`ReplyError::Encode`] when `args` cannot be encoded.
    pub fn reply<T: Serialize + ?Sized>(
        &mut self,
        token: &ReplyToken,
        args: &T,
        now: Time,
    ) -> Result<(), ReplyError> {
        let now = self.advance(now);
        let answer = Packet::ack(token.ack_id, args)?;
        answer.check(&self.shared.config.limits)?;
        answer.validate(&self.shared.config.limits)?;
        let expired = || ReplyError::Expired(token.peer.clone());
        let key = self.links.key(&token.peer).ok_or_else(expired)?;
        let emitted = self.with_key(key, now, |link, cx| {
            if link.epochs() == token.epochs {
                link.emit(Lane::Events, answer, None, false, cx)
                    .map_err(|error| ReplyError::new(&token.peer, error))
            } else {
                Err(expired())
            }
        });
        emitted.unwrap_or_else(|| Err(expired()))
    }

    fn emit_in(
        &mut self,
        lane: Lane,
        to: Target,
        event: &Packet,
        now: Time,
    ) -> Result<Emitted, EmitError> {
        let now = self.advance(now);
        self.check_event(event)?;
        let id = self.take_emit_id();
        // Its ack id was somebody else's: the answer would be taken for one to another event.
        let event = event.clone().without_ack_id();
        self.offer_to(to, id, now, |link, shared, cx| {
            link.emit(lane, event.clone(), Some(id), shared, cx)
        })
    }

    /// Offers something to the links of `to`, each with whether others get it too.
    fn offer_to(
        &mut self,
        to: Target,
        id: EmitId,
        now: Time,
        mut offer: impl FnMut(&mut Link, bool, &mut Context<'_>) -> Result<(), EmitError>,
    ) -> Result<Emitted, EmitError> {
        let mut emitted = Emitted { id, accepted: Vec::new(), rejected: Vec::new() };
        match to {
            Target::Peer(peer) => {
                let offered = self.with_peer(&peer, now, |link, cx| offer(link, false, cx));
                offered.unwrap_or_else(|| Err(EmitError::UnknownPeer(peer.clone())))?;
                emitted.accepted.push(peer);
            }
            Target::All => {
                let shared = self.links.len() > 1;
                for key in self.links.keys() {
                    let offered = self.with_key(key, now, |link, cx| {
                        (link.peer().clone(), offer(link, shared, cx))
                    });
                    match offered {
                        Some((peer, Ok(()))) => emitted.accepted.push(peer),
                        Some((peer, Err(error))) => emitted.rejected.push((peer, error)),
                        None => {}
                    }
                }
            }
        }
        Ok(emitted)
    }

    fn take_emit_id(&mut self) -> EmitId {
        let id = EmitId(self.next_emit);
        self.next_emit += 1;
        id
    }

    pub(super) fn check_event(&self, event: &Packet) -> Result<(), EmitError> {
        if self.closing != Closing::No {
            return Err(EmitError::Closed);
        }
        match event.packet_type() {
            PacketType::Event | PacketType::BinaryEvent => {}
            other @ (PacketType::Connect
            | PacketType::Disconnect
            | PacketType::Ack
            | PacketType::ConnectError
            | PacketType::BinaryAck) => return Err(EmitError::NotAnEvent(other)),
        }
        check_reserved(event).map_err(|reserved| match reserved {
            Reserved::Namespace => {
                EmitError::ReservedNamespace(event.namespace().as_str().to_owned())
            }
            Reserved::Event(name) => EmitError::ReservedEvent(name),
        })?;
        event.check(&self.shared.config.limits)?;
        event.validate(&self.shared.config.limits)?;
        Ok(())
    }
}
