//! The `webrtc` crate's runtime for one connection: tasks that end with the connection, sockets with large buffers,
//! and a switch that cuts the path.

use std::fmt;
use std::future::Future;
use std::io::{self, IoSliceMut};
use std::net::SocketAddr;
use std::pin::Pin;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::task::{Context, Poll};
use std::time::{Duration, Instant};

use futures::task::AtomicWaker;
use tokio::task::AbortHandle;
use webrtc::runtime::{
    AsyncInterval, AsyncTcpListener, AsyncTcpStream, AsyncUdpSocket, JoinHandle, RecvMeta, Runtime,
    TokioRuntime, Transmit,
};

/// The runtime of one connection. The `webrtc` crate detaches its task when a connection is dropped without being
/// closed; [`Tasks`] ends it in any case.
#[derive(Debug)]
pub(super) struct ConnectionRuntime {
    socket_buffer: usize,
    cut: Cut,
    haste: Haste,
    nudge: Nudge,
    tasks: Arc<Tasks>,
}

impl ConnectionRuntime {
    pub(super) fn new(
        socket_buffer: usize,
        cut: Cut,
        haste: Haste,
        nudge: Nudge,
    ) -> (Arc<Self>, TaskGuard) {
        let tasks = Arc::new(Tasks::default());
        let runtime = Self { socket_buffer, cut, haste, nudge, tasks: Arc::clone(&tasks) };
        (Arc::new(runtime), TaskGuard(tasks))
    }

    /// Enlarges the socket's buffers up to the kernel's limits (`net.core.rmem_max`, `wmem_max`), without an error.
    fn enlarge_buffers(&self, socket: &std::net::UdpSocket) -> io::Result<()> {
        let socket = socket2::SockRef::from(socket);
        socket.set_recv_buffer_size(self.socket_buffer)?;
        socket.set_send_buffer_size(self.socket_buffer)
    }
}

/// The tasks of one connection.
#[derive(Debug, Default)]
struct Tasks(Mutex<Vec<AbortHandle>>);

/// Ends the tasks of a connection when dropped.
#[derive(Debug)]
pub(super) struct TaskGuard(Arc<Tasks>);

impl Drop for TaskGuard {
    fn drop(&mut self) {
        for task in self.0.0.lock().unwrap_or_else(PoisonError::into_inner).drain(..) {
            task.abort();
        }
    }
}

/// Cuts the path of a connection: from then on its sockets drop every datagram in both directions.
#[derive(Clone, Debug, Default)]
pub(super) struct Cut(Arc<AtomicBool>);

impl Cut {
    pub(super) fn cut(&self) {
        self.0.store(true, Ordering::Relaxed);
    }

    fn is_cut(&self) -> bool {
        self.0.load(Ordering::Relaxed)
    }
}

/// Shortens the sleeps of the crate's task during the handshake.
///
/// The task looks for packets to send before it handles events. The packets that an event has caused (the first of
/// DTLS, of SCTP and of the data channel) otherwise wait for its next timer, 200 ms each.
#[derive(Clone, Debug, Default)]
pub(super) struct Haste(Arc<Mutex<Option<Instant>>>);

impl Haste {
    const SLEEP: Duration = Duration::from_millis(1);
    /// A longer handshake is slow for other reasons.
    const LONGEST: Duration = Duration::from_secs(2);

    pub(super) fn begin(&self) {
        self.set(Some(Instant::now() + Self::LONGEST));
    }

    pub(super) fn end(&self) {
        self.set(None);
    }

    fn set(&self, until: Option<Instant>) {
        *self.0.lock().unwrap_or_else(PoisonError::into_inner) = until;
    }

    fn shorten(&self, sleep: Duration) -> Duration {
        let until = *self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let hasty = until.is_some_and(|until| Instant::now() < until);
        if hasty { sleep.min(Self::SLEEP) } else { sleep }
    }
}

/// Makes the crate's task resume messages that it held back while the application did not read.
///
/// The task resumes them only when a datagram arrives, which after a stall may take seconds. The nudge is such a
/// datagram, made locally: a STUN indication without attributes, which the ICE agent drops.
#[derive(Clone, Debug, Default)]
pub(super) struct Nudge(Arc<NudgeState>);

#[derive(Debug, Default)]
struct NudgeState {
    wanted: AtomicBool,
    receiver: AtomicWaker,
}

impl Nudge {
    /// A Binding indication (RFC 8489) without attributes.
    const DATAGRAM: [u8; 20] = *b"\x00\x11\x00\x00\x21\x12\xa4\x42nudge nudge!";

    pub(super) fn nudge(&self) {
        self.0.wanted.store(true, Ordering::Release);
        self.0.receiver.wake();
    }

    fn take(&self, cx: &Context<'_>) -> bool {
        self.0.receiver.register(cx.waker());
        self.0.wanted.swap(false, Ordering::AcqRel)
    }
}

struct TokioTask(tokio::task::JoinHandle<()>);

impl JoinHandle for TokioTask {
    fn detach(&self) {}

    fn abort(&self) {
        self.0.abort();
    }

    fn is_finished(&self) -> bool {
        self.0.is_finished()
    }
}

type BoxFuture<'a, T> = Pin<Box<dyn Future<Output = T> + Send + 'a>>;

impl Runtime for ConnectionRuntime {
    fn spawn(&self, future: BoxFuture<'static, ()>) -> Box<dyn JoinHandle> {
        let task = tokio::spawn(future);
        let mut tasks = self.tasks.0.lock().unwrap_or_else(PoisonError::into_inner);
        tasks.retain(|task| !task.is_finished());
        tasks.push(task.abort_handle());
        Box::new(TokioTask(task))
    }

    fn wrap_udp_socket(&self, socket: std::net::UdpSocket) -> io::Result<Arc<dyn AsyncUdpSocket>> {
        self.enlarge_buffers(&socket)?;
        let socket = TokioRuntime.wrap_udp_socket(socket)?;
        Ok(Arc::new(Socket { socket, cut: self.cut.clone(), nudge: self.nudge.clone() }))
    }

    fn wrap_tcp_listener(
        &self,
        _listener: std::net::TcpListener,
    ) -> io::Result<Arc<dyn AsyncTcpListener>> {
        Err(io::ErrorKind::Unsupported.into())
    }

    /// Refused: only a TCP candidate of the remote needs it, and a remote must not choose where this machine connects.
    fn connect_tcp<'a>(
        &'a self,
        _remote: SocketAddr,
    ) -> BoxFuture<'a, io::Result<Arc<dyn AsyncTcpStream>>> {
        Box::pin(async { Err(io::ErrorKind::Unsupported.into()) })
    }

    fn resolve_host<'a>(&'a self, host: &'a str) -> BoxFuture<'a, io::Result<Vec<SocketAddr>>> {
        TokioRuntime.resolve_host(host)
    }

    fn sleep(&self, duration: Duration) -> BoxFuture<'static, ()> {
        TokioRuntime.sleep(self.haste.shorten(duration))
    }

    fn interval(&self, period: Duration) -> Box<dyn AsyncInterval> {
        TokioRuntime.interval(period)
    }

    fn block_on(&self, future: Pin<Box<dyn Future<Output = ()> + '_>>) {
        TokioRuntime.block_on(future);
    }

    fn yield_now(&self) -> BoxFuture<'static, ()> {
        TokioRuntime.yield_now()
    }

    fn name(&self) -> &'static str {
        "tokio"
    }
}

struct Socket {
    socket: Arc<dyn AsyncUdpSocket>,
    cut: Cut,
    nudge: Nudge,
}

impl fmt::Debug for Socket {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Socket").field("cut", &self.cut.is_cut()).finish_non_exhaustive()
    }
}

impl AsyncUdpSocket for Socket {
    fn local_addr(&self) -> io::Result<SocketAddr> {
        self.socket.local_addr()
    }

    fn poll_send(&self, cx: &mut Context<'_>, transmit: &Transmit<'_>) -> Poll<io::Result<usize>> {
        if self.cut.is_cut() {
            return Poll::Ready(Ok(transmit.contents.len()));
        }
        self.socket.poll_send(cx, transmit)
    }

    fn poll_recv(
        &self,
        cx: &mut Context<'_>,
        bufs: &mut [IoSliceMut<'_>],
        meta: &mut [RecvMeta],
    ) -> Poll<io::Result<usize>> {
        if self.nudge.take(cx)
            && let (Some(buffer), Some(meta)) = (bufs.first_mut(), meta.first_mut())
            && let Some(buffer) = buffer.get_mut(..Nudge::DATAGRAM.len())
        {
            buffer.copy_from_slice(&Nudge::DATAGRAM);
            *meta = RecvMeta::default();
            meta.addr = self.socket.local_addr()?;
            meta.len = Nudge::DATAGRAM.len();
            meta.stride = Nudge::DATAGRAM.len();
            return Poll::Ready(Ok(1));
        }
        loop {
            let received = self.socket.poll_recv(cx, bufs, meta);
            let swallow = self.cut.is_cut() && matches!(received, Poll::Ready(Ok(_)));
            if !swallow {
                return received;
            }
        }
    }

    fn max_gso_segments(&self) -> usize {
        self.socket.max_gso_segments()
    }

    fn max_gro_segments(&self) -> usize {
        self.socket.max_gro_segments()
    }
}
