//! Everything between this session and one remote peer.
//!
//! The link joins parts that do not know each other; each input ends with one [`settle`](Link::settle).
//!
//! - `incarnation`: epochs, and the bundles that are admitted
//! - `attempt`, `state`, `channel`: the direct path, from the offer to its loss
//! - `route`, `recovery`, `pace`: the available paths, their rates and round-trip times, the path in use
//! - `sender`, `progress`, `flight`, `stall`: queued packets, records in flight, acknowledgements, losses
//! - `receiver`, `assembly`: reassembly and order of received records
//! - `transfers`: blobs as streams
//! - `dialogue`: pings, pongs, acknowledgements
//! - `replies`: pending acknowledgements of the peer's application
//! - `seals`: bundles through neighbours
//!
//! The link joins the parts in these files:
//!
//! - `succession`: the successor of an incarnation, and the end of the link
//! - `commands`: commands of the application
//! - `inputs`, `acknowledged`: inputs from the peer
//! - `turn`, `transmit`, `envelope`, `via`: output: the choice of the next record, bundles, the relay,
//!   neighbours
//! - `original`, `unnumbered`: v0 peers
//! - `counters`: the numbers for monitoring
//! - `context`, `outbox`: the environment of all parts, and their output

mod acknowledged;
mod assembly;
mod attempt;
mod channel;
mod commands;
mod context;
mod counters;
mod dialogue;
mod envelope;
mod flight;
mod incarnation;
mod inputs;
mod original;
mod outbox;
pub(crate) mod pace;
mod progress;
mod receiver;
mod recovery;
mod replies;
mod route;
mod seals;
mod sender;
mod stall;
mod state;
mod succession;
mod transfers;
mod transmit;
mod turn;
mod unnumbered;
mod via;

use self::attempt::Attempt;
pub(crate) use self::context::Context;
use self::counters::Counters;
use self::dialogue::Dialogue;
pub(crate) use self::envelope::Envelope;
use self::flight::{Flight, PathKind};
pub(crate) use self::incarnation::Admission;
use self::incarnation::Incarnation;
pub(crate) use self::inputs::LinkChange;
pub(crate) use self::outbox::Outbox;
use self::receiver::Receiver;
pub(crate) use self::replies::Replies;
use self::route::{Presence, Route};
pub(crate) use self::seals::Dropped;
use self::seals::Seals;
use self::sender::Sender;
use self::transfers::Transfers;
use crate::config::Policy;
use crate::direct_state::{DirectFailure, DirectState};
use crate::event::{Event, LeaveReason};
use crate::id::{ConnectionId, Dialect, PeerId};
use crate::path::Path;
use crate::time::{Time, earliest};
use crate::wire::{Epochs, Member, MemberData, PeerLimits};

/// The number of time-outs after which an incarnation without any answer stops its pings.
const MAX_ANNOUNCEMENTS: u32 = 6;

/// The identity of the peer.
#[derive(Debug)]
pub(crate) struct Remote {
    pub(crate) id: PeerId,
    /// The id at the beginning of this incarnation, which the ids of its transfers keep when the peer is renamed.
    pub(crate) first_id: PeerId,
    pub(crate) dialect: Dialect,
    /// The limits of the peer's application, if known.
    pub(crate) limits: Option<PeerLimits>,
    pub(crate) profile: Profile,
}

/// What the hub says about a member for its application.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Profile {
    /// What the server's application has verified.
    pub(crate) user: Option<MemberData>,
    pub(crate) metadata: Option<MemberData>,
}

impl Profile {
    pub(crate) fn of(member: &Member) -> Self {
        Self { user: member.user.clone(), metadata: member.metadata.clone() }
    }
}

/// The progress of the good-bye.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Farewell {
    Staying,
    /// The good-bye is to be sent on these paths.
    Leaving(flight::PerPath<bool>),
}

#[derive(Debug)]
pub(crate) struct Link {
    peer: Remote,
    incarnation: Incarnation,
    attempt: Attempt,
    route: Route,
    dialogue: Dialogue,
    flight: Flight,
    sender: Sender,
    receiver: Receiver,
    transfers: Transfers,
    replies: Replies,
    seals: Seals,
    farewell: Farewell,
    counters: Counters,
}

impl Link {
    /// Creates a link to a member that the hub has just named. `before`: there was an earlier link, and the
    /// peer's epochs up to this one are over.
    pub(crate) fn new(member: &Member, epoch: u32, before: Option<u32>, now: Time) -> Self {
        let Member { id, dialect, limits, key, .. } = member;
        let profile = Profile::of(member);
        let (id, first_id) = (id.clone(), id.clone());
        let peer = Remote { id, first_id, dialect: *dialect, limits: *limits, profile };
        let (incarnation, seals) = (Incarnation::new(epoch, before), Seals::new(key.clone()));
        Self::with(peer, incarnation, Attempt::default(), seals, now)
    }

    fn with(
        peer: Remote,
        incarnation: Incarnation,
        attempt: Attempt,
        seals: Seals,
        now: Time,
    ) -> Self {
        Self {
            peer,
            incarnation,
            attempt,
            route: Route::new(now),
            dialogue: Dialogue::default(),
            flight: Flight::default(),
            sender: Sender::default(),
            receiver: Receiver::default(),
            transfers: Transfers::default(),
            replies: Replies::default(),
            seals,
            farewell: Farewell::Staying,
            counters: Counters::default(),
        }
    }

    // ----- getters -----

    pub(crate) const fn peer(&self) -> &PeerId {
        &self.peer.id
    }

    pub(crate) const fn dialect(&self) -> Dialect {
        self.peer.dialect
    }

    pub(crate) const fn profile(&self) -> &Profile {
        &self.peer.profile
    }

    /// Replaces what the hub says about the member. Returns whether it changed.
    pub(crate) fn set_profile(&mut self, profile: Profile) -> bool {
        std::mem::replace(&mut self.peer.profile, profile.clone()) != profile
    }

    pub(crate) const fn epochs(&self) -> Epochs {
        self.incarnation.epochs()
    }

    /// Returns the peer's last epoch, for the memory of ended epochs.
    pub(crate) fn last_heard(&self) -> u32 {
        self.incarnation.last_heard()
    }

    /// Returns the path of events; `None` while they wait.
    pub(crate) const fn sending(&self) -> Option<&Path> {
        self.route.sending()
    }

    pub(crate) const fn is_away(&self) -> bool {
        self.route.is_away()
    }

    pub(crate) fn connection_id(&self) -> Option<ConnectionId> {
        self.attempt.connection_id()
    }

    /// Returns whether the link counts for `max_peers`.
    pub(crate) const fn is_active(&self) -> bool {
        self.attempt.state().is_active()
    }

    pub(crate) const fn is_validated(&self) -> bool {
        self.attempt.state().is_validated()
    }

    /// Returns the state of the direct path, with inner times, as it is once due attempts have been started.
    pub(crate) fn direct_state(&self, policy: Policy) -> DirectState {
        self.attempt.direct_state(policy, self.route.is_relay_up())
    }

    /// Returns the latest failure of the direct path since it last worked.
    pub(crate) fn direct_failure(&self) -> Option<&DirectFailure> {
        self.attempt.failure()
    }

    /// Returns whether the direct path must be validated before the session is `Ready`.
    pub(crate) fn counts_for_ready(&self) -> bool {
        self.attempt.counts_for_ready() && !self.route.is_away()
    }

    /// Returns whether the hub forwards envelopes to this peer.
    pub(crate) const fn is_relay_up(&self) -> bool {
        self.route.is_relay_up()
    }

    /// Returns whether an attempt is due and possible.
    pub(crate) fn can_offer(&self) -> bool {
        self.attempt.wants_offer() && self.is_relay_up()
    }

    /// Returns whether everything accepted has been acknowledged (or handed to the path, for a v0 peer).
    pub(crate) fn is_flushed(&self) -> bool {
        let written = self.attempt.channel().is_none_or(channel::Channel::is_idle);
        self.sender.is_empty() && self.transfers.outgoing.is_empty() && written
    }

    pub(crate) fn queued_bytes(&self) -> usize {
        self.sender.bytes() + self.transfers.outgoing.bytes()
    }

    /// Returns the memory of received data that cannot be delivered yet, in bytes.
    pub(crate) fn held_bytes(&self) -> usize {
        self.receiver.held() + self.transfers.incoming.held()
    }

    /// Returns the number of volatile events that were dropped before they were sent.
    pub(crate) const fn dropped(&self) -> u64 {
        self.sender.dropped()
    }

    // ----- time -----

    pub(crate) fn next_timeout(&self, cx: &Context<'_>) -> Option<Time> {
        earliest([
            self.attempt.next_timeout(&self.peer, cx),
            self.route.away_until(),
            self.dialogue.next_timeout(),
            self.receiver.next_timeout(),
            self.replies.next_deadline(),
            self.flight.stall.at(),
            self.flight.held_until(cx.now),
            self.sender.held_until(cx.now),
            self.paced_until(cx.now),
        ])
    }

    /// Handles expired deadlines. Returns the reason when the link has to end.
    pub(crate) fn handle_timeout(&mut self, cx: &mut Context<'_>) -> Option<LeaveReason> {
        if self.attempt.handle_timeout(&self.peer, cx) {
            self.dialogue.request_ping(PathKind::Direct);
        }
        self.dialogue.handle_timeout(cx.now);
        if self.dialogue.take_timeout(cx.now)
            && let Some(path) = self.route.control()
        {
            self.dialogue.request_ping(path);
            self.doubt_via(cx);
        }
        while let Some(emit) = self.replies.take_overdue(cx.now) {
            cx.out.push_no_ack(emit, self.peer.id.clone(), true);
        }
        self.receiver.handle_timeout(cx.config.unfinished_timeout, cx.now);
        self.deliver(cx);
        self.settle(cx);
        let due = |at: Option<Time>| at.is_some_and(|at| at <= cx.now);
        if due(self.route.away_until()) {
            return Some(LeaveReason::TimedOut);
        }
        due(self.flight.stall.at()).then_some(LeaveReason::Stalled)
    }

    // ----- consequences -----

    /// Handles the consequences of an input: the available paths, the path in use, the time-outs.
    pub(super) fn settle(&mut self, cx: &mut Context<'_>) {
        self.settle_channel(cx);
        if self.attempt.state() == state::State::Closed {
            return;
        }
        if self.farewell == Farewell::Staying
            && let Some(presence) = self.route.update_presence(cx.resume_window)
        {
            let peer = self.peer.id.clone();
            cx.out.events.push_back(match presence {
                Presence::Away => Event::PeerAway { peer },
                Presence::Back => Event::PeerBack { peer },
            });
        }
        if cx.receiving && !self.route.is_away() {
            self.receiver.resume(cx.now);
        } else {
            self.receiver.pause(cx.now);
        }
        if self.farewell == Farewell::Staying {
            self.settle_path(cx);
        }
        if self.dialogue.has_news()
            && let Some(path) = self.route.control()
        {
            self.dialogue.request_ping(path);
        }
        self.arm(cx);
        self.report_writable(cx);
    }

    fn settle_channel(&mut self, cx: &mut Context<'_>) {
        let open = self.attempt.channel().and(self.attempt.connection_id());
        let (was, validated) = (self.route.is_validated(), self.attempt.state().is_validated());
        if self.route.set_channel(open, validated) {
            self.end_path(PathKind::Direct);
        }
        if was != validated {
            cx.out.vias_changed = true;
        }
    }

    fn settle_path(&mut self, cx: &mut Context<'_>) {
        let before = self.route.sending().cloned();
        if !self.route.choose(self.attempt.state(), cx.policy) {
            return;
        }
        let through = |path: Option<&Path>| matches!(path, Some(Path::Via(_)));
        let path = self.route.sending().cloned();
        cx.out.users_changed |= through(before.as_ref()) || through(path.as_ref());
        self.dialogue.begin_path();
        match path {
            Some(path) => {
                // A ping checks at once whether a neighbour leads to the peer.
                if self.waits_for_word() || matches!(path, Path::Via(_)) {
                    self.dialogue.request_ping(PathKind::from(&path));
                }
                if self.route.take_announcement(&path) {
                    #[cfg(feature = "tracing")]
                    cx.out.path_reasons.push_back(crate::trace::path_reason(
                        before.as_ref(),
                        &path,
                        cx.policy,
                    ));
                    let peer = self.peer.id.clone();
                    cx.out.events.push_back(Event::PathChanged { peer, path });
                }
            }
            None => self.sender.drop_volatile(),
        }
    }

    /// Ends a path in all parts.
    fn end_path(&mut self, path: PathKind) {
        self.flight.abandon(path);
        let other =
            PathKind::ALL.into_iter().find(|other| *other != path && self.route.has(*other));
        self.dialogue.end_path(path, other);
    }

    /// Returns whether records or control wait for the peer's acknowledgement.
    fn waits_for_word(&self) -> bool {
        let announces =
            self.incarnation.has_given_up() && self.dialogue.timeouts() < MAX_ANNOUNCEMENTS;
        self.peer.dialect == Dialect::V1
            && (!self.flight.is_empty() || self.dialogue.awaits_confirmation() || announces)
    }

    fn arm(&mut self, cx: &Context<'_>) {
        let path = self.route.control();
        let waits = path.is_some() && self.waits_for_word();
        // A peer that paused this side says when it may go on; a late `state` may have overtaken that.
        let is_paused = path.is_some() && self.sender.is_paused();
        let after = match path {
            Some(path) if waits => {
                let times = self.dialogue.timeouts();
                self.route.recovery(path).backed_off(times, cx.longest_timeout())
            }
            _ => cx.longest_timeout(),
        };
        self.dialogue.arm(waits || is_paused, after, cx.now);
        let has_path = self.route.sending().is_some();
        let waits = !is_paused && (self.sender.has_sent() || self.transfers.outgoing.has_sent());
        let patience = cx.config.stall_timeout;
        self.flight.stall.arm(
            waits && self.peer.dialect == Dialect::V1,
            has_path,
            patience,
            cx.now,
        );
    }

    fn report_writable(&mut self, cx: &mut Context<'_>) {
        for lane in self.sender.take_writable(cx.config) {
            cx.out.events.push_back(Event::Writable { peer: self.peer.id.clone(), lane });
        }
        for number in self.transfers.outgoing.take_writable(cx.config.queue_bytes) {
            let transfer = self.outgoing_id(number);
            cx.out.events.push_back(Event::TransferWritable { transfer });
        }
    }
}
