//! Direct connections of the in-memory network.

use std::time::Duration;

use futures::{FutureExt as _, SinkExt as _, StreamExt as _};
use socketio_p2p_core::driver::{Clock, DirectEvent, DirectTransport as _, async_trait};
use socketio_p2p_core::hub::HubConfig;
use socketio_p2p_core::wire::Signal;
use socketio_p2p_core::{ConnectionId, DirectCommand, DirectStage, Frame, Time};
use socketio_p2p_transport_memory::{MemoryChannel, MemoryDirect, MemoryNetwork};

const ONE: ConnectionId = ConnectionId::from_u64(1);
const TWO: ConnectionId = ConnectionId::from_u64(2);

/// Nothing here waits.
struct StoppedClock;

#[async_trait]
impl Clock for StoppedClock {
    fn now(&self) -> Time {
        Time::from_nanos(0)
    }

    async fn sleep(&self, _: Duration) {
        std::future::pending().await
    }
}

fn next(direct: &mut MemoryDirect) -> Option<DirectEvent<MemoryChannel>> {
    direct.next().now_or_never().flatten()
}

/// What an end has after the connection was made.
struct End {
    data: MemoryChannel,
    datagrams: Option<MemoryChannel>,
}

fn opened(direct: &mut MemoryDirect) -> End {
    let Some(DirectEvent::Report { report, .. }) = next(direct) else { panic!("no report") };
    assert_eq!((report.stage, report.local.host), (DirectStage::Channel, 1));
    let Some(DirectEvent::Open { channel: data, .. }) = next(direct) else { panic!("not open") };
    let datagrams = next(direct).map(|event| match event {
        DirectEvent::Datagrams { channel, .. } => channel,
        other => panic!("{other:?}"),
    });
    End { data, datagrams }
}

fn connect(offer_datagrams: bool, answer_datagrams: bool) -> (End, End) {
    let network = MemoryNetwork::new(HubConfig::default(), [0; 32], StoppedClock);
    let (mut offerer, mut answerer) = (network.direct(), network.direct());
    let (ice_servers, datagrams) = (vec![], offer_datagrams);
    offerer.execute(DirectCommand::Offer { connection: ONE, ice_servers, datagrams });
    let Some(DirectEvent::Signal { signal: Signal::Offer(sdp), .. }) = next(&mut offerer) else {
        panic!("no offer")
    };
    let (ice_servers, datagrams) = (vec![], answer_datagrams);
    answerer.execute(DirectCommand::Answer { connection: TWO, ice_servers, sdp, datagrams });
    let Some(DirectEvent::Signal { signal, .. }) = next(&mut answerer) else { panic!("no answer") };
    offerer.execute(DirectCommand::Signal { connection: ONE, signal });
    (opened(&mut offerer), opened(&mut answerer))
}

fn read_all(channel: &mut MemoryChannel) -> Vec<Frame> {
    std::iter::from_fn(|| channel.next().now_or_never().flatten()).map(Result::unwrap).collect()
}

#[test]
fn both_ends_have_a_datagram_channel_when_both_want_one() {
    for (offer, answer) in [(false, false), (false, true), (true, false), (true, true)] {
        let (near, far) = connect(offer, answer);
        let has = (near.datagrams.is_some(), far.datagrams.is_some());
        assert_eq!(has, (offer && answer, offer && answer), "{offer} {answer}");
    }
}

#[test]
fn datagrams_arrive_and_those_beyond_the_bound_are_dropped() {
    let (near, far) = connect(true, true);
    let (mut near, mut far) = (near.datagrams.unwrap(), far.datagrams.unwrap());
    assert_bounded(&mut near, &mut far);
    assert_bounded(&mut far, &mut near);
    drop(far);
    let error = near.send(Frame::from("x")).now_or_never().unwrap().unwrap_err();
    assert_eq!(error.0, "the other end of the memory channel is gone");
}

fn assert_bounded(sender: &mut MemoryChannel, receiver: &mut MemoryChannel) {
    for n in 0..100_u8 {
        sender.send(Frame::from(vec![n])).now_or_never().unwrap().unwrap();
    }
    let first: Vec<Frame> = (0..64_u8).map(|n| Frame::from(vec![n])).collect();
    assert_eq!(read_all(receiver), first);
    sender.send(Frame::from("again")).now_or_never().unwrap().unwrap();
    assert_eq!(read_all(receiver), [Frame::from("again")]);
}

#[test]
fn the_data_channel_passes_while_nobody_reads_datagrams_and_waits_when_it_is_full() {
    let (mut near, mut far) = connect(true, true);
    let datagrams = near.datagrams.as_mut().unwrap();
    for n in 0..100_u8 {
        datagrams.send(Frame::from(vec![n])).now_or_never().unwrap().unwrap();
    }
    let mut taken = 0_usize;
    while near.data.send(Frame::from("event")).now_or_never().is_some() {
        taken += 1;
        assert!(taken < 1_000, "the data channel never waits");
    }
    assert_eq!(read_all(&mut far.data).len(), taken);
}
