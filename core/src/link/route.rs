//! Which paths lead to the peer, which one is used, and whether the peer is there at all.

use std::time::Duration;

use super::flight::{PathKind, PerPath};
use super::pace::Bucket;
use super::recovery::Recovery;
use super::state::State;
use crate::config::Policy;
use crate::id::{ConnectionId, PeerId};
use crate::path::Path;
use crate::time::Time;

/// How far the sender may run ahead of a neighbour's rate.
const BURST: usize = 32 << 10;

/// The slowest rate of a neighbour that is believed, in bytes per second.
pub(crate) const MIN_RATE: u64 = 1000;

/// How long a neighbour that did not pass on is not asked again.
const FAILED_FOR: Duration = Duration::from_secs(10);

/// The way through a neighbour.
#[derive(Debug)]
struct Via {
    neighbour: PeerId,
    /// How fast the neighbour passes on.
    rate: u64,
    pace: Bucket,
}

/// A change of whether the peer is there.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Presence {
    Away,
    Back,
}

#[derive(Debug, Default)]
pub(crate) struct Route {
    /// The hub connects us right now.
    relay_up: bool,
    relay_lost_at: Time,
    /// The open channel, proved or not.
    channel: Option<ConnectionId>,
    /// Whether it has proved itself.
    validated: bool,
    /// The last sign of life on a channel.
    heard_at: Time,
    via: Option<Via>,
    via_lost_at: Time,
    /// Neighbours that did not pass on, and until when they are not asked again.
    failed: Vec<(PeerId, Time)>,
    /// The neighbour through which the peer's last bundle came.
    heard_via: Option<PeerId>,
    /// The path on which records are sent now.
    sending: Option<Path>,
    /// The path that the application was told last, if it was told one.
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

    /// Something has come on a channel.
    pub(crate) fn note_heard(&mut self, now: Time) {
        self.heard_at = now;
    }

    /// Takes in which channel there is. The kinds of paths that have ended with the one before.
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

    /// The path on which records are sent now; `None` while they wait.
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

    /// Whether there is such a path.
    pub(crate) fn has(&self, path: PathKind) -> bool {
        match path {
            PathKind::Relay => self.relay_up,
            PathKind::Direct => self.validated,
            PathKind::Via => self.via.is_some() || self.heard_via.is_some(),
        }
    }

    /// The path on which control goes that no record decides: the best that there is, used or not.
    pub(crate) fn control(&self) -> Option<PathKind> {
        let used = self.sending.as_ref().map(PathKind::from);
        used.or_else(|| PathKind::ALL.into_iter().find(|path| self.has(*path)))
    }

    /// Chooses the path for records. Whether it is another one than before.
    pub(crate) fn choose(&mut self, state: State, policy: Policy) -> bool {
        let path = if state == State::Direct {
            Some(Path::Direct)
        } else if self.relay_up && policy != Policy::DirectOnly {
            Some(Path::Relay)
        } else if state.is_validated() || policy == Policy::RelayOnly {
            // There is a channel that is not to be used yet, or none is to be used.
            None
        } else {
            self.via.as_ref().map(|via| Path::Via(via.neighbour.clone()))
        };
        let changed = path != self.sending;
        self.sending = path;
        changed
    }

    /// Whether the application is to be told of this path: it takes the relay for granted at first.
    pub(crate) fn take_announcement(&mut self, path: &Path) -> bool {
        let news = self.announced.as_ref().unwrap_or(&Path::Relay) != path;
        self.announced = Some(path.clone());
        news
    }

    /// Takes in whether any path is there.
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

    /// The neighbour through which the peer can be reached, used or not, and the bytes per second that it passes on.
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

    /// Whether a neighbour may be asked.
    pub(crate) fn accepts_neighbour(&self, neighbour: &PeerId, now: Time) -> bool {
        !self.failed.iter().any(|(peer, until)| peer == neighbour && now < *until)
    }

    /// The neighbour does not pass on. `false`: it is not the one that is used.
    pub(crate) fn fail_via(&mut self, neighbour: &PeerId, now: Time) -> bool {
        if self.via().is_none_or(|(via, _)| via != neighbour) {
            return false;
        }
        self.failed.retain(|(peer, until)| peer != neighbour && now < *until);
        self.failed.push((neighbour.clone(), now + FAILED_FOR));
        true
    }

    /// When a neighbour that failed may be asked again, if there is no other.
    pub(crate) fn retry_way_at(&self, now: Time) -> Option<Time> {
        let later = self.failed.iter().map(|(_, until)| *until).filter(|until| now < *until);
        later.min().filter(|_| self.via.is_none())
    }

    /// The neighbour through which the peer's last bundle came, if it came through one.
    pub(crate) const fn heard_via(&self) -> Option<&PeerId> {
        self.heard_via.as_ref()
    }

    /// Whether this is news.
    pub(crate) fn set_heard_via(&mut self, neighbour: Option<&PeerId>) -> bool {
        let news = self.heard_via.as_ref() != neighbour;
        if news {
            self.heard_via = neighbour.cloned();
        }
        news
    }

    /// When the neighbour takes more.
    pub(crate) fn paced_until(&self) -> Time {
        self.via.as_ref().map_or(Time::ZERO, |via| via.pace.ready_at(BURST, via.rate))
    }

    /// Counts what goes through the neighbour.
    pub(crate) fn note_paced(&mut self, bytes: usize, now: Time) {
        if let Some(via) = &mut self.via {
            via.pace.take(bytes, via.rate, now);
        }
    }
}
