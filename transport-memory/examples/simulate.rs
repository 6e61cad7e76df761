//! Runs the simulator: many seeds, or one of them with a record of what happened.
//!
//! ```text
//! simulate --seeds 0..10000 [--wide | --removals] [--keep-going] [--peers N] [--profile NAME] [--jobs N]
//! simulate --seed S [--wide | --removals] [--peers N] [--profile NAME] [--trace] [--chart FILE] [--script-out FILE]
//! simulate --script FILE [--trace] [--chart FILE]
//! ```
//!
//! `--wide` takes scenarios in which settings differ from node to node and more is looked at; `--removals` the same, in
//! which the server's application removes members and the hub loses the key of its tokens; `--keep-going` goes on
//! after a violation, names each seed that has one, and counts them by kind at the end.
//!
//! The exit code is 0 when no invariant was violated, 1 when one was, 2 when the arguments make no sense. Of a
//! violation the seed is shown, what was expected and what came, and a short script that still fails, for
//! `--script`.
#![allow(clippy::print_stdout, clippy::print_stderr)]

use std::fmt::Display;
use std::io::Write as _;
use std::ops::Range;
use std::path::PathBuf;
use std::process::ExitCode;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Mutex, PoisonError};
use std::time::{Duration, Instant};

use lexopt::prelude::*;
use socketio_p2p_transport_memory::sim::{
    MAX_PEERS, Profile, Scenario, Summary, Violation, chart, run, run_traced, shrink,
};

#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

const USAGE: &str = "\
usage: simulate --seeds FROM..TO [--wide | --removals] [--keep-going] [--peers N] [--profile NAME] [--jobs N]
       simulate --seed SEED [--wide | --removals] [--peers N] [--profile NAME] [--trace] [--chart FILE] [--script-out FILE]
       simulate --script FILE [--trace] [--chart FILE]";

/// So many threads at most.
const MAX_JOBS: usize = 256;

/// Runs that are made at most to find a short script.
const MAX_SHRINKING: usize = 2_000;

/// Seeds that a thread takes at a time.
const BATCH: u64 = 16;

#[derive(Default)]
struct Options {
    seeds: Option<Range<u64>>,
    seed: Option<u64>,
    script: Option<PathBuf>,
    script_out: Option<PathBuf>,
    peers: Option<usize>,
    profile: Option<Profile>,
    jobs: Option<usize>,
    trace: bool,
    wide: bool,
    removals: bool,
    keep_going: bool,
    chart: Option<PathBuf>,
}

fn main() -> ExitCode {
    match read_options().and_then(|options| work(&options)) {
        Ok(code) => code,
        Err(error) => {
            eprintln!("simulate: {error}\n{USAGE}");
            ExitCode::from(2)
        }
    }
}

fn read_options() -> Result<Options, String> {
    let mut options = Options::default();
    let mut parser = lexopt::Parser::from_env();
    let text = |error: lexopt::Error| error.to_string();
    while let Some(arg) = parser.next().map_err(text)? {
        match arg {
            Long("seeds") => {
                let value = parser.value().map_err(text)?;
                options.seeds = Some(range(&value.to_string_lossy())?);
            }
            Long("seed") => options.seed = Some(number(&mut parser, "--seed", 0, u64::MAX)?),
            Long("script") => options.script = Some(parser.value().map_err(text)?.into()),
            Long("script-out") => options.script_out = Some(parser.value().map_err(text)?.into()),
            Long("peers") => {
                options.peers = Some(number(&mut parser, "--peers", 2, MAX_PEERS as u64)? as usize);
            }
            Long("profile") => {
                let value = parser.value().map_err(text)?;
                let profile = value.to_string_lossy().parse();
                options.profile = Some(profile.map_err(|error| format!("--profile: {error}"))?);
            }
            Long("jobs") => {
                options.jobs = Some(number(&mut parser, "--jobs", 1, MAX_JOBS as u64)? as usize);
            }
            Long("trace") => options.trace = true,
            Long("wide") => options.wide = true,
            Long("removals") => (options.wide, options.removals) = (true, true),
            Long("keep-going") => options.keep_going = true,
            Long("chart") => options.chart = Some(parser.value().map_err(text)?.into()),
            Short('h') | Long("help") => {
                println!("{USAGE}");
                std::process::exit(0);
            }
            Short(_) | Long(_) | Value(_) => return Err(arg.unexpected().to_string()),
        }
    }
    Ok(options)
}

fn number(parser: &mut lexopt::Parser, flag: &str, least: u64, most: u64) -> Result<u64, String> {
    let value = parser.value().map_err(|error| error.to_string())?;
    let value = value.to_string_lossy();
    let number = value.parse().ok().filter(|number| (least..=most).contains(number));
    number.ok_or_else(|| format!("{flag}: expected a number from {least} to {most}, got {value:?}"))
}

fn range(value: &str) -> Result<Range<u64>, String> {
    let wrong =
        || format!("--seeds: expected FROM..TO with FROM below TO, both below 2^64, got {value:?}");
    let (from, to) = value.split_once("..").ok_or_else(wrong)?;
    let (from, to) = (from.parse().map_err(|_| wrong())?, to.parse().map_err(|_| wrong())?);
    if from < to { Ok(from..to) } else { Err(wrong()) }
}

fn work(options: &Options) -> Result<ExitCode, String> {
    let given = [options.seeds.is_some(), options.seed.is_some(), options.script.is_some()];
    if given.iter().filter(|given| **given).count() != 1 {
        return Err("expected one of --seeds, --seed and --script".to_owned());
    }
    if let Some(seeds) = &options.seeds {
        if options.trace || options.chart.is_some() || options.script_out.is_some() {
            return Err("--trace, --chart and --script-out go with --seed or --script".to_owned());
        }
        return Ok(run_many(options, seeds.clone()));
    }
    if options.jobs.is_some() {
        return Err("--jobs goes with --seeds".to_owned());
    }
    let scenario = match (&options.script, options.seed) {
        (Some(path), _) => {
            if options.peers.is_some() || options.profile.is_some() {
                return Err("--peers and --profile go with --seeds or --seed".to_owned());
            }
            let named = |error: &dyn Display| format!("--script {}: {error}", path.display());
            let text = std::fs::read_to_string(path).map_err(|error| named(&error))?;
            text.parse::<Scenario>().map_err(|error| named(&error))?
        }
        (None, seed) => scenario(options, seed.unwrap_or_default()),
    };
    run_one(options, &scenario)
}

fn scenario(options: &Options, seed: u64) -> Scenario {
    let peers = options.peers.unwrap_or(4);
    let wide_one = |profile: &Profile| !Profile::NARROW.contains(profile);
    if options.wide || options.profile.as_ref().is_some_and(wide_one) {
        let profile = options.profile.unwrap_or_else(|| Profile::of_wide_seed(seed));
        return match options.removals {
            true => Scenario::generate_with_removals(seed, profile, peers),
            false => Scenario::generate_wide(seed, profile, peers),
        };
    }
    Scenario::generate(seed, options.profile.unwrap_or_else(|| Profile::of_seed(seed)), peers)
}

fn run_one(options: &Options, scenario: &Scenario) -> Result<ExitCode, String> {
    if let Some(path) = &options.script_out {
        let named = |error| format!("--script-out {}: {error}", path.display());
        std::fs::write(path, scenario.to_string()).map_err(named)?;
    }
    std::panic::set_hook(Box::new(|_| {}));
    let recorded = options.trace || options.chart.is_some();
    let (result, trace) = if recorded { run_traced(scenario) } else { (run(scenario), Vec::new()) };
    if let Some(path) = &options.chart {
        let named = |error| format!("--chart {}: {error}", path.display());
        let outcome = match &result {
            Ok(_) => "no violation".to_owned(),
            Err(violation) => violation.breach.to_string(),
        };
        let Scenario { seed, profile, .. } = scenario;
        let title = format!("seed {seed}, profile {profile}: {outcome}");
        std::fs::write(path, chart(&title, &trace)).map_err(named)?;
    }
    if options.trace {
        let mut out = std::io::stdout().lock();
        for entry in trace {
            // Whoever closes the pipe has seen enough.
            if writeln!(out, "{entry}").is_err() {
                return Ok(ExitCode::SUCCESS);
            }
        }
    }
    let violation = result.as_ref().err().cloned();
    let mut summary = Summary::default();
    summary.add(result);
    println!("{summary}");
    Ok(match violation {
        None => ExitCode::SUCCESS,
        Some(violation) => {
            tell_violation(scenario, &violation);
            ExitCode::FAILURE
        }
    })
}

/// Says what does not hold, and the shortest script found that shows it.
fn tell_violation(scenario: &Scenario, violation: &Violation) {
    println!("VIOLATION {violation}");
    let (short, shown) = shrink(scenario, MAX_SHRINKING);
    if let Some(shown) = shown {
        let (all, left) = (scenario.actions.len(), short.actions.len());
        println!("# {left} of its {all} actions are enough, for --script: {shown}");
        print!("{short}");
    }
}

fn run_many(options: &Options, seeds: Range<u64>) -> ExitCode {
    // A panic of a session is a violation, which says where it was.
    std::panic::set_hook(Box::new(|_| {}));
    let jobs = options
        .jobs
        .unwrap_or_else(|| std::thread::available_parallelism().map_or(1, std::num::NonZero::get));
    let (next, done, stop) =
        (AtomicU64::new(seeds.start), AtomicU64::new(0), AtomicBool::new(false));
    let started = Instant::now();
    let found: Mutex<Option<(u64, Violation)>> = Mutex::new(None);
    let mut summary = Summary::default();
    std::thread::scope(|scope| {
        let worker = || {
            let mut summary = Summary::default();
            while !stop.load(Ordering::Relaxed) {
                let first = next.fetch_add(BATCH, Ordering::Relaxed);
                if first >= seeds.end || first < seeds.start {
                    break;
                }
                for seed in first..seeds.end.min(first.saturating_add(BATCH)) {
                    let result = run(&scenario(options, seed));
                    if let Err(violation) = &result {
                        if options.keep_going {
                            println!("VIOLATION {violation}");
                        } else {
                            stop.store(true, Ordering::Relaxed);
                        }
                        let mut found = found.lock().unwrap_or_else(PoisonError::into_inner);
                        if found.as_ref().is_none_or(|(first, _)| seed < *first) {
                            *found = Some((seed, violation.clone()));
                        }
                    }
                    summary.add(result);
                    done.fetch_add(1, Ordering::Relaxed);
                }
            }
            summary
        };
        let workers: Vec<_> = (0..jobs).map(|_| scope.spawn(worker)).collect();
        let total = seeds.end - seeds.start;
        let mut shown = Instant::now();
        while workers.iter().any(|worker| !worker.is_finished()) {
            std::thread::sleep(Duration::from_millis(20));
            if shown.elapsed() > Duration::from_secs(5) {
                shown = Instant::now();
                let done = done.load(Ordering::Relaxed);
                let rate = done as f64 / started.elapsed().as_secs_f64();
                println!("{done} of {total} seeds, {rate:.0} per second");
            }
        }
        for worker in workers {
            match worker.join() {
                Ok(part) => summary.merge(part),
                Err(panic) => std::panic::resume_unwind(panic),
            }
        }
    });
    let elapsed = started.elapsed().as_secs_f64();
    let rate = summary.seeds() as f64 / elapsed;
    println!("{summary}");
    println!("{elapsed:.1} s, {rate:.0} seeds per second with {jobs} jobs");
    match found.into_inner().unwrap_or_else(PoisonError::into_inner) {
        None => ExitCode::SUCCESS,
        Some((seed, violation)) => {
            if !options.keep_going {
                tell_violation(&scenario(options, seed), &violation);
            }
            ExitCode::FAILURE
        }
    }
}
