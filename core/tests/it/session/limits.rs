//! A receiver whose limits are below the sender's and the hub's.

use std::time::Duration;

use socketio_p2p_core::codec::Blob;
use socketio_p2p_core::{
    Config, EmitError, Event, Outcome, Packet, PeerError, Policy, Target, TransferOutcome,
};
use socketio_p2p_transport_memory::{Mesh, Node};

use super::{emit_beyond_limits, has, numbered, outcomes};

fn with_strict_receiver(
    policy: Policy,
    strict: impl FnOnce(Config) -> Config,
) -> (Mesh, Node, Node) {
    let config = Config::default().with_policy(policy).with_queue_bytes(4 << 20);
    let mut mesh = Mesh::new(1);
    let (a, b) = (mesh.add(config.clone()), mesh.add(strict(config)));
    mesh.run_for(Duration::from_secs(1));
    if policy == Policy::Automatic {
        mesh.run_until_direct(a, b);
    }
    mesh.take_events(a);
    (mesh, a, b)
}

/// Sends an event beyond the receiver's limits, and one event behind it. Returns how often the receiver lost
/// the server and its channel in ten minutes, and the outcomes of the emits: one that is rejected at once
/// because the limits are known counts as refused.
fn send_beyond(mesh: &mut Mesh, a: Node, b: Node, event: &Packet) -> (usize, Vec<Outcome>) {
    let at_once = emit_beyond_limits(mesh, a, event);
    mesh.emit(a, Target::All, &numbered(1)).unwrap();
    mesh.run_for(Duration::from_secs(600));
    let lost = |event: &&Event| {
        let failed = |error: &PeerError| !matches!(error, PeerError::BadPacket(_));
        match event {
            Event::Disconnected { .. } => true,
            Event::PeerError { error, .. } => failed(error),
            _ => false,
        }
    };
    let lost = mesh.take_events(b).iter().filter(lost).count();
    let mut ends = outcomes(&mesh.take_events(a));
    if at_once {
        ends.insert(0, Outcome::Refused);
    }
    (lost, ends)
}

fn send_too_much(policy: Policy, max: usize, len: usize) -> (usize, Vec<Outcome>) {
    let (mut mesh, a, b) = with_strict_receiver(policy, |config| {
        let limits = config.limits.clone().with_max_packet_bytes(max);
        config.with_limits(limits)
    });
    let big = Packet::event("big", &(Blob::from(vec![7; len]),)).unwrap();
    send_beyond(&mut mesh, a, b, &big)
}

#[test]
fn an_event_longer_than_the_receivers_limit_is_refused_alone_on_either_path() {
    for policy in [Policy::RelayOnly, Policy::Automatic] {
        for (max, len) in [(1_100_000, 1_500_000), (50_000, 60_000), (1_000, 1_100)] {
            let (lost, outcomes) = send_too_much(policy, max, len);
            assert_eq!(lost, 0, "{policy:?} {len}");
            assert_eq!(outcomes, [Outcome::Refused, Outcome::Delivered], "{policy:?} {len}");
        }
    }
}

#[test]
fn an_event_with_attachments_beyond_the_receivers_limit_is_refused_alone_on_either_path() {
    for policy in [Policy::RelayOnly, Policy::Automatic] {
        let (mut mesh, a, b) = with_strict_receiver(policy, |config| {
            let limits = config.limits.clone().with_max_attachments(2);
            config.with_limits(limits)
        });
        let blobs = vec![Blob::from(vec![7]); 100];
        let many = Packet::event("many", &(blobs,)).unwrap();
        let (lost, outcomes) = send_beyond(&mut mesh, a, b, &many);
        assert_eq!((lost, outcomes), (0, vec![Outcome::Refused, Outcome::Delivered]), "{policy:?}");
    }
}

#[test]
fn a_transfer_whose_announcement_is_beyond_the_receivers_limits_ends() {
    let (mut mesh, a, b) = with_strict_receiver(Policy::RelayOnly, |config| {
        let limits = config.limits.clone().with_max_attachments(2);
        config.with_limits(limits)
    });
    let to = mesh.id(b);
    let blob = || Blob::from(vec![1]);
    let event = Packet::event("file", &(blob(), blob(), blob())).unwrap();
    match mesh.with(a, |session, now| session.open_transfer(&to, &event, None, now)) {
        Err(error) => assert!(matches!(error, EmitError::BeyondPeerLimits(_)), "{error}"),
        Ok(_) => {
            mesh.run_for(Duration::from_secs(600));
            let events = mesh.take_events(a);
            let refused = TransferOutcome::Refused;
            let ended = |event: &Event| matches!(event, Event::TransferEnded { outcome, .. } if *outcome == refused);
            assert!(has(&events, ended), "{events:?}");
        }
    }
}
