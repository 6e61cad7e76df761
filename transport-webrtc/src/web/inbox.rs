//! What has been received on a data channel and not read yet.

use std::cell::{Cell, RefCell};
use std::collections::VecDeque;
use std::future::poll_fn;
use std::rc::Rc;
use std::task::{Context, Poll, Waker};

use socketio_p2p_core::Frame;
use socketio_p2p_core::driver::TransportError;

/// What an unread message costs beside its bytes, so that empty ones are bounded too.
const PER_MESSAGE: u64 = 64;

/// The unread bytes of the channels of one connection.
pub(super) struct Unread {
    bytes: Cell<u64>,
    limit: u64,
}

impl Unread {
    pub(super) const fn new(limit: u64) -> Self {
        Self { bytes: Cell::new(0), limit }
    }

    /// Whether one more message has room.
    fn takes(&self, frame: &Frame) -> bool {
        let bytes = self.bytes.get().saturating_add(cost(frame));
        if bytes > self.limit {
            return false;
        }
        self.bytes.set(bytes);
        true
    }

    fn release(&self, frame: &Frame) {
        self.bytes.set(self.bytes.get().saturating_sub(cost(frame)));
    }
}

fn cost(frame: &Frame) -> u64 {
    u64::try_from(frame.len()).unwrap_or(u64::MAX).saturating_add(PER_MESSAGE)
}

/// The messages of one channel that the application has not read, shared between the callbacks of the browser, the task
/// of the connection and the application's end of the channel.
pub(super) struct Inbox {
    state: RefCell<State>,
    unread: Rc<Unread>,
}

#[derive(Default)]
struct State {
    frames: VecDeque<Frame>,
    /// No message follows. The channel cannot send either.
    closed: bool,
    /// What the stream yields after the frames, before it ends.
    error: Option<TransportError>,
    /// The application has dropped its end.
    dropped: bool,
    reader: Option<Waker>,
    writer: Option<Waker>,
    /// The task of the connection.
    task: Option<Waker>,
}

impl State {
    fn wakers(&mut self) -> impl Iterator<Item = Waker> + use<> {
        [self.reader.take(), self.writer.take(), self.task.take()].into_iter().flatten()
    }
}

impl Inbox {
    pub(super) fn new(unread: Rc<Unread>) -> Self {
        Self { state: RefCell::default(), unread }
    }

    /// Takes a message. Returns whether it had room.
    pub(super) fn push(&self, frame: Frame) -> bool {
        let mut state = self.state.borrow_mut();
        if state.closed || state.dropped {
            return true;
        }
        if !self.unread.takes(&frame) {
            return false;
        }
        state.frames.push_back(frame);
        let reader = state.reader.take();
        drop(state);
        reader.into_iter().for_each(Waker::wake);
        true
    }

    /// Notes that no message follows, because the channel is closed or broken.
    pub(super) fn close(&self, error: Option<TransportError>) {
        let mut state = self.state.borrow_mut();
        if !state.closed {
            state.closed = true;
            state.error = error;
        }
        let wakers = state.wakers();
        drop(state);
        wakers.for_each(Waker::wake);
    }

    pub(super) fn is_closed(&self) -> bool {
        self.state.borrow().closed
    }

    /// The next message, for the application.
    pub(super) fn poll_frame(
        &self,
        cx: &Context<'_>,
    ) -> Poll<Option<Result<Frame, TransportError>>> {
        let mut state = self.state.borrow_mut();
        if let Some(frame) = state.frames.pop_front() {
            self.unread.release(&frame);
            let task = state.frames.is_empty().then(|| state.task.take()).flatten();
            drop(state);
            task.into_iter().for_each(Waker::wake);
            return Poll::Ready(Some(Ok(frame)));
        }
        if state.closed {
            return Poll::Ready(state.error.take().map(Err));
        }
        state.reader = Some(cx.waker().clone());
        Poll::Pending
    }

    /// Wakes the application's sink with the next [`wake_writer`](Self::wake_writer), or the end.
    pub(super) fn register_writer(&self, cx: &Context<'_>) {
        self.state.borrow_mut().writer = Some(cx.waker().clone());
    }

    pub(super) fn wake_writer(&self) {
        let writer = self.state.borrow_mut().writer.take();
        writer.into_iter().for_each(Waker::wake);
    }

    /// Discards what has come and what comes: the application has dropped its end.
    pub(super) fn discard(&self) {
        let mut state = self.state.borrow_mut();
        state.dropped = true;
        let frames = std::mem::take(&mut state.frames);
        let wakers = state.wakers();
        drop(state);
        frames.iter().for_each(|frame| self.unread.release(frame));
        wakers.for_each(Waker::wake);
    }

    /// Returns when the channel is closed. Only for the task of the connection, as [`read`](Self::read).
    pub(super) async fn closed(&self) {
        self.until(|state| state.closed).await;
    }

    /// Returns when the application has read all that came, or reads no more.
    pub(super) async fn read(&self) {
        self.until(|state| state.frames.is_empty() || state.dropped).await;
    }

    async fn until(&self, reached: impl Fn(&State) -> bool) {
        poll_fn(|cx| {
            let mut state = self.state.borrow_mut();
            if reached(&state) {
                return Poll::Ready(());
            }
            state.task = Some(cx.waker().clone());
            Poll::Pending
        })
        .await;
    }
}
