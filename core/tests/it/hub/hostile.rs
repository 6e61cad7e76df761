//! Clients that exceed their limits, without effect on others.

use socketio_p2p_core::Packet;
use socketio_p2p_core::hub::ClientError;
use socketio_p2p_core::wire::{HubLimits, Upload};

use super::*;

#[test]
fn signals_beyond_the_rate_limit_are_refused_until_the_bucket_refills() {
    let mut world = World::new(HubConfig::default().with_signal_rate(3, 10));
    let (a, _) = world.v1("a");
    let (b, _) = world.v1("a");
    let to = world.id(b);
    world.forget_all();
    for _ in 0..3 {
        world.say(a, answer("1", None, &to)).unwrap();
    }
    let refused = world.say(a, answer("1", None, &to)).unwrap_err();
    assert_eq!(refused, "expected at most 10 signals per second after a burst of 3, got more");
    assert_eq!(world.received(b).len(), 3);
    world.pass(Duration::from_millis(200));
    world.say(a, answer("1", None, &to)).unwrap();
    assert_eq!(world.received(b).len(), 1);
    assert!(world.closed.is_empty());
}

#[test]
fn a_client_that_keeps_exceeding_the_signal_rate_is_closed_and_has_left() {
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
fn malformed_messages_count_towards_the_signal_rate() {
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
fn each_offer_counts_towards_the_signal_rate() {
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
fn offers_and_signals_beyond_their_maximum_are_refused() {
    let mut world = World::new(HubConfig::default().with_max_offers(2).with_max_signal(100));
    let (a, _) = world.v1("a");
    let (b, _) = world.v1("a");
    let to = world.id(b);
    world.forget_all();
    let offers = vec![offer("1", Some(&to)); 3];
    let refused = world.say(a, ClientMessage::Offers(offers)).unwrap_err();
    assert_eq!(refused, "expected at most 2 offers in a message, got 3");
    let refused = world.say(a, answer(&"i".repeat(100), None, &to)).unwrap_err();
    assert_eq!(refused, "expected a signal of at most 100 bytes, got 127");
    let long = vec![offer(&"i".repeat(100), Some(&to))];
    assert!(world.say(a, ClientMessage::Offers(long)).is_err());
    assert_eq!(world.received(b), [""; 0]);
}

#[test]
fn a_million_v0_offers_cost_as_much_as_their_receivers() {
    let mut world = World::new(HubConfig::default());
    let first = world.v0("a", "socket-0");
    let joiner = world.v0("a", "socket-1");
    world.forget_all();
    world.say(joiner, ClientMessage::Offers(vec![offer("1", None); 1_000_000])).unwrap();
    assert_eq!(world.received(first).len(), 1);
    assert!(world.closed.is_empty(), "surplus offers are normal for a v0 client");
}

#[test]
fn envelopes_and_v0_events_beyond_the_limits_are_refused() {
    let limits = HubLimits::new(100, 2);
    let mut world = World::new(HubConfig::default().with_limits(limits));
    let (a, _) = world.v1("a");
    let (b, _) = world.v1("a");
    let old = world.v0("a", "socket-0");
    let to = recipient(&world.id(b), Some(0));
    let everyone = [a, b, old].map(|client| recipient(&world.id(client), Some(0))).to_vec();
    world.forget_all();
    let mut relay = |to: Vec<Recipient>, len: usize| {
        let upload = Upload { to, piece: None, body: vec![b'x'; len].into() };
        world.hub.handle_message(a, ClientMessage::Relay(upload), world.now)
    };
    let too_large = ClientError::PacketTooLarge { got: 101, max: 100 };
    let one = || vec![to.clone()];
    assert_eq!(relay(one(), 100), Ok(()));
    assert_eq!(relay(one(), 101), Err(too_large));
    assert_eq!(relay(everyone.clone(), 1), Ok(()));
    let too_many = ClientError::TooManyRecipients { got: 4, members: 3 };
    assert_eq!(relay([everyone, one()].concat(), 1), Err(too_many));

    let long = Packet::event("chat", &("x".repeat(100),)).unwrap();
    let refused = world.hub.handle_message(old, ClientMessage::Event(long), world.now);
    assert_eq!(refused, Err(ClientError::PacketTooLarge { got: 112, max: 100 }));
}

#[test]
fn an_envelope_that_names_a_receiver_twice_is_delivered_to_no_receiver() {
    let mut world = World::new(HubConfig::default());
    let (a, _) = world.v1("a");
    let (b, _) = world.v1("a");
    let (c, _) = world.v1("a");
    let (away, _) = world.v1("a");
    let old = world.v0("a", "socket-0");
    world.hub.add_alias(old, "engine-0").unwrap();
    let [b_id, c_id, away_id] = [b, c, away].map(|client| world.id(client));
    let [old_id, alias] = ["socket-0", "engine-0"].map(|name| PeerId::new(name).unwrap());
    world.part(away, Departure::Lost);
    world.forget_all();
    let megabyte = bytes::Bytes::from(vec![0; 1_000_000]);
    for (to, twice) in [
        (vec![&b_id; 5], &b_id),
        (vec![&b_id, &c_id, &b_id], &b_id),
        (vec![&away_id, &b_id, &away_id], &away_id),
        (vec![&old_id, &b_id, &alias], &old_id),
    ] {
        let to = to.into_iter().map(|id| recipient(id, Some(0))).collect();
        let upload = Upload { to, piece: None, body: megabyte.clone() };
        let said = world.hub.handle_message(a, ClientMessage::Relay(upload), world.now);
        assert_eq!(said, Err(ClientError::DuplicateRecipient { peer: twice.clone() }));
        world.drain();
        assert!(world.inboxes.is_empty(), "refused as a whole");
    }
    assert_eq!(world.hub.stats().undeliverable, 0);
    assert!(world.closed.is_empty());
}

fn envelope(to: &[&PeerId], bytes: usize) -> ClientMessage {
    let to = to.iter().map(|id| recipient(id, Some(0))).collect();
    ClientMessage::Relay(Upload { to, piece: None, body: vec![b'x'; bytes].into() })
}

#[test]
fn deliveries_are_charged_to_the_sender_of_an_envelope() {
    let mut world = World::new(HubConfig::default().with_delivery_rate(10_000, 1_000));
    let (a, _) = world.v1("a");
    let (b, _) = world.v1("a");
    let (c, _) = world.v1("a");
    let [b_id, c_id] = [b, c].map(|client| world.id(client));
    world.forget_all();
    // Each costs 2 × (2,372 + 128) bytes.
    let say = |world: &mut World| world.say(a, envelope(&[&b_id, &c_id], 2_372));
    assert_eq!([say(&mut world), say(&mut world)], [Ok(()), Ok(())]);
    let refused = say(&mut world).unwrap_err();
    assert_eq!(
        refused,
        "expected at most 1000 delivered bytes per second after a burst of 10000, got more"
    );
    assert_eq!((world.hub.stats().throttled, world.hub.stats().refused), (1, 1));
    world.pass(Duration::from_millis(4_999));
    assert!(say(&mut world).is_err());
    world.pass(Duration::from_millis(1));
    assert_eq!(say(&mut world), Ok(()), "a refused envelope took no token");
    for client in [b, c] {
        assert_eq!(world.received(client).len(), 3);
    }
    assert!(world.closed.is_empty());
}

#[test]
fn an_envelope_above_the_delivery_burst_passes_and_leaves_a_debt() {
    let mut world = World::new(HubConfig::default().with_delivery_rate(1_000, 1_000_000));
    let (a, _) = world.v1("a");
    let (b, _) = world.v1("a");
    let to = world.id(b);
    world.forget_all();
    world.say(a, envelope(&[&to], 1_000_000)).unwrap();
    assert!(world.say(a, envelope(&[&to], 1)).is_err());
    world.pass(Duration::from_secs(1));
    world.say(a, envelope(&[&to], 1_000_000)).unwrap();
}

#[test]
fn v0_events_are_charged_as_envelopes() {
    let config = HubConfig::default().with_delivery_rate(1_000, 1_000).with_envelope_rate(3, 1);
    let mut world = World::new(config);
    let chatter = world.v0("a", "socket-0");
    let blaster = world.v0("a", "socket-1");
    let (v1, _) = world.v1("a");
    world.forget_all();
    let mut say = |client, bytes: usize| {
        let packet = Packet::event("x", &("x".repeat(bytes),)).unwrap();
        world.hub.handle_message(client, ClientMessage::Event(packet), world.now)
    };
    let too_much = ClientError::TooMuchToDeliver { burst: 1_000, per_second: 1_000 };
    assert_eq!(say(blaster, 400), Ok(()));
    assert_eq!(say(blaster, 400), Err(too_much));
    for _ in 0..3 {
        assert_eq!(say(chatter, 1), Ok(()));
    }
    let too_many = ClientError::TooManyEnvelopes { burst: 3, per_second: 1 };
    assert_eq!(say(chatter, 1), Err(too_many));
    world.drain();
    assert_eq!(world.received(v1).len(), 4);
}

#[test]
fn a_client_far_beyond_the_envelope_rate_is_closed_and_one_that_adapts_is_not() {
    let mut world = World::new(HubConfig::default().with_envelope_rate(10, 10));
    let (blaster, _) = world.v1("a");
    let (honest, _) = world.v1("a");
    let (b, _) = world.v1("a");
    let to = world.id(b);
    world.forget_all();
    for _ in 0..20 {
        let _ = world.say(blaster, envelope(&[&to], 1));
    }
    assert!(world.closed.is_empty());
    assert!(world.say(blaster, envelope(&[&to], 1)).is_err());
    assert_eq!(world.closed, [(blaster, CloseReason::Abusive)]);
    assert_eq!(world.received(b).len(), 11, "ten envelopes, and a goodbye");
    // Twice the rate, for any time: half of the envelopes arrive.
    for _ in 0..1_000 {
        let _ = world.say(honest, envelope(&[&to], 1));
        world.pass(Duration::from_millis(50));
    }
    assert_eq!(world.closed.len(), 1);
    let received = world.received(b).len();
    assert!((500..=511).contains(&received), "{received}");
}

#[test]
fn the_default_rate_limits_permit_100_mbit_per_second() {
    const ROOM: usize = 64;
    const UPLINK: usize = 12_500_000;
    let default = HubConfig::default();
    // Bursts that are exhausted within this second if the rates do not suffice.
    let config = HubConfig::default()
        .with_envelope_rate(1_000, default.envelopes_per_second)
        .with_delivery_rate(100_000_000, default.deliveries_per_second);
    for body in [64, 1_000, 16_384, 1_000_000] {
        let mut world = World::new(config.clone());
        let ids: Vec<_> = (0..ROOM).map(|_| world.v1("a").1.id).collect();
        let sender = world.client_of(&ids[0]);
        let others: Vec<_> = ids[1..].iter().collect();
        for to in [&others[..], &others[..1]] {
            let message = envelope(to, body);
            // Two WebSocket frames, and 78 bytes of TCP, IP and Ethernet for each 1,460.
            let wire = (message.to_packet().unwrap().wire_len() + 16) * 1_538 / 1_460;
            for _ in 0..UPLINK / wire {
                let said = world.hub.handle_message(sender, message.clone(), world.now);
                assert_eq!(said, Ok(()), "{body} bytes to {}", to.len());
                while world.hub.poll_output().is_some() {}
                world.now = world.now + Duration::from_nanos((wire * 80) as u64);
            }
        }
        let old = world.v0("b", "socket-0");
        for number in 1..ROOM {
            world.v0("b", &format!("socket-{number}"));
        }
        let packet = Packet::event("x", &("x".repeat(body.max(512)),)).unwrap();
        let wire = (packet.wire_len() + 8) * 1_538 / 1_460;
        for _ in 0..UPLINK / wire {
            let message = ClientMessage::Event(packet.clone());
            let said = world.hub.handle_message(old, message, world.now);
            assert_eq!(said, Ok(()), "{body} bytes of a v0 client");
            while world.hub.poll_output().is_some() {}
            world.now = world.now + Duration::from_nanos((wire * 80) as u64);
        }
    }
}

#[test]
fn a_refused_envelope_costs_the_hub_little_time() {
    let mut world = World::new(HubConfig::default().with_envelope_rate(1, 1));
    let ids: Vec<_> = (0..64).map(|_| world.v1("a").1.id).collect();
    let sender = world.client_of(&ids[0]);
    let others: Vec<_> = ids[1..].iter().collect();
    world.forget_all();
    let (first, second) = (envelope(&others, 1_000), envelope(&others, 1_000));
    let now = world.now;
    let passed = allocation_counter::measure(|| {
        world.hub.handle_message(sender, first, now).unwrap();
    });
    world.drain();
    let refused = allocation_counter::measure(|| {
        world.hub.handle_message(sender, second, now).unwrap_err();
    });
    assert!(passed.count_total > 0, "{passed:?}");
    assert_eq!(refused.count_total, 0, "{refused:?}");
    assert!(world.hub.poll_output().is_none());
}

#[test]
fn a_clock_jump_ends_no_seat_and_a_clock_that_overflows_or_goes_back_does_no_harm() {
    let mut world = World::new(HubConfig::default());
    let window = world.hub.config().resume_window;
    let (a, _) = world.v1("a");
    let (b, _) = world.v1("a");
    world.part(b, Departure::Lost);
    world.forget_all();
    for (passed, told) in [(Duration::from_hours(1), 0), (window, 1)] {
        world.now = world.now + passed;
        world.hub.handle_timeout(world.now);
        world.drain();
        assert_eq!(world.received(a).len(), told);
    }
    world.now = Time::from_nanos(u64::MAX);
    world.hub.handle_timeout(world.now);
    let to = world.v1("a").1.id;
    world.say(a, answer("1", None, &to)).unwrap();
    world.now = Time::ZERO;
    world.hub.handle_timeout(world.now);
    world.part(a, Departure::Lost);
    assert_eq!(world.hub.stats().clients, 1);
}
