//! The browser's sign that the network is back.

use js_sys::Function;
use socketio_p2p_core::handle::WeakPeer;
use wasm_bindgen::prelude::*;

/// Ends the session's pause before its next attempt to connect whenever the browser is online again. Dropping it stops
/// that.
pub(super) struct Online {
    listener: Closure<dyn FnMut()>,
}

impl Online {
    pub(super) fn new(peer: WeakPeer) -> Self {
        let listener = Closure::new(move || {
            if let Some(peer) = peer.upgrade() {
                peer.skip_pause();
            }
        });
        // Fails where there are no such events; then the pause passes.
        let _ = add_event_listener("online", Function::unchecked_from_js_ref(listener.as_ref()));
        Self { listener }
    }
}

impl Drop for Online {
    fn drop(&mut self) {
        let listener = Function::unchecked_from_js_ref(self.listener.as_ref());
        let _ = remove_event_listener("online", listener);
    }
}

// Functions of the global scope, which a page and a worker have under the same names.
#[wasm_bindgen]
extern "C" {
    #[wasm_bindgen(catch, js_name = addEventListener)]
    fn add_event_listener(name: &str, listener: &Function) -> Result<(), JsValue>;

    #[wasm_bindgen(catch, js_name = removeEventListener)]
    fn remove_event_listener(name: &str, listener: &Function) -> Result<(), JsValue>;
}
