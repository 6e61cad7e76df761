//! Seeded chance.

use std::time::Duration;

/// A small generator of random numbers (SplitMix64): the same seed gives the same numbers on every machine. Not
/// for secrets.
#[derive(Clone, Debug)]
pub struct Dice(u64);

impl Dice {
    /// The dice of a seed.
    #[must_use]
    pub const fn new(seed: u64) -> Self {
        Self(seed)
    }

    /// Dice for one of several purposes of the same seed.
    #[must_use]
    pub fn for_purpose(seed: u64, purpose: u64) -> Self {
        let mut dice = Self(seed ^ purpose.wrapping_mul(0xd6e8_feb8_6659_fd93));
        dice.bits();
        dice
    }

    /// 64 random bits.
    pub fn bits(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        z ^ (z >> 31)
    }

    /// A number below `sides`; 0 when there are none.
    pub fn roll(&mut self, sides: u64) -> u64 {
        // The high half of the product: no division, and as even as 64 bits allow.
        let product = u128::from(self.bits()) * u128::from(sides);
        (product >> 64) as u64
    }

    /// A number from `min` to `max`, both included.
    pub fn between(&mut self, min: u64, max: u64) -> u64 {
        min + self.roll(max.saturating_sub(min).saturating_add(1))
    }

    /// `true` in `per_mille` of 1000 cases.
    pub fn happens(&mut self, per_mille: u16) -> bool {
        per_mille > 0 && self.roll(1000) < u64::from(per_mille)
    }

    /// One of these; `None` when there is none.
    pub fn pick<T: Clone>(&mut self, from: &[T]) -> Option<T> {
        from.get(self.roll(from.len() as u64) as usize).cloned()
    }

    /// A span up to `max`, in whole microseconds.
    pub fn span(&mut self, max: Duration) -> Duration {
        let micros = u64::try_from(max.as_micros()).unwrap_or(u64::MAX);
        Duration::from_micros(self.roll(micros.saturating_add(1)))
    }
}

#[cfg(test)]
mod tests {
    use super::Dice;

    #[test]
    fn rolls_stay_within_their_bounds_and_reach_them() {
        let mut dice = Dice::new(1);
        let mut seen = [false; 6];
        for _ in 0..1000 {
            seen[dice.roll(6) as usize] = true;
        }
        assert_eq!((seen, dice.roll(0), dice.between(3, 3)), ([true; 6], 0, 3));
        assert!((0..1000).all(|_| !dice.happens(0) && dice.happens(1000)));
    }

    #[test]
    fn the_same_seed_gives_the_same_numbers_and_purposes_differ() {
        let numbers = |mut dice: Dice| [dice.bits(), dice.bits(), dice.bits()];
        assert_eq!(numbers(Dice::new(7)), numbers(Dice::new(7)));
        assert_ne!(numbers(Dice::for_purpose(7, 1)), numbers(Dice::for_purpose(7, 2)));
    }
}
