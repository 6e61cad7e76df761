//! Events and questions on their way into the session.

use std::mem;
use std::pin::pin;
use std::rc::Rc;
use std::task::Poll;
use std::time::Duration;

use futures::{StreamExt as _, poll};
use js_sys::{Array, Promise};
use socketio_p2p_core::handle::RequestError;
use socketio_p2p_core::{EmitError, Emitted, Packet, PeerId, Target};
use wasm_bindgen::prelude::*;
use wasm_bindgen_futures::future_to_promise;

use crate::arguments::Arguments;
use crate::failure::{Code, Failure};
use crate::global::new_object;
use crate::listeners::is_own;
use crate::member::MemberState;
use crate::order::{Turn, Waiting};
use crate::shared::Shared;
use crate::values::arguments;

/// The receivers.
#[derive(Clone, Debug)]
pub(crate) enum To {
    All,
    Member(Rc<MemberState>),
    Server,
}

impl To {
    fn target(&self) -> Target {
        match self {
            Self::All => Target::All,
            Self::Member(state) => Target::Peer(state.id()),
            Self::Server => Target::Server,
        }
    }
}

/// How events and questions are sent.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Way {
    Events,
    Bulk,
    Volatile,
    /// As questions with this time limit.
    Question(Duration),
}

/// Sends to some receivers in some way.
#[wasm_bindgen]
#[derive(Clone, Debug)]
pub struct Emitter {
    shared: Rc<Shared>,
    to: To,
    way: Way,
}

impl Emitter {
    pub(crate) const fn new(shared: Rc<Shared>, to: To, way: Way) -> Self {
        Self { shared, to, way }
    }
}

#[wasm_bindgen]
impl Emitter {
    /// Sends an event.
    #[wasm_bindgen(variadic)]
    pub fn emit(&self, event: JsValue, arguments: Vec<JsValue>) -> Promise {
        let outgoing = Outgoing::new(&self.shared, &event, &arguments);
        let Self { shared, to, way } = self.clone();
        future_to_promise(async move { Ok(outgoing?.emit(&shared, &to, way).await?) })
    }

    /// Sends a question.
    #[wasm_bindgen(variadic, js_name = emitWithAck)]
    pub fn emit_with_ack(&self, event: JsValue, arguments: Vec<JsValue>) -> Promise {
        let outgoing = Outgoing::new(&self.shared, &event, &arguments);
        let Self { shared, to, way } = self.clone();
        let limit = match way {
            Way::Question(limit) => Some(limit),
            Way::Events | Way::Bulk | Way::Volatile => None,
        };
        future_to_promise(async move { Ok(outgoing?.ask(&shared, &to, limit).await?) })
    }
}

/// The name of an event.
pub(crate) fn event_name(name: &JsValue) -> Result<String, Failure> {
    name.as_string().ok_or_else(|| {
        Failure::new(Code::BadEvent, "expected the name of the event, which is a string")
    })
}

/// An event that was read when the program emitted it, in its place among others.
struct Outgoing {
    name: String,
    arguments: Arguments,
    turn: Turn,
    _waiting: Waiting,
}

impl Outgoing {
    fn new(shared: &Shared, name: &JsValue, arguments: &[JsValue]) -> Result<Self, Failure> {
        let name = event_name(name)?;
        if is_own(&name) {
            let message = format!(
                "expected an event name that is not one of the session's own, got {name:?}"
            );
            return Err(Failure::new(Code::BadEvent, message));
        }
        let arguments = Arguments::read(arguments, shared.max_packet)?;
        let waiting = shared.order.wait(arguments.size())?;
        Ok(Self { name, arguments, turn: shared.order.take_turn(), _waiting: waiting })
    }

    /// Waits for its place, and then for room.
    async fn emit(self, shared: &Rc<Shared>, to: &To, way: Way) -> Result<JsValue, Failure> {
        let Self { name, arguments, mut turn, _waiting } = self;
        let packet = Packet::event(&name, &arguments.complete().await?)?;
        if matches!(way, Way::Volatile) {
            return emit_volatile(shared, to, &packet);
        }
        turn.come().await;
        let mut emit = pin!(match way {
            Way::Bulk => shared.handle.emit_bulk(to.target(), &packet),
            Way::Events | Way::Volatile | Way::Question(_) => {
                shared.handle.emit(to.target(), &packet)
            }
        });
        let first = poll!(&mut emit);
        // From here on the session keeps the order.
        drop(turn);
        let emitted = match first {
            Poll::Ready(emitted) => emitted?,
            Poll::Pending => emit.await?,
        };
        Ok(match to {
            To::All => rejections(emitted),
            To::Member(_) | To::Server => JsValue::UNDEFINED,
        })
    }

    async fn ask(
        self,
        shared: &Rc<Shared>,
        to: &To,
        limit: Option<Duration>,
    ) -> Result<JsValue, Failure> {
        let Self { name, arguments, mut turn, _waiting } = self;
        let packet = Packet::event(&name, &arguments.complete().await?)?;
        turn.come().await;
        let mut asking = match to {
            To::Server => {
                let mut asking = shared.handle.request_server(&packet);
                if let Some(limit) = limit {
                    asking = asking.timeout(limit);
                }
                drop(turn);
                return first_argument(asking.await);
            }
            To::Member(state) => {
                let mut asking = shared.handle.request(&state.id(), &packet);
                if let Some(limit) = limit {
                    asking = asking.timeout(limit);
                }
                let mut asking = pin!(asking.into_future());
                let first = poll!(&mut asking);
                drop(turn);
                return first_argument(match first {
                    Poll::Ready(answer) => answer,
                    Poll::Pending => asking.await,
                });
            }
            To::All => shared.handle.request_all(&packet),
        };
        if let Some(limit) = limit {
            asking = asking.timeout(limit);
        }
        let mut first = poll!(asking.next());
        drop(turn);
        let answers = Array::new();
        loop {
            let answer = match mem::replace(&mut first, Poll::Pending) {
                Poll::Ready(answer) => answer,
                Poll::Pending => asking.next().await,
            };
            let Some((peer, answer)) = answer else { break };
            answers.push(&of_peer(&peer, first_argument(answer)));
        }
        Ok(answers.into())
    }
}

fn emit_volatile(shared: &Shared, to: &To, packet: &Packet) -> Result<JsValue, Failure> {
    match shared.handle.emit_volatile(to.target(), packet) {
        Ok(emitted) => Ok((!emitted.accepted.is_empty()).into()),
        Err(EmitError::Dropped(_)) => Ok(JsValue::FALSE),
        Err(error) => Err(error.into()),
    }
}

/// Those that did not take an event, and why.
fn rejections(emitted: Emitted) -> JsValue {
    let rejected = emitted.rejected.into_iter();
    rejected.map(|(peer, error)| of_peer(&peer, Err(error.into()))).collect::<Array>().into()
}

fn of_peer(peer: &PeerId, answer: Result<JsValue, Failure>) -> JsValue {
    let (name, value) = match answer {
        Ok(answer) => ("answer", answer),
        Err(failure) => ("error", failure.into()),
    };
    new_object([("peer", peer.as_str().into()), (name, value)]).into()
}

fn first_argument(answer: Result<Packet, RequestError>) -> Result<JsValue, Failure> {
    let answer = arguments(&answer?);
    let answer = answer.map_err(|_| Failure::new(Code::BadPeer, "expected an answer of JSON"))?;
    Ok(answer.get(0))
}
