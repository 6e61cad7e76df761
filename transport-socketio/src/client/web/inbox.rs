//! What has arrived from a server and waits for the session. Browsers read on whether it is taken or not, so that it
//! has a bound.

use std::cell::RefCell;
use std::collections::VecDeque;
use std::task::{Context, Poll, Waker};

use bytes::Bytes;
use bytestring::ByteString;
use js_sys::{ArrayBuffer, JsString, Uint8Array};
use socketio_p2p_core::Frame;
use thiserror::Error;
use wasm_bindgen::{JsCast as _, JsValue};
use web_sys::CloseEvent;

/// What a waiting message costs beside its bytes.
const OVERHEAD: usize = 64;

/// The failure of a WebSocket.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
pub(in crate::client) enum SocketError {
    /// The text is the kind of the exception; its message would quote the URL.
    #[error("the browser refuses it: {0}")]
    Refused(String),
    #[error("it cannot be opened, or broke: browsers do not tell programs why")]
    Broken,
    #[error("the server closed it with code {code} ({meaning}), reason {reason:?}")]
    Closed { code: u16, meaning: &'static str, reason: String },
    #[error("it is closed")]
    Ended,
    #[error("expected at most {0} bytes that wait for the session, got more")]
    Overflow(usize),
    #[error("expected a text or bytes, got another kind of message")]
    Kind,
}

impl SocketError {
    /// The reason of a close, or `None` for an orderly one.
    fn of_close(event: &CloseEvent) -> Option<Self> {
        let meaning = match event.code() {
            1000 | 1001 | 1005 if event.was_clean() => return None,
            1006 => return Some(Self::Broken),
            1002 => "protocol error",
            1003 => "unsupported data",
            1007 => "invalid data",
            1008 => "policy violation",
            1009 => "message too big",
            1011 => "internal error",
            1012 => "restart",
            1013 => "try again later",
            _ => "no known meaning",
        };
        Some(Self::Closed { code: event.code(), meaning, reason: event.reason() })
    }

    /// The failure that an exception stands for.
    pub(super) fn of_exception(exception: &JsValue) -> Self {
        let name = exception.unchecked_ref::<js_sys::Error>().name();
        Self::Refused(name.into())
    }
}

/// Messages, and then the end.
pub(super) struct Inbox {
    queue: VecDeque<Frame>,
    /// What the queue costs.
    waiting: usize,
    limit: usize,
    end: Option<End>,
    reader: Option<Waker>,
    writer: Option<Waker>,
}

enum End {
    Failed(SocketError),
    /// The reader knows.
    Reported,
    Orderly,
}

/// Changes the inbox, and then wakes those who wait for that: a waker may run its task at once.
pub(super) fn deliver(inbox: &RefCell<Inbox>, change: impl FnOnce(&mut Inbox)) {
    let wakers = {
        let mut inbox = inbox.borrow_mut();
        change(&mut inbox);
        inbox.take_wakers()
    };
    for waker in wakers.into_iter().flatten() {
        waker.wake();
    }
}

impl Inbox {
    /// An inbox for messages of at most `limit` bytes in all.
    pub(super) const fn new(limit: usize) -> Self {
        Self { queue: VecDeque::new(), waiting: 0, limit, end: None, reader: None, writer: None }
    }

    /// Takes a message from the browser.
    pub(super) fn push(&mut self, data: &JsValue) {
        if self.end.is_none() {
            let room = self.limit.saturating_sub(self.waiting);
            match self.read(data, room) {
                Ok(frame) => {
                    self.waiting += frame.len() + OVERHEAD;
                    self.queue.push_back(frame);
                }
                Err(error) => self.end = Some(End::Failed(error)),
            }
        }
    }

    /// Takes the end of the connection.
    pub(super) fn close(&mut self, event: &CloseEvent) {
        if self.end.is_none() {
            self.end = Some(SocketError::of_close(event).map_or(End::Orderly, End::Failed));
        }
    }

    pub(super) fn poll_next(
        &mut self,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame, SocketError>>> {
        if let Some(frame) = self.queue.pop_front() {
            self.waiting -= frame.len() + OVERHEAD;
            return Poll::Ready(Some(Ok(frame)));
        }
        match self.end.take() {
            Some(End::Failed(error)) => {
                self.end = Some(End::Reported);
                Poll::Ready(Some(Err(error)))
            }
            Some(end) => {
                self.end = Some(end);
                Poll::Ready(None)
            }
            None => {
                self.reader = Some(cx.waker().clone());
                Poll::Pending
            }
        }
    }

    /// The cause of the end, as an error for those who send; the reader learns it from [`poll_next`](Self::poll_next).
    pub(super) fn check_open(&self) -> Result<(), SocketError> {
        match &self.end {
            None => Ok(()),
            Some(End::Failed(error)) => Err(error.clone()),
            Some(End::Orderly | End::Reported) => Err(SocketError::Ended),
        }
    }

    /// Wakes this task with the next message or the end, too: timers can be late.
    pub(super) fn set_writer(&mut self, writer: Option<Waker>) {
        self.writer = writer;
    }

    /// Copies a message out of JavaScript, unless it is longer than `room`.
    fn read(&self, data: &JsValue, room: usize) -> Result<Frame, SocketError> {
        let too_long = SocketError::Overflow(self.limit);
        if let Some(buffer) = data.dyn_ref::<ArrayBuffer>() {
            if buffer.byte_length() as usize > room {
                return Err(too_long);
            }
            return Ok(Frame::Binary(Bytes::from(Uint8Array::new(buffer).to_vec())));
        }
        let text = data.dyn_ref::<JsString>().ok_or(SocketError::Kind)?;
        // Its bytes are at least as many as its UTF-16 units.
        if text.length() as usize > room {
            return Err(too_long);
        }
        let text = String::from(text);
        if text.len() > room { Err(too_long) } else { Ok(Frame::Text(ByteString::from(text))) }
    }

    fn take_wakers(&mut self) -> [Option<Waker>; 2] {
        [self.reader.take(), self.writer.take()]
    }
}
