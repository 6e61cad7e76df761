//! `cargo +nightly fuzz run bundle`; the body is in the library.
#![cfg_attr(fuzzing, no_main)]

#[cfg(fuzzing)]
libfuzzer_sys::fuzz_target!(|data: &[u8]| socketio_p2p_fuzz::wire::bundle(data));

#[cfg(not(fuzzing))]
fn main() {}
