//! A WebSocket of the browser.

use std::cell::RefCell;
use std::pin::Pin;
use std::rc::Rc;
use std::task::{Context, Poll, ready};
use std::time::Duration;

use futures::{FutureExt as _, Sink, Stream};
use wasm_bindgen::JsCast as _;
use wasm_bindgen::closure::Closure;
use web_sys::{BinaryType, CloseEvent, MessageEvent, WebSocket};

use super::super::address::Address;
use super::super::message::{Incoming, Outgoing};
use super::Options;
use super::inbox::{Inbox, SocketError, deliver};
use crate::clock::{Sleep, sleep};

/// The sink is ready while the browser has fewer bytes to send. At 10 Mbit/s they take 0.1 s.
const MAX_BUFFERED: u32 = 128 * 1024;

/// The interval of looking whether the browser has sent: no event tells. Browsers fire no timer earlier than this when
/// one follows the other.
const LOOK: Duration = Duration::from_millis(4);

/// A WebSocket, also while it opens. Dropping it closes it; the browser then sends what it has, and nothing of it
/// remains here.
pub(in crate::client) struct Socket {
    socket: WebSocket,
    inbox: Rc<RefCell<Inbox>>,
    /// While the sink waits for the browser.
    look: Option<Sleep>,
    /// The browser calls these while the socket has them.
    _on_message: Closure<dyn FnMut(MessageEvent)>,
    _on_close: Closure<dyn FnMut(CloseEvent)>,
}

impl Socket {
    /// Begins to open a WebSocket: the first message or an error tells how that ended.
    pub(in crate::client) async fn open(
        address: &Address,
        max_message: usize,
        _: &Options,
    ) -> Result<Self, String> {
        let socket = WebSocket::new(&address.url)
            .map_err(|exception| SocketError::of_exception(&exception).to_string())?;
        socket.set_binary_type(BinaryType::Arraybuffer);
        let inbox = Rc::new(RefCell::new(Inbox::new(max_message)));
        let received = Rc::clone(&inbox);
        let on_message = Closure::new(move |event: MessageEvent| {
            deliver(&received, |inbox| inbox.push(&event.data()));
        });
        let ended = Rc::clone(&inbox);
        let on_close = Closure::new(move |event: CloseEvent| {
            deliver(&ended, |inbox| inbox.close(&event));
        });
        socket.set_onmessage(Some(on_message.as_ref().unchecked_ref()));
        socket.set_onclose(Some(on_close.as_ref().unchecked_ref()));
        Ok(Self { socket, inbox, look: None, _on_message: on_message, _on_close: on_close })
    }
}

impl Drop for Socket {
    fn drop(&mut self) {
        self.socket.set_onmessage(None);
        self.socket.set_onclose(None);
        // Without a code it throws no exception.
        let _ = self.socket.close();
    }
}

impl Stream for Socket {
    type Item = Result<Incoming, SocketError>;

    fn poll_next(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Self::Item>> {
        let next = ready!(self.inbox.borrow_mut().poll_next(cx));
        Poll::Ready(next.map(|message| message.map(Incoming::Message)))
    }
}

impl Sink<Outgoing> for Socket {
    type Error = SocketError;

    fn poll_ready(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Result<(), SocketError>> {
        loop {
            self.inbox.borrow().check_open()?;
            if self.socket.buffered_amount() < MAX_BUFFERED {
                self.look = None;
                self.inbox.borrow_mut().set_writer(None);
                return Poll::Ready(Ok(()));
            }
            self.inbox.borrow_mut().set_writer(Some(cx.waker().clone()));
            ready!(self.look.get_or_insert_with(|| sleep(LOOK)).poll_unpin(cx));
            self.look = None;
        }
    }

    fn start_send(self: Pin<&mut Self>, message: Outgoing) -> Result<(), SocketError> {
        self.inbox.borrow().check_open()?;
        let sent = match &message {
            Outgoing::Text(text) => self.socket.send_with_str(text),
            Outgoing::Binary(bytes) => self.socket.send_with_u8_array(bytes),
        };
        sent.map_err(|exception| SocketError::of_exception(&exception))
    }

    /// The browser sends by itself.
    fn poll_flush(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<Result<(), SocketError>> {
        Poll::Ready(Ok(()))
    }

    /// The browser sends what it has before the close, also when this is dropped meanwhile.
    fn poll_close(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<Result<(), SocketError>> {
        let closed = self.socket.close();
        Poll::Ready(closed.map_err(|exception| SocketError::of_exception(&exception)))
    }
}
