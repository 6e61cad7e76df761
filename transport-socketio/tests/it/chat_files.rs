//! Runs the unit tests of the chat example: the names and the saving of received files.

#![allow(dead_code, reason = "the example uses the rest of these files")]

#[path = "../../examples/chat/files.rs"]
mod files;
#[path = "../../examples/chat/message.rs"]
mod message;
