//! Bundles that this session passes on between two others, within limits.

use std::collections::{BTreeMap, VecDeque};
use std::time::Duration;

use crate::id::PeerId;
use crate::link::pace::Bucket;
use crate::time::Time;
use crate::wire::Passed;

/// The most bytes of one direction of a pair that wait for the channel.
const QUEUE_BYTES: usize = 256 << 10;

/// What a packet costs in the queue beside its bytes.
const QUEUE_PACKET: usize = 256;

/// How far a sender may have run ahead of the rate when its packets come in: a path that stalls for a moment
/// delivers all at once.
const BURST: usize = 256 << 10;

/// A pair that has sent nothing for so long makes room for another.
const IDLE: Duration = Duration::from_secs(10);

/// What a session has passed on between other peers.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct Forwarding {
    /// The pairs of peers that are served now, idle ones counted until others need their place.
    pub pairs: usize,
    /// Packets passed on since the start.
    pub packets: u64,
    /// Their bytes.
    pub bytes: u64,
    /// Packets not passed on since the start: over a limit, or for a peer that is not there. The ends make them
    /// good.
    pub dropped: u64,
}

/// What one session lets others have of it.
#[derive(Clone, Copy, Debug)]
pub(super) struct ForwardLimits {
    pub(super) pairs: usize,
    /// Bytes per second in each direction of a pair.
    pub(super) rate: u64,
}

/// Why a packet is not taken.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Refused {
    /// There are as many pairs as may be.
    Pairs,
    /// The sender goes beyond the rate, or the channel does not keep up with it.
    Rate,
}

/// The packets on their way, and the books on who sends them.
#[derive(Debug, Default)]
pub(super) struct Forwarder {
    /// By the smaller id and the greater one.
    pairs: BTreeMap<(PeerId, PeerId), Pair>,
    /// By the receiver, each with its sender.
    queues: BTreeMap<PeerId, VecDeque<(PeerId, Passed)>>,
    counts: Forwarding,
}

#[derive(Debug)]
struct Pair {
    used_at: Time,
    /// From the smaller id to the greater one, and back.
    flows: [Flow; 2],
}

#[derive(Debug, Default)]
struct Flow {
    bucket: Bucket,
    queued: usize,
}

impl Forwarder {
    pub(super) fn counts(&self) -> Forwarding {
        Forwarding { pairs: self.pairs.len(), ..self.counts }
    }

    /// Whether nothing waits for anybody.
    pub(super) fn is_idle(&self) -> bool {
        self.queues.is_empty()
    }

    pub(super) fn waits_for(&self, to: &PeerId) -> bool {
        self.queues.contains_key(to)
    }

    /// Takes a packet for `to`; `len` is what it cost on its way from the sender.
    pub(super) fn push(
        &mut self,
        from: &PeerId,
        to: &PeerId,
        passed: Passed,
        len: usize,
        allowance: ForwardLimits,
        now: Time,
    ) -> Result<(), Refused> {
        let pushed = self.try_push(from, to, passed, len, allowance, now);
        self.counts.dropped += u64::from(pushed.is_err());
        pushed
    }

    fn try_push(
        &mut self,
        from: &PeerId,
        to: &PeerId,
        passed: Passed,
        len: usize,
        allowance: ForwardLimits,
        now: Time,
    ) -> Result<(), Refused> {
        let (key, direction) = pair(from, to);
        if !self.pairs.contains_key(&key) {
            self.make_room(&key, allowance.pairs, now)?;
        }
        let new = || Pair { used_at: now, flows: Default::default() };
        let pair = self.pairs.entry(key).or_insert_with(new);
        pair.used_at = now;
        let flow = &mut pair.flows[direction];
        let queued = flow.queued + passed.bundle.len() + QUEUE_PACKET;
        if now < flow.bucket.ready_at(BURST, allowance.rate) || queued > QUEUE_BYTES {
            return Err(Refused::Rate);
        }
        flow.bucket.take(len, allowance.rate, now);
        flow.queued = queued;
        self.queues.entry(to.clone()).or_default().push_back((from.clone(), passed));
        Ok(())
    }

    /// Gives up another pair when there is no room for a new one: the one that has been idle for longest, or one of a peer
    /// that holds more of them than either end of the new one would.
    fn make_room(
        &mut self,
        new: &(PeerId, PeerId),
        max_pairs: usize,
        now: Time,
    ) -> Result<(), Refused> {
        if self.pairs.len() < max_pairs {
            return Ok(());
        }
        if self.pairs.len() > max_pairs {
            return Err(Refused::Pairs);
        }
        let idle = self.pairs.iter().filter(|(_, pair)| {
            now - pair.used_at >= IDLE && pair.flows.iter().all(|flow| flow.queued == 0)
        });
        let oldest = idle.min_by_key(|(_, pair)| pair.used_at).map(|(key, _)| key.clone());
        let given_up = oldest.or_else(|| self.pair_of_the_greediest(new)).ok_or(Refused::Pairs)?;
        self.give_up(&given_up);
        Ok(())
    }

    /// Of the peer with the most pairs, if it has more than either end of `new` would: the pair used longest ago.
    fn pair_of_the_greediest(&self, new: &(PeerId, PeerId)) -> Option<(PeerId, PeerId)> {
        let held =
            |peer: &PeerId| self.pairs.keys().filter(|(a, b)| a == peer || b == peer).count();
        let fair = held(&new.0).max(held(&new.1)) + 1;
        let peers = self.pairs.keys().flat_map(|(a, b)| [a, b]);
        let greediest = peers.max_by_key(|peer| held(peer)).filter(|peer| held(peer) > fair)?;
        let its = self.pairs.iter().filter(|((a, b), _)| a == greediest || b == greediest);
        its.min_by_key(|(_, pair)| pair.used_at).map(|(key, _)| key.clone())
    }

    /// What waits of the pair goes with it: its places in the queues are counted no more.
    fn give_up(&mut self, key: &(PeerId, PeerId)) {
        self.pairs.remove(key);
        let dropped = &mut self.counts.dropped;
        for (from, to) in [(&key.0, &key.1), (&key.1, &key.0)] {
            if let Some(queue) = self.queues.get_mut(to) {
                let before = queue.len();
                queue.retain(|(of, _)| of != from);
                *dropped += (before - queue.len()) as u64;
                if queue.is_empty() {
                    self.queues.remove(to);
                }
            }
        }
    }

    /// Notes a packet that could not even be considered.
    pub(super) fn note_dropped(&mut self) {
        self.counts.dropped += 1;
    }

    /// The next packet for `to`.
    pub(super) fn pop(&mut self, to: &PeerId) -> Option<(PeerId, Passed)> {
        let queue = self.queues.get_mut(to)?;
        let (from, passed) = queue.pop_front()?;
        if queue.is_empty() {
            self.queues.remove(to);
        }
        let (key, direction) = pair(&from, to);
        let len = passed.bundle.len();
        if let Some(pair) = self.pairs.get_mut(&key) {
            pair.flows[direction].queued -= len + QUEUE_PACKET;
        }
        self.counts.packets += 1;
        self.counts.bytes += len as u64;
        Some((from, passed))
    }

    /// Gives up what waits for peers that are not there any more, and the pairs they are of.
    pub(super) fn retain(&mut self, is_there: impl Fn(&PeerId) -> bool) {
        let dropped = &mut self.counts.dropped;
        self.queues.retain(|to, queue| {
            let keep = is_there(to);
            *dropped += if keep { 0 } else { queue.len() as u64 };
            keep
        });
        let queues = &self.queues;
        // What a sender that is gone has left behind is still passed on.
        self.pairs.retain(|(a, b), _| {
            let waits = |from, to| {
                let queue = queues.get(to);
                queue.is_some_and(|queue: &VecDeque<_>| queue.iter().any(|(of, _)| of == from))
            };
            (is_there(a) && is_there(b)) || waits(a, b) || waits(b, a)
        });
        for ((a, b), pair) in &mut self.pairs {
            for (flow, to) in pair.flows.iter_mut().zip([b, a]) {
                flow.queued = if queues.contains_key(to) { flow.queued } else { 0 };
            }
        }
    }
}

/// The two ids in order, and which of the two directions this is.
fn pair(from: &PeerId, to: &PeerId) -> ((PeerId, PeerId), usize) {
    if from < to { ((from.clone(), to.clone()), 0) } else { ((to.clone(), from.clone()), 1) }
}

#[cfg(test)]
mod tests {
    use super::{ForwardLimits, Forwarder, Refused};
    use crate::id::PeerId;
    use crate::time::Time;
    use crate::wire::{Passed, Seal};

    const LIMITS: ForwardLimits = ForwardLimits { pairs: 2, rate: 1_000_000 };

    fn id(name: &str) -> PeerId {
        PeerId::new(name.to_owned()).unwrap()
    }

    fn passed(len: usize) -> Passed {
        Passed { number: 1, seal: Seal::new([0; 32]), bundle: vec![7; len].into() }
    }

    fn push(forwarder: &mut Forwarder, from: &str, to: &str, at: u64) -> Result<(), Refused> {
        let now = Time::from_millis(at);
        forwarder.push(&id(from), &id(to), passed(1000), 1000, LIMITS, now)
    }

    #[test]
    fn so_many_pairs_are_served_and_an_idle_one_makes_room() {
        let mut forwarder = Forwarder::default();
        assert_eq!(push(&mut forwarder, "a", "b", 1000), Ok(()));
        assert_eq!(push(&mut forwarder, "b", "a", 1000), Ok(()), "the same pair");
        assert_eq!(push(&mut forwarder, "a", "c", 1001), Ok(()));
        assert_eq!(push(&mut forwarder, "b", "c", 10_999), Err(Refused::Pairs));
        assert_eq!(push(&mut forwarder, "b", "c", 11_001), Err(Refused::Pairs), "something waits");
        while forwarder.pop(&id("a")).or_else(|| forwarder.pop(&id("b"))).is_some() {}
        assert_eq!(push(&mut forwarder, "b", "c", 11_001), Ok(()));
        assert_eq!(push(&mut forwarder, "a", "b", 11_001), Err(Refused::Pairs), "the oldest went");
        let counts = forwarder.counts();
        assert_eq!((counts.pairs, counts.packets, counts.dropped), (2, 2, 3));
    }

    #[test]
    fn a_peer_with_most_of_the_pairs_makes_room_for_others_and_what_waits_of_it_goes() {
        let limits = ForwardLimits { pairs: 4, ..LIMITS };
        let mut forwarder = Forwarder::default();
        let mut push = |from: &str, to: &str, at| {
            let now = Time::from_millis(at);
            forwarder.push(&id(from), &id(to), passed(1000), 1000, limits, now)
        };
        for (at, to) in ["a", "b", "c", "d"].into_iter().enumerate() {
            assert_eq!(push("greedy", to, 1000 + at as u64), Ok(()));
        }
        // Of 4 pairs 2 stay, because who has 2 has no more than a newcomer with one would have.
        for (at, (from, to)) in [("x", "y"), ("y", "z")].into_iter().enumerate() {
            assert_eq!(push(from, to, 1010 + at as u64), Ok(()), "{from} {to}");
        }
        assert_eq!(push("greedy", "a", 1020), Err(Refused::Pairs));
        assert_eq!(push("x", "a", 1021), Err(Refused::Pairs));
        for (to, left) in [("a", 0), ("b", 0), ("c", 1), ("d", 1), ("y", 1), ("z", 1)] {
            let left_to = std::iter::from_fn(|| forwarder.pop(&id(to))).count();
            assert_eq!(left_to, left, "for {to}");
        }
        assert!(forwarder.is_idle());
        let counts = forwarder.counts();
        assert_eq!((counts.pairs, counts.packets, counts.dropped), (4, 4, 4));
    }

    #[test]
    fn a_pair_beyond_its_rate_is_cut_down_to_it_and_the_other_direction_is_not() {
        let mut forwarder = Forwarder::default();
        let mut passed = 0;
        for at in 0..10_000 {
            // 4 MB/s.
            for _ in 0..4 {
                passed += u64::from(push(&mut forwarder, "a", "b", 1000 + at).is_ok());
                forwarder.pop(&id("b"));
            }
        }
        // 1 MB/s for 10 s and the burst.
        assert!((10_000..10_300).contains(&passed), "{passed}");
        assert_eq!(push(&mut forwarder, "b", "a", 11_000), Ok(()));
    }

    #[test]
    fn what_waits_is_bounded_and_goes_in_order() {
        let mut forwarder = Forwarder::default();
        let big = |number: usize| passed(10_000 + number);
        let mut taken = 0;
        while forwarder
            .push(&id("a"), &id("b"), big(taken), 0, LIMITS, Time::from_millis(1000))
            .is_ok()
        {
            taken += 1;
        }
        assert_eq!(taken, 25, "of 10 KB in 256 KiB");
        assert!(push(&mut forwarder, "c", "b", 1000).is_ok(), "another pair");
        for number in 0..taken {
            assert_eq!(forwarder.pop(&id("b")), Some((id("a"), big(number))));
        }
        assert!(forwarder.pop(&id("b")).is_some());
        assert!(forwarder.is_idle());
    }

    #[test]
    fn nothing_is_kept_for_who_is_gone_and_what_the_gone_left_is_passed_on() {
        let mut forwarder = Forwarder::default();
        push(&mut forwarder, "a", "b", 1000).unwrap();
        push(&mut forwarder, "b", "a", 1000).unwrap();
        forwarder.retain(|peer| peer.as_str() != "a");
        assert!(forwarder.pop(&id("a")).is_none());
        assert!(forwarder.pop(&id("b")).is_some());
        forwarder.retain(|peer| peer.as_str() != "a");
        assert_eq!((forwarder.counts().pairs, forwarder.counts().dropped), (0, 1));
    }
}
