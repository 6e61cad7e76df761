//! A session that was told to wait sends no records of the reliable lanes until a state comes without `wait`.

use socketio_p2p_core::wire::{Lane, Stream};

use crate::freight::Part;
use crate::invariant::{Breach, Invariant};
use crate::mesh::{Hearing, Line, Talk};

#[derive(Debug, Default)]
pub(super) struct Waits {
    /// When one side was last told by the other to wait, if that holds: its place among all bundles.
    told: Option<u64>,
    /// The other has sent a state through a neighbour, which may come later than newer ones.
    has_detour: bool,
}

impl Waits {
    pub(super) const fn is_told(&self) -> bool {
        self.told.is_some()
    }

    /// A bundle goes to the side through a neighbour.
    pub(super) fn hear_later(&mut self, talk: &Talk) {
        self.has_detour |= talk.freight.control.state;
    }

    /// A bundle of the current incarnations came from the other side.
    pub(super) fn hear(&mut self, talk: &Talk, heard: Hearing) {
        if talk.freight.control.state {
            self.told = talk.freight.control.wait.then_some(heard.order);
        }
    }

    /// A bundle is sent to the other side. What goes by the hub may have been sent before it is seen.
    pub(super) fn say(&self, talk: &Talk) -> Result<(), Breach> {
        let told = self.told.is_some_and(|order| order < talk.sent.order);
        if !told || self.has_detour || !matches!(talk.line, Line::Direct(..)) {
            return Ok(());
        }
        match talk.freight.records.iter().find(|part| is_reliable(part)) {
            None => Ok(()),
            Some(part) => Err(Breach::new(
                Invariant::Waiting,
                format!("{:?} to send no records to {:?}, which said wait", talk.from, talk.to),
                format!("{part:?}"),
            )),
        }
    }
}

fn is_reliable(part: &Part) -> bool {
    matches!(part.stream, Stream::Lane(Lane::Events | Lane::Bulk))
}
