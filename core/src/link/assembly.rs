//! Reassembly of pieces in any order and of any length.

use std::collections::BTreeMap;

use bytes::Bytes;

use crate::redacted::Redacted;

/// The cost of a waiting piece in addition to its bytes.
const PIECE_COST: usize = 128;

/// The contiguous bytes of a message, and pieces received out of order.
#[derive(Debug, Default)]
pub(crate) struct Assembly {
    had: u64,
    /// Beyond `had`, keyed by offset. They may overlap.
    pieces: Redacted<BTreeMap<u64, Bytes>>,
    pieces_bytes: usize,
    /// The end of the farthest piece received.
    reach: u64,
    /// The length, once the end is known.
    len: Option<u64>,
}

/// A piece that contradicts others: a second end, or bytes beyond the end.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Contradiction;

/// Copies a waiting piece if it would keep a much longer message in memory.
pub(crate) fn keep_apart(bytes: &mut Bytes, message: usize) {
    if bytes.len() < message / 2 {
        *bytes = Bytes::copy_from_slice(bytes);
    }
}

impl Assembly {
    /// Returns the offset below which all bytes are present.
    pub(crate) const fn had(&self) -> u64 {
        self.had
    }

    /// Returns the offset beyond which no byte is present.
    pub(crate) const fn reach(&self) -> u64 {
        self.reach
    }

    pub(crate) fn is_complete(&self) -> bool {
        self.len == Some(self.had)
    }

    pub(crate) const fn len(&self) -> Option<u64> {
        self.len
    }

    /// Returns the memory that waiting pieces use, in bytes.
    pub(crate) fn held(&self) -> usize {
        self.pieces_bytes + self.pieces.len() * PIECE_COST
    }

    /// Adds a piece; `take` gets the bytes that continue the contiguous ones. Returns the number of new bytes.
    pub(crate) fn push(
        &mut self,
        offset: u64,
        bytes: Bytes,
        end: bool,
        mut take: impl FnMut(Bytes),
    ) -> Result<usize, Contradiction> {
        let until = offset.saturating_add(bytes.len() as u64);
        if end {
            if self.len.is_some_and(|len| len != until) || until < self.reach {
                return Err(Contradiction);
            }
            self.len = Some(until);
        } else if self.len.is_some_and(|len| until > len) {
            return Err(Contradiction);
        }
        self.reach = self.reach.max(until);
        if offset > self.had {
            return Ok(self.keep(offset, bytes));
        }
        if until <= self.had {
            return Ok(0);
        }
        let before = self.had;
        let skip = usize::try_from(self.had - offset).unwrap_or(usize::MAX);
        take(bytes.slice(skip..));
        self.had = until;
        let mut known = 0;
        while let Some(next) = self.pieces.first_entry().filter(|next| *next.key() <= self.had) {
            let (at, piece) = next.remove_entry();
            self.pieces_bytes -= piece.len();
            let piece_end = at + piece.len() as u64;
            if piece_end > self.had {
                let skip = usize::try_from(self.had - at).unwrap_or(usize::MAX);
                known += piece_end - self.had;
                take(piece.slice(skip..));
                self.had = piece_end;
            }
        }
        Ok(usize::try_from(self.had - before - known).unwrap_or(usize::MAX))
    }

    fn keep(&mut self, offset: u64, bytes: Bytes) -> usize {
        let covered =
            |(at, piece): (&u64, &Bytes)| at + piece.len() as u64 >= offset + bytes.len() as u64;
        if bytes.is_empty() || self.pieces.range(..=offset).next_back().is_some_and(covered) {
            return 0;
        }
        let new = bytes.len();
        self.pieces_bytes += new;
        if let Some(shorter) = self.pieces.insert(offset, bytes) {
            self.pieces_bytes -= shorter.len();
            return new - shorter.len();
        }
        new
    }

    /// Returns the ranges received out of order: disjoint, in order, at most `max`.
    pub(crate) fn ahead(&self, max: usize) -> Vec<(u64, u64)> {
        let mut ranges: Vec<(u64, u64)> = Vec::new();
        for (at, piece) in self.pieces.iter() {
            let end = at + piece.len() as u64;
            if let Some((_, last)) = ranges.last_mut().filter(|(_, last)| at <= last) {
                *last = end.max(*last);
            } else if ranges.len() < max {
                ranges.push((*at, end));
            } else {
                break;
            }
        }
        ranges
    }
}

#[cfg(test)]
mod tests {
    use bytes::Bytes;
    use proptest::prelude::*;

    use super::{Assembly, Contradiction};

    proptest! {
        #[test]
        fn pieces_out_of_order_are_reassembled(
            len in 1_usize..60,
            cuts in prop::collection::vec((0_usize..60, 1_usize..20), 0..60),
        ) {
            let whole: Bytes = (0..len).map(|byte| byte as u8).collect();
            let mut assembly = Assembly::default();
            let mut out = Vec::new();
            let mut had = vec![false; len];
            let rest = (0..len).step_by(7).map(|start| (start, 7));
            for (start, size) in cuts.into_iter().map(|(start, size)| (start % len, size)).chain(rest) {
                let end = len.min(start + size);
                let news = (start..end).filter(|at| !had[*at]).count();
                let counted = assembly
                    .push(start as u64, whole.slice(start..end), end == len, |bytes| out.extend(bytes))
                    .unwrap();
                had[start..end].fill(true);
                // Overlapping pieces that wait are counted from their first difference.
                prop_assert!(counted >= news.min(1) && counted <= end - start);
                prop_assert_eq!(assembly.had() as usize, out.len());
                for (from, to) in assembly.ahead(100) {
                    prop_assert!(from > assembly.had());
                    prop_assert!(had[from as usize..to as usize].iter().all(|had| *had));
                }
            }
            prop_assert_eq!(&out[..], &whole[..]);
            prop_assert!(assembly.is_complete() && assembly.held() == 0);
        }
    }

    #[test]
    fn two_ends_or_bytes_beyond_the_end_are_a_contradiction() {
        let mut assembly = Assembly::default();
        let mut push = |offset, bytes: &'static [u8], end| {
            assembly.push(offset, Bytes::from_static(bytes), end, |_| {})
        };
        assert_eq!(push(4, b"56", true), Ok(2));
        assert_eq!(push(4, b"567", false), Err(Contradiction));
        assert_eq!(push(0, b"12", true), Err(Contradiction));
        assert_eq!(push(0, b"1234", false), Ok(4));
        assert!(assembly.is_complete());
        // The piece that reaches farthest is not the one that begins last.
        let mut assembly = Assembly::default();
        let mut push = |offset, bytes: &'static [u8], end| {
            assembly.push(offset, Bytes::from_static(bytes), end, |_| {})
        };
        assert_eq!(push(6, b"7", false), Ok(1));
        assert!(push(4, b"56789", false).is_ok());
        assert_eq!(push(5, b"678", true), Err(Contradiction));
        assert_eq!(assembly.reach(), 9);
    }
}
