//! The integration tests of the crate in one binary: real sockets on loopback, and the JavaScript libraries.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::print_stderr,
    clippy::print_stdout,
    clippy::wildcard_enum_match_arm,
    reason = "a test fails by panicking, and prints when it is skipped"
)]

mod application;
#[path = "../../../transport-webrtc/tests/it/chromium.rs"]
mod chromium;
mod client;
mod example_files;
mod join;
#[cfg(feature = "tracing")]
mod logged;
#[path = "../../../core/tests/logs/mod.rs"]
mod logs;
mod metrics;
#[cfg(not(feature = "rustls"))]
mod no_tls;
mod npm;
mod page;
mod processes;
mod redaction;
mod server;
mod support;
#[cfg(feature = "rustls")]
mod tls;
