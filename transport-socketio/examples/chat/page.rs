//! The chat in a browser: the files of its page are part of this program.

use axum::Router;
use axum::http::header::{
    CACHE_CONTROL, CONTENT_SECURITY_POLICY, CONTENT_TYPE, ETAG, IF_NONE_MATCH, REFERRER_POLICY,
    X_CONTENT_TYPE_OPTIONS,
};
use axum::http::{HeaderMap, StatusCode};
use axum::response::{IntoResponse as _, Response};
use axum::routing::get;
use sha2::{Digest as _, Sha256};

/// The page may load what this server has, and connect to it. A string never becomes HTML or a program.
const POLICY: &str = "default-src 'none'; script-src 'self' 'wasm-unsafe-eval'; style-src 'self'; \
    img-src 'self'; connect-src 'self'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'; \
    require-trusted-types-for 'script'; trusted-types 'none'";

const HTML: &str = "text/html; charset=utf-8";
const CSS: &str = "text/css; charset=utf-8";
const JS: &str = "text/javascript; charset=utf-8";
const SVG: &str = "image/svg+xml";
const WASM: &str = "application/wasm";

/// Names a file of the page with its type.
macro_rules! file {
    ($name:literal, $kind:expr) => {
        (concat!("/", $name), $kind, include_bytes!(concat!("page/", $name)))
    };
}

/// Path, type and content.
const FILES: [(&str, &str, &[u8]); 22] = [
    ("/", HTML, include_bytes!("page/index.html")),
    file!("icon.svg", SVG),
    file!("style.css", CSS),
    file!("bar.js", JS),
    file!("chat.js", JS),
    file!("collect.js", JS),
    file!("connection.js", JS),
    file!("dom.js", JS),
    file!("entrance.js", JS),
    file!("incoming.js", JS),
    file!("invitation.js", JS),
    file!("log.js", JS),
    file!("memory.js", JS),
    file!("message.js", JS),
    file!("outgoing.js", JS),
    file!("people.js", JS),
    file!("room.js", JS),
    file!("text.js", JS),
    file!("words.js", JS),
    file!("module/index.js", JS),
    file!("module/socketio_p2p.js", JS),
    file!("module/socketio_p2p_bg.wasm", WASM),
];

pub(crate) fn routes() -> Router {
    FILES.into_iter().fold(Router::new(), |routes, (path, kind, bytes)| {
        let tag = tag(bytes);
        routes.route(path, get(async move |headers: HeaderMap| answer(&headers, kind, &tag, bytes)))
    })
}

/// Identifies the content of a file: a browser that has it need not get it again.
fn tag(bytes: &[u8]) -> String {
    let hash = Sha256::digest(bytes);
    let digits: String = hash.iter().take(16).map(|byte| format!("{byte:02x}")).collect();
    format!("\"{digits}\"")
}

fn answer(asked: &HeaderMap, kind: &'static str, tag: &str, bytes: &'static [u8]) -> Response {
    let headers = [
        (CONTENT_TYPE, kind),
        (X_CONTENT_TYPE_OPTIONS, "nosniff"),
        (CONTENT_SECURITY_POLICY, POLICY),
        (REFERRER_POLICY, "no-referrer"),
        // The browser keeps it, and asks each time whether it is still the same.
        (CACHE_CONTROL, "no-cache"),
        (ETAG, tag),
    ];
    if asked.get(IF_NONE_MATCH).is_some_and(|known| known == tag) {
        (StatusCode::NOT_MODIFIED, headers).into_response()
    } else {
        (headers, bytes).into_response()
    }
}
