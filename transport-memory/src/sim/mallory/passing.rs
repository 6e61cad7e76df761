//! Mallory as a neighbour: it passes packets on between two others, not always as they came.

use bytes::Bytes;
use serde::Serialize;
use socketio_p2p_core::{Frame, Packet, PeerId};

use super::{CONTROL, Mallory};
use crate::mesh::{Fault, Mesh};

/// Whom it says that it passes packets on to.
#[derive(Serialize)]
struct Claim<'a> {
    peers: Vec<&'a PeerId>,
    rate: u64,
}

/// A packet on its way from one peer to another.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Passing {
    pub(super) from: PeerId,
    pub(super) to: PeerId,
    /// What is before and behind the name of the sender or receiver.
    pub(super) head: [String; 2],
    pub(super) attachments: Vec<Bytes>,
}

impl Mallory {
    /// Tells all with whom it has a channel about all the others.
    pub(super) fn pose_as_neighbour(&self, mesh: &mut Mesh) {
        if !self.neighbourly {
            return;
        }
        for channel in &self.channels {
            let others = self.channels.iter().filter(|other| other.peer != channel.peer);
            let others: Vec<&PeerId> = others.map(|other| &other.peer).collect();
            let claim = Claim { peers: others, rate: 1_000_000 };
            if let Ok(claim) = Packet::event("neighbours", &(claim,)) {
                let claim = format!("2{CONTROL},{}", claim.payload());
                mesh.raw_send_direct(self.node, channel.connection, claim.into());
            }
        }
    }

    /// Passes a packet on: often enough as it is, so that it goes on being asked.
    pub(super) fn pass_on(&mut self, mesh: &mut Mesh, mut passing: Passing) {
        let honest = passing.clone();
        let mut times = 1;
        match self.dice.roll(12) {
            0 => times = 0,
            1 => times = 2,
            2 | 3 => {
                let place = self.dice.roll(passing.attachments.len() as u64) as usize;
                if let Some(part) = passing.attachments.get_mut(place) {
                    let mut bytes = part.to_vec();
                    let at = self.dice.roll(bytes.len().max(1) as u64) as usize;
                    match bytes.get_mut(at) {
                        Some(byte) => *byte ^= 1 << self.dice.roll(8),
                        None => bytes.push(0),
                    }
                    *part = bytes.into();
                }
            }
            4 => {
                // A digit of the header: an epoch, a number, or of the seal.
                let [_, rest] = &mut passing.head;
                let digits: Vec<usize> = rest
                    .match_indices(|char: char| char.is_ascii_digit())
                    .map(|(at, _)| at)
                    .collect();
                if let Some(at) = self.dice.pick(&digits) {
                    let digit = self.dice.roll(10).to_string();
                    rest.replace_range(at..=at, &digit);
                }
            }
            5 | 6 => {
                let peers: Vec<PeerId> =
                    self.channels.iter().map(|channel| channel.peer.clone()).collect();
                let other = self.dice.pick(&peers);
                let place =
                    if self.dice.happens(500) { &mut passing.from } else { &mut passing.to };
                *place = other.unwrap_or_else(|| place.clone());
            }
            7 => {
                let kept = self.kept.replace(passing.clone());
                passing = kept.unwrap_or(passing);
            }
            _ => {}
        }
        if times != 1 || passing != honest {
            mesh.effects_mut().change(Fault::FalseNeighbour);
        }
        let Some(connection) = self.channel(&passing.to) else { return };
        let Passing { from, head: [start, rest], attachments, .. } = passing;
        for _ in 0..times {
            let head = format!("{start}{from}{rest}");
            mesh.raw_send_direct(self.node, connection, head.into());
            for bytes in &attachments {
                mesh.raw_send_direct(self.node, connection, Frame::Binary(bytes.clone()));
            }
        }
    }

    /// Passes on to all what the victim never sent.
    pub(super) fn make_up(&mut self, mesh: &mut Mesh, victim: &PeerId) {
        let mac = "A".repeat(43);
        for channel in &self.channels {
            let head = format!(
                r#"51-/socketio-p2p,["via",{{"from":"{victim}","epoch":{},"lane":0,"seq":{},"n":{},"mac":"{mac}"}},{{"_placeholder":true,"num":0}}]"#,
                self.dice.between(1, 3),
                self.dice.roll(5),
                self.dice.between(1, 100),
            );
            mesh.raw_send_direct(self.node, channel.connection, head.into());
            let inner = Bytes::from_static(br#"2["n",0,null]"#);
            mesh.raw_send_direct(self.node, channel.connection, Frame::Binary(inner));
        }
    }
}
