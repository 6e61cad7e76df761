//! Tests of promises in wide scenarios: good-byes, hubs that admit few joins, peers that acknowledge nothing, late acks.
//! Each has dice of its own, so that the rest of a seed stays the same.

use std::time::Duration;

use crate::dice::Dice;
use crate::sim::Profile;
use crate::sim::scenario::{Action, Attack, HubSettings, Manner, NodeSettings, Settings, Timed};

/// By then all have met, in milliseconds.
const MET: u64 = 300;

/// Adds what tests promises.
pub(super) fn add(seed: u64, profile: Profile, settings: &mut Settings, actions: &mut Vec<Timed>) {
    let mut dice = Dice::for_purpose(seed, 24);
    if matches!(profile, Profile::Malice | Profile::Floods) && dice.happens(250) {
        hoard(&mut dice, settings, actions);
    } else if !settings.patient && !settings.honest && dice.happens(300) {
        settings.stall = in_silences(settings, dice.between(100, 200));
    }
    let mut dice = Dice::for_purpose(seed, 134);
    let hoards = |timed: &Timed| {
        matches!(timed.action, Action::Attack { attack: Attack::Hoard | Attack::Trickle, .. })
    };
    let malicious = matches!(profile, Profile::Malice | Profile::Floods);
    if malicious && dice.happens(200) && !actions.iter().any(hoards) {
        excess(&mut dice, settings, actions);
    }
    let mut dice = Dice::for_purpose(seed, 25);
    if matches!(profile, Profile::Hub | Profile::Mixed) && dice.happens(400) {
        few_joins(&mut dice, settings, actions);
    }
    let mut dice = Dice::for_purpose(seed, 26);
    if !settings.honest && dice.happens(650) {
        settings.answers_within = in_silences(settings, 200);
    }
    let mut dice = Dice::for_purpose(seed, 27);
    if !settings.patient && !settings.honest && dice.happens(300) {
        last_words(&mut dice, settings, actions);
    }
    let mut dice = Dice::for_purpose(seed, 52);
    if !settings.honest && profile != Profile::Slopes && dice.happens(150) {
        busy_application(&mut dice, profile, settings, actions);
    }
    let mut dice = Dice::for_purpose(seed, 135);
    if malicious && dice.happens(300) && stays_full(actions) {
        settings.nodes.resize_with(settings.peers, NodeSettings::default);
        let most = settings.peers - 1;
        settings.nodes.iter_mut().for_each(|node| node.max_members = Some(most));
    }
}

/// So many hundredths of the silence.
fn in_silences(settings: &Settings, percent: u64) -> Duration {
    Duration::from_millis(settings.silence.as_millis() as u64 * percent / 100)
}

fn push(actions: &mut Vec<Timed>, at: u64, action: Action) {
    actions.push(Timed { at, action });
}

/// When the last of the actions is over, in milliseconds.
fn end_of(actions: &[Timed]) -> u64 {
    actions.iter().map(|timed| timed.at).max().unwrap_or(0)
}

/// In place of all other malice: a peer that takes everything and acknowledges nothing, or a byte now and then.
fn hoard(dice: &mut Dice, settings: &mut Settings, actions: &mut Vec<Timed>) {
    settings.stall = in_silences(settings, dice.between(100, 160));
    actions.retain(|timed| !matches!(timed.action, Action::Attack { .. }));
    let silence = settings.silence.as_millis() as u64;
    let stall = settings.stall.as_millis() as u64;
    let victim = dice.roll(settings.peers as u64) as usize;
    let attack = if dice.happens(500) { Attack::Hoard } else { Attack::Trickle };
    let at = dice.roll(silence);
    push(actions, at, Action::Attack { victim, attack, direct: false });
    let emit = |node| Action::Emit { node, to: None, count: 2, size: 0, how: Manner::Event };
    let at = at + silence / 2;
    push(actions, at, emit(victim));
    push(actions, at + stall * 2, emit(victim));
}

/// Whether all have met when the first malicious peer comes, and nobody has to be known anew after that.
fn stays_full(actions: &[Timed]) -> bool {
    let attack = |timed: &&Timed| matches!(timed.action, Action::Attack { .. });
    let first = actions.iter().filter(attack).map(|timed| timed.at).min().unwrap_or(0);
    let undone = |timed: &Timed| {
        let early = timed.at <= first && timed.action.is_fault();
        early && !matches!(timed.action, Action::Attack { .. })
    };
    first >= MET && !actions.iter().any(|timed| undone(timed) || timed.action.may_cost_hub())
}

/// In place of all other malice, and through a hub that lets much through: a peer that sends more than it may.
fn excess(dice: &mut Dice, settings: &mut Settings, actions: &mut Vec<Timed>) {
    actions.retain(|timed| !matches!(timed.action, Action::Attack { .. }));
    settings.hub = HubSettings::default();
    let end = end_of(actions);
    for victim in 0..settings.peers {
        if dice.happens(500) {
            let (at, direct) = (dice.between(end / 8, end), dice.happens(300));
            push(actions, at, Action::Attack { victim, attack: Attack::Excess, direct });
        }
    }
}

/// The hub lets a member come back once in a second, and one comes back more often.
fn few_joins(dice: &mut Dice, settings: &mut Settings, actions: &mut Vec<Timed>) {
    settings.resumes = 1;
    let node = dice.roll(settings.peers as u64) as usize;
    let mut at = dice.between(end_of(actions) / 4, end_of(actions) / 2);
    for _ in 0..3 {
        push(actions, at, Action::Drop { node });
        at += dice.between(1, 4) * (settings.relay_latency.as_millis() as u64 * 4 + 200);
    }
}

/// An application takes no events for a while, maybe longer than its peers wait for acknowledgements.
fn busy_application(
    dice: &mut Dice,
    profile: Profile,
    settings: &Settings,
    actions: &mut Vec<Timed>,
) {
    // Through neighbours events have deadlines, which are meant for small ones.
    let sizes: &[u32] = match profile == Profile::Neighbours {
        true => &[0],
        false => &[0, 700, 5_000, 20_000],
    };
    let silence = settings.silence.as_millis() as u64;
    let stall = settings.stall.as_millis() as u64;
    let node = dice.roll(settings.peers as u64) as usize;
    let start = dice.between(MET, end_of(actions).max(MET + 1));
    let lasts = dice.between(silence / 4, silence * 2 + stall * 2);
    push(actions, start, Action::Receive { node, on: false });
    for from in (0..settings.peers).filter(|from| *from != node) {
        if dice.happens(700) {
            let (at, count) = (start + dice.roll(lasts), dice.between(1, 6) as u32);
            let how = if dice.happens(300) { Manner::Bulk } else { Manner::Event };
            let size = dice.pick(sizes).unwrap_or(0);
            push(actions, at, Action::Emit { node: from, to: Some(node), count, size, how });
        }
    }
    push(actions, start + lasts, Action::Receive { node, on: true });
}

/// When all else is over, somebody closes: with or without the hub, and with a driver that may be late.
fn last_words(dice: &mut Dice, settings: &Settings, actions: &mut Vec<Timed>) {
    let silence = settings.silence.as_millis() as u64;
    let node = dice.roll(settings.peers as u64) as usize;
    let start = end_of(actions) + silence * 3 / 2;
    // Nobody tells of original clients that leave in the meantime.
    if dice.happens(600) && settings.originals == 0 {
        push(actions, start, Action::HubStop);
        push(actions, start + silence, Action::HubStart);
    }
    if dice.happens(500) {
        let pause = dice.between(10, 70);
        push(actions, start, Action::Drain { node, pause });
    }
    let at = start + silence / 4;
    let how = Manner::Event;
    push(actions, at, Action::Emit { node, to: None, count: 1, size: 0, how });
    push(actions, at + dice.roll(50), Action::Close { node });
    push(actions, start + silence, Action::Drain { node, pause: 0 });
}
