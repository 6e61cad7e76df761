//! The example programs as separate processes: what a user sees, and what a script can rely on.

mod chat;
mod endurance;
mod mesh;
mod peer;
mod process;
mod server;
