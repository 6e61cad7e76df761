//! A packet that is offered to peers until each has accepted it or left.

use std::task::{Poll, Waker};

use super::lines::{Place, Ticket};
use super::shared::State;
use crate::codec::Packet;
use crate::error::EmitError;
use crate::id::{EmitId, PeerId};
use crate::session::{Emitted, Offered, Target};
use crate::time::Time;
use crate::wire::Lane;

/// How a packet is offered.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Way {
    Lane(Lane),
    /// As a question, to be answered until then.
    Question(Time),
}

impl Way {
    const fn lane(self) -> Lane {
        match self {
            Self::Lane(lane) => lane,
            Self::Question(_) => Lane::Events,
        }
    }

    fn at(self, now: Time) -> Offered {
        match self {
            Self::Lane(lane) => Offered::Lane(lane),
            Self::Question(until) => Offered::Question(until - now),
        }
    }
}

/// The state of an emit between its polls.
#[derive(Debug)]
pub(super) struct Waits {
    to: Target,
    way: Way,
    emitted: Option<Emitted>,
    /// The places in the lines of the peers that have no room.
    tickets: Vec<Ticket>,
}

impl Waits {
    pub(super) const fn new(to: Target, way: Way) -> Self {
        Self { to, way, emitted: None, tickets: Vec::new() }
    }

    /// Offers the packet to the peers that have not accepted it. Pending while some have no room; the outcome
    /// of the others is in [`emitted`](Self::emitted).
    pub(super) fn poll(
        &mut self,
        state: &mut State,
        event: &Packet,
        now: Time,
        waker: &Waker,
    ) -> Poll<Result<(), EmitError>> {
        match &mut self.emitted {
            None => {
                self.begin(state, event, now)?;
                // Only now, so that an emit that fails leaves nothing.
                self.queue(state, waker);
            }
            Some(_) => self.proceed(state, event, now, waker),
        }
        if self.tickets.is_empty() { Poll::Ready(Ok(())) } else { Poll::Pending }
    }

    /// Offers the packet once, to all receivers for which nobody waits.
    pub(super) fn begin(
        &mut self,
        state: &mut State,
        event: &Packet,
        now: Time,
    ) -> Result<(), EmitError> {
        if state.is_over() {
            return Err(EmitError::Closed);
        }
        let lane = self.way.lane();
        let (peers, shared) = match &self.to {
            Target::Server => {
                let emitted = match self.way {
                    Way::Lane(_) => state.session.emit(Target::Server, event, now)?,
                    Way::Question(until) => {
                        let within = Some(until - now);
                        state.session.emit_with_ack(Target::Server, event, within, now)?
                    }
                };
                self.emitted = Some(emitted);
                return Ok(());
            }
            Target::Peer(peer) => (vec![peer.clone()], false),
            Target::All => {
                let peers = state.session.peer_ids();
                let shared = peers.len() > 1;
                (peers, shared)
            }
        };
        let (free, behind): (Vec<_>, Vec<_>) =
            peers.into_iter().partition(|peer| state.lines.is_free(peer, lane));
        let id = state.session.take_emit_id();
        let offered = self.way.at(now);
        let mut emitted = state.session.offer_each(id, offered, free, shared, event, now)?;
        let waiting = behind.into_iter().map(|peer| {
            let blocked = EmitError::Blocked { peer: peer.clone(), lane, queued: 0 };
            (peer, blocked)
        });
        emitted.rejected.extend(waiting);
        self.emitted = Some(emitted);
        Ok(())
    }

    /// Enters the lines of the peers that have no room.
    fn queue(&mut self, state: &mut State, waker: &Waker) {
        let Some(emitted) = &mut self.emitted else { return };
        let lane = self.way.lane();
        let tickets = emitted
            .rejected
            .extract_if(.., |(_, error)| matches!(error, EmitError::Blocked { .. }))
            .map(|(peer, _)| state.lines.join(peer, lane, waker));
        self.tickets.extend(tickets);
    }

    /// Tries again where this emit is at the head of the line.
    fn proceed(&mut self, state: &mut State, event: &Packet, now: Time, waker: &Waker) {
        let Some(emitted) = &mut self.emitted else { return };
        let (way, shared, is_over) = (self.way, self.to == Target::All, state.is_over());
        self.tickets.retain(|ticket| {
            let peer = &ticket.peer;
            if is_over {
                emitted.rejected.push((peer.clone(), EmitError::Closed));
                return false;
            }
            match state.lines.place(ticket, waker) {
                Place::Behind => return true,
                Place::Gone => {
                    emitted.rejected.push((peer.clone(), EmitError::UnknownPeer(peer.clone())));
                    return false;
                }
                Place::Head => {}
            }
            let to = vec![peer.clone()];
            match state.session.offer_each(emitted.id, way.at(now), to, shared, event, now) {
                Ok(Emitted { accepted, rejected, .. }) => {
                    if rejected.iter().any(|(_, why)| matches!(why, EmitError::Blocked { .. })) {
                        return true;
                    }
                    emitted.accepted.extend(accepted);
                    emitted.rejected.extend(rejected);
                }
                Err(error) => emitted.rejected.push((peer.clone(), error)),
            }
            state.lines.leave(ticket, &mut state.woken);
            false
        });
    }

    /// Leaves the lines, and returns the peers that had no room.
    pub(super) fn abandon(&mut self, state: &mut State) -> impl Iterator<Item = PeerId> + use<> {
        let tickets = std::mem::take(&mut self.tickets);
        tickets.iter().for_each(|ticket| state.lines.leave(ticket, &mut state.woken));
        tickets.into_iter().map(|ticket| ticket.peer)
    }

    /// Returns whether it has a place in a line.
    pub(super) const fn is_waiting(&self) -> bool {
        !self.tickets.is_empty()
    }

    /// Returns the id of the emit, once it has been offered.
    pub(super) fn id(&self) -> Option<EmitId> {
        self.emitted.as_ref().map(|emitted| emitted.id)
    }

    /// Takes the peers that accepted or rejected the packet since the last call.
    pub(super) fn take_news(&mut self) -> (Vec<PeerId>, Vec<(PeerId, EmitError)>) {
        self.emitted.as_mut().map_or_else(Default::default, |emitted| {
            (std::mem::take(&mut emitted.accepted), std::mem::take(&mut emitted.rejected))
        })
    }

    /// Returns the result of an emit that waits for nobody.
    pub(super) fn finish(&mut self) -> Result<Emitted, EmitError> {
        let Some(mut emitted) = self.emitted.take() else { return Err(EmitError::Closed) };
        match (&self.to, emitted.rejected.pop()) {
            (Target::Peer(_), Some((_, error))) => Err(error),
            (_, last) => {
                emitted.rejected.extend(last);
                Ok(emitted)
            }
        }
    }
}
