//! The clock of a session, and the timers of the client: of tokio, or of the browser.

#[cfg(not(target_family = "wasm"))]
mod native;
#[cfg(target_family = "wasm")]
mod web;

use std::pin::pin;
use std::time::Duration;

use futures::future::{Either, select};

#[cfg(not(target_family = "wasm"))]
pub use self::native::TokioClock;
#[cfg(not(target_family = "wasm"))]
pub(crate) use self::native::{Sleep, TokioClock as HostClock, sleep};
#[cfg(target_family = "wasm")]
pub use self::web::WebClock;
#[cfg(target_family = "wasm")]
pub(crate) use self::web::{Sleep, WebClock as HostClock, sleep};

/// Returns what `future` returns, or `None` when that takes longer than `limit`.
pub(crate) async fn timeout<F: Future>(limit: Duration, future: F) -> Option<F::Output> {
    match select(pin!(future), sleep(limit)).await {
        Either::Left((output, _)) => Some(output),
        Either::Right(((), _)) => None,
    }
}
