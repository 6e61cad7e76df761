//! The acks of applications, at once or late.

use socketio_p2p_core::{EmitError, ReplyError, ReplyToken, Session, Time};

use super::{Answer, LateAnswer, Run};
use crate::invariant::{Breach, Invariant};
use crate::mesh::{Fault, Node};

impl Run<'_> {
    /// A node is asked something, and answers at once or later.
    pub(super) fn put_question(&mut self, node: Node, token: ReplyToken, number: u64) {
        // The server's application asks nothing.
        let Some(peer) = token.peer() else { return };
        let life = self.model.life(node.index(), peer);
        let answer = Answer { node, token, number, life };
        let most = self.scenario.settings.answers_within;
        // Once all is over nothing is to come of itself.
        if most.is_zero() || self.is_healed {
            return self.questions.push_back(answer);
        }
        let at = self.mesh.now() + self.answer_dice.span(most);
        self.late_answers.push(LateAnswer { at, answer });
    }

    /// Answers that are due are given.
    pub(super) fn answer_late(&mut self, now: Time) -> Result<(), Breach> {
        while let Some(index) = self.late_answers.iter().position(|late| late.at <= now) {
            let LateAnswer { answer, .. } = self.late_answers.swap_remove(index);
            self.note_all(answer.node)?;
            self.answer(&answer)?;
        }
        Ok(())
    }

    /// Answers when all events up to now are known: a `Writable` among them is older than an answer turned away, and a
    /// link that is over is known to be.
    pub(super) fn answer(&mut self, answer: &Answer) -> Result<(), Breach> {
        let Answer { node, token, number, life } = answer;
        let node = *node;
        if self.mesh.is_frozen(node) || !self.mesh.is_running(node) {
            return Ok(());
        }
        let Some(peer) = token.peer() else { return Ok(()) };
        let open = self.model.life_now(node.index(), peer) == Some(*life);
        if open {
            self.model.replied(node.index(), peer);
        }
        let reply = |session: &mut Session, now| session.reply(token, &(number,), now);
        let result = self.mesh.with(node, reply);
        let expired = matches!(result, Err(ReplyError::Expired(_)));
        if expired == open && !self.model.is_closing(node.index()) {
            let what = if open { "open" } else { "over" };
            return Err(Breach::new(
                Invariant::Answer,
                format!("{node:?} to answer {peer} as is right where the link is {what}"),
                format!("{result:?} for event {number}"),
            ));
        }
        match result {
            Ok(()) => Ok(()),
            Err(error) => match as_of_an_emit(error) {
                Some(error) => self.turned_away(node, Some(peer), None, &error),
                None => {
                    self.mesh.effects_mut().strike(Fault::LateAnswer);
                    Ok(())
                }
            },
        }
    }
}

/// Why an emit would have been turned away in the place of an answer; `None` when the answer is late.
fn as_of_an_emit(error: ReplyError) -> Option<EmitError> {
    match error {
        ReplyError::Blocked { peer, lane, queued } => {
            Some(EmitError::Blocked { peer, lane, queued })
        }
        ReplyError::BeyondPeerLimits(peer) => Some(EmitError::BeyondPeerLimits(peer)),
        ReplyError::Limits(error) => Some(EmitError::Limits(error)),
        ReplyError::Encode(error) => Some(EmitError::Encode(error)),
        ReplyError::Expired(_) | _ => None,
    }
}
