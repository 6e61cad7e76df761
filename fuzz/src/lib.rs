//! The bodies of the fuzz targets: functions that take any bytes and panic when a property does not hold.
//!
//! `cargo +nightly fuzz run TARGET` drives them; the tests of the crate under test replay `seeds/`.

pub mod codec;
