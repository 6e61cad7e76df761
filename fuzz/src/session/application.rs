//! The application: emits, questions, answers, transfers, changes of policy.

use std::collections::BTreeSet;
use std::time::Duration;

use bytes::Bytes;
use socketio_p2p_core::codec::Blob;
use socketio_p2p_core::signal::Lane;
use socketio_p2p_core::{
    EmitError, Packet, PeerId, Policy, Target, TransferError, TransferRead, Version,
};

use super::model::TransferModel;
use super::{NAMES, Run, TRANSFER_WINDOW};
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
                let mixed = self.mixed();
                self.model.note_emitted(lane, &event, &emitted, &mixed);
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
                let mixed = self.mixed();
                self.model.note_emitted(Lane::Events, &question, &emitted, &mixed);
                self.model.note_question(target == Target::All, &emitted);
            }
            Err(error) => self.check_refusal(&target, &event, Lane::Events, &error),
        }
        self.settle();
    }

    pub(super) fn mixed(&self) -> BTreeSet<PeerId> {
        let mixed = self.remotes.iter().filter(|remote| remote.mixed);
        mixed.map(|remote| remote.id.clone()).collect()
    }

    /// Everybody whom an emit was for is told of, once.
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
            EmitError::Closed => assert!(self.closing),
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
                assert_eq!(self.model.links[peer].version, Version::V0);
            }
            EmitError::TooManyPendingAcks(_) | EmitError::TooManyTransfers(_) => {}
            other => panic!("{other} is no reason"),
        }
    }

    pub(super) fn reply(&mut self, input: &mut Input<'_>) {
        let Some(index) = input.below(256).checked_rem(self.model.tokens.len()) else { return };
        let (token, ack_id, order) = self.model.tokens[index].clone();
        let peer = token.peer().clone();
        let link = self.model.links.get(&peer).filter(|link| link.order == order);
        let epoch = link.map(|link| link.epoch);
        match self.session.reply(&token, &("reply",), self.now) {
            Ok(()) => {
                let epoch = epoch.expect("the peer that asked is there");
                let answer = Packet::ack(ack_id, &("reply",)).unwrap();
                self.model.note_accepted(&peer, epoch, Lane::Events, &answer);
            }
            Err(EmitError::ReplyExpired(_)) => assert_eq!(epoch, None),
            Err(EmitError::Blocked { lane, .. }) => self.model.note_blocked(&peer, lane),
            Err(other) => panic!("{other} is no reason"),
        }
        self.settle();
    }

    pub(super) fn write_transfer(&mut self, input: &mut Input<'_>) {
        let open = self.model.transfers.keys().filter(|transfer| transfer.is_outgoing());
        let open: Vec<_> = open.cloned().collect();
        let Some(transfer) = input
            .below(8)
            .checked_sub(2)
            .and_then(|_| open.get(input.below(256).checked_rem(open.len())?))
        else {
            return self.open_transfer(input);
        };
        match input.below(4) {
            0 => match self.session.finish_transfer(transfer, self.now) {
                Ok(()) => {
                    let model = self.model.transfers.get_mut(transfer).unwrap();
                    assert!(!std::mem::replace(&mut model.finished, true));
                    assert!(model.size.is_none_or(|size| size == model.bytes));
                }
                Err(TransferError::Finished(_)) => {
                    assert!(self.model.transfers[transfer].finished);
                }
                Err(TransferError::Incomplete { got, size }) => assert!(got < size),
                Err(other) => panic!("{other} is no reason"),
            },
            _ => {
                let mut data = Bytes::from(vec![3; usize::from(input.byte())]);
                let len = data.len();
                match self.session.write_transfer(transfer, &mut data, self.now) {
                    Ok(taken) => {
                        assert_eq!(taken + data.len(), len);
                        self.model.transfers.get_mut(transfer).unwrap().bytes += taken as u64;
                    }
                    Err(TransferError::Finished(_)) => {
                        assert!(self.model.transfers[transfer].finished);
                    }
                    Err(TransferError::BeyondSize { got, size }) => assert!(got > size),
                    Err(other) => panic!("{other} is no reason"),
                }
            }
        }
        let progress = self.session.transfer_progress(transfer);
        assert!(progress.is_some_and(|p| p.read <= self.model.transfers[transfer].bytes));
        self.settle();
    }

    pub(super) fn open_transfer(&mut self, input: &mut Input<'_>) {
        let index = input.below(NAMES.len());
        let peer = self.remotes[index].id.clone();
        let event = self.event(input);
        let size = input.flag().then(|| u64::from(input.byte()));
        match self.session.open_transfer(&peer, &event, size, self.now) {
            Ok(transfer) => {
                assert!(transfer.is_outgoing());
                self.remotes[index].mixed = true;
                let model = TransferModel::new(size);
                assert!(self.model.transfers.insert(transfer, model).is_none());
            }
            Err(error) => self.check_refusal(&Target::Peer(peer), &event, Lane::Bulk, &error),
        }
        self.settle();
    }

    pub(super) fn read_transfer(&mut self, input: &mut Input<'_>) {
        let open: Vec<_> = self.model.transfers.keys().cloned().collect();
        let Some(index) = input.below(256).checked_rem(open.len()) else { return };
        let transfer = &open[index];
        if input.below(8) == 7 {
            self.session.cancel_transfer(transfer, self.now).unwrap();
            self.model.transfers.remove(transfer);
            let again = self.session.cancel_transfer(transfer, self.now);
            assert!(matches!(again, Err(TransferError::Unknown(_))));
        } else if !transfer.is_outgoing() {
            match self.session.read_transfer(transfer, self.now).unwrap() {
                TransferRead::Data(bytes) => {
                    assert!((1..=TRANSFER_WINDOW).contains(&bytes.len()));
                    let exact = self.model.exact && !self.has_foreign_bulk(transfer.peer());
                    self.model.note_read(transfer, &bytes, exact);
                }
                TransferRead::Pending => {}
                TransferRead::End => {
                    let model = self.model.transfers.remove(transfer).unwrap();
                    assert!(model.size.is_none_or(|size| size == model.bytes));
                }
            }
        }
        self.settle();
    }

    pub(super) fn has_foreign_bulk(&mut self, peer: &PeerId) -> bool {
        let remote = self.remotes.iter_mut().find(|remote| remote.id == *peer).unwrap();
        (1..=remote.epoch).any(|epoch| remote.stream(epoch, Lane::Bulk).has_foreign())
    }

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
                    Target::All => true,
                    Target::Peer(peer) => self.model.links.contains_key(peer),
                };
                assert_eq!(self.session.upgrade(target, self.now).is_ok(), known);
            }
            7 => return self.reconnect(),
            8..=11 => {
                let index = input.below(NAMES.len());
                let remote = &mut self.remotes[index];
                self.trail.note(format_args!("{} starts anew", remote.id));
                remote.epoch += 1;
                remote.in_pieces.clear();
            }
            12 | 13 => return self.lose_signaling(),
            14 => {}
            _ => {
                self.trail.note(format_args!("the session closes"));
                self.session.close(self.now);
                self.closing = true;
            }
        }
        self.settle();
    }

    pub(super) fn reconnect(&mut self) {
        self.session.reconnect(self.now);
        self.settle();
    }
}
