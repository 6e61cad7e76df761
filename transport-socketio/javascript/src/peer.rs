//! This page as a member of its room.

use std::rc::Rc;

use js_sys::{Array, Promise};
use socketio_p2p_core::{PeerId, Target};
use wasm_bindgen::prelude::*;
use wasm_bindgen_futures::future_to_promise;

use crate::emitter::{Emitter, To, Way, event_name};
use crate::failure::{Code, Failure};
use crate::global::property;
use crate::listeners::Heard;
use crate::options::{milliseconds, read_data};
use crate::server::Server;
use crate::shared::Shared;
use crate::values::member_data;

/// This page as a member of its room.
#[wasm_bindgen]
#[derive(Debug)]
pub struct Peer {
    shared: Rc<Shared>,
}

impl Peer {
    pub(crate) const fn new(shared: Rc<Shared>) -> Self {
        Self { shared }
    }

    fn emitter(&self, way: Way) -> Emitter {
        Emitter::new(Rc::clone(&self.shared), To::All, way)
    }

    fn listen(&self, event: &JsValue, listener: JsValue, once: bool) -> Result<(), JsValue> {
        let heard = Heard::Named(event_name(event)?);
        Ok(self.shared.listeners.add(heard, listener, once)?)
    }
}

/// What is known.
#[wasm_bindgen]
impl Peer {
    /// This member's id.
    #[wasm_bindgen(getter)]
    #[must_use]
    pub fn id(&self) -> JsValue {
        self.shared.handle.id().map_or(JsValue::NULL, |id| id.as_str().into())
    }

    /// Whether the connection to the server is up.
    #[wasm_bindgen(getter)]
    #[must_use]
    pub fn connected(&self) -> bool {
        self.shared.handle.is_joined()
    }

    /// The other members.
    #[wasm_bindgen(getter)]
    #[must_use]
    pub fn peers(&self) -> Array {
        self.shared.members()
    }

    /// What the server's application says about this member.
    #[wasm_bindgen(getter)]
    #[must_use]
    pub fn user(&self) -> JsValue {
        member_data(self.shared.handle.user().as_ref())
    }

    /// What the other members see of this one.
    #[wasm_bindgen(getter)]
    #[must_use]
    pub fn data(&self) -> JsValue {
        member_data(self.shared.handle.metadata().as_ref())
    }

    /// When direct paths are used.
    #[wasm_bindgen(getter)]
    #[must_use]
    pub fn policy(&self) -> String {
        self.shared.handle.policy().to_string()
    }

    /// A member by its id.
    #[must_use]
    pub fn peer(&self, id: &JsValue) -> JsValue {
        let id = id.as_string().and_then(|id| PeerId::new(id).ok());
        id.and_then(|id| self.shared.member(&id)).unwrap_or(JsValue::UNDEFINED)
    }
}

/// Events out.
#[wasm_bindgen]
impl Peer {
    /// The server's application.
    #[wasm_bindgen(getter)]
    #[must_use]
    pub fn server(&self) -> Server {
        Server::new(Rc::clone(&self.shared))
    }

    /// A member as the receiver of events, by its id or as itself.
    ///
    /// # Errors
    /// `no-peer`.
    pub fn to(&self, member: JsValue) -> Result<JsValue, JsValue> {
        let id = match member.is_object() {
            true => property(&member, "id").unwrap_or(JsValue::UNDEFINED),
            false => member,
        };
        let member = self.peer(&id);
        if member.is_undefined() {
            let message = "expected a member of the room or its id";
            return Err(Failure::new(Code::NoPeer, message).into());
        }
        Ok(member)
    }

    /// Sends an event to all other members.
    #[wasm_bindgen(variadic)]
    pub fn emit(&self, event: JsValue, arguments: Vec<JsValue>) -> Promise {
        self.emitter(Way::Events).emit(event, arguments)
    }

    /// Asks all other members.
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
        Ok(self.emitter(Way::Question(milliseconds("timeout", &limit)?)))
    }
}

/// The session.
#[wasm_bindgen]
impl Peer {
    /// Changes when direct paths are used.
    ///
    /// # Errors
    /// `bad-option`.
    #[wasm_bindgen(setter)]
    pub fn set_policy(&self, policy: JsValue) -> Result<(), JsValue> {
        let policy = policy.as_string().unwrap_or_default().parse();
        let policy = policy.map_err(|error: socketio_p2p_core::UnknownPolicy| {
            Failure::new(Code::BadOption, error.to_string())
        })?;
        self.shared.handle.set_policy(policy);
        Ok(())
    }

    /// Changes what the other members see of this one.
    ///
    /// # Errors
    /// `bad-option`.
    #[wasm_bindgen(js_name = setData)]
    pub fn set_data(&self, data: &JsValue) -> Result<(), JsValue> {
        self.shared.handle.set_metadata(read_data(data)?);
        Ok(())
    }

    /// Uses direct paths.
    pub fn upgrade(&self) {
        // Fails for a single receiver only.
        let _ = self.shared.handle.upgrade(Target::All);
    }

    /// Connects to the server now.
    pub fn reconnect(&self) {
        self.shared.handle.reconnect();
    }

    /// Leaves the room, and returns how many events and transfers were not delivered.
    pub fn close(&self) -> Promise {
        let handle = self.shared.handle.clone();
        future_to_promise(async move {
            let undelivered = handle.close().await.map_err(Failure::from)?;
            let count = undelivered.emits.len() + undelivered.transfers.len();
            Ok((count as f64).into())
        })
    }
}

/// Events in.
#[wasm_bindgen]
impl Peer {
    /// Calls a listener for the events of a name.
    ///
    /// # Errors
    /// `bad-event`, `bad-argument`.
    pub fn on(&self, event: &JsValue, listener: JsValue) -> Result<(), JsValue> {
        self.listen(event, listener, false)
    }

    /// Calls a listener for the next event of a name.
    ///
    /// # Errors
    /// `bad-event`, `bad-argument`.
    pub fn once(&self, event: &JsValue, listener: JsValue) -> Result<(), JsValue> {
        self.listen(event, listener, true)
    }

    /// Calls a listener for all events of members.
    ///
    /// # Errors
    /// `bad-argument`.
    #[wasm_bindgen(js_name = onAny)]
    pub fn on_any(&self, listener: JsValue) -> Result<(), JsValue> {
        Ok(self.shared.listeners.add(Heard::Any, listener, false)?)
    }

    /// Removes a listener that hears all events of members; without one, all such.
    #[wasm_bindgen(js_name = offAny)]
    pub fn off_any(&self, listener: &JsValue) {
        self.shared.listeners.remove(&Heard::Any, listener);
    }

    /// Removes a listener; without one, all of the event; without an event, all.
    ///
    /// # Errors
    /// `bad-event`.
    pub fn off(&self, event: &JsValue, listener: &JsValue) -> Result<(), JsValue> {
        if event.is_undefined() {
            self.shared.listeners.remove_all(|heard| !matches!(heard, Heard::Server(_)));
        } else {
            self.shared.listeners.remove(&Heard::Named(event_name(event)?), listener);
        }
        Ok(())
    }
}
