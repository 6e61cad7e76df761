//! The received ranges of one packet.

/// Ranges of a packet's bytes, in order and apart from each other.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Came {
    ranges: Vec<(u64, u64)>,
    len: Option<u64>,
}

impl Came {
    pub(super) fn add(&mut self, from: u64, len: u64, end: bool) {
        let mut to = from + len;
        if end {
            self.len = Some(to);
        }
        if len == 0 {
            return;
        }
        let first = self.ranges.partition_point(|(_, end)| *end < from);
        let last = self.ranges.partition_point(|(start, _)| *start <= to);
        let mut from = from;
        for (start, end) in &self.ranges[first..last] {
            (from, to) = (from.min(*start), to.max(*end));
        }
        self.ranges.splice(first..last, [(from, to)]);
    }

    /// How many bytes there are from the beginning without a gap.
    pub(super) fn had(&self) -> u64 {
        self.ranges.first().filter(|(start, _)| *start == 0).map_or(0, |(_, end)| *end)
    }

    pub(super) fn is_whole(&self) -> bool {
        self.len == Some(self.had())
    }

    pub(super) fn covers(&self, from: u64, to: u64) -> bool {
        from >= to || self.ranges.iter().any(|(start, end)| *start <= from && to <= *end)
    }

    /// Whether everything from there on has come, with the end.
    pub(super) fn covers_rest(&self, from: u64) -> bool {
        self.len.is_some_and(|len| self.covers(from, len))
    }
}

#[cfg(test)]
mod tests {
    use super::Came;

    #[test]
    fn pieces_in_any_order_are_put_together() {
        let mut came = Came::default();
        came.add(10, 5, false);
        came.add(20, 5, true);
        assert!(came.covers(11, 14) && !came.covers(11, 16) && came.covers_rest(20));
        assert!(!came.covers_rest(11) && !came.is_whole());
        came.add(14, 6, false);
        assert_eq!((came.had(), came.ranges.as_slice()), (0, &[(10, 25)][..]));
        came.add(0, 10, false);
        assert!(came.is_whole() && came.had() == 25);
    }
}
