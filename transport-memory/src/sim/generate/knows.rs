//! Tests of what members know about each other, of the server's application and of new ids. Each has dice of its own, so
//! that the rest of a seed stays the same.

use std::time::Duration;

use crate::dice::Dice;
use crate::sim::Profile;
use crate::sim::scenario::{Action, Attack, Operation, Settings, Timed};

/// The actions of a seed, to which more are added.
struct Script<'a> {
    dice: Dice,
    settings: &'a mut Settings,
    actions: &'a mut Vec<Timed>,
    /// In milliseconds.
    end: u64,
    silence: u64,
}

/// Adds them; `removals`: also kicks, closed rooms and hubs, refusals by the application and lost token keys.
pub(super) fn add(
    seed: u64,
    profile: Profile,
    settings: &mut Settings,
    actions: &mut Vec<Timed>,
    removals: bool,
) {
    if profile == Profile::Slopes || settings.honest {
        return;
    }
    let end = actions.iter().map(|timed| timed.at).max().unwrap_or(0);
    let silence = settings.silence.as_millis() as u64;
    let mut script = Script { dice: Dice::for_purpose(seed, 71), settings, actions, end, silence };
    script.data();
    script.dice = Dice::for_purpose(seed, 72);
    script.talk();
    // Where somebody misses that another one leaves, where nobody may lose the hub, or where all has its time, nobody is
    // removed, and the hub goes on.
    let is_still = matches!(profile, Profile::Limits | Profile::Streams | Profile::Neighbours);
    // Nor where there is no room to know anybody anew.
    let has_room = script.settings.nodes.iter().all(|node| node.max_members.is_none());
    if removals && script.settings.originals == 0 && !is_still && has_room {
        script.dice = Dice::for_purpose(seed, 73);
        script.removals(profile);
        script.dice = Dice::for_purpose(seed, 74);
        script.closing();
        script.dice = Dice::for_purpose(seed, 75);
        script.lost_keys(profile);
    }
    script.dice = Dice::for_purpose(seed, 76);
    if matches!(profile, Profile::Malice | Profile::Floods) && script.may_attack() {
        script.claims();
    }
}

impl Script<'_> {
    fn push(&mut self, at: u64, action: Action) {
        self.actions.push(Timed { at, action });
    }

    fn operate(&mut self, at: u64, operation: Operation) {
        self.push(at, Action::Server { operation });
    }

    fn time(&mut self) -> u64 {
        self.dice.between(self.end / 8, self.end)
    }

    fn node(&mut self) -> usize {
        self.dice.roll(self.settings.peers as u64) as usize
    }

    /// Somebody is given up: nothing promises any more that everybody is waited for.
    fn make_harsh(&mut self) {
        if self.settings.patient {
            self.settings.patient = false;
            let window = Duration::from_millis(self.silence * 8 / 5);
            (self.settings.resume_window, self.settings.hub_resume_window) = (window, window);
        }
    }

    /// Whether a malicious peer does no other thing all the time.
    fn may_attack(&self) -> bool {
        let is_busy = |timed: &Timed| {
            matches!(
                timed.action,
                Action::Attack { attack: Attack::Hoard | Attack::Trickle | Attack::Excess, .. }
            )
        };
        !self.actions.iter().any(is_busy)
    }

    fn data(&mut self) {
        self.settings.admission = self.dice.happens(700);
        if !self.dice.happens(400) {
            return;
        }
        for _ in 0..self.dice.between(1, 6) {
            let (at, node) = (self.dice.roll(self.end + 1), self.node());
            let count = if self.dice.happens(250) { self.dice.between(2, 20) as u32 } else { 1 };
            let size = if self.dice.happens(200) { self.dice.roll(1_500) as u32 } else { 0 };
            self.push(at, Action::Metadata { node, count, size });
        }
    }

    fn talk(&mut self) {
        if !self.dice.happens(250) {
            return;
        }
        for _ in 0..self.dice.between(2, 10) {
            let (at, node) = (self.time(), self.node());
            match self.dice.roll(5) {
                0 => self.operate(at, Operation::Emit(None)),
                1 => self.operate(at, Operation::Emit(Some(node))),
                2 => self.operate(at, Operation::Ask(node)),
                other => self.push(at, Action::Report { node, ask: other == 3 }),
            }
        }
    }

    /// Nodes are removed or refused, and come back.
    fn removals(&mut self, profile: Profile) {
        let willing =
            !self.settings.patient || matches!(profile, Profile::Calm | Profile::Policies);
        if willing && self.dice.happens(120) {
            self.make_harsh();
            for _ in 0..self.dice.between(1, 3) {
                let (at, node) = (self.time(), self.node());
                self.operate(at, Operation::Kick(node));
                let until = at + self.dice.between(1, self.silence * 2);
                self.push(until, Action::Return { node });
            }
        }
        if willing && self.dice.happens(40) {
            self.make_harsh();
            let at = self.time();
            self.operate(at, Operation::CloseRoom);
            for node in 0..self.settings.peers {
                let until = at + self.dice.between(1, self.silence);
                self.push(until, Action::Return { node });
            }
        }
        if self.settings.admission && self.dice.happens(80) {
            let for_good = !self.settings.patient && self.dice.happens(500);
            let (at, node) = (self.time(), self.node());
            let pause = self.dice.between(20, self.silence);
            self.operate(at, Operation::Refuse(node, (!for_good).then_some(pause)));
            self.push(at, Action::Drop { node });
            let until = at + self.dice.between(1, self.silence * 2);
            self.push(until, Action::Return { node });
        }
    }

    /// The hub ends in order, and another one begins.
    fn closing(&mut self) {
        if !self.dice.happens(50) {
            return;
        }
        let (at, pause) = (self.time(), self.dice.between(1, self.silence / 2));
        self.operate(at, Operation::Close(pause));
        let stop = at + self.dice.between(0, pause);
        self.push(stop, Action::HubStop);
        let start = stop + self.dice.between(1, self.silence / 2);
        self.push(start, Action::HubStart);
    }

    /// The hub loses the key of its tokens as it restarts.
    fn lost_keys(&mut self, profile: Profile) {
        if !self.dice.happens(120) {
            return;
        }
        if !matches!(profile, Profile::Calm | Profile::Policies) {
            self.make_harsh();
        }
        // Transfers have their names from peers.
        self.actions.retain(|timed| {
            !matches!(
                timed.action,
                Action::Transfer { .. }
                    | Action::CancelTransfer { .. }
                    | Action::RefuseTransfer { .. }
            )
        });
        for _ in 0..self.dice.between(1, 2) {
            let stop = self.dice.between(self.end / 3, self.end);
            self.push(stop, Action::HubStop);
            self.operate(stop, Operation::LoseKey);
            let start = stop + self.dice.between(1, self.silence);
            self.push(start, Action::HubStart);
            if matches!(profile, Profile::Malice | Profile::Floods) && self.may_attack() {
                let (at, victim) = (start + self.dice.roll(40), self.node());
                self.push(at, Action::Attack { victim, attack: Attack::Former, direct: true });
                let later = at + self.dice.between(1, self.silence);
                self.push(later, Action::Attack { victim, attack: Attack::Former, direct: true });
            }
        }
    }

    fn claims(&mut self) {
        for attack in [Attack::Former, Attack::Metadata] {
            if self.dice.happens(200) {
                let (at, victim) = (self.time(), self.node());
                self.push(at, Action::Attack { victim, attack, direct: true });
            }
        }
    }
}
