//! Emits: events of the application to peers.

use std::time::Duration;

use serde::Serialize;

use super::{Closing, Session};
use crate::codec::{Packet, PacketType};
use crate::error::{EmitError, ReplyError};
use crate::event::{Asker, ReplyToken};
use crate::id::{EmitId, PeerId};
use crate::link::{Context, Link};
use crate::time::Time;
use crate::wire::{Lane, check_reserved};

/// The receivers of an emit or an upgrade.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Target {
    /// Every peer in the room.
    All,
    /// One peer.
    Peer(PeerId),
    /// The server's application, over plain Socket.IO: at most once, on no lane, without an outcome, while the session
    /// is in its room.
    Server,
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

/// The immediate result of an emit. For each peer that accepted it, [`Event::Outcome`](crate::Event::Outcome)
/// reports the outcome, except for a volatile event.
#[derive(Debug)]
#[must_use = "it contains the peers that did not accept the event"]
#[non_exhaustive]
pub struct Emitted {
    /// The id of this emit, which its later events carry.
    pub id: EmitId,
    /// The peers for which the event is queued.
    pub accepted: Vec<PeerId>,
    /// The peers for which the event is not queued, with the reason; an emit that failed with
    /// [`EmitError::Blocked`] can be repeated later.
    pub rejected: Vec<(PeerId, EmitError)>,
}

/// How an event is offered to links.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Offered {
    Lane(Lane),
    /// As a question, to be answered within this time.
    Question(Duration),
}

impl Offered {
    /// Returns the packet of the emit `id`.
    fn packet(self, event: &Packet, id: EmitId) -> Packet {
        match self {
            // The packet's ack id belongs to another session: an answer to it would be matched to another event.
            Self::Lane(_) => event.clone().without_ack_id(),
            // One ack id for all receivers, so that one upload can serve several of them.
            Self::Question(_) => event.clone().with_ack_id(id.as_u64()),
        }
    }

    /// Offers the packet to a link; `shared`: the emit has other receivers.
    fn offer(
        self,
        link: &mut Link,
        packet: &Packet,
        id: EmitId,
        shared: bool,
        cx: &mut Context<'_>,
    ) -> Result<(), EmitError> {
        match self {
            Self::Lane(lane) => link.emit(lane, packet.clone(), Some(id), shared, cx),
            Self::Question(within) => link.ask(packet.clone(), id, cx.now + within, shared, cx),
        }
    }
}

impl Session {
    /// Sends an event to one peer or to all, exactly once and in order across path changes. An ack id of the
    /// packet is not sent; [`emit_with_ack`](Self::emit_with_ack) assigns one.
    ///
    /// # Errors
    /// With one receiver, the reason why it was not accepted: [`EmitError::Blocked`] when the peer's queue is
    /// full. With all peers as receivers, errors of the event itself; [`Emitted::rejected`] contains the errors
    /// of single peers.
    pub fn emit(
        &mut self,
        to: impl Into<Target>,
        event: &Packet,
        now: Time,
    ) -> Result<Emitted, EmitError> {
        self.emit_to(to.into(), Offered::Lane(Lane::Events), event, now)
    }

    /// Sends an event on the bulk lane, otherwise as [`emit`](Self::emit). A bulk event delays other events by
    /// one record at most, and is ordered within its lane only.
    ///
    /// # Errors
    /// As [`emit`](Self::emit). Each lane has its own queue.
    pub fn emit_bulk(
        &mut self,
        to: impl Into<Target>,
        event: &Packet,
        now: Time,
    ) -> Result<Emitted, EmitError> {
        self.emit_to(to.into(), Offered::Lane(Lane::Bulk), event, now)
    }

    /// Sends an event on the volatile lane: at most once, ahead of all queued events, and in order among the
    /// volatile events that arrive. An event that the path cannot take now is dropped, with
    /// [`EmitError::Dropped`], and counted in [`PeerInfo::dropped`](crate::PeerInfo::dropped). No
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
        self.emit_to(to.into(), Offered::Lane(Lane::Volatile), event, now)
    }

    /// Sends an event that each receiver is to answer within `timeout` (default: [`Config::ack_timeout`]).
    /// [`Event::Ack`] or [`Event::NoAck`] follows for each peer that accepted it, and for [`Target::All`],
    /// after the last of them, [`Event::AcksComplete`].
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
        let to = to.into();
        let all = to == Target::All;
        let within = timeout.unwrap_or(self.shared.config.ack_timeout);
        let emitted = self.emit_to(to, Offered::Question(within), event, now)?;
        if all {
            self.shared.out.collect_acks(emitted.id, emitted.accepted.len());
        }
        Ok(emitted)
    }

    /// Forgets a question to a peer: its answer is discarded as a late one, and nothing is reported.
    #[cfg(feature = "driver")]
    pub(crate) fn forget_question(&mut self, peer: &PeerId, question: EmitId, now: Time) {
        let now = self.advance(now);
        self.with_peer(peer, now, |link, _| link.forget_question(question));
    }

    /// Answers an event whose sender asked for an acknowledgement. `args` is a tuple or a sequence of
    /// arguments.
    ///
    /// # Errors
    /// [`ReplyError::Expired`] when the link to the peer that asked has ended, [`ReplyError::Blocked`] when its
    /// queue is full, [`ReplyError::Encode`] when `args` cannot be encoded; for the server's application
    /// [`ReplyError::Disconnected`] and [`ReplyError::ServerBlocked`].
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
        let (peer, epochs) = match &token.asker {
            Asker::Server { connection } => return self.reply_to_server(*connection, answer),
            Asker::Peer { peer, epochs } => (peer, *epochs),
        };
        let expired = || ReplyError::Expired(peer.clone());
        let key = self.find(peer).ok_or_else(expired)?;
        let emitted = self.with_key(key, now, |link, cx| {
            if link.epochs() == epochs {
                link.emit(Lane::Events, answer, None, false, cx)
                    .map_err(|error| ReplyError::new(peer, error))
            } else {
                Err(expired())
            }
        });
        emitted.unwrap_or_else(|| Err(expired()))
    }

    fn emit_to(
        &mut self,
        to: Target,
        offered: Offered,
        event: &Packet,
        now: Time,
    ) -> Result<Emitted, EmitError> {
        let now = self.advance(now);
        self.check_event(event)?;
        let id = self.take_emit_id();
        let packet = offered.packet(event, id);
        if to == Target::Server {
            self.emit_to_server(offered, packet, id, now)?;
            return Ok(Emitted { id, accepted: Vec::new(), rejected: Vec::new() });
        }
        self.offer_to(to, id, now, |link, shared, cx| offered.offer(link, &packet, id, shared, cx))
    }

    /// Offers an event to these peers, as a part of the emit `id`; `shared`: the emit has other receivers. Fails
    /// with errors of the event itself only.
    #[cfg(feature = "driver")]
    pub(crate) fn offer_each(
        &mut self,
        id: EmitId,
        offered: Offered,
        to: Vec<PeerId>,
        shared: bool,
        event: &Packet,
        now: Time,
    ) -> Result<Emitted, EmitError> {
        let now = self.advance(now);
        self.check_event(event)?;
        let packet = offered.packet(event, id);
        let mut emitted = Emitted { id, accepted: Vec::new(), rejected: Vec::new() };
        for peer in to {
            let accepted =
                self.with_peer(&peer, now, |link, cx| offered.offer(link, &packet, id, shared, cx));
            match accepted.unwrap_or_else(|| Err(EmitError::UnknownPeer(peer.clone()))) {
                Ok(()) => emitted.accepted.push(peer),
                Err(error) => emitted.rejected.push((peer, error)),
            }
        }
        Ok(emitted)
    }

    /// Offers a packet to the links of `to`, each with whether there are other receivers.
    fn offer_to(
        &mut self,
        to: Target,
        id: EmitId,
        now: Time,
        mut offer: impl FnMut(&mut Link, bool, &mut Context<'_>) -> Result<(), EmitError>,
    ) -> Result<Emitted, EmitError> {
        let mut emitted = Emitted { id, accepted: Vec::new(), rejected: Vec::new() };
        match to {
            // `emit_to` has handled it.
            Target::Server => {}
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

    pub(crate) fn take_emit_id(&mut self) -> EmitId {
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
        check_reserved(event)?;
        event.check(&self.shared.config.limits)?;
        event.validate(&self.shared.config.limits)?;
        Ok(())
    }
}
