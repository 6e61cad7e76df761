//! Events between this session and the server's application: plain Socket.IO, at most once.

use std::collections::VecDeque;

use super::Session;
use super::emit::Offered;
use crate::codec::Packet;
use crate::config::Config;
use crate::error::{EmitError, ReplyError};
use crate::event::{Asker, Event, ReplyToken};
use crate::id::EmitId;
use crate::link::Replies;
use crate::time::Time;

/// What waits for the server, and what the server's application is to answer.
#[derive(Debug, Default)]
pub(super) struct ServerTalk {
    /// Events and answers.
    queue: VecDeque<Packet>,
    bytes: usize,
    /// Whether an emit was blocked, and the application waits for room.
    is_awaited: bool,
    replies: Replies,
    /// The number of this connection: questions of an earlier one cannot be answered.
    connection: u64,
}

impl ServerTalk {
    fn push(&mut self, packet: Packet, config: &Config) -> Result<(), usize> {
        let bytes = self.bytes + packet.wire_len();
        let is_full = bytes > config.queue_bytes || self.queue.len() >= config.queue_packets;
        if is_full && !self.queue.is_empty() {
            self.is_awaited = true;
            return Err(self.bytes);
        }
        self.bytes = bytes;
        self.queue.push_back(packet);
        Ok(())
    }

    pub(super) fn next_timeout(&self) -> Option<Time> {
        self.replies.next_deadline()
    }

    /// Returns whether something waits for the server.
    #[cfg(feature = "driver")]
    pub(super) fn has_output(&self) -> bool {
        !self.queue.is_empty()
    }
}

impl Session {
    /// Returns the next packet for the server's application.
    pub(super) fn next_for_server(&mut self) -> Option<Packet> {
        let packet = self.server.queue.pop_front()?;
        self.server.bytes -= packet.wire_len();
        let has_room = self.server.bytes <= self.shared.config.queue_bytes / 2
            && self.server.queue.len() <= self.shared.config.queue_packets / 2;
        if has_room && std::mem::take(&mut self.server.is_awaited) {
            self.shared.out.events.push_back(Event::ServerWritable);
        }
        Some(packet)
    }

    pub(super) fn emit_to_server(
        &mut self,
        offered: Offered,
        packet: Packet,
        id: EmitId,
        now: Time,
    ) -> Result<(), EmitError> {
        if !self.is_joined() {
            return Err(EmitError::NotJoined);
        }
        let (got, limits) = (packet.wire_len(), self.signaling.limits());
        let max = limits.max_envelope as usize;
        if got > max || packet.attachments().len() >= limits.max_attachments as usize {
            return Err(EmitError::BeyondServerLimits { got, max });
        }
        let pending = self.shared.config.max_pending_acks;
        if matches!(offered, Offered::Question(_)) && self.server.replies.len() >= pending {
            return Err(EmitError::TooManyPendingAcks(pending));
        }
        self.server
            .push(packet, &self.shared.config)
            .map_err(|queued| EmitError::ServerBlocked { queued })?;
        if let Offered::Question(within) = offered {
            self.server.replies.expect(id, now + within);
        }
        Ok(())
    }

    pub(super) fn reply_to_server(
        &mut self,
        connection: u64,
        answer: Packet,
    ) -> Result<(), ReplyError> {
        if !self.is_joined() || connection != self.server.connection {
            return Err(ReplyError::Disconnected);
        }
        self.server
            .push(answer, &self.shared.config)
            .map_err(|queued| ReplyError::ServerBlocked { queued })
    }

    /// Forgets a question to the server: its answer is discarded, and nothing is reported.
    #[cfg(feature = "driver")]
    pub(crate) fn forget_server_question(&mut self, question: EmitId) {
        let _ = self.server.replies.resolve(question.as_u64());
    }

    /// Handles an event of the server's application.
    pub(super) fn handle_server_event(&mut self, packet: Packet) {
        let asker = Asker::Server { connection: self.server.connection };
        let reply = packet.ack_id().map(|ack_id| ReplyToken { asker, ack_id });
        self.shared.out.events.push_back(Event::ServerEvent { packet, reply });
    }

    /// Handles an answer of the server's application. Late and unknown ones are discarded.
    pub(super) fn handle_server_ack(&mut self, packet: Packet) {
        if let Some(emit) = packet.ack_id().and_then(|id| self.server.replies.resolve(id)) {
            self.shared.out.events.push_back(Event::ServerAck { emit, packet });
        }
    }

    pub(super) fn run_server_timers(&mut self, now: Time) {
        while let Some(emit) = self.server.replies.take_overdue(now) {
            self.shared.out.events.push_back(Event::NoServerAck { emit, timed_out: true });
        }
    }

    /// Ends what belongs to the lost connection.
    pub(super) fn end_server_talk(&mut self) {
        let mut ended = std::mem::take(&mut self.server);
        self.server.connection = ended.connection + 1;
        for emit in ended.replies.drain() {
            self.shared.out.events.push_back(Event::NoServerAck { emit, timed_out: false });
        }
    }
}
