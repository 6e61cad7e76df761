//! The logs of the library on standard error.

use tracing_subscriber::filter::Targets;
use tracing_subscriber::layer::SubscriberExt as _;
use tracing_subscriber::util::SubscriberInitExt as _;

use super::Failure;

/// Prints the logs that the environment variable `RUST_LOG` asks for, such as `socketio_p2p=debug`; without it, none.
pub(crate) fn print() -> Result<(), Failure> {
    let Ok(wanted) = std::env::var("RUST_LOG") else { return Ok(()) };
    let wanted: Targets = wanted.parse().map_err(|error| format!("RUST_LOG: {error}"))?;
    let lines = tracing_subscriber::fmt::layer().with_writer(std::io::stderr);
    Ok(tracing_subscriber::registry().with(wanted).with(lines).try_init()?)
}
