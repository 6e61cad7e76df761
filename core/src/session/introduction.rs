//! What the session says about itself: in CONNECT the application's auth payload and the resume token, there and
//! later the metadata.

use serde::Serialize;

use super::Session;
use crate::auth::{AuthPayload, ResumeToken};
use crate::codec::{EncodeError, Packet};
use crate::id::PeerId;
use crate::link::pace::Bucket;
use crate::time::Time;
use crate::wire::{ClientMessage, Join, MemberData, PeerLimits};

/// The changes of metadata that leave at once, and then per second (`PROTOCOL.md` section 2).
const UPDATE_BURST: usize = 8;
const UPDATES_PER_SECOND: u64 = 1;

/// Who the session is, and what the hub has been told.
#[derive(Debug)]
pub(super) struct Introduction {
    /// The peer id that the hub has assigned.
    id: Option<PeerId>,
    token: Option<ResumeToken>,
    /// What the server's application has verified.
    user: Option<MemberData>,
    auth: Option<AuthPayload>,
    metadata: Option<MemberData>,
    /// Whether the hub has not been told the metadata.
    is_untold: bool,
    /// When a change that came too early can be told. From then on it waits for the transport like all other output.
    tell_at: Option<Time>,
    updates: Bucket,
}

#[derive(Serialize)]
struct Auth<'a> {
    #[serde(flatten)]
    application: Option<&'a AuthPayload>,
    p2p: Join,
}

impl Introduction {
    pub(super) fn new(token: Option<ResumeToken>, metadata: Option<MemberData>) -> Self {
        Self {
            id: None,
            token,
            user: None,
            auth: None,
            metadata,
            is_untold: false,
            tell_at: None,
            updates: Bucket::default(),
        }
    }

    pub(super) const fn id(&self) -> Option<&PeerId> {
        self.id.as_ref()
    }

    /// Notes who the session is in the hub's eyes.
    pub(super) fn accept(&mut self, id: PeerId, token: String, user: Option<MemberData>) {
        self.id = Some(id);
        self.token = Some(ResumeToken::new(token));
        self.user = user;
    }

    /// Forgets the token, which is no longer valid.
    pub(super) fn forget_token(&mut self) {
        self.token = None;
    }

    /// Returns the next change of metadata to be told.
    pub(super) fn next_update(&mut self, now: Time) -> Option<ClientMessage> {
        if !self.is_untold || now < self.updates.ready_at(UPDATE_BURST - 1, UPDATES_PER_SECOND) {
            return None;
        }
        (self.is_untold, self.tell_at) = (false, None);
        self.updates.take(1, UPDATES_PER_SECOND, now);
        Some(ClientMessage::Metadata(self.metadata.clone()))
    }

    fn set_metadata(&mut self, metadata: Option<MemberData>, now: Time) {
        if self.metadata != metadata {
            self.metadata = metadata;
            self.is_untold = true;
            let tell_at = self.updates.ready_at(UPDATE_BURST - 1, UPDATES_PER_SECOND);
            self.tell_at = (tell_at > now).then_some(tell_at);
        }
    }

    /// Returns when the next change of metadata can be told.
    pub(super) const fn next_timeout(&self) -> Option<Time> {
        self.tell_at
    }

    pub(super) fn run_timer(&mut self, now: Time) {
        self.tell_at = self.tell_at.filter(|at| now < *at);
    }

    /// Returns whether a change of metadata is to be told, now or later.
    #[cfg(feature = "driver")]
    pub(super) const fn has_update(&self) -> bool {
        self.is_untold
    }
}

impl Session {
    /// Returns the resume token of the last welcome: see [`ResumeToken`].
    #[must_use]
    pub fn resume_token(&self) -> Option<&ResumeToken> {
        self.introduction.token.as_ref()
    }

    /// Returns what the server's application has verified about this session, as other members see it.
    #[must_use]
    pub fn user(&self) -> Option<&MemberData> {
        self.introduction.user.as_ref()
    }

    /// Returns the session's metadata, as other members see it or will see it soon.
    #[must_use]
    pub fn metadata(&self) -> Option<&MemberData> {
        self.introduction.metadata.as_ref()
    }

    /// Changes the session's metadata, which all v1 members see ([`Event::PeerUpdated`](crate::Event::PeerUpdated)).
    /// Changes are told to the hub at most once per second after a burst of 8; of several in between only the last.
    pub fn set_metadata(&mut self, metadata: Option<MemberData>, now: Time) {
        let now = self.advance(now);
        self.introduction.set_metadata(metadata, now);
        self.settle(now);
    }

    /// Sets the application's auth payload of the next CONNECT, and of those after it.
    pub fn set_auth(&mut self, auth: Option<AuthPayload>) {
        self.introduction.auth = auth;
    }

    /// Returns the CONNECT with which the session introduces itself.
    pub(super) fn introduce(&mut self) -> Result<Packet, EncodeError> {
        let join = Join::v1()
            .with_room(self.shared.config.room.clone())
            .with_limits(PeerLimits::from(&self.shared.config.limits))
            .with_metadata(self.introduction.metadata.clone());
        let p2p = match &self.introduction.token {
            Some(token) => join.with_token(token.as_str()),
            None => join,
        };
        (self.introduction.is_untold, self.introduction.tell_at) = (false, None);
        Packet::connect(Some(&Auth { application: self.introduction.auth.as_ref(), p2p }))
    }
}
