//! Who joins, and what it finds.

use std::fmt;

use serde::{Deserialize, Serialize};

use super::description::IceServer;
use super::unreadable::UnreadableJson;
use crate::codec::{Limits, Packet};
use crate::id::{Dialect, PeerId, RoomName};
use crate::wire::PairKey;

/// What a client says of itself when it connects, in the auth payload of its CONNECT packet under the key
/// `p2p`. A client that says nothing is a v0 client.
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize)]
#[non_exhaustive]
pub struct Join {
    /// The dialect.
    #[serde(rename = "v")]
    pub dialect: Dialect,
    /// The room; the default room when absent.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub room: Option<RoomName>,
    /// The resume token of an earlier welcome: the way back to that identity.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub token: Option<String>,
    /// What the client accepts of other members. None when it does not say.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub limits: Option<PeerLimits>,
}

impl Join {
    /// The join of a v1 client: into the default room, without a token, with unknown limits.
    #[must_use]
    pub const fn v1() -> Self {
        Self { dialect: Dialect::V1, room: None, token: None, limits: None }
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

    /// What a v0 client means by saying nothing: this room, no token.
    #[must_use]
    pub fn v0(room: RoomName) -> Self {
        Self { dialect: Dialect::V0, room: Some(room), token: None, limits: None }
    }

    /// Reads the auth payload of a CONNECT packet. `None` when it has no `p2p` entry, as from a v0 client.
    ///
    /// # Errors
    /// [`UnreadableJson`] when there is an entry that cannot be read.
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
            .map_err(|error| UnreadableJson::new("a `p2p` entry that says who joins", &error))
    }
}

/// Never shows the token.
impl fmt::Debug for Join {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Join")
            .field("dialect", &self.dialect)
            .field("room", &self.room)
            .field("resumes", &self.token.is_some())
            .field("limits", &self.limits)
            .finish()
    }
}

/// How many incarnations a peer may number from one welcome to the next.
pub const EPOCH_BLOCK: u32 = 1 << 12;

/// What the hub tells a v1 peer that has joined.
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
#[non_exhaustive]
pub struct Welcome {
    /// The dialect that the hub speaks.
    #[serde(rename = "v")]
    pub dialect: Dialect,
    /// The peer's own id.
    pub id: PeerId,
    /// The token that brings this identity back after a lost connection.
    pub token: String,
    /// The room.
    pub room: RoomName,
    /// The incarnations that the peer begins from here on have numbers above this one, and not above this plus
    /// [`EPOCH_BLOCK`]; what has begun keeps its number. 0 for somebody new, and from a hub that does not say.
    ///
    /// Whatever restarts, the program, the hub or both, a program that comes back with the token of its last
    /// welcome gets a base at or above every number that it may have used, and so does one whose latest welcome
    /// was lost on the way: it has used nothing of that one. A program must therefore save the token before it
    /// uses numbers of the welcome that brought it, and needs another welcome before it has used up the block.
    ///
    /// With an older token than that, the base is as high all the same while the hub has the peer's seat (within
    /// the resume window, and when the older program is still connected). When the hub has restarted or has given
    /// the seat up, it is not: numbers can come again that other members remember.
    #[serde(default)]
    pub epoch_base: u32,
    /// The other members, in the order in which they came.
    pub roster: Vec<Member>,
    /// What the hub allows.
    pub limits: HubLimits,
    /// The ICE servers to use.
    #[serde(default)]
    pub ice_servers: Vec<IceServer>,
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
            roster: Vec::new(),
            limits,
            ice_servers: Vec::new(),
        }
    }
}

/// Never shows the token.
impl fmt::Debug for Welcome {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Welcome")
            .field("id", &self.id)
            .field("room", &self.room)
            .field("epoch_base", &self.epoch_base)
            .field("roster", &self.roster)
            .field("limits", &self.limits)
            .finish_non_exhaustive()
    }
}

/// A member of a room as the others see it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[non_exhaustive]
pub struct Member {
    /// Its id.
    pub id: PeerId,
    /// Its dialect.
    #[serde(rename = "v")]
    pub dialect: Dialect,
    /// Whether its connection is lost and the hub waits for it to come back.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub away: bool,
    /// The secret that it shares with the receiver of this entry, by which packets that a third peer passes on
    /// are known. None where one of the two is a v0 client, and where the hub gives none.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub key: Option<PairKey>,
    /// What it accepts. None for a v0 client, and when it does not say.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub limits: Option<PeerLimits>,
}

impl Member {
    /// A member that is connected, without a pair key, with unknown limits.
    #[must_use]
    pub const fn new(id: PeerId, dialect: Dialect) -> Self {
        Self { id, dialect, away: false, key: None, limits: None }
    }
}

/// What a member accepts of others. What is over it is refused at the receiver's end; who knows it need not send
/// it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[non_exhaustive]
pub struct PeerLimits {
    /// The most bytes of a packet, head and attachments together.
    #[serde(rename = "bytes")]
    pub packet_bytes: u64,
    /// The most attachments of a packet.
    pub attachments: u32,
    /// The most arrays and objects open at once in a payload.
    #[serde(rename = "depth")]
    pub json_depth: u32,
    /// The most bytes of an event name as it is written.
    #[serde(rename = "name")]
    pub event_name: u32,
    /// The most bytes of a namespace.
    pub namespace: u32,
}

/// What does not fit is said as the most that does.
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

/// What the hub allows a v1 peer to send.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
#[non_exhaustive]
pub struct HubLimits {
    /// The most bytes in one relay envelope, attachments counted.
    pub max_envelope: u32,
    /// The most attachments in one relay envelope.
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

    /// Whether such a packet, which is within `own`, is accepted.
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
