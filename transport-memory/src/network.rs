//! A whole mesh in one process for the async driver, without a socket.

use std::collections::{BTreeMap, BTreeSet};
use std::pin::Pin;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::task::{Context, Poll};

use futures::channel::mpsc;
use futures::{Sink, Stream, StreamExt as _};
use socketio_p2p_core::driver::{
    Clock, DirectEvent, DirectTransport, Signaling, TransportError, async_trait,
};
use socketio_p2p_core::hub::{Departure, HubConfig};
use socketio_p2p_core::wire::Signal;
use socketio_p2p_core::{
    CandidateKind, CandidatePair, ConnectionId, ConnectionReport, DirectCommand, DirectStage, Frame,
};

use crate::broker::{Broker, End};
use crate::channel::{MemoryChannel, channel, datagram_channel};
use crate::server::{Server, ServerOutput, SocketId};

/// The maximum of frames that wait for a client; a client with more is disconnected, as a server does.
const CLIENT_QUEUE: usize = 1024;

/// The maximum of frames in flight in one direction of a direct connection.
const DIRECT_QUEUE: usize = 64;

/// The maximum of events of a direct transport that wait to be polled.
const EVENT_QUEUE: usize = 256;

/// The maximum length of a message of a direct connection, as with a browser.
const DIRECT_MAX_MESSAGE: usize = 256 << 10;

/// A hub and a direct network within one process, for the async driver.
///
/// ```
/// # use socketio_p2p_core::{Config, driver::{Clock, Driver}};
/// # use socketio_p2p_core::hub::HubConfig;
/// # use socketio_p2p_transport_memory::MemoryNetwork;
/// # fn put_together<C: Clock + Clone + Sync + 'static>(clock: C) {
/// let network = MemoryNetwork::new(HubConfig::default(), [1; 32], clock.clone());
/// let peer =
///     Driver::new(Config::default(), [2; 32], network.signaling(), network.direct(), clock).unwrap();
/// # drop(peer);
/// # }
/// ```
///
/// The hub's own timers (the end of a resume window) run while [`run`](Self::run) is polled.
#[derive(Clone)]
pub struct MemoryNetwork {
    state: Arc<Mutex<State>>,
    clock: Arc<dyn Clock + Sync>,
}

struct State {
    server: Server,
    clients: BTreeMap<SocketId, mpsc::Sender<Frame>>,
    next_socket: SocketId,
    broker: Broker,
    transports: Vec<mpsc::Sender<DirectEvent<MemoryChannel>>>,
}

impl std::fmt::Debug for MemoryNetwork {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("MemoryNetwork").field("clients", &self.lock().clients.len()).finish()
    }
}

impl MemoryNetwork {
    /// A network with a hub of these settings. `clock` is the one of the drivers on it.
    pub fn new(config: HubConfig, seed: [u8; 32], clock: impl Clock + Sync + 'static) -> Self {
        let state = State {
            server: Server::new(config, seed),
            clients: BTreeMap::new(),
            next_socket: 0,
            broker: Broker::default(),
            transports: Vec::new(),
        };
        Self { state: Arc::new(Mutex::new(state)), clock: Arc::new(clock) }
    }

    /// The signalling transport of one more peer.
    #[must_use]
    pub fn signaling(&self) -> MemorySignaling {
        MemorySignaling { network: self.clone() }
    }

    /// The direct transport of one more peer.
    #[must_use]
    pub fn direct(&self) -> MemoryDirect {
        let (sender, events) = mpsc::channel(EVENT_QUEUE);
        let mut state = self.lock();
        state.transports.push(sender);
        let owner = state.transports.len() - 1;
        MemoryDirect { network: self.clone(), owner, events, live: BTreeSet::new() }
    }

    /// Runs the hub's timers, forever.
    pub async fn run(&self) {
        const TICK: std::time::Duration = std::time::Duration::from_millis(50);
        loop {
            self.clock.sleep(TICK).await;
            let now = self.clock.now();
            let mut state = self.lock();
            if state.server.hub.poll_timeout().is_some_and(|at| at <= now) {
                let outputs = state.server.handle_timeout(now);
                state.send(outputs);
            }
        }
    }

    /// A panic elsewhere leaves the state consistent.
    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl State {
    fn send(&mut self, outputs: Vec<ServerOutput>) {
        for output in outputs {
            match output {
                ServerOutput::Send { socket, packet, .. } => {
                    let Some(client) = self.clients.get_mut(&socket) else { continue };
                    if packet.frames().any(|frame| client.try_send(frame).is_err()) {
                        // The client does not read, or has closed: its end of the channel ends.
                        self.clients.remove(&socket);
                    }
                }
                ServerOutput::Close(socket) => drop(self.clients.remove(&socket)),
            }
        }
    }

    fn report(&mut self, owner: usize, event: DirectEvent<MemoryChannel>) {
        if let Some(transport) = self.transports.get_mut(owner) {
            // A transport that is dropped or never polled misses events.
            drop(transport.try_send(event));
        }
    }

    fn close(&mut self, end: End) {
        if let Some((owner, connection)) = self.broker.close(end) {
            let error = TransportError("the other end closed the connection".into());
            self.report(owner, DirectEvent::Closed { connection, error });
        }
    }
}

/// A [`Signaling`] transport on a [`MemoryNetwork`].
#[derive(Debug)]
pub struct MemorySignaling {
    network: MemoryNetwork,
}

#[async_trait]
impl Signaling for MemorySignaling {
    type Channel = MemorySocket;

    async fn connect(&mut self) -> Result<MemorySocket, TransportError> {
        let mut state = self.network.lock();
        let socket = state.next_socket;
        state.next_socket += 1;
        let (sender, frames) = mpsc::channel(CLIENT_QUEUE);
        state.clients.insert(socket, sender);
        state.server.open(socket);
        drop(state);
        Ok(MemorySocket { network: self.network.clone(), socket, frames })
    }
}

/// A client's end of its connection with the hub of a [`MemoryNetwork`].
#[derive(Debug)]
pub struct MemorySocket {
    network: MemoryNetwork,
    socket: SocketId,
    frames: mpsc::Receiver<Frame>,
}

impl Stream for MemorySocket {
    type Item = Result<Frame, TransportError>;

    fn poll_next(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Self::Item>> {
        self.frames.poll_next_unpin(cx).map(|frame| frame.map(Ok))
    }
}

impl Sink<Frame> for MemorySocket {
    type Error = TransportError;

    fn poll_ready(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<Result<(), Self::Error>> {
        Poll::Ready(Ok(()))
    }

    fn start_send(self: Pin<&mut Self>, frame: Frame) -> Result<(), Self::Error> {
        let now = self.network.clock.now();
        let mut state = self.network.lock();
        let outputs = state.server.receive(self.socket, frame, now);
        state.send(outputs);
        Ok(())
    }

    fn poll_flush(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<Result<(), Self::Error>> {
        Poll::Ready(Ok(()))
    }

    fn poll_close(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<Result<(), Self::Error>> {
        Poll::Ready(Ok(()))
    }
}

impl Drop for MemorySocket {
    fn drop(&mut self) {
        let now = self.network.clock.now();
        let mut state = self.network.lock();
        state.clients.remove(&self.socket);
        let outputs = state.server.disconnect(self.socket, Departure::Lost, now);
        state.send(outputs);
    }
}

/// A [`DirectTransport`] on a [`MemoryNetwork`].
#[derive(Debug)]
pub struct MemoryDirect {
    network: MemoryNetwork,
    owner: usize,
    events: mpsc::Receiver<DirectEvent<MemoryChannel>>,
    /// The connections that have not been closed, at this end or by a failure.
    live: BTreeSet<ConnectionId>,
}

impl Stream for MemoryDirect {
    type Item = DirectEvent<MemoryChannel>;

    fn poll_next(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Self::Item>> {
        loop {
            let Some(event) = std::task::ready!(self.events.poll_next_unpin(cx)) else {
                return Poll::Ready(None);
            };
            let (connection, is_last) = match &event {
                DirectEvent::Closed { connection, .. } => (*connection, true),
                DirectEvent::Signal { connection, .. }
                | DirectEvent::Report { connection, .. }
                | DirectEvent::Open { connection, .. }
                | DirectEvent::Datagrams { connection, .. } => (*connection, false),
                _ => return Poll::Ready(Some(event)),
            };
            // What was reported before a close is not to be seen after it.
            let is_live = match is_last {
                true => self.live.remove(&connection),
                false => self.live.contains(&connection),
            };
            if is_live {
                return Poll::Ready(Some(event));
            }
        }
    }
}

impl DirectTransport for MemoryDirect {
    type Channel = MemoryChannel;

    fn execute(&mut self, command: DirectCommand) {
        let owner = self.owner;
        match &command {
            DirectCommand::Offer { connection, .. } | DirectCommand::Answer { connection, .. } => {
                self.live.insert(*connection);
            }
            DirectCommand::Close { connection } => {
                self.live.remove(connection);
            }
            DirectCommand::Signal { .. } | _ => {}
        }
        let mut state = self.network.lock();
        match command {
            DirectCommand::Offer { connection, datagrams, .. } => {
                let end = (owner, connection);
                if datagrams {
                    state.broker.want_datagrams(end);
                }
                let signal = Signal::Offer(state.broker.describe(end));
                state.report(owner, DirectEvent::Signal { connection, signal });
            }
            DirectCommand::Answer { connection, sdp, datagrams, .. } => {
                let end = (owner, connection);
                if datagrams {
                    state.broker.want_datagrams(end);
                }
                if state.broker.answer(end, &sdp) {
                    let signal = Signal::Answer(state.broker.describe(end));
                    state.report(owner, DirectEvent::Signal { connection, signal });
                } else {
                    let error = TransportError("nobody made the offer".into());
                    state.report(owner, DirectEvent::Closed { connection, error });
                }
            }
            DirectCommand::Signal { connection, signal: Signal::Answer(sdp) } => {
                let end = (owner, connection);
                let Some(other) = state.broker.complete(end, &sdp) else { return };
                let (left, right) = channel(DIRECT_QUEUE);
                for ((owner, connection), channel) in [(end, left), (other, right)] {
                    let report = opening();
                    state.report(owner, DirectEvent::Report { connection, report });
                    let max_message = DIRECT_MAX_MESSAGE;
                    let open = DirectEvent::Open { connection, channel, max_message };
                    state.report(owner, open);
                }
                if state.broker.have_datagrams(end, other) {
                    let (left, right) = datagram_channel(DIRECT_QUEUE);
                    for ((owner, connection), channel) in [(end, left), (other, right)] {
                        state.report(owner, DirectEvent::Datagrams { connection, channel });
                    }
                }
            }
            DirectCommand::Close { connection } => state.close((owner, connection)),
            DirectCommand::Signal { .. } | _ => {}
        }
    }
}

impl Drop for MemoryDirect {
    fn drop(&mut self) {
        let mut state = self.network.lock();
        for end in state.broker.ends_of(self.owner) {
            state.close(end);
        }
    }
}

/// The report on a connection that is about to open: memory is the only candidate of both ends.
fn opening() -> ConnectionReport {
    let mut report = ConnectionReport::new(DirectStage::Channel);
    let (local, remote) = (CandidateKind::Host, CandidateKind::Host);
    report.local.add(local);
    report.remote.add(remote);
    report.selected = Some(CandidatePair { local, remote });
    report
}
