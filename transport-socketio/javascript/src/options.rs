//! The options of `join`.

use std::time::Duration;

use js_sys::{Function, JsString, Promise};
use socketio_p2p_core::{AuthPayload, MemberData, Policy};
use wasm_bindgen::{JsCast as _, JsValue};
use wasm_bindgen_futures::JsFuture;

use crate::failure::{Code, Failure};
use crate::global::{keys, property, thrown, write_json};
use crate::token::TokenStorage;

/// The options, checked.
#[derive(Debug, Default)]
pub(crate) struct Options {
    pub(crate) room: Option<String>,
    pub(crate) auth: Option<Auth>,
    pub(crate) data: Option<MemberData>,
    pub(crate) policy: Option<Policy>,
    pub(crate) max_peers: Option<usize>,
    pub(crate) wait_for_server: Duration,
    pub(crate) ack_timeout: Option<Duration>,
    /// `Some(None)`: nowhere.
    pub(crate) storage: Option<Option<TokenStorage>>,
}

impl Options {
    /// Reads the options; an unknown one is an error, because it is a misspelt one.
    pub(crate) fn read(options: &JsValue) -> Result<Self, Failure> {
        let mut read = Self::default();
        if options.is_undefined() {
            return Ok(read);
        }
        let unreadable =
            |error| bad(format!("expected options that can be read: {}", thrown(&error)));
        if !options.is_object() {
            return Err(bad("expected an object with options"));
        }
        for name in keys(options).map_err(unreadable)?.iter() {
            let name = String::from(name.unchecked_ref::<JsString>());
            let value = property(options, &name).map_err(unreadable)?;
            if !value.is_undefined() {
                read.set(&name, value)?;
            }
        }
        Ok(read)
    }

    fn set(&mut self, name: &str, value: JsValue) -> Result<(), Failure> {
        match name {
            "room" => self.room = Some(text(name, &value)?),
            "auth" => self.auth = Some(Auth::read(value)?),
            "data" => self.data = read_data(&value)?,
            "policy" => {
                let policy = text(name, &value)?.parse();
                self.policy = Some(policy.map_err(|error| bad(format!("policy: {error}")))?);
            }
            "maxPeers" => self.max_peers = Some(count(name, &value)?),
            "waitForServer" => self.wait_for_server = milliseconds(name, &value)?,
            "ackTimeout" => self.ack_timeout = Some(milliseconds(name, &value)?),
            "storage" if value.is_null() => self.storage = Some(None),
            "storage" if value.is_object() => self.storage = Some(Some(value.unchecked_into())),
            "storage" => {
                return Err(bad("storage: expected an object like `sessionStorage`, or null"));
            }
            unknown => return Err(bad(format!("expected a known option, got {unknown:?}"))),
        }
        Ok(())
    }
}

fn bad(message: impl Into<String>) -> Failure {
    Failure::new(Code::BadOption, message)
}

fn text(name: &str, value: &JsValue) -> Result<String, Failure> {
    value.as_string().ok_or_else(|| bad(format!("{name}: expected a string")))
}

fn count(name: &str, value: &JsValue) -> Result<usize, Failure> {
    let count = value.as_f64().filter(|count| count.fract() == 0.0 && (0.0..=1e9).contains(count));
    let count = count.ok_or_else(|| bad(format!("{name}: expected a whole number from 0")))?;
    Ok(count as usize)
}

/// A time span; `Infinity` is the longest one.
pub(crate) fn milliseconds(name: &str, value: &JsValue) -> Result<Duration, Failure> {
    let span = value.as_f64().filter(|span| *span >= 0.0);
    let span = span.ok_or_else(|| bad(format!("{name}: expected milliseconds from 0")))?;
    Ok(Duration::try_from_secs_f64(span / 1e3).unwrap_or(Duration::MAX))
}

/// Reads what other members see of this one.
pub(crate) fn read_data(value: &JsValue) -> Result<Option<MemberData>, Failure> {
    if value.is_null() || value.is_undefined() {
        return Ok(None);
    }
    let json = to_json("data", value)?;
    MemberData::new(&json).map(Some).map_err(|error| bad(format!("data: {error}")))
}

fn to_json(name: &str, value: &JsValue) -> Result<serde_json::Value, Failure> {
    let text = write_json(value).map_err(|error| bad(format!("{name}: {}", thrown(&error))))?;
    let text = text.as_string().ok_or_else(|| bad(format!("{name}: expected JSON")))?;
    serde_json::from_str(&text).map_err(|error| bad(format!("{name}: {error}")))
}

/// What the server's application checks.
#[derive(Clone, Debug)]
pub(crate) enum Auth {
    Payload(AuthPayload),
    /// Returns one for each attempt to connect, or a promise of one.
    Provider(Function),
}

impl Auth {
    fn read(value: JsValue) -> Result<Self, Failure> {
        match value.dyn_into::<Function>() {
            Ok(provider) => Ok(Self::Provider(provider)),
            Err(value) => payload(&value).map(Self::Payload),
        }
    }

    /// The payload of the next attempt, or why there is none.
    pub(crate) async fn provide(self) -> Result<AuthPayload, String> {
        let provider = match self {
            Self::Payload(payload) => return Ok(payload),
            Self::Provider(provider) => provider,
        };
        let provided = provider.call0(&JsValue::UNDEFINED).map_err(|error| thrown(&error))?;
        let provided = JsFuture::from(Promise::resolve(&provided)).await;
        payload(&provided.map_err(|error| thrown(&error))?).map_err(|failure| failure.message)
    }
}

fn payload(value: &JsValue) -> Result<AuthPayload, Failure> {
    let json = to_json("auth", value)?;
    AuthPayload::new(&json).map_err(|error| bad(format!("auth: {error}")))
}
