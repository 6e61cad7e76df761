//! The example programs as separate processes: their output for users and scripts.

mod chat;
mod chat_page;
mod endurance;
mod mesh;
mod peer;
mod process;
mod server;
mod share;
