//! The example programs as separate processes: their output for users and scripts.

mod chat;
mod endurance;
mod mesh;
mod peer;
mod process;
mod server;
mod share;
