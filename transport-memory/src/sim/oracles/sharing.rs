//! An event to many peers by the hub is uploaded once.

use std::collections::BTreeMap;

use socketio_p2p_core::Time;

use crate::invariant::{Breach, Invariant};
use crate::mesh::{Carried, Place};

/// Of so many events to all one is shared, at least: others may go beside something that is for one only.
const ONE_OF: u32 = 6;

/// An event to all while nothing else was in flight.
#[derive(Clone, Copy, Debug)]
struct ToAll {
    node: usize,
    receivers: u32,
    /// When it was uploaded first, and how often at that moment.
    at: Option<Time>,
    uploads: u32,
}

/// How often events to all are uploaded.
#[derive(Debug, Default)]
pub(in crate::sim) struct Sharing {
    open: BTreeMap<u64, ToAll>,
    apart: u32,
}

impl Sharing {
    /// An event went to so many, to all of them by the hub, and nothing else was in flight.
    pub(in crate::sim) fn emitted(
        &mut self,
        number: u64,
        node: usize,
        receivers: usize,
    ) -> Result<(), Breach> {
        for ToAll { receivers, uploads, .. } in std::mem::take(&mut self.open).into_values() {
            self.apart = if uploads < receivers { 0 } else { self.apart + 1 };
        }
        if self.apart >= ONE_OF {
            return Err(Breach::new(
                Invariant::Sharing,
                "what goes to many to be uploaded once",
                format!("each of {} events in a row was uploaded once for each", self.apart),
            ));
        }
        let receivers = receivers as u32;
        self.open.insert(number, ToAll { node, receivers, at: None, uploads: 0 });
        Ok(())
    }

    pub(in crate::sim) fn note(&mut self, carried: &Carried) {
        if carried.to != Place::Hub || self.open.is_empty() {
            return;
        }
        let Some(event) = self.open.get_mut(&carried.number) else { return };
        let first = *event.at.get_or_insert(carried.at);
        if carried.from == Place::Node(event.node) && carried.at == first {
            event.uploads += 1;
        }
    }
}

#[cfg(test)]
mod tests {
    use socketio_p2p_core::Time;

    use super::{ONE_OF, Sharing};
    use crate::mesh::{Carried, Place};

    fn run(uploads: u32) -> bool {
        let mut sharing = Sharing::default();
        (0..=u64::from(ONE_OF)).all(|number| {
            let is_fine = sharing.emitted(number, 2, 3).is_ok();
            let (at, from, to) = (Time::from_millis(number), Place::Node(2), Place::Hub);
            for _ in 0..uploads {
                sharing.note(&Carried { at, from, to, number, len: 40 });
            }
            is_fine
        })
    }

    #[test]
    fn events_that_are_never_shared_are_found() {
        assert!(run(0) && run(1) && run(2));
        assert!(!run(3));
    }
}
