//! Emits that wait for room.

use futures::FutureExt as _;
use futures::future::join_all;
use socketio_p2p_core::{Config, EmitError, Outcome, Target};

use super::*;

#[tokio::test(start_paused = true)]
async fn emits_of_many_callers_arrive_in_the_order_of_their_calls() {
    let mut net = Net::new();
    let [a, mut b] = members(&mut net, [tight(), Config::default()]).await;
    let to = b.id();
    let mut tasks = Vec::new();
    for number in 0..50 {
        let (peer, to) = (a.peer.clone(), to.clone());
        tasks.push(tokio::spawn(async move { peer.emit(&to, &event(number)).await }));
    }
    for emitted in soon(join_all(tasks)).await {
        assert_eq!(emitted.unwrap().unwrap().accepted, std::slice::from_ref(&to));
    }
    for number in 0..50 {
        assert_eq!(b.number().await, number);
    }
}

#[tokio::test(start_paused = true)]
async fn a_later_caller_does_not_overtake_one_that_waits() {
    let mut net = Net::new();
    let [mut a, mut b] = members(&mut net, [tight(), Config::default()]).await;
    let to = b.id();
    for number in 0..4 {
        a.peer.try_emit(&to, &event(number)).unwrap();
    }
    let full = a.peer.try_emit(&to, &event(99)).unwrap_err();
    assert!(matches!(full, EmitError::Blocked { .. }), "{full:?}");
    let (last, peer) = (event(4), a.peer.clone());
    let mut waits = peer.emit(&to, &last);
    assert!((&mut waits).now_or_never().is_none());
    // All four are delivered: there is room, and the one that waits has not taken it yet.
    for _ in 0..4 {
        a.until(|event| matches!(event, Event::Outcome { outcome: Outcome::Delivered, .. })).await;
    }
    for target in [Target::All, Target::from(&to)] {
        let rejected = match a.peer.try_emit(target, &event(98)) {
            Ok(mut emitted) => emitted.rejected.remove(0).1,
            Err(error) => error,
        };
        assert!(matches!(rejected, EmitError::Blocked { .. }), "{rejected:?}");
    }
    // The other lane is another line.
    a.peer.try_emit_bulk(&to, &event(50)).unwrap();
    let fifth = event(5);
    let mut behind = a.peer.emit(&to, &fifth);
    assert!((&mut behind).now_or_never().is_none());
    soon(waits).await.unwrap();
    soon(behind).await.unwrap();
    let mut numbers = Vec::new();
    for _ in 0..7 {
        numbers.push(b.number().await);
    }
    numbers.retain(|number| *number != 50);
    assert_eq!(numbers, [0, 1, 2, 3, 4, 5]);
}

#[tokio::test(start_paused = true)]
async fn an_emit_that_is_dropped_leaves_the_line() {
    let mut net = Net::new();
    let [a, mut b] = members(&mut net, [tight(), Config::default()]).await;
    let to = b.id();
    for number in 0..4 {
        a.peer.try_emit(&to, &event(number)).unwrap();
    }
    let events = [event(4), event(5)];
    let mut line = events.iter().map(|event| a.peer.emit(&to, event)).collect::<Vec<_>>();
    assert!(line.iter_mut().all(|waits| waits.now_or_never().is_none()));
    let (peer, receiver) = (a.peer.clone(), to.clone());
    let third = tokio::spawn(async move { peer.emit(receiver, &event(6)).await });
    // The head is dropped after it was woken; the third caller learns that it is the head.
    for _ in 0..4 {
        b.number().await;
    }
    tokio::time::sleep(Duration::from_secs(1)).await;
    drop(line.remove(0));
    drop(line.remove(0));
    soon(third).await.unwrap().unwrap();
    assert_eq!(b.number().await, 6);
    a.peer.try_emit(&to, &event(7)).unwrap();
    assert_eq!(b.number().await, 7);
}

#[tokio::test(start_paused = true)]
async fn an_emit_to_all_ends_when_each_peer_has_accepted_it_or_left() {
    let mut net = Net::new();
    let [a, mut b, mut c] =
        members(&mut net, [tight(), Config::default(), Config::default()]).await;
    let (to_b, to_c) = (b.id(), c.id());
    c.crash().await;
    for number in 0..4 {
        a.peer.try_emit(&to_c, &event(number)).unwrap();
    }
    let all = event(7);
    let mut waits = a.peer.emit(Target::All, &all);
    assert!((&mut waits).now_or_never().is_none());
    assert_eq!(b.number().await, 7, "a peer with room does not wait for another");
    let emitted = soon(waits).await.unwrap();
    assert_eq!(emitted.accepted, [to_b]);
    let [(rejected, EmitError::UnknownPeer(_))] = &emitted.rejected[..] else {
        panic!("{emitted:?}")
    };
    assert_eq!(*rejected, to_c);
}

#[tokio::test(start_paused = true)]
async fn an_emit_to_all_waits_for_room_under_one_id() {
    let mut net = Net::new();
    let [mut a, mut b, mut c] =
        members(&mut net, [tight(), Config::default(), Config::default()]).await;
    for number in 0..4 {
        a.peer.try_emit(b.id(), &event(number)).unwrap();
    }
    let emitted = soon(a.peer.emit(Target::All, &event(4))).await.unwrap();
    assert_eq!((emitted.accepted.len(), emitted.rejected.len()), (2, 0));
    for _ in 0..2 {
        let is =
            |event: &Event| matches!(event, Event::Outcome { emit, .. } if *emit == emitted.id);
        a.until(is).await;
    }
    for number in 0..5 {
        assert_eq!(b.number().await, number);
    }
    assert_eq!(c.number().await, 4);
}

#[tokio::test]
async fn emits_of_other_threads_wait_for_room_too() {
    const THREADS: u32 = 4;
    const EMITS: u32 = 50;
    let mut net = Net::new();
    let [a, mut b] = members(&mut net, [tight(), Config::default()]).await;
    let threads: Vec<_> = (0..THREADS)
        .map(|thread| {
            let (peer, to) = (a.peer.clone(), b.id());
            std::thread::spawn(move || {
                let runtime = tokio::runtime::Builder::new_current_thread().build().unwrap();
                for number in 0..EMITS {
                    let event = event(thread * EMITS + number);
                    runtime.block_on(peer.emit(&to, &event)).unwrap();
                }
            })
        })
        .collect();
    let mut next: Vec<_> = (0..THREADS).map(|thread| thread * EMITS).collect();
    for _ in 0..THREADS * EMITS {
        let number = b.number().await;
        let expected = &mut next[(number / EMITS) as usize];
        assert_eq!(number, *expected);
        *expected += 1;
    }
    threads.into_iter().for_each(|thread| thread.join().unwrap());
}

#[tokio::test(start_paused = true)]
async fn an_emit_fails_at_once_when_it_can_never_be_sent() {
    let mut net = Net::new();
    let [a, b] = members(&mut net, [tight(), Config::default()]).await;
    let error = soon(a.peer.emit(a.id(), &event(1))).await.unwrap_err();
    assert!(matches!(error, EmitError::UnknownPeer(_)), "{error:?}");
    let connect = Packet::ack(1, &()).unwrap();
    let error = soon(a.peer.emit(b.id(), &connect)).await.unwrap_err();
    assert!(matches!(error, EmitError::NotAnEvent(_)), "{error:?}");
}
