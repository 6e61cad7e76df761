//! The number of a session's offers to a peer for each reason to make them.

use std::collections::BTreeMap;

use crate::invariant::{Breach, Invariant};

/// Offers that began for a reason before the last one.
const SLACK: u32 = 2;

/// By session and peer.
#[derive(Debug, Default)]
pub(in crate::sim) struct Attempts(BTreeMap<(usize, usize), Tries>);

/// Since the last reason to begin anew.
#[derive(Clone, Copy, Debug, Default)]
struct Tries {
    offers: u32,
    /// Reasons for one more.
    granted: u32,
}

impl Attempts {
    /// A session counts its attempts with a peer, or with all, anew.
    pub(in crate::sim) fn renew(&mut self, node: usize, other: Option<usize>) {
        match other {
            Some(other) => drop(self.0.remove(&(node, other))),
            None => self.0.retain(|(from, _), _| *from != node),
        }
    }

    /// A session may offer once more to a peer.
    pub(in crate::sim) fn grant(&mut self, node: usize, other: usize) {
        self.0.entry((node, other)).or_default().granted += 1;
    }

    /// The hub names a node to all others, and them to it.
    pub(in crate::sim) fn grant_all(&mut self, node: usize) {
        let pairs = self.0.iter_mut().filter(|((from, to), _)| [*from, *to].contains(&node));
        pairs.for_each(|(_, tries)| tries.granted += 1);
    }

    /// A session makes an offer; `max`: its attempts with a peer that fails it.
    pub(in crate::sim) fn offered(
        &mut self,
        (node, other): (usize, usize),
        max: u32,
    ) -> Result<(), Breach> {
        let tries = self.0.entry((node, other)).or_default();
        tries.offers += 1;
        let most = max.saturating_add(tries.granted).saturating_add(SLACK);
        if tries.offers > most {
            return Err(Breach::new(
                Invariant::Attempts,
                format!("at most {most} offers of node {node} to node {other}, which all failed"),
                format!("{}", tries.offers),
            ));
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::{Attempts, SLACK};

    #[test]
    fn offers_end_until_there_is_a_reason_to_make_more() {
        let mut attempts = Attempts::default();
        let all = |attempts: &mut Attempts| {
            (0..20).take_while(|_| attempts.offered((1, 2), 3).is_ok()).count()
        };
        assert_eq!(all(&mut attempts), 3 + SLACK as usize);
        attempts.renew(2, Some(1));
        assert_eq!(all(&mut attempts), 0);
        attempts.renew(1, Some(2));
        assert_eq!(all(&mut attempts), 3 + SLACK as usize);
        attempts.renew(1, None);
        attempts.grant(1, 2);
        attempts.grant_all(2);
        assert_eq!(all(&mut attempts), 5 + SLACK as usize);
    }
}
