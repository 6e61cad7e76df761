//! What comes from the peer: signals, channels, bundles.

use bytes::Bytes;

use super::flight::PathKind;
use super::incarnation::Admission;
use super::receiver::Bounds;
use super::transfers::{News, TransferBounds};
use super::{Context, Farewell, Link};
use crate::codec::{DecodeError, Packet, PacketType};
use crate::config::Policy;
use crate::error::{Misbehavior, PeerError};
use crate::event::{Event, ReplyToken};
use crate::frame::Frame;
use crate::id::{Dialect, PeerId};
use crate::path::Path;
use crate::transfer::TransferOutcome;
use crate::wire::{
    Bundle, Epochs, Item, Lane, MAX_NUMBER, PairKey, PeerLimits, Record, Reserved, Signal, Stream,
    check_reserved,
};

/// What an input means for the link as a whole.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[must_use]
pub(crate) enum LinkChange {
    Alive,
    /// The peer has begun anew, and does not know our incarnation.
    Restarted,
    /// The peer has begun anew, and has taken up our incarnation.
    Renewed,
    /// The peer has given our incarnation up. Its own, the one that we know, goes on.
    GivenUp,
    /// The peer said good-bye.
    Left,
}

impl Link {
    // ----- what the hub says of the peer -----

    /// The hub reaches the peer and we reach the hub, or not.
    pub(crate) fn set_relay(&mut self, up: bool, cx: &mut Context<'_>) {
        if self.route.is_relay_up() && !up {
            self.route.set_relay(false, cx.now);
            self.end_path(PathKind::Relay);
        }
        self.route.set_relay(up, cx.now);
        self.settle(cx);
    }

    /// What the peer's application accepts, and the secret that is shared with it. Whether the secret is another.
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

    /// Takes up the peer's offer, or not: `has_room` tells whether another attempt is allowed.
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

    /// The data channel is open: we say who we are, and ask.
    pub(crate) fn handle_open(&mut self, max_message: usize, cx: &mut Context<'_>) {
        if self.attempt.handle_open(&self.peer, max_message, cx) {
            self.route.note_heard(cx.now);
            self.dialogue.request_ping(PathKind::Direct);
        }
        self.settle(cx);
    }

    pub(crate) fn handle_direct_closed(&mut self, error: String, cx: &mut Context<'_>) {
        self.lose_direct(PeerError::DirectFailed(error), cx);
        self.settle(cx);
    }

    /// The second channel, for volatile events, is open, or not any more. With an original client there is none, whatever
    /// the transport says.
    pub(crate) fn set_datagrams(&mut self, max_message: Option<usize>) {
        if self.peer.dialect == Dialect::V1 {
            self.attempt.set_datagrams(max_message);
        }
    }

    pub(super) fn lose_direct(&mut self, error: PeerError, cx: &mut Context<'_>) {
        if self.farewell == Farewell::Staying {
            self.attempt.lose(&self.peer, error, cx);
        } else {
            // The peer has heard that we leave.
            self.attempt.close(cx);
        }
    }

    /// Takes a frame of the data channel.
    pub(crate) fn handle_frame(&mut self, frame: Frame, cx: &mut Context<'_>) -> LinkChange {
        let Some(channel) = self.attempt.channel_mut() else { return LinkChange::Alive };
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

    /// Takes a message of the channel for volatile events.
    pub(crate) fn handle_datagram(&mut self, frame: Frame, cx: &mut Context<'_>) {
        let Frame::Binary(bytes) = frame else { return };
        let message = bytes.len();
        let Ok(bundle) = Bundle::read(bytes) else { return };
        // It may come before the peer has said on the other channel who it is, or after it has begun anew there.
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

    /// Judges epochs, and takes the peer's when they are its first. What is owed to a stale bundle is noted.
    pub(crate) fn admit(&mut self, epochs: Epochs, cx: &Context<'_>) -> Admission {
        self.incarnation.admit(epochs, cx.now)
    }

    /// Takes a bundle that came through the hub or a neighbour. Its epochs have been admitted.
    pub(crate) fn handle_bundle(
        &mut self,
        bundle: Bundle,
        path: &Path,
        message: usize,
        cx: &mut Context<'_>,
    ) -> LinkChange {
        self.note_neighbour(path, cx);
        let verdict = self.handle_items(bundle, path, message, cx);
        self.settle(cx);
        verdict
    }

    /// Takes a record that many have got. Its epochs have been admitted.
    pub(crate) fn handle_record(&mut self, record: Record, cx: &mut Context<'_>) {
        let message = record.bytes.len();
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
        // What the peer has of an incarnation of ours counts for that one only.
        let knows_us = bundle.epochs.peer_epoch == self.incarnation.ours();
        let mut verdict = LinkChange::Alive;
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
                    if self.handle_state(&state, cx).is_err() {
                        verdict = self.misbehaved(Misbehavior::AckBeyondSent, path, cx);
                    }
                }
                Item::State(_) => {}
                Item::Limits(limits) => self.set_limits(limits, cx),
                Item::Bye => verdict = LinkChange::Left,
                Item::GivenUp(epoch) if epoch == self.incarnation.ours() => {
                    verdict = LinkChange::GivenUp
                }
                Item::GivenUp(_) => {}
                Item::Neighbours(_) | Item::Pass(..) | Item::Passed(..) | Item::NoWay(_)
                    if kind == PathKind::Direct =>
                {
                    cx.out.neighbourly.push_back((self.peer.id.clone(), item));
                }
                Item::Neighbours(_) | Item::Pass(..) | Item::Passed(..) | Item::NoWay(_) => {
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

    /// Takes a record, and hands out at once what is in order with it: what follows in the same bundle is in its turn then, and
    /// does not need the room for what is ahead.
    fn take_record(&mut self, record: Record, path: &Path, message: usize, cx: &mut Context<'_>) {
        let kind = PathKind::from(path);
        if record.number >= MAX_NUMBER {
            // What is one above it has to be told too.
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
        let bytes = record.bytes.len();
        let bounds = Bounds {
            limits: &cx.config.limits,
            ahead: cx.config.queue_bytes,
            left: cx.left,
            volatile: cx.config.volatile_bytes,
            patience: cx.config.unfinished_timeout,
        };
        let news = self.receiver.take(lane, record, path, message, bounds, cx.now);
        cx.out.starved |= news.is_none();
        self.dialogue.note_records(kind, 1, bytes, cx.now);
        self.deliver(cx);
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
        let news = self.transfers.incoming.take(record, bounds);
        self.dialogue.note_records(path, 1, bytes, cx.now);
        let News { opened, readable, aborted, told, error, .. } = news;
        if told {
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

    /// Hands over everything that is in order now.
    pub(super) fn deliver(&mut self, cx: &mut Context<'_>) {
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

    /// Takes an event of a v0 peer.
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

    /// Checks a packet that is in order, once, and hands it to the application.
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
                    Reserved::Namespace => Misbehavior::ReservedNamespace,
                    Reserved::Event(_) => Misbehavior::ReservedEvent,
                })?;
                let reply = packet.ack_id().filter(|_| self.peer.dialect == Dialect::V1);
                let (peer, epochs) = (&self.peer.id, self.incarnation.epochs());
                let token = |ack_id| ReplyToken { peer: peer.clone(), epochs, ack_id };
                let reply = reply.map(token);
                let from = self.peer.id.clone();
                cx.out.events.push_back(Event::Received { from, path, packet, reply });
                Ok(())
            }
            PacketType::Ack | PacketType::BinaryAck => {
                // An answer after its deadline is nobody's fault.
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

    /// The peer broke the protocol. A channel on which it did so is given up.
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

/// Whether records may come, and acknowledgements go, on a path of this kind.
pub(super) fn allows(policy: Policy, path: PathKind) -> bool {
    match policy {
        Policy::Automatic | Policy::Manual => true,
        Policy::RelayOnly => path == PathKind::Relay,
        Policy::DirectOnly => path != PathKind::Relay,
    }
}
