//! The record of a run.

use std::error::Error;

use socketio_p2p_core::{Event, Frame, Path, Time};

use super::Mesh;

/// Where something is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
#[non_exhaustive]
pub enum Place {
    /// At the hub.
    Hub,
    /// At a node, by its number.
    Node(usize),
}

impl std::fmt::Display for Place {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Hub => f.write_str("hub"),
            Self::Node(node) => write!(f, "node {node}"),
        }
    }
}

/// What was seen.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum What {
    /// Something was sent.
    Sent {
        /// To where.
        to: Place,
        /// When it arrives; `None` when it is lost.
        arrives: Option<Time>,
        /// Whether it went over a direct connection.
        direct: bool,
        /// Its beginning.
        text: String,
        /// A short name of all its bytes.
        digest: u64,
    },
    /// A session told its application something.
    Told(String),
    /// Events of a node to a peer go this way from now on.
    PathChanged {
        /// The peer: a node, where it is one.
        peer: String,
        /// The way.
        path: Path,
    },
    /// A fault, or the end of one.
    Done(String),
    /// Something that an application asked of its session.
    Asked(String),
}

/// One entry of the record.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Sight {
    /// When.
    pub at: Time,
    /// Where.
    pub place: Place,
    /// What.
    pub what: What,
}

impl std::fmt::Display for Sight {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let nanos = self.at.as_nanos();
        write!(f, "{:>10.3} ms  {:<7} ", nanos as f64 / 1e6, self.place.to_string())?;
        match &self.what {
            What::Sent { to, arrives, direct, text, digest } => {
                let arrow = if *direct { "=>" } else { "->" };
                write!(f, "{arrow} {to:<7} {text}  #{digest:016x}", to = to.to_string())?;
                match arrives {
                    Some(at) => write!(f, "  (in {:.3} ms)", (*at - self.at).as_secs_f64() * 1e3),
                    None => f.write_str("  (lost)"),
                }
            }
            What::Told(event) => write!(f, "   {event}"),
            What::PathChanged { peer, path } => write!(f, "   path to {peer}: {path:?}"),
            What::Done(what) => write!(f, "!  {what}"),
            What::Asked(what) => write!(f, ".  {what}"),
        }
    }
}

/// So much of a text is shown, and so much of it is looked at for ids.
const SHOWN: usize = 90;
const SHOWN_EVENT: usize = 160;
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

impl Mesh {
    /// Records from now on what happens.
    pub fn record(&mut self) {
        self.sights.get_or_insert_default();
    }

    /// The record so far.
    #[must_use]
    pub fn sights(&self) -> &[Sight] {
        self.sights.as_deref().unwrap_or_default()
    }

    pub(crate) fn is_recording(&self) -> bool {
        self.sights.is_some()
    }

    pub(crate) fn note(&mut self, place: Place, what: impl FnOnce() -> What) {
        if self.sights.is_none() {
            return;
        }
        let what = match what() {
            What::Sent { to, arrives, direct, text, digest } => {
                let text = shorten(&self.with_names(text), SHOWN);
                What::Sent { to, arrives, direct, text, digest }
            }
            What::Told(text) => What::Told(shorten(&self.with_names(text), SHOWN_EVENT)),
            What::PathChanged { peer, path } => {
                What::PathChanged { peer: self.with_names(peer), path }
            }
            other @ (What::Done(_) | What::Asked(_)) => other,
        };
        let at = self.now;
        self.sights.get_or_insert_default().push(Sight { at, place, what });
    }

    #[expect(clippy::wildcard_enum_match_arm, reason = "all others are shown as they are")]
    pub(super) fn note_events(&mut self, node: usize, from: usize) {
        if self.sights.is_none() {
            return;
        }
        let events = self.nodes[node].events[from..].iter();
        let told: Vec<What> = events
            .map(|event| match event {
                Event::PathChanged { peer, path } => {
                    What::PathChanged { peer: peer.to_string(), path: path.clone() }
                }
                event => What::Told(describe_event(event)),
            })
            .collect();
        for what in told {
            self.note(Place::Node(node), || what);
        }
    }

    /// The text with nodes in the place of their ids.
    fn with_names(&self, mut text: String) -> String {
        for (id, node) in &self.names {
            if text.contains(id.as_str()) {
                text = text.replace(id.as_str(), &Place::Node(node.index()).to_string());
            }
        }
        text
    }
}

#[expect(clippy::wildcard_enum_match_arm, reason = "all others are shown as they are")]
fn describe_event(event: &Event) -> String {
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

fn shorten(text: &str, most: usize) -> String {
    let mut short: String = text.chars().take(most).collect();
    if short.len() < text.len() {
        short.push('…');
    }
    short
}
