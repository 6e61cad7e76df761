//! Shared by the examples: a peer on real transports, logs, standard input, received files and the progress of transfers,
//! and a backlog of blocked emits.

#![allow(dead_code, reason = "no example uses all of it")]

pub(crate) mod bars;
pub(crate) mod files;
pub(crate) mod input;
pub(crate) mod key;
pub(crate) mod logs;
pub(crate) mod outgoing;
pub(crate) mod server;
pub(crate) mod text;

use std::fmt::Display;
use std::process::ExitCode;

use socketio_p2p_core::Config;
use socketio_p2p_core::driver::Driver;
use socketio_p2p_transport_socketio::{SocketIoSignaling, TokioClock, random_seed};
use socketio_p2p_transport_webrtc::{WebRtcConfig, WebRtcTransport};

/// A session on a Socket.IO server and WebRTC data channels.
pub(crate) type Node = Driver<SocketIoSignaling, WebRtcTransport, TokioClock>;

/// The reason for exit status 1, as a text for standard error.
pub(crate) type Failure = Box<dyn std::error::Error + Send + Sync>;

/// Joins a session to its transports. It connects when its events are first polled.
pub(crate) fn node(
    server: &str,
    config: Config,
    direct: WebRtcConfig,
    seed: Option<[u8; 32]>,
) -> Result<Node, Failure> {
    let seed = seed.map_or_else(random_seed, Ok)?;
    let signaling = SocketIoSignaling::new(server)?;
    let direct = WebRtcTransport::new(direct)?;
    Ok(Driver::new(config, seed, signaling, direct, TokioClock::new())?)
}

/// An error with its causes, as a text.
pub(crate) fn chain(error: &(dyn std::error::Error + 'static)) -> String {
    let causes = std::iter::successors(Some(error), |&error| error.source());
    causes.map(ToString::to_string).collect::<Vec<_>>().join(": ")
}

/// Runs an example with its logs, prints its error, and returns its exit status.
#[allow(clippy::print_stderr, reason = "it is a program")]
pub(crate) async fn exit(run: impl Future<Output = Result<(), Failure>>) -> ExitCode {
    let result = match logs::print() {
        Ok(()) => run.await,
        Err(failure) => Err(failure),
    };
    match result {
        Ok(()) => ExitCode::SUCCESS,
        Err(failure) => {
            eprintln!("error: {}", chain(&*failure));
            ExitCode::FAILURE
        }
    }
}

/// `1 peer`, `2 peers`.
pub(crate) fn count(number: usize, what: impl Display) -> String {
    format!("{number} {what}{}", if number == 1 { "" } else { "s" })
}

/// Requests that the process end: Ctrl-C, and SIGTERM where there is such a thing.
#[derive(Debug)]
pub(crate) struct Requests {
    #[cfg(unix)]
    interrupt: tokio::signal::unix::Signal,
    #[cfg(unix)]
    terminate: tokio::signal::unix::Signal,
}

impl Requests {
    /// Registers for the requests: from now on they no longer end the process by themselves.
    pub(crate) fn new() -> std::io::Result<Self> {
        #[cfg(unix)]
        {
            use tokio::signal::unix::{SignalKind, signal};
            let interrupt = signal(SignalKind::interrupt())?;
            Ok(Self { interrupt, terminate: signal(SignalKind::terminate())? })
        }
        #[cfg(not(unix))]
        Ok(Self {})
    }

    pub(crate) async fn next(&mut self) -> std::io::Result<()> {
        #[cfg(unix)]
        {
            tokio::select! {
                _ = self.interrupt.recv() => Ok(()),
                _ = self.terminate.recv() => Ok(()),
            }
        }
        #[cfg(not(unix))]
        tokio::signal::ctrl_c().await
    }
}
