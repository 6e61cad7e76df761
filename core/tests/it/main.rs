//! The integration tests of the core, one binary.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::wildcard_enum_match_arm,
    reason = "a test fails by panicking"
)]
#![allow(unused_must_use, reason = "who takes an event, and who does not, is seen by what comes")]

mod codec;
mod configuration;
#[cfg(feature = "driver")]
mod driver;
mod fuzz;
mod hub;
mod redaction;
mod session;
