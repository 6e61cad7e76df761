//! The server's messages, missing messages, and output that the server does not take.

use super::*;

#[test]
fn malformed_frames_of_the_server_close_the_signalling_channel_only() {
    for garbage in ["", "9", "2[\"a\"", "52-[\"a\"]\u{0}", "2{\"a\":1}", "31[", "2[\"offer\",{}]"] {
        let mut alone = Alone::with_members(Config::default(), &[("a", 1)]);
        alone.events();
        alone.receive(garbage);
        let events = alone.events();
        assert!(
            has(&events, |event| matches!(event, Event::Disconnected { .. })),
            "{garbage:?}: {events:?}"
        );
        assert!(has_close(&alone.commands()), "{garbage:?}");
        assert_eq!(alone.session.peers().count(), 1);
    }
}

#[test]
fn metadata_that_the_server_does_not_take_needs_no_timer() {
    let mut alone = Alone::with_members(relay_only(), &[]);
    for number in 0..9 {
        let data = Some(MemberData::new(&number).unwrap());
        alone.session.set_metadata(data, alone.now);
        assert_eq!(alone.session.poll_timeout().is_some(), number == 8);
        if number < 8 {
            assert_eq!(alone.sent().len(), 1);
        }
    }
    // The ninth is told a second later, and then waits for room.
    assert!(alone.sent().is_empty());
    alone.now = alone.session.poll_timeout().unwrap();
    assert_eq!(alone.now, Time::from_millis(1_001));
    alone.session.handle_timeout(alone.now);
    assert_eq!(alone.session.poll_timeout(), None);
    assert_eq!(alone.sent().len(), 1);
}

#[test]
fn a_roster_with_repeated_members_or_the_session_itself_does_no_harm() {
    let mut alone = Alone::with_members(relay_only(), &[("a", 1), ("a", 1), ("me", 1)]);
    alone.receive(r#"2["peer-join",{"id":"a","v":1}]"#);
    let joined = alone.events();
    let joined = joined.iter().filter(|event| matches!(event, Event::PeerJoined { .. })).count();
    assert_eq!((joined, alone.session.peers().count()), (1, 1));
}

#[test]
fn a_join_without_a_welcome_times_out_with_an_error() {
    let now = Time::from_millis(1);
    let mut session = Session::new(Config::default(), [1; 32], now).unwrap();
    session.handle_signaling_open(now);
    session.handle_signaling_frame("0{\"sid\":\"s\"}".into(), now);
    session.handle_signaling_frame("2[\"numClients\",3]".into(), now);
    let later = session.poll_timeout().unwrap();
    session.handle_timeout(later);
    let events: Vec<Event> = std::iter::from_fn(|| session.poll_event()).collect();
    assert!(
        has(&events, |event| matches!(
            event,
            Event::Disconnected { error: SignalingError::NoWelcome { .. }, .. }
        )),
        "{events:?}"
    );
}

#[test]
fn signals_that_the_server_does_not_accept_are_bounded() {
    let names: Vec<String> = (0..100).map(|number| format!("p{number}")).collect();
    let members: Vec<(&str, u8)> = names.iter().map(|name| (name.as_str(), 1)).collect();
    let mut alone = Alone::with_members(Config::default().with_max_peers(0), &members);
    for number in 0..16 {
        for name in &names {
            let offer = json!(["offer", {
                "fromPeerId": name, "offerId": format!("{name}-{number}"),
                "offer": {"type": "offer", "sdp": "x"},
            }]);
            alone.receive(&format!("2{offer}"));
        }
    }
    let sent = alone.sent();
    assert!(sent.len() <= 1024, "{}", sent.len());
    let (last,) = sent.last().unwrap().args::<(Value,)>().unwrap();
    assert_eq!(last["offerId"], "p99-15");
}

#[test]
fn a_second_welcome_replaces_the_roster() {
    let mut alone = Alone::with_members(relay_only(), &[("a", 1), ("b", 1)]);
    let welcome = json!(["numClients", 1, {
        "v": 1, "id": "me", "token": "t", "room": "lobby", "roster": [{"id": "b", "v": 1}],
        "limits": {"maxEnvelope": 65536, "maxAttachments": 16},
    }]);
    alone.receive(&format!("2{welcome}"));
    let away: Vec<bool> = alone.session.peers().map(|peer| peer.away).collect();
    assert_eq!(away, [true, false]);
}

#[test]
fn no_packet_is_sent_before_the_answer_to_connect() {
    let now = Time::from_millis(1);
    let mut session = Session::new(Config::default(), [1; 32], now).unwrap();
    session.handle_signaling_open(now);
    assert!(session.poll_signaling_transmit(now).is_some(), "CONNECT");
    let welcome = json!(["numClients", 1, {
        "v": 1, "id": "me", "token": "t", "room": "lobby", "roster": [{"id": "a", "v": 1}],
        "limits": {"maxEnvelope": 65536, "maxAttachments": 16},
    }]);
    session.handle_signaling_frame(format!("2{welcome}").into(), now);
    session.emit(Target::All, &Packet::event("x", &()).unwrap(), now).unwrap();
    assert!(session.poll_signaling_transmit(now).is_none() && !session.is_joined());
    session.handle_signaling_frame("0{\"sid\":\"s\"}".into(), now);
    assert!(session.poll_signaling_transmit(now).is_some() && session.is_joined());
}

#[test]
fn a_pause_that_the_hub_demands_is_kept_within_a_bound() {
    for (wait, least, most) in
        [("20000", 20_000, 20_000), ("1", 0, 1_000), ("99999999999", 60_000, 60_000)]
    {
        let now = Time::from_millis(1);
        let mut session = Session::new(Config::default(), [1; 32], now).unwrap();
        session.handle_signaling_open(now);
        let refusal =
            format!(r#"4{{"message":"too-many-joins: try again in {wait} ms: too many"}}"#);
        session.handle_signaling_frame(refusal.into(), now);
        let Some(Event::Disconnected { retry_in, .. }) = session.poll_event() else {
            panic!("expected a pause")
        };
        let retry_in = retry_in.as_millis();
        assert!((least..=most).contains(&retry_in), "{wait} ms demanded, {retry_in} ms waited");
    }
}

#[test]
fn the_code_of_a_refusal_is_found_in_its_data_or_before_its_message() {
    for (refusal, code) in [
        (r#"4{"message":"full","data":{"code":"room-full"}}"#, Some("room-full")),
        (r#"4{"message":"room-full: room \"x\" is full"}"#, Some("room-full")),
        (r#"4{"message":"Not: a code"}"#, None),
        ("4", None),
    ] {
        let now = Time::from_millis(1);
        let mut session = Session::new(Config::default(), [1; 32], now).unwrap();
        session.handle_signaling_open(now);
        session.handle_signaling_frame(refusal.into(), now);
        let events: Vec<Event> = std::iter::from_fn(|| session.poll_event()).collect();
        let [Event::Refused(refused)] = &events[..] else { panic!("{refusal}: {events:?}") };
        assert_eq!(refused.code.as_deref(), code, "{refusal}");
    }
}

#[test]
fn a_welcome_without_an_answer_to_connect_times_out() {
    let now = Time::from_millis(1);
    let mut session = Session::new(Config::default(), [1; 32], now).unwrap();
    session.handle_signaling_open(now);
    let welcome = json!(["numClients", 0, {
        "v": 1, "id": "me", "token": "t", "room": "lobby", "roster": [],
        "limits": {"maxEnvelope": 65536, "maxAttachments": 16},
    }]);
    session.handle_signaling_frame(format!("2{welcome}").into(), now);
    let later = session.poll_timeout().expect("a deadline for the answer");
    session.handle_timeout(later);
    let events: Vec<Event> = std::iter::from_fn(|| session.poll_event()).collect();
    assert!(has(&events, |event| matches!(event, Event::Disconnected { .. })), "{events:?}");
}
