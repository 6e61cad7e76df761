//! Forwarding by neighbours, by the frames that the mesh carried.
//!
//! - `forwarded`: bundles that a neighbour forwards, and their rate
//! - `refusals`: bundles that it neither forwards nor refuses
//! - `senders`: bundles that senders hand to a neighbour, and their rate
//! - `seals`: reports of forged and repeated bundles

mod forwarded;
mod refusals;
mod seals;
mod senders;

use std::collections::BTreeMap;

use socketio_p2p_core::Time;

pub(in crate::sim) use self::forwarded::Forwarded;
pub(in crate::sim) use self::refusals::Refusals;
pub(in crate::sim) use self::seals::{Fault, Seals};
pub(in crate::sim) use self::senders::Senders;

/// One way through a neighbour: from whom, through whom, to whom.
type Way = (usize, usize, usize);

/// Something kept for each way.
type ByWay<T> = BTreeMap<Way, T>;

/// By how much somebody is ahead of a rate.
#[derive(Clone, Copy, Debug, Default)]
struct Level {
    bytes: f64,
    at: Time,
}

impl Level {
    /// Adds bytes at a time, and tells how many are ahead then.
    fn add(&mut self, bytes: usize, rate: u64, at: Time) -> usize {
        let earned = (at - self.at).as_secs_f64() * rate as f64;
        self.bytes = (self.bytes - earned).max(0.0) + bytes as f64;
        self.at = at;
        self.bytes as usize
    }
}
