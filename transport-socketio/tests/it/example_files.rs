//! Runs the unit tests of the examples: the names and the saving of received files.

#![allow(dead_code, reason = "the examples use the rest of these files")]

#[path = "../../examples/common/files.rs"]
mod files;
#[path = "../../examples/common/text.rs"]
mod text;
