//! Incarnations of a peer, as the epochs of its envelopes tell them.

use super::*;

#[test]
fn packets_of_an_epoch_that_is_over_are_ignored() {
    let mut alone = Alone::with_members(relay_only(), &[("a", 1)]);
    alone.hear_envelope("a", &json!({"epoch": 5, "lane": 0, "seq": 0}), "2[\"x\"]", &[]);
    assert!(has(&alone.events(), |event| matches!(event, Event::Received { .. })));
    for stale in [
        json!({"epoch": 4, "lane": 0, "seq": 1}),
        json!({"epoch": 5, "for": 77, "lane": 0, "seq": 1}),
    ] {
        alone.hear_envelope("a", &stale, "2[\"x\"]", &[]);
        assert!(alone.events().is_empty(), "{stale}");
    }
}
