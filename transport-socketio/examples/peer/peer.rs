//! Joins input and output to the session: commands become emits, events become lines.

use std::collections::{BTreeMap, HashMap};

use futures::StreamExt as _;
use serde_json::Number;
use socketio_p2p_core::codec::Value;
use socketio_p2p_core::{
    EmitId, Event, JoinRefusal, Outcome, Packet, Path, PeerId, ReplyToken, Session, Target,
};
use tokio::sync::mpsc;

use crate::command::{Command, Emit};
use crate::common::input::Line;
use crate::common::outgoing::{Backlog, Outgoing, Progress};
use crate::common::{Failure, Node, chain};
use crate::report::Report;
use crate::values::{from_json, to_json};

/// The numbers of a script for an emit.
#[derive(Clone, Debug)]
struct Numbers {
    id: Option<Number>,
    ack: Option<Number>,
}

/// An emit with numbers, until its last outcome and answer are reported.
#[derive(Debug)]
struct Tracked {
    numbers: Numbers,
    outcomes: usize,
    answers: usize,
}

pub(crate) struct Peer {
    node: Node,
    report: Report,
    backlog: Backlog<Numbers>,
    tracked: HashMap<EmitId, Tracked>,
    /// The last reported path of each peer.
    paths: BTreeMap<PeerId, Path>,
    has_connected: bool,
    refused: Option<JoinRefusal>,
}

impl Peer {
    pub(crate) fn new(node: Node) -> Self {
        Self {
            node,
            report: Report::default(),
            backlog: Backlog::default(),
            tracked: HashMap::new(),
            paths: BTreeMap::new(),
            has_connected: false,
            refused: None,
        }
    }

    /// Runs until a command quits, the input ends, or the server refuses the peer.
    pub(crate) async fn run(mut self, mut input: mpsc::Receiver<Line>) -> Result<(), Failure> {
        let mut quitting = false;
        loop {
            // While an emit waits for room the input waits too: no emit is overtaken or dropped.
            let reads = !quitting && !self.backlog.is_waiting();
            tokio::select! {
                event = self.node.next() => match event {
                    Some(event) => self.handle_event(event),
                    None => break,
                },
                line = input.recv(), if reads => {
                    if !self.handle_line(line) {
                        quitting = true;
                        self.node.with(Session::close);
                    }
                }
            }
            self.report.check()?;
            if let Some(refusal) = self.refused.take() {
                return Err(refusal.into());
            }
        }
        Ok(())
    }

    /// Handles a line of input; returns `false` when the peer quits.
    fn handle_line(&mut self, line: Option<Line>) -> bool {
        let command = match line {
            Some(Line::Text(line)) if line.trim().is_empty() => return true,
            Some(Line::Text(line)) => Command::parse(&line),
            Some(Line::TooLong) => {
                Err("expected a line of at most 24 MiB, got one that is too long".to_owned())
            }
            Some(Line::NotText) => Err("expected a line in UTF-8, got other bytes".to_owned()),
            Some(Line::Failed(error)) => {
                self.report.error(format!("cannot read standard input: {error}"));
                return false;
            }
            None => return false,
        };
        let result = match command {
            Ok(Command::Quit {}) => return false,
            Ok(command) => self.execute(command),
            Err(message) => Err(message),
        };
        result.unwrap_or_else(|message| self.report.error(message));
        true
    }

    fn execute(&mut self, command: Command) -> Result<(), String> {
        match command {
            Command::Emit(emit) => self.emit(emit)?,
            Command::Upgrade { to } => {
                let to = to.map_or(Target::All, Target::Peer);
                let upgraded = self.node.with(|session, now| session.upgrade(to, now));
                upgraded.map_err(|error| format!("cannot upgrade: {}", chain(&error)))?;
            }
            Command::Policy { policy } => {
                self.node.with(|session, now| session.set_policy(policy, now));
                let peers: Vec<PeerId> = self.node.session().peers().map(|peer| peer.id).collect();
                peers.iter().for_each(|peer| self.report_current_path(peer));
            }
            Command::Peers {} => self.report.peers(self.node.session().peers()),
            Command::Cut { to } => {
                let connection = self.node.session().connection_of(&to);
                let cut = connection.is_some_and(|id| self.node.direct_mut().cut(id));
                if !cut {
                    return Err(format!("cannot cut: there is no direct path to {to}"));
                }
            }
            Command::Quit {} => {}
        }
        Ok(())
    }

    fn emit(&mut self, emit: Emit) -> Result<(), String> {
        let Emit { name, args, to, ack, id } = emit;
        let args = args.into_iter().map(from_json).collect::<Result<Vec<Value>, _>>();
        let event = args.and_then(|args| {
            Packet::event(&name, &args).map_err(|error| format!("cannot emit: {}", chain(&error)))
        });
        let sent = event.and_then(|packet| {
            let tag = Numbers { id: id.clone(), ack };
            let event = Outgoing { packet, ack: tag.ack.as_ref().map(|_| None), tag };
            let target = to.clone().map_or(Target::All, Target::Peer);
            let sent = self.backlog.emit(&mut self.node, target, &event);
            sent.map_err(|error| format!("cannot emit {name:?}: {}", chain(&error)))
        });
        match (sent, to, id) {
            (Ok(progress), _, _) => progress.into_iter().for_each(|one| self.note(one)),
            (Err(message), Some(to), Some(id)) => {
                self.report.outcome("failed", &id, &to);
                return Err(message);
            }
            (Err(message), _, _) => return Err(message),
        }
        Ok(())
    }

    fn note(&mut self, progress: Progress<Numbers>) {
        match progress {
            Progress::Accepted { emit, tag, .. } => {
                let (id, ack) = (usize::from(tag.id.is_some()), usize::from(tag.ack.is_some()));
                if id + ack > 0 {
                    let new = Tracked { numbers: tag, outcomes: 0, answers: 0 };
                    let tracked = self.tracked.entry(emit).or_insert(new);
                    tracked.outcomes += id;
                    tracked.answers += ack;
                }
            }
            Progress::Blocked { peer } => self.report.blocked(&peer),
            Progress::Failed { peer, error, tag } => {
                let error = chain(&error);
                self.report.error(format!("an event for {peer} was not sent: {error}"));
                if let Some(id) = tag.id {
                    self.report.outcome("failed", &id, &peer);
                }
            }
        }
    }

    fn handle_event(&mut self, event: Event) {
        match event {
            Event::Connected { id, .. } => {
                self.has_connected = true;
                self.report.connected(&id);
            }
            Event::Disconnected { error, retry_in } => {
                let seconds = retry_in.as_secs_f32();
                let error = chain(&error);
                self.report.error(format!("server: {error}; next try in {seconds:.1} s"));
            }
            Event::Refused(refusal) => {
                self.report.error(refusal.to_string());
                if !self.has_connected {
                    self.refused = Some(refusal);
                }
            }
            Event::PeerJoined { peer, .. } => {
                self.report.joined(&peer);
                self.report_current_path(&peer);
            }
            Event::PeerLeft { peer, reason, .. } => {
                self.retry(&peer);
                self.paths.remove(&peer);
                self.report.left(&peer, reason);
            }
            Event::PeerAway { peer } => self.report.away(&peer),
            Event::PeerBack { peer } => {
                self.report.back(&peer);
                self.report_current_path(&peer);
            }
            Event::PathChanged { peer, path } => self.report_path(&peer, path),
            Event::Ready => self.report.ready(),
            Event::Upgrade => self.report.upgrade(),
            Event::PeerError { peer, error } => {
                self.report.error(format!("{peer}: {}", chain(&error)));
            }
            Event::Received { from, path, packet, reply } => {
                self.receive(&from, &path, &packet, reply);
            }
            Event::Ack { emit, from, packet } => {
                let tracked = self.untrack(emit, |tracked| &mut tracked.answers);
                let Some(ack) = tracked.and_then(|numbers| numbers.ack) else { return };
                match packet.args::<Vec<Value>>() {
                    Ok(args) => self.report.ack(&ack, &from, args.iter().map(to_json).collect()),
                    Err(error) => {
                        self.report.error(format!("cannot read the answer of {from}: {error}"))
                    }
                }
            }
            Event::NoAck { emit, peer, timed_out } => {
                let tracked = self.untrack(emit, |tracked| &mut tracked.answers);
                let Some(ack) = tracked.and_then(|numbers| numbers.ack) else { return };
                let why = if timed_out { "has not answered in time" } else { "has left" };
                self.report.error(format!("no answer for ack {ack}: {peer} {why}"));
            }
            Event::Outcome { emit, peer, outcome } => {
                let tracked = self.untrack(emit, |tracked| &mut tracked.outcomes);
                let Some(id) = tracked.and_then(|numbers| numbers.id) else { return };
                let outcome = match outcome {
                    Outcome::Delivered => "delivered",
                    Outcome::NotSent | Outcome::Refused => "failed",
                    // Events of later core versions are ignored.
                    Outcome::Unknown | _ => "unknown",
                };
                self.report.outcome(outcome, &id, &peer);
            }
            Event::Writable { peer, .. } => self.retry(&peer),
            Event::ServerEvent { packet, .. } => {
                let name = packet.event_name().unwrap_or_default().into_owned();
                self.report.error(format!("the server itself sent an event, {name:?}: ignored"));
            }
            // The stream ends after `Closed`; events of later core versions are ignored.
            Event::Closed | _ => {}
        }
    }

    fn retry(&mut self, peer: &PeerId) {
        for progress in self.backlog.retry(&mut self.node, peer) {
            self.note(progress);
        }
    }

    /// Counts one outcome or answer of an emit, and removes the emit after the last one.
    fn untrack(
        &mut self,
        emit: EmitId,
        count: impl FnOnce(&mut Tracked) -> &mut usize,
    ) -> Option<Numbers> {
        let tracked = self.tracked.get_mut(&emit)?;
        let left = count(tracked);
        *left = left.checked_sub(1)?;
        let numbers = tracked.numbers.clone();
        if tracked.outcomes + tracked.answers == 0 {
            self.tracked.remove(&emit);
        }
        Some(numbers)
    }

    /// Reports the current path of a peer that has joined or is back, because no event tells it.
    fn report_current_path(&mut self, peer: &PeerId) {
        let known = self.node.session().peers().find(|known| known.id == *peer);
        if let Some(path) = known.and_then(|known| known.path) {
            self.report_path(peer, path);
        }
    }

    fn report_path(&mut self, peer: &PeerId, path: Path) {
        if self.paths.get(peer) != Some(&path) {
            self.report.path(peer, &path);
            self.paths.insert(peer.clone(), path);
        }
    }

    fn receive(&mut self, from: &PeerId, path: &Path, packet: &Packet, reply: Option<ReplyToken>) {
        let name = packet.event_name().unwrap_or_default();
        let args = match packet.args::<Vec<Value>>() {
            Ok(args) => args,
            Err(error) => {
                return self
                    .report
                    .error(format!("cannot read the event {name:?} of {from}: {error}"));
            }
        };
        let json = args.iter().map(to_json).collect();
        self.report.received(from, path, &name, json);
        if let Some(token) = reply {
            let bytes = packet.wire_len();
            if let Err(error) = self.backlog.reply(&mut self.node, token, args, bytes) {
                let error = chain(&error);
                self.report.error(format!("cannot answer the event {name:?} of {from}: {error}"));
            }
        }
    }
}
