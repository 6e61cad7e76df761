//! The integration tests of the core, one binary.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::wildcard_enum_match_arm,
    reason = "a test fails by panicking"
)]
#![allow(unused_must_use, reason = "the received events show which peers accepted an emit")]

#[cfg(feature = "driver")]
mod application;
mod codec;
mod configuration;
#[cfg(feature = "driver")]
mod driver;
mod extremes;
mod fuzz;
#[cfg(feature = "driver")]
mod handle;
mod hub;
#[cfg(feature = "tracing")]
mod logged;
#[path = "../logs/mod.rs"]
mod logs;
mod redaction;
mod session;
