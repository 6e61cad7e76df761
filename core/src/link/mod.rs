//! Everything between this session and one remote peer: the state of the direct path, both paths, the lanes'
//! streams, timers.
//!
//! - `state`: the transition table of the direct path
//! - `upgrade`: offers, answers, verification, loss
//! - `outbound`: from `emit` to envelopes and frames
//! - `inbound`: from envelopes and frames to events
//! - `transfer`: blobs as streams
//! - `succession`: what an incarnation leaves to the next
//! - `via`: the way through a neighbour
//! - `stream`, `fragment`, `control`, `channel`, `pace`, `replies`, `outbox`, `timer`: the parts

mod channel;
pub(crate) mod control;
mod fragment;
mod inbound;
mod outbound;
mod outbox;
pub(crate) mod pace;
mod replies;
mod state;
mod stream;
mod succession;
mod timer;
mod transfer;
mod upgrade;
pub(crate) mod via;

use std::collections::VecDeque;
use std::time::Duration;

use rand_chacha::ChaCha12Rng;

use self::channel::Connection;
use self::control::{Control, PerLane};
use self::fragment::Reassembly;
use self::replies::Replies;
use self::state::State;
use self::stream::{ReceiveStream, SendStream};
use self::timer::{Timer, Timers};
use self::transfer::Transfers;
use self::upgrade::{DoubtedOffer, OfferAllowance};
use self::via::Way;
use crate::command::{Command, DirectCommand};
use crate::config::{Config, Policy};
use crate::error::PeerError;
use crate::event::{Event, LeaveReason, Outcome, Path};
use crate::id::{ConnectionId, PeerId, Version};
use crate::signal::{Epochs, IceServer, Lane, Sequence};
use crate::time::Time;

pub(crate) use self::inbound::{Admission, Verdict};
pub(crate) use self::outbound::Envelope;
pub(crate) use self::outbox::Outbox;

/// How often a new incarnation announces itself, with pauses that double.
const MAX_ANNOUNCEMENTS: u32 = 5;

/// Link control that waits for the relay or a neighbour; more is never needed at a time.
const MAX_INDIRECT_CONTROL: usize = 16;

/// What a link works with and where its output goes.
pub(crate) struct Context<'a> {
    pub(crate) now: Time,
    pub(crate) config: &'a Config,
    pub(crate) policy: Policy,
    pub(crate) ice_servers: &'a [IceServer],
    pub(crate) rng: &'a mut ChaCha12Rng,
    pub(crate) next_connection: &'a mut u64,
    pub(crate) out: &'a mut Outbox,
}

#[derive(Debug)]
pub(crate) struct Link {
    peer: PeerId,
    version: Version,
    state: State,
    /// Numbers this incarnation of the link among all links of this session.
    epoch: u32,
    /// The peer's number for it; 0 until the peer has been heard.
    peer_epoch: u32,
    /// The peer's epochs up to this one are over.
    stale_epoch: u32,
    /// Whether the hub connects us right now.
    relay_up: bool,
    relay_lost_at: Time,
    /// The last sign of life on a direct path.
    last_heard: Time,
    /// The path on which events are sent now.
    sending: Option<Path>,
    /// The path that the application was told last.
    announced: Option<Path>,
    away: bool,
    /// `upgrade` was called.
    wanted: bool,
    /// The peer takes part in direct connections, as far as it has said.
    eligible: bool,
    /// An attempt is due as soon as there is room for it.
    wants_offer: bool,
    attempts: u32,
    /// Whether this end made the offer of the latest attempt.
    offered: bool,
    connection: Option<Connection>,
    doubted: Option<DoubtedOffer>,
    offers: OfferAllowance,
    timers: Timers,
    lanes: PerLane<LaneState>,
    /// Packets below these numbers went by the relay before the switch to the direct path.
    tail: PerLane<u64>,
    indirect_control: VecDeque<Control>,
    /// Waiting for the peer to say where to go on.
    resuming: bool,
    retransmits: u32,
    gaps: u32,
    greeted_stale_at: Option<Time>,
    /// How often this incarnation has announced itself.
    announcements: u32,
    /// An acknowledgement goes out with the next poll.
    ack_due: bool,
    unacked_packets: u32,
    unacked_bytes: usize,
    /// What was not acceptable, and the peer may not know it yet.
    refused: VecDeque<Sequence>,
    /// When the peer last made us send everything again.
    rewound_at: Option<Time>,
    /// What is left of the stall timeout while no path leads to the peer.
    stall_left: Option<Duration>,
    /// The peer refuses some of ours, and may not know that we know it.
    refuses: bool,
    replies: Replies,
    transfers: Transfers,
    /// An emit was turned away: the application waits for `Writable`.
    blocked: PerLane<bool>,
    /// Volatile events that never left.
    dropped: u64,
    /// Bytes of events that went out while bulk waited.
    overtaken: usize,
    /// Good-bye is said: that paths end now is no news.
    leaving: bool,
    way: Way,
    /// Whether the channel had proved itself when paths were looked at last.
    was_verified: bool,
}

/// The two streams of one lane.
#[derive(Debug, Default)]
struct LaneState {
    send: SendStream,
    receive: ReceiveStream,
    relay_reassembly: Reassembly,
    via_reassembly: Reassembly,
    direct_reassembly: Reassembly,
}

impl LaneState {
    fn reassemblies(&self) -> [&Reassembly; 3] {
        [&self.relay_reassembly, &self.direct_reassembly, &self.via_reassembly]
    }

    /// Frees the pieces of packets that have come whole on another path.
    fn drop_old_pieces(&mut self) {
        let expected = self.receive.expected();
        let pieces =
            [&mut self.relay_reassembly, &mut self.direct_reassembly, &mut self.via_reassembly];
        pieces.into_iter().for_each(|pieces| pieces.drop_below(expected));
    }
}

impl Link {
    /// A link to a peer that the hub has just named. Epochs of the peer up to `stale_epoch` are over.
    pub(crate) fn new(
        peer: PeerId,
        version: Version,
        epoch: u32,
        stale_epoch: u32,
        now: Time,
    ) -> Self {
        Self {
            peer,
            version,
            state: State::Relayed,
            epoch,
            peer_epoch: 0,
            stale_epoch,
            relay_up: false,
            relay_lost_at: now,
            last_heard: Time::ZERO,
            sending: None,
            announced: Some(Path::Relay),
            away: false,
            wanted: false,
            eligible: true,
            wants_offer: false,
            attempts: 0,
            offered: false,
            connection: None,
            doubted: None,
            offers: OfferAllowance::default(),
            timers: Timers::default(),
            lanes: PerLane::default(),
            tail: PerLane::default(),
            indirect_control: VecDeque::new(),
            resuming: false,
            retransmits: 0,
            gaps: 0,
            greeted_stale_at: None,
            announcements: 0,
            ack_due: false,
            unacked_packets: 0,
            unacked_bytes: 0,
            refused: VecDeque::new(),
            rewound_at: None,
            stall_left: None,
            refuses: false,
            replies: Replies::default(),
            transfers: Transfers::default(),
            blocked: PerLane::default(),
            dropped: 0,
            overtaken: 0,
            leaving: false,
            way: Way::default(),
            was_verified: false,
        }
    }

    pub(crate) fn peer(&self) -> &PeerId {
        &self.peer
    }

    pub(crate) fn version(&self) -> Version {
        self.version
    }

    /// The path on which events are sent now; `None` while they wait.
    pub(crate) fn sending(&self) -> Option<&Path> {
        self.sending.as_ref()
    }

    pub(crate) fn is_away(&self) -> bool {
        self.away
    }

    /// The peer's epoch, for the memory of epochs that are over.
    pub(crate) fn peer_epoch(&self) -> u32 {
        self.peer_epoch.max(self.stale_epoch)
    }

    pub(crate) fn connection_id(&self) -> Option<ConnectionId> {
        self.connection.as_ref().map(|connection| connection.id)
    }

    /// Whether it counts for `max_peers`.
    pub(crate) fn is_active(&self) -> bool {
        self.state.is_active()
    }

    /// Whether it has to be verified before the session is `Ready`.
    pub(crate) fn counts_for_ready(&self) -> bool {
        self.eligible && !self.away
    }

    pub(crate) fn is_verified(&self) -> bool {
        self.state.is_verified()
    }

    pub(crate) fn is_relay_up(&self) -> bool {
        self.relay_up
    }

    /// Whether an attempt is due and can be made.
    pub(crate) fn can_offer(&self) -> bool {
        self.wants_offer && self.eligible && self.relay_up && self.state == State::Relayed
    }

    /// Whether everything accepted has been acknowledged (or handed to the path, for a v0 peer).
    pub(crate) fn is_flushed(&self) -> bool {
        self.reliable_lanes().all(|lane| lane.send.is_empty())
            && !self.awaits_readers()
            && self.open_channel().is_none_or(channel::Channel::is_idle)
    }

    pub(crate) fn queued_bytes(&self) -> usize {
        self.reliable_lanes().map(|lane| lane.send.bytes()).sum()
    }

    /// What has come and cannot be handed out yet.
    pub(crate) fn held_bytes(&self) -> usize {
        let held = |lane: &LaneState| {
            let pieces = lane.reassemblies().map(Reassembly::held_bytes);
            pieces.iter().sum::<usize>() + lane.receive.held_bytes()
        };
        self.lanes.iter().map(held).sum()
    }

    /// Of what has come, the pieces that came directly.
    pub(crate) fn held_direct(&self) -> usize {
        self.lanes.iter().map(|lane| lane.direct_reassembly.held_bytes()).sum()
    }

    /// How many volatile events were dropped before they left.
    pub(crate) fn dropped(&self) -> u64 {
        self.dropped
    }

    pub(crate) fn next_timeout(&self) -> Option<Time> {
        self.timers.next()
    }

    /// The hub reaches the peer and we reach the hub, or not.
    pub(crate) fn set_relay(&mut self, up: bool, cx: &mut Context<'_>) {
        if self.relay_up == up {
            // A peer that is away when it becomes known is away from the start.
            return self.update_presence(cx);
        }
        self.relay_up = up;
        if up {
            self.announcements = 0;
            self.announce(cx);
        } else {
            self.relay_lost_at = cx.now;
            if !self.controls_via() {
                self.indirect_control.clear();
            }
            self.lanes.iter_mut().for_each(|lane| lane.relay_reassembly.reset());
            if self.sending == Some(Path::Direct) && self.tail_is_outstanding() {
                // What was under way on the relay may be lost: the channel carries it again.
                self.rewind();
            }
        }
        self.update_paths(cx);
    }

    /// Lets a peer that was given up know that a new incarnation has begun, until something of its own has come:
    /// it may be waiting, with nothing to say, for the one that is over.
    fn announce(&mut self, cx: &Context<'_>) {
        let known = self.stale_epoch == 0 || self.peer_epoch != 0;
        if known || !self.relay_up || self.announcements == MAX_ANNOUNCEMENTS {
            return;
        }
        self.push_indirect_control(Control::Hello(self.epochs()));
        let pause = cx.config.retransmit_timeout.saturating_mul(1 << self.announcements);
        self.announcements += 1;
        self.timers.set(Timer::Announce, cx.now + pause);
    }

    /// Says which path is used from now on, after anything that bears on it has changed.
    fn update_paths(&mut self, cx: &mut Context<'_>) {
        self.note_verified(cx);
        if self.state == State::Closed || self.leaving {
            return;
        }
        self.update_presence(cx);
        let path = self.best_path(cx.policy);
        if path != self.sending {
            let through = |path: &Option<Path>| matches!(path, Some(Path::Via(_)));
            cx.out.users_changed |= through(&path) || through(&self.sending);
            let before = std::mem::replace(&mut self.sending, path.clone());
            self.change_path(before.as_ref(), cx);
            if let Some(path) = path
                && self.announced.as_ref() != Some(&path)
            {
                self.announced = Some(path.clone());
                cx.out.events.push_back(Event::PathChanged { peer: self.peer.clone(), path });
            }
        }
    }

    fn change_path(&mut self, before: Option<&Path>, cx: &mut Context<'_>) {
        self.resuming = false;
        self.timers.clear(Timer::Resume);
        self.lanes.iter_mut().for_each(|lane| lane.send.restart_packet());
        match (before, &self.sending) {
            (Some(Path::Relay), Some(Path::Direct)) if self.version == Version::V1 => {
                self.tail = self.lanes.each_ref().map(|lane| lane.send.next());
            }
            (_, Some(Path::Direct)) => self.rewind(),
            (_, Some(Path::Relay | Path::Via(_))) => {
                if self.version == Version::V1 && self.awaits_ack() {
                    self.request_resume(cx);
                }
            }
            (_, None) => {}
        }
        self.arm_retransmit(cx);
    }

    /// Tells the peer what we have and waits, a little, to hear what it has before sending on.
    fn request_resume(&mut self, cx: &Context<'_>) {
        self.resuming = true;
        self.timers.set(Timer::Resume, cx.now + cx.config.retransmit_timeout / 3);
        self.push_resume();
    }

    fn update_presence(&mut self, cx: &mut Context<'_>) {
        let live = self.relay_up || self.state.is_verified() || self.way.is_there();
        if live != self.away {
            return;
        }
        self.away = !live;
        let peer = self.peer.clone();
        if live {
            self.timers.clear(Timer::Away);
            cx.out.events.push_back(Event::PeerBack { peer });
        } else {
            let last_sign = self.relay_lost_at.max(self.last_heard).max(self.way.lost_at());
            self.timers.set(Timer::Away, last_sign + cx.config.resume_window);
            cx.out.events.push_back(Event::PeerAway { peer });
        }
    }

    /// Runs every timer that is due. Tells why the link is to be given up, if it is.
    pub(crate) fn handle_timeout(&mut self, cx: &mut Context<'_>) -> Option<LeaveReason> {
        // Each once: one that is due again at once, as at the end of time, waits for the next call.
        for timer in Timer::ALL {
            if !self.timers.take_due(timer, cx.now) {
                continue;
            }
            match timer {
                Timer::Attempt => self.handle_attempt_timeout(cx),
                Timer::Offer => self.handle_offer_due(),
                Timer::Probe => self.probe(cx),
                Timer::Silence => {
                    let silent = cx.now - self.last_heard;
                    let millis = u64::try_from(silent.as_millis()).unwrap_or(u64::MAX);
                    self.lose_direct(PeerError::DirectSilent(millis), cx);
                }
                Timer::Doubt => {
                    self.answer_doubted(cx);
                }
                Timer::Announce => self.announce(cx),
                Timer::Ack => self.ack_due = true,
                Timer::Retransmit => {
                    self.retransmit(cx);
                    self.doubt_way(cx);
                }
                Timer::Resume => self.end_resume(cx),
                Timer::Gap => self.handle_gap(cx),
                Timer::Away => return Some(LeaveReason::TimedOut),
                Timer::Stall => return Some(LeaveReason::Stalled),
                // The transmit that follows does the rest.
                Timer::Pace => {}
                Timer::Reply => self.handle_overdue_replies(cx),
            }
        }
        None
    }

    /// The clock jumped: nobody was silent in the time that did not pass.
    pub(crate) fn handle_clock_jump(&mut self, by: Duration) {
        self.timers.shift(by);
        self.replies.shift(by);
        self.last_heard = self.last_heard + by;
        self.relay_lost_at = self.relay_lost_at + by;
        self.way.shift(by);
    }

    /// Tells the peer that we leave, and what has come of it until now. On every path: the good-bye on one must
    /// not overtake the acknowledgement on the other.
    pub(crate) fn say_goodbye(&mut self) {
        if self.version == Version::V0 || self.leaving {
            return;
        }
        self.leaving = true;
        let owed = self.ack_due || self.unacked_packets > 0 || self.unacked_bytes > 0;
        let ack = owed.then(|| self.take_ack());
        for control in ack.into_iter().chain([Control::Bye]) {
            self.push_indirect_control(control.clone());
            if self.controls_on_channel()
                && let Some(channel) = self.open_channel_mut()
            {
                channel.push_control(control);
            }
        }
    }

    /// Ends the link: reports how every emit ended and closes the channel. The caller reports the departure.
    pub(crate) fn close(&mut self, cx: &mut Context<'_>) {
        self.close_connection(cx);
        self.step(state::Input::Close);
        self.sending = None;
        self.timers = Timers::default();
        for lane in Lane::RELIABLE {
            for (sent, outgoing) in self.lanes[lane.index()].send.drain().collect::<Vec<_>>() {
                let outcome = if sent { Outcome::Unknown } else { Outcome::NotSent };
                self.report_outcome(lane, &outgoing, outcome, cx);
            }
        }
        self.lose_transfers(cx);
        for emit in self.replies.drain() {
            cx.out.push_no_ack(emit, self.peer.clone(), false);
        }
    }

    /// Ends the link and says why.
    pub(crate) fn leave(mut self, reason: LeaveReason, cx: &mut Context<'_>) {
        self.close(cx);
        cx.out.events.push_back(Event::PeerLeft { peer: self.peer, reason });
    }

    fn reliable_lanes(&self) -> impl Iterator<Item = &LaneState> {
        Lane::RELIABLE.into_iter().map(|lane| &self.lanes[lane.index()])
    }

    pub(crate) fn epochs(&self) -> Epochs {
        Epochs { epoch: self.epoch, peer_epoch: self.peer_epoch }
    }

    fn received(&self) -> PerLane<u64> {
        self.lanes.each_ref().map(|lane| lane.receive.expected())
    }

    fn step(&mut self, input: state::Input) -> bool {
        let next = self.state.next(input);
        if let Some(next) = next {
            self.state = next;
        }
        next.is_some()
    }

    fn open_channel(&self) -> Option<&channel::Channel> {
        self.connection.as_ref()?.channel.as_ref()
    }

    fn open_channel_mut(&mut self) -> Option<&mut channel::Channel> {
        self.connection.as_mut()?.channel.as_mut()
    }

    fn report(&self, error: PeerError, cx: &mut Context<'_>) {
        cx.out.events.push_back(Event::PeerError { peer: self.peer.clone(), error });
    }

    /// Frees the transport's end of the attempt and everything that hangs on it.
    fn close_connection(&mut self, cx: &mut Context<'_>) {
        if let Some(Connection { id: connection, .. }) = self.connection.take() {
            cx.out.commands.push_back(Command::Direct(DirectCommand::Close { connection }));
        }
        self.lanes.iter_mut().for_each(|lane| lane.direct_reassembly.reset());
        for timer in [Timer::Attempt, Timer::Probe, Timer::Silence] {
            self.timers.clear(timer);
        }
    }

    fn push_indirect_control(&mut self, control: Control) {
        if (self.relay_up || self.way.is_there()) && self.version == Version::V1 {
            if self.indirect_control.len() == MAX_INDIRECT_CONTROL {
                self.indirect_control.pop_front();
            }
            self.indirect_control.push_back(control);
        }
    }
}
