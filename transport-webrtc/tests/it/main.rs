//! The native transport against itself, a second process and Chromium.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::print_stdout,
    clippy::wildcard_enum_match_arm,
    reason = "tests fail by panicking, and print when they are skipped"
)]

mod lossy;
mod support;

mod backpressure;
mod browser;
mod close;
mod conformance;
mod datagrams;
mod foreign;
mod frames;
mod open;
mod process;
mod redaction;
mod reports;
