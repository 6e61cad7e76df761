//! The end of a session.

use futures::{FutureExt as _, StreamExt as _};
use socketio_p2p_core::handle::{Closed, RequestError, StreamError};
use socketio_p2p_core::{
    Config, EmitError, LeaveReason, Outcome, ReplyError, Target, TransferOutcome,
};

use super::*;

#[tokio::test(start_paused = true)]
async fn a_close_delivers_and_reports_what_was_not_delivered() {
    let mut net = Net::new();
    let [a, mut b, mut c] =
        members(&mut net, [Config::default(), Config::default(), Config::default()]).await;
    c.crash().await;
    let delivered = a.peer.emit(b.id(), &event(1)).await.unwrap();
    let lost = a.peer.emit(c.peer.id().unwrap(), &event(2)).await.unwrap();
    let transfer = a.peer.open_transfer(&b.id(), &event(3), None).unwrap();
    let id = transfer.id().clone();
    let report = soon(a.peer.close()).await.unwrap();
    let [(emit, to, Outcome::Unknown | Outcome::NotSent)] = &report.emits[..] else {
        panic!("{report:?}")
    };
    assert_eq!((emit, to), (&lost.id, &c.id()));
    assert_eq!(report.transfers, [((&id).into(), TransferOutcome::Aborted)]);
    assert_eq!(b.number().await, 1);
    assert_eq!(soon(transfer.finish()).await.unwrap(), TransferOutcome::Aborted);
    assert_eq!(soon(a.peer.close()).await.unwrap(), report, "each call returns it");
    soon(a.run).await.unwrap();
    assert_ne!(delivered.id, lost.id);
}

#[tokio::test(start_paused = true)]
async fn a_close_ends_the_emits_that_wait() {
    let mut net = Net::new();
    let [mut a, mut b] = members(&mut net, [tight(), Config::default()]).await;
    let to = b.id();
    for number in 0..4 {
        a.peer.try_emit(&to, &event(number)).unwrap();
    }
    let last = event(9);
    let peer = a.peer.clone();
    let mut waits = [peer.emit(&to, &last), peer.emit(&to, &last)];
    assert!(waits.iter_mut().all(|waits| waits.now_or_never().is_none()));
    let report = peer.close();
    for waits in waits {
        let error = soon(waits).await.unwrap_err();
        assert!(matches!(error, EmitError::Closed), "{error:?}");
    }
    assert!(soon(report).await.unwrap().is_empty());
    while let Some(event) = soon(a.events.next()).await {
        assert!(!matches!(event, Event::Outcome { outcome: Outcome::NotSent, .. }));
    }
    b.until(|event| matches!(event, Event::PeerLeft { reason: LeaveReason::Left, .. })).await;
}

#[tokio::test(start_paused = true)]
async fn a_session_closes_when_its_last_handle_and_its_events_are_dropped() {
    let mut net = Net::new();
    let [a, mut b] = members(&mut net, [Config::default(), Config::default()]).await;
    let Member { peer, events, run } = a;
    peer.try_emit(Target::All, &event(1)).unwrap();
    let weak = peer.downgrade();
    let clone = weak.upgrade().unwrap();
    drop((peer, events));
    tokio::time::sleep(Duration::from_secs(5)).await;
    assert_eq!(b.number().await, 1);
    assert!(!run.is_finished(), "a clone keeps it open");
    drop(clone);
    assert!(weak.upgrade().is_none());
    soon(run).await.unwrap();
    b.until(|event| matches!(event, Event::PeerLeft { reason: LeaveReason::Left, .. })).await;
}

#[tokio::test(start_paused = true)]
async fn everybody_who_waits_learns_that_the_task_was_dropped() {
    let mut net = Net::new();
    let [mut a, mut b] = members(&mut net, [tight(), Config::default()]).await;
    let to = b.id();
    let mut writer = a.peer.open_transfer(&to, &event(1), None).unwrap();
    let finished = a.peer.open_transfer(&to, &event(2), None).unwrap();
    let back = b.peer.open_transfer(&a.id(), &event(3), None).unwrap();
    let opened = a.until(|event| matches!(event, Event::TransferOpened { .. })).await;
    let Event::TransferOpened { transfer, .. } = opened else { panic!("{opened:?}") };
    let mut reader = a.peer.accept(transfer).unwrap();
    b.peer.with(|session, now| {
        session.emit_with_ack(Target::All, &event(4), None, now).unwrap();
    });
    let asked = a.until(|event| matches!(event, Event::Received { .. })).await;
    let Event::Received { reply: Some(token), .. } = asked else { panic!("{asked:?}") };
    b.crash().await;
    let (asks, peer) = (a.peer.request(&to, &event(0)).into_future(), a.peer.clone());
    let asks = tokio::spawn(asks);
    let asks_all = tokio::spawn(a.peer.request_all(&event(0)).collect::<Vec<_>>());
    tokio::task::yield_now().await;
    for number in 0..2 {
        peer.try_emit(&to, &event(number)).unwrap();
    }
    let progress = tokio::spawn(writer.progress().collect::<Vec<_>>());
    let waits = tokio::spawn(async move {
        let last = event(9);
        let emits = async { tokio::join!(peer.emit(&to, &last), peer.emit(Target::All, &last)) };
        let streams = async {
            tokio::join!(writer.send(vec![0; 5_000_000].into()), reader.next(), finished.finish())
        };
        let ends = async {
            tokio::join!(peer.reply(&token, &(1,)), peer.request_all(&last).collect::<Vec<_>>())
        };
        tokio::join!(emits, streams, ends)
    });
    tokio::time::sleep(Duration::from_millis(10)).await;
    assert!(!waits.is_finished() && !asks.is_finished() && !asks_all.is_finished());
    a.crash().await;

    let ((one, all), (written, read, finished), (reply, late)) = soon(waits).await.unwrap();
    assert!(matches!(one, Err(EmitError::Closed)), "{one:?}");
    assert!(matches!(&all.unwrap().rejected[..], [(_, EmitError::Closed)]));
    assert!(matches!(written, Err(StreamError::Closed)), "{written:?}");
    assert!(matches!(read, Err(StreamError::Closed)), "{read:?}");
    assert!(matches!(finished, Err(StreamError::Closed)), "{finished:?}");
    assert!(matches!(reply, Err(ReplyError::Closed)), "{reply:?}");
    assert!(matches!(&late[..], [(_, Err(RequestError::Closed))]), "{late:?}");
    assert!(matches!(soon(asks).await.unwrap(), Err(RequestError::Closed)));
    assert!(matches!(&soon(asks_all).await.unwrap()[..], [(_, Err(RequestError::Closed))]));
    soon(progress).await.unwrap();
    while soon(a.events.next()).await.is_some() {}
    drop(back);
}

#[tokio::test(start_paused = true)]
async fn calls_after_the_end_return_closed() {
    for crash in [false, true] {
        let mut net = Net::new();
        let [mut a, b] = members(&mut net, [Config::default(), Config::default()]).await;
        let to = b.id();
        if crash {
            a.crash().await;
            assert_eq!(soon(a.peer.close()).await, Err(Closed));
        } else {
            assert!(soon(a.peer.close()).await.unwrap().is_empty());
        }
        let packet = event(1);
        for error in [
            soon(a.peer.emit(&to, &packet)).await.unwrap_err(),
            soon(a.peer.emit_bulk(Target::All, &packet)).await.unwrap_err(),
            a.peer.emit_volatile(&to, &packet).unwrap_err(),
            a.peer.try_emit(&to, &packet).unwrap_err(),
            a.peer.open_transfer(&to, &packet, None).unwrap_err(),
        ] {
            assert!(matches!(error, EmitError::Closed), "{error:?}");
        }
        let error = soon(a.peer.request(&to, &packet).into_future()).await.unwrap_err();
        assert!(matches!(error, RequestError::Closed), "{error:?}");
        let source = futures::io::Cursor::new(vec![0; 10]);
        let sent = soon(a.peer.send_transfer([to.clone()], &packet, None, source)).await.unwrap();
        assert!(matches!(&sent[..], [(_, Err(StreamError::Open(EmitError::Closed)))]), "{sent:?}");
        a.peer.reconnect();
        a.peer.set_policy(a.peer.policy());
        while soon(a.events.next()).await.is_some() {}
        assert!(soon(a.events.next()).await.is_none());
    }
}
