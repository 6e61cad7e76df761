//! A malicious peer: it joins as any other, and then says what it likes.

mod datagrams;
mod excess;
mod passing;
mod rules;
mod trickle;

use bytes::{BufMut as _, Bytes, BytesMut};
use socketio_p2p_core::codec::{Blob, Decoder, Limits};
use socketio_p2p_core::wire::{
    AddressedOffer, Bundle, ClientMessage, Epochs, Incoming, IncomingKind, Item, Lane, LaneState,
    Numbers, PeerSignal, Piece, Place, RawSignal, Recipient, Record, ServerMessage, Signal, State,
    Stream, Upload,
};
use socketio_p2p_core::{ConnectionId, Frame, Namespace, Packet, PeerId, Time};

pub(super) use self::datagrams::NEVER;
pub(super) use self::excess::{AHEAD, SHORT_AHEAD, TOO_LONG};
use self::passing::Passing;
pub(super) use self::rules::Twin;
use super::scenario::Attack;
use crate::dice::Dice;
use crate::mesh::{Fault, Mesh, Node, RawInput};

/// Its epoch, mostly.
const EPOCH: u32 = 1;

#[derive(Debug)]
pub(super) struct Mallory {
    pub(super) node: Node,
    dice: Dice,
    /// For what it does to the hub.
    rule_dice: Dice,
    /// What it does to seals.
    seals: passing::Seals,
    /// A second client of its.
    pub(super) twin: Option<Twin>,
    token: Option<String>,
    /// Whom it has found in the room.
    others: Vec<PeerId>,
    /// The bytes of an envelope that the hub takes.
    envelope_limit: u32,
    decoder: Decoder,
    own_id: Option<PeerId>,
    pub(super) thrown_out: bool,
    channels: Vec<Channel>,
    answered: Vec<(ConnectionId, PeerId)>,
    /// What waits until it has joined.
    plans: Vec<(PeerId, Attack, bool)>,
    seq: u64,
    /// Whether it passes packets on, or seems to.
    neighbourly: bool,
    /// A packet that it was to pass on, kept for later.
    kept: Option<Passing>,
    /// Since when it speaks of incarnations that are over, and how often it was answered.
    pub(super) stale_since: Option<Time>,
    /// To whom it spoke of what is over.
    misled: Option<PeerId>,
    pub(super) answers: u32,
    /// It has done nothing but take what came.
    pub(super) hoards: bool,
    /// Whose bytes it acknowledges one by one.
    trickles: trickle::Trickle,
    /// Whom it has sent more than it may.
    exceeded: Vec<PeerId>,
    /// The most that sessions keep ahead of its turn, and the credit of transfers.
    pub(super) victims_bounds: (usize, usize),
}

/// A direct connection that is open.
#[derive(Debug)]
struct Channel {
    connection: ConnectionId,
    peer: PeerId,
}

/// The fault that an attack is.
pub(super) const fn fault(attack: Attack) -> Fault {
    match attack {
        Attack::Spoof => Fault::Spoofing,
        Attack::Control => Fault::ForgedControl,
        Attack::Offers => Fault::OfferFlood,
        Attack::Bomb => Fault::AttachmentBomb,
        Attack::DeepJson => Fault::DeepJson,
        Attack::GiantNames => Fault::GiantNames,
        Attack::Stall => Fault::StalledAttachments,
        Attack::Garbage => Fault::Garbage,
        Attack::Neighbour | Attack::Seals | Attack::Passes => Fault::FalseNeighbour,
        Attack::Resume => Fault::ResumeFlood,
        Attack::Stale => Fault::StaleFlood,
        Attack::Hub => Fault::HubRules,
        Attack::Hoard | Attack::Trickle => Fault::SilentReceiver,
        Attack::Datagrams => Fault::ForgedDatagram,
        Attack::Excess => Fault::Excess,
    }
}

fn decoder() -> Decoder {
    Decoder::new(Limits::default().with_max_attachments(300).with_max_packet_bytes(16 << 20))
}

impl Mallory {
    pub(super) fn new(mesh: &mut Mesh, seed: u64) -> Self {
        let node = mesh.add_raw();
        mesh.raw_connect(node);
        Self {
            node,
            dice: Dice::for_purpose(seed, 666),
            rule_dice: Dice::for_purpose(seed, 667),
            seals: passing::Seals::new(seed),
            twin: None,
            token: None,
            others: Vec::new(),
            envelope_limit: u32::MAX,
            decoder: decoder(),
            own_id: None,
            thrown_out: false,
            channels: Vec::new(),
            answered: Vec::new(),
            plans: Vec::new(),
            seq: 0,
            neighbourly: false,
            kept: None,
            stale_since: None,
            misled: None,
            answers: 0,
            hoards: true,
            trickles: trickle::Trickle::default(),
            exceeded: Vec::new(),
            victims_bounds: (0, 0),
        }
    }

    /// Takes what has come for it.
    pub(super) fn act(&mut self, mesh: &mut Mesh) {
        for input in mesh.take_raw(self.node) {
            match input {
                RawInput::Open => {
                    self.decoder.reset();
                    let connect = r#"0{"p2p":{"v":1,"room":"lobby"}}"#.to_owned();
                    mesh.raw_send(self.node, vec![connect.into()]);
                }
                RawInput::Frame(frame) => self.read(mesh, frame),
                RawInput::Closed => {
                    self.own_id = None;
                    self.thrown_out = true;
                }
                RawInput::DirectOpen(connection) => {
                    let with = self.answered.iter().find(|(known, _)| *known == connection);
                    if let Some((_, peer)) = with {
                        let peer = peer.clone();
                        self.channels.push(Channel { connection, peer });
                        self.greet(mesh, connection);
                        self.pose_as_neighbour(mesh);
                    }
                }
                RawInput::DirectFrame(connection, frame) => self.reply(mesh, connection, frame),
                RawInput::DirectClosed(connection) => {
                    self.channels.retain(|channel| channel.connection != connection);
                }
            }
        }
        if let Some(twin) = &mut self.twin {
            twin.act(mesh);
        }
        if self.own_id.is_some() {
            for (victim, attack, direct) in std::mem::take(&mut self.plans) {
                self.strike(mesh, &victim, attack, direct);
            }
        }
    }

    /// Leaves as a client does that closes its socket properly.
    pub(super) fn leave(&mut self, mesh: &mut Mesh) {
        mesh.raw_send(self.node, vec!["1".into()]);
        if let Some(twin) = &mut self.twin {
            twin.leave(mesh);
        }
    }

    /// Its clients, when it has left.
    pub(super) fn nodes(&self) -> impl Iterator<Item = Node> {
        std::iter::once(self.node).chain(self.twin.as_ref().map(|twin| twin.node))
    }

    fn read(&mut self, mesh: &mut Mesh, frame: Frame) {
        let Ok(Some(packet)) = self.decoder.push(frame) else { return };
        match ServerMessage::from_packet(packet) {
            Ok(ServerMessage::NumClients { welcome: Some(welcome), .. }) => {
                self.own_id = Some(welcome.id);
                self.token = Some(welcome.token);
                self.envelope_limit = welcome.limits.max_envelope;
                self.others = welcome.roster.into_iter().map(|member| member.id).collect();
            }
            Ok(ServerMessage::Offer { from, offer_id, offer }) => {
                // Mostly it plays along, to get a channel.
                if self.dice.happens(800)
                    && let Ok(Signal::Offer(sdp)) = offer.parse()
                    && let Some((connection, sdp)) = mesh.raw_answer(self.node, &sdp)
                    && let Ok(signal) = RawSignal::try_from(&Signal::Answer(sdp))
                {
                    self.answered.push((connection, from.clone()));
                    let signal = PeerSignal::new(offer_id, signal, from);
                    self.say(mesh, &ClientMessage::Signal(signal));
                }
            }
            Ok(ServerMessage::Relay(download)) => {
                self.acknowledge(mesh, &download);
                // An answer to what is stale tells of epochs, and of nothing else.
                let answers = self.misled.as_ref() == Some(&download.from)
                    && download.piece.is_none()
                    && Bundle::read(download.body).is_ok_and(|mut bundle| {
                        bundle.all(|item| matches!(item, Ok(Item::GivenUp(_))))
                    });
                self.answers += u32::from(answers);
            }
            Ok(_) | Err(_) => {}
        }
    }

    fn greet(&mut self, mesh: &mut Mesh, connection: ConnectionId) {
        self.say_directly(mesh, connection, &[Item::State(State::default()), Item::Ping(1)]);
    }

    fn say_directly(&self, mesh: &mut Mesh, connection: ConnectionId, items: &[Item]) {
        let epochs = Epochs { epoch: EPOCH, peer_epoch: 0 };
        let bundle = Bundle::write(epochs, items);
        mesh.raw_send_direct(self.node, connection, Frame::Binary(bundle));
    }

    /// Answers pings, so that its channel is taken for a good one, and passes on what it is asked to, as it likes.
    fn reply(&mut self, mesh: &mut Mesh, connection: ConnectionId, frame: Frame) {
        let channel = self.channels.iter().find(|channel| channel.connection == connection);
        let (Some(channel), Frame::Binary(bytes)) = (channel, frame) else { return };
        let from = channel.peer.clone();
        let Ok(bundle) = Bundle::read(bytes) else { return };
        for item in bundle.flatten() {
            match item {
                Item::Ping(number) => {
                    self.say_directly(mesh, connection, &[Item::Pong(number)]);
                }
                Item::Pass(to, passed) => {
                    if self.neighbourly {
                        self.pass_on(mesh, Passing { from: from.clone(), to, passed });
                    }
                }
                Item::Record(_)
                | Item::Pong(_)
                | Item::State(_)
                | Item::Bye
                | Item::Limits(_)
                | Item::GivenUp(_)
                | Item::Neighbours(_)
                | Item::Passed(..)
                | Item::NoWay(_) => {}
            }
        }
    }

    fn say(&self, mesh: &mut Mesh, message: &ClientMessage) {
        if let Ok(packet) = message.to_packet() {
            mesh.raw_send(self.node, packet.frames().collect());
        }
    }

    /// Anything in an envelope for the victim: as a record, or as a bundle of its own.
    fn envelope(&mut self, mesh: &mut Mesh, victim: &PeerId, body: Bytes, numbered: bool) {
        let epoch = if self.dice.happens(800) { EPOCH } else { self.dice.bits() as u32 };
        let peer_epoch = if self.dice.happens(800) { 0 } else { self.dice.roll(10) as u32 };
        let lane = if self.dice.happens(800) { Lane::Events } else { Lane::Bulk };
        let seq = if self.dice.happens(800) { self.seq } else { self.dice.bits() };
        let at = if self.dice.happens(900) { 0 } else { self.dice.bits() >> self.dice.roll(64) };
        self.seq += u64::from(numbered);
        let epochs = Epochs { epoch, peer_epoch };
        let numbers = numbered.then_some(Numbers { epochs, lane, seq });
        let piece = numbered.then_some(Piece { at, end: at == 0 });
        let to = vec![Recipient { id: victim.clone(), numbers }];
        self.say(mesh, &ClientMessage::Relay(Upload { to, piece, body }));
    }

    fn channel(&self, victim: &PeerId) -> Option<ConnectionId> {
        let channel = self.channels.iter().find(|channel| channel.peer == *victim);
        channel.map(|channel| channel.connection)
    }

    /// Sends a packet as one record, over the channel if there is one and it is asked for.
    fn send(
        &mut self,
        mesh: &mut Mesh,
        victim: &PeerId,
        direct: bool,
        head: String,
        attachments: &[Bytes],
    ) {
        let bytes = flat(head.as_bytes(), attachments);
        match self.channel(victim).filter(|_| direct) {
            Some(connection) => {
                let (stream, number) = (Stream::Lane(Lane::Events), self.seq);
                self.seq += 1;
                let record = Record { stream, number, offset: 0, end: true, abort: false, bytes };
                self.say_directly(mesh, connection, &[Item::Record(record)]);
            }
            None => self.envelope(mesh, victim, bytes, true),
        }
    }

    /// Says something to the victim as of these incarnations, over the channel if there is one and it is asked for.
    fn tell(
        &self,
        mesh: &mut Mesh,
        victim: &PeerId,
        direct: bool,
        (epoch, peer_epoch): (u32, u32),
        items: &[Item],
    ) {
        let body = Bundle::write(Epochs { epoch, peer_epoch }, items);
        self.tell_body(mesh, victim, direct, body);
    }

    fn tell_body(&self, mesh: &mut Mesh, victim: &PeerId, direct: bool, body: Bytes) {
        match self.channel(victim).filter(|_| direct) {
            Some(connection) => {
                mesh.raw_send_direct(self.node, connection, Frame::Binary(body));
            }
            None => {
                let to = vec![Recipient { id: victim.clone(), numbers: None }];
                self.say(mesh, &ClientMessage::Relay(Upload { to, piece: None, body }));
            }
        }
    }

    pub(super) fn attack(
        &mut self,
        mesh: &mut Mesh,
        victim: &PeerId,
        attack: Attack,
        direct: bool,
    ) {
        if self.own_id.is_some() {
            self.strike(mesh, victim, attack, direct);
        } else if self.plans.len() < 16 {
            self.plans.push((victim.clone(), attack, direct));
        }
    }

    fn strike(&mut self, mesh: &mut Mesh, victim: &PeerId, attack: Attack, direct: bool) {
        self.stale_since = None;
        self.hoards &= matches!(attack, Attack::Hoard | Attack::Trickle);
        match attack {
            Attack::Hoard => {}
            Attack::Trickle => self.trickles.begin(victim),
            Attack::Spoof => self.spoof(mesh, victim),
            Attack::Control => self.forge_control(mesh, victim, direct),
            Attack::Offers => self.flood(mesh, victim),
            Attack::Bomb => self.bomb(mesh, victim, direct),
            Attack::DeepJson => {
                let depth = self.dice.between(100, 2000) as usize;
                let (open, close) = ("[".repeat(depth), "]".repeat(depth));
                self.send(mesh, victim, direct, format!("2[\"n\",{open}{close}]"), &[]);
                let close = if self.dice.happens(500) { close.as_str() } else { "" };
                let open = "{\"a\":".repeat(depth);
                mesh.raw_send(self.node, vec![format!("2[\"peer-signal\",{open}1{close}]").into()]);
            }
            Attack::GiantNames => self.giant_names(mesh, victim, direct),
            Attack::Stall => {
                let head = r#"53-["n",{"_placeholder":true,"num":0}]"#.to_owned();
                let bytes = Bytes::from_static(b"the only one");
                self.send(mesh, victim, direct, head, std::slice::from_ref(&bytes));
                let upload =
                    format!(r#"53-["p2p:relay",{{"to":[{{"id":"{victim}","epoch":1}}]}}]"#);
                mesh.raw_send(self.node, vec![upload.into(), Frame::Binary(bytes)]);
            }
            Attack::Garbage => self.garbage(mesh, victim, direct),
            Attack::Resume => {
                // It has nothing, and asks again and again.
                for number in 0..40 {
                    let items =
                        [Item::State(State::default()), Item::Ping(number), Item::Pong(number)];
                    let peer_epoch = self.dice.roll(4) as u32;
                    self.tell(mesh, victim, direct, (EPOCH, peer_epoch), &items);
                }
            }
            Attack::Stale => {
                (self.stale_since, self.answers) = (Some(mesh.now()), 0);
                self.misled = Some(victim.clone());
                // An incarnation of the victim that is over, or one of its own.
                let epochs = if self.dice.happens(500) { (EPOCH, 0xffff) } else { (EPOCH, 0) };
                if epochs.1 == 0 {
                    self.tell(mesh, victim, false, (9, 0), &[]);
                }
                for _ in 0..40 {
                    self.tell(mesh, victim, false, epochs, &[]);
                }
            }
            Attack::Hub => self.break_rules(mesh, victim),
            Attack::Datagrams => self.forge_datagrams(mesh, victim),
            Attack::Excess => self.exceed(mesh, victim, direct),
            Attack::Passes => self.overload(mesh, victim),
            Attack::Seals => {
                (self.neighbourly, self.seals.breaks) = (true, true);
                self.pose_as_neighbour(mesh);
            }
            Attack::Neighbour => {
                self.neighbourly = true;
                self.pose_as_neighbour(mesh);
                self.make_up(mesh, victim);
            }
        }
    }

    /// Says that it is the victim, in every place where a sender could stand.
    fn spoof(&mut self, mesh: &mut Mesh, victim: &PeerId) {
        let node = self.node;
        let texts = [
            format!(
                r#"2["peer-signal",{{"signal":{{"type":"answer","sdp":"memory:0"}},"offerId":"{:040}","fromPeerId":"{victim}","toPeerId":"{victim}"}}]"#,
                0
            ),
            format!(
                r#"2["offers",{{"fromPeerId":"{victim}","offers":[{{"offerId":"{:040}","offer":{{"type":"offer","sdp":"memory:0"}},"toPeerId":"{victim}"}}]}}]"#,
                1
            ),
            format!(r#"2["peer-disconnect",{{"peerId":"{victim}"}}]"#),
            format!(r#"2["peer-join",{{"id":"{victim}","v":0}}]"#),
        ];
        for text in texts {
            mesh.raw_send(node, vec![text.into()]);
        }
        let body = flat(br#"2["n",0,null]"#, &[]);
        let header = format!(
            r#"51-["p2p:relay",{{"from":"{victim}","epoch":1,"lane":0,"seq":0,"at":0,"end":true,"to":[{{"id":"{victim}","epoch":1,"from":"{victim}","lane":0,"seq":{}}}]}},{{"_placeholder":true,"num":0}}]"#,
            self.seq
        );
        self.seq += 1;
        mesh.raw_send(node, vec![header.into(), Frame::Binary(body)]);
    }

    fn forge_control(&mut self, mesh: &mut Mesh, victim: &PeerId, direct: bool) {
        let number = self.dice.bits() >> self.dice.between(2, 63);
        let other = self.dice.bits() >> self.dice.between(2, 63);
        let place = Place { number, offset: other };
        let lane = LaneState { next: place, ahead: vec![(place, place)] };
        let stream = match self.dice.roll(4) {
            0 => Stream::Transfers,
            1 => Stream::Lane(Lane::Volatile),
            2 => Stream::Lane(Lane::Bulk),
            _ => Stream::Lane(Lane::Events),
        };
        let bytes = Bytes::from(vec![0; self.dice.roll(300) as usize]);
        let (end, abort) = (self.dice.happens(500), self.dice.happens(200));
        let item = match self.dice.roll(9) {
            0 => Item::State(State { lanes: [lane, LaneState::default()], ..State::default() }),
            1 => Item::State(State {
                refused: vec![(Lane::Events, number)],
                settled: [number, other],
                seen: other,
                ..State::default()
            }),
            2 => {
                let kind = match self.dice.roll(5) {
                    0 => IncomingKind::Done,
                    1 => IncomingKind::Refused,
                    2 => IncomingKind::Aborted,
                    3 => IncomingKind::Unknown,
                    _ => IncomingKind::Open {
                        read: number,
                        had: other,
                        granted: number,
                        ahead: vec![(other, number)],
                    },
                };
                let incoming = vec![Incoming { number: self.dice.roll(3), kind }];
                Item::State(State {
                    incoming,
                    opened: number,
                    open: vec![other],
                    ..State::default()
                })
            }
            3 => Item::Pong(number),
            4 => Item::GivenUp(number as u32),
            5 => Item::NoWay(victim.clone()),
            6 => Item::Record(Record { stream, number: self.seq, offset: 0, end, abort, bytes }),
            _ => Item::Record(Record { stream, number, offset: other, end, abort, bytes }),
        };
        let epochs = (EPOCH, self.dice.roll(6) as u32);
        self.tell(mesh, victim, direct, epochs, &[item, Item::Ping(number)]);
        // As a user's event in the namespace of control, as an event of the dialect, and what is no event.
        for head in [r#"2/socketio-p2p,["ack"]"#, r#"2["p2p:relay",{}]"#, r#"0{"p2p":1}"#] {
            self.send(mesh, victim, direct, head.to_owned(), &[]);
        }
    }

    fn flood(&mut self, mesh: &mut Mesh, victim: &PeerId) {
        let count = self.dice.between(10, 90);
        let offers: Vec<AddressedOffer> = (0..count)
            .filter_map(|_| {
                let (_, sdp) = mesh.raw_offer(self.node);
                let offer_id = format!("{:040x}", self.dice.bits());
                let offer = RawSignal::try_from(&Signal::Offer(sdp)).ok()?;
                Some(AddressedOffer::new(offer_id, offer, Some(victim.clone())))
            })
            .collect();
        self.say(mesh, &ClientMessage::Offers(offers));
    }

    fn bomb(&mut self, mesh: &mut Mesh, victim: &PeerId, direct: bool) {
        let count = self.dice.bits() >> self.dice.roll(60);
        self.send(mesh, victim, direct, format!("5{count}-[\"n\"]"), &[]);
        if self.channel(victim).is_none() || !direct {
            mesh.raw_send(self.node, vec![format!("5{count}-[\"p2p:relay\",{{}}]").into()]);
        }
        let many: Vec<Bytes> = (0..self.dice.between(100, 300)).map(|_| Bytes::new()).collect();
        let blobs: Vec<Blob> = many.iter().cloned().map(Blob::from).collect();
        if let Ok(packet) = Packet::event("n", &(0, blobs)) {
            self.send(mesh, victim, direct, packet.head().to_string(), &many);
        }
    }

    fn giant_names(&mut self, mesh: &mut Mesh, victim: &PeerId, direct: bool) {
        let giant = "x".repeat(self.dice.between(300, 70_000) as usize);
        let digits = "9".repeat(self.dice.between(17, 400) as usize);
        let head = match self.dice.roll(4) {
            0 => format!("2/{giant},[\"n\"]"),
            1 => format!("2{digits}[\"n\"]"),
            2 => format!("2[\"{giant}\"]"),
            _ => format!("3{digits}[]"),
        };
        self.send(mesh, victim, direct, head, &[]);
        let signal = format!(
            r#"2["peer-signal",{{"signal":{{"type":"answer","sdp":"x"}},"offerId":"{giant}","toPeerId":"{victim}"}}]"#
        );
        mesh.raw_send(self.node, vec![signal.into()]);
        mesh.raw_send(self.node, vec![format!("2/{giant},[\"n\"]").into()]);
        if let Ok(packet) = Packet::event("n", &(1,)) {
            let namespace = Namespace::new("/elsewhere").unwrap_or_default();
            let packet = packet.in_namespace(&namespace);
            self.send(mesh, victim, direct, packet.head().to_string(), &[]);
        }
    }

    fn garbage(&mut self, mesh: &mut Mesh, victim: &PeerId, direct: bool) {
        let bytes: Vec<u8> = (0..self.dice.roll(60)).map(|_| self.dice.bits() as u8).collect();
        let text = String::from_utf8_lossy(&bytes).into_owned();
        let bytes = Bytes::from(bytes);
        match self.dice.roll(4) {
            0 => self.envelope(mesh, victim, bytes, true),
            1 => self.send(mesh, victim, direct, text, &[]),
            2 => self.envelope(mesh, victim, bytes, false),
            _ => {
                if let Some(connection) = self.channel(victim) {
                    mesh.raw_send_direct(self.node, connection, Frame::Binary(bytes));
                } else {
                    mesh.raw_send(self.node, vec![text.into()]);
                }
            }
        }
    }
}

/// A packet's bytes as one record, whatever they are.
fn flat(head: &[u8], attachments: &[Bytes]) -> Bytes {
    let mut flat = BytesMut::new();
    for part in std::iter::once(head).chain(attachments.iter().map(AsRef::as_ref)) {
        flat.put_u32(part.len() as u32);
        flat.put_slice(part);
    }
    flat.freeze()
}
