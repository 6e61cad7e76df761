//! Functions of JavaScript that throw, as functions that return errors.

use js_sys::{Array, ArrayBuffer, Function, JsString, Object, Promise, Reflect, Uint8Array};
use wasm_bindgen::prelude::*;
use wasm_bindgen_futures::JsFuture;

#[wasm_bindgen]
extern "C" {
    /// Fails on a proxy that was revoked.
    #[wasm_bindgen(catch, js_namespace = Array, js_name = isArray)]
    pub(crate) fn is_array(value: &JsValue) -> Result<bool, JsValue>;

    /// The names of an object's own properties that are enumerable.
    #[wasm_bindgen(catch, js_namespace = Object, js_name = keys)]
    pub(crate) fn keys(object: &JsValue) -> Result<Array, JsValue>;

    /// Whether a value is a typed array or a `DataView`.
    #[wasm_bindgen(js_namespace = ArrayBuffer, js_name = isView)]
    fn is_view(value: &JsValue) -> bool;

    #[wasm_bindgen(catch, js_namespace = JSON, js_name = parse)]
    pub(crate) fn parse_json(text: &str) -> Result<JsValue, JsValue>;

    #[wasm_bindgen(catch, js_namespace = JSON, js_name = parse)]
    pub(crate) fn parse_json_with(
        text: &str,
        revive: &mut dyn FnMut(JsValue, JsValue) -> JsValue,
    ) -> Result<JsValue, JsValue>;

    /// `undefined` for what is no JSON, such as a function.
    #[wasm_bindgen(catch, js_namespace = JSON, js_name = stringify)]
    pub(crate) fn write_json(value: &JsValue) -> Result<JsValue, JsValue>;

    #[wasm_bindgen(js_name = setTimeout)]
    fn set_timeout(function: &Function);

    #[wasm_bindgen(js_namespace = console, js_name = error)]
    pub(crate) fn console_error(text: &str, error: &JsValue);
}

/// A property of an object.
pub(crate) fn property(object: &JsValue, name: &str) -> Result<JsValue, JsValue> {
    Reflect::get(object, &JsString::from(name))
}

/// A new object with these fields.
pub(crate) fn new_object<const N: usize>(fields: [(&str, JsValue); N]) -> Object {
    let object = Object::new();
    for (name, value) in fields {
        // A new object takes any property.
        let _ = Reflect::set(&object, &JsString::from(name), &value);
    }
    object
}

/// A variable of the page or worker; `undefined` where there is none or the browser does not allow it.
pub(crate) fn variable(name: &str) -> JsValue {
    property(&js_sys::global(), name).unwrap_or(JsValue::UNDEFINED)
}

/// Waits until what runs now is over, promises included.
pub(crate) async fn next_task() {
    let task = Promise::new(&mut |resolve, _| set_timeout(&resolve));
    // It does not fail.
    let _ = JsFuture::from(task).await;
}

/// Whether a value is an `ArrayBuffer`, a typed array or a `DataView`.
pub(crate) fn is_bytes(value: &JsValue) -> bool {
    is_view(value) || value.is_instance_of::<ArrayBuffer>()
}

/// The bytes of an `ArrayBuffer`, a typed array or a `DataView`; an error when the buffer is detached.
pub(crate) fn copy_bytes(value: &JsValue) -> Result<Vec<u8>, JsValue> {
    let parts = if is_view(value) {
        Array::of3(
            &property(value, "buffer")?,
            &property(value, "byteOffset")?,
            &property(value, "byteLength")?,
        )
    } else {
        Array::of1(value)
    };
    let class: Function = variable("Uint8Array").dyn_into()?;
    // The constructor throws for a detached buffer.
    Ok(Reflect::construct(&class, &parts)?.unchecked_into::<Uint8Array>().to_vec())
}

/// The text of what JavaScript has thrown.
pub(crate) fn thrown(error: &JsValue) -> String {
    match error.dyn_ref::<js_sys::Error>() {
        Some(error) => String::from(error.message()),
        None => error.as_string().unwrap_or_else(|| "an exception".to_owned()),
    }
}
