//! Signals: session descriptions and candidates for a direct connection.

use std::borrow::Cow;
use std::fmt;

use serde::{Deserialize, Deserializer, Serialize, Serializer};
use serde_json::value::RawValue;

use super::unreadable::UnreadableJson;
use crate::codec::EncodeError;
use crate::id::PeerId;

/// A message between two peers that sets up a direct connection: a session description (RFC 8829), a candidate
/// (RFC 8838), or a refusal.
#[derive(Clone, PartialEq, Eq)]
#[non_exhaustive]
pub enum Signal {
    /// An SDP offer.
    Offer(String),
    /// An SDP answer.
    Answer(String),
    /// A trickled ICE candidate.
    Candidate(IceCandidate),
    /// The refusal of an offer: no answer follows (v1).
    Decline(Decline),
}

/// The reason why a peer declines an offer.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
#[non_exhaustive]
pub enum Decline {
    /// The peer has its maximum number of direct connections.
    Full,
    /// The peer's policy is to stay on the relay.
    RelayOnly,
    /// The offers of both peers crossed, and the decliner's offer stands.
    Glare,
    /// The peer could not use the offer.
    Failed,
}

impl fmt::Display for Decline {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Full => "full",
            Self::RelayOnly => "relay-only",
            Self::Glare => "glare",
            Self::Failed => "failed",
        })
    }
}

/// An ICE candidate in the form of the browsers' `RTCIceCandidateInit`.
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
#[non_exhaustive]
pub struct IceCandidate {
    /// The candidate attribute; empty for the end of candidates.
    pub candidate: String,
    /// The `mid` of the candidate's media section.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub sdp_mid: Option<String>,
    /// The index of the candidate's media section.
    #[serde(default, rename = "sdpMLineIndex", skip_serializing_if = "Option::is_none")]
    pub sdp_mline_index: Option<u16>,
    /// The user name fragment of the candidate's ICE generation.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub username_fragment: Option<String>,
}

impl IceCandidate {
    /// A candidate attribute, of which neither the media stream nor the ICE generation is given.
    #[must_use]
    pub fn new(candidate: impl Into<String>) -> Self {
        let candidate = candidate.into();
        Self { candidate, sdp_mid: None, sdp_mline_index: None, username_fragment: None }
    }
}

/// Prints the kind only: descriptions and candidates contain passwords and addresses.
impl fmt::Debug for Signal {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Offer(_) => f.write_str("Offer"),
            Self::Answer(_) => f.write_str("Answer"),
            Self::Candidate(_) => f.write_str("Candidate"),
            Self::Decline(reason) => write!(f, "Decline({reason:?})"),
        }
    }
}

impl fmt::Debug for IceCandidate {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("IceCandidate")
    }
}

#[derive(Serialize, Deserialize)]
#[serde(untagged)]
enum SignalWire {
    Description {
        #[serde(rename = "type")]
        kind: String,
        sdp: String,
    },
    Candidate {
        candidate: IceCandidate,
    },
    Decline {
        decline: Decline,
    },
}

impl Serialize for Signal {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let description =
            |kind: &str, sdp: &str| SignalWire::Description { kind: kind.into(), sdp: sdp.into() };
        match self {
            Self::Offer(sdp) => description("offer", sdp),
            Self::Answer(sdp) => description("answer", sdp),
            Self::Candidate(candidate) => SignalWire::Candidate { candidate: candidate.clone() },
            Self::Decline(decline) => SignalWire::Decline { decline: *decline },
        }
        .serialize(serializer)
    }
}

impl<'de> Deserialize<'de> for Signal {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        match SignalWire::deserialize(deserializer)? {
            SignalWire::Description { kind, sdp } => match kind.as_str() {
                "offer" => Ok(Self::Offer(sdp)),
                "answer" => Ok(Self::Answer(sdp)),
                _ => Err(serde::de::Error::custom("expected the type `offer` or `answer`")),
            },
            SignalWire::Candidate { candidate } => Ok(Self::Candidate(candidate)),
            SignalWire::Decline { decline } => Ok(Self::Decline(decline)),
        }
    }
}

/// A signal as JSON text, which the hub forwards unread.
#[derive(Clone, Serialize, Deserialize)]
#[serde(transparent)]
pub struct RawSignal(Box<RawValue>);

impl RawSignal {
    /// Creates a signal from JSON text, without parsing its content.
    ///
    /// # Errors
    /// [`UnreadableJson`] when the text is not JSON.
    pub fn from_json(json: String) -> Result<Self, UnreadableJson> {
        RawValue::from_string(json).map(Self).map_err(|error| UnreadableJson::new("JSON", &error))
    }

    /// Returns the JSON text.
    #[must_use]
    pub fn as_json(&self) -> &str {
        self.0.get()
    }

    /// Parses the signal.
    ///
    /// # Errors
    /// [`UnreadableJson`] when the JSON is not a signal of a known kind.
    pub fn parse(&self) -> Result<Signal, UnreadableJson> {
        serde_json::from_str(self.0.get()).map_err(|error| UnreadableJson::new("a signal", &error))
    }
}

/// The question of a member under its new id whether the receiver knows it under a former one. `PROTOCOL.md` section 2.
#[derive(Serialize, Deserialize)]
struct FormerIds<'a> {
    was: Cow<'a, [PeerId]>,
}

impl RawSignal {
    /// Writes the question of a member that had these ids before.
    pub(crate) fn of_former_ids(former: &[PeerId]) -> Result<Self, EncodeError> {
        serde_json::value::to_raw_value(&FormerIds { was: former.into() })
            .map(Self)
            .map_err(|error| EncodeError::Custom(error.to_string()))
    }

    /// Parses the question of a member that had other ids before.
    pub(crate) fn former_ids(&self) -> Option<Vec<PeerId>> {
        let question = serde_json::from_str::<FormerIds<'_>>(self.0.get()).ok()?;
        Some(question.was.into_owned())
    }
}

impl TryFrom<&Signal> for RawSignal {
    type Error = EncodeError;

    fn try_from(signal: &Signal) -> Result<Self, EncodeError> {
        serde_json::value::to_raw_value(signal)
            .map(Self)
            .map_err(|error| EncodeError::Custom(error.to_string()))
    }
}

/// Prints the length only.
impl fmt::Debug for RawSignal {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "RawSignal({} bytes)", self.0.get().len())
    }
}

/// One ICE server, as in the browsers' `RTCIceServer`.
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize)]
#[non_exhaustive]
pub struct IceServer {
    /// `stun:` and `turn:` addresses.
    pub urls: Vec<String>,
    /// The user name for TURN.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub username: Option<String>,
    /// The password for TURN.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub credential: Option<String>,
}

impl IceServer {
    /// A server at these `stun:` or `turn:` addresses, without credentials.
    #[must_use]
    pub fn new(urls: impl IntoIterator<Item = impl Into<String>>) -> Self {
        let urls = urls.into_iter().map(Into::into).collect();
        Self { urls, username: None, credential: None }
    }

    /// Sets the user name and the password for TURN.
    #[must_use]
    pub fn with_credential(
        mut self,
        username: impl Into<String>,
        credential: impl Into<String>,
    ) -> Self {
        (self.username, self.credential) = (Some(username.into()), Some(credential.into()));
        self
    }
}

/// Prints the addresses, never the credential.
impl fmt::Debug for IceServer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("IceServer").field("urls", &self.urls).finish_non_exhaustive()
    }
}
