//! The entries of a trace, and how they are shown.

use std::error::Error;

use socketio_p2p_core::{Event, Frame, Path, Time};

use super::node::Place;

/// An event in a trace.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum TraceEvent {
    /// A message was sent.
    Sent {
        /// The receiver.
        to: Place,
        /// When it arrives; `None` when it is lost.
        arrives: Option<Time>,
        /// Whether it went over a direct connection.
        direct: bool,
        /// The beginning of its text.
        text: String,
        /// A digest of all its bytes.
        digest: u64,
    },
    /// An event of a session.
    Event(String),
    /// The path of a node to a peer has changed.
    PathChanged {
        /// The peer: its node, or its id where it has none.
        peer: String,
        /// The new path.
        path: Path,
    },
    /// A fault, or the end of one.
    Fault(String),
    /// A command of an application to its session.
    Command(String),
}

/// An entry of a trace: see [`Mesh::trace`](crate::Mesh::trace).
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TraceEntry {
    /// The virtual time.
    pub at: Time,
    /// The place.
    pub place: Place,
    /// The event.
    pub event: TraceEvent,
}

impl std::fmt::Display for TraceEntry {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let nanos = self.at.as_nanos();
        write!(f, "{:>10.3} ms  {:<7} ", nanos as f64 / 1e6, self.place.to_string())?;
        match &self.event {
            TraceEvent::Sent { to, arrives, direct, text, digest } => {
                let arrow = if *direct { "=>" } else { "->" };
                write!(f, "{arrow} {to:<7} {text}  #{digest:016x}", to = to.to_string())?;
                match arrives {
                    Some(at) => write!(f, "  (in {:.3} ms)", (*at - self.at).as_secs_f64() * 1e3),
                    None => f.write_str("  (lost)"),
                }
            }
            TraceEvent::Event(event) => write!(f, "   {event}"),
            TraceEvent::PathChanged { peer, path } => write!(f, "   path to {peer}: {path:?}"),
            TraceEvent::Fault(what) => write!(f, "!  {what}"),
            TraceEvent::Command(what) => write!(f, ".  {what}"),
        }
    }
}

/// The maximum of characters of a text that are shown.
pub(super) const SHOWN: usize = 90;
pub(super) const SHOWN_EVENT: usize = 160;
const SCANNED: usize = 400;

/// The beginning of a frame. CONNECT packets carry tokens, of which nothing is shown.
pub(super) fn describe(frame: &Frame) -> String {
    match frame {
        Frame::Text(text) if text.starts_with('0') => "0…".to_owned(),
        Frame::Text(text) => {
            // The welcome too.
            let shown = text.split(",\"token\"").next().unwrap_or_default();
            shorten(shown, SCANNED)
        }
        Frame::Binary(bytes) => format!("{} bytes", bytes.len()),
    }
}

#[expect(clippy::wildcard_enum_match_arm, reason = "all others are shown as they are")]
pub(super) fn describe_event(event: &Event) -> String {
    let text = match event {
        Event::Received { from, path, packet, reply } => {
            let asks = if reply.is_some() { ", asks" } else { "" };
            let head = describe(&packet.head().clone().into());
            return format!("{head} of {from} ({path:?}{asks})");
        }
        Event::Outcome { emit, peer, outcome } => {
            return format!("emit {} for {peer}: {outcome:?}", emit.as_u64());
        }
        Event::Ack { emit, from, .. } => {
            return format!("emit {}: answer of {from}", emit.as_u64());
        }
        Event::PeerError { peer, error } => return format!("{peer}: {}", chain(error)),
        Event::Disconnected { error, .. } => return format!("disconnected: {}", chain(error)),
        event => format!("{event:?}"),
    };
    text.replace('\n', " ")
}

/// An error with its causes.
fn chain(error: &dyn Error) -> String {
    let causes = std::iter::successors(Some(error), |&error| error.source());
    causes.map(ToString::to_string).collect::<Vec<_>>().join(": ")
}

pub(super) fn shorten(text: &str, most: usize) -> String {
    let mut short: String = text.chars().take(most).collect();
    if short.len() < text.len() {
        short.push('…');
    }
    short
}
