//! Who joins, and what it finds.

use std::fmt;

use serde::{Deserialize, Serialize};

use super::{IceServer, PairKey};
use crate::id::{PeerId, RoomName, Version};

/// What a client says of itself when it connects, in the auth payload of its CONNECT packet under the key
/// `p2p`. A client that says nothing is a v0 client.
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Join {
    /// The dialect.
    #[serde(rename = "v")]
    pub version: Version,
    /// The room; the default room when absent.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub room: Option<RoomName>,
    /// The resume token of an earlier welcome: the way back to that identity.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub token: Option<String>,
}

impl Join {
    /// What a v0 client means by saying nothing: this room, no token.
    #[must_use]
    pub fn v0(room: RoomName) -> Self {
        Self { version: Version::V0, room: Some(room), token: None }
    }

    /// Reads the auth payload of a CONNECT packet. `None` when it has no `p2p` entry, as from a v0 client.
    ///
    /// # Errors
    /// The JSON error when there is an entry that cannot be read.
    pub fn from_auth(auth: &str) -> Result<Option<Self>, serde_json::Error> {
        #[derive(Deserialize)]
        struct Auth {
            #[serde(default)]
            p2p: Option<Join>,
        }
        if auth.is_empty() {
            return Ok(None);
        }
        serde_json::from_str::<Option<Auth>>(auth).map(|auth| auth.and_then(|auth| auth.p2p))
    }
}

/// Never shows the token.
impl fmt::Debug for Join {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Join")
            .field("version", &self.version)
            .field("room", &self.room)
            .field("resumes", &self.token.is_some())
            .finish()
    }
}

/// What the hub tells a v1 peer that has joined.
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Welcome {
    /// The dialect that the hub speaks.
    #[serde(rename = "v")]
    pub version: Version,
    /// The peer's own id.
    pub id: PeerId,
    /// The token that brings this identity back after a lost connection.
    pub token: String,
    /// The room.
    pub room: RoomName,
    /// The other members, in the order in which they came.
    pub roster: Vec<Member>,
    /// What the hub allows.
    pub limits: HubLimits,
    /// The ICE servers to use.
    #[serde(default)]
    pub ice_servers: Vec<IceServer>,
}

/// Never shows the token.
impl fmt::Debug for Welcome {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Welcome")
            .field("id", &self.id)
            .field("room", &self.room)
            .field("roster", &self.roster)
            .field("limits", &self.limits)
            .finish_non_exhaustive()
    }
}

/// A member of a room as the others see it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Member {
    /// Its id.
    pub id: PeerId,
    /// Its dialect.
    #[serde(rename = "v")]
    pub version: Version,
    /// Whether its connection is lost and the hub waits for it to come back.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub away: bool,
    /// The secret that it shares with the receiver of this entry, by which packets that a third peer passes on
    /// are known. None where one of the two is a v0 client, and where the hub gives none.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub key: Option<PairKey>,
}

/// What the hub allows a v1 peer to send.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct HubLimits {
    /// The most bytes in one relay envelope, attachments counted.
    pub max_envelope: u32,
    /// The most attachments in one relay envelope.
    pub max_attachments: u32,
}
