//! Transfers in a run: their writers, readers and outcomes.

mod content;
mod transfer;

use std::time::Duration;

use socketio_p2p_core::{
    EmitError, Event, IncomingTransferId, OutgoingTransferId, Packet, PeerId, Time, TransferId,
    TransferOutcome,
};

use self::transfer::Transfer;
use crate::invariant::{Breach, Invariant};
use crate::mesh::{Fault, Mesh, Node};

/// The parameters of a transfer.
#[derive(Clone, Copy, Debug)]
pub(super) struct Terms {
    pub(super) size: u64,
    pub(super) enough: Option<u64>,
    pub(super) unannounced: bool,
    pub(super) late: Duration,
    /// The receiver's transfer window.
    pub(super) window: u64,
    /// The most transfers that the sender has to one peer, and that the receiver takes of one.
    pub(super) most: usize,
    pub(super) takes: usize,
}

/// All transfers of a run, by their numbers.
#[derive(Debug, Default)]
pub(super) struct Transfers(Vec<Transfer>);

fn breach<T>(expected: impl Into<String>, came: impl Into<String>) -> Result<T, Breach> {
    Err(Breach::new(Invariant::Transfer, expected, came))
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
        terms: Terms,
    ) -> Result<Result<(), EmitError>, Breach> {
        let number = self.0.len();
        let Ok(packet) = Packet::event("transfer", &(number,)) else { return Ok(Ok(())) };
        let Terms { size, enough, unannounced, late, window, most, takes } = terms;
        let said = (!unannounced).then_some(size);
        let open = |transfer: &&Transfer| {
            transfer.outgoing.is_some() && (transfer.from, transfer.to) == (from, to)
        };
        let before = self.0.iter().filter(open).count();
        let opened =
            mesh.with(from, |session, now| session.open_transfer(peer, &packet, said, now));
        let too_many = matches!(opened, Err(EmitError::TooManyTransfers(_)));
        if too_many {
            mesh.effects_mut().strike(Fault::RefusedTransfer);
        }
        if too_many != (before >= most) && (opened.is_ok() || too_many) {
            return Err(Breach::new(
                Invariant::TransferCap,
                format!("at most {most} transfers at a time, and so many"),
                format!("{before} open, and {opened:?}"),
            ));
        }
        self.0.push(Transfer {
            size,
            from,
            to,
            outgoing: opened.as_ref().ok().cloned(),
            number: opened.as_ref().ok().map(OutgoingTransferId::number),
            announced: false,
            incoming: None,
            written: 0,
            finished: false,
            tried: false,
            read: 0,
            enough_after: enough,
            unannounced,
            late,
            reads_at: None,
            window,
            takes,
            cancelled: false,
            refused: false,
            complete: false,
        });
        Ok(opened.map(|_| ()))
    }

    /// The sender breaks its oldest transfer off.
    pub(super) fn cancel(&mut self, mesh: &mut Mesh, from: Node) {
        let mut open = self.0.iter_mut().filter(|transfer| transfer.from == from);
        if let Some(transfer) = open.find(|transfer| transfer.outgoing.is_some())
            && let Some(id) = transfer.outgoing.take()
        {
            transfer.cancelled = true;
            mesh.effects_mut().strike(Fault::TransferAborted);
            // It is open as far as we have heard.
            drop(mesh.with(from, |session, now| session.cancel_transfer(&id, now)));
        }
    }

    /// A receiver does not want the rest of the oldest transfer to it.
    pub(super) fn refuse(&mut self, mesh: &mut Mesh, to: Node) {
        let mut open = self.0.iter_mut().filter(|transfer| transfer.to == to);
        if let Some(transfer) = open.find(|transfer| transfer.incoming.is_some()) {
            transfer.refuse(mesh);
        }
    }

    /// When the next late reader reads.
    pub(super) fn next(&self) -> Option<Time> {
        self.0.iter().filter_map(|transfer| transfer.reads_at).min()
    }

    /// Late readers read.
    pub(super) fn read_late(&mut self, mesh: &mut Mesh) -> Result<(), Breach> {
        for number in 0..self.0.len() {
            let transfer = &mut self.0[number];
            if transfer.reads_at.is_some_and(|at| at <= mesh.now()) {
                transfer.reads_at = None;
                if mesh.is_running(transfer.to) && mesh.is_frozen(transfer.to) {
                    transfer.reads_at = Some(mesh.now() + transfer.late);
                } else if mesh.is_running(transfer.to) {
                    transfer.read_once(mesh, number)?;
                }
            }
        }
        Ok(())
    }

    /// The bytes read of the transfers of a node.
    pub(super) fn read_of(&self, node: Node) -> u64 {
        let mine = self.0.iter().filter(|transfer| transfer.from == node);
        mine.map(|transfer| transfer.read).sum()
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
                transfer.reads_at = None;
            }
        }
    }

    /// The first one that is not over, in words.
    pub(super) fn describe_open(&self) -> String {
        let open =
            |transfer: &&Transfer| transfer.outgoing.is_some() || transfer.incoming.is_some();
        format!("{:?}", self.0.iter().find(open))
    }

    /// How many transfers to a node it knows of and has not seen the end of.
    pub(super) fn incoming_of(&self, node: Node) -> usize {
        self.0.iter().filter(|one| one.to == node && one.incoming.is_some()).count()
    }

    /// How long those that are open may take where each window takes a `round`.
    pub(super) fn patience(&self, round: Duration) -> Duration {
        let open = self.0.iter().filter(|one| one.outgoing.is_some() || one.incoming.is_some());
        let rounds = |one: &Transfer| {
            let windows = one.size.saturating_sub(one.read) * 2 / one.window.max(1) + 1;
            (round + one.late) * u32::try_from(windows).unwrap_or(u32::MAX)
        };
        open.map(rounds).sum()
    }

    /// Whether no end that is there waits for anything.
    pub(super) fn are_over(&self) -> bool {
        self.0.iter().all(|transfer| transfer.outgoing.is_none() && transfer.incoming.is_none())
    }

    /// How many transfers were read to their end.
    pub(super) fn complete(&self) -> u64 {
        self.0.iter().filter(|transfer| transfer.complete).count() as u64
    }

    /// Of the open transfers from one node to another: their numbers, and the bytes written.
    pub(super) fn written(&self, from: usize, to: usize) -> impl Iterator<Item = (u64, u64)> + '_ {
        let between = move |one: &&Transfer| (one.from.index(), one.to.index()) == (from, to);
        let open = self.0.iter().filter(between).filter(|one| !one.cancelled);
        open.filter_map(|one| Some((one.number?, one.written)).filter(|_| one.outgoing.is_some()))
    }

    /// How many transfers of a node are open.
    pub(super) fn open_of(&self, node: Node) -> usize {
        let open = |transfer: &&Transfer| transfer.from == node && transfer.outgoing.is_some();
        self.0.iter().filter(open).count()
    }

    /// Whether there ever was one from or to a node.
    pub(super) fn has_any(&self, node: Node) -> bool {
        self.0.iter().any(|transfer| transfer.from == node || transfer.to == node)
    }

    /// The ends that are open when a peer has left: there must be none.
    pub(super) fn check_left(&self, node: Node, peer: &PeerId) -> Result<(), Breach> {
        let left = self.0.iter().any(|transfer| {
            (transfer.from == node
                && transfer.outgoing.as_ref().is_some_and(|id| id.peer() == peer))
                || (transfer.to == node
                    && transfer.incoming.as_ref().is_some_and(|id| id.peer() == peer))
        });
        if left {
            return breach(
                format!("transfers with {peer} to end before it has left"),
                "one is open",
            );
        }
        Ok(())
    }

    /// Notes an event of a session about a transfer.
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
            self.0[number].write(mesh, number)?;
        }
        if let Event::TransferReadable { transfer: id } = event
            && let Some(number) = self.0.iter().position(|transfer| transfer.is_incoming(node, id))
        {
            self.0[number].read(mesh, number)?;
        }
        if let Event::TransferEnded { transfer: id, outcome } = event {
            self.ended(mesh, node, id, *outcome, lost_is_possible)?;
        }
        Ok(())
    }

    fn opened(
        &mut self,
        mesh: &mut Mesh,
        node: Node,
        id: &IncomingTransferId,
        packet: &Packet,
        size: Option<u64>,
    ) -> Result<(), Breach> {
        let number = packet.args::<(usize,)>().map(|(number,)| number).unwrap_or(usize::MAX);
        let transfer = self.0.get_mut(number).filter(|transfer| transfer.to == node);
        let Some(transfer) = transfer else {
            return breach("a transfer that was opened for this node", format!("{packet:?}"));
        };
        let (from, takes) = (transfer.from, transfer.takes);
        let others = |one: &&Transfer| (one.from, one.to) == (from, node) && one.incoming.is_some();
        let before = self.0.iter().filter(others).count();
        if before >= takes {
            return Err(Breach::new(
                Invariant::TransferCap,
                format!("at most {takes} transfers of one peer at a time"),
                format!("one more than {before}"),
            ));
        }
        let Some(transfer) = self.0.get_mut(number) else { return Ok(()) };
        let said = (!transfer.unannounced).then_some(transfer.size);
        if transfer.announced || size != said {
            return breach("a transfer to be announced once, with its size", format!("{number}"));
        }
        transfer.announced = true;
        transfer.incoming = Some(id.clone());
        transfer.read(mesh, number)
    }

    fn ended(
        &mut self,
        mesh: &mut Mesh,
        node: Node,
        id: &TransferId,
        outcome: TransferOutcome,
        lost_is_possible: bool,
    ) -> Result<(), Breach> {
        let mine = |transfer: &&mut Transfer| transfer.is(node, id);
        let Some(transfer) = self.0.iter_mut().find(mine) else {
            return breach("one end of each transfer at each side", format!("{outcome:?} of {id}"));
        };
        let outgoing = id.is_outgoing();
        let truthful = match outcome {
            TransferOutcome::Delivered => outgoing && transfer.complete,
            // A receiver with too many of them refuses by itself.
            TransferOutcome::Refused => {
                outgoing && (transfer.refused || !transfer.announced || transfer.cancelled)
            }
            TransferOutcome::Aborted => {
                !outgoing && transfer.cancelled && !transfer.refused || lost_is_possible
            }
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
            if outcome == TransferOutcome::Refused && !transfer.announced {
                mesh.effects_mut().strike(Fault::RefusedIncoming);
            }
            if outcome == TransferOutcome::Delivered && transfer.unannounced {
                mesh.effects_mut().strike(Fault::TransferUnsized);
            }
        } else {
            transfer.reads_at = None;
            transfer.incoming = None;
        }
        Ok(())
    }
}
