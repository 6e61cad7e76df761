//! The tests that stand in the chat example itself: how it names and saves the files of others.

#![allow(dead_code, reason = "the rest of these files is the example's")]

#[path = "../../examples/chat/files.rs"]
mod files;
#[path = "../../examples/chat/message.rs"]
mod message;
