//! Attacks with forged identities, control and content.

use bytes::Bytes;
use socketio_p2p_core::codec::Blob;
use socketio_p2p_core::wire::{
    AddressedOffer, ClientMessage, Incoming, IncomingKind, Item, Lane, LaneState, Place, RawSignal,
    Record, Signal, State, Stream,
};
use socketio_p2p_core::{Frame, Namespace, Packet, PeerId};

use super::{EPOCH, Mallory, flat};
use crate::mesh::Mesh;
use crate::sim::scenario::Attack;

impl Mallory {
    pub(super) fn strike(
        &mut self,
        mesh: &mut Mesh,
        victim: &PeerId,
        attack: Attack,
        direct: bool,
    ) {
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
            Attack::Former => self.claim(mesh, victim),
            Attack::Metadata => self.flood_metadata(mesh),
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
