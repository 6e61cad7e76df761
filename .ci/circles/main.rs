//! Finds circles of imports between the files of a crate.
//!
//! `circles KNOWN SRC...` reads every file below each `SRC` (a folder with a `lib.rs`) and draws an edge from a
//! file to the file of each module of which it names an item: in `use` declarations, re-exports among them, and
//! in paths within the code. Comments, strings and `#[cfg(test)]` items do not count.
//!
//! A module and what is below it are companions: a circle through `a/mod.rs` that stays within `a/` is allowed.
//! Every other circle is an error, unless `KNOWN` lists an edge that closes it, one `FILE -> FILE` a line. A
//! listed edge that closes no circle is an error too.

mod graph;
mod scan;
mod tree;

use std::collections::BTreeSet;
use std::path::Path;
use std::process::ExitCode;
use std::{env, fs};

use graph::{Edge, Graph};
use tree::Tree;

fn main() -> ExitCode {
    let mut arguments = env::args().skip(1);
    let known_file = arguments.next().unwrap_or_default();
    let mut graph = Graph::default();
    for source in arguments {
        match Tree::read(Path::new(&source)) {
            Ok(tree) => tree.add_edges(&mut graph),
            Err(error) => return fail(&format!("{source}: {error}")),
        }
    }
    let known = match fs::read_to_string(&known_file) {
        Ok(text) => known_edges(&text),
        Err(error) => return fail(&format!("{known_file}: {error}")),
    };
    let mut bad = 0;
    for circle in graph.circles(&known) {
        println!("circle of imports:");
        for (from, to) in circle {
            println!("  {} -> {}", from, to);
            for (line, import) in &graph.edges[&from][&to] {
                println!("    {from}:{line}: {import}");
            }
        }
        bad += 1;
    }
    for edge in &known {
        let mut others = known.clone();
        others.remove(edge);
        if graph.circles(&others).is_empty() {
            println!("closes no circle, delete it from {known_file}: {} -> {}", edge.0, edge.1);
            bad += 1;
        }
    }
    if bad == 0 { ExitCode::SUCCESS } else { ExitCode::FAILURE }
}

fn fail(message: &str) -> ExitCode {
    eprintln!("{message}");
    ExitCode::FAILURE
}

fn known_edges(text: &str) -> BTreeSet<Edge> {
    text.lines()
        .filter(|line| !line.starts_with('#'))
        .filter_map(|line| line.split_once(" -> "))
        .map(|(from, to)| (from.trim().to_owned(), to.trim().to_owned()))
        .collect()
}
