//! The native transport against itself, a second process, Chromium, and the transport of the web in Chromium.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::print_stdout,
    clippy::wildcard_enum_match_arm,
    reason = "tests fail by panicking, and print when they are skipped"
)]

#[path = "../../../core/tests/logs/mod.rs"]
mod logs;
mod lossy;
mod support;

mod backpressure;
mod browser;
mod chromium;
mod close;
mod commanded;
mod conformance;
mod datagrams;
mod foreign;
mod frames;
#[cfg(feature = "tracing")]
mod logged;
mod open;
mod page;
mod process;
mod redaction;
mod reports;
