//! Seeds from the system's source of randomness.

use thiserror::Error;

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
    use super::random_seed;

    #[test]
    fn random_seeds_differ() {
        assert_ne!(random_seed().unwrap(), random_seed().unwrap());
    }
}
