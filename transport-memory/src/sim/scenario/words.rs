//! Actions in words.

use std::fmt;

use super::{Action, Attack, Manner};
use crate::conditions::{Conditions, RosterFaults, SignalFaults};

impl Action {
    /// Whether it needs a malicious peer with datagram channels.
    pub(in crate::sim) const fn is_about_datagrams(&self) -> bool {
        matches!(self, Self::Attack { attack: Attack::Datagrams, .. })
    }

    /// Whether it is a fault, or the end of one; otherwise it is something that an application asks for.
    pub(in crate::sim) const fn is_fault(&self) -> bool {
        if let Self::Server { operation } = self {
            return operation.is_fault();
        }
        !matches!(
            self,
            Self::Turn { .. }
                | Self::Metadata { .. }
                | Self::Report { .. }
                | Self::Emit { .. }
                | Self::EmitShape { .. }
                | Self::OriginalEmit { .. }
                | Self::OriginalHere { .. }
                | Self::RefuseTransfer { .. }
                | Self::Transfer { .. }
                | Self::CancelTransfer { .. }
                | Self::Policy { .. }
                | Self::Upgrade { .. }
                | Self::Close { .. }
        )
    }

    /// Whether a session may lose the hub by it.
    pub(in crate::sim) const fn may_cost_hub(&self) -> bool {
        matches!(
            self,
            Self::Reach { .. }
                | Self::Drop { .. }
                | Self::Break { .. }
                | Self::Mute { .. }
                | Self::Partition { .. }
                | Self::Pace { .. }
                | Self::Freeze { .. }
                | Self::Receive { .. }
                | Self::Crash { .. }
                | Self::Close { .. }
                | Self::HubStop
                | Self::Server { .. }
        )
    }
}

impl fmt::Display for Action {
    /// In words.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let ends = |on: &bool| if *on { "" } else { " no more" };
        match self {
            Self::Turn { node, number } => write!(f, "turn {number}, of node {node}"),
            Self::Emit { node, to, count, size, how } => {
                write!(f, "node {node} emits {count}")?;
                match how {
                    Manner::Event => {}
                    Manner::Bulk => f.write_str(" as bulk")?,
                    Manner::Volatile => f.write_str(" volatile")?,
                    Manner::Question => f.write_str(" with ack")?,
                }
                if *size > 0 {
                    write!(f, " of {size} bytes")?;
                }
                match to {
                    Some(to) => write!(f, " to node {to}"),
                    None => f.write_str(" to all"),
                }
            }
            Self::EmitShape { node, to, size, blobs, text, depth, how } => {
                write!(f, "node {node} emits {how:?} of {size} bytes in {blobs} blobs, ")?;
                write!(f, "{text} of text, {depth} deep, to {to:?}")
            }
            Self::OriginalEmit { client, to, count, size } => {
                write!(f, "client {client} emits {count} of {size} bytes to {to:?}")
            }
            Self::OriginalHere { client, on: true } => write!(f, "client {client} joins"),
            Self::OriginalHere { client, on: false } => write!(f, "client {client} leaves"),
            Self::RefuseTransfer { node } => write!(f, "node {node} refuses a transfer"),
            Self::Break { node } => write!(f, "the socket of node {node} breaks in mid-packet"),
            Self::Drain { node, pause } => {
                write!(f, "the transports of node {node} take something every {pause} ms")
            }
            Self::Swallow { neighbour, from, to, on } => write!(
                f,
                "node {neighbour} passes nothing on from node {from} to node {to}{}",
                ends(on)
            ),
            Self::Transfer { node, to, size, enough, unannounced, late } => {
                let said = if *unannounced { " (it does not say so)" } else { "" };
                write!(f, "node {node} opens a transfer of {size} bytes{said} to node {to}")?;
                if *late > 0 {
                    write!(f, ", which reads every {late} ms")?;
                }
                match enough {
                    Some(enough) => write!(f, ", which has enough after {enough}"),
                    None => Ok(()),
                }
            }
            Self::CancelTransfer { node } => write!(f, "node {node} breaks a transfer off"),
            Self::Policy { node, policy } => write!(f, "node {node}: policy {policy:?}"),
            Self::Upgrade { node, to: Some(to) } => write!(f, "node {node} upgrades to node {to}"),
            Self::Upgrade { node, to: None } => write!(f, "node {node} upgrades to all"),
            Self::Close { node } => write!(f, "node {node} closes"),
            Self::Crash { node } => write!(f, "node {node} crashes"),
            Self::Restart { node } => write!(f, "node {node} comes back as somebody new"),
            Self::Metadata { node, count, size } => {
                write!(f, "node {node} changes its metadata {count} times, to {size} bytes")
            }
            Self::Report { node, ask: true } => write!(f, "node {node} asks the server"),
            Self::Report { node, ask: false } => write!(f, "node {node} emits to the server"),
            Self::Return { node } => write!(f, "node {node} connects again"),
            Self::Server { operation } => operation.fmt(f),
            Self::HubStop => f.write_str("the hub crashes"),
            Self::HubStart => f.write_str("a new hub starts"),
            Self::Drop { node } => write!(f, "the socket of node {node} breaks"),
            Self::Reach { node, on } => {
                let cannot = if *on { "can" } else { "cannot" };
                write!(f, "node {node} {cannot} reach the hub")
            }
            Self::Mute { node, on } => {
                write!(f, "the socket of node {node} is half-open{}", ends(on))
            }
            Self::Silence { a, b, on } => {
                write!(f, "nothing gets through between nodes {a} and {b}{}", ends(on))
            }
            Self::Cut { from, to, on } => {
                write!(f, "nothing gets through from node {from} to node {to}{}", ends(on))
            }
            Self::Partition { island } => write!(f, "nodes {island:?} are cut off"),
            Self::Heal => f.write_str("cuts and partitions heal"),
            Self::Block { a, b, on } => {
                write!(f, "upgrades of nodes {a} and {b} fail{}", ends(on))
            }
            Self::Flap { a, b, lasts: 0 } => write!(f, "upgrades of nodes {a} and {b} last"),
            Self::Flap { a, b, lasts } => {
                write!(f, "upgrades of nodes {a} and {b} last for {lasts} ms")
            }
            Self::CloseDirect { a, b } => write!(f, "the channel of nodes {a} and {b} closes"),
            Self::RelayPath { node, conditions } => {
                write!(f, "hub and node {node}: {}", describe(conditions))
            }
            Self::DirectPath { from, to, conditions } => {
                write!(f, "from node {from} to node {to}: {}", describe(conditions))
            }
            Self::Signals { faults } if *faults == SignalFaults::default() => {
                f.write_str("signals come as they should")
            }
            Self::Signals { faults } => {
                let SignalFaults { lose_offer, lose_answer, duplicate, late, stray_candidate } =
                    faults;
                f.write_str("signals of 1000:")?;
                for (chance, what) in [
                    (lose_offer, "offers lost"),
                    (lose_answer, "answers lost"),
                    (duplicate, "twice"),
                    (late, "late"),
                    (stray_candidate, "stray candidates"),
                ] {
                    if *chance > 0 {
                        write!(f, " {chance} {what}")?;
                    }
                }
                Ok(())
            }
            Self::Rosters { faults: RosterFaults { repeat, omit } } => {
                write!(f, "members of 1000: {repeat} named twice, {omit} not at first")
            }
            Self::Pace { node, pause: 0 } => write!(f, "node {node} takes its input at once"),
            Self::Pace { node, pause } => {
                write!(f, "node {node} takes a message every {pause} ms")
            }
            Self::Freeze { node, on: true } => write!(f, "node {node} stands still"),
            Self::Freeze { node, on: false } => write!(f, "node {node} goes on"),
            Self::Receive { node, on: true } => {
                write!(f, "the application of node {node} takes events again")
            }
            Self::Receive { node, on: false } => {
                write!(f, "the application of node {node} takes no events")
            }
            Self::Jump { by } => write!(f, "all clocks jump by {by} ms"),
            Self::JumpNode { node, by } => write!(f, "the clock of node {node} jumps by {by} ms"),
            Self::Glare { a, b } => write!(f, "nodes {a} and {b} lose their channel, both offer"),
            Self::Attack { victim, attack, direct } => {
                let way = if *direct { "its channel" } else { "the hub" };
                write!(f, "attack on node {victim} through {way}: {attack:?}")
            }
        }
    }
}

fn describe(conditions: &Conditions) -> String {
    let Conditions { delay, jitter, loss, duplicate, reorder, rate } = conditions;
    let mut parts = Vec::new();
    if !delay.is_zero() {
        parts.push(format!("{} ms late", delay.as_millis()));
    }
    if !jitter.is_zero() {
        parts.push(format!("{} ms jitter", jitter.as_millis()));
    }
    for (chance, what) in [(loss, "lost"), (duplicate, "doubled"), (reorder, "overtaken")] {
        if *chance > 0 {
            parts.push(format!("{chance} of 1000 {what}"));
        }
    }
    if *rate > 0 {
        parts.push(format!("{rate} bytes/s"));
    }
    if parts.is_empty() { "as good as before".to_owned() } else { parts.join(", ") }
}
