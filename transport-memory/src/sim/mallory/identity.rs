//! Attacks on names and on what is known of members: claims of former ids, nonces, metadata.

use socketio_p2p_core::PeerId;
use socketio_p2p_core::wire::{ClientMessage, Item, MAX_MEMBER_DATA, PeerSignal, RawSignal};

use super::Mallory;
use crate::dice::Dice;
use crate::mesh::{Fault, Mesh};

/// The most ids that are kept.
const MAX_MET: usize = 64;

/// What it knows and makes up about who is who.
#[derive(Debug)]
pub(super) struct Claims {
    dice: Dice,
    /// It passes on the nonces that it gets.
    reflects: bool,
    /// All members that it has heard of: some of the ids are former ones by now.
    met: Vec<PeerId>,
    /// The nonces that it got, and the questions with them.
    nonces: Vec<u64>,
    questions: Vec<PeerSignal>,
}

impl Claims {
    pub(super) fn new(seed: u64) -> Self {
        let dice = Dice::for_purpose(seed, 669);
        Self { dice, reflects: false, met: Vec::new(), nonces: Vec::new(), questions: Vec::new() }
    }

    pub(super) fn meet(&mut self, id: PeerId) {
        if self.met.len() < MAX_MET && !self.met.contains(&id) {
            self.met.push(id);
        }
    }
}

/// The question of who had these ids before.
fn question(was: &[PeerId], nonce: u64, to: &PeerId) -> Option<ClientMessage> {
    let was = serde_json::json!({"was": was}).to_string();
    let signal = RawSignal::from_json(was).ok()?;
    Some(ClientMessage::Signal(PeerSignal::new(format!("{nonce:x}"), signal, to.clone())))
}

impl Mallory {
    /// Claims to have been somebody else: asks with a nonce of its own and with those that it got, and proves nonces that
    /// are made up, and others.
    pub(super) fn claim(&mut self, mesh: &mut Mesh, victim: &PeerId) {
        self.claims.reflects = true;
        mesh.effects_mut().change(Fault::FormerIds);
        let made_up = self.claims.dice.bits() >> 2;
        let met: Vec<PeerId> = self.claims.met.iter().rev().take(6).cloned().collect();
        let nonces: Vec<u64> =
            self.claims.nonces.iter().rev().take(4).copied().chain([made_up]).collect();
        for nonce in &nonces {
            if let Some(question) = question(&met, *nonce, victim) {
                self.say(mesh, &question);
            }
        }
        let own_id = self.own_id.clone();
        let connections: Vec<_> = self
            .channels
            .iter()
            .map(|channel| (channel.connection, channel.peer.clone()))
            .collect();
        for (connection, peer) in connections {
            for asker in [Some(&peer), Some(victim), own_id.as_ref()].into_iter().flatten() {
                for nonce in &nonces {
                    self.say_directly(mesh, connection, &[Item::Proof(asker.clone(), *nonce)]);
                }
            }
        }
    }

    /// Passes a nonce that it was sent on to all others, as if it were the one who sent it: whoever returns it on a channel
    /// with that one would be taken for this malicious peer.
    pub(super) fn reflect(&mut self, mesh: &mut Mesh, signal: &PeerSignal) {
        let Ok(nonce) = u64::from_str_radix(&signal.offer_id, 16) else { return };
        let text = signal.signal.as_json();
        if !text.contains("\"was\"") || !self.claims.reflects {
            return;
        }
        let Some(asker) = signal.from_peer_id.clone() else { return };
        self.claims.nonces.push(nonce);
        if self.claims.questions.len() < MAX_MET {
            self.claims.questions.push(signal.clone());
        }
        let others = self.claims.met.iter().filter(|id| **id != asker).rev().take(6);
        for other in others.cloned().collect::<Vec<_>>() {
            self.pass_question(mesh, signal, other);
        }
    }

    /// Somebody joins: who was asked who it is asks that newcomer the same, before the one who asked does.
    pub(super) fn meet(&mut self, mesh: &mut Mesh, id: PeerId) {
        self.claims.meet(id.clone());
        for signal in self.claims.questions.clone() {
            if signal.from_peer_id.as_ref() != Some(&id) {
                self.pass_question(mesh, &signal, id.clone());
            }
        }
    }

    fn pass_question(&self, mesh: &mut Mesh, signal: &PeerSignal, to: PeerId) {
        let (offer_id, signal) = (signal.offer_id.clone(), signal.signal.clone());
        self.say(mesh, &ClientMessage::Signal(PeerSignal::new(offer_id, signal, to)));
    }

    /// Sends metadata more often than it may, and too long; and says what only a hub says.
    pub(super) fn flood_metadata(&mut self, mesh: &mut Mesh) {
        mesh.effects_mut().change(Fault::MetadataFlood);
        for number in 0..self.claims.dice.between(18, 40) {
            mesh.raw_send(self.node, vec![format!("2[\"p2p:metadata\",{number}]").into()]);
        }
        let long = "x".repeat(MAX_MEMBER_DATA);
        mesh.raw_send(self.node, vec![format!("2[\"p2p:metadata\",\"{long}\"]").into()]);
        for text in [
            r#"2["p2p:close",{"code":"kicked","message":"gone"}]"#,
            r#"2["peer-update",{"peerId":"x","metadata":1}]"#,
            r#"27["peer-disconnect",{"peerId":"x","kicked":true}]"#,
        ] {
            mesh.raw_send(self.node, vec![text.to_owned().into()]);
        }
    }
}
