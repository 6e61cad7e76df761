//! The integration tests of the core, one binary.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    reason = "a test's helpers fail as the test does"
)]

mod codec;
mod fuzz;
#[allow(clippy::unwrap_used, clippy::panic, reason = "a test fails by panicking")]
mod hub;
