//! Files, previews, questions and messages between people whose names the server has signed.
//!
//! ```text
//! openssl rand -hex 32 > key
//! cargo run --example share -- serve --key-file key
//! cargo run --example share -- join http://127.0.0.1:3000 --ticket "$(curl -s http://127.0.0.1:3000/ticket/ann)"
//! ```

#![allow(clippy::print_stdout, reason = "it is a program")]
#![allow(clippy::wildcard_enum_match_arm, reason = "it needs few of the events and commands")]

#[path = "../common/mod.rs"]
mod common;

mod client;
mod server;

use std::path::PathBuf;
use std::process::ExitCode;
use std::time::Duration;

use clap::{Args, Parser, Subcommand};
use serde::{Deserialize, Serialize};
use socketio_p2p_core::Policy;

use self::common::{exit, key};

/// The time for which a member that is away keeps its place.
const RESUME_WINDOW: Duration = Duration::from_secs(60);

/// The help of `join`.
const COMMANDS: &str = "\
Commands: say TEXT, note PATH (a small file as a message), ask NAME (who has this file?), send PATH; Ctrl-D leaves";

/// The time within which the others must answer a question, and the server must be there.
const PATIENCE: Duration = Duration::from_secs(5);

/// What a client shows the server to be admitted.
#[derive(Args, Debug, Deserialize, Serialize)]
struct Auth {
    /// The signed name, from /ticket/NAME on the server
    #[arg(long)]
    ticket: String,
}

/// Shares files between the people in a room.
#[derive(Debug, Parser)]
#[command(name = "share")]
struct Arguments {
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, Subcommand)]
enum Command {
    /// Run a server; GET /ticket/NAME returns a signed name
    Serve {
        /// The address to listen at; port 0 takes a free port
        #[arg(long, default_value = "127.0.0.1:3000")]
        address: String,
        /// A file with 64 hex digits, the key of signatures and identities; otherwise SOCKETIO_P2P_TOKEN_KEY holds them
        #[arg(long, value_name = "FILE")]
        key_file: Option<PathBuf>,
    },
    /// Join the people on a server; each line of input is a command
    #[command(after_help = COMMANDS)]
    Join(Join),
}

#[derive(Debug, Args)]
struct Join {
    /// The URL of the server
    url: String,
    #[command(flatten)]
    auth: Auth,
    /// The directory for received files
    #[arg(long, value_name = "DIR", default_value = ".")]
    downloads: PathBuf,
    /// When to connect directly: automatic, relay-only or direct-only
    #[arg(long, default_value_t = Policy::Automatic)]
    policy: Policy,
}

#[tokio::main]
async fn main() -> ExitCode {
    let command = Arguments::parse().command;
    exit(async {
        match command {
            Command::Serve { address, key_file } => {
                let key = key::read(key_file.as_deref())?;
                server::run(&address, key.ok_or("expected a key: see --key-file")?).await
            }
            Command::Join(arguments) => client::run(arguments).await,
        }
    })
    .await
}
