//! Another member of the room, and what a program sends it.

use std::cell::{Cell, RefCell};
use std::rc::Rc;
use std::time::Duration;

use js_sys::{Object, Promise};
use socketio_p2p_core::{Dialect, Path, PeerId, PeerInfo};
use wasm_bindgen::prelude::*;

use crate::emitter::{Emitter, To, Way};
use crate::global::new_object;
use crate::options::milliseconds;
use crate::shared::Shared;
use crate::transfer::open_transfer;
use crate::values::member_data;

/// What is known of a member, also when it is gone.
#[derive(Debug)]
pub(crate) struct MemberState {
    last: RefCell<PeerInfo>,
    is_gone: Cell<bool>,
}

impl MemberState {
    pub(crate) const fn new(info: PeerInfo) -> Self {
        Self { last: RefCell::new(info), is_gone: Cell::new(false) }
    }

    pub(crate) fn id(&self) -> PeerId {
        self.last.borrow().id.clone()
    }

    pub(crate) fn rename(&self, to: PeerId) {
        self.last.borrow_mut().id = to;
    }

    pub(crate) fn note(&self, info: PeerInfo) {
        self.last.replace(info);
    }

    pub(crate) fn end(&self) {
        self.is_gone.set(true);
        let mut last = self.last.borrow_mut();
        last.path = None;
        last.queued = 0;
    }
}

/// A member of the room. Its fields say how it is now, and last was when it is gone.
#[wasm_bindgen]
#[derive(Debug)]
pub struct Member {
    shared: Rc<Shared>,
    state: Rc<MemberState>,
}

impl Member {
    pub(crate) const fn new(shared: Rc<Shared>, state: Rc<MemberState>) -> Self {
        Self { shared, state }
    }

    fn info(&self) -> PeerInfo {
        let now = (!self.state.is_gone.get()).then(|| self.shared.handle.peer(&self.state.id()));
        now.flatten().unwrap_or_else(|| self.state.last.borrow().clone())
    }

    fn emitter(&self, way: Way) -> Emitter {
        Emitter::new(Rc::clone(&self.shared), To::Member(Rc::clone(&self.state)), way)
    }
}

#[wasm_bindgen]
impl Member {
    /// The member's id.
    #[wasm_bindgen(getter)]
    #[must_use]
    pub fn id(&self) -> String {
        self.state.id().to_string()
    }

    /// What the server's application says about it.
    #[wasm_bindgen(getter)]
    #[must_use]
    pub fn user(&self) -> JsValue {
        member_data(self.info().user.as_ref())
    }

    /// What it says about itself.
    #[wasm_bindgen(getter)]
    #[must_use]
    pub fn data(&self) -> JsValue {
        member_data(self.info().metadata.as_ref())
    }

    /// The path of events to it.
    #[wasm_bindgen(getter)]
    #[must_use]
    pub fn path(&self) -> JsValue {
        match self.info().path {
            Some(Path::Relay) => "server".into(),
            Some(Path::Direct) => "direct".into(),
            Some(_) => "via".into(),
            None => JsValue::NULL,
        }
    }

    /// The member through which events reach it.
    #[wasm_bindgen(getter)]
    #[must_use]
    pub fn via(&self) -> JsValue {
        match self.info().path {
            Some(Path::Via(neighbour)) => neighbour.as_str().into(),
            _ => JsValue::NULL,
        }
    }

    /// The round-trip time of the path in milliseconds.
    #[wasm_bindgen(getter, js_name = roundTrip)]
    #[must_use]
    pub fn round_trip(&self) -> JsValue {
        let info = self.info();
        let time =
            self.shared.handle.peer_numbers(&info.id).and_then(|numbers| match info.path? {
                Path::Relay => numbers.relay_round_trip,
                Path::Direct => numbers.direct_round_trip,
                _ => numbers.via_round_trip,
            });
        time.map_or(JsValue::NULL, |time| (time.as_secs_f64() * 1e3).into())
    }

    /// The state of the direct path in words.
    #[wasm_bindgen(getter)]
    #[must_use]
    pub fn direct(&self) -> String {
        self.info().direct.to_string()
    }

    /// What went wrong with the direct path since it last worked.
    #[wasm_bindgen(getter)]
    #[must_use]
    pub fn failure(&self) -> JsValue {
        self.info().direct_failure.map_or(JsValue::NULL, |failure| failure.to_string().into())
    }

    /// Whether no path leads to it.
    #[wasm_bindgen(getter)]
    #[must_use]
    pub fn away(&self) -> bool {
        self.info().away
    }

    /// Whether it has left.
    #[wasm_bindgen(getter)]
    #[must_use]
    pub fn gone(&self) -> bool {
        self.state.is_gone.get()
    }

    /// Whether it is a client of the original library.
    #[wasm_bindgen(getter)]
    #[must_use]
    pub fn original(&self) -> bool {
        self.info().dialect == Dialect::V0
    }

    /// The bytes of events that wait for it or that it has not confirmed.
    #[wasm_bindgen(getter)]
    #[must_use]
    pub fn queued(&self) -> usize {
        self.info().queued
    }

    /// What is known of it, for `JSON.stringify`.
    #[wasm_bindgen(js_name = toJSON)]
    #[must_use]
    pub fn to_json(&self) -> Object {
        let fields = [
            ("id", self.id().into()),
            ("user", self.user()),
            ("data", self.data()),
            ("path", self.path()),
            ("via", self.via()),
            ("roundTrip", self.round_trip()),
            ("direct", self.direct().into()),
            ("failure", self.failure()),
            ("away", self.away().into()),
            ("gone", self.gone().into()),
            ("original", self.original().into()),
            ("queued", self.queued().into()),
        ];
        new_object(fields)
    }

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

    /// For events that are worthless when they are late.
    #[wasm_bindgen(getter)]
    #[must_use]
    pub fn volatile(&self) -> Emitter {
        self.emitter(Way::Volatile)
    }

    /// For events that others overtake.
    #[wasm_bindgen(getter)]
    #[must_use]
    pub fn bulk(&self) -> Emitter {
        self.emitter(Way::Bulk)
    }

    /// For questions with this time limit.
    ///
    /// # Errors
    /// `bad-option`.
    pub fn timeout(&self, limit: JsValue) -> Result<Emitter, JsValue> {
        let limit: Duration = milliseconds("timeout", &limit)?;
        Ok(self.emitter(Way::Question(limit)))
    }

    /// Opens a transfer to it.
    #[wasm_bindgen(js_name = openTransfer)]
    pub fn open_transfer(&self, event: JsValue, argument: JsValue, options: JsValue) -> Promise {
        open_transfer(&self.shared, &self.state, &event, argument, &options)
    }
}
