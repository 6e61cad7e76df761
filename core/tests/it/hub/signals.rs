//! Routing of offers and signals.

use super::*;

const OFFER: &str = r#"{"type":"offer","sdp":"x"}"#;
const ANSWER: &str = r#"{"type":"answer","sdp":"y"}"#;

#[test]
fn a_v1_offer_goes_to_the_member_it_names() {
    let mut world = World::new(HubConfig::default());
    let (a, _) = world.v1("a");
    let (b, _) = world.v1("a");
    let (c, _) = world.v1("a");
    let old = world.v0("a", "socket-0");
    let (from, to_b, to_old) = (world.id(a), world.id(b), world.id(old));
    world.forget_all();
    let offers = vec![offer("1", Some(&to_b)), offer("2", Some(&to_old))];
    world.say(a, ClientMessage::Offers(offers)).unwrap();
    assert_eq!(world.received(b), [format!("offer 1 from {from}: {OFFER}")]);
    assert_eq!(world.received(old), [format!("offer 2 from {from}: {OFFER}")]);
    assert_eq!(world.received(c), [""; 0]);
    assert_eq!(world.received(a), [""; 0]);
}

#[test]
fn an_offer_to_a_departed_member_does_not_affect_the_other_offers() {
    let mut world = World::new(HubConfig::default());
    let (a, _) = world.v1("a");
    let (b, _) = world.v1("a");
    let to_b = world.id(b);
    let gone = PeerId::new("gone").unwrap();
    world.forget_all();
    let offers = vec![offer("1", Some(&gone)), offer("2", Some(&to_b)), offer("3", None)];
    let refused = world.say(a, ClientMessage::Offers(offers)).unwrap_err();
    assert_eq!(
        refused, r#"expected another member of the room as the receiver, got "gone""#,
        "the first is reported"
    );
    assert_eq!(world.received(b).len(), 1);
}

#[test]
fn a_signal_to_another_room_or_to_its_sender_is_refused() {
    let mut world = World::new(HubConfig::default());
    let (a, _) = world.v1("a");
    let (b, _) = world.v1("b");
    let (own, other) = (world.id(a), world.id(b));
    for to in [&own, &other] {
        for message in [ClientMessage::Offers(vec![offer("1", Some(to))]), answer("1", None, to)] {
            let refused = world.say(a, message).unwrap_err();
            assert_eq!(
                refused,
                format!("expected another member of the room as the receiver, got {to:?}")
            );
        }
    }
    assert_eq!(world.received(b), [""; 0]);
}

#[test]
fn a_signal_to_an_away_member_is_refused() {
    let mut world = World::new(HubConfig::default());
    let (a, _) = world.v1("a");
    let (b, _) = world.v1("a");
    let to = world.id(b);
    world.part(b, Departure::Lost);
    let refused = world.say(a, answer("1", None, &to)).unwrap_err();
    assert_eq!(refused, format!("the receiver {to:?} is away"));
}

#[test]
fn the_hub_sets_the_sender_of_a_signal() {
    let mut world = World::new(HubConfig::default());
    let (a, _) = world.v1("a");
    let old = world.v0("a", "socket-0");
    let (to_a, to_old) = (world.id(a), world.id(old));
    world.forget_all();
    world.say(old, answer("1", Some("somebody-else"), &to_a)).unwrap();
    assert_eq!(world.received(a), [format!("signal 1 from socket-0: {ANSWER}")]);
    world.say(a, answer("1", Some("somebody-else"), &to_old)).unwrap();
    assert_eq!(world.received(old), [format!("signal 1 from {to_a}: {ANSWER}")]);
}

#[test]
fn signals_reach_a_v0_client_under_its_alias_while_it_is_connected() {
    let mut world = World::new(HubConfig::default());
    let (a, _) = world.v1("a");
    let old = world.v0("a", "socket-0");
    world.hub.add_alias(old, "engine-0").unwrap();
    world.forget_all();
    let alias = PeerId::new("engine-0").unwrap();
    world.say(a, answer("1", None, &alias)).unwrap();
    assert_eq!(world.received(old).len(), 1);
    world.part(old, Departure::Left);
    assert!(world.say(a, answer("1", None, &alias)).is_err());
    assert!(world.hub.add_alias(old, "").is_err());
    assert!(world.hub.add_alias(old, "x").is_ok(), "late input is ignored");
}

#[test]
fn an_alias_does_not_override_a_member_id() {
    let mut world = World::new(HubConfig::default());
    let (a, _) = world.v1("a");
    let (b, _) = world.v1("a");
    let old = world.v0("a", "socket-0");
    let to_b = world.id(b);
    world.hub.add_alias(old, to_b.as_str()).unwrap();
    world.forget_all();
    world.say(a, answer("1", None, &to_b)).unwrap();
    assert_eq!(world.received(b).len(), 1);
    assert_eq!(world.received(old), [""; 0]);
}

#[test]
fn v0_offers_go_one_each_to_earlier_members_in_order() {
    let mut world = World::new(HubConfig::default());
    let first = world.v0("a", "socket-0");
    let (lost, _) = world.v1("a");
    let (second, _) = world.v1("a");
    let joiner = world.v0("a", "socket-1");
    let later = world.v0("a", "socket-2");
    world.part(lost, Departure::Lost);
    world.forget_all();

    let offers = ["1", "2", "3", "4", "5"].map(|id| offer(id, None)).to_vec();
    world.say(joiner, ClientMessage::Offers(offers)).unwrap();
    assert_eq!(world.received(first), [format!("offer 1 from socket-1: {OFFER}")]);
    assert_eq!(world.received(second), [format!("offer 2 from socket-1: {OFFER}")]);
    for client in [joiner, later] {
        assert_eq!(world.received(client), [""; 0], "crossing offers connect v0 clients twice");
    }
}

#[test]
fn v0_offers_reach_each_member_once_per_connection() {
    let mut world = World::new(HubConfig::default());
    let a = world.v0("a", "socket-0");
    let b = world.v0("a", "socket-1");
    let joiner = world.v0("a", "socket-2");
    world.forget_all();
    world.say(joiner, ClientMessage::Offers(vec![offer("1", None)])).unwrap();
    let more = vec![offer("2", None), offer("3", None)];
    world.say(joiner, ClientMessage::Offers(more)).unwrap();
    assert_eq!(world.received(a), [format!("offer 1 from socket-2: {OFFER}")]);
    assert_eq!(world.received(b), [format!("offer 2 from socket-2: {OFFER}")]);
    world.say(joiner, ClientMessage::Offers(vec![offer("4", None)])).unwrap();
    assert!(world.inboxes.is_empty());
}

#[test]
fn the_offers_of_the_first_v0_client_are_dropped() {
    let mut world = World::new(HubConfig::default());
    let only = world.v0("a", "socket-0");
    world.forget_all();
    world.say(only, ClientMessage::Offers(vec![offer("1", None)])).unwrap();
    world.say(only, ClientMessage::Offers(vec![])).unwrap();
    assert!(world.inboxes.is_empty());
}
