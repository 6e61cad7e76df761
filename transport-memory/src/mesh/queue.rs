//! The queue of deliveries, in the order of their arrival.

use std::cmp::Reverse;
use std::collections::BinaryHeap;

use socketio_p2p_core::Time;

use super::delivery::{Delivery, Scheduled};

/// The time of a delivery, its number, and its place in memory.
type Arrival = Reverse<(Time, u64, usize)>;

/// Deliveries of the same time arrive in the order in which they were sent.
///
/// Deliveries are large and stay where they are: what is put in order is small.
#[derive(Debug, Default)]
pub(super) struct Queue {
    order: BinaryHeap<Arrival>,
    deliveries: Vec<Option<Delivery>>,
    free: Vec<usize>,
}

impl Queue {
    pub(super) fn len(&self) -> usize {
        self.order.len()
    }

    /// When the next one arrives.
    pub(super) fn next_at(&self) -> Option<Time> {
        self.order.peek().map(|Reverse((at, ..))| *at)
    }

    pub(super) fn push(&mut self, Scheduled { at, number, delivery }: Scheduled) {
        let place = self.free.pop().unwrap_or_else(|| {
            self.deliveries.push(None);
            self.deliveries.len() - 1
        });
        self.deliveries[place] = Some(delivery);
        self.order.push(Reverse((at, number, place)));
    }

    pub(super) fn pop(&mut self) -> Option<Scheduled> {
        let Reverse((at, number, place)) = self.order.pop()?;
        let delivery = self.deliveries[place].take()?;
        self.free.push(place);
        Some(Scheduled { at, number, delivery })
    }

    /// Takes out all that is of a kind, in the order in which it was sent.
    pub(super) fn take(&mut self, is_taken: impl Fn(&Delivery) -> bool) -> Vec<Scheduled> {
        let Self { order, deliveries, free } = self;
        let mut taken = Vec::new();
        order.retain(|Reverse((at, number, place))| {
            let Some(delivery) = deliveries[*place].take_if(|delivery| is_taken(delivery)) else {
                return true;
            };
            free.push(*place);
            taken.push(Scheduled { at: *at, number: *number, delivery });
            false
        });
        taken.sort_by_key(|scheduled| scheduled.number);
        taken
    }

    /// Lets everything arrive at another time.
    pub(super) fn reschedule(&mut self, other: impl Fn(Time, &Delivery) -> Time) {
        let deliveries = &self.deliveries;
        let order = std::mem::take(&mut self.order).into_iter();
        let order = order.map(|Reverse((at, number, place))| {
            let at = deliveries[place].as_ref().map_or(at, |delivery| other(at, delivery));
            Reverse((at, number, place))
        });
        self.order = order.collect();
    }
}

#[cfg(test)]
mod tests {
    use socketio_p2p_core::Time;

    use super::Queue;
    use crate::mesh::delivery::{Delivery, Scheduled};

    fn queue(arrivals: &[(u64, u64)]) -> Queue {
        let mut queue = Queue::default();
        for (at, number) in arrivals {
            let delivery = Delivery::Drain { node: *number as usize };
            queue.push(Scheduled { at: Time::from_millis(*at), number: *number, delivery });
        }
        queue
    }

    fn numbers(queue: &mut Queue) -> Vec<u64> {
        std::iter::from_fn(|| queue.pop()).map(|scheduled| scheduled.number).collect()
    }

    #[test]
    fn the_first_to_arrive_comes_first_and_of_one_time_the_first_sent() {
        let mut queue = queue(&[(5, 0), (3, 1), (5, 2), (4, 3)]);
        assert_eq!((queue.len(), queue.next_at()), (4, Some(Time::from_millis(3))));
        assert_eq!(numbers(&mut queue), [1, 3, 0, 2]);
        assert_eq!(queue.next_at(), None);
    }

    #[test]
    fn what_is_taken_out_is_gone_and_its_place_is_used_again() {
        let mut queue = queue(&[(5, 0), (3, 1), (5, 2), (4, 3)]);
        let odd = |delivery: &Delivery| matches!(delivery, Delivery::Drain { node: 1 | 3 });
        let taken: Vec<u64> = queue.take(odd).into_iter().map(|one| one.number).collect();
        assert_eq!(taken, [1, 3]);
        let delivery = Delivery::Drain { node: 4 };
        queue.push(Scheduled { at: Time::ZERO, number: 4, delivery });
        assert_eq!(queue.deliveries.len(), 4);
        assert_eq!(numbers(&mut queue), [4, 0, 2]);
    }

    #[test]
    fn what_is_rescheduled_is_in_order_again() {
        let mut queue = queue(&[(5, 0), (3, 1), (4, 2)]);
        let is_last = |delivery: &Delivery| matches!(delivery, Delivery::Drain { node: 0 });
        queue.reschedule(|at, delivery| if is_last(delivery) { Time::ZERO } else { at });
        assert_eq!(numbers(&mut queue), [0, 1, 2]);
    }
}
