//! Compares the events that were sent with those that arrived.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt;

use socketio_p2p_core::codec::Blob;
use socketio_p2p_core::{Event, LeaveReason, Outcome, Path, PeerId};

use super::actor::Note;
use super::{NAMES, WAYS};
use crate::common::{Failure, chain};
use crate::message::Message;

/// The content of an event, for comparing it byte for byte.
#[derive(Clone, PartialEq)]
pub(crate) enum Content {
    Text(String),
    Private,
    File { name: String, blobs: Vec<Blob> },
}

impl fmt::Display for Content {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Text(text) => write!(f, "\"{text}\""),
            Self::Private => f.write_str("the request to go private"),
            Self::File { name, blobs } => write!(f, "{name} ({} blobs)", blobs.len()),
        }
    }
}

struct Arrival {
    from: usize,
    to: usize,
    path: Path,
    content: Content,
}

/// The events from one peer to another.
#[derive(Clone, Copy, Default)]
pub(crate) struct Sum {
    pub(crate) relay: usize,
    pub(crate) direct: usize,
    pub(crate) bytes: usize,
}

#[derive(Default)]
pub(crate) struct Ledger {
    pub(crate) ids: BTreeMap<usize, PeerId>,
    /// Which peer has seen which one join.
    pub(crate) joined: BTreeSet<(usize, PeerId)>,
    pub(crate) ready: BTreeSet<usize>,
    /// The path on which the first peer sends to the second.
    pub(crate) paths: BTreeMap<(usize, usize), Path>,
    /// Which peer has seen which one leave, and why.
    pub(crate) left: BTreeMap<(usize, usize), LeaveReason>,
    pub(crate) closed: BTreeSet<usize>,
    sent: Vec<(usize, Content)>,
    arrivals: Vec<Arrival>,
    sums: BTreeMap<(usize, usize), Sum>,
    delivered: usize,
}

impl Ledger {
    /// Notes content that a peer is about to send to the others.
    pub(crate) fn expect(&mut self, from: usize, content: Content) {
        self.sent.push((from, content));
    }

    /// Enters an event. One that does not belong into this story is an error.
    pub(crate) fn take(&mut self, note: Note) -> Result<(), Failure> {
        let who = note.who;
        let name = NAMES[who];
        match note.what.map_err(|failure| format!("{name}: {failure}"))? {
            Event::Connected { id, .. } => {
                self.ids.insert(who, id);
            }
            Event::PeerJoined { peer, .. } => {
                self.joined.insert((who, peer));
            }
            Event::Ready => {
                self.ready.insert(who);
            }
            Event::PathChanged { peer, path } => {
                let to = self.number(&peer)?;
                self.paths.insert((who, to), path);
            }
            Event::Received { from, path, packet, .. } => {
                let from = self.number(&from)?;
                let content = match Message::from_packet(&packet) {
                    Some(Message::Text { text, .. }) => Content::Text(text),
                    Some(Message::Private) => Content::Private,
                    Some(Message::File { name, blobs }) => Content::File { name, blobs },
                    Some(Message::Hello(_)) | None => {
                        return Err(format!(
                            "{name} received an event that no peer of the story sends"
                        )
                        .into());
                    }
                };
                let sum = self.sums.entry((from, who)).or_default();
                *if path == Path::Direct { &mut sum.direct } else { &mut sum.relay } += 1;
                sum.bytes += packet.wire_len();
                self.arrivals.push(Arrival { from, to: who, path, content });
            }
            Event::Outcome { outcome: Outcome::Delivered, .. } => self.delivered += 1,
            Event::Outcome { peer, outcome, .. } => {
                let to = NAMES[self.number(&peer)?];
                return Err(format!("an event of {name} for {to} ended as {outcome:?}").into());
            }
            Event::PeerLeft { peer, reason, .. } => {
                let gone = self.number(&peer)?;
                self.left.insert((who, gone), reason);
            }
            Event::Closed => {
                self.closed.insert(who);
            }
            Event::Disconnected { error, .. } => {
                return Err(format!("{name} lost the server: {}", chain(&error)).into());
            }
            Event::Refused(refusal) => return Err(format!("{name}: {refusal}").into()),
            Event::PeerAway { peer } => {
                let away = NAMES[self.number(&peer)?];
                return Err(format!("{name} has no path to {away}").into());
            }
            // A direct path fails in this story; the path changes tell which one.
            Event::PeerError { .. }
            | Event::PeerBack { .. }
            | Event::Upgrade
            | Event::Ack { .. }
            | Event::NoAck { .. }
            | Event::Writable { .. }
            | Event::ServerEvent { .. }
            | _ => {}
        }
        Ok(())
    }

    fn number(&self, peer: &PeerId) -> Result<usize, Failure> {
        let found = self.ids.iter().find(|(_, id)| *id == peer).map(|(number, _)| *number);
        found.ok_or_else(|| format!("an unknown peer {peer} is in the room").into())
    }

    /// The peers that have received this content, and on which path.
    pub(crate) fn receivers(
        &self,
        from: usize,
        content: &Content,
    ) -> impl Iterator<Item = (usize, &Path)> {
        let same = move |arrival: &&Arrival| arrival.from == from && arrival.content == *content;
        self.arrivals.iter().filter(same).map(|arrival| (arrival.to, &arrival.path))
    }

    pub(crate) fn sum(&self, way: (usize, usize)) -> Sum {
        self.sums.get(&way).copied().unwrap_or_default()
    }

    pub(crate) fn arrivals(&self) -> usize {
        self.arrivals.len()
    }

    /// Checks that each event has arrived once at each receiver, in the order of its sender, and that the senders
    /// know it.
    pub(crate) fn check(&self) -> Result<(), Failure> {
        let mut expected_total = 0;
        for (from, to) in WAYS {
            let said = self.sent.iter().filter(|(who, _)| *who == from);
            let said: Vec<&Content> = said.map(|(_, what)| what).collect();
            let heard = self.arrivals.iter().filter(|one| (one.from, one.to) == (from, to));
            let heard: Vec<&Content> = heard.map(|arrival| &arrival.content).collect();
            if heard != said {
                let (said, heard) = (list(&said), list(&heard));
                let (from, to) = (NAMES[from], NAMES[to]);
                return Err(format!("{from} sent to {to}: {said}; {to} received: {heard}").into());
            }
            expected_total += said.len();
        }
        if self.delivered != expected_total {
            let delivered = self.delivered;
            let total = format!(
                "{expected_total} events arrived, and {delivered} of them are known as delivered"
            );
            return Err(total.into());
        }
        Ok(())
    }
}

fn list(contents: &[&Content]) -> String {
    contents.iter().map(ToString::to_string).collect::<Vec<_>>().join(", ")
}
