//! The listeners of a program.

use std::cell::RefCell;

use js_sys::{Array, Function, Object};
use wasm_bindgen::{JsCast as _, JsValue};

use crate::failure::{Code, Failure};
use crate::global::{console_error, thrown};

/// The names of what happens in the session itself.
const OWN: [&str; 12] = [
    "peer",
    "peer-changed",
    "peer-left",
    "peer-error",
    "ready",
    "upgrade",
    "transfer",
    "connect",
    "disconnect",
    "refused",
    "error",
    "close",
];

/// Whether events of members cannot have this name, because it means something that happens in the session itself.
pub(crate) fn is_own(name: &str) -> bool {
    OWN.contains(&name)
}

/// Whose events a listener hears.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Heard {
    /// Those of the session itself and of members, by name.
    Named(String),
    /// Those of members, all.
    Any,
    /// Those of the server's application, by name.
    Server(String),
}

#[derive(Debug)]
struct Listener {
    heard: Heard,
    function: Function,
    once: bool,
}

/// In the order in which they were added.
#[derive(Debug, Default)]
pub(crate) struct Listeners(RefCell<Vec<Listener>>);

impl Listeners {
    pub(crate) fn add(&self, heard: Heard, function: JsValue, once: bool) -> Result<(), Failure> {
        let function = function
            .dyn_into()
            .map_err(|_| Failure::new(Code::BadArgument, "expected a function as the listener"))?;
        self.0.borrow_mut().push(Listener { heard, function, once });
        Ok(())
    }

    /// Removes those that hear `heard`, all or this one.
    pub(crate) fn remove(&self, heard: &Heard, function: &JsValue) {
        self.0.borrow_mut().retain(|listener| {
            let is_meant = function.is_undefined() || Object::is(&listener.function, function);
            listener.heard != *heard || !is_meant
        });
    }

    /// Removes those for which this holds.
    pub(crate) fn remove_all(&self, of: impl Fn(&Heard) -> bool) {
        self.0.borrow_mut().retain(|listener| !of(&listener.heard));
    }

    /// Whether anybody hears this.
    pub(crate) fn hears(&self, heard: &Heard) -> bool {
        self.0.borrow().iter().any(|listener| listener.heard == *heard)
    }

    /// Calls those that hear `heard`, and returns what the first one returns; `None` when there is none or it throws.
    pub(crate) fn call(&self, heard: &Heard, arguments: &Array) -> Option<JsValue> {
        let mut functions = Vec::new();
        self.0.borrow_mut().retain(|listener| {
            let hears = listener.heard == *heard;
            if hears {
                functions.push(listener.function.clone());
            }
            !(hears && listener.once)
        });
        // They may add and remove listeners.
        let mut first = None;
        for (at, function) in functions.iter().enumerate() {
            match function.apply(&JsValue::UNDEFINED, arguments) {
                Ok(returned) if at == 0 => first = Some(returned),
                Ok(_) => {}
                Err(error) => self.report(&error, heard),
            }
        }
        first
    }

    /// Calls those of an event of the session itself.
    pub(crate) fn tell(&self, name: &str, arguments: &Array) {
        self.call(&Heard::Named(name.to_owned()), arguments);
    }

    /// Tells of what went wrong with an event of this name.
    pub(crate) fn report(&self, error: &JsValue, heard: &Heard) {
        let name = match heard {
            Heard::Named(name) | Heard::Server(name) => name,
            Heard::Any => "",
        };
        let errors = Heard::Named("error".to_owned());
        // A listener for errors that throws would be told so without end.
        if *heard != errors && self.hears(&errors) {
            self.call(&errors, &Array::of2(error, &JsValue::from_str(name)));
        } else {
            console_error(&format!("a listener of {name:?} failed: {}", thrown(error)), error);
        }
    }
}
