//! The package for JavaScript authors: a peer in a page, with the habits of `socket.io-client`.
//!
//! `npm/index.d.ts` describes what JavaScript sees. Here the way of a call is: `peer`, `member` and `server` are the
//! objects that a program holds; `emitter` takes its events, which `arguments` reads, to the session in `shared`. The
//! way back: `events` reads the session's events and calls `listeners`, with what `values` makes of packets.

#![cfg(target_family = "wasm")]

mod arguments;
mod emitter;
mod events;
mod failure;
mod global;
mod join;
mod listeners;
mod member;
mod options;
mod order;
mod peer;
mod server;
mod shared;
mod token;
mod transfer;
mod values;

use wasm_bindgen::prelude::*;

pub use crate::peer::Peer;

/// Joins a room, as `npm/index.d.ts` says.
///
/// # Errors
/// A `P2PError`.
#[wasm_bindgen]
pub async fn join(url: JsValue, options: JsValue) -> Result<Peer, JsValue> {
    Ok(join::join(&url, &options).await?)
}
