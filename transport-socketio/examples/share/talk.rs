//! Posts, a typed event for everybody, and questions.

use futures::StreamExt as _;
use serde::{Deserialize, Serialize};
use socketio_p2p_core::codec::Blob;
use socketio_p2p_core::{Packet, PeerId, ReplyToken, Target};

use crate::client::{Client, lock};
use crate::common::{Failure, chain, text::printable};

/// The argument of the event `post`.
#[derive(Serialize, Deserialize)]
#[serde(tag = "kind", rename_all = "lowercase")]
pub(crate) enum Post {
    Text { text: String },
    Preview { name: String, start: Blob },
}

impl Client {
    /// Sends a post to everybody.
    pub(crate) async fn post(&self, post: Post) -> Result<(), Failure> {
        let _emitted = self.peer.emit(Target::All, &Packet::event("post", &(post,))?).await?;
        Ok(())
    }

    /// Prints a post.
    pub(crate) fn show(&self, from: &PeerId, post: Post) {
        let said = match post {
            Post::Text { text } => text,
            Post::Preview { name, start } => {
                format!("{name} begins with {}", String::from_utf8_lossy(&start))
            }
        };
        self.bars.print(&format!("{}: {}", self.name(from), printable(&said, 400)));
    }

    /// Asks everybody whether they want a file.
    pub(crate) async fn ask(&self, name: &str) -> Result<(), Failure> {
        let question = Packet::event("may-i-send", &(name,))?;
        let mut answers = self.peer.request_all(&question).timeout(self.patience);
        while let Some((from, answer)) = answers.next().await {
            let said = answer.and_then(|answer| Ok(answer.args::<(bool,)>()?));
            let said = said.map_or_else(
                |error| chain(&error),
                |(yes,)| if yes { "yes" } else { "no" }.to_owned(),
            );
            self.bars.print(&format!("{} about {name}: {said}", self.name(&from)));
        }
        Ok(())
    }

    /// Prints a question, and keeps the token for the answer.
    pub(crate) fn hear(
        &self,
        from: &PeerId,
        packet: &Packet,
        token: ReplyToken,
    ) -> Result<(), Failure> {
        let (name,) = packet.args::<(String,)>()?;
        *lock(&self.question) = Some(token);
        let asker = self.name(from);
        self.bars.print(&format!("{asker}: may I send you {}? (yes, no)", printable(&name, 80)));
        Ok(())
    }

    /// Answers the last question.
    pub(crate) async fn answer(&self, yes: bool) -> Result<(), Failure> {
        let question = lock(&self.question).take();
        Ok(self.peer.reply(&question.ok_or("nobody has asked")?, &(yes,)).await?)
    }
}
