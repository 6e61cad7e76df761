//! The record of a run.

use socketio_p2p_core::{Event, Frame, Path, PeerId, Time};

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
    },
    /// A session told its application something.
    Told(String),
    /// Events of a node to a peer go this way from now on.
    PathChanged {
        /// The peer.
        peer: PeerId,
        /// The way.
        path: Path,
    },
    /// A fault, or something that the scenario did.
    Done(String),
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
            What::Sent { to, arrives, direct, text } => {
                let arrow = if *direct { "=>" } else { "->" };
                write!(f, "{arrow} {to:<7} {text}", to = to.to_string())?;
                match arrives {
                    Some(at) => write!(f, "  (in {:.3} ms)", (*at - self.at).as_secs_f64() * 1e3),
                    None => f.write_str("  (lost)"),
                }
            }
            What::Told(event) => write!(f, "   {event}"),
            What::PathChanged { peer, path } => write!(f, "   path to {peer}: {path:?}"),
            What::Done(what) => write!(f, "!  {what}"),
        }
    }
}

/// So much of a text is shown.
const SHOWN: usize = 72;

/// The beginning of a frame. CONNECT packets carry tokens, of which nothing is shown.
pub(super) fn describe(frame: &Frame) -> String {
    match frame {
        Frame::Text(text) if text.starts_with('0') => "0…".to_owned(),
        Frame::Text(text) => {
            // The welcome too.
            let shown = text.split(",\"token\"").next().unwrap_or_default();
            let mut shown: String = shown.chars().take(SHOWN).collect();
            if shown.len() < text.len() {
                shown.push('…');
            }
            shown
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
        let at = self.now;
        if let Some(sights) = &mut self.sights {
            sights.push(Sight { at, place, what: what() });
        }
    }

    pub(super) fn note_events(&mut self, node: usize, from: usize) {
        let at = self.now;
        let Some(sights) = &mut self.sights else { return };
        for event in &self.nodes[node].events[from..] {
            let what = if let Event::PathChanged { peer, path } = event {
                What::PathChanged { peer: peer.clone(), path: path.clone() }
            } else {
                What::Told(describe_event(event))
            };
            sights.push(Sight { at, place: Place::Node(node), what });
        }
    }
}

fn describe_event(event: &Event) -> String {
    if let Event::Received { from, path, packet, .. } = event {
        return format!(
            "received {} of {from} ({path:?})",
            describe(&packet.head().clone().into())
        );
    }
    let mut text: String = format!("{event:?}").chars().take(160).collect();
    text.retain(|character| character != '\n');
    text
}
