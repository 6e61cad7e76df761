//! The paths to the peer, the choice of the path in use, and the peer's presence.

use std::time::Duration;

use super::flight::{PathKind, PerPath};
use super::pace::Bucket;
use super::recovery::Recovery;
use super::state::State;
use crate::config::Policy;
use crate::id::{ConnectionId, PeerId};
use crate::path::Path;
use crate::time::Time;

/// The burst with which the sender may exceed a neighbour's rate.
const BURST: usize = 32 << 10;

/// The minimum rate of a neighbour that is accepted, in bytes per second.
pub(crate) const MIN_RATE: u64 = 1000;

/// The time for which a neighbour that failed as a via is avoided.
const FAILED_FOR: Duration = Duration::from_secs(10);

/// The path through a neighbour.
#[derive(Debug)]
struct Via {
    neighbour: PeerId,
    /// The neighbour's rate in bytes per second.
    rate: u64,
    pace: Bucket,
}

/// A change of the peer's presence.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Presence {
    Away,
    Back,
}

#[derive(Debug, Default)]
pub(crate) struct Route {
    /// Whether the hub connects both sides now.
    relay_up: bool,
    relay_lost_at: Time,
    /// The open channel, validated or not.
    channel: Option<ConnectionId>,
    /// Whether the channel is validated.
    validated: bool,
    /// When the last frame arrived on a channel.
    heard_at: Time,
    via: Option<Via>,
    via_lost_at: Time,
    /// The neighbours that failed as a via, and until when they are avoided.
    failed: Vec<(PeerId, Time)>,
    /// The neighbour through which the peer's last bundle came.
    heard_via: Option<PeerId>,
    /// The path on which records are sent now.
    sending: Option<Path>,
    /// The path that was last reported to the application, if any.
    announced: Option<Path>,
    /// When a peer that is away has left.
    away_until: Option<Time>,
    recoveries: PerPath<Recovery>,
}

impl Route {
    pub(crate) fn new(now: Time) -> Self {
        Self { relay_lost_at: now, ..Self::default() }
    }

    pub(crate) const fn is_relay_up(&self) -> bool {
        self.relay_up
    }

    pub(crate) fn set_relay(&mut self, up: bool, now: Time) {
        if self.relay_up && !up {
            self.relay_lost_at = now;
        }
        self.relay_up = up;
    }

    /// Notes a frame on a channel.
    pub(crate) fn note_heard(&mut self, now: Time) {
        self.heard_at = now;
    }

    /// Sets the current channel. Returns the kinds of paths that ended with the previous one.
    pub(crate) fn set_channel(&mut self, channel: Option<ConnectionId>, validated: bool) -> bool {
        let ended = self.channel.is_some() && self.channel != channel;
        if self.channel != channel {
            self.channel = channel;
            self.recoveries[PathKind::Direct.index()] = Recovery::default();
        }
        self.validated = validated;
        ended
    }

    pub(crate) const fn is_validated(&self) -> bool {
        self.validated
    }

    /// Returns the path on which records are sent now; `None` while they wait.
    pub(crate) const fn sending(&self) -> Option<&Path> {
        self.sending.as_ref()
    }

    pub(crate) const fn is_away(&self) -> bool {
        self.away_until.is_some()
    }

    pub(crate) const fn away_until(&self) -> Option<Time> {
        self.away_until
    }

    pub(crate) fn recovery(&self, path: PathKind) -> &Recovery {
        &self.recoveries[path.index()]
    }

    pub(crate) fn recovery_mut(&mut self, path: PathKind) -> &mut Recovery {
        &mut self.recoveries[path.index()]
    }

    /// Returns whether a path of this kind exists.
    pub(crate) fn has(&self, path: PathKind) -> bool {
        match path {
            PathKind::Relay => self.relay_up,
            PathKind::Direct => self.validated,
            PathKind::Via => self.via.is_some() || self.heard_via.is_some(),
        }
    }

    /// Returns the best available path, in use or not, for control that does not depend on a record.
    pub(crate) fn control(&self) -> Option<PathKind> {
        let used = self.sending.as_ref().map(PathKind::from);
        used.or_else(|| PathKind::ALL.into_iter().find(|path| self.has(*path)))
    }

    /// Chooses the path for records. Returns whether it changed.
    pub(crate) fn choose(&mut self, state: State, policy: Policy) -> bool {
        let path = if state == State::Direct {
            Some(Path::Direct)
        } else if self.relay_up && policy != Policy::DirectOnly {
            Some(Path::Relay)
        } else if state.is_validated() || policy == Policy::RelayOnly {
            // A channel exists that may not be used yet, or the policy forbids all paths.
            None
        } else {
            self.via.as_ref().map(|via| Path::Via(via.neighbour.clone()))
        };
        let changed = path != self.sending;
        self.sending = path;
        changed
    }

    /// Returns whether to report this path to the application, which assumes the relay at first.
    pub(crate) fn take_announcement(&mut self, path: &Path) -> bool {
        let news = self.announced.as_ref().unwrap_or(&Path::Relay) != path;
        self.announced = Some(path.clone());
        news
    }

    /// Updates whether any path exists.
    pub(crate) fn update_presence(&mut self, window: Duration) -> Option<Presence> {
        let live = self.relay_up || self.validated || self.via.is_some();
        if live != self.is_away() {
            return None;
        }
        if live {
            self.away_until = None;
            return Some(Presence::Back);
        }
        let last_sign = self.relay_lost_at.max(self.heard_at).max(self.via_lost_at);
        self.away_until = Some(last_sign + window);
        Some(Presence::Away)
    }

    // ----- through a neighbour -----

    /// Returns the neighbour that leads to the peer, in use or not, and its rate in bytes per second.
    pub(crate) fn via(&self) -> Option<(&PeerId, u64)> {
        self.via.as_ref().map(|via| (&via.neighbour, via.rate))
    }

    pub(crate) fn set_via(&mut self, via: Option<(PeerId, u64)>, now: Time) {
        if self.via.is_some() {
            self.via_lost_at = now;
        }
        let before = self.via.take();
        let Some((neighbour, rate)) = via else { return };
        let pace = match before.filter(|before| before.neighbour == neighbour) {
            Some(before) => before.pace,
            None => {
                self.recoveries[PathKind::Via.index()] = Recovery::default();
                Bucket::default()
            }
        };
        self.via = Some(Via { neighbour, rate: rate.max(MIN_RATE), pace });
    }

    /// Returns whether a neighbour may be chosen.
    pub(crate) fn accepts_neighbour(&self, neighbour: &PeerId, now: Time) -> bool {
        !self.failed.iter().any(|(peer, until)| peer == neighbour && now < *until)
    }

    /// Notes that the neighbour does not forward. Returns `false` when it is not the current via.
    pub(crate) fn fail_via(&mut self, neighbour: &PeerId, now: Time) -> bool {
        if self.via().is_none_or(|(via, _)| via != neighbour) {
            return false;
        }
        self.failed.retain(|(peer, until)| peer != neighbour && now < *until);
        self.failed.push((neighbour.clone(), now + FAILED_FOR));
        true
    }

    /// Returns when a neighbour that failed may be chosen again, if there is no other.
    pub(crate) fn retry_way_at(&self, now: Time) -> Option<Time> {
        let later = self.failed.iter().map(|(_, until)| *until).filter(|until| now < *until);
        later.min().filter(|_| self.via.is_none())
    }

    /// Returns the neighbour through which the peer's last bundle came, if any.
    pub(crate) const fn heard_via(&self) -> Option<&PeerId> {
        self.heard_via.as_ref()
    }

    /// Sets that neighbour. Returns whether it changed.
    pub(crate) fn set_heard_via(&mut self, neighbour: Option<&PeerId>) -> bool {
        let news = self.heard_via.as_ref() != neighbour;
        if news {
            self.heard_via = neighbour.cloned();
        }
        news
    }

    /// Returns when the neighbour's rate permits the next bundle.
    pub(crate) fn paced_until(&self) -> Time {
        self.via.as_ref().map_or(Time::ZERO, |via| via.pace.ready_at(BURST, via.rate))
    }

    /// Counts bytes that go through the neighbour.
    pub(crate) fn note_paced(&mut self, bytes: usize, now: Time) {
        if let Some(via) = &mut self.via {
            via.pace.take(bytes, via.rate, now);
        }
    }
}
