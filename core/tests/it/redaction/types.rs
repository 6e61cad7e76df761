//! Public types that hold secrets, each separately.

use bytes::Bytes;
use socketio_p2p_core::codec::{Blob, Decoder, Encoder, Limits, Value};
use socketio_p2p_core::hub::HubConfig;
use socketio_p2p_core::wire::{
    AddressedOffer, BadBundle, Bundle, Download, Epochs, IceCandidate, IceServer, Item, Join,
    MessageError, Passed, PeerSignal, RawSignal, Record, Seal, Signal, Stream, Upload, Welcome,
};
use socketio_p2p_core::{
    Command, ConnectionId, DirectCommand, EmitError, Frame, Namespace, Packet, PeerError, PeerId,
    ReplyError, RoomName, SignalingError, TransferRead,
};

use super::world::Markers;
use super::{
    ATTACHMENT, CANDIDATE, DESCRIPTION, PAYLOAD, TOKEN_KEY, TRANSFER, TURN_CREDENTIAL, TURN_USER,
    USER_FRAGMENT, event,
};

fn peer() -> PeerId {
    "peer".parse().unwrap()
}

fn ice_server() -> IceServer {
    IceServer::new(["turn:turn.example.org"]).with_credential(TURN_USER, TURN_CREDENTIAL)
}

fn body() -> Bytes {
    Bytes::from_static(ATTACHMENT)
}

#[test]
fn packets_frames_and_values_are_shown_without_content() {
    let markers = Markers::new();
    markers.show(&Frame::from(PAYLOAD));
    markers.show(&Frame::from(body()));
    markers.show(&event());
    markers.show(&Blob::from(ATTACHMENT.to_vec()));
    markers.show(&event().args::<(Value, Value)>().unwrap());
    let nested = serde_json::json!([{PAYLOAD: [PAYLOAD]}]).to_string();
    markers.show(&Packet::from_head_and_attachments(
        format!("2[\"e\",{nested}]").into(),
        Vec::new(),
        &Limits::default(),
    ));
    let mut decoder = Decoder::new(Limits::default());
    let mut frames = event().frames().collect::<Vec<_>>().into_iter();
    decoder.push(frames.next().unwrap()).unwrap();
    markers.show(&decoder);
    let mut encoder = Encoder::new();
    let value = (PAYLOAD, Blob::from(ATTACHMENT.to_vec()));
    markers.show(&encoder.event(&Namespace::default(), None, "e", &value).unwrap());
    markers.show(&encoder);
}

#[test]
fn signals_and_memberships_are_shown_without_content() {
    let markers = Markers::new();
    let mut candidate = IceCandidate::new(CANDIDATE);
    candidate.username_fragment = Some(USER_FRAGMENT.into());
    markers.show(&candidate);
    for signal in [
        Signal::Offer(DESCRIPTION.into()),
        Signal::Answer(DESCRIPTION.into()),
        Signal::Candidate(candidate),
    ] {
        let raw = RawSignal::try_from(&signal).unwrap();
        markers.show(&signal);
        markers.show(&raw);
        let (offer_id, to_peer_id) = ("o".to_owned(), Some(peer()));
        markers.show(&AddressedOffer::new(offer_id, raw.clone(), to_peer_id));
        let (offer_id, to_peer_id) = ("o".to_owned(), peer());
        markers.show(&PeerSignal::new(offer_id, raw, to_peer_id));
    }
    markers.show(&ice_server());
    let mut join = Join::v0(RoomName::default());
    join.token = Some(PAYLOAD.into());
    markers.show(&join);
    let welcome: Welcome = serde_json::from_value(serde_json::json!({
        "v": 1, "id": "me", "token": PAYLOAD, "room": "lobby", "roster": [],
        "limits": {"maxEnvelope": 65536, "maxAttachments": 16},
        "iceServers": [{"urls": [], "username": TURN_USER, "credential": TURN_CREDENTIAL}],
    }))
    .unwrap();
    markers.show(&welcome);
    let config = HubConfig::default().with_token_key(TOKEN_KEY);
    markers.show(&config.with_ice_servers(vec![ice_server()]));
}

#[test]
fn envelopes_bundles_and_transport_commands_are_shown_without_content() {
    let markers = Markers::new();
    markers.show(&Upload { to: Vec::new(), piece: None, body: body() });
    markers.show(&Download { from: peer(), numbers: None, piece: None, body: body() });
    let (stream, bytes) = (Stream::Transfers, body());
    let record = Record { stream, number: 0, offset: 0, end: true, abort: false, bytes };
    let epochs = Epochs { epoch: 1, peer_epoch: 1 };
    let bundle = Bundle::write(epochs, &[Item::Record(record.clone())]);
    markers.show(&Bundle::read(bundle.clone()).unwrap());
    let passed = Passed { number: 1, seal: Seal::new(TOKEN_KEY), bundle: body() };
    markers.show(&passed.seal);
    markers.show(&Item::Record(record));
    markers.show(&Item::Pass(peer(), passed));
    markers.show(&TransferRead::Data(Bytes::from_static(TRANSFER)));
    let (connection, ice_servers) = (ConnectionId::from_u64(1), vec![ice_server()]);
    markers.show(&Command::Direct(DirectCommand::Offer {
        connection,
        ice_servers: ice_servers.clone(),
        datagrams: true,
    }));
    markers.show(&Command::Direct(DirectCommand::Answer {
        connection,
        ice_servers,
        sdp: DESCRIPTION.into(),
        datagrams: true,
    }));
    let signal = Signal::Answer(DESCRIPTION.into());
    markers.show(&Command::Direct(DirectCommand::Signal { connection, signal }));
}

#[test]
fn read_errors_name_the_position_and_show_no_content() {
    let mut markers = Markers::new();
    markers.show_error(&event().args::<(u32,)>().unwrap_err());
    markers.show_error(&event().args::<(Value, u32)>().unwrap_err());
    markers.show_error(&event().data::<u32>().unwrap_err());
    for auth in [
        format!(r#"{{"p2p":"{PAYLOAD}"}}"#),
        format!(r#"{{"p2p":{{"v":"{PAYLOAD}"}}}}"#),
        format!(r#"{{"p2p":{{"v":1,"token":["{PAYLOAD}"]}}}}"#),
        PAYLOAD.to_owned(),
    ] {
        markers.show_error(&Join::from_auth(&auth).unwrap_err());
    }
    for signal in [format!(r#""{DESCRIPTION}""#), format!(r#"{{"type":"{DESCRIPTION}","sdp":""}}"#)]
    {
        markers.show_error(&RawSignal::from_json(signal).unwrap().parse().unwrap_err());
    }
    markers.show_error(&RawSignal::from_json(DESCRIPTION.to_owned()).unwrap_err());
}

/// The checks themselves: each form in which a marker could be printed is found.
#[test]
fn a_leak_is_found_in_every_form() {
    use base64::Engine as _;
    use base64::engine::general_purpose::STANDARD;

    let markers = Markers::new();
    let leaks: [&dyn std::fmt::Debug; 6] = [
        &PAYLOAD,
        &ATTACHMENT,
        &ATTACHMENT.to_vec(),
        &body(),
        &STANDARD.encode([b"{\"x\":", ATTACHMENT].concat()),
        &Some(TOKEN_KEY),
    ];
    for leak in leaks {
        let shown = std::panic::catch_unwind(std::panic::AssertUnwindSafe(|| markers.show(&leak)));
        assert!(shown.is_err(), "{leak:?} is not found");
    }
}

/// Checks that the text of an error does not contain the text of its source.
fn tells_once(error: &dyn std::error::Error) {
    let source = error.source().expect("it has a source").to_string();
    assert!(!error.to_string().contains(&source), "{error} repeats {source}");
}

#[test]
fn an_error_returns_its_source_and_does_not_repeat_it() {
    let decode = Packet::from_head_and_attachments("9".into(), Vec::new(), &Limits::default());
    let decode = decode.unwrap_err();
    let payload = event().args::<(u32,)>().unwrap_err();
    let message = MessageError::Arguments { event: "offer".into(), source: payload };
    tells_once(&message);
    tells_once(&EmitError::Limits(decode.clone()));
    tells_once(&ReplyError::Limits(decode.clone()));
    tells_once(&PeerError::BadFrame(decode.clone()));
    tells_once(&PeerError::BadPacket(decode.clone()));
    tells_once(&PeerError::Misbehaved(BadBundle::Epochs.into()));
    tells_once(&SignalingError::BadFrame(decode));
    tells_once(&SignalingError::BadMessage(message));
}
