//! A backlog of emits that a full queue blocked: they wait in order, and are sent when there is room.

use std::collections::VecDeque;
use std::time::Duration;

use socketio_p2p_core::codec::Value;
use socketio_p2p_core::{EmitError, EmitId, Packet, PeerId, ReplyError, ReplyToken, Target};

use super::Node;

/// Maximum number of waiting answers. Answers beyond it, or beyond the maximum of their bytes, are dropped: the peer
/// asks for more than it receives.
const MAX_REPLIES: usize = 1024;
const MAX_REPLY_BYTES: usize = 16 << 20;

/// The state of one receiver's copy of an emit.
#[derive(Debug)]
pub(crate) enum Progress<T> {
    /// The session has accepted it under this id.
    Accepted { peer: PeerId, emit: EmitId, tag: T },
    /// The queue for the peer is full; the emit waits. Reported once.
    Blocked { peer: PeerId },
    /// The session has rejected it.
    Failed { peer: PeerId, error: EmitError, tag: T },
}

/// An event, with the tag by which its sender knows it.
#[derive(Debug)]
pub(crate) struct Outgoing<T> {
    pub(crate) packet: Packet,
    /// `Some`: each receiver answers, within this time if one is given.
    pub(crate) ack: Option<Option<Duration>>,
    pub(crate) tag: T,
}

/// Emits and answers that wait for room.
///
/// While [`is_waiting`](Self::is_waiting), the application makes no new emits: no emit overtakes another, and the
/// backlog holds one event per peer.
#[derive(Debug)]
pub(crate) struct Backlog<T> {
    emits: Vec<(PeerId, Outgoing<T>)>,
    replies: VecDeque<(ReplyToken, Vec<Value>, usize)>,
    reply_bytes: usize,
}

impl<T> Default for Backlog<T> {
    fn default() -> Self {
        Self { emits: Vec::new(), replies: VecDeque::new(), reply_bytes: 0 }
    }
}

impl<T: Clone> Backlog<T> {
    /// Whether an emit waits for room.
    pub(crate) fn is_waiting(&self) -> bool {
        !self.emits.is_empty()
    }

    /// Emits an event to one peer or to all. An error concerns the event itself; the result holds the state for each
    /// receiver.
    pub(crate) fn emit(
        &mut self,
        node: &mut Node,
        to: Target,
        event: &Outgoing<T>,
    ) -> Result<Vec<Progress<T>>, EmitError> {
        let verdicts = attempt(node, to, event)?;
        Ok(verdicts.into_iter().map(|verdict| self.note(verdict, event)).collect())
    }

    fn note(&mut self, verdict: Attempted, event: &Outgoing<T>) -> Progress<T> {
        let tag = event.tag.clone();
        match verdict {
            Ok((peer, emit)) => Progress::Accepted { peer, emit, tag },
            Err((peer, EmitError::Blocked { .. })) => {
                let Outgoing { packet, ack, .. } = event;
                let kept = Outgoing { packet: packet.clone(), ack: *ack, tag };
                self.emits.push((peer.clone(), kept));
                Progress::Blocked { peer }
            }
            Err((peer, error)) => Progress::Failed { peer, error, tag },
        }
    }

    /// Answers an event, at once or when there is room.
    pub(crate) fn reply(
        &mut self,
        node: &mut Node,
        token: ReplyToken,
        args: Vec<Value>,
        bytes: usize,
    ) -> Result<(), ReplyError> {
        match node.with(|session, now| session.reply(&token, &args, now)) {
            Ok(()) => return Ok(()),
            Err(error @ ReplyError::Blocked { .. }) => {
                let bytes = self.reply_bytes + bytes;
                if self.replies.len() >= MAX_REPLIES || bytes > MAX_REPLY_BYTES {
                    return Err(error);
                }
            }
            Err(error) => return Err(error),
        }
        self.reply_bytes += bytes;
        self.replies.push_back((token, args, bytes));
        Ok(())
    }

    /// Retries the emits and answers that wait for a peer, when it is writable or has left.
    pub(crate) fn retry(&mut self, node: &mut Node, peer: &PeerId) -> Vec<Progress<T>> {
        let mut progress = Vec::new();
        for (to, event) in std::mem::take(&mut self.emits) {
            if to != *peer {
                self.emits.push((to, event));
                continue;
            }
            match try_emit(node, &to, &event) {
                Ok(emit) => {
                    progress.push(Progress::Accepted { peer: to, emit, tag: event.tag });
                }
                Err(EmitError::Blocked { .. }) => self.emits.push((to, event)),
                Err(error) => {
                    progress.push(Progress::Failed { peer: to, error, tag: event.tag });
                }
            }
        }
        let mut full = false;
        for (token, args, bytes) in std::mem::take(&mut self.replies) {
            let mine = token.peer() == Some(peer);
            if mine && !full {
                match node.with(|session, now| session.reply(&token, &args, now)) {
                    Err(ReplyError::Blocked { .. }) => full = true,
                    // Answered, or the peer no longer waits for the answer.
                    Ok(()) | Err(_) => {
                        self.reply_bytes -= bytes;
                        continue;
                    }
                }
            }
            self.replies.push_back((token, args, bytes));
        }
        progress
    }
}

/// Per receiver: the emit's id, or the reason for which it was not accepted.
type Attempted = Result<(PeerId, EmitId), (PeerId, EmitError)>;

fn attempt<T>(
    node: &mut Node,
    to: Target,
    event: &Outgoing<T>,
) -> Result<Vec<Attempted>, EmitError> {
    match (to, event.ack) {
        (Target::Server, _) => {
            let _emitted =
                node.with(|session, now| session.emit(Target::Server, &event.packet, now))?;
            Ok(Vec::new())
        }
        (Target::Peer(peer), _) => match try_emit(node, &peer, event) {
            Ok(emit) => Ok(vec![Ok((peer, emit))]),
            Err(error @ EmitError::Blocked { .. }) => Ok(vec![Err((peer, error))]),
            Err(error) => Err(error),
        },
        // One call for all receivers: on the relay they share one upload.
        (Target::All, None) => {
            let emitted =
                node.with(|session, now| session.emit(Target::All, &event.packet, now))?;
            let accepted = emitted.accepted.into_iter().map(|peer| Ok((peer, emitted.id)));
            Ok(accepted.chain(emitted.rejected.into_iter().map(Err)).collect())
        }
        (Target::All, Some(_)) => {
            let peers: Vec<PeerId> = node.session().peers().map(|peer| peer.id).collect();
            let ask = |peer: PeerId| match try_emit(node, &peer, event) {
                Ok(emit) => Ok((peer, emit)),
                Err(error) => Err((peer, error)),
            };
            Ok(peers.into_iter().map(ask).collect())
        }
    }
}

fn try_emit<T>(node: &mut Node, peer: &PeerId, event: &Outgoing<T>) -> Result<EmitId, EmitError> {
    let emitted = node.with(|session, now| match event.ack {
        Some(timeout) => session.emit_with_ack(peer, &event.packet, timeout, now),
        None => session.emit(peer, &event.packet, now),
    });
    emitted.map(|emitted| emitted.id)
}
