//! Whole packets as inputs.

use socketio_p2p_core::hub::{Admission, ClientError, Handled, Hub, Output};
use socketio_p2p_core::wire::Member;
use socketio_p2p_core::{Namespace, Packet, PacketType};

use super::*;

struct Server {
    hub: Hub,
    now: Time,
}

impl Server {
    fn new(config: HubConfig) -> Self {
        Self { hub: Hub::new(config, [1; 32]).unwrap(), now: Time::from_millis(1) }
    }

    fn handle(&mut self, client: Option<ClientId>, packet: Packet) -> Handled {
        self.hub.handle_packet(client, packet, "socket-1", self.now).unwrap()
    }

    fn connect(&mut self, auth: &serde_json::Value) -> Handled {
        self.handle(None, Packet::connect(Some(auth)).unwrap())
    }

    fn members(&self) -> Vec<Member> {
        self.hub.members(&RoomName::default()).collect()
    }
}

#[test]
fn connect_event_ack_and_disconnect_packets_are_all_that_a_server_passes_on() {
    let mut server = Server::new(HubConfig::default());
    let auth = serde_json::json!({ "p2p": { "v": 1 } });
    let Handled::Joined { client, reply } = server.connect(&auth) else { panic!("not joined") };
    assert_eq!(reply.head(), r#"0{"sid":"socket-1"}"#);
    let welcome = server.hub.poll_output();
    assert!(matches!(welcome, Some(Output::Send { .. })), "{welcome:?}");
    let event = Packet::event("vote", &(1,)).unwrap();
    assert!(matches!(server.handle(Some(client), event), Handled::Message(Ok(()))));
    let ack = Packet::ack(1, &("yes",)).unwrap();
    assert!(matches!(server.handle(Some(client), ack), Handled::Message(Ok(()))));
    let came: Vec<_> = std::iter::from_fn(|| server.hub.poll_output()).collect();
    assert!(
        matches!(came[..], [Output::Application { .. }, Output::Application { .. }]),
        "{came:?}"
    );
    let offers = Packet::event("offers", &(1,)).unwrap();
    let refused = server.handle(Some(client), offers);
    assert!(matches!(refused, Handled::Message(Err(ClientError::Malformed))), "{refused:?}");
    assert!(matches!(server.handle(Some(client), Packet::disconnect()), Handled::Left));
    assert!(server.members().is_empty());
}

#[test]
fn a_connect_packet_without_the_entry_is_of_a_v0_client_and_replies_keep_the_namespace() {
    let mut server = Server::new(HubConfig::default());
    let connect =
        Packet::connect::<()>(None).unwrap().in_namespace(&Namespace::new("/chat").unwrap());
    let Handled::Joined { reply, .. } = server.handle(None, connect) else { panic!("not joined") };
    assert_eq!(reply.head(), r#"0/chat,{"sid":"socket-1"}"#);
    assert_eq!(server.members()[0].dialect, Dialect::V0);
}

#[test]
fn a_refused_connect_packet_is_answered_with_the_code() {
    let mut server = Server::new(HubConfig::default().with_room_capacity(1));
    server.hub.handle_admitted(v1("lobby"), Admission::default(), None, server.now).unwrap();
    let auth = serde_json::json!({ "p2p": { "v": 1 } });
    let Handled::Refused { reply, error } = server.connect(&auth) else { panic!("not refused") };
    assert_eq!(error.code(), "room-full");
    assert_eq!(reply.packet_type(), PacketType::ConnectError);
    assert!(reply.payload().contains(r#""data":{"code":"room-full"}"#), "{}", reply.payload());
    let auth = serde_json::json!({ "p2p": { "v": "x" } });
    let Handled::Refused { error, .. } = server.connect(&auth) else { panic!("not refused") };
    assert_eq!(error.code(), "bad-auth");
}

#[test]
fn packets_at_the_wrong_time_are_dropped() {
    let mut server = Server::new(HubConfig::default());
    let event = Packet::event("vote", &(1,)).unwrap();
    let early = server.handle(None, event);
    assert!(matches!(early, Handled::Unexpected(PacketType::Event)), "{early:?}");
    let auth = serde_json::json!({ "p2p": { "v": 1 } });
    let Handled::Joined { client, .. } = server.connect(&auth) else { panic!("not joined") };
    let again = server.handle(Some(client), Packet::connect(Some(&auth)).unwrap());
    assert!(matches!(again, Handled::Unexpected(PacketType::Connect)), "{again:?}");
}
