//! Commands: the lines of standard input.

use serde::de::Error as _;
use serde::{Deserialize, Deserializer};
use serde_json::Number;
use socketio_p2p_core::{PeerId, Policy};

/// One line of standard input.
#[derive(Debug, Deserialize)]
#[serde(tag = "cmd", rename_all = "lowercase", deny_unknown_fields)]
pub(crate) enum Command {
    Emit(Emit),
    Upgrade {
        to: Option<PeerId>,
    },
    Policy {
        #[serde(deserialize_with = "policy")]
        policy: Policy,
    },
    Peers {},
    Cut {
        to: PeerId,
    },
    Quit {},
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Emit {
    pub(crate) name: String,
    #[serde(default)]
    pub(crate) args: Vec<serde_json::Value>,
    /// The receiver; absent: all peers of the room.
    pub(crate) to: Option<PeerId>,
    pub(crate) ack: Option<Number>,
    pub(crate) id: Option<Number>,
}

impl Command {
    pub(crate) fn parse(line: &str) -> Result<Self, String> {
        serde_json::from_str(line).map_err(|error| {
            // The parser adds "at line 1"; every input is one line.
            format!(
                "expected a command as one JSON object: {}",
                error.to_string().replace("line 1 column", "column")
            )
        })
    }
}

/// Reads a policy by its name, as on the command line.
fn policy<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Policy, D::Error> {
    let name = String::deserialize(deserializer)?;
    name.parse().map_err(|error| D::Error::custom(format_args!("{error}, got {name:?}")))
}
