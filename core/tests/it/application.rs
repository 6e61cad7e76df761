//! One application in simulation and on drivers.

use std::time::Duration;

use futures::channel::mpsc;
use futures::{SinkExt as _, StreamExt as _};
use socketio_p2p_core::{Application, Config, Event, Outcome, Packet, Session, Target, Time};
use socketio_p2p_transport_memory::Dice;
use socketio_p2p_transport_memory::sim::{
    Breach, Invariant, Profile, Scenario, Simulated, run_application,
};

use crate::driver::Net;

/// The pause of an author whose note not everybody has.
const AGAIN: Duration = Duration::from_millis(300);

/// A note that everybody can replace: the one with the highest number, the greater text among equals.
#[derive(Debug, Default)]
struct Note {
    current: (u64, String),
    again: Option<Time>,
    /// How often the timer has run.
    timers: u32,
}

#[derive(Debug)]
enum Ask {
    Write(String),
    Leave,
}

impl Note {
    fn tell(&mut self, session: &mut Session, now: Time) {
        let note = Packet::event("note", &(&self.current,)).unwrap();
        let emitted = session.emit(Target::All, &note, now);
        let all = emitted.is_ok_and(|emitted| emitted.rejected.is_empty());
        self.again = (!all).then_some(now + AGAIN);
    }
}

impl Application for Note {
    type Input = Ask;

    fn handle_event(&mut self, event: Event, session: &mut Session, now: Time) {
        match event {
            Event::Received { packet, .. } if packet.event_name().as_deref() == Some("note") => {
                let Ok((note,)) = packet.args::<((u64, String),)>() else { return };
                if note > self.current {
                    self.current = note;
                    self.again = Some(now + AGAIN);
                }
            }
            Event::PeerJoined { .. } => self.tell(session, now),
            Event::Outcome { outcome, .. } if outcome != Outcome::Delivered => {
                self.again = Some(now + AGAIN);
            }
            _ => {}
        }
    }

    fn handle_input(&mut self, ask: Ask, session: &mut Session, now: Time) {
        match ask {
            Ask::Write(text) => {
                self.current = (self.current.0 + 1, text);
                self.tell(session, now);
            }
            Ask::Leave => session.close(now),
        }
    }

    fn poll_timeout(&self) -> Option<Time> {
        self.again
    }

    /// Passes on what it was told a while ago: whoever wrote it may have crashed before it told everybody.
    fn handle_timeout(&mut self, session: &mut Session, now: Time) {
        assert!(self.again.is_some_and(|at| at <= now), "called before its time");
        self.timers += 1;
        self.tell(session, now);
    }
}

impl Simulated for Note {
    fn turn(&self, dice: &mut Dice, _: &Session) -> Option<Ask> {
        Some(Ask::Write(format!("thought {}", dice.roll(1000))))
    }
}

#[test]
fn an_application_converges_in_simulation() {
    let mut timers = 0;
    for seed in 0..300 {
        let scenario = Scenario::generate_wide(seed, Profile::of_wide_seed(seed), 3);
        let start = |_, before: Option<Note>| before.unwrap_or_default();
        let settled = |notes: &[&Note]| {
            timers += u32::from(notes.iter().any(|note| note.timers > 0));
            if notes.iter().all(|note| note.current == notes[0].current) {
                return Ok(());
            }
            Err(Breach::new(Invariant::Application, "the same note", format!("{notes:?}")))
        };
        if let Err(violation) = run_application(&scenario, start, settled) {
            panic!("{violation}");
        }
    }
    assert!(timers >= 290, "a timer ran in {timers} of 300 seeds");
}

#[tokio::test(start_paused = true)]
async fn the_same_application_converges_on_drivers() {
    let mut net = Net::new();
    let mut users = Vec::new();
    for _ in 0..3 {
        let (user, inputs) = mpsc::channel(1);
        let driver = net.peer(Config::default());
        users.push((user, tokio::spawn(driver.run(Note::default(), inputs))));
    }
    for (index, (user, _)) in users.iter_mut().enumerate() {
        tokio::time::sleep(Duration::from_secs(2)).await;
        user.send(Ask::Write(format!("note {index}"))).await.unwrap();
    }
    tokio::time::sleep(Duration::from_secs(2)).await;
    for (mut user, running) in users {
        user.send(Ask::Leave).await.unwrap();
        let note = running.await.unwrap();
        assert_eq!(note.current, (3, "note 2".to_owned()));
        assert!(note.timers > 0, "{note:?}");
    }
}

#[tokio::test(start_paused = true)]
async fn inputs_that_end_or_never_come_do_not_end_an_application() {
    let mut net = Net::new();
    let (mut user, inputs) = mpsc::channel(1);
    let writer = tokio::spawn(net.peer(Config::default()).run(Note::default(), inputs));
    let mut reader = net.peer(Config::default());
    tokio::time::sleep(Duration::from_secs(2)).await;
    user.send(Ask::Write("last words".to_owned())).await.unwrap();
    drop(user);
    let is_told = |event: &Event| matches!(event, Event::Received { packet, .. } if packet.payload().contains("last words"));
    while !is_told(&reader.next().await.unwrap()) {}
    // A newcomer is told too, by a session that has no inputs any more.
    let mut newcomer = net.peer(Config::default());
    while !is_told(&newcomer.next().await.unwrap()) {}
    assert!(!writer.is_finished());
    writer.abort();
}
