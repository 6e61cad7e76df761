//! The bodies of the fuzz targets: functions that take any bytes and panic when a property does not hold.
//!
//! `cargo +nightly fuzz run TARGET` runs them; the tests of the crate under test replay `seeds/`. With
//! `FUZZ_TRAIL=1` in the environment the last three targets print their steps to stderr.
//!
//! - `codec_frames`, `codec_round_trip`, `codec_values`, `codec_typed`: frames and values through the packet
//!   [`codec`]
//! - `bundle`: the [`wire`] between two v1 peers
//! - `hub_operations`: a [`hub`] beside a model of it
//! - `session_inputs`: one [`session`], beside a model of it; the fuzzer plays server, peers, clock and application
//! - `session_mesh`: a [`mesh`] of sessions under faults: scenarios of the simulator, checked by its model

pub mod codec;
pub mod hub;
mod input;
pub mod mesh;
pub mod session;
mod trail;
pub mod wire;
