//! Prints the steps of a target on request, to explain a finding.

use std::fmt::Arguments;
use std::io::Write as _;

/// The environment variable that makes a target print its steps to stderr.
const SWITCH: &str = "FUZZ_TRAIL";

#[derive(Clone, Copy, Debug)]
pub(crate) struct Trail {
    on: bool,
}

impl Trail {
    pub(crate) fn new() -> Self {
        Self { on: std::env::var_os(SWITCH).is_some() }
    }

    pub(crate) fn note(self, what: Arguments<'_>) {
        if self.on {
            // A closed stderr is no finding.
            let _ = writeln!(std::io::stderr(), "{what}");
        }
    }
}
