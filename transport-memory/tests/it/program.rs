//! The program `simulate`: what it says, and how it ends.

use std::path::PathBuf;
use std::process::{Command, Output};

/// The program, which `cargo test` builds beside the tests; `--test it` alone does not.
fn program() -> Option<PathBuf> {
    let tests = std::env::current_exe().unwrap();
    let name = format!("simulate{}", std::env::consts::EXE_SUFFIX);
    let path = tests.parent()?.parent()?.join("examples").join(name);
    if path.exists() {
        return Some(path);
    }
    assert!(std::env::var_os("CI").is_none(), "{} is not there", path.display());
    eprintln!("skipped: the example `simulate` is not built; run `cargo build --examples`");
    None
}

fn simulate(args: &[&str]) -> Option<(Option<i32>, String, String)> {
    let Output { status, stdout, stderr } = Command::new(program()?).args(args).output().unwrap();
    let text = |bytes| String::from_utf8(bytes).unwrap();
    Some((status.code(), text(stdout), text(stderr)))
}

#[test]
fn many_seeds_end_with_the_table_and_success() {
    let Some((code, out, _)) = simulate(&["--seeds", "0..20", "--jobs", "2"]) else { return };
    assert_eq!(code, Some(0));
    for expected in
        ["fault", "signalling drop", "medians per seed: ", "\nviolations 0\n", " seeds per second"]
    {
        assert!(out.contains(expected), "no {expected:?} in {out}");
    }
}

#[test]
fn one_seed_can_be_traced_drawn_and_written_down() {
    let folder = std::env::temp_dir().join(format!("simulate-{}", std::process::id()));
    std::fs::create_dir_all(&folder).unwrap();
    let path = |name: &str| folder.join(name).display().to_string();
    let (chart, script) = (path("chart.svg"), path("script.jsonl"));
    let args = [
        "--seed",
        "7",
        "--profile",
        "mixed",
        "--trace",
        "--chart",
        &chart,
        "--script-out",
        &script,
    ];
    let Some((code, out, _)) = simulate(&args) else { return };
    assert_eq!(code, Some(0));
    assert!(out.lines().count() > 500 && out.ends_with("violations 0\n"), "{out}");
    let svg = std::fs::read_to_string(&chart).unwrap();
    assert!(svg.starts_with("<svg ") && svg.ends_with("</svg>\n"));
    assert!(svg.contains(">hub</text>") && svg.contains(">node 3</text>"), "columns");
    // The script does what the seed did.
    let (code, again, _) = simulate(&["--script", &script, "--trace"]).unwrap();
    assert_eq!((code, again), (Some(0), out));
    std::fs::remove_dir_all(&folder).unwrap();
}

#[test]
fn arguments_that_make_no_sense_are_named_with_what_would() {
    for (args, complaint) in [
        (&[][..], "expected one of --seeds, --seed and --script"),
        (&["--seeds", "5..5"], "--seeds: expected FROM..TO with FROM below TO"),
        (&["--seeds", "9..1"], "--seeds: expected FROM..TO with FROM below TO"),
        (&["--seeds", "many"], "got \"many\""),
        (&["--seeds", "0..5", "--seed", "1"], "expected one of --seeds, --seed and --script"),
        (
            &["--seeds", "0..5", "--peers", "1"],
            "--peers: expected a number from 2 to 16, got \"1\"",
        ),
        (&["--seeds", "0..5", "--peers", "17"], "--peers: expected a number from 2 to 16"),
        (&["--seeds", "0..5", "--jobs", "0"], "--jobs: expected a number from 1 to 256, got \"0\""),
        (
            &["--seeds", "0..5", "--profile", "stormy"],
            "--profile: no profile \"stormy\"; there are calm,",
        ),
        (&["--seeds", "0..5", "--trace"], "go with --seed or --script"),
        (&["--seed", "-1"], "--seed: expected a number from 0 to"),
        (&["--seed"], "--seed"),
        (&["--script", "/nowhere/at/all"], "--script /nowhere/at/all: "),
        (&["--dance"], "--dance"),
    ] {
        let Some((code, out, error)) = simulate(args) else { return };
        assert_eq!(code, Some(2), "{args:?}: {out}{error}");
        assert!(error.contains(complaint), "{args:?}: {error:?} does not say {complaint:?}");
        assert!(out.is_empty(), "{args:?}: {out}");
    }
}
