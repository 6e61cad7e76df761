//! Clients that ask for too much. Nobody else may notice.

use bytes::Bytes;
use socketio_p2p_core::Packet;
use socketio_p2p_core::hub::ClientError;
use socketio_p2p_core::signal::{HubLimits, Upload};

use super::*;

#[test]
fn signals_over_the_rate_are_refused_until_time_has_passed() {
    let mut world = World::new(HubConfig::default().with_signal_rate(3, 10));
    let (a, _) = world.v1("a");
    let (b, _) = world.v1("a");
    let to = world.id(b);
    world.forget_all();
    for _ in 0..3 {
        world.say(a, answer("1", None, &to)).unwrap();
    }
    let refused = world.say(a, answer("1", None, &to)).unwrap_err();
    assert_eq!(refused, "more signals than 10 per second after the first 3");
    assert_eq!(world.received(b).len(), 3);
    world.pass(Duration::from_millis(200));
    world.say(a, answer("1", None, &to)).unwrap();
    assert_eq!(world.received(b).len(), 1);
    assert!(world.closed.is_empty());
}

#[test]
fn a_client_that_keeps_on_is_closed_and_has_left() {
    let mut world = World::new(HubConfig::default().with_signal_rate(3, 10));
    let (abuser, welcome) = world.v1("a");
    let (b, _) = world.v1("a");
    let to = world.id(b);
    world.forget_all();
    for _ in 0..6 {
        let _ = world.say(abuser, answer("1", None, &to));
    }
    assert!(world.closed.is_empty());
    assert!(world.say(abuser, answer("1", None, &to)).is_err());
    assert_eq!(world.closed, [(abuser, CloseReason::Abusive)]);
    let received = world.received(b);
    assert_eq!(received.len(), 4);
    assert_eq!(received[3], format!("disconnect {}", welcome.id));
    let gone = world.hub.handle_message(abuser, answer("1", None, &to), world.now);
    assert_eq!(gone, Err(ClientError::Gone));
}

#[test]
fn packets_that_are_no_messages_count() {
    let mut world = World::new(HubConfig::default().with_signal_rate(1, 1));
    let (abuser, _) = world.v1("a");
    assert_eq!(world.hub.handle_malformed(abuser, world.now), ClientError::Malformed);
    let limited = ClientError::TooManySignals { burst: 1, per_second: 1 };
    assert_eq!(world.hub.handle_malformed(abuser, world.now), limited);
    assert_eq!(world.hub.handle_malformed(abuser, world.now), limited);
    world.drain();
    assert_eq!(world.closed, [(abuser, CloseReason::Abusive)]);
    assert_eq!(world.hub.handle_malformed(abuser, world.now), ClientError::Gone);
}

#[test]
fn each_offer_counts_for_the_rate() {
    let mut world = World::new(HubConfig::default().with_signal_rate(4, 1));
    let (a, _) = world.v1("a");
    let (b, _) = world.v1("a");
    let to = world.id(b);
    world.forget_all();
    world.say(a, ClientMessage::Offers(vec![offer("1", Some(&to)); 4])).unwrap();
    assert!(world.say(a, ClientMessage::Offers(vec![offer("1", Some(&to))])).is_err());
    assert_eq!(world.received(b).len(), 4);
}

#[test]
fn too_many_offers_and_too_big_signals_are_refused() {
    let mut world = World::new(HubConfig::default().with_max_offers(2).with_max_signal(100));
    let (a, _) = world.v1("a");
    let (b, _) = world.v1("a");
    let to = world.id(b);
    world.forget_all();
    let offers = vec![offer("1", Some(&to)); 3];
    let refused = world.say(a, ClientMessage::Offers(offers)).unwrap_err();
    assert_eq!(refused, "3 offers in one message where 2 are allowed");
    let refused = world.say(a, answer(&"i".repeat(100), None, &to)).unwrap_err();
    assert_eq!(refused, "a signal of 127 bytes where 100 are allowed");
    let long = vec![offer(&"i".repeat(100), Some(&to))];
    assert!(world.say(a, ClientMessage::Offers(long)).is_err());
    assert_eq!(world.received(b), [""; 0]);
}

#[test]
fn a_million_v0_offers_cost_what_their_receivers_cost() {
    let mut world = World::new(HubConfig::default());
    let first = world.v0("a", "socket-0");
    let joiner = world.v0("a", "socket-1");
    world.forget_all();
    world.say(joiner, ClientMessage::Offers(vec![offer("1", None); 1_000_000])).unwrap();
    assert_eq!(world.received(first).len(), 1);
    assert!(world.closed.is_empty(), "surplus offers are normal for an old client");
}

#[test]
fn envelopes_and_events_over_the_limits_are_refused() {
    let limits = HubLimits { max_envelope: 100, max_attachments: 2 };
    let mut world = World::new(HubConfig::default().with_limits(limits));
    let (a, _) = world.v1("a");
    let (b, _) = world.v1("a");
    let old = world.v0("a", "socket-0");
    let to = recipient(&world.id(b), Some(0));
    world.forget_all();
    let mut relay = |to: Vec<Recipient>, parts: Vec<Bytes>| {
        world.hub.handle_message(a, ClientMessage::Relay(Upload { to, parts }), world.now)
    };
    let part = |len: usize| Bytes::from(vec![b'x'; len]);
    let one = || vec![to.clone()];
    let too_large = ClientError::PacketTooLarge { got: 101, max: 100 };
    assert_eq!(relay(one(), vec![part(100)]), Ok(()));
    assert_eq!(relay(one(), vec![part(51), part(50)]), Err(too_large));
    assert_eq!(relay(one(), vec![part(1); 3]), Err(ClientError::PartCount { got: 3, max: 2 }));
    assert_eq!(relay(one(), vec![]), Err(ClientError::PartCount { got: 0, max: 2 }));
    assert_eq!(relay(vec![to.clone(); 3], vec![part(1)]), Ok(()));
    let too_many = ClientError::TooManyRecipients { got: 4, members: 3 };
    assert_eq!(relay(vec![to.clone(); 4], vec![part(1)]), Err(too_many));

    let long = Packet::event("chat", &("x".repeat(100),)).unwrap();
    let refused = world.hub.handle_message(old, ClientMessage::Broadcast(long), world.now);
    assert_eq!(refused, Err(ClientError::PacketTooLarge { got: 112, max: 100 }));
}

#[test]
fn a_clock_that_jumps_makes_timers_due_and_nothing_worse() {
    let mut world = World::new(HubConfig::default());
    let (a, _) = world.v1("a");
    let (b, _) = world.v1("a");
    world.part(b, Departure::Lost);
    world.forget_all();
    world.now = Time::from_nanos(u64::MAX);
    world.hub.handle_timeout(world.now);
    world.drain();
    assert_eq!(world.received(a).len(), 1);
    let to = world.v1("a").1.id;
    world.say(a, answer("1", None, &to)).unwrap();
    world.now = Time::ZERO;
    world.hub.handle_timeout(world.now);
    world.part(a, Departure::Lost);
    assert_eq!(world.hub.stats().clients, 1);
}
