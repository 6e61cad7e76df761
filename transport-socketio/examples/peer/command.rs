//! The lines that come in.

use serde::Deserialize;
use serde_json::Number;
use socketio_p2p_core::{PeerId, Policy};

/// One line of standard input.
#[derive(Debug, Deserialize)]
#[serde(tag = "cmd", rename_all = "lowercase", deny_unknown_fields)]
pub(crate) enum Command {
    Emit(Emit),
    Upgrade { to: Option<PeerId> },
    Policy { policy: PolicyName },
    Peers {},
    Cut { to: PeerId },
    Quit {},
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Emit {
    pub(crate) name: String,
    #[serde(default)]
    pub(crate) args: Vec<serde_json::Value>,
    /// Without it the event goes to everybody.
    pub(crate) to: Option<PeerId>,
    pub(crate) ack: Option<Number>,
    pub(crate) id: Option<Number>,
}

impl Command {
    pub(crate) fn parse(line: &str) -> Result<Self, String> {
        serde_json::from_str(line).map_err(|error| {
            // The parser counts lines; there is one.
            format!(
                "this line is no command: {}",
                error.to_string().replace("line 1 column", "column")
            )
        })
    }
}

/// The policies as the command line and the commands write them.
#[derive(Clone, Copy, Debug, Deserialize, clap::ValueEnum)]
#[serde(rename_all = "lowercase")]
pub(crate) enum PolicyName {
    /// Connect directly and switch at once.
    Auto,
    /// Connect directly, but send through the server until `upgrade`.
    Manual,
    /// Never connect directly.
    Relay,
    /// Never send an event through the server.
    Direct,
}

impl From<PolicyName> for Policy {
    fn from(name: PolicyName) -> Self {
        match name {
            PolicyName::Auto => Self::Automatic,
            PolicyName::Manual => Self::Manual,
            PolicyName::Relay => Self::RelayOnly,
            PolicyName::Direct => Self::DirectOnly,
        }
    }
}
