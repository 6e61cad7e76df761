//! One person in a chat over several terminals: lines of input become messages, messages become lines.

use std::collections::BTreeMap;
use std::path::{Path as FilePath, PathBuf};

use futures::StreamExt as _;
use socketio_p2p_core::codec::Blob;
use socketio_p2p_core::{
    Config, Event, LeaveReason, Packet, Path, PeerId, Policy, RoomName, Session, Target,
};
use socketio_p2p_transport_webrtc::WebRtcConfig;

use crate::common::files::{self, Downloads};
use crate::common::input::{self, Line};
use crate::common::outgoing::{Backlog, Outgoing, Progress};
use crate::common::{Failure, Node, Requests, chain, count, node};
use crate::message::{Message, Name};
use crate::screen::{Screen, Style, bytes, path_name};

pub(crate) const COMMANDS: &str = "\
In the chat:
  TEXT        send it to all peers in the room
  /private    send directly from now on instead of through the server, and ask the other peers to do so
  /file PATH  send a file of up to 15 MiB
  /peers      list the peers in the room and the path to each
  /quit       leave; so do Ctrl-D and Ctrl-C";

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
    let config = Config::default().with_room(room).with_policy(Policy::Manual);
    let node = node(url, config, WebRtcConfig::default(), None)?;
    let chat = Chat {
        node,
        name,
        names: BTreeMap::new(),
        backlog: Backlog::default(),
        downloads: Downloads::new(downloads),
        screen: Screen::new(),
        outage: false,
    };
    chat.run().await
}

struct Chat {
    node: Node,
    name: Name,
    names: BTreeMap<PeerId, Name>,
    backlog: Backlog<()>,
    downloads: Downloads,
    screen: Screen,
    /// The server is unreachable, and that has been printed.
    outage: bool,
}

impl Chat {
    async fn run(mut self) -> Result<(), Failure> {
        let mut lines = input::lines(MAX_LINE);
        let mut requests = Requests::new()?;
        let mut leaving = false;
        loop {
            let reads = !leaving && !self.backlog.is_waiting();
            let leave = tokio::select! {
                event = self.node.next() => match event {
                    Some(event) => {
                        self.handle_event(event)?;
                        false
                    }
                    None => return Ok(()),
                },
                line = lines.recv(), if reads => !self.handle_line(line),
                asked = requests.next() => {
                    asked?;
                    if leaving {
                        return Err("left before all messages were delivered".into());
                    }
                    true
                }
            };
            if leave {
                leaving = true;
                self.node.with(Session::close);
            }
        }
    }

    /// Handles a line of input; returns `false` when the user leaves.
    fn handle_line(&mut self, line: Option<Line>) -> bool {
        let line = match line {
            Some(Line::Text(line)) => line,
            Some(Line::TooLong) => {
                self.trouble(
                    "expected a line of at most 64 KiB, got a longer one; /file sends a file",
                );
                return true;
            }
            Some(Line::NotText) => {
                self.trouble("expected a line in UTF-8, got other bytes");
                return true;
            }
            Some(Line::Failed(_)) | None => return false,
        };
        let line = line.trim();
        let (command, rest) = line.split_once(' ').unwrap_or((line, ""));
        match command {
            "" => {}
            "/quit" => return false,
            "/help" => println!("{COMMANDS}"),
            "/peers" => self.list(),
            "/private" => self.go_private(),
            "/file" => self.send_file(FilePath::new(rest.trim())),
            _ if command.starts_with('/') => {
                self.trouble(&format!("unknown command {command}; /help lists the commands"));
            }
            _ => {
                let (name, text) = (Some(self.name.clone()), line.to_owned());
                self.send(Target::All, &Message::Text { name, text });
            }
        }
        true
    }

    fn go_private(&mut self) {
        self.send(Target::All, &Message::Private);
        self.upgrade();
    }

    fn upgrade(&mut self) {
        if let Err(error) = self.node.with(|session, now| session.upgrade(Target::All, now)) {
            self.trouble(&error.to_string());
        }
    }

    fn send_file(&mut self, path: &FilePath) {
        let file = path.file_name().filter(|name| !name.is_empty());
        let Some(name) = file.map(|name| name.to_string_lossy().into_owned()) else {
            return self.trouble("expected the path of a file after /file, got none");
        };
        match files::read(path) {
            Ok(content) => {
                self.note(&format!("sending {}: {}", files::shown(path), bytes(content.len())));
                let blobs = vec![Blob::from(content)];
                self.send(Target::All, &Message::File { name, blobs });
            }
            Err(message) => self.trouble(&message),
        }
    }

    fn send(&mut self, to: Target, message: &Message) {
        if to == Target::All && self.node.session().peers().next().is_none() {
            return self.note("not sent: no other peer is in the room");
        }
        let packet = match message.to_packet() {
            Ok(packet) => packet,
            Err(error) => return self.trouble(&error.to_string()),
        };
        let event = Outgoing { packet, ack: None, tag: () };
        match self.backlog.emit(&mut self.node, to, &event) {
            Ok(progress) => self.report(progress),
            Err(error) => self.trouble(&error.to_string()),
        }
    }

    fn report(&mut self, progress: Vec<Progress<()>>) {
        for progress in progress {
            match progress {
                Progress::Accepted { .. } => {}
                Progress::Blocked { peer } => {
                    let name = self.name_of(&peer);
                    self.note(&format!(
                        "the queue for {name} is full: this message waits, and later input too"
                    ));
                }
                Progress::Failed { peer, error, .. } => {
                    let name = self.name_of(&peer);
                    self.trouble(&format!("not sent to {name}: {}", chain(&error)));
                }
            }
        }
    }

    fn list(&self) {
        let peers: Vec<_> = self.node.session().peers().collect();
        self.note(&format!("{} in the room", count(peers.len(), "other peer")));
        for peer in peers {
            let way = match &peer.path {
                Some(Path::Direct) => "directly",
                Some(_) => "through the server",
                None => "no path (away)",
            };
            let able = if peer.validated { "" } else { ", no direct path validated" };
            println!("  {} {way}{able}", self.painted(&peer.id));
        }
    }

    fn handle_event(&mut self, event: Event) -> Result<(), Failure> {
        match event {
            Event::Connected { room, resumed, .. } => {
                self.outage = false;
                let again = if resumed { "you are back" } else { "you are" };
                self.note(&format!("{again} in the room {room}; /help lists the commands"));
            }
            // Only the first of several failed attempts is printed.
            Event::Disconnected { error, .. } if !self.outage => {
                self.outage = true;
                self.trouble(&format!("{}; retrying until the server answers", chain(&error)));
            }
            Event::Disconnected { .. } => {}
            Event::Refused(refusal) => return Err(refusal.into()),
            Event::PeerJoined { peer, .. } => {
                self.send(Target::Peer(peer), &Message::Hello(self.name.clone()));
            }
            // The local user leaves, not the peer.
            Event::PeerLeft { reason: LeaveReason::Closed, .. } => {}
            Event::PeerLeft { peer, reason } => {
                self.retry(&peer);
                self.note(&format!("{} has left the room: {reason}", self.name_of(&peer)));
                self.names.remove(&peer);
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
            Event::Ready if self.node.session().policy() == Policy::Manual => {
                self.note("direct paths to all peers are validated: /private switches to them");
            }
            Event::PeerError { peer, error } => {
                self.trouble(&format!("{}: {}", self.name_of(&peer), chain(&error)));
            }
            Event::Received { from, path, packet, .. } => self.receive(&from, &path, &packet),
            Event::Writable { peer, .. } => self.retry(&peer),
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
        Ok(())
    }

    fn retry(&mut self, peer: &PeerId) {
        let progress = self.backlog.retry(&mut self.node, peer);
        self.report(progress);
    }

    fn receive(&mut self, from: &PeerId, path: &Path, packet: &Packet) {
        match Message::from_packet(packet) {
            Some(Message::Hello(name)) => {
                self.names.insert(from.clone(), name);
                self.note(&format!("{} is in the room", self.name_of(from)));
            }
            Some(Message::Text { name, text }) => {
                if let Some(name) = name {
                    self.names.insert(from.clone(), name);
                }
                self.say(from, path, &text);
            }
            Some(Message::Private) => {
                self.note(&format!("{} asks to go private", self.name_of(from)));
                self.upgrade();
            }
            Some(Message::File { name, blobs }) => {
                let len = blobs.iter().map(|blob| blob.len()).sum();
                match self.downloads.save(&name, &blobs) {
                    Ok(saved) => {
                        let saved = files::shown(&saved);
                        self.say(
                            from,
                            path,
                            &format!("sent a file, saved as {saved}: {}", bytes(len)),
                        );
                    }
                    Err(message) => self.trouble(&message),
                }
            }
            None => {}
        }
    }

    fn say(&self, from: &PeerId, path: &Path, text: &str) {
        let way = format!("{:>6}", path_name(path));
        println!("{} {} {text}", self.screen.paint(Style::Dim, &way), self.painted(from));
    }

    fn note(&self, text: &str) {
        println!("{}", self.screen.paint(Style::Dim, &format!("     · {text}")));
    }

    fn trouble(&self, text: &str) {
        println!("{}", self.screen.paint(Style::Bad, &format!("     ! {text}")));
    }

    /// The name in its column and colour. The id determines the colour: two peers may have the same name.
    fn painted(&self, peer: &PeerId) -> String {
        let number = peer.as_str().bytes().fold(0, |sum, byte| sum + usize::from(byte));
        let name = format!("{:<WIDTH$}", self.name_of(peer));
        self.screen.paint(Style::Name(number), &name).into_owned()
    }

    fn name_of(&self, peer: &PeerId) -> String {
        match self.names.get(peer) {
            Some(name) => name.as_str().to_owned(),
            None => peer.as_str().chars().take(WIDTH).collect(),
        }
    }
}
