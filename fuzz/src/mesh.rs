//! Sessions and a hub on a virtual clock, under faults: scenarios of the simulator, decoded from bytes instead of
//! generated from a seed. The simulator's reference model checks them.

#![allow(clippy::panic, reason = "a fuzz target fails by panicking")]

use std::time::Duration;

use socketio_p2p_transport_memory::sim::{
    Action, Attack, Manner, NodeSettings, PolicyName, Profile, Scenario, Settings, Timed, run,
    shrink,
};
use socketio_p2p_transport_memory::{Conditions, RosterFaults, SignalFaults};

use crate::input::Input;
use crate::trail::Trail;

/// Maximum actions of one scenario; longer ones are slow and repeat themselves.
const MAX_ACTIONS: usize = 80;

const MAX_PEERS: usize = 5;

/// Maximum runs to shrink a finding.
const SHRINKING_RUNS: usize = 1_000;

/// A resume window in which no peer is given up.
const FOREVER: Duration = Duration::from_secs(3_600);

const ATTACKS: [Attack; 11] = [
    Attack::Spoof,
    Attack::Control,
    Attack::Offers,
    Attack::Bomb,
    Attack::DeepJson,
    Attack::GiantNames,
    Attack::Stall,
    Attack::Garbage,
    Attack::Neighbour,
    Attack::Resume,
    Attack::Stale,
];

/// Runs any scenario: every invariant of the simulator holds, and a second run gives the same report.
pub fn scenarios(data: &[u8]) {
    let scenario = scenario(&mut Input(data));
    let trail = Trail::new();
    trail.note(format_args!("{scenario}"));
    let report = run(&scenario).unwrap_or_else(|violation| {
        let (short, again) = shrink(&scenario, SHRINKING_RUNS);
        panic!("{violation}\n{scenario}\nin short: {again:?}\n{short}")
    });
    trail.note(format_args!("{report:?}"));
    // A second run of every input would halve the number of inputs.
    if data.len().is_multiple_of(8) {
        assert_eq!(run(&scenario).as_ref(), Ok(&report), "a second run of the scenario differs");
    }
}

fn scenario(input: &mut Input<'_>) -> Scenario {
    let seed = u64::from(input.byte());
    let mut settings = settings(input);
    let datagrams = [None, Some(100), Some(1_200)].into_iter().cycle().skip(seed as usize % 3);
    for (node, longest) in settings.nodes.iter_mut().zip(datagrams) {
        node.datagrams = longest;
    }
    let plan = Plan {
        peers: settings.peers,
        patient: settings.patient,
        piece: settings.record_bytes,
        under_way: settings.outstanding + settings.peers * settings.relay_window,
    };
    let silence = settings.silence.as_millis();
    let silence = u64::try_from(silence).unwrap_or(u64::MAX);
    // By then most peers have joined. With a resume window in which no peer is given up, all peers must have joined:
    // a peer that fails before its first welcome joins again under a new id.
    let mut at = input.pick([300, if settings.patient { 300 } else { 0 }, 1_000, 3_000]);
    let mut actions = Vec::new();
    while input.goes_on() && actions.len() < MAX_ACTIONS {
        // Many actions happen at once, some long after others.
        let wait = silence * u64::from(input.byte()) / 255;
        at += input.pick([0, 0, 1, wait / 16, wait / 4, wait, 2 * wait]);
        if let Some(action) = plan.action(input) {
            actions.push(Timed { at, action });
        }
    }
    Scenario { seed, profile: Profile::Mixed, settings, actions }
}

fn settings(input: &mut Input<'_>) -> Settings {
    let ms = Duration::from_millis;
    let mut settings = Settings::default();
    let silence = input.pick([600, 1_000, 1_400, 5_000]);
    settings.peers = 2 + input.below(MAX_PEERS - 1);
    settings.patient = input.flag();
    settings.max_peers = input.pick([5, 5, 5, 1, 2]);
    if input.below(8) != 7 {
        settings.queue_bytes = 1 << (11 + input.below(4));
        settings.record_bytes = 1 << (8 + input.below(4));
        if input.below(4) == 3 {
            settings.nodes = (0..settings.peers).map(|_| node(input)).collect();
        }
        settings.relay_window = 1 << (11 + input.below(4));
        settings.outstanding = 1 << (11 + input.below(4));
    }
    settings.relay_latency = ms(input.pick([1, 5, 20, 40]));
    settings.direct_latency = ms(input.pick([1, 5, 20]));
    settings.silence = ms(silence);
    settings.ping_timeout = settings.silence;
    let window = ms(silence * 8 / 5);
    let percent = input.pick([50, 100, 150]);
    settings.resume_window = if settings.patient { FOREVER } else { window * percent / 100 };
    settings.hub_resume_window = if settings.patient { FOREVER } else { window };
    settings
}

/// Draws the settings of one node.
fn node(input: &mut Input<'_>) -> NodeSettings {
    let mut node = NodeSettings::default();
    let some = |input: &mut Input<'_>, of: [usize; 3]| input.flag().then(|| input.pick(of));
    node.packet_bytes = some(input, [4_000, 9_000, 200_000]);
    node.attachments = some(input, [0, 1, 10]);
    node.queue_bytes = some(input, [2_048, 6_000, 100_000]);
    node.queue_packets = some(input, [1, 5, 40]);
    node.volatile_bytes = some(input, [500, 2_000, 10_000]);
    node.piece_bytes = some(input, [256, 700, 10_000]);
    node.relay_window = some(input, [2_048, 5_000, 60_000]);
    node.transfer_window = some(input, [600, 3_000, 20_000]);
    node.max_transfers = some(input, [1, 2, 3]);
    node.max_pending_acks = some(input, [1, 3, 50]);
    node
}

struct Plan {
    peers: usize,
    /// No peer is ever given up; then every node that leaves must return.
    patient: bool,
    piece: usize,
    /// Maximum bytes in flight to one node.
    under_way: usize,
}

impl Plan {
    fn action(&self, input: &mut Input<'_>) -> Option<Action> {
        let node = input.below(self.peers);
        let (a, b) = (node, (node + 1 + input.below(self.peers - 1)) % self.peers);
        let (from, to) = (a, b);
        let on = input.below(3) != 0;
        Some(match input.below(40) {
            0..=9 => Action::Emit {
                node,
                to: (input.below(3) != 0).then_some(to),
                count: 1 + u32::from(input.byte() % 4),
                size: if input.below(4) == 3 { self.size(input) } else { 0 },
                how: input.pick([
                    Manner::Event,
                    Manner::Event,
                    Manner::Bulk,
                    Manner::Question,
                    Manner::Volatile,
                ]),
            },
            10 | 11 if input.below(8) == 7 => Action::CancelTransfer { node },
            10 | 11 => {
                let size = 3 * self.size(input);
                let enough = (input.below(4) == 3).then_some(size / 2);
                Action::Transfer { node, to, size, enough, unannounced: false, late: 0 }
            }
            12..=14 => {
                let policy = input.pick([
                    PolicyName::Automatic,
                    PolicyName::Automatic,
                    PolicyName::Manual,
                    PolicyName::RelayOnly,
                    PolicyName::DirectOnly,
                ]);
                Action::Policy { node, policy }
            }
            15 => Action::Upgrade { node, to: input.flag().then_some(to) },
            16 => Action::Drop { node },
            17 => Action::Reach { node, on: !on },
            18 => Action::Mute { node, on },
            19 => Action::Silence { a, b, on },
            20 => Action::Cut { from, to, on },
            21 => {
                let size = 1 + input.below(self.peers - 1);
                Action::Partition { island: (0..size).map(|n| (a + n) % self.peers).collect() }
            }
            22 => Action::Heal,
            23 => Action::Block { a, b, on },
            24 => Action::Flap { a, b, lasts: input.pick([0, 1, 50, 500]) },
            25 | 26 => Action::CloseDirect { a, b },
            27 => Action::RelayPath { node, conditions: self.conditions(input) },
            28 => Action::DirectPath { from, to, conditions: self.conditions(input) },
            29 => {
                let lose_offer = Self::chance(input);
                let [lose_answer, duplicate, late, stray_candidate] =
                    [(); 4].map(|()| Self::chance(input));
                Action::Signals {
                    faults: SignalFaults {
                        lose_offer,
                        lose_answer,
                        duplicate,
                        late,
                        stray_candidate,
                    },
                }
            }
            30 => {
                let (repeat, omit) = (Self::chance(input), Self::chance(input));
                Action::Rosters { faults: RosterFaults { repeat, omit } }
            }
            31 => Action::Pace { node, pause: input.pick([0, 1, 20]) },
            32 => Action::Freeze { node, on },
            33 => Action::Jump { by: input.pick([1, 2_500, 20_000, 86_400_000]) },
            34 => Action::JumpNode { node, by: input.pick([1, 2_500, 20_000]) },
            35 => Action::Glare { a, b },
            36 => input.pick([|| Action::HubStop, || Action::HubStart])(),
            _ if self.patient => return None,
            37 => match input.below(3) {
                0 => Action::Close { node },
                1 => Action::Crash { node },
                _ => Action::Restart { node },
            },
            _ => Action::Attack { victim: node, attack: input.pick(ATTACKS), direct: on },
        })
    }

    /// Draws the size of a blob: up to eight pieces, most often fewer.
    fn size(&self, input: &mut Input<'_>) -> u32 {
        let piece = u32::try_from(self.piece).unwrap_or(u32::MAX);
        let most = piece.saturating_mul(input.pick([1, 3, 8])).min(100_000);
        most * u32::from(input.byte()) / 255 + 1
    }

    fn chance(input: &mut Input<'_>) -> u16 {
        input.pick([0, 50, 150, 300])
    }

    fn conditions(&self, input: &mut Input<'_>) -> Conditions {
        let ms = |input: &mut Input<'_>, most: u64| {
            Duration::from_millis(most * u64::from(input.byte()) / 255)
        };
        let mut conditions = Conditions::default();
        match input.below(8) {
            0 | 1 => {}
            2 => conditions.loss = Self::chance(input),
            3 => conditions.duplicate = Self::chance(input),
            4 => conditions.reorder = Self::chance(input),
            5 => conditions.delay = ms(input, 300),
            6 => {
                // The delay of bytes in flight is bounded.
                let rate = self.under_way * input.pick([1, 3, 12]) / 3;
                conditions.rate = u32::try_from(rate).unwrap_or(u32::MAX);
            }
            _ => {
                conditions.jitter = ms(input, 100);
                conditions.loss = Self::chance(input);
                conditions.reorder = Self::chance(input);
                conditions.duplicate = Self::chance(input);
            }
        }
        conditions
    }
}
