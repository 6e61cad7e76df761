//! Checks of the contracts of transports, for the tests of any implementation.
//!
//! - [`direct`]: two [`DirectTransport`](socketio_p2p_core::driver::DirectTransport)s that can reach each other
//! - [`signaling`]: a [`Signaling`](socketio_p2p_core::driver::Signaling) whose server has a hub
//!
//! ```
//! # use socketio_p2p_core::{driver::Clock, hub::HubConfig};
//! # use socketio_p2p_transport_memory::{MemoryNetwork, conformance};
//! # async fn test(clock: impl Clock + Clone + Sync + 'static) {
//! let network = MemoryNetwork::new(HubConfig::default(), [1; 32], clock.clone());
//! conformance::direct(network.direct(), network.direct(), &clock).await.unwrap();
//! conformance::signaling(network.signaling(), &clock).await.unwrap();
//! # }
//! ```

mod direct;
mod signaling;

use std::time::Duration;

use futures::future::{Either, select};
use socketio_p2p_core::driver::Clock;

pub use self::direct::direct;
pub use self::signaling::signaling;

/// The time limit of each step.
const STEP: Duration = Duration::from_secs(20);

/// A breach of the contract: the check, the expected and the actual behaviour.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{check}: expected {expected}, got {got}")]
pub struct Nonconformance {
    /// The check.
    pub check: &'static str,
    /// The expected behaviour.
    pub expected: String,
    /// The actual behaviour.
    pub got: String,
}

impl Nonconformance {
    fn new(check: &'static str, expected: impl Into<String>, got: impl Into<String>) -> Self {
        Self { check, expected: expected.into(), got: got.into() }
    }
}

/// Waits for `step` within the time limit.
async fn within<T>(
    clock: &impl Clock,
    check: &'static str,
    expected: &str,
    step: impl Future<Output = T>,
) -> Result<T, Nonconformance> {
    let (step, limit) = (std::pin::pin!(step), std::pin::pin!(clock.sleep(STEP)));
    match select(step, limit).await {
        Either::Left((done, _)) => Ok(done),
        Either::Right(_) => {
            Err(Nonconformance::new(check, expected, format!("nothing within {STEP:?}")))
        }
    }
}
