//! The in-memory transports and the simulator.
#![expect(clippy::expect_used, reason = "helpers of tests say what they expect")]

mod simulator;
