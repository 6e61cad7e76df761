//! Envelopes to and from the hub.

use super::Session;
use crate::codec::Packet;
use crate::error::{Misbehavior, PeerError};
use crate::event::{Event, LeaveReason};
use crate::frame::Frame;
use crate::id::{Dialect, PeerId};
use crate::link::{Admission, Envelope, LinkChange};
use crate::path::Path;
use crate::redacted::Redacted;
use crate::time::Time;
use crate::wire::{
    Bundle, ClientMessage, Download, Epochs, Piece, Recipient, Record, Stream, Upload, unflatten,
};

/// A message for the signalling channel.
enum Message {
    Hub(ClientMessage),
    /// An event or an answer for the server's application.
    Application(Packet),
}

impl Session {
    /// Returns the next message for the signalling channel. Call it only when the channel has room: a returned
    /// message counts as sent.
    #[must_use = "a message is returned only once"]
    pub fn poll_signaling_transmit(&mut self, now: Time) -> Option<Frame> {
        let now = self.clock.inner(now);
        while self.frames.is_empty() {
            let packet = match self.next_message(now) {
                // A message of this session can be encoded; otherwise the link's timers recover.
                Some(Message::Hub(message)) => message.to_packet().ok(),
                Some(Message::Application(packet)) => Some(packet),
                None if std::mem::take(&mut self.leave_room) => Some(Packet::disconnect()),
                None => {
                    self.note_flushed(now);
                    return None;
                }
            };
            if let Some(packet) = packet {
                self.write(packet);
            }
        }
        self.frames.pop_front()
    }

    /// Returns whether there may be a message for the signalling channel.
    #[cfg(feature = "driver")]
    pub(crate) fn has_signaling_output(&self) -> bool {
        let has_message = || {
            !self.shared.out.signals.is_empty()
                || self.introduction.has_update()
                || self.server.has_output()
                || self.links.any_wants_relay()
        };
        !self.frames.is_empty() || self.leave_room || self.is_joined() && has_message()
    }

    fn next_message(&mut self, now: Time) -> Option<Message> {
        if !self.is_joined() {
            return None;
        }
        let signal = self.shared.out.signals.pop_front();
        if let Some(signal) = signal.or_else(|| self.introduction.next_update(now)) {
            return Some(Message::Hub(signal));
        }
        // Peers and the server's application take turns.
        self.server_turn = !self.server_turn;
        if self.server_turn
            && let Some(packet) = self.next_for_server()
        {
            return Some(Message::Application(packet));
        }
        let envelope = self.next_envelope(now).map(ClientMessage::Relay).map(Message::Hub);
        envelope.or_else(|| self.next_for_server().map(Message::Application))
    }

    /// Returns the envelope of the link whose turn is next, addressed also to every other link that sends the
    /// same record next.
    fn next_envelope(&mut self, now: Time) -> Option<Upload> {
        let limits = self.signaling.limits();
        // Asks each link at most once: a link without output after all is not asked again.
        for _ in 0..=self.links.len() {
            let key = self.links.next_wanting_relay(self.relay_turn)?;
            self.relay_turn = Some(key);
            let peer = self.links.at(key)?.peer().clone();
            let envelope =
                self.with_key(key, now, |link, cx| link.poll_relay(&limits, cx)).flatten();
            match envelope {
                None => {}
                Some(Envelope::Bundle(Redacted(body))) => {
                    let to = vec![Recipient { id: peer, numbers: None }];
                    return Some(Upload { to, piece: None, body });
                }
                Some(Envelope::Record { recipient, shared, bytes: Redacted(body) }) => {
                    let mut to = vec![recipient];
                    if shared.is_for_many() {
                        for other in self.links.joining() {
                            if other != key {
                                let others = to.len();
                                let joined = self.with_key(other, now, |link, cx| {
                                    link.join_envelope(&shared, others, &limits, cx)
                                });
                                to.extend(joined.flatten());
                            }
                        }
                    }
                    let piece = Some(Piece { at: shared.bytes.start, end: shared.end });
                    return Some(Upload { to, piece, body });
                }
            }
        }
        None
    }

    pub(super) fn handle_download(&mut self, download: Download, now: Time) {
        let Download { from, numbers, piece, body } = download;
        let Some(link) = self.links.get(&from) else { return };
        match (link.dialect(), numbers, piece) {
            (Dialect::V0, ..) => self.handle_original(&from, body, now),
            (Dialect::V1, Some(numbers), Some(Piece { at: offset, end })) => {
                if self.admit(&from, numbers.epochs, now) {
                    let stream = Stream::Lane(numbers.lane);
                    let (number, abort) = (numbers.seq, false);
                    let record = Record { stream, number, offset, end, abort, bytes: body };
                    self.with_peer(&from, now, |link, cx| link.handle_record(record, cx));
                }
            }
            (Dialect::V1, None, None) => self.handle_enclosed(&from, &Path::Relay, body, now),
            (Dialect::V1, ..) => {
                self.report(&from, Misbehavior::EnvelopeNumbers.into());
            }
        }
    }

    /// Handles an event of a v0 client, which the hub put in an envelope.
    fn handle_original(&mut self, from: &PeerId, body: bytes::Bytes, now: Time) {
        let bytes = body.len();
        let Some((head, attachments)) = unflatten(body) else {
            return self.report(from, Misbehavior::EnvelopePacket.into());
        };
        let limits = &self.shared.config.limits;
        let packet = Packet::from_head_and_attachments(head, attachments, limits);
        self.with_peer(from, now, |link, cx| {
            link.count_relayed(bytes);
            link.handle_unnumbered(packet, Path::Relay, cx);
        });
    }

    /// Handles a bundle of `from` that came through the hub or a neighbour.
    pub(super) fn handle_enclosed(
        &mut self,
        from: &PeerId,
        path: &Path,
        body: bytes::Bytes,
        now: Time,
    ) {
        let message = body.len();
        match Bundle::read(body) {
            Ok(bundle) if self.admit(from, bundle.epochs, now) => {
                self.handle_admitted(from, path, bundle, message, now);
            }
            Ok(_) => {}
            Err(error) => self.report(from, Misbehavior::from(error).into()),
        }
    }

    /// Handles a bundle whose epochs have been admitted.
    pub(super) fn handle_admitted(
        &mut self,
        from: &PeerId,
        path: &Path,
        bundle: Bundle,
        message: usize,
        now: Time,
    ) {
        let act = |link: &mut crate::link::Link, cx: &mut crate::link::Context<'_>| {
            link.handle_bundle(bundle, path, message, cx)
        };
        let verdict = self.with_peer(from, now, act);
        self.conclude(from, verdict.unwrap_or(LinkChange::Alive), now);
    }

    /// Checks the epochs of a bundle or record of `from`. Returns `false` when it is stale.
    pub(super) fn admit(&mut self, from: &PeerId, epochs: Epochs, now: Time) -> bool {
        let verdict = match self.with_peer(from, now, |link, cx| link.admit(epochs, cx)) {
            None | Some(Admission::Stale) => return false,
            Some(Admission::Current) => return true,
            Some(Admission::Restarted) => LinkChange::Restarted,
            Some(Admission::Renewed) => LinkChange::Renewed,
        };
        self.succeed(from, verdict, LeaveReason::Restarted, now);
        // The peer does not know this side's new incarnation yet.
        let epochs = Epochs { peer_epoch: 0, ..epochs };
        let admitted = self.with_peer(from, now, |link, cx| link.admit(epochs, cx));
        admitted == Some(Admission::Current)
    }

    pub(super) fn report(&mut self, peer: &PeerId, error: PeerError) {
        let event = Event::PeerError { peer: peer.clone(), error };
        self.shared.out.events.push_back(event);
    }
}
