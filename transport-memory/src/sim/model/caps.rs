//! The caps of [`Config`], by the model's own count: what was taken and has not ended.

use socketio_p2p_core::wire::Lane;
use socketio_p2p_core::{Config, EmitError, PeerId, Time};

use super::{Breach, Extent, Fit, Flow, Invariant, Model, breach, place};

/// What a session may count for a packet beside its bytes.
const OVERHEAD: usize = 128;

/// Checks what has just been taken into a flow.
pub(super) fn check(
    flow: &Flow,
    lane: Lane,
    extent: Extent,
    config: &Config,
) -> Result<(), Breach> {
    let (bytes, packets) = flow.waiting[place(lane)];
    // One packet above the cap is taken when nothing else waits.
    if lane != Lane::Volatile && packets > 1 {
        if bytes > config.queue_bytes {
            return breach(
                Invariant::QueueCap,
                format!("at most {} bytes that wait in {lane:?}", config.queue_bytes),
                format!("{bytes} with one more of {}", extent.bytes),
            );
        }
        if packets > config.queue_packets {
            return breach(
                Invariant::PacketCap,
                format!("at most {} packets that wait in {lane:?}", config.queue_packets),
                format!("{packets}"),
            );
        }
    }
    if flow.asked as usize > config.max_pending_acks {
        return breach(
            Invariant::AckCap,
            format!("at most {} answers of one peer waited for", config.max_pending_acks),
            format!("{}", flow.asked),
        );
    }
    Ok(())
}

impl Model {
    /// A volatile event was taken for these peers: nothing of what is taken at one moment can have come already.
    pub(in crate::sim) fn check_volatile(
        &mut self,
        node: usize,
        bytes: usize,
        accepted: &[PeerId],
        now: Time,
    ) -> Result<(), Breach> {
        let Some(cap) = self.views[node].config.as_ref().map(|config| config.volatile_bytes) else {
            return Ok(());
        };
        for id in accepted {
            let receiver = self.named(node, id)?;
            let (at, taken) = &mut self.flows[node][receiver].volatile;
            if *at != Some(now) {
                (*at, *taken) = (Some(now), 0);
            }
            if *taken > 0 && *taken + bytes > cap {
                return breach(
                    Invariant::VolatileCap,
                    format!("at most {cap} bytes of volatile events under way to {id}"),
                    format!("{} taken at one moment", *taken + bytes),
                );
            }
            *taken += bytes;
        }
        Ok(())
    }

    /// A volatile event for a peer was turned away: how many of this life were.
    pub(in crate::sim) fn dropped(&mut self, node: usize, peer: &PeerId) -> u64 {
        let Some(peer) = self.find_by(node, peer) else { return 0 };
        let dropped = &mut self.flows[node][peer].dropped;
        *dropped += 1;
        *dropped
    }

    /// A node has answered a question of a peer's.
    pub(in crate::sim) fn replied(&mut self, node: usize, peer: &PeerId) {
        if let Some(peer) = self.find_by(node, peer) {
            self.flows[node][peer].replied += 1;
        }
    }

    /// An emit (of this extent) or an answer was turned away, for this peer where it was for one. `true`: the queue
    /// was full.
    pub(in crate::sim) fn turned_away(
        &mut self,
        node: usize,
        to: Option<&PeerId>,
        extent: Option<Extent>,
        error: &EmitError,
        shares_bulk: bool,
    ) -> Result<bool, Breach> {
        let config = self.views[node].config.clone();
        if let EmitError::Limits(error) = error
            && let (Some(config), Some(extent)) = (&config, extent)
            && extent.fit(&config.limits) == Fit::Fits
        {
            return breach(
                Invariant::OwnLimits,
                format!("{extent:?} to be taken, within {:?}", config.limits),
                error.to_string(),
            );
        }
        if let EmitError::TooManyPendingAcks(waiting) = error
            && let (Some(config), Some(to)) = (&config, to)
        {
            let to = self.named(node, to)?;
            let asked = self.flows[node][to].asked as usize;
            if asked < config.max_pending_acks {
                return breach(
                    Invariant::AckCap,
                    format!("to ask, with {asked} of {} answers to come", config.max_pending_acks),
                    format!("turned away because of {waiting}"),
                );
            }
        }
        let EmitError::Blocked { peer, lane, queued } = error else { return Ok(false) };
        let peer = self.named(node, peer)?;
        let flow = &mut self.flows[node][peer];
        if let Some(known) = &mut flow.known {
            known.blocked[place(*lane)] = true;
        }
        // Answers and transfers wait in the same queues.
        // So does what an earlier life has sent, for a peer that has taken it up.
        let alone = flow.replied == 0 && flow.life <= 1 && !(shares_bulk && *lane == Lane::Bulk);
        if let (Some(config), Some(extent)) = (config, extent) {
            let fits = queued + extent.bytes + OVERHEAD + 8 * extent.attachments;
            let (_, packets) = flow.waiting[place(*lane)];
            let full = fits > config.queue_bytes || packets >= config.queue_packets || !alone;
            if !full {
                return breach(
                    Invariant::Pushback,
                    format!(
                        "an event of {} bytes to be taken, with {packets} of {} packets queued",
                        extent.bytes, config.queue_packets
                    ),
                    format!("`Blocked` with {queued} of {} bytes", config.queue_bytes),
                );
            }
        }
        Ok(true)
    }
}
