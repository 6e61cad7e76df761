//! The token with which a page is the same member again after it was loaded anew.

use std::cell::RefCell;
use std::rc::Rc;

use js_sys::Function;
use socketio_p2p_core::ResumeToken;
use socketio_p2p_core::handle::WeakPeer;
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

    fn put(&self, token: &ResumeToken) {
        // Without room the next page is another member.
        let _ = self.storage.set_item(&self.key, token.as_str());
    }

    /// Keeps the token that was taken, and later that of the session, for the next page.
    pub(crate) fn keep(self, taken: Option<ResumeToken>) -> Keeping {
        let source = Rc::new(RefCell::new(Source::Taken(taken)));
        let (place, token) = (self.clone(), Rc::clone(&source));
        let hide = Closure::new(move || {
            if let Some(token) = token.borrow().token() {
                place.put(&token);
            }
        });
        // The page was not unloaded, and is shown again.
        let place = self.clone();
        let show = Closure::new(move || drop(place.take()));
        let keeping = Keeping { place: self, source, hide, show };
        keeping.each(|name, listener| drop(add_event_listener(name, listener)));
        keeping
    }
}

/// Where the token is while the page lives.
#[derive(Debug)]
enum Source {
    /// The session is not in its room yet.
    Taken(Option<ResumeToken>),
    Session(WeakPeer),
}

impl Source {
    fn token(&self) -> Option<ResumeToken> {
        match self {
            Self::Taken(token) => token.clone(),
            Self::Session(peer) => peer.upgrade()?.resume_token(),
        }
    }
}

/// Puts the token back whenever the page goes. Dropping it ends that, and puts back the token of a session that did not
/// join: one that has ended needs none.
#[derive(Debug)]
pub(crate) struct Keeping {
    place: TokenPlace,
    source: Rc<RefCell<Source>>,
    hide: Closure<dyn FnMut()>,
    show: Closure<dyn FnMut()>,
}

impl Keeping {
    /// Takes the token of the session from now on, which is in its room.
    pub(crate) fn follow(&self, peer: WeakPeer) {
        self.source.replace(Source::Session(peer));
    }

    fn each(&self, act: impl Fn(&str, &Function)) {
        act("pagehide", self.hide.as_ref().unchecked_ref());
        act("pageshow", self.show.as_ref().unchecked_ref());
    }
}

impl Drop for Keeping {
    fn drop(&mut self) {
        self.each(|name, listener| drop(remove_event_listener(name, listener)));
        if let Source::Taken(Some(token)) = &*self.source.borrow() {
            self.place.put(token);
        }
    }
}
