//! The settings of a scenario.

use std::time::Duration;

use serde::{Deserialize, Serialize};
use socketio_p2p_core::codec::Limits;
use socketio_p2p_core::hub::HubConfig;
use socketio_p2p_core::wire::HubLimits;
use socketio_p2p_core::{Backoff, Config};

use super::action::is_zero;
use super::hub::HubSettings;
use super::nodes::NodeSettings;
use crate::conditions::{Latency, millis};

/// The settings of a scenario. The text of a scenario has spans in whole milliseconds.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
#[non_exhaustive]
pub struct Settings {
    /// The number of sessions.
    pub peers: usize,
    /// Whether no peer is ever given up: then everything accepted must be delivered.
    pub patient: bool,
    /// The maximum of direct connections per session.
    pub max_peers: usize,
    /// The maximum of bytes queued for one peer in one lane.
    pub queue_bytes: usize,
    /// The maximum length of a record on the relay and via neighbours.
    pub record_bytes: usize,
    /// The maximum of bytes in flight to one peer through the relay.
    pub relay_window: usize,
    /// The maximum of bytes in flight in one direction of a direct connection, or to the hub.
    pub outstanding: usize,
    /// The one-way delay between a session and the hub.
    #[serde(with = "millis")]
    pub relay_latency: Duration,
    /// The one-way delay between sessions.
    #[serde(with = "millis")]
    pub direct_latency: Duration,
    /// The time after which a session gives up a peer without a path.
    #[serde(with = "millis")]
    pub resume_window: Duration,
    /// The time for which the hub keeps the seat of a member that is away.
    #[serde(with = "millis")]
    pub hub_resume_window: Duration,
    /// The silence timeout of direct paths. The other spans of a session are in proportion to it.
    #[serde(with = "millis")]
    pub silence: Duration,
    /// The time after which a half-open socket closes.
    #[serde(with = "millis")]
    pub ping_timeout: Duration,
    /// Settings of single nodes, by their numbers.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub nodes: Vec<NodeSettings>,
    /// The maximum of bytes of an envelope at the hub.
    #[serde(skip_serializing_if = "is_default_envelope")]
    pub max_envelope: u32,
    /// The maximum of attachments of an envelope at the hub.
    #[serde(skip_serializing_if = "is_default_attachments")]
    pub hub_attachments: u32,
    /// Other limits of the hub.
    #[serde(skip_serializing_if = "HubSettings::is_default")]
    pub hub: HubSettings,
    /// Whether the server's application admits sessions by their auth payload, and says who they are.
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    pub admission: bool,
    /// The number of original clients.
    #[serde(skip_serializing_if = "is_none")]
    pub originals: usize,
    /// Whether the run is checked beyond the model: see [narrow and wide](crate::sim#narrow-and-wide).
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    pub strict: bool,
    /// Whether paths are slow at worst: with these timeouts no peer and no path is given up, and everything accepted is
    /// delivered in the time that its bytes take.
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    pub honest: bool,
    /// On honest paths: the maximum delay of a small event by bulk, beside the time that events take.
    #[serde(with = "millis", skip_serializing_if = "is_a_second")]
    pub behind_bulk: Duration,
    /// The time after which a peer that acknowledges nothing is given up; absent: in proportion to the other spans, and
    /// never in patient scenarios.
    #[serde(with = "millis", skip_serializing_if = "Duration::is_zero")]
    pub stall: Duration,
    /// Resumes of one member per second; absent: as in the hub's defaults.
    #[serde(skip_serializing_if = "is_zero")]
    pub resumes: u32,
    /// The maximum delay of an application's ack.
    #[serde(with = "millis", skip_serializing_if = "Duration::is_zero")]
    pub answers_within: Duration,
}

#[expect(clippy::trivially_copy_pass_by_ref, reason = "serde asks for a reference")]
const fn is_none(number: &usize) -> bool {
    *number == 0
}

#[expect(clippy::trivially_copy_pass_by_ref, reason = "serde asks for a reference")]
const fn is_default_envelope(bytes: &u32) -> bool {
    *bytes == 1 << 20
}

#[expect(clippy::trivially_copy_pass_by_ref, reason = "serde asks for a reference")]
const fn is_default_attachments(attachments: &u32) -> bool {
    *attachments == 256
}

fn is_a_second(span: &Duration) -> bool {
    *span == Duration::from_secs(1)
}

impl Default for Settings {
    /// The defaults of sessions, hub and mesh; four peers.
    fn default() -> Self {
        let config = Config::default();
        Self {
            peers: 4,
            patient: false,
            max_peers: config.max_peers,
            queue_bytes: config.queue_bytes,
            record_bytes: config.record_bytes,
            relay_window: config.relay_window,
            outstanding: 256 << 10,
            relay_latency: Latency::default().relay,
            direct_latency: Latency::default().direct,
            resume_window: HubConfig::default().resume_window,
            hub_resume_window: HubConfig::default().resume_window,
            silence: config.silence_timeout,
            ping_timeout: Duration::from_secs(5),
            nodes: Vec::new(),
            max_envelope: 1 << 20,
            hub_attachments: 256,
            hub: HubSettings::default(),
            admission: false,
            originals: 0,
            strict: false,
            honest: false,
            behind_bulk: Duration::from_secs(1),
            stall: Duration::ZERO,
            resumes: 0,
            answers_within: Duration::ZERO,
        }
    }
}

impl Settings {
    /// The configuration of each session.
    #[must_use]
    pub fn config(&self) -> Config {
        let defaults = Config::default();
        let scaled = |span: Duration| {
            let nanos = span.as_nanos() * self.silence.as_nanos();
            let nanos = nanos / defaults.silence_timeout.as_nanos().max(1);
            Duration::from_nanos(u64::try_from(nanos).unwrap_or(u64::MAX)).max(MILLISECOND)
        };
        let backoff =
            |backoff: Backoff| Backoff { first: scaled(backoff.first), max: scaled(backoff.max) };
        let mut config = defaults
            .clone()
            .with_max_peers(self.max_peers)
            .with_queue_bytes(self.queue_bytes)
            .with_record_bytes(self.record_bytes)
            .with_resume_window(self.own_resume_window())
            .with_silence_timeout(self.silence)
            .with_ack_timeout(scaled(defaults.ack_timeout))
            .with_retry(backoff(defaults.retry))
            .with_reconnect(backoff(defaults.reconnect));
        config.relay_window = self.relay_window;
        config.probe_interval = scaled(defaults.probe_interval);
        config.negotiation_timeout = scaled(defaults.negotiation_timeout);
        config.validation_timeout = scaled(defaults.validation_timeout);
        config.offer_patience = scaled(defaults.offer_patience);
        config.join_timeout = scaled(defaults.join_timeout);
        config.unfinished_timeout = scaled(defaults.unfinished_timeout);
        config.stall_timeout = scaled(defaults.stall_timeout);
        if self.patient {
            config.stall_timeout = self.resume_window.max(MILLISECOND);
        }
        if !self.stall.is_zero() {
            config.stall_timeout = self.stall;
        }
        config
    }

    /// What the sessions set: nothing where the welcome, which counts in milliseconds, says the same.
    fn own_resume_window(&self) -> Option<Duration> {
        let told = self.hub_resume_window;
        let is_exact = told.subsec_nanos().is_multiple_of(MILLISECOND.subsec_nanos());
        (!is_exact || self.resume_window != told).then_some(self.resume_window)
    }

    /// The configuration of the hub.
    #[must_use]
    pub fn hub_config(&self) -> HubConfig {
        let (max_envelope, max_attachments) = (self.max_envelope, self.hub_attachments);
        let config = HubConfig::default()
            .with_resume_window(self.hub_resume_window)
            .with_limits(HubLimits::new(max_envelope, max_attachments));
        let config = self.hub.apply(config);
        if self.resumes == 0 { config } else { config.with_resume_rate(self.resumes, self.resumes) }
    }

    /// The delays.
    #[must_use]
    pub const fn latency(&self) -> Latency {
        Latency { relay: self.relay_latency, direct: self.direct_latency }
    }

    /// What is different at the node in a place.
    #[must_use]
    pub fn node(&self, place: usize) -> NodeSettings {
        self.nodes.get(place).cloned().unwrap_or_default()
    }

    /// The configuration of the session in a place.
    #[must_use]
    pub fn config_of(&self, place: usize) -> Config {
        let node = self.node(place);
        let mut settings = self.clone();
        let percent = node.patience.unwrap_or(100);
        settings.silence = self.silence * percent / 100;
        let mut config = settings.config();
        let Limits { max_packet_bytes, max_attachments, max_depth, .. } = config.limits;
        config.limits = Limits::default()
            .with_max_packet_bytes(node.packet_bytes.unwrap_or(max_packet_bytes))
            .with_max_attachments(node.attachments.unwrap_or(max_attachments))
            .with_max_depth(node.depth.unwrap_or(max_depth));
        let set = |field: &mut usize, value: Option<usize>| *field = value.unwrap_or(*field);
        set(&mut config.max_peers, node.max_peers);
        set(&mut config.queue_bytes, node.queue_bytes);
        set(&mut config.queue_packets, node.queue_packets);
        set(&mut config.volatile_bytes, node.volatile_bytes);
        set(&mut config.record_bytes, node.piece_bytes);
        set(&mut config.relay_window, node.relay_window);
        set(&mut config.direct_window, node.direct_window);
        set(&mut config.transfer_window, node.transfer_window);
        set(&mut config.max_transfers, node.max_transfers);
        set(&mut config.max_pending_acks, node.max_pending_acks);
        set(&mut config.receive_bytes, node.receive_bytes);
        set(&mut config.forward_pairs, node.forward_pairs);
        set(&mut config.max_members, node.max_members);
        config.forward_rate = node.forward_rate.unwrap_or(config.forward_rate);
        config.max_attempts = node.max_attempts.unwrap_or(config.max_attempts);
        if let Some(policy) = node.policy {
            config.policy = policy.into();
        }
        config
    }

    /// The configurations of all sessions at the start.
    pub(in crate::sim) fn configs(&self) -> impl Iterator<Item = Config> + '_ {
        (0..self.peers).map(|place| self.config_of(place))
    }
}

const MILLISECOND: Duration = Duration::from_millis(1);
