//! Validation of settings, and `Display` of settings and outcomes.

use std::time::Duration;

use socketio_p2p_core::hub::{Hub, HubConfig};
use socketio_p2p_core::wire::{HubLimits, Lane};
use socketio_p2p_core::{
    Backoff, Config, ConfigError, LeaveReason, Outcome, Path, Policy, Session, Time,
    TransferOutcome,
};

fn refused(config: Config) -> ConfigError {
    let error = config.validate().expect_err("the setting is invalid");
    assert_eq!(Session::new(config, [1; 32], Time::ZERO).err(), Some(error.clone()));
    error
}

fn refused_by_hub(config: HubConfig) -> ConfigError {
    let error = config.validate().expect_err("the setting is invalid");
    assert_eq!(Hub::new(config, [1; 32]).err(), Some(error.clone()));
    error
}

#[test]
fn defaults_are_valid() {
    assert_eq!(Config::default().validate(), Ok(()));
    assert_eq!(HubConfig::default().validate(), Ok(()));
}

#[test]
fn a_session_with_an_invalid_setting_is_refused_with_its_name() {
    let config = Config::default;
    let error = refused(config().with_record_bytes(20_000));
    assert_eq!(error.field(), "record_bytes");
    assert_eq!(error.to_string(), "expected `record_bytes` to be 1 to 16384 bytes, got 20000");
    let zero = Duration::ZERO;
    for (config, field) in [
        (config().with_record_bytes(0), "record_bytes"),
        (config().with_queue_bytes(0), "queue_bytes"),
        (config().with_queue_packets(0), "queue_packets"),
        (config().with_relay_window(1), "relay_window"),
        (config().with_direct_window(1), "direct_window"),
        (config().with_transfer_window(0), "transfer_window"),
        (config().with_unfinished_timeout(zero), "unfinished_timeout"),
        (config().with_silence_timeout(zero), "silence_timeout"),
        (config().with_probe_interval(zero), "probe_interval"),
        (config().with_negotiation_timeout(zero), "negotiation_timeout"),
        (config().with_validation_timeout(zero), "validation_timeout"),
        (config().with_join_timeout(zero), "join_timeout"),
        (config().with_stall_timeout(zero), "stall_timeout"),
    ] {
        assert_eq!(refused(config).field(), field);
    }
}

#[test]
fn a_probe_interval_beyond_the_silence_timeout_and_shrinking_pauses_are_refused() {
    let error = refused(Config::default().with_silence_timeout(Duration::from_secs(1)));
    assert_eq!(
        error.to_string(),
        "expected `probe_interval` to be shorter than `silence_timeout` (1s), got 1.5s"
    );
    let backoff = Backoff { first: Duration::from_secs(2), max: Duration::from_secs(1) };
    assert_eq!(refused(Config::default().with_retry(backoff)).field(), "retry");
    assert_eq!(refused(Config::default().with_reconnect(backoff)).field(), "reconnect");
}

#[test]
fn a_hub_with_an_invalid_setting_is_refused_with_its_name() {
    let config = HubConfig::default;
    let limits = |max_envelope, max_attachments| HubLimits::new(max_envelope, max_attachments);
    for (config, field) in [
        (config().with_room_capacity(0), "room_capacity"),
        (config().with_max_rooms(0), "max_rooms"),
        (config().with_limits(limits(0, 1)), "limits.max_envelope"),
        (config().with_limits(limits(1, 0)), "limits.max_attachments"),
        (config().with_signal_rate(0, 1), "signal_burst"),
        (config().with_signal_rate(1, 0), "signals_per_second"),
        (config().with_max_signal(0), "max_signal"),
        (config().with_max_offers(0), "max_offers"),
        (config().with_room_join_rate(0, 1), "room_join_burst"),
        (config().with_resume_rate(1, 0), "resumes_per_second"),
        (config().with_envelope_rate(1, 0), "envelopes_per_second"),
        (config().with_delivery_rate(0, 1), "delivery_burst"),
    ] {
        assert_eq!(refused_by_hub(config).field(), field);
    }
}

#[test]
fn a_policy_is_parsed_as_it_is_displayed() {
    for policy in Policy::ALL {
        assert_eq!(policy.to_string().parse(), Ok(policy));
    }
    let error = "sometimes".parse::<Policy>().unwrap_err();
    assert_eq!(
        error.to_string(),
        "expected a policy: automatic, manual, relay-only or direct-only"
    );
}

#[test]
fn paths_lanes_outcomes_and_reasons_are_displayed_in_words() {
    assert_eq!(Path::Relay.to_string(), "relay");
    assert_eq!(Path::Via("ann".parse().unwrap()).to_string(), "via ann");
    assert_eq!(Lane::ALL.map(|lane| lane.to_string()), ["events", "bulk", "volatile"]);
    assert_eq!(Outcome::NotSent.to_string(), "not sent");
    assert_eq!(TransferOutcome::Aborted.to_string(), "aborted");
    assert_eq!(LeaveReason::Lost.to_string(), "lost");
}
