//! The clock of a session on tokio.

use std::pin::Pin;
use std::time::Duration;

use async_trait::async_trait;
use socketio_p2p_core::Time;
use socketio_p2p_core::driver::Clock;
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

/// A timer of tokio.
pub(crate) type Sleep = Pin<Box<tokio::time::Sleep>>;

/// Completes after `duration`.
pub(crate) fn sleep(duration: Duration) -> Sleep {
    Box::pin(tokio::time::sleep(duration))
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
}
