//! A transfer to a member.

use std::pin::Pin;
use std::rc::Rc;
use std::task::{Context, Poll, ready};

use bytes::Bytes;
use futures::Sink;
use futures::channel::oneshot;
use futures::future::LocalBoxFuture;
use js_sys::{ArrayBuffer, Promise};
use socketio_p2p_core::handle::{OutgoingTransfer as Transfer, StreamError};
use socketio_p2p_core::{Packet, TransferOutcome};
use wasm_bindgen::prelude::*;
use wasm_bindgen_futures::future_to_promise;
use wasm_streams::WritableStream;

use super::OnProgress;
use crate::arguments::Arguments;
use crate::emitter::event_name;
use crate::failure::{Code, Failure};
use crate::global::{copy_bytes, is_view, property};
use crate::member::MemberState;
use crate::shared::Shared;

/// The greatest size that JavaScript counts without gaps, 2⁵³ - 1.
const MAX_SIZE: f64 = 9_007_199_254_740_991.0;

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
        Ok(OutgoingTransfer::new(transfer).into())
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
    let size = size.as_f64().filter(|size| size.fract() == 0.0 && (0.0..=MAX_SIZE).contains(size));
    let message = "size: expected a whole number of bytes from 0";
    size.map(|size| Some(size as u64)).ok_or_else(|| Failure::new(Code::BadOption, message))
}

/// A transfer to a member.
#[wasm_bindgen]
#[derive(Debug)]
pub struct OutgoingTransfer {
    writable: web_sys::WritableStream,
    done: Promise,
    on_progress: OnProgress,
}

impl OutgoingTransfer {
    fn new(transfer: Transfer) -> Self {
        let on_progress = OnProgress::default();
        on_progress.follow(transfer.progress());
        let (sender, outcome) = oneshot::channel();
        let sink =
            Pieces { piece: Bytes::new(), stage: Stage::Open(transfer), outcome: Some(sender) };
        let done = future_to_promise(async move {
            // An aborted stream drops its sink.
            let outcome = outcome.await.unwrap_or(Ok(TransferOutcome::Aborted));
            Ok(outcome?.to_string().into())
        });
        Self { writable: WritableStream::from_sink(sink).into_raw(), done, on_progress }
    }
}

#[wasm_bindgen]
impl OutgoingTransfer {
    /// Takes the bytes.
    #[wasm_bindgen(getter)]
    #[must_use]
    pub fn writable(&self) -> web_sys::WritableStream {
        self.writable.clone()
    }

    /// How it ended.
    #[wasm_bindgen(getter)]
    #[must_use]
    pub fn done(&self) -> Promise {
        self.done.clone()
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

/// The pieces that a program writes.
struct Pieces {
    /// The rest of the last piece.
    piece: Bytes,
    stage: Stage,
    outcome: Option<oneshot::Sender<Result<TransferOutcome, Failure>>>,
}

enum Stage {
    Open(Transfer),
    /// All is written, or the transfer has ended.
    Finishing(LocalBoxFuture<'static, Result<TransferOutcome, StreamError>>),
    Over,
}

impl Pieces {
    /// Writes the rest of the last piece.
    fn poll_write(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), JsValue>> {
        while !self.piece.is_empty() {
            let Stage::Open(transfer) = &mut self.stage else { return Poll::Ready(Err(over())) };
            if let Err(error) = ready!(transfer.poll_send(&mut self.piece, cx)) {
                self.piece.clear();
                // The receiver may have ended it: that is its outcome.
                self.finish();
                drop(self.poll_outcome(cx));
                return Poll::Ready(Err(Failure::from(error).into()));
            }
        }
        Poll::Ready(Ok(()))
    }

    fn finish(&mut self) {
        self.stage = match std::mem::replace(&mut self.stage, Stage::Over) {
            Stage::Open(transfer) => Stage::Finishing(Box::pin(transfer.finish())),
            other => other,
        };
    }

    fn poll_outcome(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), JsValue>> {
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
        Poll::Ready(closed.map_err(JsValue::from))
    }
}

impl Sink<JsValue> for Pieces {
    type Error = JsValue;

    fn poll_ready(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Result<(), JsValue>> {
        self.poll_write(cx)
    }

    fn start_send(mut self: Pin<&mut Self>, piece: JsValue) -> Result<(), JsValue> {
        let bytes = (is_view(&piece) || piece.is_instance_of::<ArrayBuffer>())
            .then(|| copy_bytes(&piece).ok())
            .flatten();
        let message = "expected a Uint8Array or other bytes";
        self.piece = bytes.ok_or_else(|| Failure::new(Code::BadArgument, message))?.into();
        Ok(())
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Result<(), JsValue>> {
        self.poll_write(cx)
    }

    fn poll_close(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Result<(), JsValue>> {
        ready!(self.poll_write(cx))?;
        self.finish();
        self.poll_outcome(cx)
    }
}

fn over() -> JsValue {
    Failure::new(Code::Transfer, "the transfer has ended").into()
}
