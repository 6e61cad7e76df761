//! An application of one's own under the simulator: a chat log that every member of a room holds, and that is the same
//! everywhere once everybody hears of everybody, whoever crashed, left or was cut off in between.
//!
//! ```text
//! replicated [FROM..TO]
//! ```
//!
//! A line is named by its author and its number, so that it does no harm to get it twice. Whoever joins is sent what
//! is there; what could not be queued for a peer is sent when there is room again; and what somebody wrote who is
//! gone is passed on by those who have it, in case not everybody does.
#![allow(clippy::print_stdout, clippy::print_stderr, reason = "a program speaks by printing")]
#![allow(clippy::wildcard_enum_match_arm, reason = "an application cares for some events only")]

use std::collections::{BTreeMap, BTreeSet};
use std::process::ExitCode;

use socketio_p2p_core::{Event, Packet, PeerId, Session, Target, Time};
use socketio_p2p_transport_memory::Dice;
use socketio_p2p_transport_memory::sim::{
    Application, Breach, Invariant, Profile, Scenario, Summary, run_application,
};

/// The author, and the number among its lines.
type LineId = (u64, u32);

/// One member's end of the chat.
#[derive(Debug, Default)]
struct Chat {
    author: u64,
    written: u32,
    lines: BTreeMap<LineId, String>,
    /// For whom something could not be queued.
    behind: BTreeSet<PeerId>,
}

impl Chat {
    /// The chat on a node that starts, with the lines that are on its disk. It writes under a new name, as what it
    /// wrote last may not have reached the disk.
    fn start(author: u64, before: Option<Self>) -> Self {
        let lines = before.map(|before| before.lines).unwrap_or_default();
        Self { author, lines, ..Self::default() }
    }

    /// Sends some lines, or notes that they are to be sent later.
    fn send(
        &mut self,
        to: impl Into<Target>,
        lines: &[(&LineId, &String)],
        session: &mut Session,
        now: Time,
    ) -> Result<(), Breach> {
        if lines.is_empty() {
            return Ok(());
        }
        let to = to.into();
        let event = Packet::event("lines", &(lines,)).map_err(|error| wrong(&error))?;
        let behind = match session.emit(to.clone(), &event, now) {
            Ok(emitted) => emitted.rejected.into_iter().map(|(peer, _)| peer).collect(),
            // The peer is not there any more, or its queue is full.
            Err(_) => match to {
                Target::Peer(peer) => vec![peer],
                Target::All | Target::Server => Vec::new(),
            },
        };
        self.behind.extend(behind);
        Ok(())
    }

    fn send_all(
        &mut self,
        to: impl Into<Target>,
        session: &mut Session,
        now: Time,
    ) -> Result<(), Breach> {
        let lines = self.lines.clone();
        self.send(to, &lines.iter().collect::<Vec<_>>(), session, now)
    }
}

fn wrong(error: &dyn std::fmt::Display) -> Breach {
    Breach::new(Invariant::Application, "lines of a chat", error.to_string())
}

impl Application for Chat {
    fn on_turn(&mut self, dice: &mut Dice, session: &mut Session, now: Time) -> Result<(), Breach> {
        let id = (self.author, self.written);
        let text = format!("thought {}", dice.roll(1000));
        self.written += 1;
        self.lines.insert(id, text.clone());
        self.send(Target::All, &[(&id, &text)], session, now)
    }

    fn on_event(&mut self, event: &Event, session: &mut Session, now: Time) -> Result<(), Breach> {
        match event {
            Event::Received { packet, .. } => {
                // Whoever sends anything else is none of us.
                let ours = packet.event_name().as_deref() == Some("lines");
                let lines = packet.args::<(Vec<(LineId, String)>,)>();
                let Some((lines,)) = lines.ok().filter(|_| ours) else { return Ok(()) };
                for (id, text) in lines {
                    if let Some(before) = self.lines.insert(id, text.clone())
                        && before != text
                    {
                        let expected = format!("line {id:?} to stay {before:?}");
                        return Err(Breach::new(Invariant::Application, expected, text));
                    }
                }
                Ok(())
            }
            Event::PeerJoined { peer, .. } => self.send_all(peer, session, now),
            Event::Writable { peer, .. } if self.behind.remove(peer) => {
                self.send_all(peer, session, now)
            }
            // What it wrote last may have reached some of us only.
            Event::PeerLeft { peer, .. } => {
                self.behind.remove(peer);
                self.send_all(Target::All, session, now)
            }
            _ => Ok(()),
        }
    }
}

/// What holds when all faults are over: one log, everywhere.
fn same_everywhere(chats: &[&Chat]) -> Result<(), Breach> {
    let Some((first, others)) = chats.split_first() else { return Ok(()) };
    match others.iter().find(|chat| chat.lines != first.lines) {
        None => Ok(()),
        Some(other) => Err(Breach::new(
            Invariant::Application,
            format!("the same {} lines everywhere", first.lines.len()),
            format!("{} lines at another", other.lines.len()),
        )),
    }
}

fn main() -> ExitCode {
    let range = std::env::args().nth(1).unwrap_or_else(|| "0..200".to_owned());
    let seeds = range.split_once("..").and_then(|(from, to)| {
        let (from, to): (u64, u64) = (from.parse().ok()?, to.parse().ok()?);
        (from < to).then_some(from..to)
    });
    let Some(seeds) = seeds else {
        eprintln!("replicated: expected FROM..TO with FROM below TO, got {range:?}");
        return ExitCode::from(2);
    };
    let mut summary = Summary::default();
    for seed in seeds {
        let scenario = Scenario::generate(seed, Profile::of_seed(seed), 4);
        let mut authors = 0;
        let start = |_, before| {
            authors += 1;
            Chat::start(authors, before)
        };
        let result = run_application(&scenario, start, same_everywhere);
        if let Err(violation) = &result {
            println!("VIOLATION {violation}");
        }
        summary.add(result);
    }
    println!("{summary}");
    if summary.violations().is_empty() { ExitCode::SUCCESS } else { ExitCode::FAILURE }
}
