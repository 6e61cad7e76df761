//! What an incarnation of a link leaves to the one that follows it.
//!
//! When one end begins anew, the other half of the link goes on: what came of a peer that has given us up is still
//! had, and what was sent to a peer that has begun anew, and has taken us up as we are, is still on its way. If both
//! began anew each time that the other does, neither would ever come to an end of it.

use std::collections::VecDeque;

use super::control::PerLane;
use super::stream::{ReceiveStream, SendStream};
use super::{Context, Link, via};
use crate::event::Outcome;
use crate::signal::{Lane, Sequence};
use crate::time::Time;

/// What has come of one incarnation of the peer: it outlives an incarnation of ours.
#[derive(Debug)]
pub(crate) struct Heard {
    peer_epoch: u32,
    streams: PerLane<ReceiveStream>,
    refused: VecDeque<Sequence>,
    numbers: via::Numbers,
    transfers: u64,
}

/// What one incarnation of ours has sent: it outlives an incarnation of the peer.
#[derive(Debug)]
pub(crate) struct Said {
    streams: PerLane<SendStream>,
    rewound_at: Option<Time>,
    number: u64,
    transfers: u64,
    unfinished: Vec<u64>,
}

impl Link {
    /// The next incarnation of the link to the same peer, of which nothing has come yet.
    pub(crate) fn successor(&self, epoch: u32, now: Time) -> Self {
        let mut next = Self::new(self.peer.clone(), self.version, epoch, self.peer_epoch(), now);
        next.set_key(self.key().cloned());
        // Who begins anew again and again may not offer any more often.
        next.offers = self.offers;
        next
    }

    /// Takes what has come of the peer, for an incarnation of ours that follows this one.
    pub(crate) fn take_heard(&mut self) -> Heard {
        Heard {
            peer_epoch: self.peer_epoch,
            streams: self.lanes.each_mut().map(|lane| std::mem::take(&mut lane.receive)),
            refused: std::mem::take(&mut self.refused),
            numbers: self.way.take_heard(),
            transfers: self.opened_by_peer(),
        }
    }

    /// Goes on with what has come of the peer before.
    pub(crate) fn keep_heard(&mut self, heard: Heard) {
        self.peer_epoch = heard.peer_epoch;
        self.stale_epoch = heard.peer_epoch.saturating_sub(1);
        for (lane, stream) in self.lanes.iter_mut().zip(heard.streams) {
            lane.receive = stream;
        }
        self.refused = heard.refused;
        self.way.keep_heard(heard.numbers);
        self.disown_transfers(heard.transfers);
        self.ack_due = true;
    }

    /// Takes what has been sent, for the link to the incarnation of the peer that follows this one. To the
    /// application every emit ends here; those that were on their way arrive nevertheless, because the numbers
    /// behind them have to be reached.
    pub(crate) fn take_said(&mut self, cx: &mut Context<'_>) -> Said {
        for lane in Lane::RELIABLE {
            for (sent, outgoing) in self.lanes[lane.index()].send.disown(Self::is_abort) {
                let outcome = if sent { Outcome::Unknown } else { Outcome::NotSent };
                self.report_outcome(lane, &outgoing, outcome, cx);
            }
        }
        self.lanes[Lane::Volatile.index()].send.forget();
        let (transfers, unfinished) = self.opened_to_peer();
        Said {
            streams: self.lanes.each_mut().map(|lane| std::mem::take(&mut lane.send)),
            rewound_at: self.rewound_at,
            number: self.way.number(),
            transfers,
            unfinished,
        }
    }

    /// Goes on with what was sent before.
    pub(crate) fn keep_said(&mut self, said: Said, cx: &Context<'_>) {
        for (lane, stream) in self.lanes.iter_mut().zip(said.streams) {
            lane.send = stream;
        }
        self.rewound_at = said.rewound_at;
        if self.may_rewind(cx) {
            self.rewind();
        }
        self.arm_retransmit(cx);
        self.way.keep_number(said.number);
        self.abort_transfers(said.transfers, said.unfinished);
        self.ack_due = true;
    }
}
