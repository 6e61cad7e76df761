//! The peer's acknowledgements, and the pongs that prove losses.

use super::flight::{PathKind, Sent};
use super::sender::BeyondSent;
use super::{Context, Link};
use crate::event::{Event, Outcome};
use crate::time::Time;
use crate::wire::{Incoming, IncomingKind, Lane, State, Stream};

impl Link {
    pub(super) fn handle_pong(&mut self, number: u64, path: PathKind, cx: &mut Context<'_>) {
        let Some(answer) = self.route.recovery_mut(path).pong(number, cx.now) else { return };
        self.dialogue.note_pong(path, number);
        if path == PathKind::Direct {
            self.attempt.handle_proof(cx);
        }
        let longest = cx.longest_timeout();
        let Self { flight, route, sender, transfers, dialogue, .. } = self;
        // The time before which a record on another path would have been acknowledged.
        let patience = |other: PathKind| {
            let timeout = route.recovery(other).timeout(longest);
            Time::from_nanos(cx.now.as_nanos().saturating_sub(timeout.as_nanos() as u64))
        };
        let fate = |sent: &Sent| match sent.stream {
            Stream::Lane(_) => sender.fate(sent),
            Stream::Transfers => transfers.outgoing.fate(sent),
        };
        let (lost, swept) = flight.take_lost(path, answer.order, patience, fate);
        for path in PathKind::ALL {
            route.recovery_mut(path).note_delivered(swept[path.index()]);
        }
        for other in PathKind::ALL.into_iter().filter(|other| *other != path) {
            let waits = flight.in_flight(other).all > 0 && route.has(other);
            if waits && !route.recovery(other).is_asking() {
                // This path proves no loss on that one, which may be slow.
                dialogue.request_ping(other);
            }
        }
        if lost.is_empty() {
            return;
        }
        #[cfg(feature = "tracing")]
        crate::trace::records_lost(&self.peer.id, path.name(), lost.len());
        for sent in &lost {
            match sent.stream {
                Stream::Lane(_) => sender.lose(sent),
                Stream::Transfers => transfers.outgoing.lose(sent),
            }
        }
        sender.settle_losses(|times| route.recovery(path).backed_off(times, longest), cx.now);
        if flight.note_loss(|times| route.recovery(path).backed_off(times, longest), cx.now) {
            route.recovery_mut(path).collapse();
        }
    }

    /// Applies whether the peer's application takes events at present.
    pub(super) fn note_wait(&mut self, waits: bool) {
        if self.sender.is_paused() && !waits {
            self.flight.resume();
        }
        self.sender.set_paused(waits);
    }

    pub(super) fn handle_state(
        &mut self,
        state: &State,
        cx: &mut Context<'_>,
    ) -> Result<(), BeyondSent> {
        let mut news = 0;
        for (lane, has) in Lane::RELIABLE.into_iter().zip(&state.lanes) {
            let refused = |number| state.refused.contains(&(lane, number));
            news += self.sender.acknowledge(lane, has, refused, |done| {
                if done.refused {
                    self.flight.note_moot(Stream::Lane(lane), done.number);
                }
                if let Some(emit) = done.emit {
                    let outcome = if done.refused { Outcome::Refused } else { Outcome::Delivered };
                    let peer = self.peer.id.clone();
                    cx.out.events.push_back(Event::Outcome { emit, peer, outcome });
                }
            })?;
        }
        self.sender.acknowledge_volatile(state.seen);
        for Incoming { number, kind } in &state.incoming {
            let whole = matches!(kind, IncomingKind::Open { .. } | IncomingKind::Done);
            if !whole && self.transfers.outgoing.is_open(*number) {
                self.flight.note_moot(Stream::Transfers, *number);
            }
        }
        let mut ended = Vec::new();
        let acked = self.transfers.outgoing.acknowledge(&state.incoming, |end| ended.push(end));
        for (number, outcome) in ended {
            let transfer = self.outgoing_id(number).into();
            cx.out.events.push_back(Event::TransferEnded { transfer, outcome });
        }
        // Applies also when a fault follows: an ended packet has ended.
        news += acked?;
        if !state.refused.is_empty() || !state.incoming.is_empty() {
            // The peer repeats its refusals until it learns that they are settled.
            let settled = self.sender.settled();
            let over = |(lane, number): &(Lane, u64)| *number < settled[lane.index()];
            let open = self.transfers.outgoing.told().1;
            let ended = |number| !open.contains(number);
            if state.refused.iter().any(over) || state.incoming.iter().any(|one| ended(&one.number))
            {
                self.owe_state();
            }
        }
        if self.receiver.settle(state.settled) {
            self.deliver(cx);
            self.owe_state();
        }
        self.transfers.incoming.settle(state.opened, &state.open);
        self.sweep(news, state);
        Ok(())
    }

    /// Removes the records that are no longer in flight.
    fn sweep(&mut self, news: u64, state: &State) {
        let Self { flight, route, sender, transfers, dialogue, .. } = self;
        let swept = flight.sweep(|sent| match sent.stream {
            Stream::Lane(_) => sender.fate(sent),
            Stream::Transfers => transfers.outgoing.fate(sent),
        });
        for path in PathKind::ALL {
            route.recovery_mut(path).note_delivered(swept[path.index()]);
        }
        if news > 0 {
            let waits = sender.has_sent() || transfers.outgoing.has_sent();
            flight.note_news(news, waits);
            dialogue.note_progress();
            let gap = state.lanes.iter().any(|lane| !lane.ahead.is_empty());
            if gap
                && let Some(path) =
                    route.control().filter(|path| !route.recovery(*path).is_asking())
            {
                // A ping proves that the missing records are lost.
                dialogue.request_ping(path);
            }
        }
    }

    /// Schedules a `state` on any path.
    fn owe_state(&mut self) {
        if let Some(path) = self.route.control() {
            self.dialogue.owe_ack(path);
        }
    }
}
