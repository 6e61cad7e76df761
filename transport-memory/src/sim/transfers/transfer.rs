//! Both ends of one transfer.

use std::time::Duration;

use bytes::Bytes;
use socketio_p2p_core::{
    IncomingTransferId, OutgoingTransferId, Time, TransferError, TransferId, TransferRead,
};

use super::breach;
use super::content::{CHUNK, byte, chunk};
use crate::invariant::{Breach, Invariant};
use crate::mesh::{Fault, Mesh, Node};

/// Both ends of one transfer.
#[derive(Debug)]
pub(super) struct Transfer {
    pub(super) size: u64,
    pub(super) from: Node,
    pub(super) to: Node,
    pub(super) outgoing: Option<OutgoingTransferId>,
    /// Its number on the wire.
    pub(super) number: Option<u64>,
    pub(super) incoming: Option<IncomingTransferId>,
    /// The receiving application has heard of it.
    pub(super) announced: bool,
    pub(super) written: u64,
    pub(super) finished: bool,
    /// Its application has tried to break its word about the size.
    pub(super) tried: bool,
    pub(super) read: u64,
    /// After how many bytes the receiver has had enough.
    pub(super) enough_after: Option<u64>,
    /// Whether its size was not said.
    pub(super) unannounced: bool,
    /// The pause before each read, and when the next one is.
    pub(super) late: Duration,
    pub(super) reads_at: Option<Time>,
    /// How many bytes may wait to be read.
    pub(super) window: u64,
    /// How many its receiver takes at a time.
    pub(super) takes: usize,
    /// An end has cancelled it, or read it to its end.
    pub(super) cancelled: bool,
    /// The receiver has cancelled it.
    pub(super) refused: bool,
    pub(super) complete: bool,
}

impl Transfer {
    pub(super) fn is(&self, node: Node, id: &TransferId) -> bool {
        match id {
            TransferId::Outgoing(id) => self.is_outgoing(node, id),
            TransferId::Incoming(id) => self.is_incoming(node, id),
        }
    }

    pub(super) fn is_outgoing(&self, node: Node, id: &OutgoingTransferId) -> bool {
        self.from == node && self.outgoing.as_ref() == Some(id)
    }

    pub(super) fn is_incoming(&self, node: Node, id: &IncomingTransferId) -> bool {
        self.to == node && self.incoming.as_ref() == Some(id)
    }

    /// Writes on, as far as the session takes it.
    pub(super) fn write(&mut self, mesh: &mut Mesh, number: usize) -> Result<(), Breach> {
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

    pub(super) fn refuse(&mut self, mesh: &mut Mesh) {
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
    pub(super) fn read(&mut self, mesh: &mut Mesh, number: usize) -> Result<(), Breach> {
        if self.late.is_zero() {
            while self.read_once(mesh, number)? {}
        } else if self.reads_at.is_none() {
            self.reads_at = Some(mesh.now() + self.late);
        }
        Ok(())
    }

    /// Reads what is there at once. `true`: there may be more.
    pub(super) fn read_once(&mut self, mesh: &mut Mesh, number: usize) -> Result<bool, Breach> {
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
