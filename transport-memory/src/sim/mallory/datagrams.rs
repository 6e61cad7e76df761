//! Attacks on a datagram channel: reliable events, and volatile ones of another incarnation.

use socketio_p2p_core::wire::{Bundle, Epochs, Item, Lane, Record, Stream};
use socketio_p2p_core::{Frame, PeerId};

use super::{EPOCH, Mallory, flat};
use crate::mesh::{Fault, Mesh};

/// The name of events that nobody may ever get.
pub(in crate::sim) const NEVER: &str = "never";

/// The longest message of its datagram channels.
const LONGEST: usize = 1_200;

/// One of so many numbers is the one that comes next, mostly.
const NUMBERS: u64 = 12;

impl Mallory {
    /// Has datagram channels from now on.
    pub(in crate::sim) fn take_datagrams(&self, mesh: &mut Mesh) {
        mesh.set_datagrams(self.node, Some(LONGEST));
    }

    pub(super) fn forge_datagrams(&mut self, mesh: &mut Mesh, victim: &PeerId) {
        let Some(connection) = self.channel(victim) else { return };
        let bytes = flat(format!("2[\"{NEVER}\",0]").as_bytes(), &[]);
        let record = |stream, number| {
            let bytes = bytes.clone();
            Item::Record(Record { stream, number, offset: 0, end: true, abort: false, bytes })
        };
        let lane = if self.dice.happens(700) { Lane::Events } else { Lane::Bulk };
        let events: Vec<Item> =
            (0..NUMBERS).map(|number| record(Stream::Lane(lane), number)).collect();
        let of_another = [record(Stream::Lane(Lane::Volatile), u64::from(u32::MAX))];
        let now = Epochs { epoch: EPOCH, peer_epoch: 0 };
        let other = Epochs { epoch: EPOCH + 1, ..now };
        for bundle in [Bundle::write(now, &events), Bundle::write(other, &of_another)] {
            if mesh.raw_send_datagram(self.node, connection, Frame::Binary(bundle)) {
                mesh.effects_mut().change(Fault::ForgedDatagram);
            }
        }
    }
}
