//! The rate at which a session accepts or declines offers of one peer.

use std::collections::BTreeMap;
use std::time::Duration;

use socketio_p2p_core::Time;

use crate::invariant::{Breach, Invariant};

/// So many at once; and some are seen later than others.
const BURST: u32 = 16 + 2;

#[derive(Debug, Default)]
pub(in crate::sim) struct Offers {
    /// By session and offerer: since when, and how many.
    replies: BTreeMap<(usize, usize), (Time, u32)>,
}

impl Offers {
    /// A session answers or declines an offer.
    pub(in crate::sim) fn note(
        &mut self,
        (node, offerer): (usize, usize),
        pause: Duration,
        now: Time,
    ) -> Result<(), Breach> {
        let (since, count) = self.replies.entry((node, offerer)).or_insert((now, 0));
        *count += 1;
        let earned = (now - *since).as_nanos() / pause.as_nanos().max(1);
        let most = BURST.saturating_add(u32::try_from(earned).unwrap_or(u32::MAX));
        if *count > most {
            return Err(Breach::new(
                Invariant::Offers,
                format!("at most {most} offers of node {offerer} taken up at node {node}"),
                format!("{count} in {:?}", now - *since),
            ));
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use socketio_p2p_core::Time;

    use super::{BURST, Offers};

    #[test]
    fn a_burst_and_what_pauses_allow_is_no_flood() {
        let (mut offers, pause) = (Offers::default(), Duration::from_millis(100));
        let mut note = |at| offers.note((1, 2), pause, Time::from_millis(at)).is_ok();
        assert!((0..BURST).all(|_| note(5)));
        assert!(note(105) && !note(204));
    }
}
