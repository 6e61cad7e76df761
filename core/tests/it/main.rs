//! The integration tests of the core, one binary.

mod codec;
