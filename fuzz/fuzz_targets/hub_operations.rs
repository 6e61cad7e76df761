//! `cargo +nightly fuzz run hub_operations`; the body is in the library.
#![cfg_attr(fuzzing, no_main)]

#[cfg(fuzzing)]
libfuzzer_sys::fuzz_target!(|data: &[u8]| socketio_p2p_fuzz::hub::operations(data));

#[cfg(not(fuzzing))]
fn main() {}
