//! Packets and member data into values of JavaScript.

use bytes::Bytes;
use js_sys::{Array, Uint8Array};
use socketio_p2p_core::{MemberData, Packet};
use wasm_bindgen::{JsCast as _, JsValue};

use crate::global::{parse_json, parse_json_with, property};

/// The arguments of a packet, without the name of an event. Bytes are `Uint8Array`s.
pub(crate) fn arguments(packet: &Packet) -> Result<Array, JsValue> {
    let payload = packet.payload();
    let payload: Array = match packet.attachments() {
        [] => parse_json(payload)?,
        attachments => parse_json_with(payload, &mut |_, value| revive(attachments, value))?,
    }
    .dyn_into()?;
    if packet.packet_type().is_event() {
        payload.shift();
    }
    Ok(payload)
}

/// A value of a payload with attachments: of a placeholder the attachment. The codec has checked each of them.
fn revive(attachments: &[Bytes], value: JsValue) -> JsValue {
    if !value.is_object() || property(&value, "_placeholder") != Ok(JsValue::TRUE) {
        return value;
    }
    let number = property(&value, "num").ok().and_then(|number| number.as_f64());
    match number.and_then(|number| attachments.get(number as usize)) {
        Some(attachment) => Uint8Array::from(&**attachment).into(),
        None => value,
    }
}

/// What a member or the server's application says of a member; `null` if that is nothing.
pub(crate) fn member_data(data: Option<&MemberData>) -> JsValue {
    data.and_then(|data| parse_json(data.as_json()).ok()).unwrap_or(JsValue::NULL)
}
