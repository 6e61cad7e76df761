//! The integration tests of the core, one binary.

mod codec;
#[allow(clippy::unwrap_used, clippy::panic, reason = "a test fails by panicking")]
mod hub;
