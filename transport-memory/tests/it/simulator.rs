//! The simulator finds nothing, hits everything, and does the same again.

use std::sync::atomic::{AtomicU64, Ordering};

use socketio_p2p_transport_memory::Fault;
use socketio_p2p_transport_memory::sim::{Profile, Scenario, Summary, run, run_traced};

const SEEDS: u64 = 2_500;

fn narrow(seed: u64, peers: usize) -> Scenario {
    Scenario::generate(seed, Profile::of_seed(seed), peers)
}

fn wide(seed: u64) -> Scenario {
    Scenario::generate_wide(seed, Profile::of_wide_seed(seed), 4)
}

/// Runs the scenarios of the seeds below this on all processors.
fn run_all(seeds: u64, scenario: impl Fn(u64) -> Scenario + Sync) -> Summary {
    let next = AtomicU64::new(0);
    let worker = || {
        let mut summary = Summary::default();
        loop {
            let seed = next.fetch_add(1, Ordering::Relaxed);
            if seed >= seeds {
                return summary;
            }
            summary.add(run(&scenario(seed)));
        }
    };
    let jobs = std::thread::available_parallelism().map_or(1, std::num::NonZero::get);
    let mut summary = Summary::default();
    std::thread::scope(|scope| {
        let workers: Vec<_> = (0..jobs).map(|_| scope.spawn(worker)).collect();
        for worker in workers {
            summary.merge(worker.join().expect("violations are not panics"));
        }
    });
    summary
}

#[test]
fn every_invariant_holds_over_all_profiles_and_every_fault_takes_effect() {
    let summary = run_all(SEEDS, |seed| narrow(seed, 4));
    assert_eq!(summary.seeds(), SEEDS);
    assert!(summary.violations().is_empty(), "{:#?}", summary.violations());
    let idle: Vec<_> =
        Fault::NARROW.iter().filter(|fault| summary.share_changed(**fault) < 1.0).collect();
    assert!(idle.is_empty(), "in less than one seed of a hundred: {idle:?}\n{summary}");
    let (events, answers, transfers) = summary.delivered();
    assert!(events > 100 * SEEDS && answers > SEEDS && transfers > SEEDS / 10, "{summary}");
    let (steps, packets, path_changes) = summary.medians();
    assert!(steps >= 500 && packets >= 100 && path_changes >= 2, "{summary}");
}

#[test]
fn few_and_many_peers_hold_too() {
    for peers in [2, 3, 7] {
        let summary = run_all(60, |seed| narrow(seed, peers));
        assert!(summary.violations().is_empty(), "{:#?}", summary.violations());
    }
}

#[test]
fn wide_scenarios_hold_too_and_every_fault_takes_effect() {
    let summary = run_all(850, wide);
    assert!(summary.violations().is_empty(), "{:#?}", summary.violations());
    let wide = Fault::ALL.iter().filter(|fault| !Fault::NARROW.contains(fault));
    let wide = wide.filter(|fault| !Fault::REMOVALS.contains(fault));
    let idle: Vec<_> = wide.filter(|fault| summary.share_changed(**fault) < 0.1).collect();
    assert!(idle.is_empty(), "in less than one seed of a thousand: {idle:?}\n{summary}");
    let (events, answers, transfers) = summary.delivered();
    assert!(events > 40_000 && answers > 1_000 && transfers > 100, "{summary}");
}

#[test]
fn scenarios_with_removals_hold_too_and_each_removal_takes_effect() {
    let summary =
        run_all(400, |seed| Scenario::generate_with_removals(seed, Profile::of_wide_seed(seed), 4));
    assert!(summary.violations().is_empty(), "{:#?}", summary.violations());
    let all = Fault::REMOVALS.iter();
    let idle: Vec<_> = all.filter(|fault| summary.share_changed(**fault) < 0.1).collect();
    assert!(idle.is_empty(), "in less than one seed of a thousand: {idle:?}\n{summary}");
}

#[test]
fn the_same_seed_gives_the_same_record_to_the_last_byte() {
    for profile in Profile::ALL {
        let scenario = Scenario::generate_wide(77, *profile, 4);
        let record = || {
            let (result, trace) = run_traced(&scenario);
            let lines: Vec<String> = trace.iter().map(ToString::to_string).collect();
            (result, lines)
        };
        let first = record();
        assert!(first.1.len() > 100, "{profile}: {} lines", first.1.len());
        assert_eq!(first, record(), "{profile}");
        assert_eq!(first.0, run(&scenario), "a record changes nothing");
    }
}

#[test]
fn a_scenario_is_the_same_after_it_has_been_written_and_read() {
    for seed in 0..50 {
        let scenario = Scenario::generate(seed, Profile::of_seed(seed), 4);
        for scenario in [scenario, wide(seed)] {
            let text = scenario.to_string();
            let read: Scenario = text.parse().unwrap();
            assert!(read == scenario && read.to_string() == text, "{text}");
        }
    }
}

#[test]
fn a_scenario_that_makes_no_sense_says_what_is_wrong_and_what_would_be_right() {
    let header = r#"{"seed":1,"profile":"calm","settings":{"peers":3}}"#;
    for (text, complaint) in [
        ("", "the scenario is empty: its first line is expected to be its seed and settings"),
        ("{}", "line 1: missing field `seed` at line 1 column 2"),
        (r#"{"seed":1,"profile":"calm","settings":{"peers":1}}"#, "peers is 1, expected 2 to 16"),
        (
            r#"{"seed":1,"profile":"stormy","settings":{}}"#,
            "unknown variant `stormy`, expected one of `calm`, `lossy`",
        ),
        (
            r#"HEADER
{"at":5,"do":"crash","node":3}"#,
            "line 2: a node is 3, expected 0 to 2",
        ),
        (
            r#"HEADER

{"at":5,"do":"relay-path","node":0,"conditions":{"loss":1001}}"#,
            "line 3: a chance in 1000 is 1001, expected 0 to 1000",
        ),
        (
            r#"HEADER
{"at":5,"do":"relay-path","node":0,"conditions":{"lost":1}}"#,
            "line 2: unknown field `lost`",
        ),
        (
            r#"HEADER
# Two in the wrong order.
{"at":5,"do":"hub-stop"}
{"at":4,"do":"hub-start"}"#,
            "line 4: at 4 ms, expected not to be before the line above, at 5 ms",
        ),
        (
            r#"HEADER
{"at":5,"do":"emit","node":0,"count":0}"#,
            "line 2: count is 0, expected 1 to 10000",
        ),
        ("HEADER\n{\"at\":5,\"do\":\"dance\"}", "line 2: unknown variant `dance`"),
    ] {
        let error = text.replace("HEADER", header).parse::<Scenario>().unwrap_err().to_string();
        assert!(error.contains(complaint), "{error:?} does not say {complaint:?}");
    }
}

#[test]
fn scripts_that_once_broke_an_invariant_do_not_any_more() {
    let folder = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/scripts");
    let mut replayed = 0;
    for file in std::fs::read_dir(folder).unwrap() {
        let path = file.unwrap().path();
        let scenario: Scenario = std::fs::read_to_string(&path).unwrap().parse().unwrap();
        if let Err(violation) = run(&scenario) {
            panic!("{}: {violation}", path.display());
        }
        replayed += 1;
    }
    assert!(replayed >= 2, "only {replayed} scripts in {folder}");
}
