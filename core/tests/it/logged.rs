//! What sessions and a hub log.

use std::time::Duration;

use serde_json::json;
use socketio_p2p_core::codec::Blob;
use socketio_p2p_core::hub::{Handled, Hub, HubConfig};
use socketio_p2p_core::wire::{Download, ServerMessage};
use socketio_p2p_core::{
    AuthPayload, Config, Event, MemberData, Packet, Path, Policy, RoomName, Session, Target, Time,
};
use socketio_p2p_transport_memory::{Conditions, Mesh, Node};

use crate::logs::Logs;

const PAYLOAD: &str = "marker-payload";
const METADATA: &str = "marker-metadata";
const AUTH: &str = "marker-auth";
const TOKEN_KEY: [u8; 32] = *b"marker-token-key-of-32-bytes-...";

fn config() -> Config {
    Config::default().with_metadata(Some(MemberData::new(METADATA).unwrap()))
}

/// A mesh of two sessions that know each other, and whose room is full.
fn pair(policy: Policy, receiver: impl FnOnce(Config) -> Config) -> (Mesh, Node, Node) {
    let hub = HubConfig::default().with_room_capacity(2).with_token_key(TOKEN_KEY);
    let mut mesh = Mesh::with_hub(1, hub);
    let config = config().with_policy(policy);
    let (a, b) = (mesh.add(config.clone()), mesh.add(receiver(config)));
    assert!(mesh.run_until(Duration::from_secs(5), |mesh| mesh.peer(a, b).is_some()));
    if policy == Policy::Automatic {
        mesh.run_until_direct(a, b);
    }
    mesh.emit(a, Target::All, &say(PAYLOAD)).unwrap();
    mesh.run_for(Duration::from_secs(1));
    (mesh, a, b)
}

fn same(config: Config) -> Config {
    config
}

fn say(text: &str) -> Packet {
    Packet::event("say", &(text, Blob::from(text.as_bytes().to_vec()))).unwrap()
}

/// Returns the resume token of a session.
fn join_and_upgrade() -> String {
    let (mut mesh, a, _) = pair(Policy::Automatic, same);
    let auth = AuthPayload::new(&json!({ "ticket": AUTH })).unwrap();
    mesh.with(a, |session, _| session.set_auth(Some(auth)));
    mesh.cut_signaling(a);
    mesh.run_for(Duration::from_secs(5));
    mesh.session(a).resume_token().unwrap().as_str().to_owned()
}

/// The entry of this library is malformed, and contains a secret.
fn bad_auth() {
    let mut hub = Hub::new(HubConfig::default(), [1; 32]).unwrap();
    for auth in [json!({ "v": AUTH }), json!({ "v": 1, "token": { AUTH: AUTH }, "room": [AUTH] })] {
        let connect = Packet::connect(Some(&json!({ "p2p": auth, "ticket": AUTH }))).unwrap();
        let handled = hub.handle_packet(None, connect, "name", Time::ZERO).unwrap();
        assert!(matches!(handled, Handled::Refused { .. }), "{handled:?}");
    }
}

#[test]
fn a_malformed_auth_payload_is_logged_without_being_quoted() {
    let (logs, _guard) = Logs::collect();
    bad_auth();
    assert!(logs.has("join refused", &[("code", "bad-auth")]));
    logs.check(&[AUTH, "ticket"]);
}

#[test]
fn a_join_is_logged_at_the_hub_and_at_the_session_and_its_resumption_too() {
    let (logs, _guard) = Logs::collect();
    join_and_upgrade();
    let connected = logs.of("connected");
    assert_eq!(connected.len(), 3);
    for entry in &connected {
        let session = ("peer", entry.values["session"].as_str());
        let resumed = ("resumed", entry.values["resumed"].as_str());
        assert_eq!(entry.values["room"], "lobby");
        assert!(logs.has("joined", &[session, resumed, ("room", "lobby"), ("dialect", "1")]));
    }
    assert_eq!(connected[2].values["resumed"], "true");
    assert!(logs.has("away", &[("peer", &connected[2].values["session"])]));
    let disconnected = &logs.of("disconnected")[0];
    assert_eq!(disconnected.values["session"], connected[2].values["session"]);
    assert_eq!(logs.of("peer joined").len(), 2);
}

#[test]
fn an_attempt_at_a_direct_path_is_logged_with_its_stages() {
    let (logs, _guard) = Logs::collect();
    join_and_upgrade();
    let peer = logs.of("peer joined")[0].values.clone();
    let of_one = logs.of("direct path").into_iter().filter(|entry| {
        entry.values["session"] == peer["session"] && entry.values["peer"] == peer["peer"]
    });
    let states: Vec<String> = of_one.map(|entry| entry.values["state"].clone()).collect();
    for stage in ["checking", "DTLS", "channel", "validating"] {
        assert!(states.iter().any(|state| state.contains(stage)), "{stage}: {states:?}");
    }
    assert_eq!(states.last().map(String::as_str), Some("direct"), "{states:?}");
}

fn refused_join() {
    let (mut mesh, _, _) = pair(Policy::RelayOnly, same);
    mesh.add(config());
    mesh.run_for(Duration::from_secs(1));
}

#[test]
fn a_refused_join_is_logged_at_the_hub_and_at_the_session() {
    let (logs, _guard) = Logs::collect();
    refused_join();
    assert!(logs.has("join refused", &[("code", "room-full"), ("room", "lobby")]));
    assert!(logs.has("refused", &[("session", "-"), ("code", "room-full")]));
}

fn direct_path_lost() {
    let (mut mesh, a, b) = pair(Policy::Automatic, same);
    mesh.set_blocked(a, b, true);
    mesh.close_direct(a, b);
    mesh.run_for(Duration::from_secs(60));
}

#[test]
fn a_path_change_is_logged_with_its_reason_and_a_failed_attempt_with_its_failure() {
    let (logs, _guard) = Logs::collect();
    direct_path_lost();
    assert!(logs.has("path changed", &[("path", "direct"), ("reason", "direct-validated")]));
    assert!(logs.has("path changed", &[("path", "relay"), ("reason", "direct-lost")]));
    assert!(logs.of("path changed").iter().all(|entry| entry.values["session"] != "-"));
    let failed = logs.of("direct path");
    assert!(failed.iter().any(|entry| entry.values.contains_key("failure")), "{failed:?}");
}

fn change_of_policy() {
    let (mut mesh, a, _) = pair(Policy::Automatic, same);
    mesh.with(a, |session, now| session.set_policy(Policy::RelayOnly, now));
    mesh.run_for(Duration::from_secs(1));
}

#[test]
fn a_direct_path_that_the_policy_ends_is_not_logged_as_lost() {
    let (logs, _guard) = Logs::collect();
    change_of_policy();
    assert!(logs.has("path changed", &[("path", "relay"), ("reason", "policy")]));
}

fn loss() {
    let (mut mesh, a, b) = pair(Policy::RelayOnly, same);
    mesh.set_relay_conditions(b, Conditions { loss: 500, ..Conditions::default() });
    for _ in 0..20 {
        mesh.emit(a, mesh.id(b), &say(PAYLOAD)).unwrap();
        mesh.run_for(Duration::from_secs(2));
    }
}

#[test]
fn lost_records_are_logged_with_their_path() {
    let (logs, _guard) = Logs::collect();
    loss();
    assert!(logs.has("records lost", &[("path", "relay")]));
}

fn refused_packet() {
    // `pair` emits the packet.
    pair(Policy::RelayOnly, |config| config.with_policy(Policy::DirectOnly));
}

#[test]
fn a_refused_packet_is_logged_at_both_ends() {
    let (logs, _guard) = Logs::collect();
    refused_packet();
    let refused = &logs.of("not delivered")[0].values;
    assert_eq!(refused["outcome"], "refused");
    let error = &logs.of("peer error")[0].values;
    assert_eq!((&error["session"], &error["peer"]), (&refused["peer"], &refused["session"]));
    assert!(error["error"].contains("path relay, which the policy forbids"), "{error:?}");
}

fn bad_bundle() {
    let (mut mesh, a, b) = pair(Policy::RelayOnly, same);
    let body = [&[0xff; 8], PAYLOAD.as_bytes()].concat().into();
    let download = Download { from: mesh.id(b), numbers: None, piece: None, body };
    let packet = ServerMessage::Relay(download).to_packet().unwrap();
    mesh.with(a, |session, now| {
        packet.frames().for_each(|frame| session.handle_signaling_frame(frame, now));
    });
    mesh.run_for(Duration::from_secs(1));
}

#[test]
fn a_violation_of_the_link_protocol_is_logged_with_the_peer_and_the_cause() {
    let (logs, _guard) = Logs::collect();
    bad_bundle();
    let error = &logs.of("peer error")[0].values["error"];
    assert!(error.starts_with("the peer violated the link protocol: "), "{error}");
}

fn malformed_message_and_kick() {
    let (mut mesh, a, b) = pair(Policy::RelayOnly, same);
    let (room, id) = (RoomName::default(), mesh.id(b));
    mesh.with_server(|hub, now| {
        let client = hub.client_of(&room, &id).unwrap();
        hub.handle_malformed(client, now);
        assert!(hub.kick(&room, &id, now));
    });
    mesh.run_for(Duration::from_secs(1));
    assert!(mesh.session(a).peers().next().is_none());
}

#[test]
fn a_kick_is_logged_and_a_client_that_violates_a_rule() {
    let (logs, _guard) = Logs::collect();
    malformed_message_and_kick();
    assert!(logs.has("left", &[("room", "lobby"), ("kicked", "true")]));
    assert_eq!(logs.of("connection closed").len(), 1);
    assert_eq!(logs.of("message refused").len(), 1);
    assert!(logs.of("peer left").iter().any(|entry| entry.values["reason"] == "kicked"));
}

/// One end loses its connection and comes back, and the other one closes.
fn comings_and_goings() {
    let (mut mesh, a, b) = pair(Policy::RelayOnly, same);
    mesh.set_reachable(b, false);
    mesh.run_for(Duration::from_secs(2));
    mesh.set_reachable(b, true);
    mesh.run_for(Duration::from_secs(3));
    mesh.with(a, Session::close);
    mesh.run_for(Duration::from_secs(10));
    assert!(mesh.take_events(a).iter().any(|event| matches!(event, Event::Closed)));
}

/// The hub loses its key.
fn renamed() {
    let (mut mesh, _, _) = pair(Policy::Automatic, same);
    mesh.stop_server();
    mesh.lose_token_key();
    mesh.run_for(Duration::from_millis(300));
    mesh.start_server();
    mesh.run_for(Duration::from_secs(5));
}

#[test]
fn each_row_of_the_table_is_logged_by_some_run_and_nothing_of_it_is_secret() {
    let (logs, _guard) = Logs::collect();
    let token = join_and_upgrade();
    for scenario in [
        refused_join,
        bad_auth,
        direct_path_lost,
        change_of_policy,
        loss,
        refused_packet,
        bad_bundle,
        malformed_message_and_kick,
        comings_and_goings,
        renamed,
    ] {
        scenario();
    }
    #[cfg(feature = "driver")]
    {
        drivers();
        logs.check_complete();
    }
    let markers = [PAYLOAD, METADATA, AUTH, &token, "marker", "v=0", "candidate:"];
    logs.check(&markers);
}

/// Two drivers, one of them split, with a direct path.
#[cfg(feature = "driver")]
fn drivers() {
    use futures::StreamExt as _;

    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_time()
        .start_paused(true)
        .build()
        .unwrap();
    runtime.block_on(async {
        let mut net = crate::driver::Net::new();
        let mut driver = net.peer(config());
        let (peer, mut events, run) = net.peer(config()).split();
        let direct = |event: &Event| matches!(event, Event::PathChanged { path: Path::Direct, .. });
        let both = async {
            tokio::join!(run, async {
                while !direct(&events.next().await.unwrap()) {}
                peer.close().await.unwrap();
            })
        };
        let other =
            async { while !matches!(driver.next().await.unwrap(), Event::PeerLeft { .. }) {} };
        tokio::join!(both, other);
    });
}

#[cfg(feature = "driver")]
#[test]
fn the_async_layers_log_in_the_span_of_their_session() {
    use std::collections::{BTreeMap, BTreeSet};

    let (logs, _guard) = Logs::collect();
    drivers();
    let entries = logs.entries();
    let mut sessions = BTreeSet::new();
    let has = |values: &BTreeMap<String, String>, name| values.contains_key(name);
    let own = entries.iter().filter(|e| has(&e.values, "peer") && has(&e.values, "session"));
    for entry in own {
        let [span] = &entry.spans[..] else { panic!("{entry:?}") };
        assert_eq!(span["room"], "lobby");
        assert_eq!(span["session"], entry.values["session"], "{entry:?}");
        sessions.insert(span["session"].clone());
    }
    assert_eq!(sessions.len(), 2);
}
