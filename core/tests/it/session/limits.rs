//! A receiver that takes less than its sender sends and the hub passes on.

use std::time::Duration;

use socketio_p2p_core::codec::Blob;
use socketio_p2p_core::{Config, Event, Outcome, Packet, Policy, Target};
use socketio_p2p_transport_memory::{Mesh, Node};

use super::{has, numbered, outcomes};

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

/// Sends what the receiver does not take, and one event behind it. Tells how often the receiver lost the server in ten
/// minutes, and how the emits ended.
fn send_too_much(policy: Policy, max: usize, len: usize) -> (usize, Vec<Outcome>) {
    let (mut mesh, a, b) = with_strict_receiver(policy, |config| {
        let limits = config.limits.clone().with_max_packet_bytes(max);
        config.with_limits(limits)
    });
    let big = Packet::event("big", &(Blob::from(vec![7; len]),)).unwrap();
    mesh.emit(a, Target::All, &big).unwrap();
    mesh.emit(a, Target::All, &numbered(1)).unwrap();
    mesh.run_for(Duration::from_secs(600));
    let lost = |event: &&Event| matches!(event, Event::Disconnected { .. });
    let lost = mesh.take_events(b).iter().filter(lost).count();
    (lost, outcomes(&mesh.take_events(a)))
}

/// More than fits into one envelope, so that it goes in pieces.
#[test]
fn an_event_in_pieces_longer_than_the_receiver_takes_ends_on_the_relay() {
    let (_, outcomes) = send_too_much(Policy::RelayOnly, 1_100_000, 1_500_000);
    assert_eq!(outcomes, [Outcome::Refused, Outcome::Delivered]);
}

#[test]
fn an_event_in_pieces_longer_than_the_receiver_takes_ends_on_a_channel() {
    let (_, outcomes) = send_too_much(Policy::Automatic, 1_100_000, 1_500_000);
    assert_eq!(outcomes, [Outcome::Refused, Outcome::Delivered]);
}

/// The hub takes 1 MiB in an envelope, whatever its receiver takes.
#[test]
fn an_envelope_longer_than_the_receiver_takes_does_not_cost_it_the_server() {
    let (lost, outcomes) = send_too_much(Policy::RelayOnly, 50_000, 60_000);
    assert_eq!(lost, 0, "times that it lost the server");
    assert_eq!(outcomes, [Outcome::Refused, Outcome::Delivered]);
}

/// The hub takes 256 parts in an envelope, whatever its receiver takes.
#[test]
fn an_envelope_of_more_parts_than_the_receiver_takes_does_not_cost_it_the_server() {
    let (mut mesh, a, b) = with_strict_receiver(Policy::RelayOnly, |config| {
        let limits = config.limits.clone().with_max_attachments(2);
        config.with_limits(limits)
    });
    let blobs = vec![Blob::from(vec![7]); 100];
    mesh.emit(a, Target::All, &Packet::event("many", &(blobs,)).unwrap()).unwrap();
    mesh.emit(a, Target::All, &numbered(1)).unwrap();
    mesh.run_for(Duration::from_secs(600));
    let lost = |event: &&Event| matches!(event, Event::Disconnected { .. });
    assert_eq!(mesh.take_events(b).iter().filter(lost).count(), 0, "times that it lost the server");
    assert_eq!(outcomes(&mesh.take_events(a)), [Outcome::Refused, Outcome::Delivered]);
}

#[test]
fn a_transfer_whose_announcement_the_receiver_cannot_take_ends() {
    let (mut mesh, a, b) = with_strict_receiver(Policy::RelayOnly, |config| {
        let limits = config.limits.clone().with_max_attachments(2);
        config.with_limits(limits)
    });
    let to = mesh.id(b);
    let blob = || Blob::from(vec![1]);
    let event = Packet::event("file", &(blob(), blob(), blob())).unwrap();
    mesh.with(a, |session, now| session.open_transfer(&to, &event, None, now)).unwrap();
    mesh.run_for(Duration::from_secs(600));
    let events = mesh.take_events(a);
    assert!(has(&events, |event| matches!(event, Event::TransferEnded { .. })), "{events:?}");
}
