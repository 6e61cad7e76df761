//! The connection to the server: opening, joining, losing, and the server's messages.

use std::collections::BTreeSet;
use std::time::Duration;

use rand_chacha::rand_core::Rng as _;
use serde::de::DeserializeOwned;

use super::{Closing, Session};
use crate::codec::{Decoder, Limits, Packet, PacketType};
use crate::command::Command;
use crate::error::{JoinRefusal, SignalingError};
use crate::event::{Event, LeaveReason};
use crate::frame::Frame;
use crate::id::PeerId;
use crate::link::Outbox;
use crate::time::Time;
use crate::wire::{Dismissal, HubLimits, ServerMessage, Welcome};

/// The hub's limits until the welcome names them.
const HUB_LIMITS: HubLimits = HubLimits { max_envelope: 1 << 20, max_attachments: 256 };

/// The time for which a hub keeps seats, unless its welcome says otherwise.
pub(super) const RESUME_WINDOW: Duration = Duration::from_secs(8);

/// The longest time for which a session waits for its peers because its hub says so.
const MAX_RESUME_WINDOW: Duration = Duration::from_secs(24 * 3600);

/// The bytes by which an envelope from the hub may be longer than the same envelope to the hub.
const ENVELOPE_SLACK: usize = 4096;

/// The maximum pause that a server can demand.
const MAX_RETRY_AFTER: Duration = Duration::from_secs(60);

/// The maximum packet that this session accepts from a server, unless its own limits allow more.
const MAX_ENVELOPE: usize = 16 << 20;

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum State {
    /// Waits for the next attempt.
    Waiting {
        until: Time,
        /// The server's own demand: an attempt before this is refused.
        not_before: Time,
    },
    /// Waits for the transport to open a channel.
    Connecting,
    /// The channel is open and CONNECT is sent; the welcome is missing.
    Joining {
        until: Time,
    },
    /// The welcome arrived before the answer to CONNECT; until that answer the server accepts no other packet.
    Welcomed {
        until: Time,
    },
    Joined,
    /// The server refused the session.
    Refused,
    Closed,
}

/// The session's side of its Socket.IO connection.
#[derive(Debug)]
pub(super) struct Signaling {
    state: State,
    decoder: Decoder,
    /// Whether the server has answered CONNECT.
    connected: bool,
    /// The attempts since the last success.
    attempts: u32,
    limits: HubLimits,
}

/// Creates a decoder that accepts every envelope of the server. The session's own limits apply to its content,
/// so that no member can close the connection to the server.
fn decoder(limits: Limits, hub: HubLimits) -> Decoder {
    let attachments = limits.max_attachments.max(hub.max_attachments as usize);
    let envelope = (hub.max_envelope as usize).min(MAX_ENVELOPE) + ENVELOPE_SLACK;
    let bytes = limits.max_packet_bytes.max(envelope);
    Decoder::new(limits.with_max_attachments(attachments).with_max_packet_bytes(bytes))
}

impl Signaling {
    pub(super) fn new(limits: Limits, now: Time) -> Self {
        Self {
            state: State::Waiting { until: now, not_before: now },
            decoder: decoder(limits, HUB_LIMITS),
            connected: false,
            attempts: 0,
            limits: HubLimits { max_envelope: 0, max_attachments: 0 },
        }
    }

    pub(super) fn is_joined(&self) -> bool {
        self.state == State::Joined
    }

    /// Returns whether the members are known, and the server accepts no signal yet.
    pub(super) fn is_welcomed(&self) -> bool {
        matches!(self.state, State::Welcomed { .. })
    }

    pub(super) fn limits(&self) -> HubLimits {
        self.limits
    }

    pub(super) fn next_timeout(&self) -> Option<Time> {
        match self.state {
            State::Waiting { until, .. } | State::Joining { until } | State::Welcomed { until } => {
                Some(until)
            }
            State::Connecting | State::Joined | State::Refused | State::Closed => None,
        }
    }

    pub(super) fn retry_now(&mut self, out: &mut Outbox) {
        if matches!(self.state, State::Waiting { .. } | State::Refused) {
            self.state = State::Connecting;
            out.commands.push_back(Command::ConnectSignaling);
        }
    }

    /// Ends the pause, or what is left of it beyond the server's demand.
    pub(super) fn skip_pause(&mut self, now: Time) {
        if let State::Waiting { until, not_before } = &mut self.state {
            *until = (*until).min(now.max(*not_before));
        }
    }

    pub(super) fn close(&mut self, out: &mut Outbox) {
        if self.has_channel() {
            out.commands.push_back(Command::CloseSignaling);
        }
        self.state = State::Closed;
    }

    fn is_open(&self) -> bool {
        matches!(self.state, State::Joining { .. } | State::Welcomed { .. } | State::Joined)
    }

    fn has_channel(&self) -> bool {
        match self.state {
            State::Connecting | State::Joining { .. } | State::Welcomed { .. } | State::Joined => {
                true
            }
            State::Waiting { .. } | State::Refused | State::Closed => false,
        }
    }
}

impl Session {
    /// Handles the opening of the signalling channel. The session sends CONNECT.
    pub fn handle_signaling_open(&mut self, now: Time) {
        let now = self.advance(now);
        if self.signaling.state != State::Connecting {
            return;
        }
        let until = now + self.shared.config.join_timeout;
        self.signaling.state = State::Joining { until };
        self.signaling.decoder.reset();
        self.signaling.connected = false;
        match self.introduce() {
            Ok(connect) => self.write(connect),
            Err(error) => self.lose_signaling(error.into(), true, now),
        }
        self.settle(now);
    }

    /// Handles a message received on the signalling channel. A malformed one closes the channel, and the session
    /// asks for a new one.
    pub fn handle_signaling_frame(&mut self, frame: Frame, now: Time) {
        let now = self.advance(now);
        if self.signaling.is_open()
            && let Err(error) = self.read_signaling(frame, now)
        {
            self.lose_signaling(error, true, now);
        }
        self.settle(now);
    }

    /// Handles the end of the signalling channel, or a failure to open it. `error` is reported to the
    /// application.
    pub fn handle_signaling_closed(&mut self, error: String, now: Time) {
        let now = self.advance(now);
        if self.signaling.has_channel() {
            self.lose_signaling(SignalingError::Transport(error), false, now);
        }
        self.settle(now);
    }

    pub(super) fn run_signaling_timers(&mut self, now: Time) {
        match self.signaling.state {
            State::Waiting { until, .. } if now >= until => {
                self.signaling.retry_now(&mut self.shared.out);
            }
            State::Joining { until } if now >= until => {
                let within = self.shared.config.join_timeout;
                self.lose_signaling(SignalingError::NoWelcome { within }, true, now);
            }
            State::Welcomed { until } if now >= until => {
                let within = self.shared.config.join_timeout;
                self.lose_signaling(SignalingError::NoConnect { within }, true, now);
            }
            State::Waiting { .. }
            | State::Joining { .. }
            | State::Welcomed { .. }
            | State::Connecting
            | State::Joined
            | State::Refused
            | State::Closed => {}
        }
    }

    fn lose_signaling(&mut self, error: SignalingError, close_channel: bool, now: Time) {
        self.leave_for(Duration::ZERO, error, close_channel, now);
    }

    /// Leaves the hub, and schedules the next attempt after a pause of at least `at_least`.
    fn leave_for(
        &mut self,
        at_least: Duration,
        error: SignalingError,
        close_channel: bool,
        now: Time,
    ) {
        if close_channel {
            self.shared.out.commands.push_back(Command::CloseSignaling);
        }
        self.leave_hub(now);
        if self.closing != Closing::No {
            self.signaling.state = State::Closed;
            return;
        }
        let random = self.shared.rng.next_u32();
        let pause = self.shared.config.reconnect.pause(self.signaling.attempts, random);
        let retry_in = pause.max(at_least);
        self.signaling.attempts = self.signaling.attempts.saturating_add(1);
        self.signaling.state = State::Waiting { until: now + retry_in, not_before: now + at_least };
        self.counters.note_disconnected();
        self.shared.out.events.push_back(Event::Disconnected { error, retry_in });
    }

    /// Ends the relay paths of all links.
    fn leave_hub(&mut self, now: Time) {
        self.frames.clear();
        self.shared.out.signals.clear();
        self.end_server_talk();
        self.renaming.forget_strangers();
        for key in self.links.keys() {
            self.with_key(key, now, |link, cx| link.set_relay(false, cx));
        }
    }

    fn read_signaling(&mut self, frame: Frame, now: Time) -> Result<(), SignalingError> {
        let Some(packet) = self.signaling.decoder.push(frame)? else { return Ok(()) };
        if packet.namespace() != self.shared.config.namespace {
            return Ok(());
        }
        match packet.packet_type() {
            // The welcome follows, or came before.
            PacketType::Connect => {
                self.signaling.connected = true;
                if matches!(self.signaling.state, State::Welcomed { .. }) {
                    self.signaling.state = State::Joined;
                }
                Ok(())
            }
            PacketType::Event | PacketType::BinaryEvent => {
                self.handle_message(ServerMessage::from_packet(packet)?, now)
            }
            PacketType::ConnectError => {
                self.refuse(&packet, now);
                Ok(())
            }
            PacketType::Disconnect => {
                self.lose_signaling(SignalingError::Closed, true, now);
                Ok(())
            }
            PacketType::Ack | PacketType::BinaryAck => {
                packet.validate(&self.shared.config.limits)?;
                self.handle_server_ack(packet);
                Ok(())
            }
        }
    }

    fn refuse(&mut self, packet: &Packet, now: Time) {
        #[derive(serde::Deserialize)]
        struct Reason {
            #[serde(default)]
            message: String,
            #[serde(default)]
            data: Option<serde_json::Value>,
        }
        let reason = read_or(packet, || Reason { message: "no reason given".into(), data: None });
        let code = reason.data.as_ref().and_then(|data| data.get("code")?.as_str());
        let code = code.or_else(|| code_in(&reason.message)).map(str::to_owned);
        let retry_after = retry_after_in(&reason.message);
        self.turn_away(JoinRefusal { message: reason.message, code }, retry_after, now);
    }

    /// Handles a refusal or a dismissal. A temporary one demands a pause.
    fn turn_away(&mut self, refusal: JoinRefusal, retry_after: Option<Duration>, now: Time) {
        if let Some(pause) = retry_after {
            let pause = pause.min(MAX_RETRY_AFTER);
            return self.leave_for(pause, SignalingError::PutOff(refusal), true, now);
        }
        self.shared.out.commands.push_back(Command::CloseSignaling);
        self.leave_hub(now);
        self.signaling.state = State::Refused;
        self.shared.out.events.push_back(Event::Refused(refusal));
    }

    /// Handles the hub's last message on this connection.
    fn handle_dismissal(&mut self, dismissal: Dismissal, now: Time) {
        let Dismissal { code, message, retry_after, .. } = dismissal;
        let retry_after = retry_after.map(Duration::from_millis);
        if retry_after.is_none() {
            self.introduction.forget_token();
            for peer in self.links.ids().cloned().collect::<Vec<_>>() {
                self.remove(&peer, LeaveReason::Kicked, now);
            }
        }
        self.turn_away(JoinRefusal { message, code: Some(code) }, retry_after, now);
    }

    fn handle_message(&mut self, message: ServerMessage, now: Time) -> Result<(), SignalingError> {
        match message {
            ServerMessage::NumClients { welcome: Some(welcome), .. } => {
                self.handle_welcome(*welcome, now);
            }
            // An original server sends no welcome: the join ends with a time-out.
            ServerMessage::NumClients { welcome: None, .. } => {}
            ServerMessage::Offer { from, offer_id, offer } => {
                self.handle_offer(&from, offer_id, &offer, now);
            }
            ServerMessage::Signal(signal) => self.handle_peer_signal(&signal, now),
            ServerMessage::PeerJoin(member) => self.meet(&member, false, now),
            ServerMessage::PeerAway(peer) => {
                if !self.change_stranger(&peer, |member| member.away = true) {
                    self.set_relay(&peer, false, now);
                }
            }
            ServerMessage::PeerUpdate { peer, metadata } => {
                self.handle_peer_update(&peer, metadata, now);
            }
            ServerMessage::PeerDisconnect { peer, kicked } => {
                self.handle_peer_disconnect(&peer, kicked, now);
            }
            ServerMessage::Close(dismissal) => self.handle_dismissal(dismissal, now),
            ServerMessage::Relay(download) => self.handle_download(download, now),
            ServerMessage::Event(packet) => {
                packet.validate(&self.shared.config.limits)?;
                self.handle_server_event(packet);
            }
        }
        Ok(())
    }

    fn handle_welcome(&mut self, welcome: Welcome, now: Time) {
        let Welcome { id, token, room, roster, limits, ice_servers, epoch_base, user, .. } =
            welcome;
        let window = welcome.resume_window.map(Duration::from_millis);
        self.shared.hub_resume_window = window.unwrap_or(RESUME_WINDOW).min(MAX_RESUME_WINDOW);
        self.next_epoch = self.next_epoch.max(epoch_base.saturating_add(1));
        let resumed = self.id() == Some(&id);
        if !resumed && let Some(former) = self.id().cloned() {
            self.lose_identity(former, now);
        }
        // A session has no link to itself, whatever its hub says.
        self.remove(&id, LeaveReason::IdentityChanged, now);
        self.signaling.state = match self.signaling.state {
            State::Joining { until } | State::Welcomed { until } if !self.signaling.connected => {
                State::Welcomed { until }
            }
            State::Joining { .. }
            | State::Welcomed { .. }
            | State::Joined
            | State::Waiting { .. }
            | State::Connecting
            | State::Refused
            | State::Closed => State::Joined,
        };
        self.signaling.attempts = 0;
        self.signaling.limits = limits;
        self.signaling.decoder = decoder(self.shared.config.limits.clone(), limits);
        self.introduction.accept(id.clone(), token, user);
        self.shared.ice_servers = ice_servers;
        self.counters.note_connected(resumed);
        self.shared.out.events.push_back(Event::Connected { id, room, resumed });
        let here: BTreeSet<&PeerId> = roster.iter().map(|member| &member.id).collect();
        let gone = self.links.ids().filter(|peer| !here.contains(peer));
        for peer in gone.cloned().collect::<Vec<_>>() {
            self.set_relay(&peer, false, now);
        }
        for member in &roster {
            self.meet(member, true, now);
        }
    }

    /// Queues a packet for the signalling channel.
    pub(super) fn write(&mut self, packet: Packet) {
        let namespace = &self.shared.config.namespace;
        let packet = if namespace.is_default() { packet } else { packet.in_namespace(namespace) };
        self.frames.extend(packet.frames());
    }
}

/// Finds the code before the message, where a server cannot add data to a refusal.
fn code_in(message: &str) -> Option<&str> {
    let (code, _) = message.split_once(": ")?;
    let word = |byte: u8| byte.is_ascii_lowercase() || byte == b'-';
    (!code.is_empty() && code.bytes().all(word)).then_some(code)
}

/// Parses the pause of a temporary refusal, as in `too-many-joins: try again in 500 ms: …`.
fn retry_after_in(message: &str) -> Option<Duration> {
    let text = code_in(message).map_or(message, |code| &message[code.len() + 2..]);
    let (millis, _) = text.strip_prefix("try again in ")?.split_once(" ms: ")?;
    millis.parse().ok().map(Duration::from_millis)
}

fn read_or<T: DeserializeOwned>(packet: &Packet, default: impl FnOnce() -> T) -> T {
    packet.data::<T>().unwrap_or_else(|_| default())
}
