//! One peer of the story, on its own task.

use std::net::{IpAddr, Ipv4Addr};
use std::time::Duration;

use futures::StreamExt as _;
use socketio_p2p_core::{Backoff, Config, Event, Packet, PeerId, Policy, Session, Target};
use socketio_p2p_transport_webrtc::WebRtcConfig;
use tokio::sync::mpsc;

use crate::common::outgoing::{Backlog, Outgoing, Progress};
use crate::common::{Failure, Node, node};
use crate::message::Message;

/// An order to a peer.
pub(crate) enum Order {
    /// Emit to all others.
    Emit(Packet),
    /// Switch to the direct paths.
    Upgrade,
    /// Cut the direct path to this peer: its packets are dropped in both directions.
    Cut(PeerId),
    Close,
}

/// An event of a peer.
pub(crate) struct Note {
    pub(crate) who: usize,
    pub(crate) what: Result<Event, String>,
}

pub(crate) struct Actor {
    name: &'static str,
    orders: mpsc::Sender<Order>,
}

impl Actor {
    pub(crate) fn start(
        who: usize,
        name: &'static str,
        server: &str,
        notes: mpsc::Sender<Note>,
    ) -> Result<Self, Failure> {
        let mut config = Config::default()
            .with_policy(Policy::Manual)
            // Shorter than the default of 5 s, so that the story is short …
            .with_silence_timeout(Duration::from_secs(2))
            // … and the path stays cut.
            .with_retry(Backoff { first: Duration::from_secs(60), max: Duration::from_secs(60) });
        config.probe_interval = Duration::from_millis(400);
        let mut direct = WebRtcConfig::default();
        direct.addresses = vec![IpAddr::V4(Ipv4Addr::LOCALHOST)];
        let node = node(server, config, direct, None)?;
        let (orders, ordered) = mpsc::channel(1);
        tokio::spawn(run(who, node, ordered, notes));
        Ok(Self { name, orders })
    }

    pub(crate) async fn order(&self, order: Order) -> Result<(), Failure> {
        let gone = |_| format!("{} has ended before the story", self.name).into();
        self.orders.send(order).await.map_err(gone)
    }
}

async fn run(
    who: usize,
    mut node: Node,
    mut orders: mpsc::Receiver<Order>,
    notes: mpsc::Sender<Note>,
) {
    let mut backlog = Backlog::default();
    loop {
        let what = tokio::select! {
            event = node.next() => match event {
                Some(event) => follow(&mut node, &mut backlog, &event).map(|()| Some(event)),
                None => return,
            },
            // While an event waits for room, orders wait too.
            Some(order) = orders.recv(), if !backlog.is_waiting() => {
                obey(&mut node, &mut backlog, order).map(|()| None)
            }
        };
        let Some(what) = what.map_err(|failure| failure.to_string()).transpose() else { continue };
        if notes.send(Note { who, what }).await.is_err() {
            // The story has ended.
            return;
        }
    }
}

/// Goes private when another peer does, and sends waiting events when there is room.
fn follow(node: &mut Node, backlog: &mut Backlog<()>, event: &Event) -> Result<(), Failure> {
    if let Event::Received { packet, .. } = event
        && let Some(Message::Private) = Message::from_packet(packet)
    {
        node.with(|session, now| session.upgrade(Target::All, now))?;
    }
    if let Event::Writable { peer, .. } = event {
        check(backlog.retry(node, peer))?;
    }
    Ok(())
}

fn obey(node: &mut Node, backlog: &mut Backlog<()>, order: Order) -> Result<(), Failure> {
    match order {
        Order::Emit(packet) => {
            let event = Outgoing { packet, ack: None, tag: () };
            check(backlog.emit(node, Target::All, &event)?)?;
        }
        Order::Upgrade => node.with(|session, now| session.upgrade(Target::All, now))?,
        Order::Cut(peer) => {
            let connection = node.session().connection_of(&peer);
            if !connection.is_some_and(|connection| node.direct_mut().cut(connection)) {
                return Err("there is no direct path to cut".into());
            }
        }
        Order::Close => node.with(Session::close),
    }
    Ok(())
}

fn check(progress: Vec<Progress<()>>) -> Result<(), Failure> {
    progress.into_iter().try_for_each(|progress| match progress {
        Progress::Failed { error, .. } => Err(error.into()),
        Progress::Accepted { .. } | Progress::Blocked { .. } => Ok(()),
    })
}
