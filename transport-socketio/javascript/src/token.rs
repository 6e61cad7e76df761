//! The token with which a page is the same member again after it was loaded anew.

use std::rc::Rc;

use js_sys::Function;
use socketio_p2p_core::ResumeToken;
use wasm_bindgen::prelude::*;

use crate::global::variable;

#[wasm_bindgen]
extern "C" {
    /// A `Storage`, or an object with these functions of one.
    #[derive(Clone, Debug)]
    pub(crate) type TokenStorage;

    #[wasm_bindgen(method, structural, catch, js_name = getItem)]
    fn get_item(this: &TokenStorage, key: &str) -> Result<JsValue, JsValue>;

    #[wasm_bindgen(method, structural, catch, js_name = setItem)]
    fn set_item(this: &TokenStorage, key: &str, value: &str) -> Result<JsValue, JsValue>;

    #[wasm_bindgen(method, structural, catch, js_name = removeItem)]
    fn remove_item(this: &TokenStorage, key: &str) -> Result<JsValue, JsValue>;

    #[wasm_bindgen(catch, js_name = addEventListener)]
    fn add_event_listener(name: &str, listener: &Function) -> Result<(), JsValue>;

    #[wasm_bindgen(catch, js_name = removeEventListener)]
    fn remove_event_listener(name: &str, listener: &Function) -> Result<(), JsValue>;
}

/// The place of the token. While the page lives the token is in the page alone: a browser that duplicates a tab copies
/// its `sessionStorage`, and two pages with one token would take the seat from each other.
#[derive(Clone, Debug)]
pub(crate) struct TokenPlace {
    storage: TokenStorage,
    key: Rc<str>,
}

impl TokenPlace {
    /// The place for a room of a server; by default in the tab's own storage, if the browser allows that.
    pub(crate) fn new(storage: Option<TokenStorage>, url: &str, room: &str) -> Option<Self> {
        let storage = storage.or_else(|| {
            let storage = variable("sessionStorage");
            storage.is_object().then(|| storage.unchecked_into())
        })?;
        Some(Self { storage, key: format!("socketio-p2p {url} {room}").into() })
    }

    /// Takes the token out.
    pub(crate) fn take(&self) -> Option<ResumeToken> {
        let token = self.storage.get_item(&self.key).ok()?.as_string()?;
        // A storage that cannot forget is one that a duplicate may read too.
        self.storage.remove_item(&self.key).ok()?;
        Some(ResumeToken::new(token))
    }

    /// Keeps the token whenever the page goes, until the returned value is dropped.
    pub(crate) fn keep_at_the_end(
        self,
        token: impl Fn() -> Option<ResumeToken> + 'static,
    ) -> Keeping {
        let place = self.clone();
        let hide = Closure::new(move || {
            if let Some(token) = token() {
                // Without room the next page is another member.
                let _ = place.storage.set_item(&place.key, token.as_str());
            }
        });
        // The page was not unloaded, and is shown again.
        let show = Closure::new(move || drop(self.take()));
        let keeping = Keeping { hide, show };
        keeping.each(|name, listener| drop(add_event_listener(name, listener)));
        keeping
    }
}

/// Listens to the end of the page. Dropping it keeps no token any more.
#[derive(Debug)]
pub(crate) struct Keeping {
    hide: Closure<dyn FnMut()>,
    show: Closure<dyn FnMut()>,
}

impl Keeping {
    fn each(&self, act: impl Fn(&str, &Function)) {
        act("pagehide", self.hide.as_ref().unchecked_ref());
        act("pageshow", self.show.as_ref().unchecked_ref());
    }
}

impl Drop for Keeping {
    fn drop(&mut self) {
        self.each(|name, listener| drop(remove_event_listener(name, listener)));
    }
}
