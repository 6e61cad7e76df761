//! Membership: the client's `p2p` entry, the welcome, members, dismissals.

use std::fmt;

use serde::{Deserialize, Serialize};

use super::description::IceServer;
use super::member_data::MemberData;
use super::unreadable::UnreadableJson;
use crate::codec::{Limits, Packet};
use crate::id::{Dialect, PeerId, RoomName};
use crate::wire::PairKey;

/// The entry `p2p` of the auth payload in a client's CONNECT packet. A client without the entry is a v0 client.
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize)]
#[non_exhaustive]
pub struct Join {
    /// The dialect.
    #[serde(rename = "v")]
    pub dialect: Dialect,
    /// The room; the default room when absent.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub room: Option<RoomName>,
    /// The resume token of an earlier welcome, with which the client keeps its peer id.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub token: Option<String>,
    /// The limits of the client's application. `None` when they are unknown.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub limits: Option<PeerLimits>,
    /// The client's metadata.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub metadata: Option<MemberData>,
}

impl Join {
    /// The join of a v1 client: into the default room, without a token, with unknown limits, without metadata.
    #[must_use]
    pub const fn v1() -> Self {
        Self { dialect: Dialect::V1, room: None, token: None, limits: None, metadata: None }
    }

    /// Sets the room.
    #[must_use]
    pub fn with_room(mut self, room: RoomName) -> Self {
        self.room = Some(room);
        self
    }

    /// Sets the resume token.
    #[must_use]
    pub fn with_token(mut self, token: impl Into<String>) -> Self {
        self.token = Some(token.into());
        self
    }

    /// Sets the limits.
    #[must_use]
    pub const fn with_limits(mut self, limits: PeerLimits) -> Self {
        self.limits = Some(limits);
        self
    }

    /// Sets the metadata.
    #[must_use]
    pub fn with_metadata(mut self, metadata: Option<MemberData>) -> Self {
        self.metadata = metadata;
        self
    }

    /// Returns the entry that stands for a v0 client, which sends none: this room, no token.
    #[must_use]
    pub fn v0(room: RoomName) -> Self {
        Self { dialect: Dialect::V0, room: Some(room), token: None, limits: None, metadata: None }
    }

    /// Parses the auth payload of a CONNECT packet. Returns `None` without a `p2p` entry, as from a v0 client.
    ///
    /// # Errors
    /// [`UnreadableJson`] when the entry is malformed.
    pub fn from_auth(auth: &str) -> Result<Option<Self>, UnreadableJson> {
        #[derive(Deserialize)]
        struct Auth {
            #[serde(default)]
            p2p: Option<Join>,
        }
        if auth.is_empty() {
            return Ok(None);
        }
        serde_json::from_str::<Option<Auth>>(auth)
            .map(|auth| auth.and_then(|auth| auth.p2p))
            .map_err(|error| UnreadableJson::new("a valid `p2p` entry", &error))
    }
}

/// Never prints the token.
impl fmt::Debug for Join {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Join")
            .field("dialect", &self.dialect)
            .field("room", &self.room)
            .field("resumes", &self.token.is_some())
            .field("limits", &self.limits)
            .field("metadata", &self.metadata)
            .finish()
    }
}

/// The maximum number of epochs that a peer begins between one welcome and the next.
pub const EPOCH_BLOCK: u32 = 1 << 12;

/// The hub's answer to a v1 peer that has joined.
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
#[non_exhaustive]
pub struct Welcome {
    /// The dialect that the hub speaks.
    #[serde(rename = "v")]
    pub dialect: Dialect,
    /// The peer's own id.
    pub id: PeerId,
    /// The resume token, with which the peer keeps its id after a lost connection.
    pub token: String,
    /// The room.
    pub room: RoomName,
    /// The base of the epochs that the peer begins after this welcome: above this number, and at most
    /// [`EPOCH_BLOCK`] above it. Current epochs stay valid. 0 for a new id, and when the hub does not send it.
    ///
    /// After a restart of the program, the hub or both, a program that joins with the token of its last welcome
    /// gets a base at or above every epoch that it may have used. So does a program whose latest welcome was
    /// lost on the way, because it has used no epoch of that welcome. Therefore a program must save the token
    /// before it uses epochs of the same welcome, and needs another welcome before the block is exhausted.
    ///
    /// With an older token the base is as high only while the hub has the peer's seat (within the resume
    /// window, or when the older program is still connected). After a restart of the hub, or the end of the
    /// seat, epochs can repeat that other members remember.
    #[serde(default)]
    pub epoch_base: u32,
    /// What the server's application has verified about the peer.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub user: Option<MemberData>,
    /// The other members, in the order of arrival.
    pub roster: Vec<Member>,
    /// The limits that the hub enforces.
    pub limits: HubLimits,
    /// The ICE servers to use.
    #[serde(default)]
    pub ice_servers: Vec<IceServer>,
    /// The time in milliseconds for which the hub keeps the seat of a member whose connection is lost. `None` when
    /// the hub does not say so.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub resume_window: Option<u64>,
}

impl Welcome {
    /// A welcome into an empty room, with 0 as the epoch base and without ICE servers.
    #[must_use]
    pub const fn new(id: PeerId, room: RoomName, token: String, limits: HubLimits) -> Self {
        Self {
            dialect: Dialect::V1,
            id,
            token,
            room,
            epoch_base: 0,
            user: None,
            roster: Vec::new(),
            limits,
            ice_servers: Vec::new(),
            resume_window: None,
        }
    }
}

/// Never prints the token.
impl fmt::Debug for Welcome {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Welcome")
            .field("id", &self.id)
            .field("room", &self.room)
            .field("epoch_base", &self.epoch_base)
            .field("user", &self.user)
            .field("roster", &self.roster)
            .field("limits", &self.limits)
            .finish_non_exhaustive()
    }
}

/// A member of a room, as sent to another member.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[non_exhaustive]
pub struct Member {
    /// The member's id.
    pub id: PeerId,
    /// The member's dialect.
    #[serde(rename = "v")]
    pub dialect: Dialect,
    /// Whether the member's connection is lost and the hub keeps its seat.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub away: bool,
    /// The pair key of the member and the receiver of this entry, with which they seal bundles through a
    /// neighbour. `None` when one of them is a v0 client, or when the hub gives no pair keys.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub key: Option<PairKey>,
    /// The limits of the member's application. `None` for a v0 client, and when they are unknown.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub limits: Option<PeerLimits>,
    /// What the server's application has verified about the member.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub user: Option<MemberData>,
    /// The member's metadata. `None` for a v0 client.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub metadata: Option<MemberData>,
}

impl Member {
    /// A member that is connected, without a pair key, with unknown limits, without data.
    #[must_use]
    pub const fn new(id: PeerId, dialect: Dialect) -> Self {
        Self { id, dialect, away: false, key: None, limits: None, user: None, metadata: None }
    }
}

/// The hub's last message on a connection that it closes: `p2p:close`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
#[non_exhaustive]
pub struct Dismissal {
    /// The stable code of the reason: `kicked`, `room-closed` or `closing`.
    pub code: String,
    /// The reason as a text.
    pub message: String,
    /// The pause in milliseconds after which the client should connect again. `None`: it should not by itself.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub retry_after: Option<u64>,
}

impl Dismissal {
    /// Membership ends for good.
    #[must_use]
    pub fn new(code: impl Into<String>, message: impl Into<String>) -> Self {
        Self { code: code.into(), message: message.into(), retry_after: None }
    }

    /// The client should connect again after this pause, in milliseconds.
    #[must_use]
    pub const fn with_retry_after(mut self, millis: u64) -> Self {
        self.retry_after = Some(millis);
        self
    }
}

/// The limits of a member's application. The receiver refuses packets beyond them, and a sender that knows them
/// does not send such packets.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[non_exhaustive]
pub struct PeerLimits {
    /// The maximum bytes of a packet, head and attachments together.
    #[serde(rename = "bytes")]
    pub packet_bytes: u64,
    /// The maximum number of attachments of a packet.
    pub attachments: u32,
    /// The maximum nesting depth of arrays and objects in a payload.
    #[serde(rename = "depth")]
    pub json_depth: u32,
    /// The maximum bytes of an event name as written.
    #[serde(rename = "name")]
    pub event_name: u32,
    /// The maximum bytes of a namespace.
    pub namespace: u32,
}

/// A limit that does not fit becomes the maximum that does.
impl From<&Limits> for PeerLimits {
    fn from(limits: &Limits) -> Self {
        let count = |limit| u32::try_from(limit).unwrap_or(u32::MAX);
        Self {
            packet_bytes: limits.max_packet_bytes as u64,
            attachments: count(limits.max_attachments),
            json_depth: count(limits.max_depth),
            event_name: count(limits.max_event_name),
            namespace: count(limits.max_namespace),
        }
    }
}

/// The limits that the hub enforces on a v1 peer.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
#[non_exhaustive]
pub struct HubLimits {
    /// The maximum bytes of an envelope, including attachments.
    pub max_envelope: u32,
    /// The maximum number of attachments of an envelope.
    pub max_attachments: u32,
}

impl HubLimits {
    /// Limits of an envelope: its bytes and its attachments.
    #[must_use]
    pub const fn new(max_envelope: u32, max_attachments: u32) -> Self {
        Self { max_envelope, max_attachments }
    }
}

impl PeerLimits {
    /// No limits: all at the maximum that the wire can express.
    #[must_use]
    pub const fn unbounded() -> Self {
        let max = u32::MAX;
        Self {
            packet_bytes: u64::MAX,
            attachments: max,
            json_depth: max,
            event_name: max,
            namespace: max,
        }
    }

    /// Returns whether these limits accept a packet that is within `own`.
    pub(crate) fn accept(&self, packet: &Packet, own: &Limits) -> bool {
        let theirs = Limits::unbounded()
            .with_max_packet_bytes(usize::try_from(self.packet_bytes).unwrap_or(usize::MAX))
            .with_max_attachments(self.attachments as usize)
            .with_max_depth(self.json_depth as usize)
            .with_max_event_name(self.event_name as usize)
            .with_max_namespace(self.namespace as usize);
        packet.check(&theirs).is_ok()
            && (theirs.max_depth >= own.max_depth || packet.validate(&theirs).is_ok())
    }
}
