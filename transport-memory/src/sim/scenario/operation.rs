//! What the server's application does in a scenario.

use std::fmt;

use serde::{Deserialize, Serialize};

/// An operation of the server's application, or of whoever operates the server. Without a server nothing happens.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
#[non_exhaustive]
pub enum Operation {
    /// Removes the member that a node is.
    Kick(usize),
    /// Removes all members of the room.
    CloseRoom,
    /// Closes the hub; clients are told to come back after so many milliseconds.
    Close(u64),
    /// Emits an event to a node, or to all.
    Emit(Option<usize>),
    /// Asks a node.
    Ask(usize),
    /// Refuses the next connection of a node, which is told to wait so many milliseconds; absent: for good.
    Refuse(usize, Option<u64>),
    /// The key of the resume tokens is lost: the next hub has another one.
    LoseKey,
}

impl Operation {
    /// The nodes that it names.
    pub(super) fn nodes(self) -> Vec<usize> {
        match self {
            Self::Kick(node) | Self::Ask(node) | Self::Refuse(node, _) => vec![node],
            Self::Emit(node) => node.into_iter().collect(),
            Self::CloseRoom | Self::Close(_) | Self::LoseKey => Vec::new(),
        }
    }

    /// The longest span that it names, in milliseconds.
    pub(super) const fn span(self) -> u64 {
        match self {
            Self::Close(millis) | Self::Refuse(_, Some(millis)) => millis,
            Self::Kick(_)
            | Self::CloseRoom
            | Self::Emit(_)
            | Self::Ask(_)
            | Self::Refuse(_, None)
            | Self::LoseKey => 0,
        }
    }

    /// Whether it is more than talk.
    pub(super) const fn is_fault(self) -> bool {
        !matches!(self, Self::Emit(_) | Self::Ask(_))
    }
}

impl fmt::Display for Operation {
    /// In words.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Kick(node) => write!(f, "the server kicks node {node}"),
            Self::CloseRoom => f.write_str("the server closes the room"),
            Self::Close(millis) => write!(f, "the server closes for {millis} ms"),
            Self::Emit(Some(node)) => write!(f, "the server emits to node {node}"),
            Self::Emit(None) => f.write_str("the server emits to all"),
            Self::Ask(node) => write!(f, "the server asks node {node}"),
            Self::Refuse(node, Some(millis)) => {
                write!(f, "the server will tell node {node} to wait {millis} ms")
            }
            Self::Refuse(node, None) => write!(f, "the server will refuse node {node}"),
            Self::LoseKey => f.write_str("the key of the tokens is lost"),
        }
    }
}
