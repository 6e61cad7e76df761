//! A driver with direct channels to many v0 clients, polled by hand. The driver's bench uses it too.

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

/// The capacity of a channel, in messages per direction.
const CAPACITY: usize = 4;

/// A driver in a room of v0 clients, with an open channel to each.
pub(crate) struct Room {
    pub(crate) driver: Driver<Server, Direct, RealClock>,
    /// The clients' sides of the channels.
    pub(crate) clients: Vec<MemoryChannel>,
    /// The number of polls of each channel's stream.
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
        // The driver yields to other tasks from time to time.
        for _ in 0..100 {
            while room.poll(Waker::noop()).is_some() {}
        }
        assert_eq!(room.driver.session().peers().filter(|peer| peer.validated).count(), size);
        room
    }

    /// Returns the driver's next event, or `None` while the driver waits.
    pub(crate) fn poll(&mut self, waker: &Waker) -> Option<Event> {
        match self.driver.poll_next_unpin(&mut Context::from_waker(waker)) {
            Poll::Ready(event) => event,
            Poll::Pending => None,
        }
    }

    /// Sends a message from one client.
    pub(crate) fn send(&mut self, client: usize, frame: Frame) {
        let channel = &mut self.clients[client];
        let ready = channel.poll_ready_unpin(&mut Context::from_waker(Waker::noop()));
        assert!(ready.is_ready(), "the channel is full");
        channel.start_send_unpin(frame).expect("the channel is open");
    }

    /// Returns the number of polls of each channel since the last call.
    #[allow(dead_code, reason = "the bench counts nothing")]
    pub(crate) fn take_polls(&self) -> Vec<usize> {
        self.polls.iter().map(|polls| polls.swap(0, Ordering::Relaxed)).collect()
    }
}

/// The time since its creation, without wake-ups.
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

/// A server with v0 clients in its room.
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

/// A signalling channel that accepts everything.
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

/// A direct transport that opens a channel for each offer at once.
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

/// A channel that counts the polls of its stream.
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
