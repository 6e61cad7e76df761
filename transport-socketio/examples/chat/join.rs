//! One person in a chat over several terminals: lines of input become messages, messages become lines.

use std::collections::BTreeMap;
use std::path::{Path as FilePath, PathBuf};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use futures::StreamExt as _;
use socketio_p2p_core::codec::Blob;
use socketio_p2p_core::handle::{Events, Peer};
use socketio_p2p_core::{
    Event, IncomingTransferId, LeaveReason, Packet, Path, PeerId, Policy, RoomName, Target,
    TransferOutcome,
};
use socketio_p2p_transport_webrtc::{WebRtcConfig, WebRtcTransport};
use tokio::task::JoinSet;
use tokio_util::{compat::TokioAsyncReadCompatExt as _, io::InspectReader};

use crate::common::bars::Bars;
use crate::common::files::{self, Downloads};
use crate::common::input::{self, Line};
use crate::common::{Failure, Requests, chain, count};
use crate::message::{Message, Name, Offer};
use crate::screen::{Screen, Style, bytes, path_name};

pub(crate) const COMMANDS: &str = "\
In the chat:
  TEXT        send it to all peers in the room
  /private    send directly from now on instead of through the server, and ask the other peers to do so
  /file PATH  send a file of any size to all peers in the room
  /peers      list the peers in the room and the path to each
  /quit       leave, once files and messages have arrived; so do Ctrl-D and Ctrl-C";

const MAX_LINE: usize = 64 << 10;

/// Width of the column of names.
const WIDTH: usize = 12;

pub(crate) async fn run(
    url: &str,
    name: Name,
    room: RoomName,
    downloads: PathBuf,
) -> Result<(), Failure> {
    // As in the original's demo, the user decides when to go private.
    let (peer, events) = socketio_p2p_transport_socketio::join(url)
        .direct(WebRtcTransport::new(WebRtcConfig::default())?)
        .configure(|config| config.with_room(room).with_policy(Policy::Manual))
        .start()?;
    let chat = Arc::new(Chat {
        peer,
        name,
        names: Mutex::default(),
        downloads: Downloads::new(downloads),
        screen: Screen::new(),
        bars: Bars::new(),
    });
    tokio::select! {
        Err(failure) = chat.react(events) => Err(failure),
        left = chat.act() => left,
    }
}

struct Chat {
    peer: Peer,
    name: Name,
    names: Mutex<BTreeMap<PeerId, Name>>,
    downloads: Downloads,
    screen: Screen,
    bars: Bars,
}

impl Chat {
    /// Obeys the lines of input, then leaves. A second request to end does not wait for what is on its way.
    async fn act(self: &Arc<Self>) -> Result<(), Failure> {
        let mut requests = Requests::new()?;
        let mut files = JoinSet::new();
        tokio::select! {
            () = self.obey(&mut files) => {}
            asked = requests.next() => asked?,
        }
        let leave = async {
            files.join_all().await;
            self.peer.close().await
        };
        tokio::select! {
            left = leave => left.map(drop).map_err(Failure::from),
            asked = requests.next() => {
                asked?;
                Err("left before all messages were delivered".into())
            }
        }
    }

    async fn obey(self: &Arc<Self>, files: &mut JoinSet<()>) {
        let mut lines = input::lines(MAX_LINE);
        while let Some(line) = lines.recv().await {
            let line = match line {
                Line::Text(line) => line,
                Line::TooLong => {
                    self.trouble("expected a line of at most 64 KiB; /file sends a file");
                    continue;
                }
                Line::NotText => {
                    self.trouble("expected a line in UTF-8, got other bytes");
                    continue;
                }
                Line::Failed(_) => return,
            };
            let line = line.trim();
            let (command, rest) = line.split_once(' ').unwrap_or((line, ""));
            match command {
                "" => {}
                "/quit" => return,
                "/help" => self.bars.print(COMMANDS),
                "/peers" => self.list(),
                "/private" => self.tell(self.go_private().await),
                "/file" => {
                    let (chat, path) = (Arc::clone(self), PathBuf::from(rest.trim()));
                    files.spawn(async move { chat.tell(chat.send_file(&path).await) });
                }
                _ if command.starts_with('/') => {
                    self.trouble(&format!("unknown command {command}; /help lists the commands"));
                }
                _ => {
                    let (name, text) = (Some(self.name.clone()), line.to_owned());
                    self.tell(self.send(&Message::Text { name, text }).await);
                }
            }
        }
    }

    async fn go_private(&self) -> Result<(), Failure> {
        self.send(&Message::Private).await?;
        Ok(self.peer.upgrade(Target::All)?)
    }

    /// Sends a message to all; waits while the queue for one of them is full.
    async fn send(&self, message: &Message) -> Result<(), Failure> {
        if self.is_alone() {
            return Ok(());
        }
        let emitted = self.peer.emit(Target::All, &message.to_packet()?).await?;
        for (peer, error) in emitted.rejected {
            self.trouble(&format!("not sent to {}: {}", self.name_of(&peer), chain(&error)));
        }
        Ok(())
    }

    /// Introduces this peer to another one. It does not wait: the queue for a peer that has joined is empty.
    fn greet(&self, peer: &PeerId) -> Result<(), Failure> {
        let hello = Message::Hello(self.name.clone()).to_packet()?;
        let _emitted = self.peer.try_emit(peer, &hello)?;
        Ok(())
    }

    fn is_alone(&self) -> bool {
        let alone = self.peer.peers().is_empty();
        if alone {
            self.note("not sent: no other peer is in the room");
        }
        alone
    }

    /// Sends a file to all, each by a transfer of its own, and reports what has become of it.
    async fn send_file(&self, path: &FilePath) -> Result<(), Failure> {
        let name = path.file_name().ok_or("expected the path of a file after /file, got none")?;
        let name = name.to_string_lossy().into_owned();
        let (file, size) = files::open(path).await?;
        if self.is_alone() {
            return Ok(());
        }
        self.note(&format!("sending {}: {}", files::shown(path), bytes(size)));
        let offer = Offer { name: name.clone() }.to_packet()?;
        let mut bar = self.bars.add(&name, Some(size));
        let source = InspectReader::new(file, |piece| bar.advance(piece.len()));
        let to = self.peer.peers().into_iter().map(|peer| peer.id);
        let sent = self.peer.send_transfer(to, &offer, Some(size), source.compat()).await?;
        drop(bar);
        for (to, outcome) in sent {
            let to = self.name_of(&to);
            match outcome {
                Ok(TransferOutcome::Delivered) => self.note(&format!("{to} has received {name}")),
                Ok(outcome) => self.trouble(&format!("{name} to {to}: {outcome}")),
                Err(error) => self.trouble(&format!("{name} to {to}: {}", chain(&error))),
            }
        }
        Ok(())
    }

    /// Receives a file that a peer sends by a transfer.
    async fn receive_file(&self, id: IncomingTransferId, about: &Packet) -> Result<(), Failure> {
        let mut transfer = self.peer.accept(id)?;
        let Some(Offer { name }) = Offer::from_packet(about) else { return Ok(()) };
        let from = self.name_of(transfer.peer());
        let mut bar = self.bars.add(&format!("{from} sends"), transfer.size());
        let (mut file, mut size) = (self.downloads.create(&name).await?, 0);
        while let Some(piece) = transfer.next().await? {
            bar.advance(piece.len());
            size += piece.len();
            file.write(&piece).await?;
        }
        drop(bar);
        let saved = files::shown(&file.keep().await?);
        self.note(&format!("{from} sent a file, saved as {saved}: {}", bytes(size)));
        Ok(())
    }

    fn list(&self) {
        let peers = self.peer.peers();
        self.note(&format!("{} in the room", count(peers.len(), "other peer")));
        for peer in peers {
            let way = match &peer.path {
                Some(Path::Direct) => "directly",
                Some(_) => "through the server",
                None => "no path (away)",
            };
            let able = if peer.validated { "" } else { ", no direct path validated" };
            self.bars.print(&format!("  {} {way}{able}", self.painted(&peer.id)));
        }
    }

    /// Handles the events of the session.
    async fn react(self: &Arc<Self>, mut events: Events) -> Result<(), Failure> {
        // Of several failed attempts to connect only the first is printed.
        let mut outage = false;
        while let Some(event) = events.next().await {
            match event {
                Event::Connected { room, resumed, .. } => {
                    outage = false;
                    let again = if resumed { "you are back" } else { "you are" };
                    self.note(&format!("{again} in the room {room}; /help lists the commands"));
                }
                Event::Disconnected { error, .. } if !outage => {
                    outage = true;
                    self.trouble(&format!("{}; retrying until the server answers", chain(&error)));
                }
                Event::Disconnected { .. } => {}
                Event::Refused(refusal) => return Err(refusal.into()),
                Event::PeerJoined { peer, .. } => self.tell(self.greet(&peer)),
                // The local user leaves, not the peer.
                Event::PeerLeft { reason: LeaveReason::Closed, .. } => {}
                Event::PeerLeft { peer, reason, .. } => {
                    self.note(&format!("{} has left the room: {reason}", self.name_of(&peer)));
                    self.names().remove(&peer);
                }
                Event::PeerAway { peer } => {
                    self.note(&format!(
                        "{} is away: no path leads there; messages wait",
                        self.name_of(&peer)
                    ));
                }
                Event::PeerBack { peer } => self.note(&format!("{} is back", self.name_of(&peer))),
                Event::PathChanged { peer, path } => {
                    let direct = path == Path::Direct;
                    let way = if direct { "directly" } else { "through the server" };
                    self.note(&format!("you send to {} {way} from now on", self.name_of(&peer)));
                }
                Event::Ready if self.peer.policy() == Policy::Manual => {
                    self.note("direct paths to all peers are validated: /private switches to them");
                }
                Event::PeerError { peer, error } => {
                    self.trouble(&format!("{}: {}", self.name_of(&peer), chain(&error)));
                }
                Event::Received { from, path, packet, .. } => {
                    self.receive(&from, &path, &packet).await;
                }
                Event::TransferOpened { transfer, packet, .. } => {
                    let chat = Arc::clone(self);
                    tokio::spawn(async move {
                        chat.tell(chat.receive_file(transfer, &packet).await);
                    });
                }
                // A chat shows neither outcomes nor answers.
                Event::Ready
                | Event::Upgrade
                | Event::Ack { .. }
                | Event::NoAck { .. }
                | Event::Outcome { .. }
                | Event::ServerEvent { .. }
                | Event::Closed
                | _ => {}
            }
        }
        Ok(())
    }

    async fn receive(&self, from: &PeerId, path: &Path, packet: &Packet) {
        match Message::from_packet(packet) {
            Some(Message::Hello(name)) => {
                self.names().insert(from.clone(), name);
                self.note(&format!("{} is in the room", self.name_of(from)));
            }
            Some(Message::Text { name, text }) => {
                if let Some(name) = name {
                    self.names().insert(from.clone(), name);
                }
                self.say(from, path, &text);
            }
            Some(Message::Private) => {
                self.note(&format!("{} asks to go private", self.name_of(from)));
                self.tell(self.peer.upgrade(Target::All).map_err(Failure::from));
            }
            // Clients of the original library send files as events.
            Some(Message::File { name, blobs }) => {
                self.tell(self.save(from, &name, &blobs).await);
            }
            None => {}
        }
    }

    async fn save(&self, from: &PeerId, name: &str, blobs: &[Blob]) -> Result<(), Failure> {
        let mut file = self.downloads.create(name).await?;
        for blob in blobs {
            file.write(blob).await?;
        }
        let (from, saved) = (self.name_of(from), files::shown(&file.keep().await?));
        let size: usize = blobs.iter().map(|blob| blob.len()).sum();
        self.note(&format!("{from} sent a file, saved as {saved}: {}", bytes(size)));
        Ok(())
    }

    fn say(&self, from: &PeerId, path: &Path, text: &str) {
        let way = format!("{:>6}", path_name(path));
        let way = self.screen.paint(Style::Dim, &way);
        self.bars.print(&format!("{way} {} {text}", self.painted(from)));
    }

    fn tell(&self, result: Result<(), Failure>) {
        if let Err(failure) = result {
            self.trouble(&chain(&*failure));
        }
    }

    fn note(&self, text: &str) {
        self.bars.print(&self.screen.paint(Style::Dim, &format!("     · {text}")));
    }

    fn trouble(&self, text: &str) {
        self.bars.print(&self.screen.paint(Style::Bad, &format!("     ! {text}")));
    }

    /// The name in its column and colour. The id determines the colour: two peers may have the same name.
    fn painted(&self, peer: &PeerId) -> String {
        let number = peer.as_str().bytes().fold(0, |sum, byte| sum + usize::from(byte));
        let name = format!("{:<WIDTH$}", self.name_of(peer));
        self.screen.paint(Style::Name(number), &name).into_owned()
    }

    fn name_of(&self, peer: &PeerId) -> String {
        match self.names().get(peer) {
            Some(name) => name.as_str().to_owned(),
            None => peer.as_str().chars().take(WIDTH).collect(),
        }
    }

    fn names(&self) -> MutexGuard<'_, BTreeMap<PeerId, Name>> {
        self.names.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
