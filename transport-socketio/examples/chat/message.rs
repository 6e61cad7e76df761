//! The events of a chat: those of the original's chat demo, plus a name, so that its users can join.

use serde::{Deserialize, Serialize};
use socketio_p2p_core::Packet;
use socketio_p2p_core::codec::{Blob, EncodeError};

use crate::common::text::printable;

/// Maximum length of a name in characters.
const MAX_NAME: usize = 24;

/// Maximum length of a shown text in characters.
const MAX_TEXT: usize = 4000;

/// A printable name of limited length.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Name(String);

impl Name {
    pub(crate) fn as_str(&self) -> &str {
        &self.0
    }

    /// The name that a peer sent, without characters that are not printable; `None` if nothing is left.
    fn clean(name: &str) -> Option<Self> {
        let name = printable(name.trim(), MAX_NAME);
        (!name.is_empty()).then_some(Self(name))
    }
}

impl std::str::FromStr for Name {
    type Err = String;

    fn from_str(name: &str) -> Result<Self, String> {
        match Self::clean(name) {
            Some(clean) if clean.0 == name => Ok(clean),
            _ => Err(format!("expected a name of 1 to {MAX_NAME} printable characters")),
        }
    }
}

#[derive(Clone, Debug)]
pub(crate) enum Message {
    /// Introduces the sender to a peer that has joined.
    Hello(Name),
    Text {
        name: Option<Name>,
        text: String,
    },
    /// Asks all peers to send directly from now on.
    Private,
    /// A small file in one event, in one blob or several, as the original sends it.
    File {
        name: String,
        blobs: Vec<Blob>,
    },
}

#[derive(Serialize, Deserialize)]
struct Hello {
    name: String,
}

#[derive(Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
struct Text {
    text_val: String,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    name: Option<String>,
}

#[derive(Serialize, Deserialize)]
struct File {
    #[serde(default)]
    name: String,
    file: Blobs,
}

#[derive(Serialize, Deserialize)]
#[serde(untagged)]
enum Blobs {
    One(Blob),
    Many(Vec<Blob>),
}

/// Describes a file that a transfer carries.
#[derive(Serialize, Deserialize)]
pub(crate) struct Offer {
    pub(crate) name: String,
}

impl Offer {
    pub(crate) fn to_packet(&self) -> Result<Packet, EncodeError> {
        Packet::event("peer-file", &(self,))
    }

    /// Reads the description of a transfer; `None` when it is not one of a chat.
    pub(crate) fn from_packet(packet: &Packet) -> Option<Self> {
        let is_file = packet.event_name()?.as_ref() == "peer-file";
        let (offer,) = packet.args().ok().filter(|_| is_file)?;
        Some(offer)
    }
}

impl Message {
    pub(crate) fn to_packet(&self) -> Result<Packet, EncodeError> {
        match self {
            Self::Hello(name) => {
                Packet::event("peer-name", &(Hello { name: name.as_str().to_owned() },))
            }
            Self::Text { name, text } => {
                let name = name.as_ref().map(|name| name.as_str().to_owned());
                Packet::event("peer-msg", &(Text { text_val: text.clone(), name },))
            }
            Self::Private => Packet::event("go-private", &(true,)),
            Self::File { name, blobs } => {
                let file = match &blobs[..] {
                    [one] => Blobs::One(one.clone()),
                    many => Blobs::Many(many.to_vec()),
                };
                Packet::event("peer-file", &(File { name: name.clone(), file },))
            }
        }
    }

    /// Reads the message in an event; `None` when the event is not one of a chat.
    pub(crate) fn from_packet(packet: &Packet) -> Option<Self> {
        match packet.event_name()?.as_ref() {
            "peer-name" => {
                let (Hello { name },) = packet.args().ok()?;
                Some(Self::Hello(Name::clean(&name)?))
            }
            "peer-msg" => {
                let (Text { text_val, name },) = packet.args().ok()?;
                let name = name.and_then(|name| Name::clean(&name));
                Some(Self::Text { name, text: printable(&text_val, MAX_TEXT) })
            }
            "go-private" => Some(Self::Private),
            "peer-file" => {
                let (File { name, file },) = packet.args().ok()?;
                let blobs = match file {
                    Blobs::One(blob) => vec![blob],
                    Blobs::Many(blobs) => blobs,
                };
                Some(Self::File { name, blobs })
            }
            _ => None,
        }
    }
}
