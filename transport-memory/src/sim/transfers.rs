//! Transfers in a run: who writes what, who reads it, and how it ends.

use std::time::Duration;

use bytes::Bytes;
use socketio_p2p_core::{
    EmitError, Event, IncomingTransferId, OutgoingTransferId, Packet, PeerId, Time, TransferError,
    TransferId, TransferOutcome, TransferRead,
};

use crate::invariant::{Breach, Invariant};
use crate::mesh::{Fault, Mesh, Node};

/// So many bytes are given to a session at once.
const CHUNK: usize = 16 << 10;

/// Both ends of one transfer.
#[derive(Debug)]
struct Transfer {
    size: u64,
    from: Node,
    to: Node,
    outgoing: Option<OutgoingTransferId>,
    incoming: Option<IncomingTransferId>,
    /// The receiving application has heard of it.
    announced: bool,
    written: u64,
    finished: bool,
    /// Its application has tried to break its word about the size.
    tried: bool,
    read: u64,
    /// After how many bytes the receiver has had enough.
    enough_after: Option<u64>,
    /// Whether its size was not said.
    unannounced: bool,
    /// The pause before each read, and when the next one is.
    late: Duration,
    reads_at: Option<Time>,
    /// How many bytes may wait to be read.
    window: u64,
    /// How many its receiver takes at a time.
    takes: usize,
    /// An end has cancelled it, or read it to its end.
    cancelled: bool,
    /// The receiver has cancelled it.
    refused: bool,
    complete: bool,
}

/// What a transfer is to be like.
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

/// After so many bytes what is written repeats.
const PERIOD: usize = 251;

/// A chunk that begins anywhere in the period is a part of this.
static PATTERN: [u8; PERIOD + CHUNK] = pattern();

const fn pattern() -> [u8; PERIOD + CHUNK] {
    let mut pattern = [0; PERIOD + CHUNK];
    let mut at = 0;
    while at < pattern.len() {
        pattern[at] = (at % PERIOD) as u8;
        at += 1;
    }
    pattern
}

fn byte(number: usize, offset: u64) -> u8 {
    ((number as u64).wrapping_mul(31).wrapping_add(offset) % PERIOD as u64) as u8
}

/// The bytes of a transfer from an offset on, a chunk at most.
fn chunk(number: usize, offset: u64, len: usize) -> Bytes {
    let first = usize::from(byte(number, offset));
    Bytes::from_static(&PATTERN).slice(first..first + len.min(CHUNK))
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

    /// The bytes that have been read of what a node has sent.
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

impl Transfer {
    fn is(&self, node: Node, id: &TransferId) -> bool {
        match id {
            TransferId::Outgoing(id) => self.is_outgoing(node, id),
            TransferId::Incoming(id) => self.is_incoming(node, id),
        }
    }

    fn is_outgoing(&self, node: Node, id: &OutgoingTransferId) -> bool {
        self.from == node && self.outgoing.as_ref() == Some(id)
    }

    fn is_incoming(&self, node: Node, id: &IncomingTransferId) -> bool {
        self.to == node && self.incoming.as_ref() == Some(id)
    }

    /// Writes on, as far as the session takes it.
    fn write(&mut self, mesh: &mut Mesh, number: usize) -> Result<(), Breach> {
        let Some(id) = self.outgoing.clone() else { return Ok(()) };
        self.check_progress(mesh, &id)?;
        while !self.finished {
            self.try_other_size(mesh, &id)?;
            let end = self.size.min(self.written + CHUNK as u64);
            let mut data = chunk(number, self.written, (end - self.written) as usize);
            let write =
                mesh.with(self.from, |session, now| session.write_transfer(&id, &mut data, now));
            // It can be over already: the event that says so comes behind this one.
            let Ok(taken) = write else { return Ok(()) };
            self.written += taken as u64;
            if self.written - self.read > self.window {
                return Err(Breach::new(
                    Invariant::TransferCap,
                    format!("at most {} bytes that wait to be read", self.window),
                    format!("{self:?}"),
                ));
            }
            if self.written == self.size {
                let finish = mesh.with(self.from, |session, now| session.finish_transfer(&id, now));
                self.finished = finish.is_ok();
                return Ok(());
            }
            if !data.is_empty() {
                mesh.effects_mut().strike(Fault::WindowDry);
                return Ok(());
            }
        }
        Ok(())
    }

    /// Once most of it is written: neither more nor less than was said is taken.
    fn try_other_size(&mut self, mesh: &mut Mesh, id: &OutgoingTransferId) -> Result<(), Breach> {
        let most = self.written > self.size / 2 && self.written < self.size;
        if self.unannounced || !most || std::mem::replace(&mut self.tried, true) {
            return Ok(());
        }
        let less = mesh.with(self.from, |session, now| session.finish_transfer(id, now));
        let mut too_much = Bytes::from(vec![0; (self.size - self.written + 1) as usize]);
        let more =
            mesh.with(self.from, |session, now| session.write_transfer(id, &mut too_much, now));
        let is_refused = match (less, more) {
            // It can be over already: the event that says so comes behind this one.
            (Err(TransferError::Unknown(_)), _) | (_, Err(TransferError::Unknown(_))) => true,
            (Err(TransferError::Incomplete { .. }), Err(TransferError::BeyondSize { .. })) => true,
            _ => false,
        };
        if is_refused { Ok(()) } else { breach("the size that was said", format!("{self:?}")) }
    }

    /// What a session says to have been read of its transfer was.
    fn check_progress(&self, mesh: &Mesh, id: &OutgoingTransferId) -> Result<(), Breach> {
        let progress = mesh.session(self.from).transfer_progress(id);
        match progress.filter(|progress| progress.read > self.read) {
            Some(progress) => Err(Breach::new(
                Invariant::Getters,
                format!("at most {} bytes read", self.read),
                format!("{progress:?}"),
            )),
            None => Ok(()),
        }
    }

    fn refuse(&mut self, mesh: &mut Mesh) {
        let Some(id) = self.incoming.clone() else { return };
        // It can be over already: the event that says so is on its way.
        if mesh.with(self.to, |session, now| session.cancel_transfer(&id, now)).is_ok() {
            self.incoming = None;
            (self.cancelled, self.refused) = (true, true);
            self.reads_at = None;
            mesh.effects_mut().strike(Fault::TransferRefused);
        }
    }

    /// Reads on, until there is nothing or it is enough.
    fn read(&mut self, mesh: &mut Mesh, number: usize) -> Result<(), Breach> {
        if self.late.is_zero() {
            while self.read_once(mesh, number)? {}
        } else if self.reads_at.is_none() {
            self.reads_at = Some(mesh.now() + self.late);
        }
        Ok(())
    }

    /// Reads what is there at once. `true`: there may be more.
    fn read_once(&mut self, mesh: &mut Mesh, number: usize) -> Result<bool, Breach> {
        let Some(id) = self.incoming.clone() else { return Ok(false) };
        if self.enough_after.is_some_and(|enough| self.read >= enough) {
            self.refuse(mesh);
            return Ok(false);
        }
        match mesh.with(self.to, |session, now| session.read_transfer(&id, now)) {
            Ok(TransferRead::Data(data)) => {
                let wrong = (self.read..).zip(data.iter()).step_by(61);
                let wrong = wrong.filter(|(offset, got)| byte(number, *offset) != **got).count();
                self.read += data.len() as u64;
                if wrong > 0 || self.read > self.written || data.is_empty() {
                    return breach("the bytes that were written, in order", format!("{self:?}"));
                }
                if !self.late.is_zero() {
                    self.reads_at = Some(mesh.now() + self.late);
                }
                Ok(true)
            }
            Ok(TransferRead::End) => {
                self.incoming = None;
                self.complete = true;
                if self.read != self.size || !self.finished {
                    return breach("an end after all that was written", format!("{self:?}"));
                }
                Ok(false)
            }
            Ok(TransferRead::Pending) | Err(_) => Ok(false),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::{CHUNK, byte, chunk};

    #[test]
    fn a_chunk_has_the_byte_of_each_offset() {
        for (number, offset) in [(0, 0), (3, 250), (250, 251), (1_000, 1 << 40)] {
            for len in [0, 1, 251, CHUNK] {
                let expected = (offset..offset + len as u64).map(|offset| byte(number, offset));
                assert!(chunk(number, offset, len).into_iter().eq(expected));
            }
        }
    }
}
