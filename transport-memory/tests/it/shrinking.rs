//! Shrinking: what a violation does not need goes, and the rest becomes as small as it can be.

use std::cell::Cell;
use std::time::Duration;

use socketio_p2p_transport_memory::sim::{
    Action, Breach, Invariant, Manner, Profile, Scenario, Settings, Timed, Violation, shrink_with,
};

/// A run that fails when a condition on its actions is true.
fn failing_when(
    condition: impl Fn(&[Action]) -> bool,
) -> impl FnMut(&Scenario) -> Option<Violation> {
    move |scenario| {
        // As a script, it must make sense.
        let read: Scenario = scenario.to_string().parse().unwrap();
        let actions: Vec<Action> = read.actions.into_iter().map(|timed| timed.action).collect();
        condition(&actions).then(|| Violation {
            seed: scenario.seed,
            profile: scenario.profile,
            step: 0,
            at: Duration::from_secs(3600),
            breach: Breach::new(Invariant::Delivery, "true", "false"),
        })
    }
}

fn scenario(actions: &[Action]) -> Scenario {
    let timed = (0..).zip(actions).map(|(at, action)| Timed { at, action: action.clone() });
    Scenario {
        seed: 1,
        profile: Profile::Mixed,
        settings: Settings::default(),
        actions: timed.collect(),
    }
}

fn shrunk(scenario: &Scenario, condition: impl Fn(&[Action]) -> bool) -> Vec<Action> {
    let (short, violation) = shrink_with(scenario, 2_000, failing_when(condition));
    assert!(violation.is_some());
    short.actions.into_iter().map(|timed| timed.action).collect()
}

const fn emit(count: u32, size: u32) -> Action {
    Action::Emit { node: 0, to: None, count, size, how: Manner::Event }
}

const fn shape(size: u32, blobs: u32, text: u32, depth: u32) -> Action {
    Action::EmitShape { node: 1, to: Some(2), size, blobs, text, depth, how: Manner::Bulk }
}

const fn transfer(size: u32, enough: u32) -> Action {
    Action::Transfer {
        node: 0,
        to: 1,
        size,
        enough: Some(enough),
        unannounced: false,
        late: enough / 2,
    }
}

#[test]
fn counts_and_sizes_become_the_least_that_still_fails() {
    let all = scenario(&[emit(3, 70_000), shape(9_000, 12, 500, 90), emit(40, 0), Action::Heal]);
    let counts = |actions: &[Action]| {
        let emits = actions.iter().map(|action| match action {
            Action::Emit { count, .. } => *count,
            _ => 0,
        });
        emits.sum::<u32>() >= 17
    };
    assert_eq!(shrunk(&all, counts), [emit(17, 0)]);
    let sizes = |actions: &[Action]| {
        actions.iter().any(|action| matches!(action, Action::Emit { size: 1_001.., .. }))
    };
    assert_eq!(shrunk(&all, sizes), [emit(1, 1_001)]);
    let blobs = |actions: &[Action]| {
        actions
            .iter()
            .any(|action| matches!(action, Action::EmitShape { blobs: 5.., depth: 8.., .. }))
    };
    assert_eq!(shrunk(&all, blobs), [shape(0, 5, 0, 8)]);
    let transfers = |actions: &[Action]| {
        let enough = |action: &Action| matches!(action, Action::Transfer { size: 2_000.., .. });
        actions.iter().any(enough)
    };
    assert_eq!(shrunk(&scenario(&[transfer(1 << 20, 1 << 19)]), transfers), [transfer(2_000, 0)]);
}

#[test]
fn spans_and_chances_become_the_least_that_still_fails() {
    let all: Scenario = r#"{"seed":1,"profile":"mixed","settings":{}}
{"at":1,"do":"pace","node":0,"pause":900}
{"at":2,"do":"relay-path","node":1,"conditions":{"delay":800,"jitter":70,"loss":500,"rate":3000}}
{"at":3,"do":"signals","faults":{"lose_offer":300,"lose_answer":10,"duplicate":9,"late":8,"stray_candidate":7}}
{"at":4,"do":"pace","node":0,"pause":0}"#
        .parse()
        .unwrap();
    let condition = |actions: &[Action]| {
        let [Action::Pace { pause: 40.., .. }, Action::RelayPath { conditions, .. }, ..] = actions
        else {
            return false;
        };
        let late = matches!(actions[2..], [Action::Signals { faults }, ..] if faults.late >= 3);
        late && conditions.delay >= Duration::from_millis(250) && conditions.loss >= 100
    };
    let (short, _) = shrink_with(&all, 2_000, failing_when(condition));
    assert_eq!(
        short.to_string().lines().skip(1).collect::<Vec<_>>(),
        [
            r#"{"at":1,"do":"pace","node":0,"pause":40}"#,
            r#"{"at":2,"do":"relay-path","node":1,"conditions":{"delay":250,"loss":100,"rate":3000}}"#,
            r#"{"at":3,"do":"signals","faults":{"lose_offer":0,"lose_answer":0,"duplicate":0,"late":3,"stray_candidate":0}}"#,
        ]
    );
}

#[test]
fn no_more_runs_are_made_than_allowed() {
    let all = scenario(&vec![emit(10_000, 4 << 20); 30]);
    for most in [0, 1, 7, 20] {
        let runs = Cell::new(0);
        let mut fails = failing_when(|actions| actions.len() > 3);
        let (_, violation) = shrink_with(&all, most, |scenario| {
            runs.set(runs.get() + 1);
            fails(scenario)
        });
        assert!(violation.is_some());
        // The first run shows that there is something to shrink.
        assert_eq!(runs.get(), most + 1);
    }
}
