//! serde values to JSON text, in one pass; byte strings become attachments.

use std::fmt;

use bytes::Bytes;
use serde::ser::{
    self, Impossible, Serialize, SerializeMap, SerializeSeq, SerializeStruct,
    SerializeStructVariant, SerializeTuple, SerializeTupleStruct, SerializeTupleVariant,
};

use super::attachments::WriteScope;
use super::error::{EncodeError, Refusal};
use super::json;
use super::limits::MAX_DEPTH;
use super::placeholder;

type Result<T = ()> = std::result::Result<T, Refusal>;

/// The names with which `serde_json` passes raw JSON.
const RAW_VALUE: &str = "$serde_json::private::RawValue";
const RAW_NUMBER: &str = "$serde_json::private::Number";

/// Writes one payload at the end of `out`.
pub(crate) struct Serializer<'b> {
    out: &'b mut String,
    attachments: &'b mut Vec<Bytes>,
    depth: usize,
    /// Whether a binary packet's receiver would take some object for a placeholder.
    lookalike: bool,
}

impl<'b> Serializer<'b> {
    pub(crate) const fn new(out: &'b mut String, attachments: &'b mut Vec<Bytes>) -> Self {
        Self { out, attachments, depth: 0, lookalike: false }
    }

    /// Writes the arguments of an event, or without a name those of an ack, as the payload's array. Returns the
    /// offset after the name.
    #[inline]
    pub(crate) fn write_args<T: Serialize + ?Sized>(
        &mut self,
        name: Option<&str>,
        args: &T,
    ) -> Result<usize> {
        self.open('[')?;
        if let Some(name) = name {
            write_string(self.out, name);
        }
        let end_of_name = self.out.len();
        args.serialize(Args { serializer: self, first: name.is_none() })?;
        self.close(']');
        self.finish()?;
        Ok(end_of_name)
    }

    /// Writes a value as the payload.
    pub(crate) fn write_value<T: Serialize + ?Sized>(&mut self, value: &T) -> Result {
        value.serialize(&mut *self)?;
        self.finish()
    }

    #[inline]
    fn finish(&self) -> Result {
        if self.lookalike && !self.attachments.is_empty() {
            return Err(EncodeError::Placeholder.into());
        }
        Ok(())
    }

    #[inline]
    fn open(&mut self, bracket: char) -> Result {
        if self.depth == MAX_DEPTH {
            return Err(EncodeError::TooDeep.into());
        }
        self.depth += 1;
        self.out.push(bracket);
        Ok(())
    }

    #[inline]
    fn close(&mut self, bracket: char) {
        self.depth -= 1;
        self.out.push(bracket);
    }

    /// `{"variant":`
    fn open_variant(&mut self, variant: &str) -> Result {
        self.open('{')?;
        self.write_key(variant);
        Ok(())
    }

    /// `"key":`
    #[inline(always)]
    fn write_key(&mut self, key: &str) {
        self.out.push('"');
        write_text(self.out, key);
        self.out.push_str("\":");
    }

    /// Writes raw JSON after checking it.
    fn write_raw(&mut self, text: &str) -> Result {
        let lookalike = placeholder::has_lookalike(text, MAX_DEPTH - self.depth);
        self.lookalike |= lookalike.map_err(|error| EncodeError::RawJson(error.error))?;
        self.out.push_str(text);
        Ok(())
    }

    /// Writes the value of an object's entry.
    #[inline(always)]
    fn write_entry<T: Serialize + ?Sized>(&mut self, flag: bool, value: &T) -> Result {
        let start = self.out.len();
        value.serialize(&mut *self)?;
        if flag {
            self.lookalike |= &self.out[start..] == "true";
        }
        Ok(())
    }
}

/// Writes a string literal with the minimum of escapes, in JavaScript's forms.
#[inline]
pub(crate) fn write_string(out: &mut String, text: &str) {
    out.push('"');
    write_text(out, text);
    out.push('"');
}

/// Writes the text between the quotes.
#[inline]
fn write_text(out: &mut String, text: &str) {
    let plain = json::find_special(text.as_bytes(), 0);
    if plain == text.len() {
        out.push_str(text);
    } else {
        write_escaped(out, text, plain);
    }
}

/// Writes a text whose first character to escape is at `special`.
fn write_escaped(out: &mut String, text: &str, special: usize) {
    out.reserve(text.len() + 2);
    let bytes = text.as_bytes();
    // Everything before `start` has been written.
    let mut start = 0;
    // Characters to escape often come in groups: all of a block are found at once, without a branch that
    // depends on the text.
    let (blocks, rest) = bytes[special..].as_chunks::<64>();
    for (index, block) in blocks.iter().enumerate() {
        let specials = json::special_bytes(block);
        for (word, flags) in specials.as_chunks::<8>().0.iter().enumerate() {
            let mut flags = u64::from_le_bytes(*flags);
            while flags != 0 {
                let bit = flags.trailing_zeros();
                flags &= !(0xFF << bit);
                let at = special + index * 64 + word * 8 + bit as usize / 8;
                if at >= start {
                    start = write_until_escaped(out, text, start, at);
                }
            }
        }
    }
    let mut at = json::find_special(bytes, start.max(bytes.len() - rest.len()));
    while at < bytes.len() {
        start = write_until_escaped(out, text, start, at);
        at = json::find_special(bytes, start);
    }
    out.push_str(&text[start..]);
}

/// Writes the plain characters from `start` on, then the character to escape at `at`; returns the offset after
/// it.
#[inline(always)]
fn write_until_escaped(out: &mut String, text: &str, start: usize, at: usize) -> usize {
    if at > start {
        out.push_str(&text[start..at]);
    }
    let bytes = text.as_bytes();
    match bytes[at] {
        // The usual end of a line, written in one step for speed.
        b'\r' if bytes.get(at + 1) == Some(&b'\n') => {
            out.push_str("\\r\\n");
            return at + 2;
        }
        b'\n' => out.push_str("\\n"),
        b'\r' => out.push_str("\\r"),
        b'\t' => out.push_str("\\t"),
        b'"' => out.push_str("\\\""),
        b'\\' => out.push_str("\\\\"),
        8 => out.push_str("\\b"),
        12 => out.push_str("\\f"),
        control => {
            let digit = |nibble: u8| char::from_digit(u32::from(nibble), 16).unwrap_or('0');
            out.push_str("\\u00");
            out.push(digit(control >> 4));
            out.push(digit(control & 15));
        }
    }
    at + 1
}

macro_rules! integers {
    ($($method:ident: $type:ty),*) => {$(
        #[inline]
        fn $method(self, value: $type) -> Result {
            self.out.push_str(itoa::Buffer::new().format(value));
            Ok(())
        }
    )*};
}

impl<'s, 'b> ser::Serializer for &'s mut Serializer<'b> {
    type Ok = ();
    type Error = Refusal;
    type SerializeSeq = Compound<'s, 'b>;
    type SerializeTuple = Compound<'s, 'b>;
    type SerializeTupleStruct = Compound<'s, 'b>;
    type SerializeTupleVariant = Compound<'s, 'b>;
    type SerializeMap = Compound<'s, 'b>;
    type SerializeStruct = Compound<'s, 'b>;
    type SerializeStructVariant = Compound<'s, 'b>;

    integers! {
        serialize_i8: i8, serialize_i16: i16, serialize_i32: i32, serialize_i64: i64, serialize_i128: i128,
        serialize_u8: u8, serialize_u16: u16, serialize_u32: u32, serialize_u64: u64, serialize_u128: u128
    }

    #[inline]
    fn serialize_bool(self, value: bool) -> Result {
        self.out.push_str(if value { "true" } else { "false" });
        Ok(())
    }

    fn serialize_f32(self, value: f32) -> Result {
        if value.is_finite() {
            self.out.push_str(zmij::Buffer::new().format_finite(value));
        } else {
            self.out.push_str("null");
        }
        Ok(())
    }

    fn serialize_f64(self, value: f64) -> Result {
        if value.is_finite() {
            self.out.push_str(zmij::Buffer::new().format_finite(value));
        } else {
            self.out.push_str("null");
        }
        Ok(())
    }

    fn serialize_char(self, value: char) -> Result {
        write_string(self.out, value.encode_utf8(&mut [0; 4]));
        Ok(())
    }

    #[inline]
    fn serialize_str(self, text: &str) -> Result {
        write_string(self.out, text);
        Ok(())
    }

    fn serialize_bytes(self, bytes: &[u8]) -> Result {
        placeholder::write(self.out, self.attachments.len());
        self.attachments.push(WriteScope::take_or_copy(bytes));
        Ok(())
    }

    fn serialize_none(self) -> Result {
        self.serialize_unit()
    }

    #[inline]
    fn serialize_some<T: Serialize + ?Sized>(self, value: &T) -> Result {
        value.serialize(self)
    }

    fn serialize_unit(self) -> Result {
        self.out.push_str("null");
        Ok(())
    }

    fn serialize_unit_struct(self, _name: &'static str) -> Result {
        self.serialize_unit()
    }

    fn serialize_unit_variant(self, _: &'static str, _: u32, variant: &'static str) -> Result {
        self.serialize_str(variant)
    }

    fn serialize_newtype_struct<T: Serialize + ?Sized>(self, _: &'static str, value: &T) -> Result {
        value.serialize(self)
    }

    fn serialize_newtype_variant<T: Serialize + ?Sized>(
        self,
        _: &'static str,
        _: u32,
        variant: &'static str,
        value: &T,
    ) -> Result {
        self.open_variant(variant)?;
        self.write_entry(placeholder::is_flag(variant), value)?;
        self.close('}');
        Ok(())
    }

    #[inline]
    fn serialize_seq(self, _len: Option<usize>) -> Result<Compound<'s, 'b>> {
        self.open('[')?;
        Ok(Compound::new(self))
    }

    #[inline]
    fn serialize_tuple(self, len: usize) -> Result<Compound<'s, 'b>> {
        self.serialize_seq(Some(len))
    }

    fn serialize_tuple_struct(self, _: &'static str, len: usize) -> Result<Compound<'s, 'b>> {
        self.serialize_seq(Some(len))
    }

    fn serialize_tuple_variant(
        self,
        _: &'static str,
        _: u32,
        variant: &'static str,
        len: usize,
    ) -> Result<Compound<'s, 'b>> {
        self.open_variant(variant)?;
        self.serialize_seq(Some(len))
    }

    #[inline]
    fn serialize_map(self, _len: Option<usize>) -> Result<Compound<'s, 'b>> {
        self.open('{')?;
        Ok(Compound::new(self))
    }

    #[inline]
    fn serialize_struct(self, name: &'static str, _len: usize) -> Result<Compound<'s, 'b>> {
        if name == RAW_VALUE || name == RAW_NUMBER {
            return Ok(Compound { serializer: self, first: true, flag: false, raw: true });
        }
        self.open('{')?;
        Ok(Compound::new(self))
    }

    fn serialize_struct_variant(
        self,
        _: &'static str,
        _: u32,
        variant: &'static str,
        len: usize,
    ) -> Result<Compound<'s, 'b>> {
        self.open_variant(variant)?;
        self.serialize_map(Some(len))
    }

    fn collect_str<T: fmt::Display + ?Sized>(self, value: &T) -> Result {
        self.serialize_str(&value.to_string())
    }
}

/// An open array or object. It fits in two registers.
pub(crate) struct Compound<'s, 'b> {
    serializer: &'s mut Serializer<'b>,
    first: bool,
    /// Whether the last key is the one that marks placeholders.
    flag: bool,
    /// Whether the compound stands for raw JSON.
    raw: bool,
}

impl<'s, 'b> Compound<'s, 'b> {
    #[inline]
    const fn new(serializer: &'s mut Serializer<'b>) -> Self {
        Self { serializer, first: true, flag: false, raw: false }
    }
}

impl Compound<'_, '_> {
    #[inline(always)]
    fn comma(&mut self) {
        if !std::mem::replace(&mut self.first, false) {
            self.serializer.out.push(',');
        }
    }

    #[inline]
    fn element<T: Serialize + ?Sized>(&mut self, value: &T) -> Result {
        self.comma();
        value.serialize(&mut *self.serializer)
    }

    #[inline(always)]
    fn field<T: Serialize + ?Sized>(&mut self, key: &str, value: &T) -> Result {
        self.comma();
        self.serializer.write_key(key);
        self.serializer.write_entry(placeholder::is_flag(key), value)
    }

    fn end_variant(self, bracket: char) -> Result {
        self.serializer.close(bracket);
        self.serializer.close('}');
        Ok(())
    }
}

impl SerializeSeq for Compound<'_, '_> {
    type Ok = ();
    type Error = Refusal;

    #[inline]
    fn serialize_element<T: Serialize + ?Sized>(&mut self, value: &T) -> Result {
        self.element(value)
    }

    #[inline]
    fn end(self) -> Result {
        self.serializer.close(']');
        Ok(())
    }
}

impl SerializeTuple for Compound<'_, '_> {
    type Ok = ();
    type Error = Refusal;

    #[inline]
    fn serialize_element<T: Serialize + ?Sized>(&mut self, value: &T) -> Result {
        self.element(value)
    }

    #[inline]
    fn end(self) -> Result {
        self.serializer.close(']');
        Ok(())
    }
}

impl SerializeTupleStruct for Compound<'_, '_> {
    type Ok = ();
    type Error = Refusal;

    fn serialize_field<T: Serialize + ?Sized>(&mut self, value: &T) -> Result {
        self.element(value)
    }

    #[inline]
    fn end(self) -> Result {
        self.serializer.close(']');
        Ok(())
    }
}

impl SerializeTupleVariant for Compound<'_, '_> {
    type Ok = ();
    type Error = Refusal;

    fn serialize_field<T: Serialize + ?Sized>(&mut self, value: &T) -> Result {
        self.element(value)
    }

    fn end(self) -> Result {
        self.end_variant(']')
    }
}

impl SerializeMap for Compound<'_, '_> {
    type Ok = ();
    type Error = Refusal;

    fn serialize_key<T: Serialize + ?Sized>(&mut self, key: &T) -> Result {
        self.comma();
        let out = &mut *self.serializer.out;
        let start = out.len() + 1;
        key.serialize(MapKey { out })?;
        self.flag = out.get(start..out.len() - 1).is_some_and(placeholder::is_flag);
        Ok(())
    }

    fn serialize_value<T: Serialize + ?Sized>(&mut self, value: &T) -> Result {
        self.serializer.out.push(':');
        self.serializer.write_entry(self.flag, value)
    }

    #[inline]
    fn end(self) -> Result {
        self.serializer.close('}');
        Ok(())
    }
}

impl SerializeStructVariant for Compound<'_, '_> {
    type Ok = ();
    type Error = Refusal;

    fn serialize_field<T: Serialize + ?Sized>(&mut self, key: &'static str, value: &T) -> Result {
        self.field(key, value)
    }

    fn end(self) -> Result {
        self.end_variant('}')
    }
}

impl SerializeStruct for Compound<'_, '_> {
    type Ok = ();
    type Error = Refusal;

    #[inline(always)]
    fn serialize_field<T: Serialize + ?Sized>(&mut self, key: &'static str, value: &T) -> Result {
        if self.raw {
            let serializer = &mut *self.serializer;
            return value.serialize(RawText(|text: &str| serializer.write_raw(text)));
        }
        self.field(key, value)
    }

    #[inline]
    fn end(self) -> Result {
        if !self.raw {
            self.serializer.close('}');
        }
        Ok(())
    }
}

/// The methods of a serializer that accepts few kinds of values: the others return errors.
macro_rules! refuse {
    ($error:expr;) => {};
    ($error:expr; bool $($rest:tt)*) => { refuse!(@scalar $error, serialize_bool, bool, "a boolean"); refuse!($error; $($rest)*); };
    ($error:expr; numbers $($rest:tt)*) => {
        refuse!(@scalar $error, serialize_i8, i8, "a number");
        refuse!(@scalar $error, serialize_i16, i16, "a number");
        refuse!(@scalar $error, serialize_i32, i32, "a number");
        refuse!(@scalar $error, serialize_i64, i64, "a number");
        refuse!(@scalar $error, serialize_u8, u8, "a number");
        refuse!(@scalar $error, serialize_u16, u16, "a number");
        refuse!(@scalar $error, serialize_u32, u32, "a number");
        refuse!(@scalar $error, serialize_u64, u64, "a number");
        refuse!(@scalar $error, serialize_f32, f32, "a number");
        refuse!(@scalar $error, serialize_f64, f64, "a number");
        refuse!($error; $($rest)*);
    };
    ($error:expr; text $($rest:tt)*) => {
        refuse!(@scalar $error, serialize_char, char, "a string");
        refuse!(@scalar $error, serialize_str, &str, "a string");
        fn serialize_unit_variant(self, _: &'static str, _: u32, _: &'static str) -> Result {
            Err($error("a variant").into())
        }
        refuse!($error; $($rest)*);
    };
    ($error:expr; bytes $($rest:tt)*) => { refuse!(@scalar $error, serialize_bytes, &[u8], "bytes"); refuse!($error; $($rest)*); };
    ($error:expr; none $($rest:tt)*) => {
        fn serialize_none(self) -> Result {
            Err($error("null").into())
        }
        fn serialize_unit(self) -> Result {
            Err($error("null").into())
        }
        fn serialize_unit_struct(self, _: &'static str) -> Result {
            Err($error("null").into())
        }
        refuse!($error; $($rest)*);
    };
    ($error:expr; sequences $($rest:tt)*) => {
        type SerializeSeq = Impossible<(), Refusal>;
        type SerializeTuple = Impossible<(), Refusal>;
        type SerializeTupleStruct = Impossible<(), Refusal>;
        fn serialize_seq(self, _: Option<usize>) -> Result<Self::SerializeSeq> {
            Err($error("an array").into())
        }
        fn serialize_tuple(self, _: usize) -> Result<Self::SerializeTuple> {
            Err($error("an array").into())
        }
        fn serialize_tuple_struct(self, _: &'static str, _: usize) -> Result<Self::SerializeTupleStruct> {
            Err($error("an array").into())
        }
        refuse!($error; $($rest)*);
    };
    ($error:expr; objects $($rest:tt)*) => {
        type SerializeTupleVariant = Impossible<(), Refusal>;
        type SerializeMap = Impossible<(), Refusal>;
        type SerializeStruct = Impossible<(), Refusal>;
        type SerializeStructVariant = Impossible<(), Refusal>;
        fn serialize_newtype_variant<T: Serialize + ?Sized>(
            self, _: &'static str, _: u32, _: &'static str, _: &T,
        ) -> Result {
            Err($error("an object").into())
        }
        fn serialize_tuple_variant(
            self, _: &'static str, _: u32, _: &'static str, _: usize,
        ) -> Result<Self::SerializeTupleVariant> {
            Err($error("an object").into())
        }
        fn serialize_map(self, _: Option<usize>) -> Result<Self::SerializeMap> {
            Err($error("an object").into())
        }
        fn serialize_struct(self, _: &'static str, _: usize) -> Result<Self::SerializeStruct> {
            Err($error("an object").into())
        }
        fn serialize_struct_variant(
            self, _: &'static str, _: u32, _: &'static str, _: usize,
        ) -> Result<Self::SerializeStructVariant> {
            Err($error("an object").into())
        }
        refuse!($error; $($rest)*);
    };
    (@scalar $error:expr, $method:ident, $type:ty, $what:literal) => {
        fn $method(self, _: $type) -> Result {
            Err($error($what).into())
        }
    };
}

/// The serializer of map keys: strings, and values with one plain text.
struct MapKey<'b> {
    out: &'b mut String,
}

macro_rules! quoted {
    ($($method:ident: $type:ty),*) => {$(
        fn $method(self, value: $type) -> Result {
            self.out.push('"');
            self.out.push_str(itoa::Buffer::new().format(value));
            self.out.push('"');
            Ok(())
        }
    )*};
}

impl ser::Serializer for MapKey<'_> {
    type Ok = ();
    type Error = Refusal;

    refuse!(EncodeError::Key; bytes none sequences objects);

    quoted! {
        serialize_i8: i8, serialize_i16: i16, serialize_i32: i32, serialize_i64: i64, serialize_i128: i128,
        serialize_u8: u8, serialize_u16: u16, serialize_u32: u32, serialize_u64: u64, serialize_u128: u128
    }

    fn serialize_bool(self, value: bool) -> Result {
        self.out.push_str(if value { "\"true\"" } else { "\"false\"" });
        Ok(())
    }

    fn serialize_f32(self, value: f32) -> Result {
        self.serialize_f64(f64::from(value))
    }

    fn serialize_f64(self, value: f64) -> Result {
        if !value.is_finite() {
            return Err(EncodeError::Key("a number that is not finite").into());
        }
        self.out.push('"');
        self.out.push_str(zmij::Buffer::new().format_finite(value));
        self.out.push('"');
        Ok(())
    }

    fn serialize_char(self, value: char) -> Result {
        write_string(self.out, value.encode_utf8(&mut [0; 4]));
        Ok(())
    }

    fn serialize_str(self, text: &str) -> Result {
        write_string(self.out, text);
        Ok(())
    }

    fn serialize_unit_variant(self, _: &'static str, _: u32, variant: &'static str) -> Result {
        self.serialize_str(variant)
    }

    fn serialize_some<T: Serialize + ?Sized>(self, value: &T) -> Result {
        value.serialize(self)
    }

    fn serialize_newtype_struct<T: Serialize + ?Sized>(self, _: &'static str, value: &T) -> Result {
        value.serialize(self)
    }
}

/// The serializer of the text inside raw JSON.
struct RawText<F>(F);

impl<F: FnOnce(&str) -> Result> ser::Serializer for RawText<F> {
    type Ok = ();
    type Error = Refusal;

    refuse!(raw_text_expected; bool numbers bytes none sequences objects);

    fn serialize_char(self, _: char) -> Result {
        Err(raw_text_expected("a character").into())
    }

    fn serialize_str(self, text: &str) -> Result {
        (self.0)(text)
    }

    fn serialize_unit_variant(self, _: &'static str, _: u32, _: &'static str) -> Result {
        Err(raw_text_expected("a variant").into())
    }

    fn serialize_some<T: Serialize + ?Sized>(self, value: &T) -> Result {
        value.serialize(self)
    }

    fn serialize_newtype_struct<T: Serialize + ?Sized>(self, _: &'static str, value: &T) -> Result {
        value.serialize(self)
    }
}

fn raw_text_expected(got: &str) -> EncodeError {
    EncodeError::Custom(format!("expected raw JSON as a string, got {got}"))
}

/// The serializer of arguments: the elements of a sequence, inside the payload's array.
struct Args<'s, 'b> {
    serializer: &'s mut Serializer<'b>,
    /// Whether the array is empty so far.
    first: bool,
}

impl<'s, 'b> ser::Serializer for Args<'s, 'b> {
    type Ok = ();
    type Error = Refusal;
    type SerializeSeq = ArgElements<'s, 'b>;
    type SerializeTuple = ArgElements<'s, 'b>;
    type SerializeTupleStruct = ArgElements<'s, 'b>;

    refuse!(EncodeError::Arguments; bool numbers text bytes objects);

    fn serialize_none(self) -> Result {
        Ok(())
    }

    fn serialize_unit(self) -> Result {
        Ok(())
    }

    fn serialize_unit_struct(self, _: &'static str) -> Result {
        Ok(())
    }

    fn serialize_some<T: Serialize + ?Sized>(self, value: &T) -> Result {
        value.serialize(self)
    }

    fn serialize_newtype_struct<T: Serialize + ?Sized>(self, _: &'static str, value: &T) -> Result {
        value.serialize(self)
    }

    #[inline]
    fn serialize_seq(self, _: Option<usize>) -> Result<ArgElements<'s, 'b>> {
        Ok(ArgElements(Compound { first: self.first, ..Compound::new(self.serializer) }))
    }

    #[inline]
    fn serialize_tuple(self, len: usize) -> Result<ArgElements<'s, 'b>> {
        self.serialize_seq(Some(len))
    }

    fn serialize_tuple_struct(self, _: &'static str, len: usize) -> Result<ArgElements<'s, 'b>> {
        self.serialize_seq(Some(len))
    }
}

/// The elements of an array that is closed elsewhere.
struct ArgElements<'s, 'b>(Compound<'s, 'b>);

impl SerializeSeq for ArgElements<'_, '_> {
    type Ok = ();
    type Error = Refusal;

    #[inline]
    fn serialize_element<T: Serialize + ?Sized>(&mut self, value: &T) -> Result {
        self.0.element(value)
    }

    fn end(self) -> Result {
        Ok(())
    }
}

impl SerializeTuple for ArgElements<'_, '_> {
    type Ok = ();
    type Error = Refusal;

    #[inline]
    fn serialize_element<T: Serialize + ?Sized>(&mut self, value: &T) -> Result {
        self.0.element(value)
    }

    fn end(self) -> Result {
        Ok(())
    }
}

impl SerializeTupleStruct for ArgElements<'_, '_> {
    type Ok = ();
    type Error = Refusal;

    fn serialize_field<T: Serialize + ?Sized>(&mut self, value: &T) -> Result {
        self.0.element(value)
    }

    fn end(self) -> Result {
        Ok(())
    }
}
