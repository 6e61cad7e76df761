//! Acknowledges one byte with each ping: the sender sees progress and gets nowhere.

use socketio_p2p_core::PeerId;
use socketio_p2p_core::wire::{Bundle, Download, Item, LaneState, Place, State};

use super::{EPOCH, Mallory};
use crate::mesh::Mesh;

/// The first event of a link has more bytes than this.
const MOST: u64 = 10;

/// How much of the victim's first event has been acknowledged.
#[derive(Debug, Default)]
pub(super) struct Trickle {
    victim: Option<PeerId>,
    /// Something has come that can be acknowledged.
    begun: bool,
    taken: u64,
}

impl Trickle {
    pub(super) fn begin(&mut self, victim: &PeerId) {
        *self = Self { victim: Some(victim.clone()), ..Self::default() };
    }
}

impl Mallory {
    /// What has come for it through the hub: acknowledges a byte more of it, if it is the victim's and asks.
    pub(super) fn acknowledge(&mut self, mesh: &mut Mesh, download: &Download) {
        if self.trickles.victim.as_ref() != Some(&download.from) {
            return;
        }
        if download.piece.is_some() {
            self.trickles.begun = true;
            return;
        }
        let Ok(bundle) = Bundle::read(download.body.clone()) else { return };
        let epochs = (EPOCH, bundle.epochs.epoch);
        for item in bundle.map_while(Result::ok) {
            self.trickles.begun |= matches!(item, Item::Record(_));
            let Item::Ping(number) = item else { continue };
            if !self.trickles.begun {
                continue;
            }
            self.trickles.taken = (self.trickles.taken + 1).min(MOST);
            let next = Place { number: 0, offset: self.trickles.taken };
            let lane = LaneState { next, ..LaneState::default() };
            let state = State { lanes: [lane, LaneState::default()], ..State::default() };
            let items = [Item::State(state), Item::Pong(number)];
            self.tell(mesh, &download.from, false, epochs, &items);
        }
    }
}
