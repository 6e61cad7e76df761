//! The simulator and the in-memory transports, one binary.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::print_stderr,
    clippy::wildcard_enum_match_arm,
    reason = "a test fails by panicking and says what it skips"
)]
#![allow(unused_must_use, reason = "who takes an event, and who does not, is seen by what comes")]

mod application;
mod network;
mod program;
mod shrinking;
mod simulator;
