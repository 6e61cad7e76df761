//! An application of one's own under the simulator: a chat log that every member of a room holds, and that is the same
//! everywhere once everybody hears of everybody, whoever crashed, left or was cut off in between.
//!
//! ```text
//! replicated [FROM..TO] [CHART]
//! ```
//!
//! Of a violation the shortest script is shown that still fails; its run is drawn into the file CHART, as SVG. `Chat` knows
//! nothing of the simulator: `Driver::run` runs the same type on real transports.
//!
//! A line is named by its author and its number, so that it does no harm to get it twice. Whoever joins is sent what
//! is there; whom a line has not reached, because there was no room or the line was refused, is sent everything a little
//! later; and what somebody wrote who is gone is passed on by those who have it, in case not everybody does.
#![allow(clippy::print_stdout, clippy::print_stderr, reason = "a program speaks by printing")]
#![allow(clippy::wildcard_enum_match_arm, reason = "an application cares for some events only")]

use std::collections::{BTreeMap, BTreeSet};
use std::process::ExitCode;
use std::time::Duration;

use socketio_p2p_core::{Application, Event, Outcome, Packet, PeerId, Session, Target, Time};
use socketio_p2p_transport_memory::Dice;
use socketio_p2p_transport_memory::sim::{
    Breach, Invariant, Profile, Report, Scenario, Simulated, Summary, Violation, chart,
    run_application, run_application_traced, shrink_application,
};

/// The pause before peers that lack something are sent everything.
const PAUSE: Duration = Duration::from_millis(300);

/// The maximum number of runs to find a short script.
const MAX_SHRINKING: usize = 2_000;

/// The author, and the number among its lines.
type LineId = (u64, u32);

/// One member's end of the chat.
#[derive(Debug, Default)]
struct Chat {
    author: u64,
    written: u32,
    lines: BTreeMap<LineId, String>,
    /// Whom something has not reached.
    behind: BTreeSet<PeerId>,
    /// When they are sent everything.
    again: Option<Time>,
    /// A line that somebody has changed: its text before and after.
    changed: Option<(String, String)>,
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
    ) {
        let Ok(event) = Packet::event("lines", &(lines,)) else { return };
        if lines.is_empty() {
            return;
        }
        let to = to.into();
        match (session.emit(to.clone(), &event, now), to) {
            (Ok(emitted), _) => {
                for (peer, _) in emitted.rejected {
                    self.note_behind(peer, now);
                }
            }
            // The peer is not there any more, or its queue is full.
            (Err(_), Target::Peer(peer)) => self.note_behind(peer, now),
            (Err(_), Target::All | Target::Server) => {}
        }
    }

    fn note_behind(&mut self, peer: PeerId, now: Time) {
        self.behind.insert(peer);
        self.again.get_or_insert(now + PAUSE);
    }

    fn send_all(&mut self, to: impl Into<Target>, session: &mut Session, now: Time) {
        let lines = self.lines.clone();
        self.send(to, &lines.iter().collect::<Vec<_>>(), session, now);
    }
}

impl Application for Chat {
    /// The text of a line.
    type Input = String;

    fn handle_input(&mut self, text: String, session: &mut Session, now: Time) {
        let id = (self.author, self.written);
        self.written += 1;
        self.lines.insert(id, text.clone());
        self.send(Target::All, &[(&id, &text)], session, now);
    }

    fn handle_event(&mut self, event: Event, session: &mut Session, now: Time) {
        match event {
            Event::Received { packet, .. } => {
                // Whoever sends anything else is none of us.
                let ours = packet.event_name().as_deref() == Some("lines");
                let lines = packet.args::<(Vec<(LineId, String)>,)>();
                let Some((lines,)) = lines.ok().filter(|_| ours) else { return };
                for (id, text) in lines {
                    if let Some(before) = self.lines.insert(id, text.clone())
                        && before != text
                    {
                        self.changed = Some((before, text));
                    }
                }
            }
            Event::PeerJoined { peer, .. } => self.send_all(peer, session, now),
            Event::Outcome { peer, outcome, .. } if outcome != Outcome::Delivered => {
                self.note_behind(peer, now);
            }
            // What it wrote last may have reached some of us only.
            Event::PeerLeft { peer, .. } => {
                self.behind.remove(&peer);
                self.send_all(Target::All, session, now);
            }
            _ => {}
        }
    }

    fn poll_timeout(&self) -> Option<Time> {
        self.again
    }

    fn handle_timeout(&mut self, session: &mut Session, now: Time) {
        self.again = None;
        for peer in std::mem::take(&mut self.behind) {
            self.send_all(peer, session, now);
        }
    }
}

impl Simulated for Chat {
    fn turn(&self, dice: &mut Dice, _: &Session) -> Option<String> {
        Some(format!("thought {}", dice.roll(1000)))
    }

    fn check(&self) -> Result<(), Breach> {
        match &self.changed {
            None => Ok(()),
            Some((before, after)) => {
                Err(Breach::new(Invariant::Application, format!("{before:?} to stay"), after))
            }
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

/// How the chats of a run start: each author has a name of its own.
fn starts() -> impl FnMut(usize, Option<Chat>) -> Chat {
    let mut authors = 0;
    move |_, before| {
        authors += 1;
        Chat::start(authors, before)
    }
}

fn run(scenario: &Scenario) -> Result<Report, Violation> {
    run_application(scenario, starts(), same_everywhere)
}

/// Shows the shortest script found that fails, and draws its run.
fn tell_violation(scenario: &Scenario, file: Option<&str>) -> std::io::Result<()> {
    let (short, violation) = shrink_application(scenario, MAX_SHRINKING, |it| run(it).err());
    let Some(violation) = violation else { return Ok(()) };
    println!("# {} actions are enough: {violation}", short.actions.len());
    print!("{short}");
    if let Some(file) = file {
        let (_, trace) = run_application_traced(&short, starts(), same_everywhere);
        std::fs::write(file, chart(&violation.to_string(), &trace))?;
    }
    Ok(())
}

fn main() -> ExitCode {
    let mut args = std::env::args().skip(1);
    let range = args.next().unwrap_or_else(|| "0..200".to_owned());
    let file = args.next();
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
        let result = run(&scenario);
        if let Err(violation) = &result {
            println!("VIOLATION {violation}");
            if summary.violations().is_empty()
                && let Err(error) = tell_violation(&scenario, file.as_deref())
            {
                eprintln!("replicated: {}: {error}", file.unwrap_or_default());
                return ExitCode::from(2);
            }
        }
        summary.add(result);
    }
    println!("{summary}");
    if summary.violations().is_empty() { ExitCode::SUCCESS } else { ExitCode::FAILURE }
}
