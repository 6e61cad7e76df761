//! Maxima of a session, by its settings: connections, forwarded pairs, bytes held.

use std::collections::BTreeMap;

use socketio_p2p_core::Time;

use super::Run;
use crate::invariant::{Breach, Invariant};
use crate::mesh::{Load, Node};

/// What a peer may cost beside its lanes; what is passed on for a pair.
const PER_PEER: usize = 64 << 10;
const FORWARDED: usize = 1 << 20;

/// Records of a malicious peer that may be held beside: one of each of its transfers, as of everybody's.
const EXCESS: usize = 4;

/// What is kept beside what waits: what is being put together or is read by its application.
const OTHERWISE_KEPT: usize = 256 << 10;

/// What a packet may cost beside the bytes that the simulator put into it, and each record beside its own.
const OVERSIZED: usize = 4 << 10;

/// How often a window may be exceeded in a run.
const MAX_OVERLOADS: u32 = 6;

/// How many windows may be in flight to a peer that gets what goes to others too.
const JOINED_WINDOWS: usize = 2;

/// When the hub led to peers again, as told to a node. With each time its window for them begins anew, and a node that stood
/// still reads several at once.
#[derive(Debug, Default)]
pub(super) struct Comebacks(BTreeMap<(usize, usize), Vec<Time>>);

impl Comebacks {
    pub(super) fn note(&mut self, node: usize, peer: usize, now: Time) {
        self.0.entry((node, peer)).or_default().push(now);
    }

    fn of(&self, node: usize, peer: usize, lately: impl Fn(Time) -> bool) -> usize {
        let all = self.0.get(&(node, peer)).map_or(&[][..], Vec::as_slice);
        all.iter().rev().take_while(|at| lately(**at)).count()
    }
}

/// The longest record: so much may be above a bound for a moment.
const LONGEST_RECORD: usize = 64 << 10;

impl Run<'_> {
    pub(super) fn check_caps(&self, node: Node) -> Result<(), Breach> {
        let Some(config) = self.model.config(node.index()) else { return Ok(()) };
        let session = self.mesh.session(node);
        let at_most = |invariant, most: usize, what: &str, got: usize| {
            if got <= most {
                return Ok(());
            }
            Err(Breach::new(
                invariant,
                format!("at most {most} {what} of {node:?}"),
                got.to_string(),
            ))
        };
        let connections = self.mesh.connections_of(node);
        at_most(Invariant::PeerCap, config.max_peers, "direct connections", connections)?;
        let pairs = session.forwarding().pairs;
        at_most(Invariant::ForwardCap, config.forward_pairs, "pairs passed on for", pairs)?;
        let transfers = config.max_transfers.saturating_mul(2 * config.transfer_window + OVERSIZED);
        self.check_passed(node)?;
        let (mut peers, mut held) = (0, 0);
        for peer in session.peers() {
            peers += 1;
            let packets = if self.mallory.is_some() { usize::MAX } else { self.model.largest() };
            let packet = packets.min(config.limits.max_packet_bytes).saturating_add(OVERSIZED);
            // An unfinished packet is put together in a buffer that grows.
            let lane = packet.saturating_add(packet / 4).saturating_add(config.queue_bytes);
            let volatile = config.volatile_bytes.saturating_mul(2).saturating_add(OVERSIZED);
            let most = lane.saturating_mul(2).saturating_add(transfers).saturating_add(volatile);
            at_most(Invariant::HeldCap, most, "bytes held of one peer", peer.held)?;
            held += peer.held;
        }
        at_most(Invariant::MemberCap, config.max_members, "members known", peers)?;
        // Of each transfer the record that is next is taken always. What a malicious peer leaves is held until it is
        // refused.
        let malicious = if self.was_attacked { EXCESS } else { 0 };
        let records = 1 + self.transfers.incoming_of(node) + malicious;
        let most = config.receive_bytes.saturating_add(records * LONGEST_RECORD);
        at_most(Invariant::HeldCap, most, "bytes held of all peers", held)?;
        self.check_memory(node, peers)
    }

    /// What was on its way when a session sent more.
    pub(super) fn check_windows(&mut self) -> Result<(), Breach> {
        let now = self.mesh.now();
        let lasting = self.scenario.settings.relay_latency * 4;
        let mut loads = std::mem::take(&mut self.loads);
        self.mesh.take_loads(&mut loads);
        for Load { sender, receiver, direct, bytes } in loads.drain(..) {
            let config = self.model.config(sender.index());
            let Some(config) = config.filter(|_| !self.model.is_raw(sender.index())) else {
                continue;
            };
            let (way, window) = match direct {
                true => ("directly", config.direct_window),
                false => {
                    let (sender, receiver) = (sender.index(), receiver.index());
                    let again = self.comebacks.of(sender, receiver, |at| now < at + lasting);
                    ("by the hub", config.relay_window * (JOINED_WINDOWS + again))
                }
            };
            let over = bytes.all >= window || (bytes.bulk > 0 && bytes.bulk >= window / 2);
            // What another path has proved to be late may be on its way still. That is rare.
            self.overloads += u32::from(over);
            if self.overloads > MAX_OVERLOADS {
                return Err(Breach::new(
                    Invariant::Window,
                    format!(
                        "{sender:?} to send to {receiver:?} {way} while less than {window} bytes are under way, of bulk less than half of that"
                    ),
                    format!("{} bytes, {} of bulk", bytes.all, bytes.bulk),
                ));
            }
        }
        self.loads = loads;
        Ok(())
    }

    /// What came and is still held, for each peer: a packet and what is in flight in each lane, transfers; and what is
    /// passed on.
    fn check_memory(&self, node: Node, peers: usize) -> Result<(), Breach> {
        let Some(config) = self.model.config(node.index()) else { return Ok(()) };
        if !self.mesh.is_prompt(node) {
            return Ok(());
        }
        let session = self.mesh.session(node);
        let held: usize = session.peers().map(|peer| peer.held).sum();
        let lane = config.limits.max_packet_bytes.saturating_add(config.queue_bytes);
        let transfers = config.max_transfers.saturating_mul(config.transfer_window);
        let each = lane.saturating_mul(2).saturating_add(transfers).saturating_add(PER_PEER);
        let forwards = session.forwarding().packets + session.forwarding().dropped > 0;
        let passing = if forwards { config.forward_pairs * FORWARDED } else { 0 };
        let most = each.saturating_mul(peers + 1).saturating_add(passing);
        // What waits keeps no message that is much longer than itself.
        let most = most.min(2 * held + passing + peers * PER_PEER + OTHERWISE_KEPT);
        let kept = self.mesh.kept_bytes(node);
        if kept > most {
            return Err(Breach::new(
                Invariant::Memory,
                format!("at most {most} bytes of what came to {node:?} to be held"),
                format!("{kept}"),
            ));
        }
        Ok(())
    }
}
