//! A chat of peers: a story in one terminal, or a chat of browsers and terminals.
//!
//! ```text
//! cargo run --example chat                       # the whole story, about 3 s
//! cargo run --example chat -- serve --port 3000  # a server, which browsers open …
//! cargo run --example chat -- join http://127.0.0.1:3000 --name Ann
//! ```

#![allow(clippy::print_stdout, reason = "it is a program")]

#[path = "../common/mod.rs"]
mod common;

mod join;
mod message;
mod page;
mod screen;
mod story;

use std::path::PathBuf;
use std::process::ExitCode;

use clap::{Parser, Subcommand};
use socketio_p2p_core::RoomName;
use socketio_p2p_core::hub::HubConfig;

use self::common::{Failure, Requests, exit, server};
use self::message::Name;

/// Peers that chat, first through a server, then directly.
///
/// Without a command, `chat` tells the whole story in this terminal: a server and three peers on real sockets. The
/// peers talk through the server, go private, talk directly, send a file and lose a direct path.
#[derive(Debug, Parser)]
#[command(name = "chat")]
struct Arguments {
    #[command(subcommand)]
    command: Option<Command>,
}

#[derive(Debug, Subcommand)]
enum Command {
    /// Run a server for a chat, with a page for browsers
    Serve {
        /// The address to listen at; 0.0.0.0 accepts other machines
        #[arg(long, default_value = "127.0.0.1")]
        host: String,
        /// The port to listen at; 0 takes a free port
        #[arg(long, default_value_t = 3000)]
        port: u16,
    },
    /// Join a chat: each line of input is a message, /help lists the commands
    #[command(after_help = join::COMMANDS)]
    Join {
        /// The URL of the server, such as http://127.0.0.1:3000
        url: String,
        /// The name that the other peers see
        #[arg(long)]
        name: Name,
        /// The room to join
        #[arg(long, default_value_t = RoomName::default())]
        room: RoomName,
        /// The directory for received files
        #[arg(long, value_name = "DIR", default_value = ".")]
        downloads: PathBuf,
    },
}

#[tokio::main]
async fn main() -> ExitCode {
    let command = Arguments::parse().command;
    exit(async {
        match command {
            None => story::tell().await,
            Some(Command::Serve { host, port }) => serve(&host, port).await,
            Some(Command::Join { url, name, room, downloads }) => {
                join::run(&url, name, room, downloads).await
            }
        }
    })
    .await
}

async fn serve(host: &str, port: u16) -> Result<(), Failure> {
    let mut requests = Requests::new()?;
    let (listener, url) =
        server::listen_with(HubConfig::default(), host, port, page::routes()).await?;
    println!("listening on {url}");
    // A browser cannot open 0.0.0.0.
    let address = listener.local_addr();
    let here = match address.ip().is_unspecified() {
        true => format!("http://127.0.0.1:{}", address.port()),
        false => url,
    };
    println!("open {here} in a browser: each tab is one person");
    println!("join from a terminal: cargo run --example chat -- join {here} --name NAME");
    requests.next().await?;
    listener.close().await;
    Ok(())
}
