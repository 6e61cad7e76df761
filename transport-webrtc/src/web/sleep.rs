//! The timers of the page.

use std::pin::Pin;
use std::task::{Context, Poll};
use std::time::Duration;

use futures::FutureExt as _;
use futures::channel::oneshot;
use js_sys::global;
use wasm_bindgen::JsCast as _;
use wasm_bindgen::prelude::Closure;
use web_sys::Window;

/// Completes after `duration`.
pub(super) fn sleep(duration: Duration) -> Sleep {
    let (sender, fired) = oneshot::channel();
    let callback = Closure::once(move || {
        // Fails only when the timer was dropped.
        let _ = sender.send(());
    });
    let milliseconds = i32::try_from(duration.as_millis()).unwrap_or(i32::MAX);
    let handle = timers().set_timeout_with_callback_and_timeout_and_arguments_0(
        callback.as_ref().unchecked_ref(),
        milliseconds,
    );
    Sleep { fired, handle: handle.ok(), _callback: callback }
}

/// A timer of the page. Dropping it stops it.
pub(super) struct Sleep {
    fired: oneshot::Receiver<()>,
    handle: Option<i32>,
    _callback: Closure<dyn FnMut()>,
}

impl Future for Sleep {
    type Output = ();

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<()> {
        self.fired.poll_unpin(cx).map(drop)
    }
}

impl Drop for Sleep {
    fn drop(&mut self) {
        if let Some(handle) = self.handle {
            timers().clear_timeout_with_handle(handle);
        }
    }
}

/// The global object, of which only the timers are used: those of a worker have the same names.
fn timers() -> Window {
    global().unchecked_into()
}
