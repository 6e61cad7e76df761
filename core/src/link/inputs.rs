//! Inputs from the peer: signals, channels, bundles.

use bytes::Bytes;

use super::flight::PathKind;
use super::incarnation::Admission;
use super::receiver::Bounds;
use super::transfers::{News, TransferBounds};
use super::{Context, Farewell, Link};
use crate::codec::{DecodeError, Packet, PacketType};
use crate::config::Policy;
use crate::connection_report::ConnectionReport;
use crate::error::{Misbehavior, PeerError};
use crate::event::{Asker, Event, ReplyToken};
use crate::frame::Frame;
use crate::id::{Dialect, PeerId};
use crate::path::Path;
use crate::transfer::TransferOutcome;
use crate::wire::{
    Bundle, Epochs, Item, Lane, MAX_NUMBER, PairKey, PeerLimits, Record, Reserved, Signal, Stream,
    check_reserved,
};

/// The consequence of an input for the link as a whole.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[must_use]
pub(crate) enum LinkChange {
    Alive,
    /// The peer has begun anew and does not know this side's incarnation.
    Restarted,
    /// The peer has begun anew and has adopted this side's incarnation.
    Renewed,
    /// The peer has given this side's incarnation up, and keeps its own.
    GivenUp,
    /// The peer said good-bye.
    Left,
}

impl Link {
    // ----- membership -----

    /// Sets whether the relay leads to the peer.
    pub(crate) fn set_relay(&mut self, up: bool, cx: &mut Context<'_>) {
        if self.route.is_relay_up() && !up {
            self.route.set_relay(false, cx.now);
            self.end_path(PathKind::Relay);
        }
        self.route.set_relay(up, cx.now);
        self.settle(cx);
    }

    /// Sets the limits of the peer's application, and the pair key. Returns whether the key changed.
    pub(crate) fn set_membership(
        &mut self,
        limits: Option<PeerLimits>,
        key: Option<PairKey>,
        cx: &mut Context<'_>,
    ) -> bool {
        if let Some(limits) = limits {
            self.set_limits(limits, cx);
        }
        self.seals.set_key(key)
    }

    // ----- the direct path -----

    /// Accepts the peer's offer, or declines it; `has_room`: `max_peers` allows another attempt.
    pub(crate) fn handle_offer(
        &mut self,
        own_id: &PeerId,
        offer: (String, String),
        has_room: bool,
        cx: &mut Context<'_>,
    ) {
        if self.attempt.handle_offer(&self.peer, own_id, offer, has_room, cx) {
            self.dialogue.request_ping(PathKind::Direct);
        }
        self.settle(cx);
    }

    pub(crate) fn handle_signal(&mut self, offer_id: &str, signal: Signal, cx: &mut Context<'_>) {
        self.attempt.handle_signal(&self.peer, offer_id, signal, cx);
        self.settle(cx);
    }

    pub(crate) fn handle_local_signal(&mut self, signal: &Signal, cx: &mut Context<'_>) {
        self.attempt.handle_local_signal(&self.peer, signal, cx);
    }

    /// Handles the opening of the data channel: this side sends `limits`, `state` and `ping`.
    pub(crate) fn handle_open(&mut self, max_message: usize, cx: &mut Context<'_>) {
        if self.attempt.handle_open(&self.peer, max_message, cx) {
            self.route.note_heard(cx.now);
            self.dialogue.request_ping(PathKind::Direct);
        }
        self.settle(cx);
    }

    /// Handles the transport's report about the connection.
    pub(crate) fn handle_report(&mut self, report: ConnectionReport) {
        self.attempt.handle_report(report);
    }

    pub(crate) fn handle_direct_closed(&mut self, error: String, cx: &mut Context<'_>) {
        self.lose_direct(PeerError::DirectFailed(error), cx);
        self.settle(cx);
    }

    /// Sets the datagram channel for volatile events, or `None` when it closes. Ignored for a v0 peer.
    pub(crate) fn set_datagrams(&mut self, max_message: Option<usize>) {
        if self.peer.dialect == Dialect::V1 {
            self.attempt.set_datagrams(max_message);
        }
    }

    pub(super) fn lose_direct(&mut self, error: PeerError, cx: &mut Context<'_>) {
        if self.farewell == Farewell::Staying {
            self.attempt.lose(&self.peer, error, cx);
        } else {
            // The good-bye has reached the peer.
            self.attempt.close(cx);
        }
    }

    /// Handles a frame of the data channel.
    pub(crate) fn handle_frame(&mut self, frame: Frame, cx: &mut Context<'_>) -> LinkChange {
        let Some(channel) = self.attempt.channel_mut() else { return LinkChange::Alive };
        self.counters.count_in(PathKind::Direct, frame.len());
        channel.heard_at = cx.now;
        self.route.note_heard(cx.now);
        if let Some(original) = &mut channel.original {
            match original.decode(frame) {
                Ok(Some(packet)) => self.handle_unnumbered(Ok(packet), Path::Direct, cx),
                Ok(None) => {}
                Err(error) => self.lose_direct(PeerError::BadFrame(error), cx),
            }
            self.settle(cx);
            return LinkChange::Alive;
        }
        let verdict = match frame {
            Frame::Binary(bytes) => self.handle_direct_bundle(bytes, cx),
            Frame::Text(text) => {
                let bytes = text.len();
                self.misbehaved(Misbehavior::TextMessage { bytes }, &Path::Direct, cx)
            }
        };
        self.settle(cx);
        verdict
    }

    fn handle_direct_bundle(&mut self, bytes: Bytes, cx: &mut Context<'_>) -> LinkChange {
        let message = bytes.len();
        let bundle = match Bundle::read(bytes) {
            Ok(bundle) => bundle,
            Err(error) => return self.misbehaved(error.into(), &Path::Direct, cx),
        };
        let Epochs { epoch, peer_epoch } = bundle.epochs;
        match self.admit(bundle.epochs, cx) {
            Admission::Current => {
                self.attempt.handle_greeting(cx);
                self.handle_items(bundle, &Path::Direct, message, cx)
            }
            Admission::Stale => {
                let stale = Misbehavior::StaleEpochs { epoch, peer_epoch };
                self.misbehaved(stale, &Path::Direct, cx)
            }
            Admission::Restarted => LinkChange::Restarted,
            Admission::Renewed => LinkChange::Renewed,
        }
    }

    /// Handles a message of the datagram channel.
    pub(crate) fn handle_datagram(&mut self, frame: Frame, cx: &mut Context<'_>) {
        self.counters.count_in(PathKind::Direct, frame.len());
        let Frame::Binary(bytes) = frame else { return };
        let message = bytes.len();
        let Ok(bundle) = Bundle::read(bytes) else { return };
        // The message may precede the first bundle on the data channel, or a new incarnation there.
        if self.incarnation.theirs() == 0 || bundle.epochs.epoch != self.incarnation.theirs() {
            return;
        }
        for item in bundle {
            if let Ok(Item::Record(record)) = item
                && record.stream == Stream::Lane(Lane::Volatile)
            {
                self.take_record(record, &Path::Direct, message, cx);
            }
        }
        self.settle(cx);
    }

    // ----- bundles -----

    /// Checks epochs, and adopts the peer's epoch when none is known. Schedules the answer to a stale bundle.
    pub(crate) fn admit(&mut self, epochs: Epochs, cx: &Context<'_>) -> Admission {
        self.incarnation.admit(epochs, cx.now)
    }

    /// Handles a bundle that came through the hub or a neighbour. Its epochs have been admitted.
    pub(crate) fn handle_bundle(
        &mut self,
        bundle: Bundle,
        path: &Path,
        message: usize,
        cx: &mut Context<'_>,
    ) -> LinkChange {
        self.counters.count_in(PathKind::from(path), message);
        self.note_neighbour(path, cx);
        let verdict = self.handle_items(bundle, path, message, cx);
        self.settle(cx);
        verdict
    }

    /// Handles a record from an envelope. Its epochs have been admitted.
    pub(crate) fn handle_record(&mut self, record: Record, cx: &mut Context<'_>) {
        let message = record.bytes.len();
        self.counters.count_in(PathKind::Relay, message);
        self.take_record(record, &Path::Relay, message, cx);
        self.settle(cx);
    }

    fn handle_items(
        &mut self,
        bundle: Bundle,
        path: &Path,
        message: usize,
        cx: &mut Context<'_>,
    ) -> LinkChange {
        let kind = PathKind::from(path);
        // A `state` is valid for one incarnation of this side only.
        let knows_us = bundle.epochs.peer_epoch == self.incarnation.ours();
        let (mut verdict, mut waits) = (LinkChange::Alive, false);
        for item in bundle {
            let item = match item {
                Ok(item) => item,
                Err(error) => {
                    verdict = self.misbehaved(error.into(), path, cx);
                    break;
                }
            };
            match item {
                Item::Record(record) => self.take_record(record, path, message, cx),
                Item::Ping(number) => self.dialogue.owe_pong(kind, number),
                Item::Pong(number) => self.handle_pong(number, kind, cx),
                Item::State(state) if knows_us => {
                    self.note_wait(waits);
                    if self.handle_state(&state, cx).is_err() {
                        verdict = self.misbehaved(Misbehavior::AckBeyondSent, path, cx);
                    }
                }
                Item::State(_) => {}
                Item::Wait => waits = true,
                Item::Limits(limits) => self.set_limits(limits, cx),
                Item::Bye => verdict = LinkChange::Left,
                Item::GivenUp(epoch) if epoch == self.incarnation.ours() => {
                    verdict = LinkChange::GivenUp
                }
                Item::GivenUp(_) => {}
                Item::Neighbours(_)
                | Item::Pass(..)
                | Item::Passed(..)
                | Item::NoWay(_)
                | Item::Proof(..)
                    if kind == PathKind::Direct =>
                {
                    cx.out.neighbourly.push_back((self.peer.id.clone(), item));
                }
                Item::Neighbours(_)
                | Item::Pass(..)
                | Item::Passed(..)
                | Item::NoWay(_)
                | Item::Proof(..) => {
                    let control = Misbehavior::NeighbourControl(path.clone());
                    verdict = self.misbehaved(control, path, cx);
                }
            }
            if verdict != LinkChange::Alive {
                break;
            }
        }
        verdict
    }

    /// Handles a record, and delivers at once: later records of the same bundle are then in order, and need no
    /// room among those received out of order.
    fn take_record(&mut self, record: Record, path: &Path, message: usize, cx: &mut Context<'_>) {
        let kind = PathKind::from(path);
        if record.number >= MAX_NUMBER {
            // `state` must be able to carry the number above it.
            let misbehavior = Misbehavior::Number { number: record.number, max: MAX_NUMBER };
            return self.report(misbehavior.into(), cx);
        }
        let Stream::Lane(lane) = record.stream else {
            return self.take_transfer_record(record, kind, message, cx);
        };
        if !allows(cx.policy, kind) {
            let why = PeerError::ForbiddenPath(path.clone());
            self.receiver.refuse(lane, record.number, path, why, cx.config.queue_bytes);
            self.dialogue.owe_ack(kind);
            return self.deliver(cx);
        }
        let (number, bytes) = (record.number, record.bytes.len());
        let bounds = Bounds {
            limits: &cx.config.limits,
            ahead: cx.config.queue_bytes,
            left: cx.left,
            volatile: cx.config.volatile_bytes,
            patience: cx.config.unfinished_timeout,
        };
        let held = self.receiver.held();
        let news = self.receiver.take(lane, record, path, message, bounds, cx.now);
        if cx.receiving {
            cx.out.starved |= news.is_none();
            cx.out.starved_in_order |= news.is_none() && self.receiver.is_next(lane, number);
        }
        self.dialogue.note_records(kind, 1, bytes, cx.now);
        self.deliver(cx);
        // The next record of the same bundle has so much less room, or more.
        cx.left = (cx.left + held).saturating_sub(self.receiver.held());
    }

    fn take_transfer_record(
        &mut self,
        record: Record,
        path: PathKind,
        message: usize,
        cx: &mut Context<'_>,
    ) {
        let (number, bytes) = (record.number, record.bytes.len());
        let bounds = TransferBounds {
            limits: &cx.config.limits,
            window: cx.config.transfer_window,
            transfers: if allows(cx.policy, path) { cx.config.max_transfers } else { 0 },
            left: cx.left,
            message,
        };
        let held = self.transfers.incoming.held();
        let news = self.transfers.incoming.take(record, bounds);
        cx.left = (cx.left + held).saturating_sub(self.transfers.incoming.held());
        self.dialogue.note_records(path, 1, bytes, cx.now);
        let News { opened, readable, aborted, owes_state, error, .. } = news;
        if owes_state {
            self.dialogue.note_told();
        }
        let transfer = self.incoming_id(number);
        if let Some(opened) = opened {
            let (from, transfer) = (self.peer.id.clone(), transfer.clone());
            let (packet, size) = (opened.packet, opened.size);
            cx.out.events.push_back(Event::TransferOpened { from, transfer, packet, size });
        }
        if readable {
            cx.out.events.push_back(Event::TransferReadable { transfer: transfer.clone() });
        }
        if aborted {
            let outcome = TransferOutcome::Aborted;
            cx.out.events.push_back(Event::TransferEnded { transfer: transfer.into(), outcome });
        }
        if let Some(error) = error {
            self.report(error, cx);
        }
    }

    /// Delivers everything that is in order. To an application that takes no events nothing is delivered, and
    /// volatile events are dropped.
    pub(super) fn deliver(&mut self, cx: &mut Context<'_>) {
        if !cx.receiving {
            return self.receiver.drop_volatile();
        }
        for lane in Lane::ALL {
            while let Some((number, path, packet)) = self.receiver.pop(lane) {
                let accepted = packet.and_then(|packet| self.accept(packet, path, cx));
                if let Err(error) = accepted {
                    self.receiver.note_refused(lane, number);
                    self.report(error, cx);
                }
            }
        }
    }

    /// Handles an event of a v0 peer.
    pub(crate) fn handle_unnumbered(
        &mut self,
        packet: Result<Packet, DecodeError>,
        path: Path,
        cx: &mut Context<'_>,
    ) {
        let packet = packet.map_err(PeerError::BadPacket).and_then(|packet| {
            if allows(cx.policy, PathKind::from(&path)) {
                self.accept(packet, path, cx)
            } else {
                Err(PeerError::ForbiddenPath(path))
            }
        });
        packet.unwrap_or_else(|error| self.report(error, cx));
    }

    /// Validates a packet that is in order, once, and delivers it to the application.
    fn accept(
        &mut self,
        packet: Packet,
        path: Path,
        cx: &mut Context<'_>,
    ) -> Result<(), PeerError> {
        packet.validate(&cx.config.limits).map_err(PeerError::BadPacket)?;
        match packet.packet_type() {
            PacketType::Event | PacketType::BinaryEvent => {
                check_reserved(&packet).map_err(|reserved| match reserved {
                    Reserved::Namespace(_) => Misbehavior::ReservedNamespace,
                    Reserved::Event(_) => Misbehavior::ReservedEvent,
                })?;
                let reply = packet.ack_id().filter(|_| self.peer.dialect == Dialect::V1);
                let from = self.peer.id.clone();
                let reply = reply.map(|ack_id| {
                    let (peer, epochs) = (from.clone(), self.incarnation.epochs());
                    ReplyToken { asker: Asker::Peer { peer, epochs }, ack_id }
                });
                cx.out.events.push_back(Event::Received { from, path, packet, reply });
                Ok(())
            }
            PacketType::Ack | PacketType::BinaryAck => {
                // An answer after its deadline is dropped without an error.
                if let Some(emit) = packet.ack_id().and_then(|id| self.replies.resolve(id)) {
                    cx.out.push_ack(emit, self.peer.id.clone(), packet);
                }
                Ok(())
            }
            kind @ (PacketType::Connect | PacketType::Disconnect | PacketType::ConnectError) => {
                Err(Misbehavior::NotAnEvent(kind).into())
            }
        }
    }

    // ----- faults -----

    /// Reports a violation of the protocol, and closes the channel on which it happened.
    fn misbehaved(
        &mut self,
        misbehavior: Misbehavior,
        path: &Path,
        cx: &mut Context<'_>,
    ) -> LinkChange {
        if *path == Path::Direct {
            self.lose_direct(misbehavior.into(), cx);
        } else {
            self.report(misbehavior.into(), cx);
        }
        LinkChange::Alive
    }

    fn report(&self, error: PeerError, cx: &mut Context<'_>) {
        cx.out.events.push_back(Event::PeerError { peer: self.peer.id.clone(), error });
    }
}

/// Returns whether records and acknowledgements may use a path of this kind.
pub(super) fn allows(policy: Policy, path: PathKind) -> bool {
    match policy {
        Policy::Automatic | Policy::Manual => true,
        Policy::RelayOnly => path == PathKind::Relay,
        Policy::DirectOnly => path != PathKind::Relay,
    }
}
