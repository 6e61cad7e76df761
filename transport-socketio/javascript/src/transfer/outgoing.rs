//! A transfer to a member.

use std::cell::RefCell;
use std::future::poll_fn;
use std::rc::Rc;
use std::task::{Context, Poll, Waker, ready};
use std::{fmt, mem};

use bytes::Bytes;
use futures::channel::oneshot;
use futures::future::LocalBoxFuture;
use js_sys::{JsString, Promise, Reflect};
use socketio_p2p_core::handle::{OutgoingTransfer as Transfer, StreamError};
use socketio_p2p_core::{Packet, TransferOutcome};
use wasm_bindgen::prelude::*;
use wasm_bindgen_futures::future_to_promise;
use web_sys::WritableStream;

use super::OnProgress;
use crate::arguments::Arguments;
use crate::emitter::event_name;
use crate::failure::{Code, Failure};
use crate::global::{copy_bytes, is_bytes, property};
use crate::member::MemberState;
use crate::shared::Shared;

/// Opens a transfer to a member.
pub(crate) fn open_transfer(
    shared: &Rc<Shared>,
    member: &MemberState,
    event: &JsValue,
    argument: JsValue,
    options: &JsValue,
) -> Promise {
    let id = member.id();
    let read = event_name(event).and_then(|name| {
        let argument = if argument.is_undefined() { vec![] } else { vec![argument] };
        Ok((name, Arguments::read(&argument, shared.max_packet)?, read_size(options)?))
    });
    let shared = Rc::clone(shared);
    future_to_promise(async move {
        let (name, arguments, size) = read?;
        let arguments = arguments.complete().await?;
        let packet = Packet::event(&name, &arguments).map_err(Failure::from)?;
        let transfer = shared.handle.open_transfer(&id, &packet, size).map_err(Failure::from)?;
        Ok(OutgoingTransfer::new(transfer)?.into())
    })
}

fn read_size(options: &JsValue) -> Result<Option<u64>, Failure> {
    let size = match options.is_object() {
        true => property(options, "size").unwrap_or(JsValue::UNDEFINED),
        false => JsValue::UNDEFINED,
    };
    if size.is_undefined() || size.is_null() {
        return Ok(None);
    }
    let sizes = 0.0..=js_sys::Number::MAX_SAFE_INTEGER;
    let size = size.as_f64().filter(|size| size.fract() == 0.0 && sizes.contains(size));
    let message = "size: expected a whole number of bytes from 0";
    size.map(|size| Some(size as u64)).ok_or_else(|| Failure::new(Code::BadOption, message))
}

/// A transfer to a member.
#[wasm_bindgen]
#[derive(Debug)]
pub struct OutgoingTransfer {
    writable: WritableStream,
    sink: TransferSink,
    done: Promise,
    on_progress: OnProgress,
}

impl OutgoingTransfer {
    fn new(transfer: Transfer) -> Result<Self, JsValue> {
        let on_progress = OnProgress::default();
        on_progress.follow(transfer.progress());
        let (sender, outcome) = oneshot::channel();
        let pieces = Pieces {
            piece: Bytes::new(),
            stage: Stage::Open(transfer),
            outcome: Some(sender),
            writer: None,
        };
        let done = future_to_promise(async move {
            // The stream was aborted.
            let outcome = outcome.await.unwrap_or(Ok(TransferOutcome::Aborted));
            Ok(outcome?.to_string().into())
        });
        let sink = TransferSink(Rc::new(RefCell::new(pieces)));
        let underlying = JsValue::from(sink.clone());
        let writable = WritableStream::new_with_underlying_sink(underlying.unchecked_ref())?;
        Ok(Self { writable, sink, done, on_progress })
    }
}

#[wasm_bindgen]
impl OutgoingTransfer {
    /// Takes the bytes.
    #[wasm_bindgen(getter)]
    #[must_use]
    pub fn writable(&self) -> WritableStream {
        self.writable.clone()
    }

    /// How it ended.
    #[wasm_bindgen(getter)]
    #[must_use]
    pub fn done(&self) -> Promise {
        self.done.clone()
    }

    /// Cancels it.
    pub fn cancel(&self) {
        self.sink.abort();
    }

    /// Called when the receiver has read more.
    #[wasm_bindgen(getter)]
    #[must_use]
    pub fn onprogress(&self) -> JsValue {
        self.on_progress.get()
    }

    /// Called when the receiver has read more.
    #[wasm_bindgen(setter)]
    pub fn set_onprogress(&self, listener: JsValue) {
        self.on_progress.set(listener);
    }
}

/// The bytes on their way into the session, behind the stream that a program writes to.
///
/// A sink of `wasm-streams` ends when the last write is over, which a receiver that does not read delays for ever.
#[wasm_bindgen]
#[derive(Clone, Debug)]
pub struct TransferSink(Rc<RefCell<Pieces>>);

#[wasm_bindgen]
impl TransferSink {
    /// Listens to the signal that the stream is aborted.
    ///
    /// # Errors
    /// Never in a browser.
    pub fn start(&self, controller: &JsValue) -> Result<(), JsValue> {
        let sink = self.clone();
        let abort = Closure::<dyn FnMut()>::new(move || sink.abort()).into_js_value();
        Reflect::set(&property(controller, "signal")?, &JsString::from("onabort"), &abort)?;
        Ok(())
    }

    /// Takes bytes, and waits until the session has taken them.
    pub fn write(&self, piece: &JsValue) -> Promise {
        let taken = self.0.borrow_mut().take(piece);
        let Self(pieces) = self.clone();
        future_to_promise(async move {
            taken?;
            poll_fn(|cx| pieces.borrow_mut().poll_write(cx)).await?;
            Ok(JsValue::UNDEFINED)
        })
    }

    /// Marks the end, and waits until the receiver has read all.
    pub fn close(&self) -> Promise {
        let Self(pieces) = self.clone();
        pieces.borrow_mut().finish();
        future_to_promise(async move {
            poll_fn(|cx| pieces.borrow_mut().poll_outcome(cx)).await?;
            Ok(JsValue::UNDEFINED)
        })
    }

    /// Cancels the transfer.
    pub fn abort(&self) {
        self.0.borrow_mut().cancel();
    }
}

/// The state of a transfer that a program writes.
#[derive(Debug)]
struct Pieces {
    /// The rest of the last piece.
    piece: Bytes,
    stage: Stage,
    outcome: Option<oneshot::Sender<Result<TransferOutcome, Failure>>>,
    writer: Option<Waker>,
}

enum Stage {
    Open(Transfer),
    /// All is written, or the transfer has ended.
    Finishing(LocalBoxFuture<'static, Result<TransferOutcome, StreamError>>),
    Over,
}

impl fmt::Debug for Stage {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Open(_) => "Open",
            Self::Finishing(_) => "Finishing",
            Self::Over => "Over",
        })
    }
}

impl Pieces {
    fn take(&mut self, piece: &JsValue) -> Result<(), Failure> {
        let bytes = is_bytes(piece).then(|| copy_bytes(piece).ok()).flatten();
        let message = "expected a Uint8Array or other bytes";
        self.piece = bytes.ok_or_else(|| Failure::new(Code::BadArgument, message))?.into();
        Ok(())
    }

    /// Writes the rest of the last piece.
    fn poll_write(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), Failure>> {
        while !self.piece.is_empty() {
            let Stage::Open(transfer) = &mut self.stage else {
                return Poll::Ready(Err(Failure::new(Code::Transfer, "the transfer has ended")));
            };
            self.writer = Some(cx.waker().clone());
            if let Err(error) = ready!(transfer.poll_send(&mut self.piece, cx)) {
                self.piece.clear();
                // The receiver may have ended it: that is its outcome.
                self.finish();
                drop(self.poll_outcome(cx));
                return Poll::Ready(Err(error.into()));
            }
        }
        Poll::Ready(Ok(()))
    }

    fn finish(&mut self) {
        self.stage = match mem::replace(&mut self.stage, Stage::Over) {
            Stage::Open(transfer) => Stage::Finishing(Box::pin(transfer.finish())),
            other => other,
        };
    }

    /// Returns whether all was delivered, when the transfer has ended.
    fn poll_outcome(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), Failure>> {
        let Stage::Finishing(finishing) = &mut self.stage else { return Poll::Ready(Ok(())) };
        let outcome = ready!(finishing.as_mut().poll(cx)).map_err(Failure::from);
        self.stage = Stage::Over;
        let closed = match &outcome {
            Ok(TransferOutcome::Delivered) => Ok(()),
            Ok(outcome) => {
                let message =
                    format!("expected a transfer that is delivered, got one that was {outcome}");
                Err(Failure::new(Code::Transfer, message))
            }
            Err(failure) => Err(failure.clone()),
        };
        if let Some(sender) = self.outcome.take() {
            // Nobody need wait for it.
            drop(sender.send(outcome));
        }
        Poll::Ready(closed)
    }

    /// Ends a transfer that is not finished, and the wait of who writes.
    fn cancel(&mut self) {
        if matches!(self.stage, Stage::Open(_)) {
            self.stage = Stage::Over;
            self.outcome = None;
        }
        if let Some(writer) = self.writer.take() {
            writer.wake();
        }
    }
}
