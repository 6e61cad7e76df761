//! The bodies of the fuzz targets: functions that take any bytes and panic when a property does not hold.
//!
//! `cargo +nightly fuzz run TARGET` drives them; the tests of the crate under test replay `seeds/`. With
//! `FUZZ_TRAIL=1` in the environment the last three tell on stderr what they do.
//!
//! - `codec_frames`, `codec_round_trip`, `codec_values`, `codec_typed`: frames and values through the packet
//!   [`codec`]
//! - `bundle`: the [`wire`] between two v1 peers
//! - `hub_operations`: a [`hub`] beside a model of it
//! - `session_inputs`: a [`session`] with nobody but the fuzzer on its wires, beside a model of what it may tell
//! - `session_mesh`: a [`mesh`] of sessions under faults: scenarios of the simulator, judged by its model

pub mod codec;
pub mod hub;
mod input;
pub mod mesh;
pub mod session;
mod trail;
pub mod wire;
