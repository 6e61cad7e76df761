//! JSON with `{"$bytes":"<base64>"}` for bytes, both ways.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use serde_json::json;
use socketio_p2p_core::codec::{Number, Value};

const BYTES: &str = "$bytes";

/// Converts the arguments of an event. An object whose only key is `$bytes` stands for bytes.
pub(crate) fn from_json(json: serde_json::Value) -> Result<Value, String> {
    use serde_json::Value as Json;
    Ok(match json {
        Json::Null => Value::Null,
        Json::Bool(value) => Value::Bool(value),
        Json::Number(number) => Value::Number(match (number.as_u64(), number.as_i64()) {
            (Some(value), _) => Number::from(value),
            (None, Some(value)) => Number::from(value),
            (None, None) => Number::from(number.as_f64().unwrap_or(f64::NAN)),
        }),
        Json::String(text) => Value::String(text),
        Json::Array(items) => {
            Value::Array(items.into_iter().map(from_json).collect::<Result<_, _>>()?)
        }
        Json::Object(mut object) if object.len() == 1 && object.contains_key(BYTES) => {
            match object.remove(BYTES) {
                Some(Json::String(text)) => {
                    let bytes = STANDARD.decode(text).map_err(|error| {
                        format!("expected base64 with padding in \"{BYTES}\": {error}")
                    })?;
                    Value::Bytes(bytes.into())
                }
                _ => {
                    return Err(format!(
                        "expected a string of base64 in \"{BYTES}\", got another type"
                    ));
                }
            }
        }
        Json::Object(object) => Value::Object(
            object
                .into_iter()
                .map(|(key, value)| Ok((key, from_json(value)?)))
                .collect::<Result<_, String>>()?,
        ),
    })
}

/// Converts received arguments. A peer's object of the form `{"$bytes":…}` looks the same as bytes.
pub(crate) fn to_json(value: &Value) -> serde_json::Value {
    match value {
        Value::Null => json!(null),
        Value::Bool(value) => json!(value),
        Value::Number(Number::Unsigned(value)) => json!(value),
        Value::Number(Number::Signed(value)) => json!(value),
        Value::Number(Number::Float(value)) => json!(value),
        Value::String(text) => json!(text),
        Value::Array(items) => items.iter().map(to_json).collect(),
        Value::Object(entries) => {
            entries.iter().map(|(key, value)| (key.to_owned(), to_json(value))).collect()
        }
        Value::Bytes(bytes) => json!({ BYTES: STANDARD.encode(bytes) }),
    }
}
