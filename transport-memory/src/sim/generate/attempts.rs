//! Tests of attempts at direct paths: few of them, and pairs that fail for long. With dice of their own, so that the rest
//! of a seed stays the same.

use crate::dice::Dice;
use crate::sim::Profile;
use crate::sim::scenario::{Action, NodeSettings, Settings, Timed};

/// How long two find no direct path to each other, in silences: enough for a few attempts, each three silences long.
const IN_VAIN: u64 = 18;

/// Adds what tests attempts.
pub(super) fn add(seed: u64, profile: Profile, settings: &mut Settings, actions: &mut Vec<Timed>) {
    let mut dice = Dice::for_purpose(seed, 51);
    let fails = matches!(
        profile,
        Profile::Lossy | Profile::Slow | Profile::Glare | Profile::Clock | Profile::Mixed
    );
    if !fails || settings.honest || !dice.happens(60) {
        return;
    }
    settings.nodes.resize_with(settings.peers, NodeSettings::default);
    for node in &mut settings.nodes {
        node.max_attempts = dice.pick(&[1, 1, 2, 3]);
    }
    let peers = settings.peers as u64;
    let a = dice.roll(peers);
    let b = (a + 1 + dice.roll(peers - 1)) % peers;
    let (a, b) = (a as usize, b as usize);
    let silence = settings.silence.as_millis() as u64;
    let at = dice.roll(silence * 2);
    let until = at + silence * IN_VAIN;
    actions.extend([
        Timed { at, action: Action::Block { a, b, on: true } },
        Timed { at, action: Action::CloseDirect { a, b } },
        Timed { at: until, action: Action::Block { a, b, on: false } },
    ]);
}
