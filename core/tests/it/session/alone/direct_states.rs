//! The states of direct paths with remotes and a transport that the test plays.

use socketio_p2p_core::wire::Decline;
use socketio_p2p_core::{
    CandidateKind, ConnectionReport, DirectStage, DirectState, NotWanted, Side,
};

use super::*;

fn state(alone: &Alone, peer: &str) -> DirectState {
    alone.session.peers().find(|one| one.id == id(peer)).unwrap().direct
}

/// Returns the states reported since the last call.
fn reported(alone: &mut Alone) -> Vec<DirectState> {
    let state = |event| match event {
        Event::DirectChanged { state, .. } => Some(state),
        _ => None,
    };
    alone.events().into_iter().filter_map(state).collect()
}

fn offer(alone: &mut Alone, from: &str, offer_id: &str) {
    let offer = json!(["offer", {
        "fromPeerId": from, "offerId": offer_id, "offer": {"type": "offer", "sdp": "theirs"},
    }]);
    alone.receive(&format!("2{offer}"));
}

fn offered(alone: &mut Alone) -> ConnectionId {
    let connection = |command| match command {
        Command::Direct(DirectCommand::Offer { connection, .. }) => Some(connection),
        _ => None,
    };
    alone.commands().into_iter().find_map(connection).expect("an offer")
}

#[test]
fn a_transport_that_reports_nothing_has_the_stages_of_its_signals() {
    let mut alone = Alone::with_members(Config::default(), &[("a", 1)]);
    let connection = offered(&mut alone);
    let trying = |stage| DirectState::Trying { attempt: 1, stage };
    assert_eq!(reported(&mut alone), [trying(DirectStage::Gathering)]);
    alone.session.handle_direct_signal(connection, &Signal::Offer("ours".into()), alone.now);
    assert_eq!(reported(&mut alone), [trying(DirectStage::Signaling)]);
    alone.session.handle_direct_open(connection, 65_536, alone.now);
    assert_eq!(reported(&mut alone), [trying(DirectStage::Validating)]);
}

#[test]
fn a_stage_is_reported_once_and_never_goes_back_or_beyond_the_channel() {
    let mut alone = Alone::with_members(Config::default(), &[("a", 1)]);
    let connection = offered(&mut alone);
    reported(&mut alone);
    for stage in [
        DirectStage::Dtls,
        DirectStage::Dtls,
        DirectStage::Gathering,
        DirectStage::Validated,
        DirectStage::Checking,
    ] {
        let report = ConnectionReport::new(stage);
        alone.session.handle_direct_report(connection, report, alone.now);
    }
    let trying = |stage| DirectState::Trying { attempt: 1, stage };
    assert_eq!(reported(&mut alone), [trying(DirectStage::Dtls), trying(DirectStage::Channel)]);
    let over = ConnectionId::from_u64(99);
    let report = ConnectionReport::new(DirectStage::Channel);
    alone.session.handle_direct_report(over, report, alone.now);
    assert!(alone.events().is_empty());
}

#[test]
fn the_last_report_before_a_failure_is_its_diagnosis() {
    let mut alone = Alone::with_members(Config::default(), &[("a", 1)]);
    let connection = offered(&mut alone);
    let mut report = ConnectionReport::new(DirectStage::Checking);
    report.local.add(CandidateKind::Host);
    alone.session.handle_direct_report(connection, report, alone.now);
    report.remote.add(CandidateKind::Relay);
    report.remote.add(CandidateKind::PeerReflexive);
    alone.session.handle_direct_report(connection, report, alone.now);
    alone.session.handle_direct_closed(connection, "no pair works".into(), alone.now);
    let peer = alone.session.peers().next().unwrap();
    let failure = peer.direct_failure.unwrap();
    assert_eq!(failure.stage, DirectStage::Checking);
    assert_eq!((failure.local, failure.remote), (report.local, report.remote));
    assert_eq!(failure.error, PeerError::DirectFailed("no pair works".into()));
    let DirectState::Failed { retry_at } = peer.direct else { panic!("{:?}", peer.direct) };
    alone.wait(retry_at - alone.now);
    let next = DirectState::Trying { attempt: 2, stage: DirectStage::Gathering };
    assert_eq!(state(&alone, "a"), next);
    assert!(alone.session.peers().next().unwrap().direct_failure.is_some(), "until a path works");
}

#[test]
fn an_original_peer_has_one_attempt_of_this_side() {
    let mut alone = Alone::with_members(Config::default(), &[("old", 0)]);
    let connection = offered(&mut alone);
    alone.session.handle_direct_closed(connection, "failed".into(), alone.now);
    assert_eq!(state(&alone, "old"), DirectState::GaveUp);
    offer(&mut alone, "old", "again");
    let trying = DirectState::Trying { attempt: 2, stage: DirectStage::Gathering };
    assert_eq!(state(&alone, "old"), trying);
    alone.receive(r#"2["peer-join",{"id":"newcomer","v":0}]"#);
    assert_eq!(state(&alone, "newcomer"), DirectState::AwaitingOffer { until: None });
}

#[test]
fn an_original_peer_is_direct_when_its_channel_opens() {
    let mut alone = Alone::with_members(Config::default(), &[("old", 0)]);
    let connection = offered(&mut alone);
    alone.session.handle_direct_open(connection, 65_536, alone.now);
    assert_eq!(state(&alone, "old"), DirectState::Direct);
}

#[test]
fn an_offer_without_room_for_it_is_declined_by_this_side_until_its_own_attempt_is_due() {
    let config = Config::default().with_max_peers(1);
    let mut alone = Alone::with_newcomers(config, &["a", "b"]);
    offer(&mut alone, "a", "o1");
    offer(&mut alone, "b", "o2");
    let DirectState::Declined { by: Side::Local, reason: Decline::Full, retry_at: Some(at) } =
        state(&alone, "b")
    else {
        panic!("{:?}", state(&alone, "b"))
    };
    alone.wait(at - alone.now);
    assert_eq!(state(&alone, "b"), DirectState::NotWanted(NotWanted::MaxPeers));
    alone.receive(r#"2["peer-disconnect",{"peerId":"a"}]"#);
    assert!(matches!(state(&alone, "b"), DirectState::Trying { attempt: 1, .. }));
}

#[test]
fn a_peer_that_declines_has_declined_until_it_offers() {
    let mut alone = Alone::with_members(Config::default(), &[("a", 1)]);
    let connection = offered(&mut alone);
    alone.session.handle_direct_signal(connection, &Signal::Offer("ours".into()), alone.now);
    let (offers,) = alone.sent()[0].args::<(Value,)>().unwrap();
    let decline = json!(["peer-signal", {
        "fromPeerId": "a", "toPeerId": "me", "offerId": offers["offers"][0]["offerId"],
        "signal": {"decline": "full"},
    }]);
    alone.receive(&format!("2{decline}"));
    let (by, reason) = (Side::Remote, Decline::Full);
    assert_eq!(state(&alone, "a"), DirectState::Declined { by, reason, retry_at: None });
    alone.wait(Duration::from_secs(60));
    assert_eq!(state(&alone, "a"), DirectState::Declined { by, reason, retry_at: None });
    offer(&mut alone, "a", "theirs");
    assert!(matches!(state(&alone, "a"), DirectState::Trying { .. }));
}

#[test]
fn members_wait_for_the_servers_answer_to_connect() {
    let mut session = Session::new(Config::default(), [9; 32], Time::from_millis(1)).unwrap();
    session.handle_signaling_open(Time::from_millis(1));
    let welcome = json!({
        "v": 1, "id": "me", "token": "t", "room": "lobby", "roster": [{"id": "a", "v": 1}],
        "limits": {"maxEnvelope": 65536, "maxAttachments": 16},
    });
    let welcome = format!("2{}", json!(["numClients", 1, welcome]));
    session.handle_signaling_frame(welcome.into(), Time::from_millis(1));
    assert_eq!(session.peers().next().unwrap().direct, DirectState::NoSignaling);
    session.handle_signaling_frame(r#"0{"sid":"s"}"#.into(), Time::from_millis(1));
    let states: Vec<_> = std::iter::from_fn(|| session.poll_event())
        .filter_map(|event| match event {
            Event::DirectChanged { state, .. } => Some(state),
            _ => None,
        })
        .collect();
    assert_eq!(states, [DirectState::Trying { attempt: 1, stage: DirectStage::Gathering }]);
}
