//! The other parts that a session needs beside transports: a clock and a seed.

use std::time::Duration;

use async_trait::async_trait;
use socketio_p2p_core::Time;
use socketio_p2p_core::driver::Clock;
use thiserror::Error;
use tokio::time::Instant;

/// The monotonic clock of tokio, counted from the clock's creation. `tokio::time::pause` and `advance` affect it.
#[derive(Clone, Copy, Debug)]
pub struct TokioClock {
    origin: Instant,
}

impl TokioClock {
    /// Creates a clock that starts at [`Time::ZERO`].
    #[must_use]
    pub fn new() -> Self {
        Self { origin: Instant::now() }
    }
}

impl Default for TokioClock {
    fn default() -> Self {
        Self::new()
    }
}

#[async_trait]
impl Clock for TokioClock {
    fn now(&self) -> Time {
        // 64 bits hold 584 years in nanoseconds.
        Time::from_nanos(u64::try_from(self.origin.elapsed().as_nanos()).unwrap_or(u64::MAX))
    }

    async fn sleep(&self, duration: Duration) {
        tokio::time::sleep(duration).await;
    }
}

/// The system's source of randomness failed.
#[derive(Clone, Copy, Debug, Error)]
#[error("the system's source of randomness failed: {0}")]
pub struct RandomnessError(getrandom::Error);

/// Returns a seed for a [`Session`](socketio_p2p_core::Session) from the system's source of randomness. Each session
/// needs its own: the ids of offers and the jitter of pauses derive from it.
///
/// # Errors
/// [`RandomnessError`] when the system's source of randomness fails, as in a sandbox that forbids it.
pub fn random_seed() -> Result<[u8; 32], RandomnessError> {
    let mut seed = [0; 32];
    getrandom::fill(&mut seed).map_err(RandomnessError)?;
    Ok(seed)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn a_sleep_ends_at_its_deadline_on_the_clock() {
        let clock = TokioClock::new();
        let start = clock.now();
        clock.sleep(Duration::from_millis(20)).await;
        assert!(clock.now() - start >= Duration::from_millis(20));
        assert!(
            clock.now() - Time::ZERO < Duration::from_secs(60),
            "the clock counts from its creation"
        );
    }

    #[test]
    fn random_seeds_differ() {
        assert_ne!(random_seed().unwrap(), random_seed().unwrap());
    }
}
