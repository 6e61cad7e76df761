//! A signalling server.
//!
//! ```text
//! cargo run --example server -- --port 3000
//! ```

#![allow(clippy::print_stdout, clippy::print_stderr, reason = "it is a program")]

#[path = "../common/mod.rs"]
mod common;

mod routes;

use std::io::Write as _;
use std::path::PathBuf;
use std::process::ExitCode;
use std::time::Duration;

use clap::Parser;
use socketio_p2p_core::hub::HubConfig;

use self::common::{Failure, Requests, exit, key, server};
use self::routes::Signaling;

/// When peers come back after the end of the server.
const RETRY_AFTER: Duration = Duration::from_secs(2);

/// The maximum time for telling the peers about the end.
const DRAIN: Duration = Duration::from_secs(5);

/// A signalling server for socketio-p2p: it relays the events of peers until they have direct paths.
///
/// The server prints `listening on http://HOST:PORT` when it accepts clients, and runs until Ctrl-C or SIGTERM. Then it
/// tells its peers to come back in 2 s, lets nobody in any more, and ends within 5 s. RUST_LOG=socketio_p2p=info prints
/// logs on standard error.
#[derive(Debug, Parser)]
#[command(name = "server")]
struct Arguments {
    /// The address to listen at; 0.0.0.0 accepts other machines
    #[arg(long, default_value = "127.0.0.1")]
    host: String,
    /// The port to listen at; 0 takes a free port
    #[arg(long, default_value_t = 3000)]
    port: u16,
    /// Maximum peers in a room; further ones are refused
    #[arg(long, value_name = "N", default_value_t = 64, value_parser = capacity)]
    room_capacity: usize,
    /// A file with 64 hex digits, the key of the resume tokens: with the same key, peers keep their identity over a
    /// restart of the server. The environment variable SOCKETIO_P2P_TOKEN_KEY can hold the digits instead. Without
    /// either, each run has its own key
    #[arg(long, value_name = "FILE")]
    token_key_file: Option<PathBuf>,
    /// Serve the numbers of the server for Prometheus at /metrics; /healthz is served in any case
    #[arg(long)]
    metrics: bool,
}

fn capacity(text: &str) -> Result<usize, String> {
    match text.parse() {
        Ok(0) => Err("expected at least 1 peer".to_owned()),
        Ok(capacity) => Ok(capacity),
        Err(error) => Err(format!("{error}")),
    }
}

#[tokio::main]
async fn main() -> ExitCode {
    exit(serve(Arguments::parse())).await
}

async fn serve(arguments: Arguments) -> Result<(), Failure> {
    let mut config = HubConfig::default().with_room_capacity(arguments.room_capacity);
    match key::read(arguments.token_key_file.as_deref())? {
        Some(key) => config = config.with_token_key(key),
        None => eprintln!(
            "warning: no token key: after a restart of the server all peers will be new members; see --token-key-file"
        ),
    }
    let mut requests = Requests::new()?;
    let signaling = Signaling::default();
    let routes = routes::routes(&signaling, arguments.metrics)?;
    let (listener, url) =
        server::listen_with(config, &arguments.host, arguments.port, routes).await?;
    let _set = signaling.set(listener.signaling().clone());
    let mut output = std::io::stdout();
    writeln!(output, "listening on {url}")?;
    output.flush()?;
    requests.next().await?;
    if !listener.signaling().drain(RETRY_AFTER, DRAIN).await {
        eprintln!("warning: not all peers could be told that the server ends");
    }
    listener.close().await;
    Ok(())
}
