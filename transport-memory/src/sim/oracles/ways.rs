//! The paths on which the events of a run were sent.

use std::time::Duration;

use socketio_p2p_core::{Path, Policy, Time};

use crate::invariant::{Breach, Invariant};
use crate::mesh::{Carried, Place};
use crate::sim::model::Model;

/// The same event on the same leg, for each of its receivers, within a moment: more is a storm.
const MAX_REPEATS: u32 = 12;

/// How long what has begun when a policy changes may take to be written.
const GRACE: Duration = Duration::from_secs(10);

/// One leg of the way of an event.
#[derive(Clone, Copy, Debug)]
struct Leg {
    from: Place,
    to: Place,
    /// When it was sent there first.
    first: Time,
    /// How often it was sent since then.
    times: u32,
    since: Time,
}

/// What is not longer is never cut.
const SHORTEST_RECORD: u64 = 200;

/// What is known of a node's policy.
#[derive(Clone, Copy, Debug)]
struct Bound {
    policy: Policy,
    since: Time,
    /// A message had begun when the policy changed: when the rest of it was sent.
    excused: Option<Time>,
}

/// The ways of all events, by their numbers.
#[derive(Debug)]
pub(in crate::sim) struct Ways {
    legs: Vec<Vec<Leg>>,
    bounds: Vec<Option<Bound>>,
    /// A moment, in which the same is not sent often.
    moment: Duration,
    /// Events that a policy kept on one path.
    pub(in crate::sim) bound: u32,
}

impl Ways {
    pub(in crate::sim) const fn new(moment: Duration) -> Self {
        Self { legs: Vec::new(), bounds: Vec::new(), moment, bound: 0 }
    }

    /// A node's policy is this one from now on.
    pub(in crate::sim) fn set_policy(&mut self, node: usize, policy: Policy, since: Time) {
        if self.bounds.len() <= node {
            self.bounds.resize(node + 1, None);
        }
        if self.bounds[node].is_none_or(|bound| bound.policy != policy) {
            self.bounds[node] = Some(Bound { policy, since, excused: None });
        }
    }

    /// An event was sent.
    pub(in crate::sim) fn note(&mut self, carried: Carried, model: &Model) -> Result<(), Breach> {
        let Carried { at, from, to, number, .. } = carried;
        let Some(sender) = model.sender_of(number) else { return Ok(()) };
        if model.is_raw(sender) {
            return Ok(());
        }
        if let Place::Node(node) = from
            && let Some(Some(bound)) = self.bounds.get_mut(node)
        {
            let forbidden = match bound.policy {
                Policy::DirectOnly => to == Place::Hub && node == sender,
                Policy::RelayOnly => to != Place::Hub,
                Policy::Automatic | Policy::Manual | _ => false,
            };
            let excused = bound.excused.is_none_or(|then| then == at) && at - bound.since < GRACE;
            if forbidden && !excused {
                let (policy, since) = (bound.policy, bound.since);
                return Err(Breach::new(
                    Invariant::Policy,
                    format!("nothing from {from} to {to} under {policy:?}, since {since:?}"),
                    format!("event {number} of node {sender} at {at:?}"),
                ));
            }
            if forbidden {
                bound.excused = Some(at);
            }
            self.bound += u32::from(matches!(bound.policy, Policy::DirectOnly | Policy::RelayOnly));
        }
        let index = usize::try_from(number).unwrap_or(0);
        if self.legs.len() <= index {
            self.legs.resize_with(index + 1, Vec::new);
        }
        let legs = &mut self.legs[index];
        let Some(leg) = legs.iter_mut().find(|leg| (leg.from, leg.to) == (from, to)) else {
            legs.push(Leg { from, to, first: at, times: 1, since: at });
            return Ok(());
        };
        if at - leg.since > self.moment {
            (leg.times, leg.since) = (0, at);
        }
        leg.times += 1;
        let receivers = model.receivers_of(number).max(1) as u32;
        if leg.times > MAX_REPEATS * receivers && from != Place::Hub {
            return Err(Breach::new(
                Invariant::Retransmission,
                format!("pauses between sending event {number} again from {from} to {to}"),
                format!("{} times in {:?}", leg.times, at - leg.since),
            ));
        }
        Ok(())
    }

    /// An event has ended for one peer, as sent or as not sent.
    pub(in crate::sim) fn check_sent(
        &self,
        number: u64,
        as_sent: bool,
        model: &Model,
    ) -> Result<(), Breach> {
        let Some(sender) = model.sender_of(number) else { return Ok(()) };
        let index = usize::try_from(number).unwrap_or(usize::MAX);
        let legs = self.legs.get(index).map(Vec::as_slice).unwrap_or_default();
        let sent = legs.iter().any(|leg| leg.from == Place::Node(sender));
        // What was sent to others is no matter of this one.
        if sent == as_sent || (sent && model.receivers_of(number) > 1) {
            return Ok(());
        }
        let what = if as_sent { "sent" } else { "not sent" };
        Err(Breach::new(
            Invariant::Sent,
            format!("event {number} of node {sender}, which ended as {what}, to be {what}"),
            format!("it went {legs:?}"),
        ))
    }

    /// An event was handed out, as come on this path.
    pub(in crate::sim) fn check_path(
        &self,
        number: u64,
        node: usize,
        path: &Path,
        model: &Model,
    ) -> Result<(), Breach> {
        let sender = model.sender_of(number).unwrap_or(usize::MAX);
        let from = match path {
            Path::Relay => Place::Hub,
            Path::Direct => Place::Node(sender),
            Path::Via(id) => Place::Node(model.find(id).unwrap_or(usize::MAX)),
            _ => return Ok(()),
        };
        let index = usize::try_from(number).unwrap_or(usize::MAX);
        let legs = self.legs.get(index).map(Vec::as_slice).unwrap_or_default();
        // An event sent to it before its policy forbade the path may wait for its turn, and be retransmitted meanwhile.
        let leg = legs.iter().find(|leg| (leg.from, leg.to) == (from, Place::Node(node)));
        if let Some(Some(bound)) = self.bounds.get(node)
            && let Some(sent) = leg.map(|leg| leg.first).filter(|sent| *sent > bound.since)
            && match bound.policy {
                Policy::DirectOnly => *path == Path::Relay,
                Policy::RelayOnly => *path != Path::Relay,
                Policy::Automatic | Policy::Manual | _ => false,
            }
        {
            let (policy, since) = (bound.policy, bound.since);
            return Err(Breach::new(
                Invariant::Policy,
                format!("nothing to be taken on {path:?} under {policy:?}, since {since:?}"),
                format!("event {number} at node {node}, sent at {sent:?}"),
            ));
        }
        // Of a long one the beginning can have come on another path than the end.
        if leg.is_some() || model.bytes_of(number) > SHORTEST_RECORD {
            return Ok(());
        }
        Err(Breach::new(
            Invariant::PathTruth,
            format!("event {number} of node {sender} to have been sent on {path:?}"),
            format!("only {legs:?}"),
        ))
    }
}
