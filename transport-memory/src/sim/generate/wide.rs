//! Wide scenarios: settings that differ from node to node, sizes up to and over every limit, and profiles that narrow
//! scenarios do not have.

use std::time::Duration;

use super::{FOREVER, Plan, attempts, knows, promises, ways};
use crate::dice::Dice;
use crate::sim::Profile;
use crate::sim::scenario::{
    Action, Attack, HubSettings, MAX_PEERS, Manner, NodeSettings, PolicyName, Scenario, Settings,
    Timed, Variety,
};

impl Scenario {
    /// The wide scenario of a seed, as [`generate`](Self::generate) makes the narrow one.
    #[must_use]
    pub fn generate_wide(seed: u64, profile: Profile, peers: usize) -> Self {
        Self::draw_wide(seed, profile, peers, false)
    }

    /// The wide scenario of a seed, in which the server's application removes members and turns them away, the hub closes
    /// in order, and loses the key of its tokens. Not all judges are right about that yet.
    #[must_use]
    pub fn generate_with_removals(seed: u64, profile: Profile, peers: usize) -> Self {
        Self::draw_wide(seed, profile, peers, true)
    }

    fn draw_wide(seed: u64, profile: Profile, peers: usize, removals: bool) -> Self {
        let mut dice = Dice::for_purpose(seed, 21);
        let peers = peers.clamp(2, MAX_PEERS);
        let narrow = Profile::NARROW.contains(&profile);
        let base = if narrow { Some(Self::generate(seed, profile, peers)) } else { None };
        let (settings, actions) = match base {
            Some(Self { settings, actions, .. }) => (settings, actions),
            None => (calm(&mut dice, profile, peers), Vec::new()),
        };
        let mut plan = Plan { dice, settings, actions, end: 0 };
        plan.settings.strict = true;
        plan.end = plan.in_silences(2.4);
        plan.later_additions(seed, profile);
        if profile == Profile::Slopes {
            plan.slopes(seed);
        } else {
            plan.vary(profile);
            plan.fill(profile);
        }
        let Plan { mut settings, mut actions, .. } = plan;
        let mut dice = Dice::for_purpose(seed, 22);
        let mut window_dice = Dice::for_purpose(seed, 23);
        let tight = !matches!(profile, Profile::Slopes | Profile::Streams);
        for node in &mut settings.nodes {
            node.draw_rest(&mut dice, tight, profile != Profile::Neighbours);
            if tight {
                node.draw_direct_window(&mut window_dice);
            }
        }
        draw_hub(seed, profile, &mut settings, &mut actions);
        promises::add(seed, profile, &mut settings, &mut actions);
        ways::add(seed, profile, &mut settings, &mut actions);
        attempts::add(seed, profile, &mut settings, &mut actions);
        knows::add(seed, profile, &mut settings, &mut actions, removals);
        actions.sort_by_key(|timed| timed.at);
        Self { seed, profile, settings, actions }
    }
}

/// Draws what the hub allows, and who tries it.
fn draw_hub(seed: u64, profile: Profile, settings: &mut Settings, actions: &mut Vec<Timed>) {
    let mut dice = Dice::for_purpose(seed, 24);
    if profile != Profile::Slopes && settings.originals == 0 && dice.happens(100) {
        let limits = [4_000, 6_000, 12_000];
        settings.max_envelope = dice.pick(&limits).unwrap_or(settings.max_envelope);
    }
    if !matches!(profile, Profile::Malice | Profile::Floods) {
        return;
    }
    if dice.happens(800) {
        settings.hub = HubSettings::draw(&mut dice, settings.peers);
        // Whoever is away may lose its place, and is not let in again.
        if actions.iter().any(|timed| timed.action.may_cost_hub()) {
            settings.hub.room_capacity = None;
        }
    }
    let end = actions.iter().map(|timed| timed.at).max().unwrap_or(0);
    for _ in 0..dice.between(1, 4) {
        let (at, victim) = (dice.between(end / 8, end), dice.roll(settings.peers as u64) as usize);
        let action = Action::Attack { victim, attack: Attack::Hub, direct: false };
        actions.push(Timed { at, action });
    }
}

/// Settings without any hurry.
fn calm(dice: &mut Dice, profile: Profile, peers: usize) -> Settings {
    let ms = Duration::from_millis;
    let silence = ms(dice.between(600, 1400));
    let mut settings = Settings {
        peers,
        patient: true,
        relay_latency: ms(dice.between(1, 40)),
        direct_latency: ms(dice.between(1, 20)),
        resume_window: FOREVER,
        hub_resume_window: FOREVER,
        silence,
        ping_timeout: silence,
        ..Settings::default()
    };
    if profile == Profile::Floods {
        settings.patient = false;
        let window = ms(silence.as_millis() as u64 * 8 / 5);
        (settings.resume_window, settings.hub_resume_window) = (window, window);
    }
    settings
}

impl Plan {
    /// What was added to profiles later, with dice of its own: all else stays what it is for each seed.
    #[expect(clippy::wildcard_enum_match_arm, reason = "all others are what they were")]
    fn later_additions(&mut self, seed: u64, profile: Profile) {
        let dice = std::mem::replace(&mut self.dice, Dice::for_purpose(seed, 31));
        match profile {
            Profile::Malice if self.dice.happens(700) => self.datagram_attacks(),
            _ => {}
        }
        self.dice = dice;
    }

    /// Somebody malicious has datagram channels.
    fn datagram_attacks(&mut self) {
        for _ in 0..6 {
            let (at, victim) = (self.dice.between(self.end / 4, self.end), self.node());
            self.push(at, Action::Attack { victim, attack: Attack::Datagrams, direct: true });
        }
    }

    #[expect(clippy::wildcard_enum_match_arm, reason = "all others are alike")]
    fn vary(&mut self, profile: Profile) {
        let variety = match profile {
            Profile::Limits | Profile::Streams | Profile::Neighbours | Profile::Originals => {
                Variety::Sizes
            }
            _ => Variety::All,
        };
        let peers = self.settings.peers;
        self.settings.nodes =
            (0..peers).map(|_| NodeSettings::draw(&mut self.dice, variety, peers)).collect();
        if self.dice.happens(300) {
            self.settings.max_envelope =
                self.dice.pick(&[40_000, 70_000, 300_000]).unwrap_or(70_000);
        }
        if self.dice.happens(300) {
            self.settings.hub_attachments = self.dice.pick(&[2, 4, 20]).unwrap_or(20);
        }
        // Where a session misses that one of them leaves, nobody tells it again.
        let heard = matches!(
            profile,
            Profile::Calm
                | Profile::Lossy
                | Profile::Clock
                | Profile::Limits
                | Profile::Streams
                | Profile::Policies
        );
        if profile == Profile::Originals || (heard && self.dice.happens(150)) {
            self.settings.originals = self.dice.between(1, 2) as usize;
        }
    }

    #[expect(clippy::wildcard_enum_match_arm, reason = "all others are alike")]
    fn fill(&mut self, profile: Profile) {
        if !Profile::NARROW.contains(&profile) {
            self.traffic(Profile::Lossy);
        }
        let (shapes, streams, originals) = match profile {
            Profile::Limits => (14, 1, 0),
            Profile::Streams => (2, 6, 0),
            Profile::Originals => (6, 1, 14),
            Profile::Neighbours => (0, 0, 0),
            _ => (4, 1, 4),
        };
        // Sessions that take what they themselves forbid are a thing of their own.
        let own = self.dice.happens(60);
        for _ in 0..shapes {
            self.shape(own);
        }
        for _ in 0..streams {
            if self.dice.happens(600) {
                self.stream();
            }
        }
        if self.dice.happens(300) {
            self.many_questions();
        }
        if self.dice.happens(300) {
            self.volatile_burst();
        }
        if self.settings.originals > 0 {
            self.clients(originals);
        }
        match profile {
            Profile::Policies => (0..8).for_each(|_| self.policy_change()),
            Profile::Neighbours => self.neighbours(),
            Profile::Floods => (0..6).for_each(|_| self.flood()),
            Profile::Glare | Profile::Hub | Profile::Mixed | Profile::Slow => {
                if profile == Profile::Glare || self.dice.happens(200) {
                    self.signals();
                }
                if self.dice.happens(700) {
                    let (at, node) = (self.time(), self.node());
                    // There is something on it.
                    let how = Manner::Event;
                    self.push(at, Action::Emit { node, to: None, count: 3, size: 900, how });
                    self.push(at, Action::Break { node });
                }
                if self.dice.happens(300) {
                    let (at, node) = (self.time(), self.node());
                    let pause = self.dice.between(5, 100);
                    self.push(at, Action::Drain { node, pause });
                    let until = self.later(at, 1.5);
                    self.push(until, Action::Drain { node, pause: 0 });
                }
            }
            _ => {}
        }
        if !own {
            self.keep_own_limits();
        }
    }

    /// Makes events smaller than what their sender itself takes.
    fn keep_own_limits(&mut self) {
        let settings = &self.settings;
        for timed in &mut self.actions {
            if let Action::Emit { node, size, .. } = &mut timed.action {
                let limits = settings.config_of(*node).limits;
                let room = limits.max_packet_bytes.saturating_sub(400) as u32;
                *size = if limits.max_attachments == 0 { 0 } else { (*size).min(room) };
            }
        }
    }

    fn manner(&mut self) -> Manner {
        let manners = [Manner::Event, Manner::Event, Manner::Bulk, Manner::Question];
        self.dice.pick(&manners).unwrap_or_default()
    }

    /// An event at, below or beyond what receivers take; within the sender's own limits, mostly.
    fn shape(&mut self, own: bool) {
        let at = self.time();
        let (node, other) = self.two();
        let to = self.dice.happens(600).then_some(other);
        let mut how = self.manner();
        if self.dice.happens(100) {
            how = Manner::Volatile;
        }
        let limits = self.settings.config_of(node).limits;
        let theirs = self.settings.config_of(other).limits;
        let (mut size, mut blobs, mut text, mut depth) = (0, 0, 0, 0);
        let around =
            |dice: &mut Dice, limit: u64| dice.between(limit / 2, limit * 3 / 2).min(120_000);
        match self.dice.roll(5) {
            0 => size = around(&mut self.dice, theirs.max_packet_bytes as u64),
            1 => text = around(&mut self.dice, theirs.max_packet_bytes as u64),
            2 => {
                let most = if theirs.max_attachments > 100 { 20 } else { theirs.max_attachments };
                blobs = self.dice.between(1, most as u64 + 3);
                size = self.dice.roll(3_000);
            }
            3 => {
                let most = theirs.max_depth.min(100) as u64;
                depth = self.dice.between(most / 2, most + 4);
            }
            _ => size = self.dice.roll(60_000),
        }
        if !own {
            let room = (limits.max_packet_bytes as u64).saturating_sub(600);
            (size, text) = (size.min(room / 2), text.min(room / 2));
            blobs = blobs.min(limits.max_attachments as u64);
            if limits.max_attachments == 0 {
                size = 0;
            }
            // An argument within the array of arguments.
            depth = depth.min(limits.max_depth as u64 - 3);
        }
        let (size, blobs) = (size as u32, blobs as u32);
        let (text, depth) = (text as u32, depth as u32);
        self.push(at, Action::EmitShape { node, to, size, blobs, text, depth, how });
    }

    fn stream(&mut self) {
        let at = self.time();
        let (node, to) = self.two();
        for _ in 0..self.dice.between(1, 3) {
            let size = match self.dice.roll(4) {
                0 => 0,
                1 => self.dice.roll(3_000) as u32,
                _ => self.dice.roll(80_000) as u32,
            };
            let enough = self.dice.happens(200).then_some(size / 2);
            let unannounced = self.dice.happens(500);
            let late = if self.dice.happens(400) { self.dice.between(1, 40) as u32 } else { 0 };
            let at = at + self.dice.roll(20);
            self.push(at, Action::Transfer { node, to, size, enough, unannounced, late });
        }
        let time = self.later(at, 0.3);
        match self.dice.roll(4) {
            0 => self.push(time, Action::CancelTransfer { node }),
            1 => self.push(time, Action::RefuseTransfer { node: to }),
            _ => {}
        }
    }

    fn many_questions(&mut self) {
        let at = self.time();
        let (node, to) = self.two();
        let count = self.dice.between(2, 9) as u32;
        let how = Manner::Question;
        self.push(at, Action::Emit { node, to: Some(to), count, size: 0, how });
    }

    fn volatile_burst(&mut self) {
        let at = self.time();
        let (node, to) = self.two();
        let config = self.settings.config_of(node);
        let most = config.volatile_bytes.min(config.limits.max_packet_bytes) as u64;
        let size = if config.limits.max_attachments == 0 { 0 } else { self.dice.roll(most / 2) };
        let count = self.dice.between(3, 12) as u32;
        let (size, how) = (size as u32, Manner::Volatile);
        self.push(at, Action::Emit { node, to: Some(to), count, size, how });
    }

    fn clients(&mut self, emits: u64) {
        for client in 0..self.settings.originals {
            let at = if self.dice.happens(500) { 0 } else { self.time() / 2 };
            self.push(at, Action::OriginalHere { client, on: true });
            for _ in 0..emits {
                let at = self.time();
                let to = self.dice.happens(500).then(|| self.node());
                let size = if self.dice.happens(300) { self.dice.roll(12_000) as u32 } else { 0 };
                let count = self.dice.between(1, 3) as u32;
                self.push(at, Action::OriginalEmit { client, to, count, size });
            }
            if self.dice.happens(300) {
                let at = self.time();
                self.push(at, Action::OriginalHere { client, on: false });
            }
        }
    }

    fn policy_change(&mut self) {
        let (at, node) = (self.time(), self.node());
        let policies = [
            PolicyName::Automatic,
            PolicyName::Manual,
            PolicyName::RelayOnly,
            PolicyName::DirectOnly,
        ];
        let policy = self.dice.pick(&policies).unwrap_or(PolicyName::Automatic);
        self.push(at, Action::Policy { node, policy });
        for _ in 0..3 {
            let time = self.later(at, 1.0);
            self.burst(time);
        }
        let time = self.later(at, 0.5);
        if self.dice.happens(300) {
            self.push(time, Action::Upgrade { node, to: None });
        }
    }

    /// Two with no way but through the others, which are good neighbours, or pass on in one direction only.
    fn neighbours(&mut self) {
        if self.settings.peers < 3 {
            return;
        }
        self.actions.clear();
        self.settings.originals = 0;
        let (a, b) = self.two();
        let others: Vec<usize> =
            (0..self.settings.peers).filter(|other| *other != a && *other != b).collect();
        let met = self.in_silences(2.0) + 4_000;
        self.push(0, Action::Block { a, b, on: true });
        self.push(met, Action::CloseDirect { a, b });
        let nodes = if self.dice.happens(500) { vec![a, b] } else { vec![a] };
        for node in nodes {
            self.push(met, Action::Policy { node, policy: PolicyName::DirectOnly });
        }
        let from = met + self.in_silences(1.0);
        let span = self.in_silences(6.0);
        let mut swallower = None;
        if self.dice.happens(600) {
            let neighbour = self.dice.pick(&others).unwrap_or(0);
            let (from_node, to) = if self.dice.happens(500) { (a, b) } else { (b, a) };
            swallower = Some((neighbour, from_node, to));
            let at = from + self.dice.roll(span / 4);
            self.push(at, Action::Swallow { neighbour, from: from_node, to, on: true });
        }
        let both = self.dice.happens(400);
        for turn in 0..24 {
            let at = from + span * turn / 24;
            let (node, to) = if both && turn % 2 == 1 { (b, a) } else { (a, b) };
            let how = Manner::Event;
            self.push(at, Action::Emit { node, to: Some(to), count: 1, size: 0, how });
        }
        // Long enough that whoever does not pass on is found out.
        let end = from + span + self.in_silences(12.0);
        if let Some((neighbour, from, to)) = swallower {
            self.push(end, Action::Swallow { neighbour, from, to, on: false });
        }
        self.push(end, Action::Block { a, b, on: false });
    }

    fn flood(&mut self) {
        let at = self.dice.between(self.end / 4, self.end);
        let victim = self.node();
        let attack = if self.dice.happens(500) { Attack::Resume } else { Attack::Stale };
        let direct = self.dice.happens(300);
        // It has something to send again.
        let (how, size) = (Manner::Event, self.dice.roll(3_000) as u32);
        let size =
            if self.settings.config_of(victim).limits.max_attachments == 0 { 0 } else { size };
        self.push(at, Action::Emit { node: victim, to: None, count: 2, size, how });
        self.push(at + 1, Action::Attack { victim, attack, direct });
        self.push(at + 100, Action::Attack { victim, attack, direct });
    }
}
