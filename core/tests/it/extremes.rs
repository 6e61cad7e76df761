//! Settings at the ends of their ranges: each is refused with its name, or works.

use std::time::Duration;

use bytes::Bytes;
use socketio_p2p_core::{Backoff, Config, Event, Packet, Target, TransferRead};
use socketio_p2p_transport_memory::{Mesh, Node};

/// A field, and a configuration with one extreme of it.
type Extreme = (&'static str, fn(Config) -> Config);

macro_rules! extremes {
    ($($setter:ident: $($value:expr),+;)*) => {
        &[$($((stringify!($setter), (|config| config.$setter($value)) as fn(Config) -> Config),)+)*]
    };
}

const LONGEST: Duration = Duration::MAX;

const EXTREMES: &[Extreme] = extremes! {
    with_max_peers: 0, usize::MAX;
    with_queue_bytes: 0, usize::MAX;
    with_queue_packets: 0, 1, usize::MAX;
    with_volatile_bytes: 0, usize::MAX;
    with_record_bytes: 0, 1, usize::MAX;
    with_relay_window: 0, 1, 2, usize::MAX;
    with_direct_window: 0, 1, 2, usize::MAX;
    with_receive_bytes: 0, 1, usize::MAX;
    with_unfinished_timeout: Duration::ZERO, LONGEST;
    with_resume_window: Duration::ZERO, LONGEST;
    with_silence_timeout: Duration::ZERO, LONGEST;
    with_probe_interval: Duration::ZERO, LONGEST;
    with_negotiation_timeout: Duration::ZERO, LONGEST;
    with_validation_timeout: Duration::ZERO, LONGEST;
    with_offer_patience: Duration::ZERO, LONGEST;
    with_max_attempts: 0, u32::MAX;
    with_retry: Backoff { first: LONGEST, max: LONGEST };
    with_reconnect: Backoff { first: LONGEST, max: LONGEST };
    with_join_timeout: Duration::ZERO, LONGEST;
    with_stall_timeout: Duration::ZERO, LONGEST;
    with_ack_timeout: Duration::ZERO, LONGEST;
    with_max_pending_acks: 0, usize::MAX;
    with_max_transfers: 0, usize::MAX;
    with_transfer_window: 0, 1, usize::MAX;
    with_close_timeout: Duration::ZERO, LONGEST;
    with_forward_pairs: 0, usize::MAX;
    with_forward_rate: 0, u64::MAX;
    with_max_members: 0, usize::MAX;
};

fn send_file(mesh: &mut Mesh, a: Node, b: Node, field: &str) {
    let (to, name) = (mesh.id(b), Packet::event("file", &()).unwrap());
    let ours = mesh.with(a, |session, now| session.open_transfer(&to, &name, Some(300), now));
    let ours = ours.unwrap();
    let (mut data, mut read, mut theirs) = (Bytes::from(vec![7; 300]), 0, None);
    for _ in 0..2_000 {
        mesh.with(a, |session, now| session.write_transfer(&ours, &mut data, now)).unwrap();
        mesh.run_for(Duration::from_millis(50));
        let opened = mesh.take_events(b).into_iter().find_map(|event| match event {
            Event::TransferOpened { transfer, .. } => Some(transfer),
            _ => None,
        });
        theirs = theirs.or(opened);
        let Some(theirs) = &theirs else { continue };
        while let TransferRead::Data(bytes) =
            mesh.with(b, |session, now| session.read_transfer(theirs, now)).unwrap()
        {
            read += bytes.len();
        }
        if read == 300 {
            break;
        }
    }
    assert_eq!(read, 300, "{field}");
    mesh.with(a, |session, now| session.finish_transfer(&ours, now)).unwrap();
    mesh.run_for(Duration::from_secs(5));
    if let Some(theirs) = &theirs {
        let end = mesh.with(b, |session, now| session.read_transfer(theirs, now)).unwrap();
        assert_eq!(end, TransferRead::End, "{field}");
    }
}

#[test]
fn each_extreme_of_each_setting_is_refused_with_its_name_or_delivers_events_and_a_file() {
    for (setter, set) in EXTREMES {
        let config = set(Config::default());
        let field = &setter["with_".len()..];
        if let Err(error) = config.validate() {
            assert_eq!(error.field(), field);
            continue;
        }
        let mut mesh = Mesh::new(1);
        let (a, b) = (mesh.add(config.clone()), mesh.add(config.clone()));
        mesh.run_for(Duration::from_secs(8));
        let members = mesh.session(a).peers().count();
        if config.max_members == 0 {
            assert_eq!(members, 0);
            continue;
        }
        assert_eq!(members, 1, "{field}");
        for number in 0..3_u32 {
            let event = Packet::event("n", &(number, "x".repeat(3_000))).unwrap();
            let emitted = mesh.emit(a, Target::All, &event).unwrap();
            mesh.run_for(Duration::from_secs(20));
            assert!(emitted.rejected.is_empty(), "{field}: {emitted:?}");
        }
        let received = mesh.received(b).len();
        assert_eq!(received, 3, "{field}: {:?}", mesh.take_events(a));
        if config.max_transfers > 0 {
            send_file(&mut mesh, a, b, field);
        }
        mesh.with(a, |session, now| session.close(now));
        mesh.run_for(Duration::from_secs(10));
        assert!(matches!(mesh.take_events(a).last(), Some(Event::Closed)), "{field}");
    }
}
