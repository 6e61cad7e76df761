//! Two sessions and a hub, connected without a wire. Each of the three has its own clock, which runs while the
//! core works for it; everything between them is not measured. Frames are delivered unread.

use std::collections::BTreeMap;
use std::time::Duration;

use socketio_p2p_core::codec::{Decoder, Limits};
use socketio_p2p_core::hub::{Hub, HubConfig, Output};
use socketio_p2p_core::wire::{ClientMessage, Join, Signal};
use socketio_p2p_core::{
    ClientId, Command, Config, ConnectionId, DirectCommand, Event, Frame, Packet, PacketType, Path,
    PeerId, Policy, Session, Time,
};

use crate::common::thread_time;

/// The indices of sender and receiver in [`Pair::ends`].
pub(crate) const SENDER: usize = 0;
pub(crate) const RECEIVER: usize = 1;

/// The step of the virtual time per delivery.
const STEP: Duration = Duration::from_micros(50);

/// The maximum message of the data channel.
const MAX_MESSAGE: usize = 256 << 10;

/// The time that a new mesh runs before it is measured: longer than the patience for an offer.
const REST: Duration = Duration::from_secs(5);

/// The maximum number of consecutive deadlines without a delivery.
const PATIENCE: usize = 1000;

pub(crate) struct Pair {
    path: Path,
    others: usize,
    ends: [End; 2],
    now: Time,
    /// The number of consecutive deadlines without a delivery.
    idle: usize,
    hub: Hub,
    hub_cpu: Duration,
    clients: BTreeMap<ClientId, usize>,
    /// The connections of the session descriptions, whose texts are indices in this list.
    described: Vec<(usize, ConnectionId)>,
}

/// A session as its driver has it, with empty and full buffers in place of transports.
struct End {
    session: Session,
    cpu: Duration,
    client: Option<ClientId>,
    /// The server's decoder of this session's frames.
    decoder: Decoder,
    channel: Option<ConnectionId>,
    due: Option<Time>,
    commands: Vec<Command>,
    /// The frames that the session has sent, per path.
    sent: Frames,
    /// The frames for the session.
    inbox: Frames,
}

#[derive(Default)]
struct Frames {
    direct: Vec<Frame>,
    relay: Vec<Frame>,
}

impl Frames {
    fn is_empty(&self) -> bool {
        self.direct.is_empty() && self.relay.is_empty()
    }
}

impl Pair {
    /// Creates two sessions that use this path, in a room in which each has this number of other members. All
    /// other members are known to the hub and send nothing.
    pub(crate) fn new(path: &Path, others: usize) -> Self {
        let mut config = Config::default().with_max_peers(1);
        config.max_members = others;
        let relay_only = config.clone().with_policy(Policy::RelayOnly);
        let config = if *path == Path::Relay { relay_only.clone() } else { config };
        let now = Time::from_millis(1000);
        let hub = HubConfig::default().with_room_capacity(others + 1);
        let end = |seed| End::new(Session::new(config.clone(), [seed; 32], now).unwrap());
        let mut pair = Self {
            path: path.clone(),
            others,
            ends: [end(1), end(2)],
            now,
            idle: 0,
            hub: Hub::new(hub, [0; 32]).unwrap(),
            hub_cpu: Duration::ZERO,
            clients: BTreeMap::new(),
            described: Vec::new(),
        };
        pair.run_until_on_path();
        for _ in 1..others {
            pair.add_silent(&relay_only);
        }
        pair.rest();
        pair.check();
        pair
    }

    /// Checks the state of the mesh, without which a measurement is meaningless.
    pub(crate) fn check(&self) {
        assert!(self.is_on_path(), "expected the pair on {:?}", self.path);
        for end in &self.ends {
            assert_eq!(end.session.peers().count(), self.others, "members that a session knows");
        }
    }

    fn is_on_path(&self) -> bool {
        [SENDER, RECEIVER].into_iter().all(|index| {
            let other = self.ends[1 - index].session.id();
            let mut peers = self.ends[index].session.peers();
            peers.any(|peer| Some(&peer.id) == other && peer.path.as_ref() == Some(&self.path))
        })
    }

    pub(crate) fn id_of(&self, index: usize) -> PeerId {
        self.ends[index].session.id().unwrap().clone()
    }

    /// Returns the clocks of sender, hub and receiver.
    pub(crate) fn cpu(&self) -> [Duration; 3] {
        [self.ends[SENDER].cpu, self.hub_cpu, self.ends[RECEIVER].cpu]
    }

    /// Calls a session as its application, then moves the output as its driver.
    pub(crate) fn act(
        &mut self,
        index: usize,
        act: impl FnOnce(&mut Session, Time),
        application: &mut impl FnMut(&mut Session, Event, Time),
    ) {
        let (end, now) = (&mut self.ends[index], self.now);
        end.on_clock(|end| {
            act(&mut end.session, now);
            end.turn(now, application);
        });
    }

    pub(crate) fn session(&mut self, index: usize) -> (&mut Session, Time) {
        (&mut self.ends[index].session, self.now)
    }

    /// Delivers the output of both sessions. Without output, the time moves to the next deadline. Returns
    /// `false` when nothing was delivered.
    pub(crate) fn exchange(
        &mut self,
        application: &mut impl FnMut(&mut Session, Event, Time),
    ) -> bool {
        let mut moved = false;
        for index in [SENDER, RECEIVER] {
            let commands = std::mem::take(&mut self.ends[index].commands);
            moved |= !commands.is_empty();
            commands.into_iter().for_each(|command| self.execute(index, command));
        }
        for index in [SENDER, RECEIVER] {
            moved |= self.hand_over(index);
        }
        self.now = self.now + STEP;
        if !moved && let Some(due) = self.ends.iter().filter_map(|end| end.due).min() {
            self.now = self.now.max(due);
        }
        for end in &mut self.ends {
            end.take_in(self.now, application);
        }
        self.idle = if moved { 0 } else { self.idle + 1 };
        assert!(self.idle < PATIENCE, "expected something to hand over, at {:?}", self.now);
        moved
    }

    /// Delivers the output of one session, that of the relay through the hub.
    pub(crate) fn hand_over(&mut self, index: usize) -> bool {
        let mut sent = std::mem::take(&mut self.ends[index].sent);
        let moved = !sent.is_empty();
        self.ends[1 - index].inbox.direct.append(&mut sent.direct);
        if !sent.relay.is_empty() {
            let start = thread_time();
            for frame in sent.relay.drain(..) {
                self.pass_on(index, frame);
            }
            self.hub_cpu += thread_time().saturating_sub(start);
        }
        self.ends[index].sent = sent;
        moved
    }

    /// Lets one session handle the delivered frames, and pass its events to the application only. Returns the
    /// time that it takes.
    pub(crate) fn take_in_bare(
        &mut self,
        index: usize,
        application: &mut impl FnMut(Event),
    ) -> Duration {
        let (end, now) = (&mut self.ends[index], self.now);
        let mut inbox = std::mem::take(&mut end.inbox);
        let start = thread_time();
        end.handle_frames(&mut inbox, now, |end| {
            while let Some(event) = end.session.poll_event() {
                application(event);
            }
        });
        let time = thread_time().saturating_sub(start);
        end.inbox = inbox;
        end.turn(now, &mut |_, event, _| application(event));
        time
    }

    fn run_until_on_path(&mut self) {
        while !self.is_on_path() {
            self.exchange(&mut |_, _, _| {});
        }
    }

    /// Runs the mesh until it is idle.
    fn rest(&mut self) {
        let end = self.now + REST;
        while self.now < end {
            let moved = self.exchange(&mut |_, _, _| {});
            let mut dues = self.ends.iter().filter_map(|end| end.due);
            if !moved && !dues.any(|due| due < end) {
                self.now = end;
            }
        }
    }

    fn execute(&mut self, index: usize, command: Command) {
        let (end, now) = (&mut self.ends[index], self.now);
        match command {
            Command::ConnectSignaling => end.session.handle_signaling_open(now),
            Command::Direct(command) => self.execute_direct(index, command),
            Command::CloseSignaling | _ => panic!("the server's connection does not break here"),
        }
        self.ends[index].turn(now, &mut |_, _, _| {});
    }

    fn execute_direct(&mut self, index: usize, command: DirectCommand) {
        let now = self.now;
        match command {
            DirectCommand::Offer { connection, .. } => {
                let offer = Signal::Offer(self.describe(index, connection));
                self.ends[index].session.handle_direct_signal(connection, &offer, now);
            }
            DirectCommand::Answer { connection, .. } => {
                let answer = Signal::Answer(self.describe(index, connection));
                self.ends[index].session.handle_direct_signal(connection, &answer, now);
            }
            DirectCommand::Signal { connection, signal: Signal::Answer(sdp) } => {
                let answerer = self.described[sdp.parse::<usize>().unwrap()];
                for (index, connection) in [(index, connection), answerer] {
                    let end = &mut self.ends[index];
                    end.channel = Some(connection);
                    end.session.handle_direct_open(connection, MAX_MESSAGE, now);
                    end.turn(now, &mut |_, _, _| {});
                }
            }
            // Signals of failed attempts; `check` verifies the connection that is used.
            DirectCommand::Signal { .. } | DirectCommand::Close { .. } | _ => {}
        }
    }

    fn describe(&mut self, index: usize, connection: ConnectionId) -> String {
        self.described.push((index, connection));
        (self.described.len() - 1).to_string()
    }

    /// The server: from a received frame to the sent frames.
    fn pass_on(&mut self, index: usize, frame: Frame) {
        let end = &mut self.ends[index];
        let Some(packet) = end.decoder.push(frame).unwrap() else { return };
        if let Some(client) = end.client {
            let message = ClientMessage::from_packet(packet).unwrap();
            self.hub.handle_message(client, message, self.now).unwrap();
        } else {
            let client = connect(&mut self.hub, &packet, self.now);
            end.client = Some(client);
            end.inbox.relay.push("0{\"sid\":\"s\"}".into());
            self.clients.insert(client, index);
        }
        self.send_from_hub();
    }

    fn send_from_hub(&mut self) {
        while let Some(output) = self.hub.poll_output() {
            let Output::Send { to, message } = output else { panic!("the hub closes no client") };
            for client in self.hub.receivers(&to) {
                let Some(index) = self.clients.get(&client) else { continue };
                self.ends[*index].inbox.relay.extend(message.to_packet().unwrap().frames());
            }
        }
    }

    /// Adds a member whose session joins and then neither sends nor receives.
    fn add_silent(&mut self, config: &Config) {
        let mut session = Session::new(config.clone(), [3; 32], self.now).unwrap();
        session.handle_signaling_open(self.now);
        let mut decoder = Decoder::new(Limits::unbounded());
        while let Some(frame) = session.poll_signaling_transmit(self.now) {
            let Some(packet) = decoder.push(frame).unwrap() else { continue };
            connect(&mut self.hub, &packet, self.now);
        }
        self.send_from_hub();
    }
}

fn connect(hub: &mut Hub, packet: &Packet, now: Time) -> ClientId {
    assert_eq!(packet.packet_type(), PacketType::Connect);
    let join = Join::from_auth(packet.payload()).unwrap().unwrap();
    hub.handle_connect(join, None, now).unwrap()
}

impl End {
    fn new(mut session: Session) -> Self {
        let commands = std::iter::from_fn(|| session.poll_command()).collect();
        Self {
            session,
            cpu: Duration::ZERO,
            client: None,
            decoder: Decoder::new(Limits::unbounded()),
            channel: None,
            due: None,
            commands,
            sent: Frames::default(),
            inbox: Frames::default(),
        }
    }

    fn on_clock(&mut self, act: impl FnOnce(&mut Self)) {
        let start = thread_time();
        act(self);
        self.cpu += thread_time().saturating_sub(start);
    }

    fn take_in(&mut self, now: Time, application: &mut impl FnMut(&mut Session, Event, Time)) {
        if self.inbox.is_empty() && self.due.is_none_or(|due| due > now) {
            return;
        }
        let mut inbox = std::mem::take(&mut self.inbox);
        self.on_clock(|end| {
            end.handle_frames(&mut inbox, now, |end| end.turn(now, application));
            if end.due.is_some_and(|due| due <= now) {
                end.session.handle_timeout(now);
                end.turn(now, application);
            }
        });
        self.inbox = inbox;
    }

    fn handle_frames(&mut self, inbox: &mut Frames, now: Time, mut then: impl FnMut(&mut Self)) {
        if let Some(channel) = self.channel {
            for frame in inbox.direct.drain(..) {
                self.session.handle_direct_frame(channel, frame, now);
                then(self);
            }
        }
        for frame in inbox.relay.drain(..) {
            self.session.handle_signaling_frame(frame, now);
            then(self);
        }
    }

    /// Runs the run loop after an input: events to the application, commands and frames to the transports,
    /// which have room for all of them, and the next deadline.
    fn turn(&mut self, now: Time, application: &mut impl FnMut(&mut Session, Event, Time)) {
        loop {
            let mut again = false;
            while let Some(event) = self.session.poll_event() {
                application(&mut self.session, event, now);
            }
            self.commands.extend(std::iter::from_fn(|| self.session.poll_command()));
            if let Some(channel) = self.channel {
                while let Some(frame) = self.session.poll_direct_transmit(channel, now) {
                    self.sent.direct.push(frame);
                    again = true;
                }
            }
            while let Some(frame) = self.session.poll_signaling_transmit(now) {
                self.sent.relay.push(frame);
                again = true;
            }
            if !again {
                break;
            }
        }
        self.due = self.session.poll_timeout();
    }
}
