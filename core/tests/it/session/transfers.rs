//! Transfers: complete or not at all, bounded in memory, across changes of paths.

use std::time::Duration;

use bytes::Bytes;
use socketio_p2p_core::{
    Config, EmitError, Event, IncomingTransferId, OutgoingTransferId, Packet, PeerId, Policy,
    Target, TransferError, TransferOutcome, TransferRead,
};
use socketio_p2p_transport_memory::{Mesh, Node};

use super::{direct_pair, has, mesh, numbered, numbers};

const WINDOW: usize = 256 << 10;

/// The byte at each offset of every transfer in these tests.
fn byte_at(place: u64) -> u8 {
    (place % 251) as u8 ^ (place >> 16) as u8
}

/// Sends `size` bytes of the pattern, piece by piece, as an application would.
struct Sender {
    node: Node,
    id: OutgoingTransferId,
    size: u64,
    written: u64,
    finished: bool,
    outcome: Option<TransferOutcome>,
}

impl Sender {
    fn open(mesh: &mut Mesh, node: Node, to: Node, size: u64) -> Self {
        let to = mesh.id(to);
        let event = Packet::event("file", &("holiday.mp4",)).unwrap();
        let id = mesh
            .with(node, |session, now| session.open_transfer(&to, &event, Some(size), now))
            .unwrap();
        Self { node, id, size, written: 0, finished: false, outcome: None }
    }

    /// Writes up to the capacity. Returns the outcome when the transfer has ended.
    fn turn(&mut self, mesh: &mut Mesh) -> Option<TransferOutcome> {
        for event in mesh.take_events(self.node) {
            if let Event::TransferEnded { transfer, outcome } = event {
                assert_eq!(transfer, (&self.id).into());
                assert_eq!(self.outcome.replace(outcome), None);
            }
        }
        while !self.finished && self.outcome.is_none() {
            let len = (self.size - self.written).min(50_000);
            let mut piece: Bytes = (self.written..self.written + len).map(byte_at).collect();
            let (id, node) = (&self.id, self.node);
            let taken = mesh
                .with(node, |session, now| session.write_transfer(id, &mut piece, now))
                .unwrap();
            assert_eq!(taken + piece.len(), len as usize);
            self.written += taken as u64;
            if self.written == self.size {
                mesh.with(node, |session, now| session.finish_transfer(id, now)).unwrap();
                self.finished = true;
            } else if taken == 0 {
                break;
            }
        }
        self.outcome
    }
}

/// Reads a transfer and compares it with the pattern.
#[derive(Default)]
struct Receiver {
    id: Option<IncomingTransferId>,
    read: u64,
    whole: bool,
    outcome: Option<TransferOutcome>,
    numbers: Vec<u64>,
}

impl Receiver {
    fn turn(&mut self, mesh: &mut Mesh, node: Node) {
        let mut readable = false;
        for event in mesh.take_events(node) {
            match event {
                Event::TransferOpened { transfer, packet, .. } => {
                    assert_eq!(packet.args::<(&str,)>().unwrap(), ("holiday.mp4",));
                    self.id = Some(transfer);
                }
                Event::TransferReadable { .. } => readable = true,
                Event::TransferEnded { outcome, .. } => self.outcome = Some(outcome),
                Event::Received { packet, .. } => {
                    self.numbers.push(packet.args::<(u64,)>().unwrap().0);
                }
                _ => {}
            }
        }
        let Some(id) = self.id.clone().filter(|_| readable) else { return };
        loop {
            match mesh.with(node, |session, now| session.read_transfer(&id, now)).unwrap() {
                TransferRead::Data(bytes) => {
                    assert!(bytes.len() <= WINDOW);
                    let expected: Bytes = (self.read..).take(bytes.len()).map(byte_at).collect();
                    assert!(bytes == expected, "other bytes after {}", self.read);
                    self.read += bytes.len() as u64;
                }
                TransferRead::Pending => return,
                TransferRead::End => {
                    self.whole = true;
                    return;
                }
            }
        }
    }
}

#[test]
fn a_transfer_larger_than_the_queues_keeps_memory_bounded_and_events_overtake_it() {
    let (mut mesh, a, b) = direct_pair(&Config::default());
    let size = 20_000_000;
    let mut sender = Sender::open(&mut mesh, a, b, size);
    let mut receiver = Receiver::default();
    let mut number = 0;
    let mut most = 0;
    while sender.turn(&mut mesh).is_none() {
        if number < 100 {
            mesh.emit(a, Target::All, &numbered(number)).unwrap();
            number += 1;
        }
        assert!(mesh.step());
        most = most.max(mesh.peer(a, b).unwrap().queued);
        receiver.turn(&mut mesh, b);
        // At most one step behind, though megabytes of the transfer follow.
        assert!(receiver.numbers.len() as u64 + 8 >= number, "events wait for the blob");
    }
    assert_eq!(sender.outcome, Some(TransferOutcome::Delivered));
    assert!(receiver.whole && receiver.read == size);
    assert_eq!(receiver.numbers, (0..100).collect::<Vec<_>>());
    assert!(most < 2 * WINDOW, "{most} bytes waited");
}

#[test]
fn a_transfer_is_whole_across_relay_direct_and_relay() {
    let (mut mesh, nodes) = mesh(2, &Config::default().with_policy(Policy::Manual));
    let (a, b) = (nodes[0], nodes[1]);
    mesh.run_for(Duration::from_secs(1));
    let size = 6_000_000;
    let mut sender = Sender::open(&mut mesh, a, b, size);
    let mut receiver = Receiver::default();
    let mut steps = 0;
    while sender.turn(&mut mesh).is_none() {
        assert!(mesh.step());
        receiver.turn(&mut mesh, b);
        steps += 1;
        match steps {
            50 => mesh.with(a, |session, now| session.upgrade(Target::All, now)).unwrap(),
            80 => mesh.close_direct(a, b),
            120 => mesh.cut_signaling(b),
            160 => mesh.cut_signaling(a),
            _ => {}
        }
    }
    assert!(steps > 160, "{steps}");
    assert_eq!(sender.outcome, Some(TransferOutcome::Delivered));
    assert!(receiver.whole && receiver.read == size);
}

#[test]
fn an_unread_transfer_delays_no_other_packet() {
    let (mut mesh, nodes) = mesh(3, &Config::default());
    let (a, b, c) = (nodes[0], nodes[1], nodes[2]);
    mesh.run_until_direct(a, b);
    mesh.run_until_direct(a, c);
    let mut stuck = Sender::open(&mut mesh, a, b, 10_000_000);
    for number in 0..50 {
        stuck.turn(&mut mesh);
        mesh.emit(a, Target::All, &numbered(number)).unwrap();
        mesh.run_for(Duration::from_millis(50));
    }
    assert_eq!(stuck.written, WINDOW as u64);
    assert_eq!(mesh.peer(a, b).unwrap().queued, 0);
    assert_eq!(numbers(&mut mesh, c).len(), 50);
    let progress = mesh.session(a).transfer_progress(&stuck.id).unwrap();
    assert_eq!((progress.read, progress.size), (0, Some(10_000_000)));

    let other = Packet::event("n", &(99,)).unwrap();
    let to = mesh.id(b);
    mesh.with(a, |session, now| session.emit_bulk(&to, &other, now)).unwrap();
    mesh.run_until_quiet();
    assert_eq!(numbers(&mut mesh, b).len(), 51, "the lane itself continues");
}

/// Opens a transfer that has been reported to the receiver.
fn opened(mesh: &mut Mesh, a: Node, b: Node, size: u64) -> (Sender, IncomingTransferId) {
    let sender = Sender::open(mesh, a, b, size);
    mesh.run_for(Duration::from_millis(200));
    let incoming = mesh.take_events(b).into_iter().find_map(|event| match event {
        Event::TransferOpened { transfer, .. } => Some(transfer),
        _ => None,
    });
    (sender, incoming.expect("announced"))
}

fn ended(events: &[Event]) -> Vec<TransferOutcome> {
    let outcome = |event: &Event| match event {
        Event::TransferEnded { outcome, .. } => Some(*outcome),
        _ => None,
    };
    events.iter().filter_map(outcome).collect()
}

#[test]
fn either_side_can_cancel_a_transfer_and_the_other_is_told_once() {
    let (mut mesh, a, b) = direct_pair(&Config::default());
    let (mut sender, incoming) = opened(&mut mesh, a, b, 1_000_000);
    sender.turn(&mut mesh);
    mesh.with(b, |session, now| session.cancel_transfer(&incoming, now)).unwrap();
    mesh.run_for(Duration::from_secs(1));
    assert_eq!(sender.turn(&mut mesh), Some(TransferOutcome::Refused));
    assert_eq!(ended(&mesh.take_events(b)), []);
    let read = mesh.with(b, |session, now| session.read_transfer(&incoming, now));
    assert_eq!(read, Err(TransferError::Unknown(incoming.into())));

    let (mut sender, incoming) = opened(&mut mesh, a, b, 1_000_000);
    sender.turn(&mut mesh);
    mesh.with(a, |session, now| session.cancel_transfer(&sender.id, now)).unwrap();
    mesh.run_for(Duration::from_secs(1));
    assert_eq!(ended(&mesh.take_events(b)), [TransferOutcome::Aborted]);
    assert_eq!(ended(&mesh.take_events(a)), []);
    assert_eq!(mesh.session(b).transfer_progress(&incoming), None);
}

#[test]
fn a_transfer_is_lost_when_its_peer_leaves() {
    let (mut mesh, a, b) = direct_pair(&Config::default());
    let (mut sender, _) = opened(&mut mesh, a, b, 1_000_000);
    sender.turn(&mut mesh);
    mesh.crash(b);
    mesh.run_for(Duration::from_secs(30));
    assert_eq!(ended(&mesh.take_events(a)), [TransferOutcome::Lost]);
}

#[test]
fn closing_delivers_finished_transfers_and_aborts_others() {
    let (mut mesh, a, b) = direct_pair(&Config::default());
    let (mut finished, incoming) = opened(&mut mesh, a, b, 100_000);
    finished.turn(&mut mesh);
    assert!(finished.finished);
    opened(&mut mesh, a, b, 100_000);
    mesh.with(a, |session, now| session.close(now));
    mesh.run_for(Duration::from_secs(1));
    let events = mesh.take_events(a);
    assert!(!has(&events, |event| matches!(event, Event::Closed)));
    assert_eq!(ended(&events), [TransferOutcome::Aborted]);
    assert_eq!(ended(&mesh.take_events(b)), [TransferOutcome::Aborted]);
    let read = |mesh: &mut Mesh| {
        mesh.with(b, |session, now| session.read_transfer(&incoming, now)).unwrap()
    };
    let mut bytes = 0;
    loop {
        match read(&mut mesh) {
            TransferRead::Data(more) => bytes += more.len(),
            rest => {
                assert_eq!((rest, bytes), (TransferRead::End, 100_000));
                break;
            }
        }
    }
    mesh.run_for(Duration::from_secs(1));
    let events = mesh.take_events(a);
    assert_eq!(ended(&events), [TransferOutcome::Delivered]);
    assert!(has(&events, |event| matches!(event, Event::Closed)));
}

#[test]
fn transfer_sizes_are_enforced() {
    let (mut mesh, a, b) = direct_pair(&Config::default());
    let (sender, _) = opened(&mut mesh, a, b, 10);
    let id = &sender.id;
    let write = |mesh: &mut Mesh, len: usize| {
        let mut data = Bytes::from(vec![0; len]);
        mesh.with(a, |session, now| session.write_transfer(id, &mut data, now))
    };
    assert_eq!(write(&mut mesh, 4), Ok(4));
    assert_eq!(write(&mut mesh, 7), Err(TransferError::BeyondSize { got: 11, size: 10 }));
    let finish = |mesh: &mut Mesh| mesh.with(a, |session, now| session.finish_transfer(id, now));
    assert_eq!(finish(&mut mesh), Err(TransferError::Incomplete { got: 4, size: 10 }));
    assert_eq!(write(&mut mesh, 6), Ok(6));
    assert_eq!(finish(&mut mesh), Ok(()));
    assert_eq!(finish(&mut mesh), Err(TransferError::Finished(id.clone())));
    assert_eq!(write(&mut mesh, 0), Err(TransferError::Finished(id.clone())));
}

#[test]
fn transfers_beyond_the_maximum_are_refused_at_either_side() {
    let (mut mesh, nodes) = mesh(0, &Config::default());
    assert!(nodes.is_empty());
    let generous = mesh.add(Config::default().with_max_transfers(3));
    let strict = mesh.add(Config::default().with_max_transfers(2));
    mesh.run_until_direct(generous, strict);
    let to: PeerId = mesh.id(strict);
    let event = Packet::event("file", &()).unwrap();
    let open = |mesh: &mut Mesh| {
        mesh.with(generous, |session, now| session.open_transfer(&to, &event, None, now))
    };
    let ids: Vec<OutgoingTransferId> = (0..3).map(|_| open(&mut mesh).unwrap()).collect();
    assert!(matches!(open(&mut mesh), Err(EmitError::TooManyTransfers(3))));
    mesh.run_for(Duration::from_secs(1));
    let events = mesh.take_events(generous);
    let refused = |event: &Event| {
        matches!(event, Event::TransferEnded { transfer, outcome: TransferOutcome::Refused }
            if *transfer == (&ids[2]).into())
    };
    assert!(has(&events, refused), "{events:?}");
    assert_eq!(ended(&events).len(), 1);
}
