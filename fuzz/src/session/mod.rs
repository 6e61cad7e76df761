//! Fuzzes one session; the fuzzer plays server, peers, channels, clock and application.
//!
//! - this file: the run, time, outputs
//! - `desk`: the server's application, and what is known of members
//! - `server`, `peers`, `states`, `channels`, `application`: the parts that the fuzzer plays
//! - `remote`: the content that a peer sends under each number
//! - `hear`, `come`: the inputs of the session, and the outputs that they permit
//! - `wires`, `sent`: what the session sends, compared with what the application gave it
//! - `model`: the events that the session may report

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::wildcard_enum_match_arm,
    reason = "a fuzz target fails by panicking, also on unknown values"
)]

mod application;
mod channels;
mod come;
mod desk;
mod direct_states;
mod hear;
mod model;
mod peers;
mod remote;
mod sent;
mod server;
mod standing;
mod states;
mod wires;

use std::time::Duration;

use socketio_p2p_core::codec::Limits;
use socketio_p2p_core::wire::ServerMessage;
use socketio_p2p_core::{Config, EmitError, Packet, Path, PeerId, Policy, Session, Target, Time};

use self::model::{Channel, Model};
use self::remote::{Channels, Remote, RemoteChannel};
use self::wires::{Circumstances, Wires};
use crate::input::Input;
use crate::trail::Trail;

/// Maximum steps of one input; longer inputs repeat themselves.
const MAX_STEPS: usize = 300;

/// Maximum events and commands of one input: a bounded number for each emit, ack and transfer that ends.
const MAX_TOLD: usize = 2_000;

/// Maximum frames that may wait at a time, in all queues together.
const MAX_FRAMES: usize = 30_000;

/// The latest time of a step; it leaves time for the session to end.
const LATEST: Time = Time::from_nanos(u64::MAX - (1 << 50));

/// Maximum timers that may be due at one instant, one after the other.
const MAX_WAKE_UPS: usize = 32;

/// Peer ids. The last two are the session's own, and a peer may use them too.
const NAMES: [&str; 8] = ["a", "b", "c", "x", "y", "z", "m", "n"];

/// The session's ids, in the middle of the order, so that it wins and loses glare.
const OWN_NAMES: [&str; 2] = ["m", "n"];

const QUEUE_BYTES: usize = 2_000;
const QUEUE_PACKETS: usize = 16;
const MAX_PEERS: usize = 2;
const TRANSFER_WINDOW: usize = 200;
const MAX_TRANSFERS: usize = 2;
const RELAY_WINDOW: usize = 1_000;
const DIRECT_WINDOW: usize = 3_000;
/// The maximum record length of some paths.
const RECORD_BYTES: usize = 300;
/// Both lanes, one packet above each limit, and the data of transfers.
const MAX_QUEUED: usize = 2 * (QUEUE_BYTES + 4_200) + MAX_TRANSFERS * (QUEUE_BYTES + 300);

/// Runs any inputs and commands. The outputs fit the model in any order, numbers and time do not overflow, the same
/// inputs give the same outputs, and `close` ends everything.
pub fn inputs(data: &[u8]) {
    let first = run(data);
    // A second run of every input would halve the number of inputs.
    if data.len().is_multiple_of(4) {
        assert!(first == run(data), "the same inputs gave different outputs");
    }
}

fn run(data: &[u8]) -> Vec<String> {
    let mut input = Input(data);
    let mut run = Run::new(&mut input);
    for _ in 0..MAX_STEPS {
        if !input.goes_on() || run.model.closed {
            break;
        }
        run.step(&mut input);
        if run.slow & 1 == 0 {
            run.pump_signaling(MAX_FRAMES);
        }
        if run.slow & 2 == 0 {
            run.pump_channels();
        }
    }
    run.close();
    run.transcript
}

struct Run {
    session: Session,
    now: Time,
    model: Model,
    remotes: Vec<Remote>,
    channels: Channels,
    wires: Wires,
    /// The offers of the session: the receiver and the offer id.
    offers: Vec<(PeerId, String)>,
    /// The transports without room after most steps: 1 signalling, 2 channels.
    slow: usize,
    limits: Limits,
    /// Maximum bytes that the session may hold.
    max_held: usize,
    emits: u64,
    /// All outputs.
    transcript: Vec<String>,
    trail: Trail,
}

fn config(input: &mut Input<'_>) -> Config {
    let policies = [
        Policy::Automatic,
        Policy::Automatic,
        Policy::Manual,
        Policy::RelayOnly,
        Policy::DirectOnly,
    ];
    let limits = Limits::default().with_max_packet_bytes(4_096).with_max_attachments(8);
    let choice = input.byte();
    let mut config = Config::default()
        .with_limits(limits)
        .with_policy(policies[usize::from(choice) % policies.len()])
        .with_max_peers(MAX_PEERS)
        .with_queue_bytes(QUEUE_BYTES)
        .with_record_bytes(input.pick([64, RECORD_BYTES]))
        .with_relay_window(RELAY_WINDOW)
        .with_direct_window(DIRECT_WINDOW)
        .with_receive_bytes(if choice < 64 { 8_000 } else { 1 << 27 })
        .with_max_transfers(MAX_TRANSFERS)
        .with_transfer_window(TRANSFER_WINDOW);
    config.queue_packets = QUEUE_PACKETS;
    config.volatile_bytes = 400;
    config.max_pending_acks = 4;
    config.max_members = 5;
    config
}

impl Run {
    fn new(input: &mut Input<'_>) -> Self {
        let slow = input.pick([0, 0, 0, 1, 2, 3]);
        let now = Time::from_millis(1);
        let config = config(input);
        let (limits, max_held) = (config.limits.clone(), config.receive_bytes);
        let salt = u64::from(input.byte());
        let remote = |name: &&str| Remote::new(name.parse().unwrap(), salt);
        let mut run = Self {
            session: Session::new(config, [7; 32], now).unwrap(),
            now,
            model: Model::new(),
            remotes: NAMES.iter().map(remote).collect(),
            channels: Channels::new(),
            wires: Wires::new(),
            offers: Vec::new(),
            slow,
            limits,
            max_held,
            emits: 0,
            transcript: Vec::new(),
            trail: Trail::new(),
        };
        run.settle();
        run
    }

    fn step(&mut self, input: &mut Input<'_>) {
        match input.below(36) {
            0 | 1 => self.join(input),
            2 => self.half_join(input),
            3 | 4 => {
                let member = self.member(input);
                self.hear(&ServerMessage::PeerJoin(member));
            }
            5 => {
                let which = input.below(16);
                if let Some(which) = which.checked_sub(10) {
                    return self.at_desk(input, which);
                }
                let peer = self.remote(input).id.clone();
                let message = match which % 2 {
                    0 => ServerMessage::PeerAway(peer),
                    _ => ServerMessage::PeerDisconnect { peer, kicked: false },
                };
                self.hear(&message);
            }
            6 => self.offer(input),
            7 => self.signal(input),
            8..=12 => self.relay(input),
            13..=15 => self.relay_shared(input),
            16 | 17 => self.make_channel(input),
            18..=20 => self.on_channel(input),
            21 => self.on_datagrams(input),
            22 | 23 => self.pass_on(input),
            24 => self.end_or_signal_channel(input),
            25 => self.raw(input),
            26 => self.pass(input),
            27 => self.wake_up(),
            28 | 29 => self.emit(input),
            30 => self.ask(input),
            31 => self.reply(input),
            32 => self.write_transfer(input),
            33 => self.read_transfer(input),
            34 => match input.below(4) {
                0 => self.pump_channels(),
                _ => self.pump_signaling(usize::from(input.byte())),
            },
            _ => self.change(input),
        }
    }

    // ----- time -----

    fn pass(&mut self, input: &mut Input<'_>) {
        let unit = input.pick([1, 1, 10, 100, 1_000, 60_000, 86_400_000, u64::MAX]);
        let then = self.now + Duration::from_millis(unit.saturating_mul(u64::from(input.byte())));
        self.now = then.min(LATEST);
        self.trail.note(format_args!("it is {:?}", self.now));
        if input.flag() {
            self.session.handle_timeout(self.now);
            self.settle();
        }
    }

    /// Advances to the next deadline and runs all timers that are due.
    fn wake_up(&mut self) {
        let Some(due) = self.session.poll_timeout() else { return };
        self.now = self.now.max(due);
        self.trail.note(format_args!("wakes up at {:?}", self.now));
        for _ in 0..MAX_WAKE_UPS {
            self.session.handle_timeout(self.now);
            self.settle();
            if self.now >= LATEST || self.session.poll_timeout().is_none_or(|due| due > self.now) {
                return;
            }
        }
        panic!("expected at most {MAX_WAKE_UPS} timers due at {:?}, got more", self.now);
    }

    // ----- outputs -----

    /// Takes the events and commands of the session.
    fn settle(&mut self) {
        let was_closed = self.model.closed;
        let mut told = 0;
        while let Some(event) = self.session.poll_event() {
            self.trail.note(format_args!("  {event:?}"));
            self.transcript.push(format!("{event:?}"));
            self.model.note_event(&event, &self.remotes);
            told += 1;
            assert!(told <= MAX_TOLD, "expected at most {MAX_TOLD} events, got {told}");
        }
        while let Some(command) = self.session.poll_command() {
            self.trail.note(format_args!("  {command:?}"));
            self.transcript.push(format!("{command:?}"));
            self.model.note_command(&command);
            told += 1;
            assert!(told <= MAX_TOLD, "expected at most {MAX_TOLD} commands, got {told}");
        }
        assert!(!was_closed || told == 0, "a closed session has outputs");
        self.model.take_drafts();
        let Self { channels, model, .. } = self;
        channels.retain(|connection, channel| {
            let lives = model.connections.contains(connection);
            if !lives {
                model.heard.owed.remove(&(channel.peer.clone(), 1));
            }
            lives
        });
        if model.channel != Channel::Open {
            model.heard.owed.retain(|(_, path), _| *path != 0);
        }
        for (peer, link) in &self.model.links {
            if let Some(connection) = self.session.connection_of(peer) {
                self.channels.entry(connection).or_insert_with(|| RemoteChannel {
                    peer: peer.clone(),
                    dialect: link.dialect,
                    open: false,
                    max_message: 0,
                    max_datagram: None,
                });
            }
        }
        self.model.check(&self.session, MAX_QUEUED, self.max_held);
        self.model.desk.check(&self.session);
        let policy = self.session.policy();
        assert!(self.channels.len() <= MAX_PEERS);
        assert!(policy != Policy::RelayOnly || self.channels.is_empty());
    }

    /// Takes the messages for the server, at most `most`.
    fn pump_signaling(&mut self, most: usize) {
        let mut messages = 0;
        while messages < most && self.model.channel == Channel::Open {
            let Some(frame) = self.session.poll_signaling_transmit(self.now) else {
                self.check_answered(0);
                break;
            };
            self.trail.note(format_args!("  for the server: {frame:?}"));
            self.transcript.push(format!("{:?}", frame.as_bytes()));
            let Self { session, limits, remotes, wires, model, .. } = self;
            let around = Circumstances { policy: session.policy(), limits, remotes };
            messages += usize::from(wires.hear_signaling(frame, model, around));
            assert!(messages < MAX_FRAMES, "expected at most {MAX_FRAMES} frames, got more");
        }
        self.offers.append(&mut self.wires.offers);
        self.settle();
    }

    fn pump_channels(&mut self) {
        for connection in self.channels.keys().copied().collect::<Vec<_>>() {
            let mut sent = 0;
            loop {
                let datagram = self.session.poll_datagram(connection, self.now);
                let is_datagram = datagram.is_some();
                let frame =
                    datagram.or_else(|| self.session.poll_direct_transmit(connection, self.now));
                let Some(frame) = frame else { break };
                self.trail.note(format_args!("  for {connection}: {frame:?}"));
                self.transcript.push(format!("{:?}", frame.as_bytes()));
                let Self { session, limits, remotes, wires, model, channels, .. } = self;
                let around = Circumstances { policy: session.policy(), limits, remotes };
                let channel = &channels[&connection];
                match is_datagram {
                    true => wires.hear_datagram(frame, channel, model, around),
                    false => wires.hear_channel(frame, channel, model, around),
                }
                sent += 1;
                assert!(sent < MAX_FRAMES, "expected at most {MAX_FRAMES} frames, got more");
            }
            self.settle();
        }
        self.check_answered(1);
    }

    /// Checks, once all output of the paths of one kind is sent, that pings on them are answered.
    fn check_answered(&mut self, path: usize) {
        if self.model.closing {
            return;
        }
        for (peer, of) in self.model.heard.owed.keys().filter(|(_, of)| *of == path) {
            let open = self.channels.values().any(|one| one.peer == *peer && one.open);
            let relayed = self.session.is_joined()
                && self.session.peers().any(|one| one.id == *peer && one.path == Some(Path::Relay));
            assert!(!(if *of == 1 { open } else { relayed }), "a ping of {peer} is not answered");
        }
        self.model.heard.owed.retain(|(_, of), _| *of != path);
    }

    // ----- the end -----

    /// Closes the session, which must end within its time limit.
    fn close(&mut self) {
        self.session.close(self.now);
        self.model.closing = true;
        self.settle();
        for _ in 0..1_000 {
            if self.model.closed {
                break;
            }
            self.pump_signaling(MAX_FRAMES);
            self.pump_channels();
            if let Some(due) = self.session.poll_timeout() {
                self.now = self.now.max(due);
            }
            self.session.handle_timeout(self.now);
            self.settle();
        }
        if !self.model.closed && self.now == Time::from_nanos(u64::MAX) {
            // After a clock jump, a deadline beyond the last representable time never comes.
            return;
        }
        assert!(self.model.closed, "the session has not closed");
        let event = Packet::event("late", &()).unwrap();
        let emitted = self.session.emit(Target::All, &event, self.now);
        assert!(matches!(emitted, Err(EmitError::Closed)));
        self.open_signaling();
        self.answer_connect();
        self.hear(&ServerMessage::NumClients { others: 0, welcome: None });
        self.session.set_policy(Policy::Automatic, self.now);
        self.session.reconnect(self.now);
        self.session.handle_timeout(Time::from_nanos(u64::MAX));
        self.settle();
        assert!(self.session.poll_signaling_transmit(self.now).is_none());
    }
}

impl Run {
    fn remote(&self, input: &mut Input<'_>) -> &Remote {
        &self.remotes[input.below(NAMES.len())]
    }
}
