//! The malicious peer: it joins as any other, and then attacks.

mod attacks;
mod datagrams;
mod excess;
mod identity;
mod passing;
mod rules;
mod trickle;

use bytes::{BufMut as _, Bytes, BytesMut};
use socketio_p2p_core::codec::{Decoder, Limits};
use socketio_p2p_core::wire::{
    Bundle, ClientMessage, Epochs, Item, Lane, Numbers, PeerSignal, Piece, RawSignal, Recipient,
    Record, ServerMessage, Signal, State, Stream, Upload,
};
use socketio_p2p_core::{ConnectionId, Frame, PeerId, Time};

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
    /// For attacks on the hub.
    rule_dice: Dice,
    /// For attacks on identities.
    claims: identity::Claims,
    /// For attacks on seals.
    seals: passing::Seals,
    /// A second client of its.
    pub(super) twin: Option<Twin>,
    token: Option<String>,
    /// The other members of the room.
    others: Vec<PeerId>,
    /// The bytes of an envelope that the hub takes.
    envelope_limit: u32,
    decoder: Decoder,
    own_id: Option<PeerId>,
    pub(super) thrown_out: bool,
    channels: Vec<Channel>,
    answered: Vec<(ConnectionId, PeerId)>,
    /// The attacks that wait until it has joined.
    plans: Vec<(PeerId, Attack, bool)>,
    seq: u64,
    /// Whether it passes packets on, or seems to.
    neighbourly: bool,
    /// A packet that it was to pass on, kept for later.
    kept: Option<Passing>,
    /// Since when it speaks of incarnations that are over, and how often it was answered.
    pub(super) stale_since: Option<Time>,
    /// The victim of the last flood of bundles of incarnations that are over.
    misled: Option<PeerId>,
    pub(super) answers: u32,
    /// It has received and not attacked otherwise.
    pub(super) hoards: bool,
    /// The peers whose bytes it acknowledges one by one.
    trickles: trickle::Trickle,
    /// The peers whose bounds it has exceeded.
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
        Attack::Former => Fault::FormerIds,
        Attack::Metadata => Fault::MetadataFlood,
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
            claims: identity::Claims::new(seed),
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

    /// Handles its inputs.
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
                welcome.roster.iter().for_each(|member| self.claims.meet(member.id.clone()));
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
            Ok(ServerMessage::Signal(signal)) => self.reflect(mesh, &signal),
            Ok(ServerMessage::PeerJoin(member)) => self.meet(mesh, member.id),
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
                | Item::NoWay(_)
                | Item::Proof(..)
                | Item::Wait => {}
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
