//! Seals of bundles through neighbours, and the check for duplicates.

use std::collections::BTreeMap;

use bytes::Bytes;

use crate::id::PeerId;
use crate::wire::{PairKey, Passage, Passed};

/// The maximum number of neighbours whose latest numbers are remembered.
const MAX_NUMBERS: usize = 16;

/// The pair key, and the numbers of the sealed bundles.
#[derive(Debug, Default)]
pub(crate) struct Seals {
    key: Option<PairKey>,
    /// The number of the last bundle that this side sealed.
    number: u64,
    heard: Numbers,
}

/// The latest number per neighbour: each neighbour forwards in order.
#[derive(Debug, Default)]
struct Numbers {
    last: BTreeMap<PeerId, u64>,
    /// The greatest number of a forgotten neighbour.
    floor: u64,
}

/// The reason why a forwarded bundle is dropped.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Dropped {
    /// There is no pair key.
    NoKey,
    /// The MAC is wrong.
    Forged,
}

impl Seals {
    pub(crate) const fn new(key: Option<PairKey>) -> Self {
        Self { key, number: 0, heard: Numbers { last: BTreeMap::new(), floor: 0 } }
    }

    /// Creates the seals of the next incarnation, which continues the count; it keeps the received numbers if
    /// the peer's incarnation continues.
    pub(crate) fn successor(&mut self, peer_goes_on: bool) -> Self {
        let heard = if peer_goes_on { std::mem::take(&mut self.heard) } else { Numbers::default() };
        Self { key: self.key.clone(), number: self.number, heard }
    }

    /// Sets the key. Returns whether it changed.
    pub(crate) fn set_key(&mut self, key: Option<PairKey>) -> bool {
        let changed = self.key != key;
        self.key = key;
        changed
    }

    pub(crate) const fn has_key(&self) -> bool {
        self.key.is_some()
    }

    pub(crate) fn seal(&mut self, passage: Passage<'_>, bundle: Bytes) -> Option<Passed> {
        let key = self.key.as_ref()?;
        self.number += 1;
        Some(passage.seal(key, self.number, bundle))
    }

    pub(crate) fn check(&self, passage: Passage<'_>, passed: &Passed) -> Result<(), Dropped> {
        let key = self.key.as_ref().ok_or(Dropped::NoKey)?;
        if passage.is_genuine(key, passed) { Ok(()) } else { Err(Dropped::Forged) }
    }

    /// Returns whether a bundle with a valid seal and the current epoch is new, and notes it.
    pub(crate) fn is_first(&mut self, neighbour: &PeerId, number: u64) -> bool {
        let Numbers { last, floor } = &mut self.heard;
        if number <= last.get(neighbour).copied().unwrap_or(0).max(*floor) {
            return false;
        }
        last.insert(neighbour.clone(), number);
        if last.len() > MAX_NUMBERS
            && let Some((oldest, number)) = last.iter().min_by_key(|(_, number)| **number)
        {
            let (oldest, number) = (oldest.clone(), *number);
            last.remove(&oldest);
            *floor = (*floor).max(number);
        }
        true
    }
}

#[cfg(test)]
mod tests {
    use super::{MAX_NUMBERS, Seals};
    use crate::id::PeerId;

    #[test]
    fn a_seal_number_is_accepted_once_per_neighbour_even_when_forgotten() {
        let id = |number: usize| format!("n{number}").parse::<PeerId>().unwrap();
        let mut seals = Seals::default();
        assert!(
            seals.is_first(&id(0), 5) && !seals.is_first(&id(0), 5) && !seals.is_first(&id(0), 4)
        );
        assert!(seals.is_first(&id(1), 4));
        for number in 2..=MAX_NUMBERS {
            assert!(seals.is_first(&id(number), 100));
        }
        // The neighbour with the smallest number, 4, has been forgotten.
        assert!(!seals.is_first(&id(1), 4) && seals.is_first(&id(1), 6));
    }
}
