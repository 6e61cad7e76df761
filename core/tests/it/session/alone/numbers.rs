//! The numbers for monitoring, with remotes and a transport that the test plays.

use socketio_p2p_core::{CandidateKind, CandidatePair, ConnectionReport, DirectStage, PeerNumbers};

use super::*;

fn of(alone: &Alone, peer: &str) -> PeerNumbers {
    alone.session.peer_numbers(&id(peer)).unwrap()
}

#[test]
fn messages_of_a_channel_count_with_their_bytes() {
    let mut alone = Alone::with_newcomers(Config::default(), &["a"]);
    let channel = alone.open_channel("a");
    alone.answer_pings(channel);
    alone.sent_directly(channel);
    let before = of(&alone, "a").direct;
    alone.session.emit(Target::All, &numbered(0), alone.now).unwrap();
    let sent = alone.sent_directly(channel);
    let bytes: usize = sent.iter().map(Frame::len).sum();
    let after = of(&alone, "a").direct;
    assert_eq!(sent.len() as u64, after.messages_out - before.messages_out);
    assert_eq!(bytes as u64, after.bytes_out - before.bytes_out);
    assert_eq!((after.messages_in, after.bytes_in), (before.messages_in, before.bytes_in));
    let bundle = Bundle::write(KNOWN, &[has_events(1)]);
    let length = bundle.len() as u64;
    alone.direct_frame(channel, bundle);
    let heard = of(&alone, "a").direct;
    assert_eq!(heard.messages_in, after.messages_in + 1);
    assert_eq!(heard.bytes_in, after.bytes_in + length);
    assert_eq!(alone.session.peer_numbers(&id("nobody")), None);
}

#[test]
fn an_upload_that_serves_two_peers_counts_for_both() {
    let mut alone = Alone::with_members(relay_only(), &[("a", 1), ("b", 1)]);
    alone.sent();
    alone.session.emit(Target::All, &numbered(0), alone.now).unwrap();
    let uploads = alone.sent();
    let length = flat("2[\"n\",0]", &[]).len() as u64;
    for peer in ["a", "b"] {
        let relay = of(&alone, peer).relay;
        assert_eq!(downloads(peer, &uploads).len(), 1);
        assert_eq!((relay.messages_out, relay.bytes_out), (1, length));
    }
    let total = alone.session.numbers().relay;
    assert_eq!((total.messages_out, total.bytes_out), (2, 2 * length));
    let body = Bundle::write(KNOWN, &[has_events(1)]);
    let length = body.len() as u64;
    alone.receive_body("a", body);
    let relay = of(&alone, "a").relay;
    assert_eq!((relay.messages_in, relay.bytes_in), (1, length));
}

#[test]
fn packets_count_as_queued_until_they_are_acknowledged_and_lost_ones_as_sent_again() {
    let mut alone = Alone::with_members(relay_only(), &[("a", 1)]);
    let length = flat("2[\"n\",0]", &[]).len();
    for number in 0..3 {
        alone.session.emit(Target::All, &numbered(number), alone.now).unwrap();
    }
    let numbers = of(&alone, "a");
    assert_eq!((numbers.queued_packets, numbers.queued_bytes), (3, 3 * length));
    assert_eq!((numbers.retransmitted_records, numbers.retransmitted_bytes), (0, 0));
    let mut asked = Vec::new();
    alone.sent();
    alone.wait_and(Duration::from_millis(1_500), |alone| {
        asked.extend(pings(&items(&alone.sent_to("a"))))
    });
    alone.receive_bundle("a", KNOWN, &[has_events(1), Item::Pong(asked[0])]);
    assert_eq!(packets(&items(&alone.sent_to("a"))).len(), 2);
    let numbers = of(&alone, "a");
    assert_eq!((numbers.queued_packets, numbers.queued_bytes), (2, 2 * length));
    assert_eq!(numbers.retransmitted_records, 2);
    assert_eq!(numbers.retransmitted_bytes, 2 * length as u64);
    alone.receive_bundle("a", KNOWN, &[has_events(3)]);
    assert_eq!(of(&alone, "a").queued_packets, 0);
}

#[test]
fn attempts_and_their_failures_count_and_the_candidates_are_those_of_the_connection() {
    let mut alone = Alone::with_members(Config::default(), &[("a", 1)]);
    let connection = alone.commands().into_iter().find_map(|command| match command {
        Command::Direct(DirectCommand::Offer { connection, .. }) => Some(connection),
        _ => None,
    });
    let connection = connection.expect("an offer");
    let (local, remote) = (CandidateKind::Host, CandidateKind::ServerReflexive);
    let mut report = ConnectionReport::new(DirectStage::Dtls);
    report.selected = Some(CandidatePair { local, remote });
    alone.session.handle_direct_report(connection, report, alone.now);
    let numbers = of(&alone, "a");
    assert_eq!((numbers.attempts, numbers.failures), (1, 0));
    assert_eq!(numbers.candidates, report.selected);
    alone.session.handle_direct_closed(connection, "failed".into(), alone.now);
    let numbers = of(&alone, "a");
    assert_eq!((numbers.attempts, numbers.failures, numbers.candidates), (1, 1, None));
}
