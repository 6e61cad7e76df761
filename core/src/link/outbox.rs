//! The output of links other than frames.

use std::collections::{BTreeMap, VecDeque};

use crate::codec::Packet;
use crate::command::Command;
use crate::event::Event;
use crate::id::{EmitId, PeerId};
use crate::wire::{ClientMessage, Item};

/// The maximum number of signals that wait for the signalling channel.
const MAX_SIGNALS: usize = 1024;

/// The events, requests to transports and signals of all links of a session.
#[derive(Debug, Default)]
pub(crate) struct Outbox {
    pub(crate) events: VecDeque<Event>,
    /// The reasons of the [`Event::PathChanged`] in `events`, in the same order.
    #[cfg(feature = "tracing")]
    pub(crate) path_reasons: VecDeque<&'static str>,
    pub(crate) commands: VecDeque<Command>,
    pub(crate) signals: VecDeque<ClientMessage>,
    /// Control of neighbours, which concerns other peers.
    pub(crate) neighbourly: VecDeque<(PeerId, Item)>,
    /// Whether a record was dropped because the received data of the session reached its bound.
    pub(crate) starved: bool,
    /// Whether one of those was a record of the next packet of its lane.
    pub(crate) starved_in_order: bool,
    /// Whether a change affects the available vias.
    pub(crate) vias_changed: bool,
    /// Whether a link started or stopped using a via.
    pub(crate) users_changed: bool,
    /// The emits with acknowledgement to several peers of which some have not answered.
    questions: BTreeMap<EmitId, Question>,
}

#[derive(Debug)]
struct Question {
    waiting: usize,
    answered: Vec<PeerId>,
    missing: Vec<PeerId>,
}

impl Outbox {
    /// Queues a signal. While the signalling channel takes none, the oldest signals are dropped: their attempts
    /// time out.
    pub(crate) fn push_signal(&mut self, signal: ClientMessage) {
        if self.signals.len() == MAX_SIGNALS {
            self.signals.pop_front();
        }
        self.signals.push_back(signal);
    }

    /// Registers an emit with acknowledgement to `peers` peers, whose results are finally reported together.
    pub(crate) fn collect_acks(&mut self, emit: EmitId, peers: usize) {
        let question = Question { waiting: peers, answered: Vec::new(), missing: Vec::new() };
        self.questions.insert(emit, question);
        self.conclude(emit);
    }

    pub(crate) fn push_ack(&mut self, emit: EmitId, from: PeerId, packet: Packet) {
        if let Some(question) = self.questions.get_mut(&emit) {
            question.waiting -= 1;
            question.answered.push(from.clone());
        }
        self.events.push_back(Event::Ack { emit, from, packet });
        self.conclude(emit);
    }

    pub(crate) fn push_no_ack(&mut self, emit: EmitId, peer: PeerId, timed_out: bool) {
        if let Some(question) = self.questions.get_mut(&emit) {
            question.waiting -= 1;
            question.missing.push(peer.clone());
        }
        self.events.push_back(Event::NoAck { emit, peer, timed_out });
        self.conclude(emit);
    }

    fn conclude(&mut self, emit: EmitId) {
        if self.questions.get(&emit).is_some_and(|question| question.waiting == 0)
            && let Some(Question { answered, missing, .. }) = self.questions.remove(&emit)
        {
            self.events.push_back(Event::AcksComplete { emit, answered, missing });
        }
    }
}
