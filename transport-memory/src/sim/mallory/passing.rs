//! Attacks as a neighbour: bundles forwarded altered, twice or not at all.

use bytes::Bytes;
use socketio_p2p_core::wire::{Bundle, Epochs, Item, Neighbours, Passed, Seal};
use socketio_p2p_core::{Frame, PeerId};

use super::{EPOCH, Mallory};
use crate::dice::Dice;
use crate::mesh::{Fault, Mesh};

/// So much is given to a neighbour at once, each so long.
const OVERLOAD: usize = 6;
const BULKY: usize = 15 << 10;

/// A bundle on its way from one peer to another.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Passing {
    pub(super) from: PeerId,
    pub(super) to: PeerId,
    pub(super) passed: Passed,
}

/// What is done to numbers.
#[derive(Debug)]
pub(super) struct Seals {
    pub(super) breaks: bool,
    dice: Dice,
    /// A bundle that was passed on.
    old: Option<Passing>,
    /// The number of the last bundle of its own.
    number: u64,
}

impl Seals {
    pub(super) fn new(seed: u64) -> Self {
        Self { breaks: false, dice: Dice::for_purpose(seed, 668), old: None, number: 0 }
    }

    const fn next_number(&mut self) -> u64 {
        self.number += 1;
        self.number
    }

    /// A greater number, or an older bundle in the place of one.
    fn spoil(&mut self, mut passing: Passing) -> Passing {
        if !self.breaks {
            return passing;
        }
        match self.dice.roll(4) {
            0 => {
                passing.passed.number += self.dice.between(1, 3);
                passing
            }
            1 => self.old.clone().unwrap_or(passing),
            2 => {
                self.old = Some(passing.clone());
                passing
            }
            _ => passing,
        }
    }
}

impl Mallory {
    /// Tells all with whom it has a channel about all the others.
    pub(super) fn pose_as_neighbour(&self, mesh: &mut Mesh) {
        if !self.neighbourly {
            return;
        }
        for channel in &self.channels {
            let others = self.channels.iter().filter(|other| other.peer != channel.peer);
            let peers = others.map(|other| other.peer.clone()).collect();
            let claim = Item::Neighbours(Neighbours { peers, rate: 1_000_000 });
            self.say_directly(mesh, channel.connection, &[claim]);
        }
    }

    /// Passes a bundle on: often enough as it is, so that it goes on being asked.
    pub(super) fn pass_on(&mut self, mesh: &mut Mesh, mut passing: Passing) {
        let honest = passing.clone();
        let mut times = 1;
        match self.dice.roll(12) {
            0 => times = 0,
            1 => times = 2,
            2 | 3 => {
                let mut bytes = passing.passed.bundle.to_vec();
                let at = self.dice.roll(bytes.len().max(1) as u64) as usize;
                match bytes.get_mut(at) {
                    Some(byte) => *byte ^= 1 << self.dice.roll(8),
                    None => bytes.push(0),
                }
                passing.passed.bundle = bytes.into();
            }
            4 => {
                if self.dice.happens(500) {
                    passing.passed.number =
                        passing.passed.number.wrapping_add(self.dice.roll(3)) >> 1;
                } else {
                    let mut seal = *passing.passed.seal.as_bytes();
                    seal[self.dice.roll(32) as usize] ^= 1;
                    passing.passed.seal = Seal::new(seal);
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
            _ => passing = self.seals.spoil(passing),
        }
        if times != 1 || passing != honest {
            mesh.effects_mut().change(Fault::FalseNeighbour);
        }
        let Some(connection) = self.channel(&passing.to) else { return };
        let Passing { from, passed, .. } = passing;
        for _ in 0..times {
            self.say_directly(mesh, connection, &[Item::Passed(from.clone(), passed.clone())]);
        }
    }

    /// Passes on to all what the victim never sent.
    pub(super) fn make_up(&mut self, mesh: &mut Mesh, victim: &PeerId) {
        let connections: Vec<_> = self.channels.iter().map(|channel| channel.connection).collect();
        for connection in connections {
            let epochs = Epochs { epoch: self.dice.between(1, 3) as u32, peer_epoch: 0 };
            let items = if self.dice.happens(500) { vec![Item::Bye] } else { Vec::new() };
            let bundle: Bytes = Bundle::write(epochs, &items);
            let (number, seal) = (self.dice.between(1, 100), Seal::new([0; 32]));
            let passed = Passed { number, seal, bundle };
            self.say_directly(mesh, connection, &[Item::Passed(victim.clone(), passed)]);
        }
    }

    /// Gives a neighbour much at once that is for the victim.
    pub(super) fn overload(&mut self, mesh: &mut Mesh, victim: &PeerId) {
        let other = self.channels.iter().find(|channel| channel.peer != *victim);
        let Some(connection) = other.map(|channel| channel.connection) else { return };
        for _ in 0..OVERLOAD {
            let number = self.seals.next_number();
            let bundle = Bytes::from(vec![7; BULKY]);
            let passed = Passed { number, seal: Seal::new([0; 32]), bundle };
            let epochs = Epochs { epoch: EPOCH, peer_epoch: 0 };
            let frame = Bundle::write(epochs, &[Item::Pass(victim.clone(), passed)]);
            mesh.raw_force_direct(self.node, connection, Frame::Binary(frame));
        }
        mesh.effects_mut().change(Fault::FalseNeighbour);
    }
}
