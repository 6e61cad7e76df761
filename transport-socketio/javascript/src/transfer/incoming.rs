//! A transfer from a member.

use std::cell::RefCell;
use std::rc::Rc;

use futures::stream;
use js_sys::Uint8Array;
use socketio_p2p_core::IncomingTransferId;
use wasm_bindgen::prelude::*;
use wasm_streams::ReadableStream;

use super::OnProgress;
use crate::failure::{Code, Failure};
use crate::shared::Shared;

/// A transfer from a member, which waits until it is accepted or refused.
#[wasm_bindgen]
#[derive(Debug)]
pub struct IncomingTransfer {
    shared: Rc<Shared>,
    id: RefCell<Option<IncomingTransferId>>,
    event: String,
    argument: JsValue,
    size: Option<u64>,
    from: JsValue,
    on_progress: OnProgress,
}

impl IncomingTransfer {
    pub(crate) fn new(
        shared: Rc<Shared>,
        id: IncomingTransferId,
        event: String,
        argument: JsValue,
        size: Option<u64>,
        from: JsValue,
    ) -> Self {
        let (id, on_progress) = (RefCell::new(Some(id)), OnProgress::default());
        Self { shared, id, event, argument, size, from, on_progress }
    }

    fn take(&self) -> Result<IncomingTransferId, Failure> {
        let message = "the transfer has been accepted or refused before";
        self.id.take().ok_or_else(|| Failure::new(Code::Transfer, message))
    }
}

#[wasm_bindgen]
impl IncomingTransfer {
    /// The name that the sender gave it.
    #[wasm_bindgen(getter)]
    #[must_use]
    pub fn event(&self) -> String {
        self.event.clone()
    }

    /// What else the sender says of it.
    #[wasm_bindgen(getter)]
    #[must_use]
    pub fn arg(&self) -> JsValue {
        self.argument.clone()
    }

    /// Its length in bytes, if the sender has said it.
    #[wasm_bindgen(getter)]
    #[must_use]
    pub fn size(&self) -> JsValue {
        self.size.map_or(JsValue::NULL, |size| (size as f64).into())
    }

    /// The sender.
    #[wasm_bindgen(getter)]
    #[must_use]
    pub fn from(&self) -> JsValue {
        self.from.clone()
    }

    /// Called when more has been read.
    #[wasm_bindgen(getter)]
    #[must_use]
    pub fn onprogress(&self) -> JsValue {
        self.on_progress.get()
    }

    /// Called when more has been read.
    #[wasm_bindgen(setter)]
    pub fn set_onprogress(&self, listener: JsValue) {
        self.on_progress.set(listener);
    }

    /// Its bytes, as a `ReadableStream`. Cancelling that refuses the rest.
    ///
    /// # Errors
    /// `transfer`, `closed`.
    pub fn accept(&self) -> Result<web_sys::ReadableStream, JsValue> {
        let transfer = self.shared.handle.accept(self.take()?).map_err(Failure::from)?;
        self.on_progress.follow(transfer.progress());
        let pieces = stream::try_unfold(transfer, async |mut transfer| {
            let piece =
                transfer.next().await.map_err(|error| JsValue::from(Failure::from(error)))?;
            Ok(piece.map(|piece| (Uint8Array::from(&*piece).into(), transfer)))
        });
        Ok(ReadableStream::from_stream(pieces).into_raw())
    }

    /// Refuses it.
    ///
    /// # Errors
    /// `transfer`, `closed`.
    pub fn refuse(&self) -> Result<(), JsValue> {
        Ok(self.shared.handle.refuse(&self.take()?).map_err(Failure::from)?)
    }
}
