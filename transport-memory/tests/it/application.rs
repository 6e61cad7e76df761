//! Applications under the simulator: a sound one passes, an unsound one is found and its scenario shrunk.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use socketio_p2p_core::{Application, Event, Outcome, Packet, Session, Target, Time};
use socketio_p2p_transport_memory::sim::{
    Action, Breach, Invariant, Profile, Scenario, Simulated, Violation, chart, run_application,
    run_application_traced, shrink_application,
};
use socketio_p2p_transport_memory::{Dice, TraceEvent};

/// How long until what could not be told is told again.
const AGAIN: Duration = Duration::from_millis(300);

/// A counter that everybody increments and that is the same everywhere: the sum of everybody's own.
#[derive(Default)]
struct Counter {
    me: usize,
    own: u64,
    others: BTreeMap<usize, u64>,
    again: Option<Time>,
    /// Does not tell newcomers, nor those whose queue was full.
    forgetful: bool,
}

impl Counter {
    fn total(&self) -> u64 {
        self.own + self.others.values().sum::<u64>()
    }

    fn tell(&mut self, to: impl Into<Target>, session: &mut Session, now: Time) {
        let mut all: Vec<(usize, u64)> = self.others.clone().into_iter().collect();
        all.push((self.me, self.own));
        let event = Packet::event("counts", &(all,)).unwrap();
        // Who cannot be told now is told when there is room.
        drop(session.emit(to, &event, now));
    }
}

impl Application for Counter {
    type Input = ();

    fn handle_input(&mut self, (): (), session: &mut Session, now: Time) {
        self.own += 1;
        self.tell(Target::All, session, now);
    }

    fn handle_event(&mut self, event: Event, session: &mut Session, now: Time) {
        match event {
            Event::Received { packet, .. } if packet.event_name().as_deref() == Some("counts") => {
                let Ok((counts,)) = packet.args::<(Vec<(usize, u64)>,)>() else { return };
                let mut news = false;
                for (node, count) in counts.into_iter().filter(|(node, _)| *node != self.me) {
                    let known = self.others.entry(node).or_default();
                    news |= count > *known;
                    *known = count.max(*known);
                }
                if news && !self.forgetful {
                    self.tell(Target::All, session, now);
                }
            }
            Event::PeerJoined { peer, .. } | Event::Writable { peer, .. } if !self.forgetful => {
                self.tell(peer, session, now);
            }
            Event::Outcome { outcome, .. } if outcome != Outcome::Delivered => {
                self.again = Some(now + AGAIN);
            }
            _ => {}
        }
    }

    fn poll_timeout(&self) -> Option<Time> {
        self.again.filter(|_| !self.forgetful)
    }

    fn handle_timeout(&mut self, session: &mut Session, now: Time) {
        self.again = None;
        self.tell(Target::All, session, now);
    }
}

impl Simulated for Counter {
    fn turn(&self, _: &mut Dice, _: &Session) -> Option<()> {
        Some(())
    }
}

fn same(counters: &[&Counter]) -> Result<(), Breach> {
    let totals: Vec<u64> = counters.iter().map(|counter| counter.total()).collect();
    if totals.windows(2).all(|pair| pair[0] == pair[1]) {
        return Ok(());
    }
    Err(Breach::new(Invariant::Application, "the same total everywhere", format!("{totals:?}")))
}

fn count(scenario: &Scenario, forgetful: bool) -> Option<Violation> {
    let mut next = 0;
    let start = |_, before: Option<Counter>| {
        next += 1;
        // What was counted under the old name is kept on disk, and counts as another's.
        let mut counter = Counter { me: next, forgetful, ..Counter::default() };
        if let Some(before) = before {
            counter.others = before.others;
            counter.others.insert(before.me, before.own);
        }
        counter
    };
    run_application(scenario, start, same).err()
}

fn narrow(seed: u64) -> Scenario {
    Scenario::generate(seed, Profile::of_seed(seed), 4)
}

fn wide(seed: u64) -> Scenario {
    Scenario::generate_wide(seed, Profile::of_wide_seed(seed), 4)
}

#[test]
fn a_counter_that_tells_newcomers_converges_under_every_profile() {
    for seed in 0..150 {
        assert_eq!(count(&narrow(seed), false), None);
        assert_eq!(count(&wide(seed), false), None);
    }
}

#[test]
fn a_counter_that_does_not_is_found_and_its_scenario_shrunk() {
    let failing = (0..100).map(narrow).find(|scenario| count(scenario, true).is_some());
    let failing = failing.expect("an unsound application is found within a hundred seeds");
    let (short, violation) = shrink_application(&failing, 400, |scenario| count(scenario, true));
    let violation = violation.expect("what is shrunk still fails");
    assert_eq!(violation.breach.invariant, Invariant::Application);
    assert!(short.actions.len() <= 6, "{short}");
    let again: Scenario = short.to_string().parse().unwrap();
    assert_eq!(count(&again, true), Some(violation), "the script shows it too");
}

/// Numbers that users think of, and of which an unsound application keeps some to itself.
#[derive(Default)]
struct Numbers {
    known: BTreeSet<u64>,
    /// One that is not told.
    kept: Option<u64>,
}

impl Numbers {
    fn tell(&self, to: impl Into<Target>, session: &mut Session, now: Time) {
        drop(session.emit(to, &Packet::event("numbers", &(&self.known,)).unwrap(), now));
    }
}

impl Application for Numbers {
    type Input = u64;

    fn handle_input(&mut self, number: u64, session: &mut Session, now: Time) {
        if number % 40 == 7 {
            self.kept = Some(number);
        } else if self.known.insert(number) {
            self.tell(Target::All, session, now);
        }
    }

    fn handle_event(&mut self, event: Event, session: &mut Session, now: Time) {
        match event {
            Event::Received { packet, .. } => {
                let Ok((numbers,)) = packet.args::<(BTreeSet<u64>,)>() else { return };
                let before = self.known.len();
                self.known.extend(numbers);
                if self.known.len() > before {
                    self.tell(Target::All, session, now);
                }
            }
            Event::PeerJoined { peer, .. } | Event::Writable { peer, .. } => {
                self.tell(peer, session, now);
            }
            _ => {}
        }
    }
}

impl Simulated for Numbers {
    fn turn(&self, dice: &mut Dice, _: &Session) -> Option<u64> {
        Some(dice.roll(1000))
    }
}

fn think(scenario: &Scenario) -> Option<Violation> {
    let start = |_, before: Option<Numbers>| before.unwrap_or_default();
    let all_told = |all: &[&Numbers]| match all.iter().find_map(|numbers| numbers.kept) {
        None => Ok(()),
        Some(kept) => Err(Breach::new(Invariant::Application, "all told", format!("not {kept}"))),
    };
    run_application(scenario, start, all_told).err()
}

#[test]
fn removing_turns_does_not_change_what_the_others_draw() {
    let failing = (0..100).map(narrow).filter(|scenario| scenario.actions.len() > 50);
    let failing = failing.filter(|scenario| think(scenario).is_some()).take(8);
    let mut shrunk = 0;
    for scenario in failing {
        let (short, violation) = shrink_application(&scenario, 2_000, think);
        let violation = violation.expect("what is shrunk still fails");
        assert_eq!(short.actions.len(), 1, "{short}");
        assert_eq!(think(&short), Some(violation));
        shrunk += 1;
    }
    assert_eq!(shrunk, 8);
}

#[test]
fn a_scenario_of_turns_has_all_faults_and_nothing_that_means_nothing_to_an_application() {
    let about_faults = |action: &Action| {
        !matches!(
            action,
            Action::Emit { .. }
                | Action::EmitShape { .. }
                | Action::Transfer { .. }
                | Action::CancelTransfer { .. }
                | Action::RefuseTransfer { .. }
                | Action::Turn { .. }
        )
    };
    for seed in 0..50 {
        let (before, after) = (wide(seed), wide(seed).with_turns());
        let faults = |scenario: &Scenario| {
            let mut actions = scenario.actions.clone();
            actions.retain(|timed| about_faults(&timed.action));
            actions
        };
        assert_eq!(faults(&after), faults(&before));
        let emits = before.actions.iter().map(|timed| match &timed.action {
            Action::Emit { count, .. } => *count,
            Action::EmitShape { .. } => 1,
            _ => 0,
        });
        let numbers = after.actions.iter().filter_map(|timed| match &timed.action {
            Action::Turn { number, .. } => Some(*number),
            action => {
                assert!(about_faults(action), "{action}");
                None
            }
        });
        assert!(numbers.eq(0..emits.sum()));
        assert_eq!(after.with_turns(), after);
        assert_eq!(after.to_string().parse::<Scenario>().unwrap(), after);
    }
}

#[test]
fn the_trace_of_an_application_shows_its_turns_and_changes_nothing() {
    let scenario = narrow(1);
    let start = |_, before: Option<Numbers>| before.unwrap_or_default();
    let (result, trace) = run_application_traced(&scenario, start, |_| Ok(()));
    assert_eq!(result, run_application(&scenario, start, |_| Ok(())));
    let inputs = trace.iter().filter(
        |entry| matches!(&entry.event, TraceEvent::Command(text) if text.starts_with("node 2: ")),
    );
    assert!(inputs.count() > 3);
    let svg = chart("numbers", &trace);
    assert!(svg.contains("▸ node 2: ") && svg.contains("[&quot;numbers&quot;"), "{svg}");
}

/// Says something again and again, from the moment it is connected until its session has closed.
#[derive(Default)]
struct Ticker {
    period: Duration,
    next: Option<Time>,
    ticks: u32,
    heard: u32,
    is_closed: bool,
    /// Whether nothing delays its timer.
    is_prompt: bool,
}

impl Application for Ticker {
    type Input = std::convert::Infallible;

    fn handle_input(&mut self, input: Self::Input, _: &mut Session, _: Time) {
        match input {}
    }

    fn handle_event(&mut self, event: Event, _: &mut Session, now: Time) {
        assert!(!self.is_closed);
        match event {
            Event::Connected { .. } => self.next = self.next.or(Some(now + self.period)),
            Event::Received { .. } => self.heard += 1,
            // The loop no longer asks.
            Event::Closed => self.is_closed = true,
            _ => {}
        }
    }

    fn poll_timeout(&self) -> Option<Time> {
        self.next
    }

    fn handle_timeout(&mut self, session: &mut Session, now: Time) {
        let at = self.next.unwrap();
        assert!(!self.is_closed && at <= now, "{at:?} at {now:?}");
        assert!(at == now || !self.is_prompt, "{at:?} at {now:?}");
        self.ticks += 1;
        self.next = Some(now + self.period);
        drop(session.emit(Target::All, &Packet::event("tick", &(self.ticks,)).unwrap(), now));
    }
}

impl Simulated for Ticker {
    fn turn(&self, _: &mut Dice, _: &Session) -> Option<Self::Input> {
        None
    }
}

#[test]
fn timers_run_at_their_time_until_the_session_has_closed() {
    for seed in 0..100 {
        let scenario = narrow(seed);
        let is_prompt = matches!(scenario.profile, Profile::Calm | Profile::Lossy);
        let period = Duration::from_millis(500);
        let start = |_, _| Ticker { period, is_prompt, ..Ticker::default() };
        let settled = |tickers: &[&Ticker]| {
            assert!(tickers.iter().map(|ticker| ticker.ticks.min(ticker.heard)).sum::<u32>() > 4);
            Ok(())
        };
        if let Err(violation) = run_application(&scenario, start, settled) {
            panic!("{violation}");
        }
    }
}

#[test]
fn what_is_to_hold_at_the_end_has_time_until_timers_have_run() {
    let scenario = Scenario::generate(1, Profile::Calm, 3);
    let run = |period| {
        let start = |_, _| Ticker { period, ..Ticker::default() };
        let settled = |tickers: &[&Ticker]| match tickers.iter().all(|ticker| ticker.ticks > 0) {
            true => Ok(()),
            false => Err(Breach::new(Invariant::Application, "ticks of everybody", "none")),
        };
        run_application(&scenario, start, settled).map_err(|violation| violation.breach.invariant)
    };
    assert!(run(Duration::from_secs(20)).unwrap().span > Duration::from_secs(20));
    assert_eq!(run(Duration::from_secs(3600)), Err(Invariant::Application));
}
