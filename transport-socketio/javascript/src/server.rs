//! The server's application.

use std::rc::Rc;

use js_sys::Promise;
use wasm_bindgen::prelude::*;

use crate::emitter::{Emitter, To, Way, event_name};
use crate::listeners::Heard;
use crate::options::milliseconds;
use crate::shared::Shared;

/// The application of the server.
#[wasm_bindgen]
#[derive(Debug)]
pub struct Server {
    shared: Rc<Shared>,
}

impl Server {
    pub(crate) const fn new(shared: Rc<Shared>) -> Self {
        Self { shared }
    }

    fn emitter(&self, way: Way) -> Emitter {
        Emitter::new(Rc::clone(&self.shared), To::Server, way)
    }
}

#[wasm_bindgen]
impl Server {
    /// Sends it an event.
    #[wasm_bindgen(variadic)]
    pub fn emit(&self, event: JsValue, arguments: Vec<JsValue>) -> Promise {
        self.emitter(Way::Events).emit(event, arguments)
    }

    /// Asks it.
    #[wasm_bindgen(variadic, js_name = emitWithAck)]
    pub fn emit_with_ack(&self, event: JsValue, arguments: Vec<JsValue>) -> Promise {
        self.emitter(Way::Events).emit_with_ack(event, arguments)
    }

    /// For questions with this time limit.
    ///
    /// # Errors
    /// `bad-option`.
    pub fn timeout(&self, limit: JsValue) -> Result<Emitter, JsValue> {
        Ok(self.emitter(Way::Question(milliseconds("timeout", &limit)?)))
    }

    /// Calls a listener for its events of a name.
    ///
    /// # Errors
    /// `bad-event`, `bad-argument`.
    pub fn on(&self, event: JsValue, listener: JsValue) -> Result<(), JsValue> {
        let heard = Heard::Server(event_name(&event)?);
        Ok(self.shared.listeners.add(heard, listener, false)?)
    }

    /// Removes listeners.
    ///
    /// # Errors
    /// `bad-event`.
    pub fn off(&self, event: JsValue, listener: &JsValue) -> Result<(), JsValue> {
        if event.is_undefined() {
            self.shared.listeners.remove_all(|heard| matches!(heard, Heard::Server(_)));
        } else {
            self.shared.listeners.remove(&Heard::Server(event_name(&event)?), listener);
        }
        Ok(())
    }
}
