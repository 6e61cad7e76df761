//! A hub behind Socket.IO framing, as the server adapter has it behind real sockets: frames in, frames out.

mod gate;
mod orders;

use std::collections::BTreeMap;
use std::sync::Arc;

use serde::Serialize;
use socketio_p2p_core::codec::{Decoder, Limits};
use socketio_p2p_core::hub::{
    Admission, ClientError, Departure, Handled, Hub, HubConfig, JoinError, Output,
};
use socketio_p2p_core::wire::{ClientMessage, Join, Member, ServerMessage};
use socketio_p2p_core::{ClientId, Frame, Packet, PacketType, PeerId, RoomName, Time};

pub(crate) use self::gate::{BANNED, Gate};
use crate::conditions::RosterFaults;
use crate::dice::Dice;
use crate::freight::Freight;
use crate::witness::{Claim, Witness};

/// The number of a connection to the server, given by whoever carries its frames.
pub(crate) type SocketId = u64;

/// The bytes of an envelope beside its body, as in the server adapter. The hub itself refuses bodies that are too long.
const HEADERS: usize = 64 << 10;

/// The maximum number of events for the server's application that are kept.
const MAX_FOR_APPLICATION: usize = 1024;

#[derive(Debug)]
pub(crate) struct Server {
    pub(crate) hub: Hub,
    sockets: BTreeMap<SocketId, Socket>,
    by_client: BTreeMap<ClientId, SocketId>,
    misnaming: Option<Misnaming>,
    /// Members that were not named, and to whom.
    pub(crate) omitted: Vec<(SocketId, Member)>,
    /// How many members were named twice.
    pub(crate) repeated: u32,
    /// An offer was declined because another crossed it.
    glare: bool,
    /// The id that the last CONNECT got.
    joined: Option<PeerId>,
    /// Whether outputs contain the contents of envelopes.
    weighs: bool,
    /// The events and answers of members for the server's application.
    pub(crate) application: Vec<(ClientId, Packet)>,
    /// The judge of the hub.
    pub(crate) witness: Option<Witness>,
    /// Who decides about clients; none: all are admitted, as nobody in particular.
    pub(crate) gate: Option<Gate>,
}

/// The faults of rosters.
#[derive(Debug)]
struct Misnaming {
    faults: RosterFaults,
    dice: Dice,
}

#[derive(Debug)]
struct Socket {
    decoder: Decoder,
    client: Option<ClientId>,
}

/// An output of the server.
#[derive(Debug)]
pub(crate) enum ServerOutput {
    Send { socket: SocketId, kind: Kind, packet: Packet, freight: Option<Arc<Freight>> },
    Close(SocketId),
}

/// The kinds of messages that faults distinguish.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Kind {
    Envelope,
    Offer,
    Signal,
    Other,
}

impl Kind {
    fn of(message: &ServerMessage) -> Self {
        match message {
            // Packets of original clients have no number: they are not retransmitted.
            ServerMessage::Relay(download)
                if download.numbers.is_none() && download.piece.is_some() =>
            {
                Self::Other
            }
            ServerMessage::Relay(_) => Self::Envelope,
            ServerMessage::Offer { .. } => Self::Offer,
            ServerMessage::Signal(_) => Self::Signal,
            ServerMessage::NumClients { .. }
            | ServerMessage::PeerJoin(_)
            | ServerMessage::PeerAway(_)
            | ServerMessage::PeerUpdate { .. }
            | ServerMessage::PeerDisconnect { .. }
            | ServerMessage::Close(_)
            | ServerMessage::Event(_)
            | _ => Self::Other,
        }
    }
}

impl Server {
    #[expect(clippy::expect_used, reason = "a test with settings that cannot be is wrong")]
    pub(crate) fn new(config: HubConfig, seed: [u8; 32]) -> Self {
        Self {
            hub: Hub::new(config, seed).expect("the configuration of the hub is valid"),
            sockets: BTreeMap::new(),
            by_client: BTreeMap::new(),
            misnaming: None,
            omitted: Vec::new(),
            repeated: 0,
            glare: false,
            joined: None,
            weighs: false,
            application: Vec::new(),
            witness: None,
            gate: None,
        }
    }

    /// Starts to judge the hub, and adds the contents of envelopes to outputs.
    pub(crate) fn weigh(&mut self, witness: Option<Witness>) {
        self.weighs = true;
        let config = self.hub.config();
        self.witness = Some(witness.unwrap_or_else(|| Witness::new(config.clone())));
    }

    /// Names members wrongly from now on.
    pub(crate) fn misname(&mut self, faults: RosterFaults, dice: Dice) {
        let wrong = faults != RosterFaults::default();
        self.misnaming = wrong.then_some(Misnaming { faults, dice });
    }

    /// Tells a client of a member that was not named to it, if it is still there.
    pub(crate) fn tell_member(&mut self, socket: SocketId, omitted: &Member) -> Vec<ServerOutput> {
        let client = self.sockets.get(&socket).and_then(|socket| socket.client);
        let room = client.and_then(|client| self.hub.room_of(client));
        let is_it = |member: &Member| member.id == omitted.id;
        let Some(member) = room.and_then(|room| self.hub.members(room).find(is_it)) else {
            return Vec::new();
        };
        let mut member = member;
        member.key = omitted.key.clone();
        let Ok(packet) = ServerMessage::PeerJoin(member).to_packet() else { return Vec::new() };
        vec![ServerOutput::Send { socket, kind: Kind::Other, packet, freight: None }]
    }

    /// Closes the connection of a client that does not read.
    pub(crate) fn evict(&mut self, socket: SocketId, now: Time) -> Vec<ServerOutput> {
        if !self.sockets.contains_key(&socket) {
            return Vec::new();
        }
        self.close(socket, Departure::Lost, now);
        self.drain_after(vec![ServerOutput::Close(socket)], now)
    }

    /// The id of a client that has joined since the last call.
    pub(crate) fn take_joined(&mut self) -> Option<PeerId> {
        self.joined.take()
    }

    /// Whether offers have crossed since the last call.
    pub(crate) fn take_glare(&mut self) -> bool {
        std::mem::take(&mut self.glare)
    }

    pub(crate) fn open(&mut self, socket: SocketId) {
        let allowed = self.hub.config().limits;
        let limits = Limits::default()
            .with_max_attachments(allowed.max_attachments as usize)
            .with_max_packet_bytes(allowed.max_envelope as usize + HEADERS);
        self.sockets.insert(socket, Socket { decoder: Decoder::new(limits), client: None });
    }

    pub(crate) fn receive(&mut self, id: SocketId, frame: Frame, now: Time) -> Vec<ServerOutput> {
        let Some(socket) = self.sockets.get_mut(&id) else { return Vec::new() };
        let packet = match socket.decoder.push(frame) {
            Ok(Some(packet)) => packet,
            Ok(None) => return Vec::new(),
            Err(_) => {
                self.close(id, Departure::Lost, now);
                return self.drain_after(vec![ServerOutput::Close(id)], now);
            }
        };
        let (client, copy) = (socket.client, packet.clone());
        let name = format!("socket-{id}");
        if client.is_none() && self.gate.is_some() && packet.packet_type() == PacketType::Connect {
            let replies = self.admit(id, &packet, &name, now);
            return self.drain_after(replies, now);
        }
        let Ok(handled) = self.hub.handle_packet(client, packet, &name, now) else {
            return Vec::new();
        };
        let replies = match handled {
            Handled::Joined { client, reply } => {
                self.note_join(id, client, &copy, Admission::default(), now);
                vec![send(id, reply)]
            }
            Handled::Refused { reply, .. } => {
                vec![send(id, reply), ServerOutput::Close(id)]
            }
            Handled::Left => {
                self.note_departure(id, Departure::Left, now);
                vec![ServerOutput::Close(id)]
            }
            Handled::Message(outcome) => {
                self.note_message(client, copy, outcome, now);
                Vec::new()
            }
            Handled::Unexpected(_) | _ => Vec::new(),
        };
        self.drain_after(replies, now)
    }

    /// Handles CONNECT as the server's application wants it.
    fn admit(
        &mut self,
        id: SocketId,
        connect: &Packet,
        name: &str,
        now: Time,
    ) -> Vec<ServerOutput> {
        #[derive(Serialize)]
        struct Connected<'a> {
            sid: &'a str,
        }
        let namespace = connect.namespace();
        let verdict =
            self.gate.as_mut().map(|gate| gate.judge(connect.payload(), self.hub.config()));
        let admission = match verdict {
            Some(Err(refusal)) => {
                return vec![send(id, refusal.in_namespace(&namespace)), ServerOutput::Close(id)];
            }
            Some(Ok(admission)) => admission,
            None => Admission::default(),
        };
        let joined = Join::from_auth(connect.payload())
            .map_err(|error| JoinError::BadAuth { reason: error.to_string() })
            .and_then(|join| {
                let join = join.unwrap_or_else(|| Join::v0(RoomName::default()));
                self.hub.handle_admitted(join, admission.clone(), Some(name), now)
            });
        match joined {
            Ok(client) => {
                self.note_join(id, client, connect, admission, now);
                let reply = Packet::connect(Some(&Connected { sid: name })).ok();
                reply.map(|reply| send(id, reply.in_namespace(&namespace))).into_iter().collect()
            }
            Err(error) => {
                let reply = error.to_packet().ok();
                let reply = reply.map(|reply| send(id, reply.in_namespace(&namespace)));
                reply.into_iter().chain([ServerOutput::Close(id)]).collect()
            }
        }
    }

    fn note_join(
        &mut self,
        id: SocketId,
        client: ClientId,
        connect: &Packet,
        admission: Admission,
        now: Time,
    ) {
        let join = Join::from_auth(connect.payload()).ok().flatten();
        let join = join.unwrap_or_else(|| Join::v0(RoomName::default()));
        let claim = Claim::of(&join, admission);
        if let Some(witness) = &mut self.witness {
            witness.connected(&self.hub, client, claim, now);
        }
        if let Some(socket) = self.sockets.get_mut(&id) {
            socket.client = Some(client);
        }
        self.by_client.insert(client, id);
        self.joined = self.hub.peer_id(client).cloned();
    }

    fn note_message(
        &mut self,
        client: Option<ClientId>,
        packet: Packet,
        outcome: Result<(), ClientError>,
        now: Time,
    ) {
        let (Some(client), Ok(message)) = (client, ClientMessage::from_packet(packet)) else {
            return;
        };
        if let ClientMessage::Signal(signal) = &message {
            self.glare |= signal.signal.as_json().contains("\"glare\"");
        }
        if let Some(witness) = &mut self.witness {
            witness.said(client, message, outcome.err(), now);
        }
    }

    pub(crate) fn disconnect(
        &mut self,
        id: SocketId,
        departure: Departure,
        now: Time,
    ) -> Vec<ServerOutput> {
        self.close(id, departure, now);
        self.drain_after(Vec::new(), now)
    }

    fn close(&mut self, id: SocketId, departure: Departure, now: Time) {
        let Some(Socket { client: Some(client), .. }) = self.sockets.get(&id) else {
            self.sockets.remove(&id);
            return;
        };
        self.hub.handle_disconnect(*client, departure, now);
        self.note_departure(id, departure, now);
    }

    fn note_departure(&mut self, id: SocketId, departure: Departure, now: Time) {
        let Some(Socket { client: Some(client), .. }) = self.sockets.remove(&id) else { return };
        self.by_client.remove(&client);
        if let Some(witness) = &mut self.witness {
            witness.left(client, departure, now);
        }
    }

    pub(crate) fn handle_timeout(&mut self, now: Time) -> Vec<ServerOutput> {
        self.hub.handle_timeout(now);
        if let Some(witness) = &mut self.witness {
            witness.timed_out(&self.hub, now);
        }
        self.drain_after(Vec::new(), now)
    }

    /// Returns the outputs of the hub after a call of the server's application.
    pub(crate) fn drain(&mut self, now: Time) -> Vec<ServerOutput> {
        self.drain_after(Vec::new(), now)
    }

    fn drain_after(&mut self, mut outputs: Vec<ServerOutput>, now: Time) -> Vec<ServerOutput> {
        while let Some(output) = self.hub.poll_output() {
            match output {
                Output::Send { to, message } => {
                    if let Some(witness) = &mut self.witness {
                        self.hub.receivers(&to).for_each(|to| witness.sent(to, &message));
                    }
                    let receivers = self.hub.receivers(&to);
                    let sockets = receivers.filter_map(|client| self.by_client.get(&client));
                    let kind = Kind::of(&message);
                    let weighed = self.weighs && kind == Kind::Envelope;
                    let freight = weighed.then(|| Freight::of(&message).map(Arc::new)).flatten();
                    let Some(misnaming) = &mut self.misnaming else {
                        let Ok(packet) = message.to_packet() else { continue };
                        outputs.extend(sockets.map(|&socket| {
                            let (packet, freight) = (packet.clone(), freight.clone());
                            ServerOutput::Send { socket, kind, packet, freight }
                        }));
                        continue;
                    };
                    for &socket in sockets {
                        let mut message = message.clone();
                        let times = misnaming.apply(&mut message, |member| {
                            self.omitted.push((socket, member));
                        });
                        self.repeated += times.repeated;
                        let Ok(packet) = message.to_packet() else { continue };
                        for _ in 0..times.sent {
                            let (packet, freight) = (packet.clone(), freight.clone());
                            outputs.push(ServerOutput::Send { socket, kind, packet, freight });
                        }
                    }
                }
                Output::Close { client, reason, farewell } => {
                    if let Some(witness) = &mut self.witness {
                        witness.closed(client, reason, farewell.as_ref());
                    }
                    if let Some(socket) = self.by_client.remove(&client) {
                        self.sockets.remove(&socket);
                        let farewell = farewell.and_then(|message| message.to_packet().ok());
                        outputs.extend(farewell.map(|packet| send(socket, packet)));
                        outputs.push(ServerOutput::Close(socket));
                    }
                }
                Output::Application { client, packet } => {
                    if let Some(witness) = &mut self.witness {
                        witness.passed_up(client, &packet);
                    }
                    // Nobody takes them in a simulation that does not ask for them.
                    self.application.truncate(MAX_FOR_APPLICATION - 1);
                    self.application.push((client, packet));
                }
                _ => {}
            }
        }
        if let Some(witness) = &mut self.witness {
            witness.done(now);
        }
        outputs
    }
}

const fn send(socket: SocketId, packet: Packet) -> ServerOutput {
    ServerOutput::Send { socket, kind: Kind::Other, packet, freight: None }
}

/// How often a message is sent, and how many members are named twice in it.
struct Times {
    sent: u32,
    repeated: u32,
}

impl Misnaming {
    fn apply(&mut self, message: &mut ServerMessage, mut omit: impl FnMut(Member)) -> Times {
        let RosterFaults { repeat, omit: omission } = self.faults;
        let mut times = Times { sent: 1, repeated: 0 };
        if let ServerMessage::NumClients { welcome: Some(welcome), .. } = message {
            let mut roster = Vec::new();
            for member in welcome.roster.drain(..) {
                if self.dice.happens(omission) {
                    omit(member);
                    continue;
                }
                if self.dice.happens(repeat) {
                    times.repeated += 1;
                    roster.push(member.clone());
                }
                roster.push(member);
            }
            welcome.roster = roster;
        }
        if let ServerMessage::PeerJoin(member) = message {
            if self.dice.happens(omission) {
                omit(member.clone());
                times.sent = 0;
            } else if self.dice.happens(repeat) {
                times = Times { sent: 2, repeated: 1 };
            }
        }
        times
    }
}
