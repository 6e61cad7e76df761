//! The replayed seeds and former findings of the fuzz targets.

use std::path::Path;

use socketio_p2p_fuzz::{codec, hub, mesh, session, wire};

/// Runs a target's body over every file of a folder of seeds.
fn replay(seeds: &str, at_least: usize, target: fn(&[u8])) {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../fuzz/seeds").join(seeds);
    let files = std::fs::read_dir(&folder).unwrap_or_else(|error| panic!("{folder:?}: {error}"));
    let mut replayed = 0;
    for file in files {
        let path = file.unwrap().path();
        let data = std::fs::read(&path).unwrap();
        let result = std::panic::catch_unwind(|| target(&data));
        assert!(result.is_ok(), "{} is a finding", path.display());
        replayed += 1;
    }
    assert!(replayed >= at_least, "only {replayed} seeds in {folder:?}");
}

#[test]
fn sequences_of_frames_decode_to_the_same_result_again() {
    replay("codec_frames", 250, codec::frames);
}

#[test]
fn decoded_packets_round_trip() {
    replay("codec_frames", 250, codec::round_trip);
}

#[test]
fn any_value_round_trips() {
    replay("codec_values", 10, codec::values);
    replay("codec_frames", 250, codec::values);
}

#[test]
fn typed_values_with_bytes_round_trip() {
    replay("codec_typed", 10, codec::typed);
    replay("codec_frames", 250, codec::typed);
}

#[test]
fn a_bundle_that_was_read_round_trips() {
    replay("bundle", 20, wire::bundle);
}

#[test]
fn a_hub_matches_its_model_under_any_operations() {
    replay("hub_operations", 20, hub::operations);
}

#[test]
fn a_session_matches_its_model_under_any_inputs() {
    replay("session_inputs", 20, session::inputs);
}

#[test]
fn a_mesh_matches_the_simulators_model_under_any_faults() {
    replay("session_mesh", 20, mesh::scenarios);
}
