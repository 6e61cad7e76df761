//! Sessions and a hub on a virtual clock.

mod alone;
mod delivery;
mod direct_states;
mod edges;
mod lanes;
mod limits;
mod membership;
mod neighbours;
mod numbers;
mod receiving;
mod renaming;
mod server;
mod transfers;
mod upgrade;

use std::time::Duration;

use socketio_p2p_core::{Config, EmitError, Event, Outcome, Packet, Path, Target};
use socketio_p2p_transport_memory::{Mesh, Node};

/// Creates a mesh of `n` sessions that have joined.
fn mesh(n: usize, config: &Config) -> (Mesh, Vec<Node>) {
    let mut mesh = Mesh::new(1);
    let nodes: Vec<Node> = (0..n).map(|_| mesh.add(config.clone())).collect();
    let joined =
        |mesh: &Mesh| nodes.iter().all(|node| mesh.session(*node).peers().count() == n - 1);
    assert!(mesh.run_until(Duration::from_secs(5), joined), "not everybody has joined");
    (mesh, nodes)
}

/// Creates two sessions with a direct path in use.
fn direct_pair(config: &Config) -> (Mesh, Node, Node) {
    let (mut mesh, nodes) = mesh(2, config);
    mesh.run_until_direct(nodes[0], nodes[1]);
    (mesh, nodes[0], nodes[1])
}

fn numbered(number: u64) -> Packet {
    Packet::event("n", &(number,)).unwrap()
}

/// Returns the numbers of the numbered events that a node has received, with their paths.
fn numbers(mesh: &mut Mesh, node: Node) -> Vec<(u64, Path)> {
    let received = mesh.received(node).into_iter();
    let number = |event| match event {
        Event::Received { packet, path, .. } => (packet.args::<(u64,)>().unwrap().0, path),
        other => panic!("not received: {other:?}"),
    };
    received.map(number).collect()
}

fn outcomes(events: &[Event]) -> Vec<Outcome> {
    let outcome = |event: &Event| match event {
        Event::Outcome { outcome, .. } => Some(*outcome),
        _ => None,
    };
    events.iter().filter_map(outcome).collect()
}

fn has(events: &[Event], is: impl Fn(&Event) -> bool) -> bool {
    events.iter().any(is)
}

/// Emits an event to the only other member. Returns whether it is rejected because the limits are known
/// already, in which case it has no outcome.
fn emit_beyond_limits(mesh: &mut Mesh, node: Node, event: &Packet) -> bool {
    let rejected = mesh.emit(node, Target::All, event).unwrap().rejected;
    match &rejected[..] {
        [] => false,
        [(_, EmitError::BeyondPeerLimits(_))] => true,
        other => panic!("{other:?}"),
    }
}

fn path(mesh: &Mesh, node: Node, other: Node) -> Option<Path> {
    mesh.peer(node, other)?.path
}

/// Emits numbered events, and retries blocked ones until there is room.
fn emit_all(mesh: &mut Mesh, node: Node, events: impl IntoIterator<Item = Packet>) {
    for event in events {
        let mut to: Vec<Target> = vec![Target::All];
        loop {
            let mut blocked = Vec::new();
            for target in to {
                match mesh.emit(node, target.clone(), &event) {
                    Ok(emitted) => {
                        blocked.extend(emitted.rejected.into_iter().map(|(peer, _)| peer.into()));
                    }
                    Err(_) => blocked.push(target),
                }
            }
            if blocked.is_empty() {
                break;
            }
            to = blocked;
            assert!(mesh.step(), "blocked without any further event");
        }
    }
}
