//! Packets to and from the hub.

use std::ops::Bound;

use bytes::Bytes;
use bytestring::ByteString;

use super::Session;
use crate::codec::{DecodeError, Limits};
use crate::error::PeerError;
use crate::event::{Event, LeaveReason, Path};
use crate::frame::Frame;
use crate::id::{PeerId, Version};
use crate::link::{Admission, Envelope, Link};
use crate::packet::Packet;
use crate::signal::{ClientMessage, Download, Epochs, Sequence, Upload};
use crate::time::Time;

impl Session {
    /// The next message for the signalling channel. Call it only when the channel has room: what it returns
    /// counts as sent.
    pub fn poll_signaling_transmit(&mut self, now: Time) -> Option<Frame> {
        while self.frames.is_empty() {
            let packet = match self.next_message(now) {
                // What we build ourselves can be encoded; if not, the link's timers recover.
                Some(message) => message.to_packet().ok(),
                None if std::mem::take(&mut self.leave_room) => Some(Packet::disconnect()),
                None => {
                    self.note_flushed(now);
                    return None;
                }
            };
            if let Some(packet) = packet {
                self.write(&packet.in_namespace(&self.shared.config.namespace));
            }
        }
        self.frames.pop_front()
    }

    fn next_message(&mut self, now: Time) -> Option<ClientMessage> {
        if !self.is_joined() {
            return None;
        }
        if let Some(signal) = self.shared.out.signals.pop_front() {
            return Some(signal);
        }
        self.next_envelope(now).map(ClientMessage::Relay)
    }

    /// One packet of the link whose turn it is, together with every other link to which the same goes next.
    fn next_envelope(&mut self, now: Time) -> Option<Upload> {
        if !self.links.values().any(Link::may_use_relay) {
            return None;
        }
        let limits = self.signaling.limits();
        let last = self.relay_turn.clone();
        let after = last.clone().map_or(Bound::Unbounded, Bound::Excluded);
        let mut poll = |(peer, link): (&PeerId, &mut Link)| {
            let envelope = link.poll_relay(&limits, &mut self.shared.context(now))?;
            Some((peer.clone(), envelope))
        };
        // In turn, beginning after the peer that had it last.
        let (peer, envelope) = self
            .links
            .range_mut((after, Bound::Unbounded))
            .find_map(&mut poll)
            .or_else(|| self.links.range_mut(..=last?).find_map(&mut poll))?;
        let Envelope { recipient, parts, shared } = envelope;
        let mut to = vec![recipient];
        if let Some(shared) = shared {
            for link in self.links.values_mut().filter(|link| *link.peer() != peer) {
                let cx = &mut self.shared.context(now);
                to.extend(link.join_envelope(shared, to.len(), &limits, cx));
            }
        }
        self.relay_turn = Some(peer);
        Some(Upload { to, parts })
    }

    pub(super) fn handle_download(&mut self, download: Download, now: Time) {
        let Download { from, epochs, sequence, parts } = download;
        let Some(link) = self.links.get_mut(&from) else { return };
        let Some(packet) = open(&parts, &self.shared.config.limits) else {
            let error = PeerError::Misbehaved("an envelope whose head is not UTF-8");
            self.shared.out.events.push_back(Event::PeerError { peer: from, error });
            return;
        };
        match (link.version(), epochs) {
            (Version::V0, _) => {
                link.handle_unnumbered(packet, &mut self.shared.context(now));
            }
            (Version::V1, Some(epochs)) => {
                if self.admit(&from, epochs, now) {
                    self.handle_enclosed(&from, Path::Relay, sequence, packet, now);
                }
            }
            (Version::V1, None) => {}
        }
    }

    /// Judges the epochs of an envelope of `from`. `false`: the envelope is stale.
    pub(super) fn admit(&mut self, from: &PeerId, epochs: Epochs, now: Time) -> bool {
        let Some(link) = self.links.get_mut(from) else { return false };
        match link.admit(epochs, &mut self.shared.context(now)) {
            Admission::Stale => return false,
            Admission::Current => return true,
            Admission::Restarted => self.restart(from, LeaveReason::Restarted, now),
            Admission::Renewed => self.renew(from, now),
        }
        // Our new incarnation is not known to the peer yet.
        let epochs = Epochs { peer_epoch: 0, ..epochs };
        let link = self.links.get_mut(from);
        let admitted = link.map(|link| link.admit(epochs, &mut self.shared.context(now)));
        admitted == Some(Admission::Current)
    }

    /// Takes what was in an envelope that has been admitted.
    pub(super) fn handle_enclosed(
        &mut self,
        from: &PeerId,
        path: Path,
        sequence: Option<Sequence>,
        packet: Result<Packet, DecodeError>,
        now: Time,
    ) {
        let Some(link) = self.links.get_mut(from) else { return };
        let verdict = link.handle_relayed(path, sequence, packet, &mut self.shared.context(now));
        self.conclude(from, verdict, now);
    }
}

/// The packet of an envelope. `None`: it has no head, or one that is not UTF-8.
pub(super) fn open(parts: &[Bytes], limits: &Limits) -> Option<Result<Packet, DecodeError>> {
    let (head, attachments) = parts.split_first()?;
    let head = ByteString::try_from(head.clone()).ok()?;
    Some(Packet::from_head_and_attachments(head, attachments.to_vec(), limits))
}
