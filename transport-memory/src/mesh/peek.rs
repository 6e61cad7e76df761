//! What the mesh reads in the bytes that it carries: the numbers of the simulator's own events, and who passes what on.
//!
//! Nothing else looks into a frame. The numbers are found by the text that the events begin with, however it is wrapped:
//! whole, in an envelope, or at the start of a record.

use socketio_p2p_core::wire::{Bundle, Item};
use socketio_p2p_core::{Frame, PeerId, Time};

use super::node::Place;

/// An event of the simulator's that was seen on its way.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Carried {
    /// When it was sent.
    pub(crate) at: Time,
    pub(crate) from: Place,
    pub(crate) to: Place,
    /// The event's number.
    pub(crate) number: u64,
    /// The bytes of the message in which it, or its beginning, travels.
    pub(crate) len: usize,
}

/// The beginnings of the simulator's events: name, then number.
const STARTS: [&[u8]; 2] = [b"[\"n\",", b"[\"w\","];

/// An event's text begins so near to the beginning of its record, whatever stands before it.
const SEARCHED: usize = 256;

/// The numbers of the events that begin in a frame.
pub(super) fn numbers(frame: &Frame) -> Vec<u64> {
    // Most frames hold no beginning anywhere: looking for one is cheaper than reading what they say.
    if !has_start(frame.as_bytes()) {
        return Vec::new();
    }
    let read = bundle(frame).and_then(numbers_in);
    read.unwrap_or_else(|| {
        let mut numbers = Vec::new();
        search(frame.as_bytes(), &mut numbers);
        numbers
    })
}

fn has_start(bytes: &[u8]) -> bool {
    let is_start = |at| STARTS.iter().any(|start| bytes[at..].starts_with(start));
    memchr::memchr_iter(STARTS[0][0], bytes).any(is_start)
}

/// What a frame says if it is a bundle.
fn bundle(frame: &Frame) -> Option<Bundle> {
    let Frame::Binary(bytes) = frame else { return None };
    let bundle = Bundle::read(bytes.clone()).ok()?;
    // A record without a bundle begins with a length: that is no epoch.
    (bundle.epochs.epoch > 0).then_some(bundle)
}

/// `None`: it cannot be read to its end.
fn numbers_in(bundle: Bundle) -> Option<Vec<u64>> {
    let mut numbers = Vec::new();
    for item in bundle {
        match item.ok()? {
            Item::Record(record) if record.offset == 0 => search(&record.bytes, &mut numbers),
            Item::Pass(_, passed) | Item::Passed(_, passed) => {
                let inner = Bundle::read(passed.bundle).ok().and_then(numbers_in);
                numbers.extend(inner.unwrap_or_default());
            }
            Item::Record(_)
            | Item::Ping(_)
            | Item::Pong(_)
            | Item::State(_)
            | Item::Bye
            | Item::Limits(_)
            | Item::GivenUp(_)
            | Item::Neighbours(_)
            | Item::NoWay(_)
            | Item::Proof(..)
            | Item::Wait => {}
        }
    }
    Some(numbers)
}

fn search(bytes: &[u8], found: &mut Vec<u64>) {
    let mut rest = bytes.get(..SEARCHED).unwrap_or(bytes);
    while let Some(at) = rest.windows(2).position(|pair| pair == b"[\"") {
        let here = &rest[at..];
        rest = &rest[at + 2..];
        let Some(start) = STARTS.iter().find(|start| here.starts_with(start)) else { continue };
        let digits = here[start.len()..].iter().take_while(|byte| byte.is_ascii_digit());
        let digits = digits.map(|digit| u64::from(digit - b'0'));
        let number = digits.take(18).reduce(|number, digit| number * 10 + digit);
        found.extend(number);
    }
}

/// Whether a frame holds a bundle that a neighbour passes on as of `from`.
pub(super) fn passed_on(frame: &Frame, from: &PeerId) -> bool {
    let items = bundle(frame).and_then(|bundle| bundle.collect::<Result<Vec<_>, _>>().ok());
    items.unwrap_or_default().iter().any(|item| matches!(item, Item::Passed(of, _) if of == from))
}

#[cfg(test)]
mod tests {
    use socketio_p2p_core::wire::{Bundle, Epochs, Item, Passed, Seal};
    use socketio_p2p_core::{Frame, PeerId};

    use super::{numbers, passed_on};

    fn found(frame: impl Into<Frame>) -> Vec<u64> {
        numbers(&frame.into())
    }

    #[test]
    fn numbers_are_found_wherever_an_event_begins_and_nowhere_else() {
        assert_eq!(found(r#"2["n",17,null]"#.to_owned()), [17]);
        assert_eq!(found(r#"51-["w",4,[],""]"#.to_owned()), [4]);
        assert_eq!(found(r#"2["n",1]2["n",23]"#.to_owned()), [1, 23]);
        assert_eq!(found(r#"2["name",17]["n","x"]["#.to_owned()), [0_u64; 0]);
        let mut piece = vec![0, 0, 0, 14];
        piece.extend_from_slice(br#"2["n",900,null]"#);
        assert_eq!(found(Frame::Binary(piece.into())), [900]);
    }

    #[test]
    fn only_bundles_passed_on_as_of_that_peer_are_taken_for_such() {
        let id = |name: &str| name.parse::<PeerId>().unwrap();
        let passed = |from: &str| {
            let seal = Seal::new([0; 32]);
            let passed = Passed { number: 1, seal, bundle: Vec::new().into() };
            let epochs = Epochs { epoch: 1, peer_epoch: 0 };
            Frame::Binary(Bundle::write(epochs, &[Item::Passed(id(from), passed)]))
        };
        assert!(passed_on(&passed("ann"), &id("ann")));
        assert!(!passed_on(&passed("anna"), &id("ann")));
        assert!(!passed_on(&r#"2["n",1]"#.into(), &id("ann")));
    }
}
