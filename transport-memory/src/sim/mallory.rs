//! A malicious peer: it joins as any other, and then says what it likes.

mod passing;

use bytes::Bytes;
use socketio_p2p_core::codec::{Blob, Decoder, Limits};
use socketio_p2p_core::signal::{
    AddressedOffer, ClientMessage, Epochs, Lane, PeerSignal, RawSignal, Recipient, Sequence,
    ServerMessage, Signal, Upload,
};
use socketio_p2p_core::{ConnectionId, Frame, Namespace, Packet, PeerId};

use self::passing::Passing;
use super::scenario::Attack;
use crate::dice::Dice;
use crate::mesh::{Fault, Mesh, Node, RawInput};

/// The namespace of link control.
const CONTROL: &str = "/socketio-p2p";

#[derive(Debug)]
pub(super) struct Mallory {
    pub(super) node: Node,
    dice: Dice,
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
}

/// A direct connection that is open.
#[derive(Debug)]
struct Channel {
    connection: ConnectionId,
    peer: PeerId,
    decoder: Decoder,
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
        Attack::Neighbour => Fault::FalseNeighbour,
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
            decoder: decoder(),
            own_id: None,
            thrown_out: false,
            channels: Vec::new(),
            answered: Vec::new(),
            plans: Vec::new(),
            seq: 0,
            neighbourly: false,
            kept: None,
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
                        let (peer, decoder) = (peer.clone(), decoder());
                        self.channels.push(Channel { connection, peer, decoder });
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
        if self.own_id.is_some() {
            for (victim, attack, direct) in std::mem::take(&mut self.plans) {
                self.strike(mesh, &victim, attack, direct);
            }
        }
    }

    /// Leaves as a client does that closes its socket properly.
    pub(super) fn leave(&mut self, mesh: &mut Mesh) {
        mesh.raw_send(self.node, vec!["1".into()]);
    }

    fn read(&mut self, mesh: &mut Mesh, frame: Frame) {
        let Ok(Some(packet)) = self.decoder.push(frame) else { return };
        match ServerMessage::from_packet(packet) {
            Ok(ServerMessage::NumClients { welcome: Some(welcome), .. }) => {
                self.own_id = Some(welcome.id);
            }
            Ok(ServerMessage::Offer { from, offer_id, offer }) => {
                // Mostly it plays along, to get a channel.
                if self.dice.happens(800)
                    && let Ok(Signal::Offer(sdp)) = offer.parse()
                    && let Some((connection, sdp)) = mesh.raw_answer(self.node, &sdp)
                    && let Ok(signal) = RawSignal::try_from(&Signal::Answer(sdp))
                {
                    self.answered.push((connection, from.clone()));
                    let signal =
                        PeerSignal { signal, offer_id, from_peer_id: None, to_peer_id: from };
                    self.say(mesh, &ClientMessage::Signal(signal));
                }
            }
            Ok(_) | Err(_) => {}
        }
    }

    fn greet(&mut self, mesh: &mut Mesh, connection: ConnectionId) {
        for text in [
            r#"2/socketio-p2p,["hello",{"epoch":1}]"#,
            r#"2/socketio-p2p,["ping",1]"#,
            r#"2/socketio-p2p,["begin",{"next":0}]"#,
        ] {
            mesh.raw_send_direct(self.node, connection, text.into());
        }
    }

    /// Answers probes, so that its channel is taken for a good one, and passes on what it is asked to, as it likes.
    fn reply(&mut self, mesh: &mut Mesh, connection: ConnectionId, frame: Frame) {
        let channel = self.channels.iter_mut().find(|channel| channel.connection == connection);
        let Some(Channel { peer, decoder, .. }) = channel else { return };
        let Ok(Some(packet)) = decoder.push(frame) else { return };
        let head = packet.head();
        if let Some(rest) = head.strip_prefix(r#"2/socketio-p2p,["ping","#) {
            let pong = format!(r#"2/socketio-p2p,["pong",{rest}"#);
            mesh.raw_send_direct(self.node, connection, pong.into());
        } else if self.neighbourly
            && let Some((start, rest)) = head.split_once(r#"["via",{"to":""#)
            && let Some((to, rest)) = rest.split_once('"')
            && let Ok(to) = to.parse()
        {
            let head = [format!(r#"{start}["via",{{"from":""#), format!("\"{rest}")];
            let attachments = packet.attachments().to_vec();
            let passing = Passing { from: peer.clone(), to, head, attachments };
            self.pass_on(mesh, passing);
        }
    }

    fn say(&self, mesh: &mut Mesh, message: &ClientMessage) {
        if let Ok(packet) = message.to_packet() {
            mesh.raw_send(self.node, packet.frames().collect());
        }
    }

    /// An envelope for the victim, with anything in it.
    fn envelope(&mut self, mesh: &mut Mesh, victim: &PeerId, parts: Vec<Bytes>, numbered: bool) {
        let epoch = if self.dice.happens(800) { 1 } else { self.dice.bits() as u32 };
        let peer_epoch = if self.dice.happens(800) { 0 } else { self.dice.roll(10) as u32 };
        let lane = if self.dice.happens(800) { Lane::Events } else { Lane::Bulk };
        let seq = if self.dice.happens(800) { self.seq } else { self.dice.bits() };
        self.seq += u64::from(numbered);
        let recipient = Recipient {
            id: victim.clone(),
            epochs: Epochs { epoch, peer_epoch },
            sequence: numbered.then_some(Sequence { lane, seq }),
        };
        self.say(mesh, &ClientMessage::Relay(Upload { to: vec![recipient], parts }));
    }

    fn channel(&self, victim: &PeerId) -> Option<ConnectionId> {
        let channel = self.channels.iter().find(|channel| channel.peer == *victim);
        channel.map(|channel| channel.connection)
    }

    /// Sends a packet's frames, over the channel if there is one and it is asked for.
    fn send(
        &mut self,
        mesh: &mut Mesh,
        victim: &PeerId,
        direct: bool,
        head: String,
        attachments: &[Bytes],
        numbered: bool,
    ) {
        match self.channel(victim).filter(|_| direct) {
            Some(connection) => {
                mesh.raw_send_direct(self.node, connection, head.into());
                for bytes in attachments {
                    let frame = Frame::Binary(bytes.clone());
                    mesh.raw_send_direct(self.node, connection, frame);
                }
            }
            None => {
                let parts = std::iter::once(Bytes::from(head)).chain(attachments.iter().cloned());
                self.envelope(mesh, victim, parts.collect(), numbered);
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
        match attack {
            Attack::Spoof => self.spoof(mesh, victim),
            Attack::Control => self.forge_control(mesh, victim, direct),
            Attack::Offers => self.flood(mesh, victim),
            Attack::Bomb => self.bomb(mesh, victim, direct),
            Attack::DeepJson => {
                let depth = self.dice.between(100, 2000) as usize;
                let (open, close) = ("[".repeat(depth), "]".repeat(depth));
                self.send(mesh, victim, direct, format!("2[\"n\",{open}{close}]"), &[], true);
                let close = if self.dice.happens(500) { close.as_str() } else { "" };
                let open = "{\"a\":".repeat(depth);
                mesh.raw_send(self.node, vec![format!("2[\"peer-signal\",{open}1{close}]").into()]);
            }
            Attack::GiantNames => self.giant_names(mesh, victim, direct),
            Attack::Stall => {
                let head = r#"53-["n",{"_placeholder":true,"num":0}]"#.to_owned();
                let bytes = Bytes::from_static(b"the only one");
                self.send(mesh, victim, direct, head, std::slice::from_ref(&bytes), true);
                let upload =
                    format!(r#"53-["p2p:relay",{{"to":[{{"id":"{victim}","epoch":1}}]}}]"#);
                mesh.raw_send(self.node, vec![upload.into(), Frame::Binary(bytes)]);
            }
            Attack::Garbage => self.garbage(mesh, victim, direct),
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
        let inner = Bytes::from_static(br#"2["n",0,null]"#);
        let header = format!(
            r#"51-["p2p:relay",{{"from":"{victim}","epoch":1,"lane":0,"seq":0,"to":[{{"id":"{victim}","epoch":1,"from":"{victim}","lane":0,"seq":{}}}]}},{{"_placeholder":true,"num":0}}]"#,
            self.seq
        );
        self.seq += 1;
        mesh.raw_send(node, vec![header.into(), Frame::Binary(inner)]);
    }

    fn forge_control(&mut self, mesh: &mut Mesh, victim: &PeerId, direct: bool) {
        let number = self.dice.bits() >> self.dice.roll(64);
        let lane = self.dice.roll(3);
        let payload = match self.dice.roll(11) {
            0 => {
                format!(r#"["ack",{{"received":[{number},{number},0],"partial":[0,{number},0]}}]"#)
            }
            1 => format!(r#"["resume",{{"received":[{number},0,0]}}]"#),
            2 => format!(r#"["volatile",{{"seq":{number}}}]"#),
            3 => format!(r#"["begin",{{"next":{number}}}]"#),
            4 => format!(r#"["hello",{{"epoch":{},"for":{}}}]"#, number as u32, lane),
            5 => format!(r#"["pong",{number}]"#),
            6 => r#"["ack",{"received":[0],"partial":"x"}]"#.to_owned(),
            7 => r#"["something-new",1]"#.to_owned(),
            8 => r#"[{"toString":"ack"}]"#.to_owned(),
            9 => {
                // A packet in pieces that is link control itself.
                let inner = br#"2/socketio-p2p,["bye"]"#;
                let mut flat = (inner.len() as u32).to_be_bytes().to_vec();
                flat.extend_from_slice(inner);
                let total = flat.len();
                let header = format!(
                    r#"51-/socketio-p2p,["fragment",{{"lane":0,"seq":{},"offset":0,"total":{total}}},{{"_placeholder":true,"num":0}}]"#,
                    self.seq
                );
                return self.send(mesh, victim, direct, header, &[flat.into()], false);
            }
            _ => {
                let header = format!(
                    r#"51-/socketio-p2p,["fragment",{{"lane":{lane},"seq":{number},"offset":{},"total":{}}},{{"_placeholder":true,"num":0}}]"#,
                    self.dice.bits() >> self.dice.roll(64),
                    self.dice.bits() >> self.dice.roll(64),
                );
                let bytes = Bytes::from(vec![0; self.dice.roll(300) as usize]);
                return self.send(mesh, victim, direct, header, &[bytes], false);
            }
        };
        let numbered = self.dice.happens(300);
        self.send(mesh, victim, direct, format!("2{CONTROL},{payload}"), &[], numbered);
        // The same as a user's event, and as an event of the dialect.
        self.send(mesh, victim, direct, format!("2{payload}"), &[], true);
        self.send(mesh, victim, direct, "2[\"p2p:relay\",{}]".to_owned(), &[], true);
    }

    fn flood(&mut self, mesh: &mut Mesh, victim: &PeerId) {
        let count = self.dice.between(10, 90);
        let offers: Vec<AddressedOffer> = (0..count)
            .filter_map(|_| {
                let (_, sdp) = mesh.raw_offer(self.node);
                Some(AddressedOffer {
                    offer_id: format!("{:040x}", self.dice.bits()),
                    offer: RawSignal::try_from(&Signal::Offer(sdp)).ok()?,
                    to_peer_id: Some(victim.clone()),
                })
            })
            .collect();
        self.say(mesh, &ClientMessage::Offers(offers));
    }

    fn bomb(&mut self, mesh: &mut Mesh, victim: &PeerId, direct: bool) {
        let count = self.dice.bits() >> self.dice.roll(60);
        self.send(mesh, victim, direct, format!("5{count}-[\"n\"]"), &[], true);
        if self.channel(victim).is_none() || !direct {
            mesh.raw_send(self.node, vec![format!("5{count}-[\"p2p:relay\",{{}}]").into()]);
        }
        let many: Vec<Bytes> = (0..self.dice.between(100, 300)).map(|_| Bytes::new()).collect();
        let blobs: Vec<Blob> = many.iter().cloned().map(Blob::from).collect();
        if let Ok(packet) = Packet::event("n", &(0, blobs)) {
            self.send(mesh, victim, direct, packet.head().to_string(), &many, true);
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
        self.send(mesh, victim, direct, head, &[], true);
        let signal = format!(
            r#"2["peer-signal",{{"signal":{{"type":"answer","sdp":"x"}},"offerId":"{giant}","toPeerId":"{victim}"}}]"#
        );
        mesh.raw_send(self.node, vec![signal.into()]);
        mesh.raw_send(self.node, vec![format!("2/{giant},[\"n\"]").into()]);
        if let Ok(packet) = Packet::event("n", &(1,)) {
            let namespace = Namespace::new("/elsewhere").unwrap_or_default();
            let packet = packet.in_namespace(&namespace);
            self.send(mesh, victim, direct, packet.head().to_string(), &[], true);
        }
    }

    fn garbage(&mut self, mesh: &mut Mesh, victim: &PeerId, direct: bool) {
        let bytes: Vec<u8> = (0..self.dice.roll(60)).map(|_| self.dice.bits() as u8).collect();
        let text = String::from_utf8_lossy(&bytes).into_owned();
        let bytes = Bytes::from(bytes);
        match self.dice.roll(4) {
            0 => self.envelope(mesh, victim, vec![bytes], true),
            1 => self.send(mesh, victim, direct, text, &[], true),
            2 => self.envelope(mesh, victim, Vec::new(), true),
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
