//! Events that the application does not read.

use socketio_p2p_core::{Config, EmitError};

use super::*;

#[tokio::test(start_paused = true)]
async fn an_application_that_does_not_read_loses_nothing_and_its_peer_stays() {
    let mut net = Net::new();
    let [mut a, mut b] = members(&mut net, [Config::default(), Config::default()]).await;
    for number in 0..100 {
        a.peer.emit(b.id(), &event(number)).await.unwrap();
    }
    tokio::time::sleep(Duration::from_secs(30)).await;
    let [peer] = &a.peer.peers()[..] else { panic!("it has left") };
    assert!(!peer.away && peer.queued == 0, "{peer:?}");
    for number in 0..100 {
        assert_eq!(b.number().await, number);
    }
    a.peer.close().await.unwrap();
    let left = |event: &Event| matches!(event, Event::PeerAway { .. } | Event::PeerLeft { .. });
    assert!(matches!(a.until(left).await, Event::PeerLeft { .. }));
}

#[tokio::test(start_paused = true)]
async fn a_flood_of_unread_events_stops_the_reading() {
    let mut net = Net::new();
    let bound = HandleConfig::default().with_unread_bytes(10_000);
    let mut b = Member::with_bound(&mut net, Config::default(), bound);
    let mut a = Member::new(&mut net, Config::default().with_queue_bytes(20_000));
    a.until(|event| matches!(event, Event::PathChanged { path: Path::Direct, .. })).await;
    let text = Packet::event("text", &("x".repeat(1000),)).unwrap();
    let mut accepted = 0;
    loop {
        match a.peer.try_emit(b.id(), &text) {
            Ok(_) => accepted += 1,
            Err(EmitError::Blocked { .. }) if accepted > 0 => {
                let before = a.peer.peers()[0].queued;
                tokio::time::sleep(Duration::from_millis(100)).await;
                if a.peer.peers()[0].queued == before {
                    break;
                }
            }
            Err(error) => panic!("{error:?}"),
        }
    }
    assert!((20..200).contains(&accepted), "{accepted} events of 1 kB");
    for _ in 0..accepted {
        b.received().await;
    }
    a.peer.emit(b.id(), &event(1)).await.unwrap();
    assert_eq!(b.number().await, 1);
}

#[tokio::test(start_paused = true)]
async fn a_session_whose_events_were_dropped_goes_on_and_refuses_transfers() {
    let mut net = Net::new();
    let [a, b] = members(&mut net, [Config::default(), Config::default()]).await;
    let to = b.id();
    let Member { peer, events, run } = b;
    drop(events);
    for _ in 0..500 {
        soon(a.peer.emit(&to, &Packet::event("text", &("x".repeat(10_000),)).unwrap()))
            .await
            .unwrap();
    }
    let transfer = a.peer.open_transfer(&to, &event(1), None).unwrap();
    let outcome = soon(transfer.finish()).await.unwrap();
    assert_eq!(outcome, socketio_p2p_core::TransferOutcome::Refused);
    drop((peer, run));
}
