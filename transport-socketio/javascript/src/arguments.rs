//! The arguments of an event, as values of JavaScript, into values of the codec.

use std::mem;

use bytes::Bytes;
use js_sys::{Function, JsString, Object, Promise, Reflect};
use socketio_p2p_core::codec::{MAX_DEPTH, Number, Value};
use wasm_bindgen::{JsCast as _, JsValue};
use wasm_bindgen_futures::JsFuture;
use web_sys::Blob;

use crate::failure::{Code, Failure};
use crate::global::{copy_bytes, is_array, is_bytes, keys, property, thrown};

/// Arguments that were read, except for the bytes of `Blob`s, which a page gets later only.
#[derive(Debug)]
pub(crate) struct Arguments {
    values: Vec<Value>,
    /// The `Blob`s, each with its place among all bytes of the values, which is empty until then.
    blobs: Vec<(usize, Blob)>,
    /// About the bytes of the event on the wire.
    size: usize,
}

impl Arguments {
    /// Reads arguments of at most `max` bytes, by the rules of `JSON.stringify`, with bytes as bytes.
    pub(crate) fn read(arguments: &[JsValue], max: usize) -> Result<Self, Failure> {
        let mut reader = Reader { max, ..Reader::default() };
        let mut values = Vec::with_capacity(arguments.len());
        for (at, argument) in arguments.iter().enumerate() {
            let read = reader.read_argument(argument);
            values.push(read.map_err(|misfit| misfit.in_argument(at + 1))?);
        }
        Ok(Self { values, blobs: reader.blobs, size: reader.size })
    }

    pub(crate) const fn size(&self) -> usize {
        self.size
    }

    /// Reads the `Blob`s.
    pub(crate) async fn complete(mut self) -> Result<Vec<Value>, Failure> {
        let mut contents = Vec::with_capacity(self.blobs.len());
        for (place, blob) in mem::take(&mut self.blobs) {
            let reading: Promise = blob.array_buffer().into();
            let content = JsFuture::from(reading).await.and_then(|buffer| copy_bytes(&buffer));
            let content = content.map_err(|error| {
                let message = format!("expected a Blob that can be read: {}", thrown(&error));
                Failure::new(Code::BadArgument, message)
            })?;
            contents.push((place, Bytes::from(content)));
        }
        let mut contents = contents.into_iter().peekable();
        let mut place = 0;
        let mut fill = |bytes: &mut Bytes| {
            if let Some((_, content)) = contents.next_if(|(at, _)| *at == place) {
                *bytes = content;
            }
            place += 1;
        };
        self.values.iter_mut().for_each(|value| each_bytes(value, &mut fill));
        Ok(self.values)
    }
}

/// Visits all bytes in a value, in the order in which they were read.
fn each_bytes(value: &mut Value, visit: &mut impl FnMut(&mut Bytes)) {
    match value {
        Value::Bytes(bytes) => visit(bytes),
        Value::Array(items) => items.iter_mut().for_each(|item| each_bytes(item, visit)),
        Value::Object(object) => object.values_mut().for_each(|entry| each_bytes(entry, visit)),
        Value::Null | Value::Bool(_) | Value::Number(_) | Value::String(_) => {}
    }
}

#[derive(Default)]
struct Reader {
    max: usize,
    size: usize,
    /// The arrays and objects around the value that is read.
    around: Vec<JsValue>,
    /// The number of bytes values so far.
    bytes: usize,
    blobs: Vec<(usize, Blob)>,
}

/// What cannot be sent, and where it is.
struct Misfit {
    code: Code,
    what: String,
    place: String,
}

impl Misfit {
    fn new(what: impl Into<String>) -> Self {
        Self { code: Code::BadArgument, what: what.into(), place: String::new() }
    }

    /// An exception of a getter, of `toJSON` or of a proxy.
    fn thrown(error: &JsValue) -> Self {
        Self::new(format!("a value that can be read, got the exception: {}", thrown(error)))
    }

    fn within(mut self, part: &str) -> Self {
        self.place.insert_str(0, part);
        self
    }

    fn in_argument(self, number: usize) -> Failure {
        let Self { code, what, place } = self;
        Failure::new(code, format!("argument {number}{place}: expected {what}"))
    }
}

impl Reader {
    fn read_argument(&mut self, value: &JsValue) -> Result<Value, Misfit> {
        match self.read(value, "")? {
            Some(value) => Ok(value),
            None if value.is_undefined() => Ok(Value::Null),
            None => Err(Misfit::new("data, got a function or a symbol")),
        }
    }

    /// Reads a value; `None` for what JSON omits from objects.
    fn read(&mut self, value: &JsValue, key: &str) -> Result<Option<Value>, Misfit> {
        if value.is_undefined() || value.is_function() || value.is_symbol() {
            return Ok(None);
        }
        self.count(1)?;
        if let Some(text) = value.dyn_ref::<JsString>() {
            self.count(usize::try_from(text.length()).unwrap_or(usize::MAX))?;
            return Ok(Some(Value::String(text.into())));
        }
        if let Some(number) = value.as_f64() {
            return Ok(Some(Value::Number(to_number(number))));
        }
        if let Some(value) = value.as_bool() {
            return Ok(Some(Value::Bool(value)));
        }
        if value.is_null() {
            return Ok(Some(Value::Null));
        }
        if value.is_bigint() {
            return Err(Misfit::new("a number or a string, got a BigInt"));
        }
        self.read_object(value, key)
    }

    fn read_object(&mut self, object: &JsValue, key: &str) -> Result<Option<Value>, Misfit> {
        if let Some(blob) = object.dyn_ref::<Blob>() {
            self.count_bytes(blob.size())?;
            self.blobs.push((self.bytes - 1, blob.clone()));
            return Ok(Some(Value::Bytes(Bytes::new())));
        }
        if is_bytes(object) {
            let length = property(object, "byteLength").ok().and_then(|length| length.as_f64());
            self.count_bytes(length.unwrap_or(0.0))?;
            let bytes = copy_bytes(object)
                .map_err(|_| Misfit::new("bytes, got those of a detached buffer"))?;
            return Ok(Some(Value::Bytes(bytes.into())));
        }
        if self.around.iter().any(|outer| Object::is(outer, object)) {
            return Err(Misfit::new("a value without cycles, got an object that contains itself"));
        }
        if self.around.len() + 2 > MAX_DEPTH {
            return Err(Misfit::new(format!("at most {MAX_DEPTH} levels of nesting")));
        }
        self.around.push(object.clone());
        let read = self.read_inside(object, key);
        self.around.pop();
        read
    }

    fn read_inside(&mut self, object: &JsValue, key: &str) -> Result<Option<Value>, Misfit> {
        let to_json = property(object, "toJSON").map_err(|error| Misfit::thrown(&error))?;
        if let Some(to_json) = to_json.dyn_ref::<Function>() {
            let json = to_json.call1(object, &JsString::from(key));
            let json = json.map_err(|error| Misfit::thrown(&error))?;
            // An object that stands for itself is read by its properties.
            if !Object::is(&json, object) {
                return self.read(&json, key);
            }
        }
        if is_array(object).map_err(|error| Misfit::thrown(&error))? {
            return self.read_array(object).map(|items| Some(Value::Array(items)));
        }
        let names = keys(object).map_err(|error| Misfit::thrown(&error))?;
        let mut entries = Vec::new();
        for name in names.iter() {
            let entry = Reflect::get(object, &name).map_err(|error| Misfit::thrown(&error))?;
            let name = String::from(name.unchecked_ref::<JsString>());
            let read = self.read(&entry, &name);
            if let Some(value) = read.map_err(|misfit| misfit.within(&format!(".{name}")))? {
                self.count(name.len())?;
                entries.push((name, value));
            }
        }
        Ok(Some(Value::Object(entries.into_iter().collect())))
    }

    fn read_array(&mut self, array: &JsValue) -> Result<Vec<Value>, Misfit> {
        let length = property(array, "length").map_err(|error| Misfit::thrown(&error))?;
        let length = length.as_f64().unwrap_or(0.0);
        // Each item is a byte at least: a sparse array of 2³² items ends here.
        if length > self.max as f64 {
            return Err(self.too_large());
        }
        let mut items = Vec::new();
        for at in 0..length as u32 {
            let item = Reflect::get_u32(array, at).map_err(|error| Misfit::thrown(&error))?;
            let read = self.read(&item, "").map_err(|misfit| misfit.within(&format!("[{at}]")))?;
            items.push(read.unwrap_or_default());
        }
        Ok(items)
    }

    fn count_bytes(&mut self, length: f64) -> Result<(), Misfit> {
        self.bytes += 1;
        // The cast saturates.
        self.count(length as usize)
    }

    fn count(&mut self, bytes: usize) -> Result<(), Misfit> {
        self.size = self.size.saturating_add(bytes);
        if self.size > self.max { Err(self.too_large()) } else { Ok(()) }
    }

    fn too_large(&self) -> Misfit {
        let what = format!("an event of at most {} bytes, got more", self.max);
        Misfit { code: Code::TooLarge, ..Misfit::new(what) }
    }
}

/// A number as `JSON.stringify` writes it: integers without a fraction.
fn to_number(number: f64) -> Number {
    if number.fract() == 0.0 && number.abs() <= js_sys::Number::MAX_SAFE_INTEGER {
        Number::from(number as i64)
    } else {
        Number::from(number)
    }
}
