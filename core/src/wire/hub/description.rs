//! Signals: what one peer tells another to set up a direct connection.

use std::fmt;

use serde::{Deserialize, Deserializer, Serialize, Serializer};
use serde_json::value::RawValue;

use super::unreadable::UnreadableJson;
use crate::codec::EncodeError;

/// What one peer tells another to set up a direct connection (RFC 8829 session descriptions, RFC 8838
/// candidates).
#[derive(Clone, PartialEq, Eq)]
#[non_exhaustive]
pub enum Signal {
    /// An SDP offer.
    Offer(String),
    /// An SDP answer.
    Answer(String),
    /// A trickled ICE candidate.
    Candidate(IceCandidate),
    /// "Not now": the offer is turned down and no answer will come (v1).
    Decline(Decline),
}

/// Why a peer turns an offer down.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
#[non_exhaustive]
pub enum Decline {
    /// It has all the direct connections that it allows.
    Full,
    /// Its policy is to stay on the relay.
    RelayOnly,
    /// Its own offer crossed with ours and wins.
    Glare,
    /// It could not use the offer.
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
    /// The candidate attribute; empty for "end of candidates".
    pub candidate: String,
    /// The media stream the candidate belongs to, by its `mid`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub sdp_mid: Option<String>,
    /// The media stream the candidate belongs to, by its position.
    #[serde(default, rename = "sdpMLineIndex", skip_serializing_if = "Option::is_none")]
    pub sdp_mline_index: Option<u16>,
    /// The user name fragment of the ICE generation the candidate belongs to.
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

/// Shows the kind only: descriptions and candidates carry passwords and addresses.
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
                _ => Err(serde::de::Error::custom("the type is neither offer nor answer")),
            },
            SignalWire::Candidate { candidate } => Ok(Self::Candidate(candidate)),
            SignalWire::Decline { decline } => Ok(Self::Decline(decline)),
        }
    }
}

/// A signal as the JSON that travels, unread: the hub passes it on as it came.
#[derive(Clone, Serialize, Deserialize)]
#[serde(transparent)]
pub struct RawSignal(Box<RawValue>);

impl RawSignal {
    /// Takes a JSON text as a signal, without looking at what it says.
    ///
    /// # Errors
    /// [`UnreadableJson`] when it is no JSON.
    pub fn from_json(json: String) -> Result<Self, UnreadableJson> {
        RawValue::from_string(json).map(Self).map_err(|error| UnreadableJson::new("JSON", &error))
    }

    /// The JSON text.
    #[must_use]
    pub fn as_json(&self) -> &str {
        self.0.get()
    }

    /// Reads the signal.
    ///
    /// # Errors
    /// [`UnreadableJson`] when it is none that this version knows.
    pub fn parse(&self) -> Result<Signal, UnreadableJson> {
        serde_json::from_str(self.0.get()).map_err(|error| UnreadableJson::new("a signal", &error))
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

/// Shows the length only.
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

/// Shows the addresses, never the credential.
impl fmt::Debug for IceServer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("IceServer").field("urls", &self.urls).finish_non_exhaustive()
    }
}
