//! Applications under the simulator: a sound one passes, an unsound one is found and its scenario shrunk.

use socketio_p2p_core::{Event, Packet, Session, Target, Time};
use socketio_p2p_transport_memory::Dice;
use socketio_p2p_transport_memory::sim::{
    Application, Breach, Invariant, Profile, Scenario, Violation, run_application, shrink_with,
};

/// A counter that everybody increments and that is the same everywhere: the sum of everybody's own.
#[derive(Default)]
struct Counter {
    me: usize,
    own: u64,
    others: std::collections::BTreeMap<usize, u64>,
    /// Does not tell newcomers, nor those whose queue was full.
    forgetful: bool,
}

impl Counter {
    fn total(&self) -> u64 {
        self.own + self.others.values().sum::<u64>()
    }

    fn tell(&self, to: impl Into<Target>, session: &mut Session, now: Time) {
        let mut all: Vec<(usize, u64)> = self.others.clone().into_iter().collect();
        all.push((self.me, self.own));
        let event = Packet::event("counts", &(all,)).unwrap();
        // Who cannot be told now is told when there is room.
        drop(session.emit(to, &event, now));
    }
}

impl Application for Counter {
    fn on_turn(&mut self, _: &mut Dice, session: &mut Session, now: Time) -> Result<(), Breach> {
        self.own += 1;
        self.tell(Target::All, session, now);
        Ok(())
    }

    fn on_event(&mut self, event: &Event, session: &mut Session, now: Time) -> Result<(), Breach> {
        match event {
            Event::Received { packet, .. } if packet.event_name().as_deref() == Some("counts") => {
                let (counts,) = packet.args::<(Vec<(usize, u64)>,)>().unwrap();
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
            _ => {}
        }
        Ok(())
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

fn scenario(seed: u64) -> Scenario {
    Scenario::generate(seed, Profile::of_seed(seed), 4)
}

#[test]
fn a_counter_that_tells_newcomers_converges_under_every_profile() {
    for seed in 0..150 {
        assert_eq!(count(&scenario(seed), false), None);
    }
}

#[test]
fn a_counter_that_does_not_is_found_and_its_scenario_shrunk() {
    let failing = (0..100).map(scenario).find(|scenario| count(scenario, true).is_some());
    let failing = failing.expect("an unsound application is found within a hundred seeds");
    let (short, violation) = shrink_with(&failing, 400, |scenario| count(scenario, true));
    let violation = violation.expect("what is shrunk still fails");
    assert_eq!(violation.breach.invariant, Invariant::Application);
    assert!(short.actions.len() <= 6, "{short}");
    let again: Scenario = short.to_string().parse().unwrap();
    assert_eq!(count(&again, true), Some(violation), "the script shows it too");
}
