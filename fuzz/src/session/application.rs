//! The application: emits, acks, answers, transfers, changes of policy.

use std::time::Duration;

use bytes::Bytes;
use socketio_p2p_core::codec::Blob;
use socketio_p2p_core::wire::Lane;
use socketio_p2p_core::{
    Dialect, EmitError, Packet, PeerId, Policy, ReplyError, Target, TransferError, TransferId,
    TransferRead,
};

use super::model::Model;
use super::remote::pattern;
use super::sent::Transfer;
use super::{NAMES, Run};
use crate::input::Input;

impl Run {
    pub(super) fn event(&mut self, input: &mut Input<'_>) -> Packet {
        self.emits += 1;
        let pad = "x".repeat(input.pick([0, 0, 10, 100, 300, 1_000, 2_500, 5_000]));
        let packet = match input.below(8) {
            7 => Packet::event("mine", &(self.emits, pad, Blob::from(vec![9; 40]))),
            6 => Packet::event(input.pick(["p2p:mine", "offer"]), &(self.emits,)),
            _ => Packet::event("mine", &(self.emits, pad)),
        };
        packet.unwrap()
    }

    pub(super) fn target(&self, input: &mut Input<'_>) -> Target {
        match input.below(3) {
            0 => Target::All,
            _ => Target::Peer(self.remotes[input.below(NAMES.len())].id.clone()),
        }
    }

    pub(super) fn emit(&mut self, input: &mut Input<'_>) {
        let (target, event) = (self.target(input), self.event(input));
        let lane = input.pick([Lane::Events, Lane::Events, Lane::Bulk, Lane::Volatile]);
        self.trail.note(format_args!("emits {} bytes to {target:?} in {lane:?}", event.wire_len()));
        let emitted = match lane {
            Lane::Events => self.session.emit(target.clone(), &event, self.now),
            Lane::Bulk => self.session.emit_bulk(target.clone(), &event, self.now),
            Lane::Volatile => self.session.emit_volatile(target.clone(), &event, self.now),
        };
        match emitted {
            Ok(emitted) => {
                self.check_emitted(&target, lane, &emitted.accepted, &emitted.rejected);
                self.model.note_emitted(lane, &event, &emitted);
            }
            Err(error) => self.check_refusal(&target, &event, lane, &error),
        }
        self.settle();
    }

    pub(super) fn ask(&mut self, input: &mut Input<'_>) {
        let (target, event) = (self.target(input), self.event(input));
        let timeout = input.pick([None, Some(Duration::ZERO), Some(Duration::MAX)]);
        self.trail.note(format_args!("asks {target:?}"));
        match self.session.emit_with_ack(target.clone(), &event, timeout, self.now) {
            Ok(emitted) => {
                self.check_emitted(&target, Lane::Events, &emitted.accepted, &emitted.rejected);
                let question = event.with_ack_id(emitted.id.as_u64());
                self.model.note_emitted(Lane::Events, &question, &emitted);
                self.model.note_question(target == Target::All, &emitted);
            }
            Err(error) => self.check_refusal(&target, &event, Lane::Events, &error),
        }
        self.settle();
    }

    /// Checks that the session reports each receiver of an emit once.
    pub(super) fn check_emitted(
        &mut self,
        target: &Target,
        lane: Lane,
        accepted: &[PeerId],
        rejected: &[(PeerId, EmitError)],
    ) {
        let mut told: Vec<_> = accepted.iter().chain(rejected.iter().map(|(p, _)| p)).collect();
        told.sort();
        match target {
            Target::All => assert_eq!(told, self.model.links.keys().collect::<Vec<_>>()),
            Target::Peer(peer) => assert_eq!(told, [peer]),
            Target::Server => assert!(told.is_empty()),
        }
        for (peer, error) in rejected {
            if matches!(error, EmitError::Blocked { .. }) {
                self.model.note_blocked(peer, lane);
            }
        }
    }

    pub(super) fn check_refusal(
        &mut self,
        target: &Target,
        event: &Packet,
        lane: Lane,
        error: &EmitError,
    ) {
        self.transcript.push(error.to_string());
        let here = |peer: &PeerId| self.model.links.contains_key(peer);
        match error {
            EmitError::Closed => assert!(self.model.closing),
            EmitError::UnknownPeer(peer) => {
                assert!(*target == Target::Peer(peer.clone()) && !here(peer));
            }
            EmitError::Blocked { peer, lane: blocked, .. } => {
                assert_eq!(*blocked, lane);
                self.model.note_blocked(peer, lane);
            }
            EmitError::ReservedEvent(name) => {
                assert_eq!(event.event_name().as_deref(), Some(name.as_str()));
            }
            EmitError::Limits(_) => assert!(event.wire_len() > 4_096),
            EmitError::Dropped(_) => assert_eq!(lane, Lane::Volatile),
            EmitError::UnsupportedByPeer { peer, .. } => {
                assert_eq!(self.model.links[peer].dialect, Dialect::V0);
            }
            EmitError::BeyondPeerLimits(peer) => assert!(here(peer)),
            EmitError::TooManyPendingAcks(_) | EmitError::TooManyTransfers(_) => {}
            other => panic!("expected a known error, got {other}"),
        }
    }

    pub(super) fn reply(&mut self, input: &mut Input<'_>) {
        let Some(index) = input.below(256).checked_rem(self.model.tokens.len()) else { return };
        let (token, ack_id, epochs) = self.model.tokens[index].clone();
        let peer = token.peer().expect("a peer asked").clone();
        let is_there = self.model.epochs(&peer) == Some(epochs);
        match self.session.reply(&token, &("reply",), self.now) {
            Ok(()) => {
                assert!(is_there, "the peer that asked for an answer has a link");
                let answer = Packet::ack(ack_id, &("reply",)).unwrap();
                self.model.outgoing(&peer).push(Lane::Events, &answer, None);
            }
            Err(ReplyError::Expired(_)) => assert!(!is_there),
            Err(ReplyError::Blocked { lane, .. }) => self.model.note_blocked(&peer, lane),
            Err(ReplyError::BeyondPeerLimits(_)) => {}
            Err(other) => panic!("expected a known error, got {other}"),
        }
        self.settle();
    }

    // ----- transfers -----

    pub(super) fn write_transfer(&mut self, input: &mut Input<'_>) {
        let open: Vec<TransferId> = self.model.own_transfers.keys().cloned().collect();
        let Some(id) = input
            .below(8)
            .checked_sub(2)
            .and_then(|_| open.get(input.below(256).checked_rem(open.len())?))
        else {
            return self.open_transfer(input);
        };
        let TransferId::Outgoing(transfer) = id else { return };
        let model = self.model.own_transfer(id);
        let (len, size, finished) = (model.data.len(), model.size, model.finished);
        if input.below(4) == 0 {
            match self.session.finish_transfer(transfer, self.now) {
                Ok(()) => {
                    assert!(!finished && size.is_none_or(|size| size == len as u64));
                    self.model.own_transfer(id).finished = true;
                }
                Err(TransferError::Finished(_)) => assert!(finished),
                Err(TransferError::Incomplete { got, size }) => assert!(got < size),
                Err(other) => panic!("expected a known error, got {other}"),
            }
        } else {
            let bytes: Vec<u8> = (len..len + usize::from(input.byte())).map(pattern).collect();
            let mut data = Bytes::from(bytes.clone());
            match self.session.write_transfer(transfer, &mut data, self.now) {
                Ok(taken) => {
                    assert_eq!(taken + data.len(), bytes.len());
                    self.model.own_transfer(id).write(&bytes[..taken]);
                }
                Err(TransferError::Finished(_)) => assert!(finished),
                Err(TransferError::BeyondSize { got, size }) => assert!(got > size),
                Err(other) => panic!("expected a known error, got {other}"),
            }
        }
        let written = self.model.own_transfer(id).data.len() as u64;
        let progress = self.session.transfer_progress(id.clone());
        assert!(progress.is_some_and(|progress| progress.read <= written));
        self.settle();
    }

    fn open_transfer(&mut self, input: &mut Input<'_>) {
        let peer = self.remote(input).id.clone();
        let event = self.event(input);
        let size = input.flag().then(|| u64::from(input.byte()));
        match self.session.open_transfer(&peer, &event, size, self.now) {
            Ok(transfer) => {
                let epoch = self.model.epochs(&peer).unwrap().epoch;
                let outgoing = self.model.outgoing(&peer);
                outgoing.transfers.push(Transfer::new(size, &event));
                let number = outgoing.transfers.len() - 1;
                let place = (peer, epoch, number);
                assert!(self.model.own_transfers.insert(transfer.into(), place).is_none());
            }
            Err(error) => self.check_refusal(&Target::Peer(peer), &event, Lane::Bulk, &error),
        }
        self.settle();
    }

    pub(super) fn read_transfer(&mut self, input: &mut Input<'_>) {
        let Model { incoming, own_transfers, .. } = &self.model;
        let open: Vec<TransferId> = incoming.keys().chain(own_transfers.keys()).cloned().collect();
        let Some(index) = input.below(256).checked_rem(open.len()) else { return };
        let id = &open[index];
        if input.below(8) == 7 {
            self.trail.note(format_args!("cancels {id}"));
            self.session.cancel_transfer(id.clone(), self.now).unwrap();
            if id.is_outgoing() {
                self.model.own_transfer(id).aborted = true;
                self.model.own_transfers.remove(id);
            } else {
                self.model.incoming.remove(id);
            }
            let again = self.session.cancel_transfer(id.clone(), self.now);
            assert!(matches!(again, Err(TransferError::Unknown(_))));
        } else if let TransferId::Incoming(transfer) = id {
            let read = self.session.read_transfer(transfer, self.now).unwrap();
            self.note_read(id, read);
        }
        self.settle();
    }

    fn note_read(&mut self, id: &TransferId, read: TransferRead) {
        let remote = self.remotes.iter().find(|remote| remote.id == *id.peer()).unwrap();
        let model = self.model.incoming.get_mut(id).unwrap();
        let (label, at, size) = (model.label, model.read, model.size);
        match read {
            TransferRead::Data(bytes) => {
                model.read += bytes.len() as u64;
                assert!(!bytes.is_empty() && size.is_none_or(|size| model.read <= size));
                label.into_iter().for_each(|label| {
                    self.model.heard.read(remote, label, at, &bytes);
                });
            }
            TransferRead::Pending => {}
            TransferRead::End => {
                assert!(size.is_none_or(|size| size == at));
                label.into_iter().for_each(|label| self.model.heard.read_end(remote, label, at));
                self.model.incoming.remove(id);
            }
        }
    }

    // ----- other commands -----

    pub(super) fn change(&mut self, input: &mut Input<'_>) {
        match input.below(16) {
            0..=4 => {
                let policies =
                    [Policy::Automatic, Policy::Manual, Policy::RelayOnly, Policy::DirectOnly];
                let policy = input.pick(policies);
                self.trail.note(format_args!("the policy is {policy:?}"));
                self.session.set_policy(policy, self.now);
            }
            5 | 6 => {
                let target = self.target(input);
                let known = match &target {
                    Target::All | Target::Server => true,
                    Target::Peer(peer) => self.model.links.contains_key(peer),
                };
                assert_eq!(self.session.upgrade(target, self.now).is_ok(), known);
            }
            7 => return self.reconnect(),
            8..=11 => {
                let index = input.below(NAMES.len());
                let remote = &mut self.remotes[index];
                self.trail.note(format_args!("{} begins a new incarnation", remote.id));
                remote.epoch += 1;
            }
            12 | 13 => return self.lose_signaling(),
            14 => {
                self.model.receiving = !self.model.receiving;
                self.trail.note(format_args!("receives: {}", self.model.receiving));
                self.session.set_receiving(self.model.receiving, self.now);
            }
            _ => {
                self.trail.note(format_args!("the session closes"));
                self.session.close(self.now);
                self.model.closing = true;
            }
        }
        self.settle();
    }

    pub(super) fn reconnect(&mut self) {
        self.session.reconnect(self.now);
        self.settle();
    }
}
