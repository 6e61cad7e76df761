//! The forwarding of bundles between other peers, within limits.

use std::collections::{BTreeMap, VecDeque};
use std::time::Duration;

use crate::id::PeerId;
use crate::link::pace::Bucket;
use crate::time::Time;
use crate::wire::Passed;

/// The maximum bytes that wait for the channel, per direction of a pair.
const QUEUE_BYTES: usize = 256 << 10;

/// The cost of a queued packet in addition to its bytes.
const QUEUE_PACKET: usize = 256;

/// The token bucket's burst for a sender, in bytes: a path that stalled delivers its packets all at once.
const BURST: usize = 256 << 10;

/// The maximum number of former pairs whose buckets are kept.
const MAX_SPENT: usize = 256;

/// The time without traffic after which another pair can replace a pair.
const IDLE: Duration = Duration::from_secs(10);

/// The counters of the bundles that a session forwarded between other peers.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct Forwarding {
    /// The pairs of peers that are served, including idle pairs until another pair replaces them.
    pub pairs: usize,
    /// The bundles forwarded since the start.
    pub packets: u64,
    /// The bytes of these bundles.
    pub bytes: u64,
    /// The bundles dropped since the start: beyond a limit, or for a peer without a channel. The endpoints
    /// retransmit their records.
    pub dropped: u64,
}

/// The limits of forwarding.
#[derive(Clone, Copy, Debug)]
pub(super) struct ForwardLimits {
    pub(super) pairs: usize,
    /// The bytes per second in each direction of a pair.
    pub(super) rate: u64,
}

/// Why a packet is not forwarded.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Refused {
    /// The maximum number of pairs is served.
    Pairs,
    /// The sender exceeds the rate, or the receiver's channel is slower than it.
    Rate,
}

/// The two ids of a pair, the smaller one first.
type PairKey = (PeerId, PeerId);

/// The queued packets, and the traffic of each pair.
#[derive(Debug, Default)]
pub(super) struct Forwarder {
    pairs: BTreeMap<PairKey, Pair>,
    /// The buckets of former pairs that are not full again: a channel that is opened anew gains no burst.
    spent: BTreeMap<PairKey, [Bucket; 2]>,
    /// Keyed by the receiver, each packet with its sender.
    queues: BTreeMap<PeerId, VecDeque<(PeerId, Passed)>>,
    counts: Forwarding,
}

#[derive(Debug)]
struct Pair {
    used_at: Time,
    /// From the smaller id to the greater one, and the reverse.
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

    /// Returns whether no packet waits.
    pub(super) fn is_idle(&self) -> bool {
        self.queues.is_empty()
    }

    pub(super) fn waits_for(&self, to: &PeerId) -> bool {
        self.queues.contains_key(to)
    }

    /// Queues a packet for `to`; `len` is its length on the sender's channel.
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
        let spent = &mut self.spent;
        let pair = self.pairs.entry(key).or_insert_with_key(|key| {
            let buckets = spent.remove(key).unwrap_or_default();
            Pair { used_at: now, flows: buckets.map(|bucket| Flow { bucket, queued: 0 }) }
        });
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

    /// Removes a pair to make room for a new one: the pair that has been idle for longest, or a pair of a peer
    /// that holds more pairs than either end of the new one would.
    fn make_room(&mut self, new: &PairKey, max_pairs: usize, now: Time) -> Result<(), Refused> {
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
        self.give_up(&given_up, now);
        Ok(())
    }

    /// Returns the least recently used pair of the peer with the most pairs, if that peer has more than either
    /// end of `new` would.
    fn pair_of_the_greediest(&self, new: &PairKey) -> Option<PairKey> {
        let held =
            |peer: &PeerId| self.pairs.keys().filter(|(a, b)| a == peer || b == peer).count();
        let fair = held(&new.0).max(held(&new.1)) + 1;
        let peers = self.pairs.keys().flat_map(|(a, b)| [a, b]);
        let greediest = peers.max_by_key(|peer| held(peer)).filter(|peer| held(peer) > fair)?;
        let its = self.pairs.iter().filter(|((a, b), _)| a == greediest || b == greediest);
        its.min_by_key(|(_, pair)| pair.used_at).map(|(key, _)| key.clone())
    }

    /// Removes a pair, and with it the pair's queued packets.
    fn give_up(&mut self, key: &PairKey, now: Time) {
        if let Some(pair) = self.pairs.remove(key) {
            self.keep_spent(key.clone(), &pair, now);
        }
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

    /// Keeps the buckets of a pair that ends, unless they are full.
    fn keep_spent(&mut self, key: PairKey, pair: &Pair, now: Time) {
        self.spent.retain(|_, buckets| buckets.iter().any(|bucket| !bucket.is_full(now)));
        let buckets = pair.flows.each_ref().map(|flow| flow.bucket);
        if buckets.iter().all(|bucket| bucket.is_full(now)) {
            return;
        }
        if self.spent.len() >= MAX_SPENT {
            self.spent.pop_first();
        }
        self.spent.insert(key, buckets);
    }

    /// Counts a packet that was dropped before it reached the queue.
    pub(super) fn note_dropped(&mut self) {
        self.counts.dropped += 1;
    }

    /// Returns the next packet for `to`.
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

    /// Removes the packets for peers without a channel, and the pairs of these peers.
    pub(super) fn retain(&mut self, is_there: impl Fn(&PeerId) -> bool, now: Time) {
        let dropped = &mut self.counts.dropped;
        self.queues.retain(|to, queue| {
            let keep = is_there(to);
            *dropped += if keep { 0 } else { queue.len() as u64 };
            keep
        });
        let queues = &self.queues;
        let waits = |from: &PeerId, to: &PeerId| {
            let queue = queues.get(to);
            queue.is_some_and(|queue: &VecDeque<_>| queue.iter().any(|(of, _)| of == from))
        };
        // Queued packets of a sender that has left are still forwarded.
        let serves = |(a, b): &PairKey| (is_there(a) && is_there(b)) || waits(a, b) || waits(b, a);
        let ended: Vec<_> = self.pairs.extract_if(.., |key, _| !serves(key)).collect();
        for (key, pair) in ended {
            self.keep_spent(key, &pair, now);
        }
        let queues = &self.queues;
        for ((a, b), pair) in &mut self.pairs {
            for (flow, to) in pair.flows.iter_mut().zip([b, a]) {
                flow.queued = if queues.contains_key(to) { flow.queued } else { 0 };
            }
        }
    }
}

/// Returns the two ids in order, and the index of the direction.
fn pair(from: &PeerId, to: &PeerId) -> (PairKey, usize) {
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
    fn forwarding_serves_a_bounded_number_of_pairs_and_replaces_idle_ones() {
        let mut forwarder = Forwarder::default();
        assert_eq!(push(&mut forwarder, "a", "b", 1000), Ok(()));
        assert_eq!(push(&mut forwarder, "b", "a", 1000), Ok(()), "the same pair, reversed");
        assert_eq!(push(&mut forwarder, "a", "c", 1001), Ok(()));
        assert_eq!(push(&mut forwarder, "b", "c", 10_999), Err(Refused::Pairs));
        assert_eq!(push(&mut forwarder, "b", "c", 11_001), Err(Refused::Pairs), "something waits");
        while forwarder.pop(&id("a")).or_else(|| forwarder.pop(&id("b"))).is_some() {}
        assert_eq!(push(&mut forwarder, "b", "c", 11_001), Ok(()));
        assert_eq!(
            push(&mut forwarder, "a", "b", 11_001),
            Err(Refused::Pairs),
            "replaced as the oldest"
        );
        let counts = forwarder.counts();
        assert_eq!((counts.pairs, counts.packets, counts.dropped), (2, 2, 3));
    }

    #[test]
    fn a_new_pair_replaces_one_of_the_peer_with_the_most_pairs_and_drops_its_queue() {
        let limits = ForwardLimits { pairs: 4, ..LIMITS };
        let mut forwarder = Forwarder::default();
        let mut push = |from: &str, to: &str, at| {
            let now = Time::from_millis(at);
            forwarder.push(&id(from), &id(to), passed(1000), 1000, limits, now)
        };
        for (at, to) in ["a", "b", "c", "d"].into_iter().enumerate() {
            assert_eq!(push("greedy", to, 1000 + at as u64), Ok(()));
        }
        // 2 of the 4 pairs stay: a peer with 2 pairs has no more than a new pair's end would have.
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
    fn forwarding_limits_the_rate_of_each_direction_of_a_pair() {
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
    fn queued_bundles_to_forward_are_bounded_and_ordered() {
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
    fn bundles_to_a_departed_peer_are_dropped_and_bundles_from_it_are_forwarded() {
        let mut forwarder = Forwarder::default();
        push(&mut forwarder, "a", "b", 1000).unwrap();
        push(&mut forwarder, "b", "a", 1000).unwrap();
        forwarder.retain(|peer| peer.as_str() != "a", Time::from_millis(1000));
        assert!(forwarder.pop(&id("a")).is_none());
        assert!(forwarder.pop(&id("b")).is_some());
        forwarder.retain(|peer| peer.as_str() != "a", Time::from_millis(1000));
        assert_eq!((forwarder.counts().pairs, forwarder.counts().dropped), (0, 1));
    }
    #[test]
    fn a_channel_opened_anew_gains_no_burst() {
        let mut forwarder = Forwarder::default();
        let limits = ForwardLimits { pairs: 1, rate: 1000 };
        let mut forward = |at: u64| {
            let now = Time::from_millis(at);
            let (mut taken, big) = (0, || passed(16 << 10));
            while forwarder.push(&id("a"), &id("b"), big(), 16 << 10, limits, now).is_ok() {
                forwarder.pop(&id("b")).unwrap();
                taken += 1;
            }
            forwarder.retain(|peer| peer.as_str() != "a", now);
            assert_eq!(forwarder.counts().pairs, 0);
            taken
        };
        assert_eq!(forward(1000), 17, "16 KiB each of 256 KiB, the last one on credit");
        assert_eq!(forward(2000), 0);
        assert_eq!(forward(40_000), 2, "39,000 bytes, less the credit");
        assert_eq!(forward(1_000_000), 17);
    }
}
