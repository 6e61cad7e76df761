//! Attacks on the rules of the hub, with a second client.

use bytes::Bytes;
use socketio_p2p_core::codec::Decoder;
use socketio_p2p_core::wire::{Bundle, ClientMessage, Epochs, Recipient, ServerMessage, Upload};
use socketio_p2p_core::{Frame, PeerId};

use super::{EPOCH, Mallory, decoder};
use crate::mesh::{Fault, Mesh, Node, RawInput};

/// What is larger is not worth the time.
const LARGEST: u32 = 300_000;

/// A client that is let in, or not, in one room or another.
#[derive(Debug)]
pub(in crate::sim) struct Twin {
    pub(in crate::sim) node: Node,
    decoder: Decoder,
    errand: Errand,
    token: Option<String>,
    victim: Option<PeerId>,
    /// Its socket is open.
    connected: bool,
    /// It waits to be let in.
    pending: bool,
    /// How many ends of sockets it has brought about itself and not heard of yet.
    own_ends: u32,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Errand {
    /// So many comebacks to its seat in the room.
    Comebacks(u64),
    /// Into another room, with a token of this one.
    Elsewhere,
}

impl Twin {
    pub(in crate::sim) fn new(mesh: &mut Mesh) -> Self {
        Self {
            node: mesh.add_raw(),
            decoder: decoder(),
            errand: Errand::Elsewhere,
            token: None,
            victim: None,
            connected: false,
            pending: false,
            own_ends: 0,
        }
    }

    fn set_out(&mut self, mesh: &mut Mesh, errand: Errand, token: Option<String>, victim: &PeerId) {
        if self.pending {
            return;
        }
        (self.errand, self.token, self.victim) = (errand, token, Some(victim.clone()));
        self.reconnect(mesh);
    }

    fn reconnect(&mut self, mesh: &mut Mesh) {
        if self.connected {
            self.own_ends += 1;
            mesh.cut_signaling(self.node);
        }
        (self.connected, self.pending) = (false, true);
        mesh.raw_connect(self.node);
    }

    pub(super) fn act(&mut self, mesh: &mut Mesh) {
        for input in mesh.take_raw(self.node) {
            match input {
                RawInput::Open => {
                    self.connected = true;
                    self.decoder.reset();
                    let room = if self.errand == Errand::Elsewhere { "elsewhere" } else { "lobby" };
                    let token = self.token.as_ref();
                    let token = token.map_or_else(String::new, |it| format!(r#","token":"{it}""#));
                    let connect = format!(r#"0{{"p2p":{{"v":1,"room":"{room}"{token}}}}}"#);
                    mesh.raw_send(self.node, vec![connect.into()]);
                }
                RawInput::Frame(frame) => self.read(mesh, frame),
                RawInput::Closed if self.own_ends > 0 => self.own_ends -= 1,
                RawInput::Closed => (self.connected, self.pending) = (false, false),
                RawInput::DirectOpen(_) | RawInput::DirectFrame(..) | RawInput::DirectClosed(_) => {
                }
            }
        }
    }

    fn read(&mut self, mesh: &mut Mesh, frame: Frame) {
        let Ok(Some(packet)) = self.decoder.push(frame) else { return };
        let Ok(ServerMessage::NumClients { welcome: Some(welcome), .. }) =
            ServerMessage::from_packet(packet)
        else {
            return;
        };
        self.pending = false;
        match &mut self.errand {
            Errand::Comebacks(0) => {}
            Errand::Comebacks(left) => {
                *left -= 1;
                self.token = Some(welcome.token);
                self.reconnect(mesh);
            }
            Errand::Elsewhere => {
                let Some(victim) = &self.victim else { return };
                let signal = format!(
                    r#"2["peer-signal",{{"signal":{{"candidate":{{}}}},"offerId":"{:040}","toPeerId":"{victim}"}}]"#,
                    0
                );
                mesh.raw_send(self.node, vec![signal.into()]);
                send(mesh, self.node, &[victim], nothing());
            }
        }
    }

    pub(super) fn leave(&mut self, mesh: &mut Mesh) {
        if self.connected {
            mesh.raw_send(self.node, vec!["1".into()]);
        }
    }
}

impl Mallory {
    /// Breaks a rule that the hub is there to keep.
    pub(super) fn break_rules(&mut self, mesh: &mut Mesh, victim: &PeerId) {
        mesh.effects_mut().change(Fault::HubRules);
        let (node, own_id) = (self.node, self.own_id.clone());
        match self.rule_dice.roll(6) {
            0 => self.name_wrongly(mesh, victim, own_id.as_ref()),
            1 => {
                for number in 0..self.rule_dice.between(40, 160) {
                    let signal = format!(
                        r#"2["peer-signal",{{"signal":{{"candidate":{{}}}},"offerId":"{number:040}","toPeerId":"{victim}"}}]"#
                    );
                    mesh.raw_send(node, vec![signal.into()]);
                }
            }
            2 => {
                let (count, bytes) = if self.rule_dice.happens(500) {
                    (self.rule_dice.between(400, 900), nothing())
                } else {
                    let largest = self.envelope_limit.min(20_000) as usize;
                    (self.rule_dice.between(10, 40), Bytes::from(vec![0; largest]))
                };
                for _ in 0..count {
                    send(mesh, node, &[victim], bytes.clone());
                }
            }
            3 => {
                if self.envelope_limit <= LARGEST {
                    let over =
                        self.envelope_limit as usize + self.rule_dice.between(1, 99) as usize;
                    send(mesh, node, &[victim], Bytes::from(vec![0; over]));
                }
            }
            4 => {
                let errand = Errand::Comebacks(self.rule_dice.between(3, 10));
                if let Some(twin) = &mut self.twin {
                    twin.set_out(mesh, errand, None, victim);
                }
            }
            _ => {
                let token = self.token.clone();
                if let Some(twin) = &mut self.twin {
                    twin.set_out(mesh, Errand::Elsewhere, token, victim);
                }
            }
        }
    }

    /// Names itself, somebody twice, and a third peer for its own.
    fn name_wrongly(&mut self, mesh: &mut Mesh, victim: &PeerId, own_id: Option<&PeerId>) {
        let node = self.node;
        if let Some(own_id) = own_id {
            send(mesh, node, &[victim, own_id], nothing());
            send(mesh, node, &[own_id], nothing());
        }
        send(mesh, node, &[victim, victim], nothing());
        let third = self.rule_dice.pick(&self.others).unwrap_or_else(|| victim.clone());
        let signal = format!(
            r#"2["peer-signal",{{"signal":{{"candidate":{{}}}},"offerId":"{:040}","fromPeerId":"{third}","toPeerId":"{victim}"}}]"#,
            0
        );
        mesh.raw_send(node, vec![signal.into()]);
    }
}

/// A bundle with nothing in it.
fn nothing() -> Bytes {
    Bundle::write(Epochs { epoch: EPOCH, peer_epoch: 0 }, &[])
}

fn send(mesh: &mut Mesh, node: Node, to: &[&PeerId], body: Bytes) {
    let recipient = |id: &&PeerId| Recipient { id: (*id).clone(), numbers: None };
    let to = to.iter().map(recipient).collect();
    if let Ok(packet) = ClientMessage::Relay(Upload { to, piece: None, body }).to_packet() {
        mesh.raw_send(node, packet.frames().collect());
    }
}
