//! Random operations on a hub beside a simple model of rooms: who gets what. The body of the fuzz target.

use proptest::prelude::*;
use socketio_p2p_fuzz::hub::operations;

proptest! {
    #![proptest_config(ProptestConfig { cases: 400, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn everyone_gets_what_the_rules_say(bytes in prop::collection::vec(any::<u8>(), 1..1500)) {
        operations(&bytes);
    }
}
