//! Transfers as streams of the web.

mod incoming;
mod outgoing;

use std::cell::RefCell;
use std::rc::Rc;

use futures::{Stream, StreamExt as _};
use js_sys::Function;
use socketio_p2p_core::TransferProgress;
use wasm_bindgen::{JsCast as _, JsValue};
use wasm_bindgen_futures::spawn_local;

pub(crate) use self::incoming::IncomingTransfer;
pub(crate) use self::outgoing::open_transfer;

/// The function that a program wants to be called when more of a transfer has been read.
#[derive(Clone, Debug, Default)]
struct OnProgress(Rc<RefCell<Option<Function>>>);

impl OnProgress {
    fn get(&self) -> JsValue {
        self.0.borrow().as_ref().map_or(JsValue::NULL, JsValue::from)
    }

    fn set(&self, listener: JsValue) {
        self.0.replace(listener.dyn_into().ok());
    }

    /// Calls the function with each progress, until the transfer has ended.
    fn follow(&self, progress: impl Stream<Item = TransferProgress> + 'static) {
        let listener = self.clone();
        spawn_local(async move {
            let mut progress = std::pin::pin!(progress);
            while let Some(now) = progress.next().await {
                let function = listener.0.borrow().clone();
                let size = now.size.map_or(JsValue::NULL, |size| (size as f64).into());
                if let Some(function) = function {
                    let called =
                        function.call2(&JsValue::UNDEFINED, &(now.read as f64).into(), &size);
                    if let Err(error) = called {
                        crate::global::console_error("onprogress failed", &error);
                    }
                }
            }
        });
    }
}
