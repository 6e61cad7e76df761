//! Random operations on a hub, compared with a simple model of rooms: the body of the fuzz target.

use proptest::prelude::*;
use socketio_p2p_fuzz::hub::operations;

proptest! {
    #![proptest_config(ProptestConfig { cases: 400, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn every_client_receives_what_the_hub_model_predicts(bytes in prop::collection::vec(any::<u8>(), 1..1500)) {
        operations(&bytes);
    }
}
