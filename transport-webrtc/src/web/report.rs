//! The candidates of a connection, and the pair in use.

use js_sys::{JsString, Map, Reflect};
use socketio_p2p_core::{CandidateCounts, CandidateKind, CandidatePair};
use wasm_bindgen::{JsCast as _, JsValue};
use web_sys::RtcPeerConnection;

use super::failure::done;

/// Counts the candidates of a description.
pub(super) fn count_description(counts: &mut CandidateCounts, sdp: &str) {
    for line in sdp.lines().filter(|line| line.starts_with("a=candidate:")) {
        count(counts, line);
    }
}

/// Counts one candidate attribute (RFC 8839, section 5.1).
pub(super) fn count(counts: &mut CandidateCounts, candidate: &str) {
    let mut words = candidate.split_ascii_whitespace().skip_while(|word| *word != "typ").skip(1);
    if let Some(kind) = words.next().and_then(|name| name.parse().ok()) {
        counts.add(kind);
    }
}

/// Returns the pair of candidates in use, as far as the browser tells it.
pub(super) async fn selected(connection: &RtcPeerConnection) -> Option<CandidatePair> {
    let stats: Map = done("statistics", connection.get_stats()).await.ok()?.unchecked_into();
    let mut pair = JsValue::UNDEFINED;
    stats.for_each(&mut |entry: JsValue, _: JsValue| {
        match text(&entry, "type").as_deref() {
            Some("transport") => {
                let of_transport = stats.get(&field(&entry, "selectedCandidatePairId"));
                if !of_transport.is_undefined() {
                    pair = of_transport;
                }
            }
            // A browser whose transports do not name their pair marks the pair.
            Some("candidate-pair")
                if pair.is_undefined() && field(&entry, "selected").is_truthy() =>
            {
                pair = entry;
            }
            _ => {}
        }
    });
    let kind = |end| -> Option<CandidateKind> {
        text(&stats.get(&field(&pair, end)), "candidateType")?.parse().ok()
    };
    Some(CandidatePair { local: kind("localCandidateId")?, remote: kind("remoteCandidateId")? })
}

/// A field of an object; `undefined` when it is none.
fn field(object: &JsValue, name: &str) -> JsValue {
    Reflect::get(object, &JsString::from(name)).unwrap_or(JsValue::UNDEFINED)
}

fn text(object: &JsValue, name: &str) -> Option<String> {
    field(object, name).as_string()
}
