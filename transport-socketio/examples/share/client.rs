//! The client: who is there, messages, questions, and files of any size.

use std::{path::Path, sync::Arc};

use futures::StreamExt as _;
use serde::{Deserialize, Serialize};
use socketio_p2p_core::codec::Blob;
use socketio_p2p_core::handle::{Peer, Router};
use socketio_p2p_core::{Event, IncomingTransferId, MemberData, Packet, PeerId, Target};
use socketio_p2p_transport_socketio::join;
use socketio_p2p_transport_webrtc::{WebRtcConfig, WebRtcTransport};
use tokio_util::compat::TokioAsyncReadCompatExt as _;

use crate::common::{Failure, bars::Bars, chain, files, files::Downloads, input, text::printable};
use crate::{COMMANDS, Join, PATIENCE};

type Done = Result<(), Failure>;

/// The argument of the event `post`.
#[derive(Serialize, Deserialize)]
#[serde(tag = "kind", rename_all = "lowercase")]
enum Post {
    Text { text: String },
    Note { name: String, content: Blob },
}

struct Client {
    peer: Peer,
    bars: Bars,
    downloads: Downloads,
}

pub(crate) async fn run(Join { url, auth, downloads, policy }: Join) -> Done {
    let (peer, events) = join(&url)
        .auth(move || std::future::ready(socketio_p2p_core::AuthPayload::new(&auth)))
        .direct(WebRtcTransport::new(WebRtcConfig::default())?)
        .configure(|config| config.with_policy(policy))
        .wait_for_server(PATIENCE)
        .await?;
    let client = Arc::new(Client { peer, bars: Bars::new(), downloads: Downloads::new(downloads) });
    client.bars.print(&format!("you are {}; {COMMANDS}", text(client.peer.user())));
    tokio::spawn(client.router().run(client.peer.clone(), events));
    let mut lines = input::lines(64 << 10);
    while let Some(line) = lines.recv().await {
        let input::Line::Text(line) = line else { continue };
        client.tell(client.obey(&line).await);
    }
    let delivered = client.peer.close().await?.is_empty();
    if delivered { Ok(()) } else { Err("left before all was delivered".into()) }
}

impl Client {
    fn router(self: &Arc<Self>) -> Router {
        let [posts, holder, others, failures] = std::array::from_fn(|_| Arc::clone(self));
        Router::new()
            .on("post", move |from, (post,): (Post,)| match post {
                Post::Text { text } => posts.say(from, &text),
                Post::Note { name, content } => {
                    posts.say(from, &format!("{name}: {}", String::from_utf8_lossy(&content)));
                }
            })
            .answer("have", move |_, (name,): (String,)| (holder.downloads.has(&name),))
            .otherwise(move |event| others.note(event))
            .on_error(move |error| failures.bars.print(&chain(&error)))
    }

    fn note(self: &Arc<Self>, event: Event) {
        self.bars.print(&match event {
            Event::PeerJoined { user, .. } => format!("{} is here", text(user)),
            Event::PeerLeft { user, reason, .. } => format!("{} is gone: {reason}", text(user)),
            Event::Disconnected { error, .. } => format!("no server: {}", chain(&error)),
            Event::Connected { resumed: true, .. } => "back as the same member".to_owned(),
            Event::TransferOpened { transfer, packet, .. } => {
                let client = Arc::clone(self);
                tokio::spawn(async move { client.tell(client.receive(transfer, packet).await) });
                return;
            }
            _ => return,
        });
    }

    async fn obey(&self, line: &str) -> Done {
        let (command, rest) = line.split_once(' ').unwrap_or((line, ""));
        let post = match command {
            "say" => Post::Text { text: rest.to_owned() },
            "note" => {
                Post::Note { name: rest.to_owned(), content: tokio::fs::read(rest).await?.into() }
            }
            "ask" => return self.ask(rest).await,
            "send" => return self.send(Path::new(rest)).await,
            _ => return Err(COMMANDS.into()),
        };
        let _emitted = self.peer.emit(Target::All, &Packet::event("post", &(post,))?).await?;
        Ok(())
    }

    async fn ask(&self, name: &str) -> Done {
        let question = Packet::event("have", &(name,))?;
        let mut answers = self.peer.request_all(&question).timeout(PATIENCE).args::<(bool,)>();
        while let Some((from, answer)) = answers.next().await {
            let has = answer.map_or_else(|error| chain(&error), |(has,)| has.to_string());
            self.bars.print(&format!("{} has {name}: {has}", self.name(&from)));
        }
        Ok(())
    }

    async fn send(&self, path: &Path) -> Done {
        let (file, size) = files::open(path).await?;
        let name = path.file_name().unwrap_or_default().to_string_lossy();
        let label = |to: &PeerId| format!("{name} to {}", self.name(to));
        let (to, event) = (self.peer.peers().into_iter(), Packet::event("file", &(&name,))?);
        let to = to.map(|peer| peer.id);
        let sending = self.peer.send_transfer(to, &event, Some(size), file.compat());
        let progress = sending.progress().map(|(to, progress)| (label(&to), progress.read));
        for (to, outcome) in tokio::join!(sending, self.bars.follow(progress, size)).0? {
            let outcome = outcome.map_or_else(|error| chain(&error), |it| it.to_string());
            self.bars.print(&format!("{}: {outcome}", label(&to)));
        }
        Ok(())
    }

    async fn receive(&self, id: IncomingTransferId, about: Packet) -> Done {
        let (mut transfer, (name,)) = (self.peer.accept(id)?, about.args::<(String,)>()?);
        let label = format!("{} from {}", printable(&name, 80), self.name(transfer.peer()));
        let mut bar = self.bars.add(&label, transfer.size());
        let mut file = self.downloads.create(&name).await?;
        while let Some(piece) = transfer.next().await? {
            bar.advance(piece.len());
            file.write(&piece).await?;
        }
        self.bars.print(&format!("received {}", files::shown(&file.keep().await?)));
        Ok(())
    }

    fn say(&self, from: &PeerId, said: &str) {
        self.bars.print(&format!("{}: {}", self.name(from), printable(said, 400)));
    }

    fn name(&self, peer: &PeerId) -> String {
        text(self.peer.peer(peer).and_then(|peer| peer.user))
    }

    fn tell(&self, result: Done) {
        result.unwrap_or_else(|failure| self.bars.print(&format!("error: {}", chain(&*failure))));
    }
}

fn text(data: Option<MemberData>) -> String {
    printable(&data.and_then(|data| data.read::<String>().ok()).unwrap_or_default(), 40)
}
