//! The async driver, on in-memory transports and tokio's paused clock.

mod room;
mod wake_ups;

use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::task::{Context, Poll};
use std::time::Duration;

use bytes::Bytes;
use futures::channel::mpsc;
use futures::{FutureExt as _, Sink, SinkExt as _, Stream, StreamExt as _};
use socketio_p2p_core::driver::{
    Clock, DirectCommand, DirectEvent, DirectTransport, Driver, Signaling, SignalingChannel,
    TransportError, async_trait,
};
use socketio_p2p_core::hub::HubConfig;
use socketio_p2p_core::{
    Config, ConnectionId, DirectStage, DirectState, Emitted, Event, Frame, Packet, Path, Session,
    Target, Time, TransferOutcome, TransferRead,
};
use socketio_p2p_transport_memory::{
    MemoryChannel, MemoryDirect, MemoryNetwork, MemorySignaling, channel, conformance,
};

/// Tokio's clock, which advances when it is paused and no task is ready.
#[derive(Clone)]
pub(crate) struct TestClock(tokio::time::Instant);

#[async_trait]
impl Clock for TestClock {
    fn now(&self) -> Time {
        Time::from_nanos(u64::try_from(self.0.elapsed().as_nanos()).unwrap())
    }

    async fn sleep(&self, duration: Duration) {
        tokio::time::sleep(duration).await;
    }
}

pub(crate) type Peer = Driver<MemorySignaling, MemoryDirect, TestClock>;

pub(crate) struct Net {
    network: MemoryNetwork,
    clock: TestClock,
    peers: u8,
}

impl Net {
    pub(crate) fn new() -> Self {
        let clock = TestClock(tokio::time::Instant::now());
        let network = MemoryNetwork::new(HubConfig::default(), [0; 32], clock.clone());
        let timers = network.clone();
        tokio::spawn(async move { timers.run().await });
        Self { network, clock, peers: 0 }
    }

    pub(crate) fn peer(&mut self, config: Config) -> Peer {
        self.peers += 1;
        let (signaling, direct) = (self.network.signaling(), self.network.direct());
        Driver::new(config, [self.peers; 32], signaling, direct, self.clock.clone()).unwrap()
    }
}

/// Polls both drivers until an event of `first` matches.
async fn until(
    first: &mut (impl Stream<Item = Event> + Unpin),
    second: &mut (impl Stream<Item = Event> + Unpin),
    is: impl Fn(&Event) -> bool,
) -> Event {
    let wait = async {
        loop {
            tokio::select! {
                event = first.next() => {
                    let event = event.expect("the driver has not closed");
                    if is(&event) {
                        return event;
                    }
                }
                Some(_) = second.next() => {}
            }
        }
    };
    tokio::time::timeout(Duration::from_secs(60), wait).await.expect("the event within a minute")
}

fn emit<D: DirectTransport>(
    driver: &mut Driver<MemorySignaling, D, TestClock>,
    event: &Packet,
) -> Emitted {
    driver.with(|session, now| session.emit(Target::All, event, now)).unwrap()
}

fn direct(event: &Event) -> bool {
    matches!(event, Event::PathChanged { path: Path::Direct, .. })
}

#[tokio::test(start_paused = true)]
async fn two_drivers_join_upgrade_and_exchange_events() {
    let mut net = Net::new();
    let (mut a, mut b) = (net.peer(Config::default()), net.peer(Config::default()));
    until(&mut a, &mut b, direct).await;
    emit(&mut a, &Packet::event("peer-msg", &("hi",)).unwrap());
    let received = until(&mut b, &mut a, |event| matches!(event, Event::Received { .. })).await;
    let Event::Received { path: Path::Direct, packet, .. } = received else {
        panic!("{received:?}")
    };
    assert_eq!(packet.args::<(&str,)>().unwrap(), ("hi",));
}

#[tokio::test(start_paused = true)]
async fn the_transports_reports_become_states_of_the_direct_path() {
    let mut net = Net::new();
    let (mut a, mut b) = (net.peer(Config::default()), net.peer(Config::default()));
    let is_opening = |event: &Event| {
        let stage = DirectStage::Channel;
        let opening = DirectState::Trying { attempt: 1, stage };
        matches!(event, Event::DirectChanged { state, .. } if *state == opening)
    };
    until(&mut a, &mut b, is_opening).await;
    until(&mut a, &mut b, |event| {
        matches!(event, Event::DirectChanged { state: DirectState::Direct, .. })
    })
    .await;
}

#[tokio::test(start_paused = true)]
async fn a_closed_driver_delivers_its_events_says_good_bye_and_ends() {
    let mut net = Net::new();
    let (mut a, mut b) = (net.peer(Config::default()), net.peer(Config::default()));
    until(&mut a, &mut b, direct).await;
    emit(&mut a, &Packet::event("last", &(vec![0_u8; 10],)).unwrap());
    a.with(Session::close);
    let (ended, events) = tokio::join!(async { while a.next().await.is_some() {} }, async {
        let mut events = Vec::new();
        while !events.iter().any(|event| matches!(event, Event::PeerLeft { .. })) {
            events.extend(b.next().await);
        }
        events
    });
    let () = ended;
    let received = events.iter().position(|event| matches!(event, Event::Received { .. }));
    assert!(received.is_some(), "{events:?}");
}

#[tokio::test(start_paused = true)]
async fn a_dropped_driver_has_left_after_the_resume_window() {
    let mut net = Net::new();
    let (mut a, mut b) = (net.peer(Config::default()), net.peer(Config::default()));
    until(&mut a, &mut b, direct).await;
    let start = tokio::time::Instant::now();
    drop(b);
    let left = async { while !matches!(a.next().await, Some(Event::PeerLeft { .. })) {} };
    tokio::time::timeout(Duration::from_secs(60), left).await.expect("the peer has left");
    assert!(start.elapsed() <= Duration::from_secs(10), "{:?}", start.elapsed());
}

#[tokio::test(start_paused = true)]
async fn a_receiver_that_takes_no_events_blocks_the_sender() {
    let mut net = Net::new();
    let (mut a, mut b) = (net.peer(Config::default()), net.peer(Config::default()));
    until(&mut a, &mut b, direct).await;
    let event = Packet::event("text", &("x".repeat(10_000),)).unwrap();
    let mut accepted = 0;
    // Only the sender's driver is polled.
    let blocked = async {
        loop {
            let emitted = emit(&mut a, &event);
            if !emitted.rejected.is_empty() {
                return;
            }
            accepted += emitted.accepted.len();
            drop(tokio::time::timeout(Duration::from_millis(1), a.next()).await);
        }
    };
    tokio::time::timeout(Duration::from_secs(60), blocked).await.expect("the queue fills");
    assert!((50..400).contains(&accepted), "{accepted} events of 10 kB");
    let mut received = 0;
    while received < accepted {
        until(&mut b, &mut a, |event| matches!(event, Event::Received { .. })).await;
        received += 1;
    }
}

/// A signalling transport with one given channel.
struct Given<C>(Option<C>);

#[async_trait]
impl<C: SignalingChannel + 'static> Signaling for Given<C> {
    type Channel = C;

    async fn connect(&mut self) -> Result<C, TransportError> {
        self.0.take().ok_or_else(|| TransportError("there is no other channel".into()))
    }
}

/// A direct transport whose events come from the test.
struct Told(mpsc::Receiver<DirectEvent<MemoryChannel>>);

impl Stream for Told {
    type Item = DirectEvent<MemoryChannel>;

    fn poll_next(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Self::Item>> {
        self.0.poll_next_unpin(cx)
    }
}

impl DirectTransport for Told {
    type Channel = MemoryChannel;

    fn execute(&mut self, _: DirectCommand) {}
}

/// A direct transport whose connections get this datagram channel, before or after their data channel.
struct Tapped {
    inner: MemoryDirect,
    channel: Option<MemoryChannel>,
    datagrams_first: bool,
    next: Option<DirectEvent<MemoryChannel>>,
}

impl Stream for Tapped {
    type Item = DirectEvent<MemoryChannel>;

    fn poll_next(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Self::Item>> {
        if let Some(event) = self.next.take() {
            return Poll::Ready(Some(event));
        }
        loop {
            return match std::task::ready!(self.inner.poll_next_unpin(cx)) {
                Some(DirectEvent::Datagrams { .. }) => continue,
                Some(DirectEvent::Open { connection, channel, max_message }) => {
                    let mut open = DirectEvent::Open { connection, channel, max_message };
                    if let Some(channel) = self.channel.take() {
                        let mut datagrams = DirectEvent::Datagrams { connection, channel };
                        if self.datagrams_first {
                            std::mem::swap(&mut open, &mut datagrams);
                        }
                        self.next = Some(datagrams);
                    }
                    Poll::Ready(Some(open))
                }
                event => Poll::Ready(event),
            };
        }
    }
}

impl DirectTransport for Tapped {
    type Channel = MemoryChannel;

    fn execute(&mut self, command: DirectCommand) {
        self.inner.execute(command);
    }
}

#[tokio::test(start_paused = true)]
async fn a_datagram_channel_is_read_beside_the_data_channel_and_ends_alone() {
    for datagrams_first in [false, true] {
        let mut net = Net::new();
        let mut b = net.peer(Config::default());
        let (ours, mut theirs) = channel(1);
        let (signaling, inner) = (net.network.signaling(), net.network.direct());
        let tapped = Tapped { inner, channel: Some(ours), datagrams_first, next: None };
        let mut a =
            Driver::new(Config::default(), [9; 32], signaling, tapped, net.clock.clone()).unwrap();
        until(&mut a, &mut b, direct).await;

        // More than the channel's capacity: all arrive because the driver reads them.
        let datagrams = async {
            for _ in 0..100 {
                theirs.send(Frame::from(vec![7; 100])).await.unwrap();
            }
        };
        tokio::select! {
            () = datagrams => {}
            event = until(&mut a, &mut b, |_| false) => panic!("{event:?}"),
        }
        drop(theirs);

        for n in 0..3 {
            emit(&mut b, &Packet::event("peer-msg", &(n,)).unwrap());
            let event = until(&mut a, &mut b, |event| !matches!(event, Event::Ready)).await;
            let Event::Received { path: Path::Direct, packet, .. } = event else {
                panic!("{event:?}")
            };
            assert_eq!(packet.args::<(i32,)>().unwrap(), (n,));
        }
    }
}

/// A signalling channel that accepts everything, sends the same frame without end, and closes slowly.
#[derive(Clone, Default)]
struct Chatty {
    says: Option<&'static str>,
    said: Arc<AtomicUsize>,
    closes: Arc<AtomicUsize>,
}

const CLOSE_POLLS: usize = 5;

impl Stream for Chatty {
    type Item = Result<Frame, TransportError>;

    fn poll_next(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<Option<Self::Item>> {
        let Some(says) = self.says else { return Poll::Pending };
        if self.said.fetch_add(1, Ordering::Relaxed) > 100_000 {
            return Poll::Pending;
        }
        Poll::Ready(Some(Ok(says.into())))
    }
}

impl Sink<Frame> for Chatty {
    type Error = TransportError;

    fn poll_ready(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<Result<(), Self::Error>> {
        Poll::Ready(Ok(()))
    }

    fn start_send(self: Pin<&mut Self>, _: Frame) -> Result<(), Self::Error> {
        Ok(())
    }

    fn poll_flush(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<Result<(), Self::Error>> {
        Poll::Ready(Ok(()))
    }

    fn poll_close(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Result<(), Self::Error>> {
        if self.closes.fetch_add(1, Ordering::Relaxed) < CLOSE_POLLS {
            cx.waker().wake_by_ref();
            return Poll::Pending;
        }
        Poll::Ready(Ok(()))
    }
}

fn told(
    channel: Chatty,
) -> (mpsc::Sender<DirectEvent<MemoryChannel>>, Driver<Given<Chatty>, Told, TestClock>) {
    let (tell, told) = mpsc::channel(8);
    let clock = TestClock(tokio::time::Instant::now());
    (
        tell,
        Driver::new(Config::default(), [1; 32], Given(Some(channel)), Told(told), clock).unwrap(),
    )
}

#[tokio::test(start_paused = true)]
async fn the_stream_ends_when_the_signalling_channel_has_closed() {
    let channel = Chatty::default();
    let (_tell, mut driver) = told(channel.clone());
    drop(tokio::time::timeout(Duration::from_millis(1), driver.next()).await);
    driver.with(Session::close);
    while driver.next().await.is_some() {}
    assert_eq!(channel.closes.load(Ordering::Relaxed), CLOSE_POLLS + 1);
}

#[tokio::test(start_paused = true)]
async fn a_channel_that_opens_after_its_connection_is_over_is_dropped() {
    let (mut tell, mut driver) = told(Chatty::default());
    let (ours, mut theirs) = channel(1);
    let connection = ConnectionId::from_u64(7);
    let open = DirectEvent::Open { connection, channel: ours, max_message: 1000 };
    tell.try_send(open).unwrap();
    drop(tokio::time::timeout(Duration::from_millis(1), driver.next()).await);
    assert!(matches!(theirs.next().now_or_never(), Some(None)), "the channel is kept");
}

#[tokio::test(start_paused = true)]
async fn a_server_that_sends_without_pause_does_not_occupy_the_task() {
    let channel = Chatty { says: Some("2/elsewhere,[\"x\"]"), ..Chatty::default() };
    let (_tell, mut driver) = told(channel.clone());
    assert!(driver.next().now_or_never().is_none());
    assert!(channel.said.load(Ordering::Relaxed) < 1000);
}

/// Writes `size` bytes to the first peer that joins, as the transfer accepts them. Returns the outcome.
async fn upload(peer: &mut Peer, size: usize) -> TransferOutcome {
    let file = Packet::event("file", &("holiday.mp4",)).unwrap();
    let mut data = Bytes::from(vec![7; size]);
    while let Some(event) = peer.next().await {
        match event {
            Event::PeerJoined { peer: other, .. } => {
                peer.with(|session, now| {
                    session.open_transfer(&other, &file, Some(size as u64), now)
                })
                .unwrap();
            }
            Event::TransferWritable { transfer } => {
                peer.with(|session, now| session.write_transfer(&transfer, &mut data, now))
                    .unwrap();
                if data.is_empty() {
                    peer.with(|session, now| session.finish_transfer(&transfer, now)).unwrap();
                }
            }
            Event::TransferEnded { outcome, .. } => return outcome,
            _ => {}
        }
    }
    panic!("the driver ended")
}

/// Reads transfers without end.
async fn download(peer: &mut Peer, read: &mut usize) {
    while let Some(event) = peer.next().await {
        let Event::TransferReadable { transfer } = event else { continue };
        while let TransferRead::Data(bytes) =
            peer.with(|session, now| session.read_transfer(&transfer, now)).unwrap()
        {
            *read += bytes.len();
        }
    }
}

#[tokio::test(start_paused = true)]
async fn a_transfer_between_drivers_follows_the_readers_pace() {
    let mut net = Net::new();
    let (mut a, mut b) = (net.peer(Config::default()), net.peer(Config::default()));
    let mut read = 0;
    let outcome = tokio::select! {
        outcome = upload(&mut a, 3_000_000) => outcome,
        () = download(&mut b, &mut read) => panic!("the driver ended"),
        () = tokio::time::sleep(Duration::from_secs(60)) => panic!("it takes longer than a minute"),
    };
    assert_eq!((outcome, read), (TransferOutcome::Delivered, 3_000_000));
}

#[tokio::test(start_paused = true)]
async fn the_memory_transports_conform_to_the_contract() {
    let Net { network, clock, .. } = Net::new();
    conformance::direct(network.direct(), network.direct(), &clock).await.unwrap();
    conformance::signaling(network.signaling(), &clock).await.unwrap();
}
