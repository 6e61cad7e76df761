//! A queue of links to be looked at.

use std::collections::VecDeque;

/// The indices of links, each at most once, in the order in which they were noted. The queue never holds more
/// entries than there were links at one time, even when it is not drained.
#[derive(Debug, Default)]
pub(super) struct Noted {
    queue: VecDeque<usize>,
    /// By index.
    is_queued: Vec<bool>,
}

impl Noted {
    pub(super) fn note(&mut self, place: usize) {
        if self.is_queued.len() <= place {
            self.is_queued.resize(place + 1, false);
        }
        if let Some(is_queued) = self.is_queued.get_mut(place)
            && !std::mem::replace(is_queued, true)
        {
            self.queue.push_back(place);
        }
    }

    pub(super) fn take(&mut self) -> Option<usize> {
        let place = self.queue.pop_front()?;
        if let Some(is_queued) = self.is_queued.get_mut(place) {
            *is_queued = false;
        }
        Some(place)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn noted_links_are_returned_in_order_and_once_each() {
        let mut noted = Noted::default();
        for place in [7, 2, 7, 2, 3] {
            noted.note(place);
        }
        assert_eq!(noted.take(), Some(7));
        noted.note(7);
        let rest: Vec<_> = std::iter::from_fn(|| noted.take()).collect();
        assert_eq!(rest, [2, 3, 7]);
    }
}
