//! What a target does, told on request: the way to read a finding.

use std::fmt::Arguments;
use std::io::Write as _;

/// Set in the environment, it makes a target tell on stderr what it does.
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
            // Nobody to tell is no finding.
            let _ = writeln!(std::io::stderr(), "{what}");
        }
    }
}
