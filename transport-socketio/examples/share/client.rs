//! The client: joining, who is there, and the commands.

use std::collections::BTreeMap;
use std::future::ready;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use futures::StreamExt as _;
use socketio_p2p_core::handle::{Events, Peer, Router};
use socketio_p2p_core::{AuthPayload, Event, LeaveReason, MemberData, PeerId, Policy, ReplyToken};
use socketio_p2p_transport_socketio::join;
use socketio_p2p_transport_webrtc::{WebRtcConfig, WebRtcTransport};
use tokio::task::JoinSet;

use crate::common::input::{self, Line};
use crate::common::{Failure, bars::Bars, chain, files::Downloads, text::printable};
use crate::talk::Post;
use crate::{Auth, COMMANDS, Join, RESUME_WINDOW};

pub(crate) struct Client {
    pub(crate) peer: Peer,
    pub(crate) bars: Bars,
    pub(crate) downloads: Downloads,
    pub(crate) patience: Duration,
    /// The names of those who are here, as of the last event.
    names: Mutex<BTreeMap<PeerId, String>>,
    /// The last question, until it is answered.
    pub(crate) question: Mutex<Option<ReplyToken>>,
}

pub(crate) async fn run(arguments: Join) -> Result<(), Failure> {
    let auth = AuthPayload::new(&Auth { ticket: arguments.ticket })?;
    let policy = if arguments.relay { Policy::RelayOnly } else { Policy::Automatic };
    let (peer, events) = join(&arguments.url)
        .auth(move || ready(Ok(auth.clone())))
        .direct(WebRtcTransport::new(WebRtcConfig::default())?)
        .configure(|config| config.with_policy(policy).with_resume_window(RESUME_WINDOW))
        .await?;
    let (bars, downloads) = (Bars::new(), Downloads::new(arguments.downloads));
    bars.print(&format!("you are {}; {COMMANDS}", text(peer.user())));
    let (names, question) = (Mutex::default(), Mutex::default());
    let patience = Duration::from_secs(arguments.patience);
    let client = Arc::new(Client { peer, bars, downloads, patience, names, question });
    tokio::select! {
        Err(failure) = client.react(events) => Err(failure),
        left = client.obey() => left,
    }
}

impl Client {
    async fn react(self: &Arc<Self>, mut events: Events) -> Result<(), Failure> {
        let (posts, failures) = (Arc::clone(self), Arc::clone(self));
        let mut router = Router::new()
            .on("post", move |from, (post,): (Post,)| posts.show(from, post))
            .on_error(move |error| failures.bars.print(&chain(&error)));
        while let Some(event) = events.next().await {
            let line = match event {
                Event::PeerJoined { peer, user, .. } => {
                    let name = text(user);
                    lock(&self.names).insert(peer, name.clone());
                    format!("{name} is here")
                }
                Event::PeerUpdated { user, metadata, .. } => {
                    format!("{} is now {}", text(user), text(metadata))
                }
                // This client leaves, not the others.
                Event::PeerLeft { reason: LeaveReason::Closed, .. } => continue,
                Event::PeerLeft { peer, reason } => {
                    let name = lock(&self.names).remove(&peer).unwrap_or_default();
                    format!("{name} is gone: {reason}")
                }
                Event::Disconnected { error, .. } => format!("no server: {}", chain(&error)),
                Event::Connected { resumed: true, .. } => "back as the same member".to_owned(),
                Event::Connected { .. } => "back as a new member".to_owned(),
                Event::Refused(refusal) => return Err(refusal.into()),
                Event::Received { from, packet, reply: Some(token), .. } => {
                    self.tell(self.hear(&from, &packet, token));
                    continue;
                }
                Event::TransferOpened { transfer, packet, .. } => {
                    let client = Arc::clone(self);
                    tokio::spawn(async move {
                        client.tell(client.receive(transfer, &packet).await);
                    });
                    continue;
                }
                other => {
                    router.route(&self.peer, other).await;
                    continue;
                }
            };
            self.bars.print(&line);
        }
        Ok(())
    }

    /// Obeys the lines of input.
    async fn obey(self: &Arc<Self>) -> Result<(), Failure> {
        let (mut lines, mut tasks) = (input::lines(64 << 10), JoinSet::new());
        while let Some(line) = lines.recv().await {
            let Line::Text(line) = line else { continue };
            let (command, rest) = line.split_once(' ').unwrap_or((&line, ""));
            let (client, rest) = (Arc::clone(self), rest.to_owned());
            match command {
                "say" => self.tell(self.post(Post::Text { text: rest }).await),
                "status" => self.tell(self.set_status(&rest)),
                "yes" | "no" => self.tell(self.answer(command == "yes").await),
                "ask" => _ = tasks.spawn(async move { client.tell(client.ask(&rest).await) }),
                "send" => _ = tasks.spawn(async move { client.tell(client.send(&rest).await) }),
                "quit" => break,
                _ => self.bars.print(COMMANDS),
            }
        }
        // Files that are being sent arrive first.
        tasks.join_all().await;
        match self.peer.close().await?.is_empty() {
            true => Ok(()),
            false => Err("left before all messages were delivered".into()),
        }
    }

    pub(crate) fn tell(&self, result: Result<(), Failure>) {
        if let Err(failure) = result {
            self.bars.print(&format!("error: {}", chain(&*failure)));
        }
    }

    pub(crate) fn name(&self, peer: &PeerId) -> String {
        lock(&self.names).get(peer).cloned().unwrap_or_else(|| "somebody who left".to_owned())
    }

    fn set_status(&self, status: &str) -> Result<(), Failure> {
        self.peer.set_metadata(Some(MemberData::new(status)?));
        Ok(())
    }
}

pub(crate) fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

fn text(data: Option<MemberData>) -> String {
    let text = data.and_then(|data| data.read::<String>().ok());
    printable(&text.unwrap_or_default(), 40)
}
