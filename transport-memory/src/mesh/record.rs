//! The record of a run: the trace, and the observations for the simulator's judges.

use socketio_p2p_core::{Event, Frame, PeerId, Time};

use super::late_offers::{Closed, LateOffer};
use super::load::Loads;
use super::node::{Node, Place};
use super::peek::{self, Carried};
use super::talk::{Seen, Sending};
use super::trace::{SHOWN, SHOWN_EVENT, TraceEntry, TraceEvent, describe_event, shorten};
use crate::broker::End;

#[derive(Debug, Default)]
pub(super) struct Record {
    /// The trace. `None`: not started.
    pub(super) trace: Option<Vec<TraceEntry>>,
    /// The simulator's events that were sent. `None`: the mesh is not watched, and all below but counters stays
    /// empty.
    pub(super) carried: Option<Vec<Carried>>,
    /// Attempts to reach the hub.
    pub(super) tries: Vec<(Node, Time)>,
    /// Bytes of records in flight.
    pub(super) loads: Loads,
    /// Channels that have opened.
    pub(super) openings: Vec<End>,
    /// Bundles sent and received.
    pub(super) talks: Vec<Seen>,
    /// The number of bundles sent and received.
    talked: u64,
    /// When the frames that the hub handles now were handed to their socket.
    pub(super) uploaded: Sending,
    /// Offers that sessions have made: offerer, receiver.
    pub(super) offers: Vec<(Node, Node)>,
    pub(super) late_offers: Vec<LateOffer>,
    /// The last channel that a session closed while it was open at its other end.
    pub(super) closed: Option<Closed>,
    /// Offers of raw nodes that sessions have answered: answerer, offerer.
    pub(super) taken_up: Vec<(Node, Node)>,
    /// Answers that came to the connection of another attempt.
    pub(super) astray: u32,
    /// Packets that sessions have sent to the hub.
    pub(super) uploads: u64,
    /// Bytes that sessions have sent to the hub.
    pub(super) uploaded_bytes: usize,
}

impl Record {
    pub(super) const fn is_tracing(&self) -> bool {
        self.trace.is_some()
    }

    pub(super) const fn is_watching(&self) -> bool {
        self.carried.is_some()
    }

    /// The place of the next bundle sent or received.
    pub(super) const fn next_place(&mut self) -> u64 {
        self.talked += 1;
        self.talked
    }

    /// Looks for the simulator's events in a frame.
    pub(super) fn look_at(&mut self, frame: &Frame, (from, to): (Place, Place), at: Time) {
        if let Some(carried) = &mut self.carried {
            let (numbers, len) = (peek::numbers(frame).into_iter(), frame.len());
            carried.extend(numbers.map(|number| Carried { at, from, to, number, len }));
        }
    }

    /// Adds an entry, with nodes in the place of their ids.
    pub(super) fn note(
        &mut self,
        at: Time,
        place: Place,
        ids: &[(PeerId, Node)],
        what: impl FnOnce() -> TraceEvent,
    ) {
        let Some(trace) = &mut self.trace else { return };
        let event = match what() {
            TraceEvent::Sent { to, arrives, direct, text, digest } => {
                let text = shorten(&with_names(text, ids), SHOWN);
                TraceEvent::Sent { to, arrives, direct, text, digest }
            }
            TraceEvent::Event(text) => {
                TraceEvent::Event(shorten(&with_names(text, ids), SHOWN_EVENT))
            }
            TraceEvent::PathChanged { peer, path } => {
                TraceEvent::PathChanged { peer: with_names(peer, ids), path }
            }
            other @ (TraceEvent::Fault(_) | TraceEvent::Command(_)) => other,
        };
        trace.push(TraceEntry { at, place, event });
    }

    /// Adds the events of a session.
    #[expect(clippy::wildcard_enum_match_arm, reason = "all others are shown as they are")]
    pub(super) fn note_events(
        &mut self,
        at: Time,
        node: usize,
        ids: &[(PeerId, Node)],
        events: &[Event],
    ) {
        if !self.is_tracing() {
            return;
        }
        for event in events {
            let what = || match event {
                Event::PathChanged { peer, path } => {
                    TraceEvent::PathChanged { peer: peer.to_string(), path: path.clone() }
                }
                event => TraceEvent::Event(describe_event(event)),
            };
            self.note(at, Place::Node(node), ids, what);
        }
    }
}

/// The text with nodes in the place of their ids.
fn with_names(mut text: String, ids: &[(PeerId, Node)]) -> String {
    for (id, node) in ids {
        if text.contains(id.as_str()) {
            text = text.replace(id.as_str(), &Place::Node(node.index()).to_string());
        }
    }
    text
}
