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
async fn a_reader_that_blocks_for_thirty_seconds_under_traffic_keeps_its_path_and_gets_every_event_once()
 {
    let mut net = Net::new();
    let [mut a, mut b] = members(&mut net, [Config::default(), Config::default()]).await;
    let (sender, to) = (a.peer.clone(), b.id());
    let sent = std::sync::Arc::new(std::sync::atomic::AtomicU32::new(0));
    let count = std::sync::Arc::clone(&sent);
    let traffic = tokio::spawn(async move {
        for number in 0..2_000_u32 {
            let event = Packet::event("n", &(number, "x".repeat(10_000))).unwrap();
            sender.emit(&to, &event).await.unwrap();
            count.store(number + 1, std::sync::atomic::Ordering::Relaxed);
        }
    });
    tokio::time::sleep(Duration::from_secs(30)).await;
    // Unread events, what is in flight, and the sender's queue.
    let accepted = sent.load(std::sync::atomic::Ordering::Relaxed);
    assert!((100..500).contains(&accepted), "{accepted} events of 10 kB");
    for member in [&a, &b] {
        let [peer] = &member.peer.peers()[..] else { panic!("it has left") };
        assert!(peer.path == Some(Path::Direct) && !peer.away, "{peer:?}");
    }
    for expected in 0..2_000 {
        let (number, _) = b.received().await.args::<(u32, String)>().unwrap();
        assert_eq!(number, expected);
    }
    traffic.await.unwrap();
    a.peer.close().await.unwrap();
    let lost = |event: &Event| {
        matches!(event, Event::PeerAway { .. } | Event::PeerLeft { .. } | Event::PathChanged { .. })
    };
    for member in [&mut a, &mut b] {
        let Event::PeerLeft { .. } = member.until(lost).await else { panic!("a path was lost") };
    }
}

#[tokio::test(start_paused = true)]
async fn unread_events_beyond_the_bound_make_the_sender_wait() {
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
