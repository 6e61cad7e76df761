//! Transfers as streams.

use futures::{AsyncReadExt as _, AsyncWriteExt as _, StreamExt as _, TryStreamExt as _};
use socketio_p2p_core::handle::{IncomingTransfer, StreamError};
use socketio_p2p_core::{Config, TransferError, TransferOutcome, TransferProgress};

use super::*;

const SIZE: usize = 3_000_000;

async fn accept(member: &mut Member) -> IncomingTransfer {
    let opened = member.until(|event| matches!(event, Event::TransferOpened { .. })).await;
    let Event::TransferOpened { transfer, .. } = opened else { panic!("{opened:?}") };
    member.peer.accept(transfer).unwrap()
}

fn bytes(size: usize) -> Vec<u8> {
    (0..size).map(|n| (n % 251) as u8).collect()
}

/// The values of a stream of progress, which must grow.
async fn watch(progress: impl futures::Stream<Item = TransferProgress> + Unpin) -> Vec<u64> {
    let reads: Vec<u64> = progress.map(|progress| progress.read).collect().await;
    assert!(reads.is_sorted_by(|a, b| a < b), "{reads:?}");
    reads
}

#[tokio::test(start_paused = true)]
async fn a_transfer_is_written_and_read_as_a_stream_with_progress() {
    let mut net = Net::new();
    let [a, mut b] = members(&mut net, [Config::default(), Config::default()]).await;
    for size in [Some(SIZE as u64), None] {
        let mut sender = a.peer.open_transfer(&b.id(), &event(1), size).unwrap();
        let sent = tokio::spawn(watch(sender.progress()));
        let send = async {
            sender.write_all(&bytes(SIZE)).await.unwrap();
            sender.close().await.unwrap();
            sender.finish().await.unwrap()
        };
        let receive = async {
            let mut receiver = accept(&mut b).await;
            assert_eq!(receiver.size(), size);
            let again = b.peer.accept(receiver.id().clone()).unwrap_err();
            assert!(matches!(again, StreamError::Accepted), "{again:?}");
            let read = tokio::spawn(watch(receiver.progress()));
            let mut data = Vec::new();
            receiver.read_to_end(&mut data).await.unwrap();
            drop(receiver);
            (data, read.await.unwrap())
        };
        let (outcome, (data, read)) = soon(async { tokio::join!(send, receive) }).await;
        assert_eq!(outcome, TransferOutcome::Delivered);
        assert!(data == bytes(SIZE));
        let sent = sent.await.unwrap();
        for reads in [read, sent] {
            assert_eq!((reads.first(), reads.last()), (Some(&0), Some(&(SIZE as u64))));
            assert!(reads.len() > 4, "{reads:?}");
        }
    }
}

#[tokio::test(start_paused = true)]
async fn a_transfer_that_is_dropped_is_cancelled() {
    let mut net = Net::new();
    let [mut a, mut b] = members(&mut net, [Config::default(), Config::default()]).await;
    // By the sender.
    let mut sender = a.peer.open_transfer(&b.id(), &event(1), None).unwrap();
    sender.send(vec![1; 1000].into()).await.unwrap();
    let mut receiver = accept(&mut b).await;
    assert_eq!(receiver.next().await.unwrap().unwrap().len(), 1000);
    drop(sender);
    let error = soon(receiver.next()).await.unwrap_err();
    assert!(matches!(error, StreamError::Transfer(TransferError::Unknown(_))), "{error:?}");
    // By the receiver.
    let mut sender = a.peer.open_transfer(&b.id(), &event(2), None).unwrap();
    drop(accept(&mut b).await);
    let error = soon(sender.write_all(&bytes(SIZE))).await.unwrap_err();
    assert_eq!(error.kind(), std::io::ErrorKind::ConnectionAborted);
    sender.close().await.unwrap_err();
    assert_eq!(soon(sender.finish()).await.unwrap(), TransferOutcome::Refused);
    // One whose end was marked goes on, and the application learns the outcome.
    let mut sender = a.peer.open_transfer(&b.id(), &event(3), None).unwrap();
    sender.send(vec![1; 1000].into()).await.unwrap();
    sender.close().await.unwrap();
    drop(sender);
    let mut data = Vec::new();
    soon(accept(&mut b).await.read_to_end(&mut data)).await.unwrap();
    assert_eq!(data.len(), 1000);
    let ended = a.until(|event| matches!(event, Event::TransferEnded { .. })).await;
    assert!(matches!(ended, Event::TransferEnded { outcome: TransferOutcome::Delivered, .. }));
}

#[tokio::test(start_paused = true)]
async fn a_transfer_of_another_size_than_announced_fails() {
    let mut net = Net::new();
    let [a, b] = members(&mut net, [Config::default(), Config::default()]).await;
    let mut sender = a.peer.open_transfer(&b.id(), &event(1), Some(10)).unwrap();
    let error = soon(sender.write_all(&[0; 11])).await.unwrap_err();
    assert_eq!(error.kind(), std::io::ErrorKind::InvalidInput);
    soon(sender.write_all(&[0; 9])).await.unwrap();
    let error = soon(sender.finish()).await.unwrap_err();
    assert!(
        matches!(error, StreamError::Transfer(TransferError::Incomplete { got: 9, size: 10 })),
        "{error:?}"
    );
}

#[tokio::test(start_paused = true)]
async fn one_source_goes_to_several_receivers_at_the_slowest_pace() {
    let mut net = Net::new();
    let configs = [(); 4].map(|()| Config::default().with_transfer_window(100_000));
    let [a, mut b, mut c, mut d] = members(&mut net, configs).await;
    let ids = [b.id(), c.id(), d.id(), a.id()];
    let data = bytes(SIZE);
    let peer = a.peer.clone();
    let source = futures::io::Cursor::new(data.clone());
    let (to, packet) = (ids.clone(), event(1));
    let sending =
        tokio::spawn(
            async move { peer.send_transfer(to, &packet, Some(SIZE as u64), source).await },
        );
    // Reads everything at once.
    let fast = accept(&mut b).await;
    let progress = fast.progress();
    let fast = tokio::spawn(async move {
        let (mut data, mut fast) = (Vec::new(), fast);
        fast.read_to_end(&mut data).await.map(|_| data)
    });
    // Leaves in the middle.
    let mut leaves = accept(&mut c).await;
    leaves.next().await.unwrap();
    drop(leaves);
    // Waits.
    let mut slow = accept(&mut d).await;
    tokio::time::sleep(Duration::from_secs(5)).await;
    let ahead = progress.map(|progress| progress.read).next().await.unwrap();
    assert!((1..700_000).contains(&ahead), "{ahead} bytes ahead of a receiver that does not read");
    let mut read = Vec::new();
    soon(slow.read_to_end(&mut read)).await.unwrap();
    assert!(read == data && fast.await.unwrap().unwrap() == data);
    let outcomes = soon(sending).await.unwrap().unwrap();
    assert_eq!(outcomes.iter().map(|(peer, _)| peer.clone()).collect::<Vec<_>>(), ids);
    let [(_, Ok(b)), (_, Ok(c)), (_, Ok(d)), (_, Err(StreamError::Open(_)))] = &outcomes[..] else {
        panic!("{outcomes:?}")
    };
    use TransferOutcome::{Delivered, Refused};
    assert_eq!((*b, *c, *d), (Delivered, Refused, Delivered));
}

#[tokio::test(start_paused = true)]
async fn one_source_to_several_receivers_has_progress_per_receiver() {
    let mut net = Net::new();
    let [a, mut b, mut c] = members(&mut net, [(); 3].map(|()| Config::default())).await;
    let source = futures::io::Cursor::new(bytes(SIZE));
    let ids = [b.id(), c.id(), a.id()];
    let sending = a.peer.send_transfer(ids.clone(), &event(1), Some(SIZE as u64), source);
    // The last one could not be opened, and has none.
    let progress = tokio::spawn(sending.progress().collect::<Vec<_>>());
    let late = sending.progress();
    let read = async |member: &mut Member| {
        accept(member).await.read_to_end(&mut Vec::new()).await.unwrap();
    };
    let reading = async { tokio::join!(read(&mut b), read(&mut c)) };
    let (outcomes, _) = soon(async { tokio::join!(sending, reading) }).await;
    assert_eq!(outcomes.unwrap().len(), 3);
    let progress = soon(progress).await.unwrap();
    for id in &ids[..2] {
        let of_one = progress.iter().filter(|(peer, _)| peer == id);
        let reads: Vec<_> = of_one.map(|(_, progress)| progress.read).collect();
        assert!(reads.is_sorted_by(|a, b| a < b) && reads.len() > 4, "{reads:?}");
        assert_eq!((reads.first(), reads.last()), (Some(&0), Some(&(SIZE as u64))));
    }
    assert!(progress.iter().all(|(peer, _)| ids[..2].contains(peer)));
    assert_eq!(soon(late.count()).await, 2, "the end is the only value that was not seen");
}

#[tokio::test(start_paused = true)]
async fn a_source_that_fails_cancels_the_transfers() {
    let mut net = Net::new();
    let [a, mut b] = members(&mut net, [Config::default(), Config::default()]).await;
    let start = futures::io::Cursor::new(bytes(1000));
    let failing = futures::stream::iter([Err::<Vec<u8>, _>(std::io::Error::other("torn"))]);
    let source = start.chain(failing.into_async_read());
    let (to, packet) = ([b.id()], event(1));
    let (sent, mut receiver) = soon(async {
        tokio::join!(a.peer.send_transfer(to, &packet, None, source), accept(&mut b))
    })
    .await;
    assert_eq!(sent.unwrap_err().to_string(), "torn");
    let error = soon(receiver.read_to_end(&mut Vec::new())).await.unwrap_err();
    assert_eq!(error.kind(), std::io::ErrorKind::ConnectionAborted);
}

#[tokio::test(start_paused = true)]
async fn a_transfer_that_is_refused_ends_for_the_sender_and_makes_room_for_another() {
    let mut net = Net::new();
    let config = || Config::default().with_max_transfers(1);
    let [a, mut b] = members(&mut net, [config(), config()]).await;
    for number in 0..3 {
        let sender = a.peer.open_transfer(&b.id(), &event(number), None).unwrap();
        let opened = b.until(|event| matches!(event, Event::TransferOpened { .. })).await;
        let Event::TransferOpened { transfer, .. } = opened else { panic!("{opened:?}") };
        b.peer.refuse(&transfer).unwrap();
        assert_eq!(soon(sender.finish()).await.unwrap(), TransferOutcome::Refused);
        for again in [b.peer.refuse(&transfer), b.peer.accept(transfer).map(drop)] {
            assert!(matches!(again, Err(StreamError::Transfer(TransferError::Unknown(_)))));
        }
    }
    let _sender = a.peer.open_transfer(&b.id(), &event(4), None).unwrap();
    let accepted = accept(&mut b).await;
    let error = b.peer.refuse(accepted.id()).unwrap_err();
    assert!(matches!(error, StreamError::Accepted), "{error:?}");
}
