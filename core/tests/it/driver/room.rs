//! A driver with direct channels to many original clients, polled by hand. The driver's bench uses it too.

use std::collections::VecDeque;
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::task::{Context, Poll, Waker};
use std::time::Duration;

use futures::{Sink, SinkExt as _, Stream, StreamExt as _};
use socketio_p2p_core::driver::{
    Clock, DirectCommand, DirectEvent, DirectTransport, Driver, Signaling, TransportError,
    async_trait,
};
use socketio_p2p_core::{Config, Event, Frame, Time};
use socketio_p2p_transport_memory::{MemoryChannel, channel};
use tokio::time::Instant;

/// Messages that a channel holds in each direction.
const CAPACITY: usize = 4;

/// A driver in a room of original clients, with an open channel to each.
pub(crate) struct Room {
    pub(crate) driver: Driver<Server, Direct, RealClock>,
    /// The clients' ends of the channels.
    pub(crate) clients: Vec<MemoryChannel>,
    /// How often the driver has polled the stream of each channel.
    polls: Vec<Arc<AtomicUsize>>,
}

impl Room {
    pub(crate) fn new(size: usize) -> Self {
        let (mut clients, mut polls) = (Vec::new(), Vec::new());
        let channels = (0..size).map(|_| {
            let (ours, theirs) = channel(CAPACITY);
            clients.push(theirs);
            polls.push(Arc::default());
            Counted { inner: ours, polls: Arc::clone(&polls[polls.len() - 1]) }
        });
        let direct = Direct { channels: channels.collect(), events: VecDeque::new() };
        let config = Config::default().with_max_peers(size);
        let clock = RealClock(Instant::now());
        let driver = Driver::new(config, [1; 32], Server { size }, direct, clock);
        let mut room = Self { driver: driver.unwrap(), clients, polls };
        // The driver lets other tasks have their turn now and then.
        for _ in 0..100 {
            while room.poll(Waker::noop()).is_some() {}
        }
        assert_eq!(room.driver.session().peers().filter(|peer| peer.validated).count(), size);
        room
    }

    /// The driver's next event, unless it waits.
    pub(crate) fn poll(&mut self, waker: &Waker) -> Option<Event> {
        match self.driver.poll_next_unpin(&mut Context::from_waker(waker)) {
            Poll::Ready(event) => event,
            Poll::Pending => None,
        }
    }

    /// One client sends a message.
    pub(crate) fn send(&mut self, client: usize, frame: Frame) {
        let channel = &mut self.clients[client];
        let ready = channel.poll_ready_unpin(&mut Context::from_waker(Waker::noop()));
        assert!(ready.is_ready(), "the channel is full");
        channel.start_send_unpin(frame).expect("the channel is open");
    }

    /// How often each channel was polled since this was called last.
    #[allow(dead_code, reason = "the bench counts nothing")]
    pub(crate) fn take_polls(&self) -> Vec<usize> {
        self.polls.iter().map(|polls| polls.swap(0, Ordering::Relaxed)).collect()
    }
}

/// The time since its making. It never wakes anybody.
pub(crate) struct RealClock(Instant);

#[async_trait]
impl Clock for RealClock {
    fn now(&self) -> Time {
        Time::from_nanos(u64::try_from(self.0.elapsed().as_nanos()).unwrap())
    }

    async fn sleep(&self, _: Duration) {
        std::future::pending().await
    }
}

/// A server with so many original clients in its room.
pub(crate) struct Server {
    size: usize,
}

#[async_trait]
impl Signaling for Server {
    type Channel = ServerChannel;

    async fn connect(&mut self) -> Result<ServerChannel, TransportError> {
        let members: Vec<_> =
            (0..self.size).map(|n| format!(r#"{{"id":"c{n:04}","v":0}}"#)).collect();
        let limits = r#"{"maxEnvelope":100000,"maxAttachments":10}"#;
        let welcome = format!(
            r#"{{"v":1,"id":"me","token":"t","room":"r","roster":[{}],"limits":{limits}}}"#,
            members.join(",")
        );
        let welcome = format!(r#"2["numClients",{},{welcome}]"#, self.size);
        let says = VecDeque::from([Frame::from(r#"0{"sid":"s"}"#), Frame::from(welcome)]);
        Ok(ServerChannel { says })
    }
}

/// It takes everything.
pub(crate) struct ServerChannel {
    says: VecDeque<Frame>,
}

impl Stream for ServerChannel {
    type Item = Result<Frame, TransportError>;

    fn poll_next(mut self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<Option<Self::Item>> {
        self.says.pop_front().map_or(Poll::Pending, |frame| Poll::Ready(Some(Ok(frame))))
    }
}

impl Sink<Frame> for ServerChannel {
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

    fn poll_close(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<Result<(), Self::Error>> {
        Poll::Ready(Ok(()))
    }
}

/// Opens a channel for each offer at once.
pub(crate) struct Direct {
    channels: VecDeque<Counted>,
    events: VecDeque<DirectEvent<Counted>>,
}

impl Stream for Direct {
    type Item = DirectEvent<Counted>;

    fn poll_next(mut self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<Option<Self::Item>> {
        self.events.pop_front().map_or(Poll::Pending, |event| Poll::Ready(Some(event)))
    }
}

impl DirectTransport for Direct {
    type Channel = Counted;

    fn execute(&mut self, command: DirectCommand) {
        if let DirectCommand::Offer { connection, .. } = command {
            let channel = self.channels.pop_front().expect("there is a channel for each client");
            self.events.push_back(DirectEvent::Open { connection, channel, max_message: 65_536 });
        }
    }
}

/// Counts how often its stream is polled.
pub(crate) struct Counted {
    inner: MemoryChannel,
    polls: Arc<AtomicUsize>,
}

impl Stream for Counted {
    type Item = Result<Frame, TransportError>;

    fn poll_next(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Self::Item>> {
        self.polls.fetch_add(1, Ordering::Relaxed);
        self.inner.poll_next_unpin(cx)
    }
}

impl Sink<Frame> for Counted {
    type Error = TransportError;

    fn poll_ready(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Result<(), Self::Error>> {
        self.inner.poll_ready_unpin(cx)
    }

    fn start_send(mut self: Pin<&mut Self>, frame: Frame) -> Result<(), Self::Error> {
        self.inner.start_send_unpin(frame)
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Result<(), Self::Error>> {
        self.inner.poll_flush_unpin(cx)
    }

    fn poll_close(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Result<(), Self::Error>> {
        self.inner.poll_close_unpin(cx)
    }
}
