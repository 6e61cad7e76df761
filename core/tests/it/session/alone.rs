//! A session with nobody but the test on its wires: what it says to the letter, and what hostile or old
//! remotes can do to it.

mod acks;
mod closing;
mod epochs;
mod offers;
mod original;
mod server;
mod transfers;
mod via;

use std::time::Duration;

use bytes::Bytes;
use serde_json::{Value, json};
use socketio_p2p_core::codec::{Blob, Decoder, Limits};
use socketio_p2p_core::signal::Signal;
use socketio_p2p_core::{
    Command, Config, ConnectionId, DirectCommand, EmitError, Event, Frame, LeaveReason, Outcome,
    Packet, Path, PeerError, PeerId, Policy, Session, Target, Time, TransferOutcome,
};

use super::{has, numbered, outcomes};

/// A session, its clock, and what it has put out.
struct Alone {
    session: Session,
    now: Time,
    decoder: Decoder,
}

impl Alone {
    /// A session that has joined a room with these members: id and version.
    fn with_members(config: Config, members: &[(&str, u8)]) -> Self {
        let now = Time::from_millis(1);
        let limits = Limits::default().with_max_attachments(300);
        let mut alone = Self {
            session: Session::new(config, [9; 32], now),
            now,
            decoder: Decoder::new(limits),
        };
        assert!(matches!(alone.session.poll_command(), Some(Command::ConnectSignaling)));
        alone.session.handle_signaling_open(now);
        let connect = alone.sent();
        assert_eq!(connect[0].head(), r#"0{"p2p":{"v":1,"room":"lobby"}}"#);
        alone.hear(r#"0{"sid":"s"}"#);
        let roster: Vec<Value> =
            members.iter().map(|(id, version)| json!({"id": id, "v": version})).collect();
        let welcome = json!({
            "v": 1, "id": "me", "token": "secret-token", "room": "lobby", "roster": roster,
            "limits": {"maxEnvelope": 65536, "maxAttachments": 16},
        });
        alone.hear(&format!("2{}", json!(["numClients", members.len(), welcome])));
        assert!(alone.session.is_joined());
        alone
    }

    /// The server says this.
    fn hear(&mut self, text: &str) {
        self.session.handle_signaling_frame(text.to_owned().into(), self.now);
    }

    /// The server passes on a packet of `from`, whose header has these further fields.
    fn hear_envelope(&mut self, from: &str, header: &Value, head: &str, attachments: &[&[u8]]) {
        let mut header = header.clone();
        header["from"] = json!(from);
        let parts = 1 + attachments.len();
        let holder = |num| json!({"_placeholder": true, "num": num});
        let mut args = vec![json!("p2p:relay"), header];
        args.extend((0..parts).map(holder));
        self.hear(&format!("5{parts}-{}", Value::from(args)));
        let head = Bytes::copy_from_slice(head.as_bytes());
        self.session.handle_signaling_frame(head.into(), self.now);
        for attachment in attachments {
            let attachment = Bytes::copy_from_slice(attachment);
            self.session.handle_signaling_frame(attachment.into(), self.now);
        }
    }

    /// What the session has sent to the server.
    fn sent(&mut self) -> Vec<Packet> {
        let mut packets = Vec::new();
        while let Some(frame) = self.session.poll_signaling_transmit(self.now) {
            packets.extend(self.decoder.push(frame).unwrap());
        }
        packets
    }

    fn events(&mut self) -> Vec<Event> {
        std::iter::from_fn(|| self.session.poll_event()).collect()
    }

    fn commands(&mut self) -> Vec<Command> {
        std::iter::from_fn(|| self.session.poll_command()).collect()
    }

    fn wait(&mut self, span: Duration) {
        let end = self.now + span;
        while let Some(at) = self.session.poll_timeout().filter(|at| *at <= end) {
            self.now = at;
            self.session.handle_timeout(at);
            self.sent();
            while self.session.poll_command().is_some() {}
        }
        self.now = end;
    }

    /// Takes up an offer of `from` and opens the channel.
    fn open_channel(&mut self, from: &str) -> ConnectionId {
        self.open_channel_of(from, 262_144)
    }

    fn open_channel_of(&mut self, from: &str, max_message: usize) -> ConnectionId {
        let offer = json!(["offer", {
            "fromPeerId": from, "offerId": "o1", "offer": {"type": "offer", "sdp": "theirs"},
        }]);
        self.hear(&format!("2{offer}"));
        let connection = self.commands().into_iter().find_map(|command| match command {
            Command::Direct(DirectCommand::Answer { connection, .. }) => Some(connection),
            _ => None,
        });
        let connection = connection.expect("the offer is answered");
        self.session.handle_direct_open(connection, max_message, self.now);
        connection
    }

    /// A channel with `from` on which its hello and the answer to the probe have come.
    fn verified_channel(&mut self, from: &str) -> ConnectionId {
        self.verified_channel_of(from, 262_144)
    }

    fn verified_channel_of(&mut self, from: &str, max_message: usize) -> ConnectionId {
        let channel = self.open_channel_of(from, max_message);
        self.direct(channel, r#"2/socketio-p2p,["hello",{"epoch":1}]"#);
        self.direct(channel, r#"2/socketio-p2p,["pong",0]"#);
        self.sent_directly(channel);
        self.sent();
        self.events();
        channel
    }

    fn direct(&mut self, connection: ConnectionId, frame: impl Into<Frame>) {
        self.session.handle_direct_frame(connection, frame.into(), self.now);
    }

    fn sent_directly(&mut self, connection: ConnectionId) -> Vec<Frame> {
        std::iter::from_fn(|| self.session.poll_direct_transmit(connection, self.now)).collect()
    }
}

/// The header of each envelope to `a` among what was sent, with what is in it.
fn envelopes(sent: &[Packet]) -> Vec<(Value, Vec<Bytes>)> {
    let open = |packet: &Packet| {
        let head = packet.head().to_string();
        let args: Value = serde_json::from_str(&head[head.find('[')?..]).ok()?;
        if args[0] != "p2p:relay" {
            return None;
        }
        let to = args[1]["to"].as_array()?.iter().find(|to| to["id"] == "a")?.clone();
        Some((to, packet.attachments().to_vec()))
    };
    sent.iter().filter_map(open).collect()
}

/// Passes on what one session has for the other. Each knows the other as `a`.
fn pass(sent: &[(Value, Vec<Bytes>)], to: &mut Alone) {
    for (header, parts) in sent {
        let mut header = header.clone();
        header.as_object_mut().unwrap().remove("id");
        let head = std::str::from_utf8(&parts[0]).unwrap().to_owned();
        let attachments: Vec<&[u8]> = parts[1..].iter().map(AsRef::as_ref).collect();
        to.hear_envelope("a", &header, &head, &attachments);
    }
}

fn control(name: &str, args: &Value) -> String {
    let mut all = vec![json!(name)];
    if !args.is_null() {
        all.push(args.clone());
    }
    format!("2/socketio-p2p,{}", Value::from(all))
}

fn id(name: &str) -> PeerId {
    name.parse().unwrap()
}

fn text(frame: &Frame) -> &str {
    match frame {
        Frame::Text(text) => text,
        Frame::Binary(_) => panic!("binary"),
    }
}

fn relay_only() -> Config {
    Config::default().with_policy(Policy::RelayOnly)
}

fn has_close(commands: &[Command]) -> bool {
    commands.iter().any(|command| matches!(command, Command::CloseSignaling))
}

#[test]
fn an_event_to_two_peers_is_one_envelope_to_the_letter() {
    let mut alone = Alone::with_members(relay_only(), &[("a", 1), ("b", 1)]);
    alone.session.emit(Target::All, &Packet::event("hi", &(1,)).unwrap(), alone.now).unwrap();
    let sent = alone.sent();
    assert_eq!(sent.len(), 1);
    assert_eq!(
        sent[0].head(),
        "51-[\"p2p:relay\",{\"to\":[{\"id\":\"a\",\"epoch\":1,\"lane\":0,\"seq\":0},\
         {\"id\":\"b\",\"epoch\":2,\"lane\":0,\"seq\":0}]},{\"_placeholder\":true,\"num\":0}]"
    );
    assert_eq!(sent[0].attachments(), [Bytes::from_static(b"2[\"hi\",1]")]);
}

#[test]
fn debug_output_shows_no_secret() {
    let mut alone = Alone::with_members(Config::default(), &[("a", 1)]);
    alone
        .session
        .emit(Target::All, &Packet::event("x", &("private",)).unwrap(), alone.now)
        .unwrap();
    let debug = format!("{:?}", alone.session);
    for secret in ["secret-token", "private"] {
        assert!(!debug.contains(secret), "{secret} is shown");
    }
    // Randomness yet to come would tell future ids.
    assert!(!debug.contains("[9, 9, 9"));
}

#[test]
fn control_to_which_nobody_listens_does_not_pile_up() {
    let mut alone = Alone::with_members(Config::default(), &[]);
    alone.hear(r#"2["peer-join",{"id":"a","v":1}]"#);
    let channel = alone.verified_channel("a");
    for number in 0..10_000 {
        alone.direct(channel, format!(r#"2/socketio-p2p,["ping",{number}]"#));
        alone.direct(channel, r#"2/socketio-p2p,["resume",{"received":[0,0,0]}]"#);
    }
    let frames = alone.sent_directly(channel);
    assert!(frames.len() < 10, "{}", frames.len());
    assert!(frames.iter().any(|frame| text(frame) == r#"2/socketio-p2p,["pong",9999]"#));
}

#[test]
fn a_remote_end_that_takes_no_bytes_does_not_make_frames_without_end() {
    let mut alone = Alone::with_members(Config::default(), &[]);
    alone.hear(r#"2["peer-join",{"id":"a","v":1}]"#);
    let channel = alone.verified_channel_of("a", 0);
    alone.session.emit(Target::All, &Packet::event("hello", &()).unwrap(), alone.now).unwrap();
    let frames = std::iter::from_fn(|| alone.session.poll_direct_transmit(channel, alone.now));
    assert!(frames.take(1000).count() < 1000);
}

#[test]
fn a_clock_that_jumps_makes_no_answer_overdue() {
    let mut alone = Alone::with_members(relay_only(), &[("a", 1)]);
    let event = Packet::event("ask", &()).unwrap();
    alone.session.emit_with_ack(id("a"), &event, None, alone.now).unwrap();
    alone.sent();
    alone.now = alone.now + Duration::from_secs(86_400);
    alone.session.emit_with_ack(id("a"), &event, None, alone.now).unwrap();
    alone.session.handle_timeout(alone.now);
    let overdue = |event: &Event| matches!(event, Event::NoAck { .. });
    assert!(!has(&alone.events(), overdue));
    alone.wait(Duration::from_secs(11));
    assert_eq!(alone.events().iter().filter(|event| overdue(event)).count(), 2);
}

#[test]
fn at_the_end_of_time_nothing_runs_for_ever() {
    let (done, wait) = std::sync::mpsc::channel();
    std::thread::spawn(move || {
        let mut alone = Alone::with_members(Config::default(), &[]);
        alone.hear(r#"2["peer-join",{"id":"a","v":1}]"#);
        alone.verified_channel("a");
        alone.hear_envelope("a", &json!({"epoch": 1, "lane": 0, "seq": 9}), "2[\"x\"]", &[]);
        alone.now = Time::from_nanos(u64::MAX);
        for _ in 0..10 {
            alone.session.handle_timeout(alone.now);
        }
        done.send(()).unwrap();
    });
    wait.recv_timeout(Duration::from_secs(20)).expect("ten calls come to an end");
}

#[test]
fn an_event_waits_for_the_rest_of_one_fragment_and_no_more() {
    let mut alone = Alone::with_members(Config::default(), &[("a", 1)]);
    let connection = alone.verified_channel("a");
    alone.sent_directly(connection);
    let bulk = Packet::event("big", &(Blob::from(vec![1; 500_000]),)).unwrap();
    alone.session.emit_bulk(Target::All, &bulk, alone.now).unwrap();
    let next = |alone: &mut Alone| alone.session.poll_direct_transmit(connection, alone.now);
    assert!(text(&next(&mut alone).unwrap()).contains("fragment"));
    alone.session.emit(Target::All, &numbered(7), alone.now).unwrap();
    let Some(Frame::Binary(piece)) = next(&mut alone) else { panic!("the piece itself") };
    assert!(piece.len() <= 16 << 10);
    let mut event = next(&mut alone).unwrap();
    if text(&event).contains("begin") {
        event = next(&mut alone).unwrap();
    }
    assert_eq!(text(&event), r#"2["n",7]"#);
}
