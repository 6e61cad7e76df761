//! The clock of a session in a browser.

use std::cell::RefCell;
use std::fmt;
use std::pin::Pin;
use std::rc::Rc;
use std::task::{Context, Poll, Waker};
use std::time::Duration;

use async_trait::async_trait;
use js_sys::Function;
use socketio_p2p_core::Time;
use socketio_p2p_core::driver::Clock;
use wasm_bindgen::prelude::*;

/// The longest span in milliseconds that `setTimeout` takes; it ends longer ones at once.
const MAX_SPAN: f64 = i32::MAX as f64;

/// The monotonic clock of the browser, counted from the clock's creation: `performance.now()` and `setTimeout`.
///
/// In background tabs browsers delay timers, to one wake-up a second or even a minute, but no messages. What comes is
/// taken, and the server's pings are answered, when it comes. What waits for time is late by as much: probes,
/// retransmissions, the pauses between attempts to connect. Some browsers stop the clock while the computer sleeps.
#[derive(Clone, Copy, Debug)]
pub struct WebClock {
    /// In milliseconds.
    origin: f64,
}

impl WebClock {
    /// Creates a clock that starts at [`Time::ZERO`].
    #[must_use]
    pub fn new() -> Self {
        Self { origin: performance_now() }
    }
}

impl Default for WebClock {
    fn default() -> Self {
        Self::new()
    }
}

#[async_trait(?Send)]
impl Clock for WebClock {
    fn now(&self) -> Time {
        // The cast saturates; 64 bits hold 584 years in nanoseconds.
        Time::from_nanos(((performance_now() - self.origin) * 1e6) as u64)
    }

    async fn sleep(&self, duration: Duration) {
        sleep(duration).await;
    }
}

/// A timer of the browser. Dropping it cancels it.
pub(crate) struct Sleep {
    /// On the scale of `performance.now()`.
    until: f64,
    state: Rc<RefCell<State>>,
    fire: Closure<dyn FnMut()>,
}

#[derive(Default)]
struct State {
    /// The timer that runs.
    id: Option<JsValue>,
    waker: Option<Waker>,
}

/// Completes after `duration`.
pub(crate) fn sleep(duration: Duration) -> Sleep {
    let state = Rc::<RefCell<State>>::default();
    let fired = Rc::clone(&state);
    let fire = Closure::new(move || {
        let waker = {
            let mut state = fired.borrow_mut();
            state.id = None;
            state.waker.take()
        };
        if let Some(waker) = waker {
            waker.wake();
        }
    });
    Sleep { until: performance_now() + duration.as_secs_f64() * 1e3, state, fire }
}

impl Future for Sleep {
    type Output = ();

    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<()> {
        let left = self.until - performance_now();
        if left <= 0.0 {
            return Poll::Ready(());
        }
        let mut state = self.state.borrow_mut();
        state.waker = Some(cx.waker().clone());
        if state.id.is_none() {
            let span = left.ceil().min(MAX_SPAN);
            state.id = Some(set_timeout(self.fire.as_ref().unchecked_ref(), span));
        }
        Poll::Pending
    }
}

impl Drop for Sleep {
    fn drop(&mut self) {
        if let Some(id) = self.state.borrow_mut().id.take() {
            clear_timeout(&id);
        }
    }
}

impl fmt::Debug for Sleep {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Sleep").field("until", &self.until).finish_non_exhaustive()
    }
}

// Functions of the global scope, which a page and a worker have under the same names.
#[wasm_bindgen]
extern "C" {
    #[wasm_bindgen(js_name = setTimeout)]
    fn set_timeout(run: &Function, millis: f64) -> JsValue;

    #[wasm_bindgen(js_name = clearTimeout)]
    fn clear_timeout(id: &JsValue);

    #[wasm_bindgen(js_namespace = performance, js_name = now)]
    fn performance_now() -> f64;
}
