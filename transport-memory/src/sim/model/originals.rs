//! Original clients: what comes of them and to them comes at most once, and in order on one path.

use socketio_p2p_core::Packet;
use socketio_p2p_core::wire::Lane;

use super::{Breach, Emission, Fit, Invariant, Model, Receipt, Shape, breach, place};

impl Model {
    /// An original client has emitted an event of the next number: to the room, or to one session over their channel.
    pub(in crate::sim) fn original_emitted(
        &mut self,
        node: usize,
        to: Option<usize>,
        shape: Shape,
        event: &Packet,
    ) {
        let everybody = (0..self.views.len()).filter(|other| *other != node);
        let receivers = everybody.filter(|other| to.is_none_or(|to| to == *other));
        let receipt = |receiver| Receipt {
            receiver,
            life: 0,
            index: 0,
            fit: Fit::Fits,
            arrived: false,
            ended: None,
        };
        let receipts = receivers.map(receipt).collect();
        let extent = shape.extent(event);
        let lane = Lane::Volatile;
        self.emissions.push(Emission { sender: node, lane, shape, extent, receipts });
    }

    /// An original client has got an event.
    pub(in crate::sim) fn original_received(
        &mut self,
        node: usize,
        direct: bool,
        packet: &Packet,
    ) -> Result<(), Breach> {
        let number = Shape::number(packet);
        let sender = number.and_then(|number| self.sender_of(number));
        let Some((number, sender)) = number.zip(sender) else {
            let came = format!("{packet:?}");
            return breach(Invariant::Original, "an event that somebody has emitted", came);
        };
        self.came_at_most_once(sender, node, number, direct, packet)
    }

    pub(super) fn came_at_most_once(
        &mut self,
        sender: usize,
        node: usize,
        number: u64,
        direct: bool,
        packet: &Packet,
    ) -> Result<(), Breach> {
        let index = usize::try_from(number).unwrap_or(usize::MAX);
        let emission = self.emissions.get_mut(index).filter(|emission| emission.sender == sender);
        let receipt = emission.and_then(|emission| {
            let mut receipts = emission.receipts.iter_mut();
            let receipt = receipts.find(|receipt| receipt.receiver == node)?;
            Some((emission.lane, emission.shape, receipt))
        });
        let Some((lane, shape, receipt)) = receipt else {
            return breach(
                Invariant::Original,
                format!("an event of node {sender} for node {node}"),
                format!("event {number}"),
            );
        };
        if std::mem::replace(&mut receipt.arrived, true) {
            return breach(Invariant::Original, "an event at most once", format!("{number} again"));
        }
        if !shape.is_whole(packet, number) {
            return breach(
                Invariant::Wholeness,
                format!("event {number} as {shape:?}"),
                format!("{} bytes as {packet:?}", packet.wire_len()),
            );
        }
        let key = (sender, node, place(lane) as u8, direct);
        let before = self.marks.insert(key, number);
        if before.is_some_and(|before| before > number) {
            return breach(
                Invariant::Original,
                format!("what comes on one path in order, after event {before:?}"),
                format!("event {number}"),
            );
        }
        self.delivered += 1;
        Ok(())
    }
}
