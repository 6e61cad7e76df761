//! The requests to the server's application that are open.

use std::collections::BTreeMap;
use std::task::Waker;

use super::error::RequestError;
use crate::codec::Packet;
use crate::id::EmitId;

/// The open requests to the server.
#[derive(Debug, Default)]
pub(super) struct ServerQuestions {
    pub(super) open: BTreeMap<EmitId, Question>,
}

#[derive(Debug)]
pub(super) enum Question {
    Asked(Waker),
    Answered(Result<Packet, RequestError>),
}

impl ServerQuestions {
    pub(super) fn contains(&self, id: EmitId) -> bool {
        self.open.contains_key(&id)
    }

    /// Takes the answer to an open request.
    pub(super) fn answer(
        &mut self,
        id: EmitId,
        answer: Result<Packet, RequestError>,
        woken: &mut Vec<Waker>,
    ) {
        if let Some(question) = self.open.get_mut(&id)
            && let Question::Asked(waker) = std::mem::replace(question, Question::Answered(answer))
        {
            woken.push(waker);
        }
    }

    pub(super) fn wake_all(&mut self, woken: &mut Vec<Waker>) {
        let asked = self.open.values().filter_map(|question| match question {
            Question::Asked(waker) => Some(waker.clone()),
            Question::Answered(_) => None,
        });
        woken.extend(asked);
    }
}
