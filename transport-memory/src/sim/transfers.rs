//! Transfers in a run: who writes what, who reads it, and how it ends.

use bytes::Bytes;
use socketio_p2p_core::{
    EmitError, Event, Packet, PeerId, TransferId, TransferOutcome, TransferRead,
};

use super::violation::{Breach, Invariant};
use crate::mesh::{Mesh, Node};

/// So many bytes are given to a session at once.
const CHUNK: usize = 16 << 10;

/// Both ends of one transfer.
#[derive(Debug)]
struct Transfer {
    size: u64,
    from: Node,
    to: Node,
    outgoing: Option<TransferId>,
    incoming: Option<TransferId>,
    /// The receiving application has heard of it.
    announced: bool,
    written: u64,
    finished: bool,
    read: u64,
    /// After how many bytes the receiver has had enough.
    enough_after: Option<u64>,
    /// An end has cancelled it, or read it to its end.
    cancelled: bool,
    complete: bool,
}

/// All transfers of a run, by their numbers.
#[derive(Debug, Default)]
pub(super) struct Transfers(Vec<Transfer>);

fn breach<T>(expected: impl Into<String>, came: impl Into<String>) -> Result<T, Breach> {
    Err(Breach::new(Invariant::Transfer, expected, came))
}

fn byte(number: usize, offset: u64) -> u8 {
    ((number as u64).wrapping_mul(31).wrapping_add(offset) % 251) as u8
}

impl Transfers {
    /// A node opens a transfer; a full queue or too many of them turn it away.
    ///
    /// # Errors
    /// As the session's.
    pub(super) fn open(
        &mut self,
        mesh: &mut Mesh,
        (from, to): (Node, Node),
        peer: &PeerId,
        size: u64,
        enough_after: Option<u64>,
    ) -> Result<(), EmitError> {
        let number = self.0.len();
        let Ok(packet) = Packet::event("transfer", &(number,)) else { return Ok(()) };
        let opened =
            mesh.with(from, |session, now| session.open_transfer(peer, &packet, Some(size), now));
        self.0.push(Transfer {
            size,
            from,
            to,
            outgoing: opened.as_ref().ok().cloned(),
            announced: false,
            incoming: None,
            written: 0,
            finished: false,
            read: 0,
            enough_after,
            cancelled: false,
            complete: false,
        });
        opened.map(|_| ())
    }

    /// The sender breaks its oldest transfer off.
    pub(super) fn cancel(&mut self, mesh: &mut Mesh, from: Node) {
        let mut open = self.0.iter_mut().filter(|transfer| transfer.from == from);
        if let Some(transfer) = open.find(|transfer| transfer.outgoing.is_some())
            && let Some(id) = transfer.outgoing.take()
        {
            transfer.cancelled = true;
            // It is open as far as we have heard.
            drop(mesh.with(from, |session, now| session.cancel_transfer(&id, now)));
        }
    }

    /// A node has crashed: it knows of nothing any more.
    pub(super) fn forget(&mut self, node: Node) {
        for transfer in &mut self.0 {
            if transfer.from == node {
                transfer.outgoing = None;
                transfer.cancelled = true;
            }
            if transfer.to == node {
                transfer.incoming = None;
            }
        }
    }

    /// Whether no end that is there waits for anything.
    pub(super) fn are_over(&self) -> bool {
        self.0.iter().all(|transfer| transfer.outgoing.is_none() && transfer.incoming.is_none())
    }

    /// How many transfers were read to their end.
    pub(super) fn complete(&self) -> u64 {
        self.0.iter().filter(|transfer| transfer.complete).count() as u64
    }

    /// How many transfers of a node are open.
    pub(super) fn open_of(&self, node: Node) -> usize {
        let open = |transfer: &&Transfer| transfer.from == node && transfer.outgoing.is_some();
        self.0.iter().filter(open).count()
    }

    /// The ends that are open when a peer has left: there must be none.
    pub(super) fn check_left(&self, node: Node, peer: &PeerId) -> Result<(), Breach> {
        let with = |id: &Option<TransferId>| id.as_ref().is_some_and(|id| id.peer() == peer);
        let left = self.0.iter().any(|transfer| {
            (transfer.from == node && with(&transfer.outgoing))
                || (transfer.to == node && with(&transfer.incoming))
        });
        if left {
            return breach(
                format!("transfers with {peer} to end before it has left"),
                "one is open",
            );
        }
        Ok(())
    }

    /// A session told something about a transfer.
    pub(super) fn note(
        &mut self,
        mesh: &mut Mesh,
        node: Node,
        event: &Event,
        lost_is_possible: bool,
    ) -> Result<(), Breach> {
        if let Event::TransferOpened { transfer: id, packet, size, .. } = event {
            return self.opened(mesh, node, id, packet, *size);
        }
        if let Event::TransferWritable { transfer: id } = event
            && let Some(number) = self.0.iter().position(|transfer| transfer.is_outgoing(node, id))
        {
            self.0[number].write(mesh, number);
        }
        if let Event::TransferReadable { transfer: id } = event
            && let Some(number) = self.0.iter().position(|transfer| transfer.is_incoming(node, id))
        {
            self.0[number].read(mesh, number)?;
        }
        if let Event::TransferEnded { transfer: id, outcome } = event {
            self.ended(node, id, *outcome, lost_is_possible)?;
        }
        Ok(())
    }

    fn opened(
        &mut self,
        mesh: &mut Mesh,
        node: Node,
        id: &TransferId,
        packet: &Packet,
        size: Option<u64>,
    ) -> Result<(), Breach> {
        let number = packet.args::<(usize,)>().map(|(number,)| number).unwrap_or(usize::MAX);
        let transfer = self.0.get_mut(number).filter(|transfer| transfer.to == node);
        let Some(transfer) = transfer else {
            return breach("a transfer that was opened for this node", format!("{packet:?}"));
        };
        if transfer.announced || size != Some(transfer.size) {
            return breach("a transfer to be announced once, with its size", format!("{number}"));
        }
        transfer.announced = true;
        transfer.incoming = Some(id.clone());
        transfer.read(mesh, number)
    }

    fn ended(
        &mut self,
        node: Node,
        id: &TransferId,
        outcome: TransferOutcome,
        lost_is_possible: bool,
    ) -> Result<(), Breach> {
        let mine = |transfer: &&mut Transfer| {
            transfer.is_outgoing(node, id) || transfer.is_incoming(node, id)
        };
        let Some(transfer) = self.0.iter_mut().find(mine) else {
            return breach("one end of each transfer at each side", format!("{outcome:?} of {id}"));
        };
        let outgoing = transfer.is_outgoing(node, id);
        let truthful = match outcome {
            TransferOutcome::Delivered => outgoing && transfer.complete,
            // A receiver with too many of them refuses by itself.
            TransferOutcome::Refused => outgoing && (transfer.cancelled || !transfer.announced),
            TransferOutcome::Aborted => !outgoing && transfer.cancelled || lost_is_possible,
            TransferOutcome::Lost => lost_is_possible,
            _ => false,
        };
        if !truthful {
            return breach(
                "an end of a transfer that is true",
                format!("{outcome:?} of {transfer:?}"),
            );
        }
        if outgoing {
            transfer.outgoing = None;
        } else {
            transfer.incoming = None;
        }
        Ok(())
    }
}

impl Transfer {
    fn is_outgoing(&self, node: Node, id: &TransferId) -> bool {
        self.from == node && self.outgoing.as_ref() == Some(id)
    }

    fn is_incoming(&self, node: Node, id: &TransferId) -> bool {
        self.to == node && self.incoming.as_ref() == Some(id)
    }

    /// Writes on, as far as the session takes it.
    fn write(&mut self, mesh: &mut Mesh, number: usize) {
        let Some(id) = self.outgoing.clone() else { return };
        while !self.finished {
            let end = self.size.min(self.written + CHUNK as u64);
            let mut data: Bytes = (self.written..end).map(|offset| byte(number, offset)).collect();
            let write =
                mesh.with(self.from, |session, now| session.write_transfer(&id, &mut data, now));
            // It can be over already: the event that says so comes behind this one.
            let Ok(taken) = write else { return };
            self.written += taken as u64;
            if self.written == self.size {
                let finish = mesh.with(self.from, |session, now| session.finish_transfer(&id, now));
                self.finished = finish.is_ok();
                return;
            }
            if !data.is_empty() {
                return;
            }
        }
    }

    /// Reads on, until there is nothing or it is enough.
    fn read(&mut self, mesh: &mut Mesh, number: usize) -> Result<(), Breach> {
        let Some(id) = self.incoming.clone() else { return Ok(()) };
        loop {
            if self.enough_after.is_some_and(|enough| self.read >= enough) {
                self.cancelled = true;
                self.incoming = None;
                drop(mesh.with(self.to, |session, now| session.cancel_transfer(&id, now)));
                return Ok(());
            }
            match mesh.with(self.to, |session, now| session.read_transfer(&id, now)) {
                Ok(TransferRead::Data(data)) => {
                    let wrong = (self.read..).zip(data.iter()).step_by(61);
                    let wrong =
                        wrong.filter(|(offset, got)| byte(number, *offset) != **got).count();
                    self.read += data.len() as u64;
                    if wrong > 0 || self.read > self.written || data.is_empty() {
                        return breach(
                            "the bytes that were written, in order",
                            format!("{self:?}"),
                        );
                    }
                }
                Ok(TransferRead::End) => {
                    self.incoming = None;
                    self.complete = true;
                    if self.read != self.size || !self.finished {
                        return breach("an end after all that was written", format!("{self:?}"));
                    }
                    return Ok(());
                }
                Ok(TransferRead::Pending) | Err(_) => return Ok(()),
            }
        }
    }
}
