//! The shapes of the simulator's events, and their fit into the limits of a session.

use serde::ser::SerializeSeq as _;
use serde::{Serialize, Serializer};
use socketio_p2p_core::Packet;
use socketio_p2p_core::codec::{Blob, Limits};

/// What an event is made of, beside its number.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Shape {
    /// The bytes of its blobs.
    pub(super) size: usize,
    /// How many blobs these are in; 0: one where there are bytes.
    pub(super) blobs: usize,
    /// The bytes of a text in it.
    pub(super) text: usize,
    /// So many arrays are open at once in one of its arguments.
    pub(super) depth: usize,
}

/// What becomes of an event at somebody with limits.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Fit {
    Fits,
    /// It is so near to a limit that either is right.
    Close,
    Bytes,
    Attachments,
    Depth,
}

impl Fit {
    /// Whether it cannot be taken.
    pub(super) const fn is_over(self) -> bool {
        matches!(self, Self::Bytes | Self::Attachments | Self::Depth)
    }
}

/// What a limit on an event is compared with.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Extent {
    pub(super) bytes: usize,
    pub(super) attachments: usize,
    pub(super) depth: usize,
}

/// What the way of counting may add to an event, and to each of its attachments.
const UNSURE: usize = 128;
const UNSURE_EACH: usize = 16;

impl Extent {
    pub(super) const fn fit(self, limits: &Limits) -> Fit {
        if self.attachments > limits.max_attachments {
            return Fit::Attachments;
        }
        if self.depth > limits.max_depth {
            return Fit::Depth;
        }
        let unsure = UNSURE + UNSURE_EACH * self.attachments;
        if self.bytes > limits.max_packet_bytes + unsure {
            Fit::Bytes
        } else if self.bytes + unsure > limits.max_packet_bytes {
            Fit::Close
        } else {
            Fit::Fits
        }
    }
}

/// Arrays within arrays.
struct Nest(usize);

impl Serialize for Nest {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let mut array = serializer.serialize_seq(None)?;
        if self.0 > 1 {
            array.serialize_element(&Self(self.0 - 1))?;
        }
        array.end()
    }
}

pub(super) const fn filling(number: u64) -> u8 {
    (number % 251) as u8
}

impl Shape {
    pub(super) const fn of_size(size: usize) -> Self {
        Self { size, blobs: 0, text: 0, depth: 0 }
    }

    const fn is_plain(self) -> bool {
        self.blobs <= 1 && self.text == 0 && self.depth == 0
    }

    /// The event of this shape and number.
    pub(super) fn event(self, number: u64) -> Option<Packet> {
        let Self { size, blobs, text, depth } = self;
        if self.is_plain() {
            let blob = (size > 0).then(|| Blob::from(vec![filling(number); size]));
            return Packet::event("n", &(number, blob)).ok();
        }
        let parts = blobs.max(usize::from(size > 0));
        let blobs: Vec<Blob> = (0..parts)
            .map(|part| size * (part + 1) / parts - size * part / parts)
            .map(|len| Blob::from(vec![filling(number); len]))
            .collect();
        let nest = (depth > 0).then_some(Nest(depth));
        Packet::event("w", &(number, blobs, "x".repeat(text), nest)).ok()
    }

    pub(super) fn extent(self, event: &Packet) -> Extent {
        let attachments = event.attachments().len();
        let blobs = if attachments == 0 { 1 } else { 2 };
        let depth = if self.is_plain() { blobs } else { (blobs + 1).max(self.depth + 1) };
        Extent { bytes: event.wire_len(), attachments, depth }
    }

    /// The number in an event, whatever its shape.
    pub(super) fn number(event: &Packet) -> Option<u64> {
        let digits = event.payload().split_once(',')?.1;
        let end = digits.find(|char: char| !char.is_ascii_digit())?;
        digits[..end].parse().ok()
    }

    /// Whether an event is the one of this shape and number.
    pub(super) fn is_whole(self, event: &Packet, number: u64) -> bool {
        let filling = filling(number);
        let blobs = event.attachments();
        let size: usize = blobs.iter().map(bytes::Bytes::len).sum();
        let filled = usize::from(self.size > 0);
        let parts = if self.is_plain() { filled } else { self.blobs.max(filled) };
        size == self.size
            && blobs.len() == parts
            && blobs.iter().all(|blob| blob.iter().step_by(509).all(|byte| *byte == filling))
            && memchr::memchr_iter(b'x', event.payload().as_bytes()).count() == self.text
    }
}

#[cfg(test)]
mod tests {
    use socketio_p2p_core::codec::Limits;

    use super::{Fit, Shape};

    #[test]
    fn an_event_is_known_by_its_number_and_shape_and_no_other_is_taken_for_it() {
        let shapes = [
            Shape::default(),
            Shape::of_size(700),
            Shape { size: 90, blobs: 7, text: 33, depth: 20 },
            Shape { size: 0, blobs: 3, text: 0, depth: 0 },
            Shape { size: 0, blobs: 1, text: 0, depth: 1 },
        ];
        for shape in shapes {
            let event = shape.event(81).unwrap();
            event.validate(&Limits::unbounded()).unwrap();
            assert_eq!(Shape::number(&event), Some(81));
            for other in shapes {
                assert_eq!(other.is_whole(&event, 81), other == shape, "{other:?} for {shape:?}");
            }
        }
        let event = Shape::of_size(700).event(80).unwrap();
        assert!(!Shape::of_size(700).is_whole(&event, 81));
    }

    #[test]
    fn the_depth_of_an_event_is_the_least_that_is_valid() {
        for (depth, blobs) in [(0, 0), (0, 1), (0, 2), (1, 0), (9, 0), (9, 4), (100, 1)] {
            let shape = Shape { size: 10 * blobs, blobs, text: 0, depth };
            let event = shape.event(1).unwrap();
            let found = shape.extent(&event).depth;
            assert!(event.validate(&Limits::unbounded().with_max_depth(found)).is_ok());
            assert!(event.validate(&Limits::unbounded().with_max_depth(found - 1)).is_err());
        }
    }

    #[test]
    fn what_is_near_to_a_limit_may_be_taken_or_not() {
        let limits = Limits::default().with_max_packet_bytes(4_000).with_max_attachments(1);
        let fit = |shape: Shape| shape.extent(&shape.event(1).unwrap()).fit(&limits);
        assert_eq!(fit(Shape::of_size(3_000)), Fit::Fits);
        assert_eq!(fit(Shape::of_size(3_980)), Fit::Close);
        assert_eq!(fit(Shape::of_size(5_000)), Fit::Bytes);
        assert_eq!(fit(Shape { blobs: 2, ..Shape::of_size(100) }), Fit::Attachments);
    }
}
