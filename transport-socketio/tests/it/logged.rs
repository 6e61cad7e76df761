//! What clients and servers log, and that it contains no secret.

use std::time::Duration;

use bytes::Bytes;
use serde_json::{Value, json};
use socketio_p2p_core::hub::{Admission, HubConfig};
use socketio_p2p_core::{AuthPayload, Event, MemberData, Packet, Path, Target};
use socketio_p2p_transport_socketio::{JoinFailure, JoinRequest, Rejection, SignalingServer, join};
use socketio_p2p_transport_webrtc::{WebRtcConfig, WebRtcTransport};

use crate::logs::Logs;
use crate::support::{Client, next_event, serve, soon, until};

const SECRET: &str = "marker-of-a-secret";

/// What logs must not contain: the secret, and parts of session descriptions and candidates.
const SECRETS: [&str; 5] = [SECRET, "v=0", "a=", "ice-pwd", "candidate:"];

fn direct() -> WebRtcTransport {
    let mut config = WebRtcConfig::default();
    config.addresses = vec![std::net::Ipv4Addr::LOCALHOST.into()];
    WebRtcTransport::new(config).unwrap()
}

fn secret_data() -> MemberData {
    MemberData::new(SECRET).unwrap()
}

async fn ticket(ticket: &str) -> Result<AuthPayload, socketio_p2p_core::AuthError> {
    AuthPayload::new(&json!({ "ticket": ticket, "password": SECRET }))
}

async fn by_ticket(client: JoinRequest) -> Result<Admission, Rejection> {
    match client.read_auth::<Value>()?["ticket"].as_str() {
        Some(SECRET) => Ok(Admission::default().with_user(secret_data())),
        _ => Err(Rejection::new("no-ticket", SECRET)?),
    }
}

/// Two peers with secrets in all that they say, a direct path, and the end of their server. Returns their tokens.
async fn a_life() -> Vec<String> {
    let server = serve(SignalingServer::new(HubConfig::default()).with_admission(by_ticket)).await;
    let url = server.url().replace("http://", &format!("http://user:{SECRET}@"));
    let url = format!("{url}/?key={SECRET}");
    let enter = || async {
        let joining = join(&url).auth(|| ticket(SECRET)).metadata(secret_data()).direct(direct());
        soon("joining", joining.into_future()).await.unwrap()
    };
    let ((ann, mut anns), (bob, mut bobs)) = (enter().await, enter().await);
    let is_direct = |event: &Event| matches!(event, Event::PathChanged { path: Path::Direct, .. });
    next_event(&mut anns, is_direct).await;
    next_event(&mut bobs, is_direct).await;
    let packet = Packet::event(SECRET, &(SECRET, Bytes::from_static(SECRET.as_bytes()))).unwrap();
    for target in [Target::All, Target::Server] {
        let emitted = ann.emit(target, &packet).await.unwrap();
        assert!(emitted.rejected.is_empty());
    }
    next_event(&mut bobs, |event| matches!(event, Event::Received { .. })).await;
    let tokens = [&ann, &bob]
        .map(|peer| peer.with(|session, _| session.resume_token().unwrap().as_str().to_owned()));
    server.signaling().drain(Duration::from_secs(60), Duration::from_secs(5)).await;
    next_event(&mut bobs, |event| matches!(event, Event::Disconnected { .. })).await;
    drop((ann, bob));
    server.close().await;
    tokens.into()
}

/// Clients that are not let in.
async fn refusals() {
    let server = serve(SignalingServer::new(HubConfig::default()).with_admission(by_ticket)).await;
    let url = server.url();
    let refused = soon("a refusal", join(&url).auth(|| ticket("none")).into_future()).await;
    assert!(matches!(refused, Err(JoinFailure::Refused(_))));
    let malformed = json!({ "p2p": { "v": SECRET }, "ticket": SECRET });
    let _refused = Client::connect_with(&url, Some(&malformed)).await;
    server.close().await;
}

/// A client that does not read.
async fn eviction() {
    let config = HubConfig::default();
    let server = serve(SignalingServer::new(config).with_queue_bytes(64 * 1024)).await;
    let (mut sender, _) = Client::v1(&server.url(), "x", None).await;
    let (_stuck, stuck_is) = Client::v1(&server.url(), "x", None).await;
    let payload = Bytes::from(SECRET.repeat(3000));
    for seq in 0.. {
        if server.signaling().stats().evicted > 0 {
            break;
        }
        let parts = [Bytes::from_static(b"51-[\"x\"]"), payload.clone()];
        sender.relay(&[(&stuck_is.id, seq)], &parts).await;
    }
}

/// A client whose server goes away without a word.
async fn crash() {
    let server = serve(SignalingServer::new(HubConfig::default())).await;
    let (_ann, mut events) = join(&server.url()).await.unwrap();
    server.close().await;
    next_event(&mut events, |event| matches!(event, Event::Disconnected { .. })).await;
}

#[tokio::test]
async fn a_rejection_is_logged_with_its_code_and_not_with_its_text() {
    let (logs, _guard) = Logs::collect();
    refusals().await;
    assert!(logs.has("admission refused", &[("code", "no-ticket")]));
    assert!(logs.has("admission refused", &[("code", "bad-auth")]));
    assert!(logs.has("refused", &[("code", "no-ticket")]));
    logs.check(&SECRETS);
}

#[tokio::test]
async fn an_eviction_is_a_warning_with_the_member_and_the_limit() {
    let (logs, _guard) = Logs::collect();
    eviction().await;
    let evicted = &logs.of("evicted")[0];
    assert_eq!(evicted.kind.level, "warn");
    assert_eq!(
        (evicted.values["room"].as_str(), evicted.values["limit_bytes"].as_str()),
        ("x", "65536")
    );
    assert!(logs.has("away", &[("peer", &evicted.values["peer"])]));
    logs.check(&SECRETS);
}

#[tokio::test]
async fn the_end_of_a_signalling_channel_is_logged_with_its_reason() {
    let (logs, _guard) = Logs::collect();
    crash().await;
    until("the end of the channel", || !logs.of("channel closed").is_empty()).await;
    let closed = &logs.of("channel closed")[0].values;
    assert_eq!(closed["server"], logs.of("channel opened")[0].values["server"]);
    assert_eq!(closed["reason"], "closed by the server");
}

#[tokio::test]
async fn a_life_of_two_peers_is_logged_without_what_they_say_and_show() {
    let (logs, _guard) = Logs::collect();
    let tokens = a_life().await;
    refusals().await;
    eviction().await;
    logs.check_complete();
    let secrets = SECRETS.into_iter().chain(tokens.iter().map(String::as_str));
    logs.check(&secrets.collect::<Vec<_>>());
    // Transports log in the span of their session.
    for message in ["path changed", "connection report", "channel closed"] {
        let entry = &logs.of(message)[0];
        assert_eq!(entry.spans.len(), 1, "{entry:?}");
        assert!(logs.has("connected", &[("session", &entry.spans[0]["session"])]));
    }
}
