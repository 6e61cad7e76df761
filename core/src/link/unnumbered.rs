//! Output to a v0 peer: whole packets without numbers or acknowledgements.

use super::envelope::{Envelope, Shared};
use super::original::takes;
use super::sender::Piece;
use super::{Context, Link};
use crate::codec::Packet;
use crate::event::{Event, Outcome};
use crate::frame::Frame;
use crate::path::Path;
use crate::redacted::Redacted;
use crate::time::Time;
use crate::wire::{Flat, Lane, Recipient};

impl Link {
    /// Takes the next packet for a v0 peer. The peer does not acknowledge: a packet is done when the path takes
    /// it whole, and otherwise is not sent.
    fn take_original(
        &mut self,
        takes: impl Fn(&Packet) -> bool,
        cx: &mut Context<'_>,
    ) -> Option<Packet> {
        loop {
            let lane = [Lane::Volatile, Lane::Events, Lane::Bulk];
            let lane = lane.into_iter().find(|lane| self.sender.waits(*lane))?;
            let (packet, emit) = self.sender.take_front(lane)?;
            let taken = takes(&packet);
            let outcome = if taken { Outcome::Unknown } else { Outcome::NotSent };
            if let Some(emit) = emit.filter(|_| lane != Lane::Volatile) {
                let peer = self.peer.id.clone();
                cx.out.events.push_back(Event::Outcome { emit, peer, outcome });
            }
            self.settle(cx);
            if taken {
                return Some(packet);
            }
        }
    }

    /// Returns whether there is a packet for this path.
    pub(super) fn wants_original(&self, path: &Path) -> bool {
        self.route.sending() == Some(path) && self.next_original().is_some()
    }

    pub(super) fn poll_original_relay(
        &mut self,
        most: usize,
        cx: &mut Context<'_>,
    ) -> Option<Envelope> {
        if self.route.sending() != Some(&Path::Relay) {
            return None;
        }
        let emit = self.next_original().and_then(|piece| piece.shared);
        let packet =
            self.take_original(|packet| Flat::new(packet.clone()).len() <= most as u64, cx)?;
        let flat = Flat::new(packet);
        let shared = Shared { emit, bytes: 0..flat.len(), end: true };
        let recipient = Recipient { id: self.peer.id.clone(), numbers: None };
        Some(Envelope::Record { recipient, shared, bytes: Redacted(flat.to_bytes()) })
    }

    pub(super) fn join_original(
        &mut self,
        shared: &Shared,
        cx: &mut Context<'_>,
    ) -> Option<Recipient> {
        let piece = self.next_original()?;
        let same = shared.emit.is_some() && piece.shared == shared.emit && shared.end;
        if self.route.sending() != Some(&Path::Relay) || !same || piece.bytes != shared.bytes {
            return None;
        }
        self.take_original(|_| true, cx)?;
        Some(Recipient { id: self.peer.id.clone(), numbers: None })
    }

    pub(super) fn next_original(&self) -> Option<Piece> {
        let lanes = [Lane::Volatile, Lane::Events, Lane::Bulk];
        // No loss is ever known, so that no packet waits for a retransmission.
        lanes.into_iter().find_map(|lane| self.sender.peek(lane, usize::MAX, Time::ZERO))
    }

    pub(super) fn poll_original_direct(&mut self, cx: &mut Context<'_>) -> Option<Frame> {
        let channel = self.attempt.channel_mut()?;
        let max_message = channel.max_message;
        if let Some(frame) = channel.original.as_mut()?.pop_frame() {
            return Some(frame);
        }
        if self.route.sending() != Some(&Path::Direct) {
            return None;
        }
        let packet = self.take_original(|packet| takes(packet, max_message), cx)?;
        let wire = self.attempt.channel_mut()?.original.as_mut()?;
        wire.write(&packet);
        wire.pop_frame()
    }
}
