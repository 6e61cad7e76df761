//! What a session needs of the machine beside transports: a clock and a seed.

use std::time::Duration;

use async_trait::async_trait;
use socketio_p2p_core::Time;
use socketio_p2p_core::driver::Clock;
use thiserror::Error;
use tokio::time::Instant;

/// The monotonic clock of tokio, counted from the moment at which it was made. It stands still and jumps as
/// tokio's does in tests (`tokio::time::pause`).
#[derive(Clone, Copy, Debug)]
pub struct TokioClock {
    origin: Instant,
}

impl TokioClock {
    /// A clock that starts now.
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
        // 584 years of nanoseconds fit.
        Time::from_nanos(u64::try_from(self.origin.elapsed().as_nanos()).unwrap_or(u64::MAX))
    }

    async fn sleep(&self, duration: Duration) {
        tokio::time::sleep(duration).await;
    }
}

/// The system gives no randomness.
#[derive(Clone, Copy, Debug, Error)]
#[error("the system's source of randomness failed: {0}")]
pub struct RandomnessError(getrandom::Error);

/// A fresh seed for a [`Session`](socketio_p2p_core::Session), from the system's source of randomness. Each
/// session needs one of its own: names of offers and the jitter of pauses come from it.
///
/// # Errors
/// [`RandomnessError`] when the system has no randomness to give, as in a sandbox that forbids it.
pub fn random_seed() -> Result<[u8; 32], RandomnessError> {
    let mut seed = [0; 32];
    getrandom::fill(&mut seed).map_err(RandomnessError)?;
    Ok(seed)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn a_sleep_takes_as_long_as_the_clock_says() {
        let clock = TokioClock::new();
        let start = clock.now();
        clock.sleep(Duration::from_millis(20)).await;
        assert!(clock.now() - start >= Duration::from_millis(20));
        assert!(clock.now() - Time::ZERO < Duration::from_secs(60), "it counts from its making");
    }

    #[test]
    fn no_two_seeds_are_the_same() {
        assert_ne!(random_seed().unwrap(), random_seed().unwrap());
    }
}
