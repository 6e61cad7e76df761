//! Tests of paths via neighbours: rates, few pairs, a malicious neighbour. Each has dice of its own, so that the rest of
//! a seed stays the same.

use crate::dice::Dice;
use crate::sim::Profile;
use crate::sim::scenario::{Action, Attack, Manner, NodeSettings, Settings, Timed};

/// Adds what tests neighbours.
pub(super) fn add(seed: u64, profile: Profile, settings: &mut Settings, actions: &mut Vec<Timed>) {
    break_seals(&mut Dice::for_purpose(seed, 41), actions);
    let mut dice = Dice::for_purpose(seed, 42);
    if matches!(profile, Profile::Malice | Profile::Floods) && dice.happens(400) {
        overload(&mut dice, settings, actions);
    }
    let mut dice = Dice::for_purpose(seed, 43);
    if profile == Profile::Neighbours && dice.happens(350) {
        slow_neighbours(&mut dice, settings, actions);
    } else if profile == Profile::Neighbours && settings.peers > 3 && dice.happens(400) {
        few_pairs(&mut dice, settings, actions);
    }
}

fn push(actions: &mut Vec<Timed>, at: u64, action: Action) {
    actions.push(Timed { at, action });
}

/// Where somebody malicious is a neighbour, it may break seals too.
fn break_seals(dice: &mut Dice, actions: &mut Vec<Timed>) {
    let attacks = actions.iter().filter_map(|timed| {
        let Action::Attack { victim, attack: Attack::Neighbour, .. } = timed.action else {
            return None;
        };
        Some((timed.at, victim))
    });
    let first = attacks.min();
    if let Some((at, victim)) = first.filter(|_| dice.happens(600)) {
        push(actions, at + 1, Action::Attack { victim, attack: Attack::Seals, direct: true });
    }
}

/// Somebody malicious gives a neighbour more than that passes on, for somebody who may be slow.
fn overload(dice: &mut Dice, settings: &mut Settings, actions: &mut Vec<Timed>) {
    if dice.happens(500) {
        set_rates(dice, &[20_000, 50_000], settings);
    }
    let end = actions.iter().map(|timed| timed.at).max().unwrap_or(0);
    let victim = dice.roll(settings.peers as u64) as usize;
    let start = dice.between(end / 3, end / 2 + 1);
    let every = dice.between(30, 120);
    let attack = Attack::Passes;
    for turn in 0..12 {
        let action = Action::Attack { victim, attack, direct: true };
        push(actions, start + turn * every, action);
    }
    if dice.happens(600) {
        let pause = dice.between(20, 60);
        push(actions, start, Action::Pace { node: victim, pause });
        push(actions, start + every * 20, Action::Pace { node: victim, pause: 0 });
    }
}

fn set_rates(dice: &mut Dice, of: &[u64], settings: &mut Settings) {
    settings.nodes.resize_with(settings.peers, NodeSettings::default);
    let rate = dice.pick(of);
    settings.nodes.iter_mut().for_each(|node| node.forward_rate = rate);
}

/// The two that find no way but through others, from when to when, in milliseconds.
fn apart(actions: &[Timed]) -> Option<(usize, usize, u64, u64)> {
    let mut blocks = actions.iter().filter_map(|timed| {
        let Action::Block { a, b, .. } = timed.action else { return None };
        Some((a, b, timed.at))
    });
    let closed = actions.iter().find(|timed| matches!(timed.action, Action::CloseDirect { .. }))?;
    let (a, b, _) = blocks.next()?;
    Some((a, b, closed.at, blocks.next()?.2))
}

/// Neighbours pass on less than there is.
fn slow_neighbours(dice: &mut Dice, settings: &mut Settings, actions: &mut Vec<Timed>) {
    let Some((a, b, from, until)) = apart(actions) else { return };
    set_rates(dice, &[4_000, 8_000, 20_000], settings);
    let (size, blobs, text, depth, how) = (0, 0, 1_500, 0, Manner::Event);
    let every = (until - from) / 60;
    for turn in 4..40 {
        for _ in 0..4 {
            let action = Action::EmitShape { node: a, to: Some(b), size, blobs, text, depth, how };
            push(actions, from + turn * every, action);
        }
    }
}

/// A third is reached by the first in the same way, and neighbours serve one pair each.
fn few_pairs(dice: &mut Dice, settings: &mut Settings, actions: &mut Vec<Timed>) {
    let Some((a, b, from, until)) = apart(actions) else { return };
    settings.nodes.resize_with(settings.peers, NodeSettings::default);
    settings.nodes.iter_mut().for_each(|node| node.forward_pairs = Some(1));
    let others: Vec<usize> = (0..settings.peers).filter(|other| ![a, b].contains(other)).collect();
    let third = dice.pick(&others).unwrap_or(0);
    push(actions, 0, Action::Block { a, b: third, on: true });
    push(actions, from, Action::CloseDirect { a, b: third });
    push(actions, until, Action::Block { a, b: third, on: false });
    let every = (until - from) / 30;
    for turn in 2..30 {
        let (to, how) = (Some(third), Manner::Event);
        let action = Action::Emit { node: a, to, count: 1, size: 0, how };
        push(actions, from + turn * every, action);
    }
}
