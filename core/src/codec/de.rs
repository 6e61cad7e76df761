//! JSON text to serde values; placeholders become byte strings.

use bytes::Bytes;
use serde::de::value::BorrowedStrDeserializer;
use serde::de::{
    self, Deserialize, DeserializeSeed, EnumAccess, IntoDeserializer, MapAccess, SeqAccess,
    Unexpected, VariantAccess, Visitor,
};
use serde::forward_to_deserialize_any;

use super::attachments::{Attachments, ReadScope};
use super::error::{JsonError, PayloadError, ScanError};
use super::json::{self, NumberValue};
use super::limits::MAX_DEPTH;
use super::placeholder::Placeholders;

type Result<T> = std::result::Result<T, PayloadError>;

/// The name with which `serde_json` requests raw JSON.
const RAW_VALUE: &str = "$serde_json::private::RawValue";

/// Reads the payload that begins at offset `payload` of the head.
pub(crate) fn read_payload<'de, T: Deserialize<'de>>(
    head: &'de str,
    payload: usize,
    attachments: &'de Attachments,
) -> Result<T> {
    if payload == head.len() {
        return T::deserialize(().into_deserializer());
    }
    let _scope = ReadScope::enter(attachments);
    let mut deserializer = Deserializer::new(head, payload, payload, attachments.as_slice())?;
    let value = T::deserialize(&mut deserializer)?;
    deserializer.expect_end()?;
    Ok(value)
}

/// Reads the elements of the payload's array after `pos`, which is behind the opening bracket, or behind an
/// element, the event name.
pub(crate) fn read_args<'de, T: Deserialize<'de>>(
    head: &'de str,
    payload: usize,
    pos: usize,
    attachments: &'de Attachments,
) -> Result<T> {
    let _scope = ReadScope::enter(attachments);
    let mut deserializer = Deserializer::new(head, payload, pos, attachments.as_slice())?;
    deserializer.depth -= 1;
    let first = pos == payload + 1;
    let value = T::deserialize(Args { deserializer: &mut deserializer, first })?;
    deserializer.expect_end()?;
    Ok(value)
}

struct Deserializer<'de> {
    text: &'de str,
    pos: usize,
    /// The number of further arrays and objects that may open.
    depth: usize,
    placeholders: Placeholders,
    attachments: &'de [Bytes],
    /// The buffer for strings with escapes.
    scratch: String,
}

impl<'de> Deserializer<'de> {
    #[inline]
    fn new(text: &'de str, payload: usize, pos: usize, attachments: &'de [Bytes]) -> Result<Self> {
        let placeholders = if attachments.is_empty() {
            Placeholders::None
        } else {
            Placeholders::find(text, payload, attachments.len())?
        };
        Ok(Self { text, pos, depth: MAX_DEPTH, placeholders, attachments, scratch: String::new() })
    }

    #[inline]
    const fn bytes(&self) -> &'de [u8] {
        self.text.as_bytes()
    }

    /// Returns the next byte after whitespace.
    #[inline(always)]
    fn peek(&mut self) -> Option<u8> {
        self.pos = json::skip_whitespace(self.bytes(), self.pos);
        self.bytes().get(self.pos).copied()
    }

    #[cold]
    fn expected(&self, what: &'static str) -> PayloadError {
        let error = if self.pos < self.text.len() {
            JsonError::Expected(what)
        } else {
            JsonError::UnexpectedEnd(what)
        };
        ScanError::new(error, self.pos).into()
    }

    fn expect_end(&self) -> Result<()> {
        Ok(json::expect_end(self.bytes(), self.pos)?)
    }

    #[inline]
    fn expect_word(&mut self, word: &'static str) -> Result<()> {
        self.pos = json::expect_word(self.bytes(), self.pos, word)?;
        Ok(())
    }

    #[inline]
    fn open(&mut self) -> Result<()> {
        if self.depth == 0 {
            return Err(ScanError::new(JsonError::TooDeep, self.pos).into());
        }
        self.depth -= 1;
        self.pos += 1;
        Ok(())
    }

    /// Consumes the closing bracket; remaining elements are an error.
    #[inline]
    fn close(&mut self, bracket: u8) -> Result<()> {
        self.depth += 1;
        match self.peek() {
            Some(byte) if byte == bracket => {
                self.pos += 1;
                Ok(())
            }
            Some(b',') if bracket == b']' => {
                Err(<PayloadError as de::Error>::custom("expected fewer elements").at(self.pos))
            }
            Some(_) | None => Err(self.expected(if bracket == b']' { "`]`" } else { "`}`" })),
        }
    }

    fn skip_value(&mut self) -> Result<()> {
        self.pos = json::skip_value(self.text, self.pos, self.depth, &mut ())?;
        Ok(())
    }

    /// Reads the string literal at `pos`: borrowed from the text, or `None` after unescaping it into the
    /// buffer.
    #[inline]
    fn read_string(&mut self) -> Result<Option<&'de str>> {
        let start = self.pos + 1;
        let end = json::find_special(self.bytes(), start);
        if self.bytes().get(end) == Some(&b'"') {
            self.pos = end + 1;
            return Ok(Some(&self.text[start..end]));
        }
        self.unescape(start, end)?;
        Ok(None)
    }

    /// Continues to read the string literal that begins at `start`, from the special character at `special`.
    fn unescape(&mut self, start: usize, special: usize) -> Result<()> {
        self.scratch.clear();
        self.scratch.push_str(&self.text[start..special]);
        self.pos = json::unescape_into(&mut self.scratch, self.text, special)? + 1;
        Ok(())
    }

    #[inline]
    fn visit_string<V: Visitor<'de>>(&mut self, visitor: V) -> Result<V::Value> {
        let start = self.pos + 1;
        let end = json::find_special(self.bytes(), start);
        if self.bytes().get(end) == Some(&b'"') {
            self.pos = end + 1;
            return visitor.visit_borrowed_str(&self.text[start..end]);
        }
        self.unescape(start, end)?;
        visitor.visit_str(&self.scratch)
    }

    #[inline]
    fn visit_number<V: Visitor<'de>>(&mut self, visitor: V) -> Result<V::Value> {
        let number = json::read_number(self.text, self.pos)?;
        self.pos = number.end;
        match number.value {
            NumberValue::Unsigned(value) => visitor.visit_u64(value),
            NumberValue::Signed(value) => visitor.visit_i64(value),
            NumberValue::Float(value) => visitor.visit_f64(value),
        }
    }

    #[inline]
    fn visit_array<V: Visitor<'de>>(&mut self, visitor: V) -> Result<V::Value> {
        self.open()?;
        let value = visitor.visit_seq(Elements { deserializer: self, first: true })?;
        self.close(b']')?;
        Ok(value)
    }

    #[inline]
    fn visit_object<V: Visitor<'de>>(&mut self, visitor: V) -> Result<V::Value> {
        self.open()?;
        let value = visitor.visit_map(Entries { deserializer: self, first: true })?;
        self.close(b'}')?;
        Ok(value)
    }

    /// Consumes the placeholder at `pos`, if there is one, and returns its attachment.
    #[inline]
    fn take_attachment(&mut self) -> Option<&'de Bytes> {
        let (index, end) = self.placeholders.at(self.text.as_bytes(), self.pos)?;
        let attachment = self.attachments.get(index)?;
        self.pos = end;
        ReadScope::hand_out(index);
        Some(attachment)
    }

    /// Passes any value to the visitor.
    #[inline]
    fn visit_any<V: Visitor<'de>>(&mut self, visitor: V) -> Result<V::Value> {
        let byte = self.peek();
        let start = self.pos;
        let value = match byte {
            Some(b'"') => self.visit_string(visitor),
            Some(b'-' | b'0'..=b'9') => self.visit_number(visitor),
            Some(b'{') => match self.take_attachment() {
                Some(bytes) => visitor.visit_borrowed_bytes(bytes),
                None => self.visit_object(visitor),
            },
            Some(b'[') => self.visit_array(visitor),
            Some(b't') => {
                self.expect_word("true")?;
                visitor.visit_bool(true)
            }
            Some(b'f') => {
                self.expect_word("false")?;
                visitor.visit_bool(false)
            }
            Some(b'n') => {
                self.expect_word("null")?;
                visitor.visit_unit()
            }
            Some(_) | None => Err(self.expected("a value")),
        };
        value.map_err(|error| error.at(start))
    }

    /// Reads the integer at `pos`, which may have more than 64 bits.
    fn read_wide<N: std::str::FromStr>(&mut self, expected: &dyn de::Expected) -> Result<N> {
        self.peek();
        let start = self.pos;
        let digits = self.bytes()[start..]
            .iter()
            .take_while(|byte| matches!(byte, b'-' | b'0'..=b'9'))
            .count();
        self.pos = json::read_number(self.text, start)?.end;
        let whole =
            if self.pos == start + digits { self.text[start..self.pos].parse().ok() } else { None };
        whole.ok_or_else(|| {
            <PayloadError as de::Error>::invalid_value(Unexpected::Other("a number"), expected)
                .at(start)
        })
    }
}

macro_rules! whatever_comes {
    ($($method:ident)*) => {$(
        #[inline]
        fn $method<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value> {
            self.visit_any(visitor)
        }
    )*};
}

impl<'de> de::Deserializer<'de> for &mut Deserializer<'de> {
    type Error = PayloadError;

    whatever_comes! {
        deserialize_any deserialize_bool deserialize_unit
        deserialize_i8 deserialize_i16 deserialize_i32 deserialize_u8 deserialize_u16 deserialize_u32
        deserialize_i64 deserialize_u64 deserialize_f32 deserialize_f64
        deserialize_map
    }

    /// Bytes are attachments: a string is an error, though serde's own types would accept its UTF-8.
    #[inline]
    fn deserialize_bytes<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value> {
        if self.peek() == Some(b'"') {
            let error: PayloadError = de::Error::invalid_type(Unexpected::Str(""), &visitor);
            return Err(error.at(self.pos));
        }
        self.visit_any(visitor)
    }

    #[inline]
    fn deserialize_byte_buf<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value> {
        self.deserialize_bytes(visitor)
    }

    fn deserialize_i128<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value> {
        let value = self.read_wide(&visitor)?;
        visitor.visit_i128(value)
    }

    fn deserialize_u128<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value> {
        let value = self.read_wide(&visitor)?;
        visitor.visit_u128(value)
    }

    fn deserialize_char<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value> {
        self.deserialize_str(visitor)
    }

    /// An attachment is an error, though serde's own types would accept its bytes as UTF-8.
    #[inline]
    fn deserialize_str<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value> {
        if self.peek() == Some(b'{') {
            let start = self.pos;
            if self.take_attachment().is_some() {
                let error: PayloadError = de::Error::invalid_type(Unexpected::Bytes(&[]), &visitor);
                return Err(error.at(start));
            }
        }
        self.visit_any(visitor)
    }

    #[inline]
    fn deserialize_string<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value> {
        self.deserialize_str(visitor)
    }

    #[inline]
    fn deserialize_option<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value> {
        if self.peek() == Some(b'n') {
            self.expect_word("null")?;
            return visitor.visit_none();
        }
        visitor.visit_some(self)
    }

    fn deserialize_unit_struct<V: Visitor<'de>>(
        self,
        _: &'static str,
        visitor: V,
    ) -> Result<V::Value> {
        self.visit_any(visitor)
    }

    #[inline]
    fn deserialize_newtype_struct<V: Visitor<'de>>(
        self,
        name: &'static str,
        visitor: V,
    ) -> Result<V::Value> {
        if name != RAW_VALUE {
            return visitor.visit_newtype_struct(self);
        }
        self.peek();
        let start = self.pos;
        self.skip_value()?;
        visitor.visit_map(RawText(Some(&self.text[start..self.pos])))
    }

    /// A sequence may be requested for an attachment, as `Vec<u8>` does.
    #[inline]
    fn deserialize_seq<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value> {
        if self.peek() == Some(b'{') {
            let start = self.pos;
            if let Some(bytes) = self.take_attachment() {
                let bytes = bytes.iter().copied();
                let mut bytes = de::value::SeqDeserializer::<_, PayloadError>::new(bytes);
                let value = visitor.visit_seq(&mut bytes).map_err(|error| error.at(start))?;
                bytes.end().map_err(|error| error.at(start))?;
                return Ok(value);
            }
        }
        self.visit_any(visitor)
    }

    #[inline]
    fn deserialize_tuple<V: Visitor<'de>>(self, _len: usize, visitor: V) -> Result<V::Value> {
        self.deserialize_seq(visitor)
    }

    fn deserialize_tuple_struct<V: Visitor<'de>>(
        self,
        _: &'static str,
        _: usize,
        visitor: V,
    ) -> Result<V::Value> {
        self.deserialize_seq(visitor)
    }

    #[inline]
    fn deserialize_struct<V: Visitor<'de>>(
        self,
        _: &'static str,
        _: &'static [&'static str],
        visitor: V,
    ) -> Result<V::Value> {
        self.visit_any(visitor)
    }

    fn deserialize_enum<V: Visitor<'de>>(
        self,
        _: &'static str,
        _: &'static [&'static str],
        visitor: V,
    ) -> Result<V::Value> {
        let byte = self.peek();
        let start = self.pos;
        let value = match byte {
            Some(b'"') => visitor.visit_enum(UnitVariant(self)),
            Some(b'{') if self.take_attachment().is_none() => {
                self.open()?;
                if self.peek() == Some(b'"') {
                    let value =
                        visitor.visit_enum(Variant(self)).map_err(|error| error.at(start))?;
                    self.close(b'}')?;
                    Ok(value)
                } else {
                    Err(self.expected("the name of a variant"))
                }
            }
            Some(_) | None => {
                self.pos = start;
                Err(self.expected("the name of a variant or an object with it as the key"))
            }
        };
        value.map_err(|error| error.at(start))
    }

    #[inline]
    fn deserialize_identifier<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value> {
        self.visit_any(visitor)
    }

    fn deserialize_ignored_any<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value> {
        self.skip_value()?;
        visitor.visit_unit()
    }
}

/// The elements of an open array.
struct Elements<'d, 'de> {
    deserializer: &'d mut Deserializer<'de>,
    first: bool,
}

impl Elements<'_, '_> {
    /// Moves to the next element; returns false at the closing bracket.
    #[inline]
    fn advance(&mut self) -> Result<bool> {
        match self.deserializer.peek() {
            Some(b']') => return Ok(false),
            Some(b',') if !self.first => {
                self.deserializer.pos += 1;
                if self.deserializer.peek() == Some(b']') {
                    return Err(self.deserializer.expected("a value"));
                }
            }
            Some(_) if self.first => {}
            Some(_) | None => return Err(self.deserializer.expected("`,` or `]`")),
        }
        self.first = false;
        Ok(true)
    }
}

impl<'de> SeqAccess<'de> for Elements<'_, 'de> {
    type Error = PayloadError;

    #[inline]
    fn next_element_seed<T: DeserializeSeed<'de>>(&mut self, seed: T) -> Result<Option<T::Value>> {
        if !self.advance()? {
            return Ok(None);
        }
        seed.deserialize(&mut *self.deserializer).map(Some)
    }
}

/// The entries of an open object.
struct Entries<'d, 'de> {
    deserializer: &'d mut Deserializer<'de>,
    first: bool,
}

impl<'de> MapAccess<'de> for Entries<'_, 'de> {
    type Error = PayloadError;

    #[inline]
    fn next_key_seed<K: DeserializeSeed<'de>>(&mut self, seed: K) -> Result<Option<K::Value>> {
        let deserializer = &mut *self.deserializer;
        match deserializer.peek() {
            Some(b'}') => return Ok(None),
            Some(b',') if !self.first => {
                deserializer.pos += 1;
                deserializer.peek();
            }
            Some(_) if self.first => {}
            Some(_) | None => return Err(deserializer.expected("`,` or `}`")),
        }
        self.first = false;
        if deserializer.bytes().get(deserializer.pos) != Some(&b'"') {
            return Err(deserializer.expected("a key"));
        }
        seed.deserialize(Key(deserializer)).map(Some)
    }

    #[inline]
    fn next_value_seed<V: DeserializeSeed<'de>>(&mut self, seed: V) -> Result<V::Value> {
        self.deserializer.expect_colon()?;
        seed.deserialize(&mut *self.deserializer)
    }
}

impl Deserializer<'_> {
    #[inline]
    fn expect_colon(&mut self) -> Result<()> {
        if self.peek() != Some(b':') {
            return Err(self.expected("`:`"));
        }
        self.pos += 1;
        Ok(())
    }
}

/// The key of an entry: a string, which can be read as the number or boolean that it spells.
struct Key<'d, 'de>(&'d mut Deserializer<'de>);

macro_rules! parsed_keys {
    ($($method:ident: $type:ty => $visit:ident),*) => {$(
        fn $method<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value> {
            let start = self.0.pos;
            let text = match self.0.read_string()? {
                Some(text) => text,
                None => &self.0.scratch,
            };
            let value = match text.parse::<$type>() {
                Ok(value) => visitor.$visit(value),
                Err(_) => Err(de::Error::invalid_type(Unexpected::Str(""), &visitor)),
            };
            value.map_err(|error: PayloadError| error.at(start))
        }
    )*};
}

impl<'de> de::Deserializer<'de> for Key<'_, 'de> {
    type Error = PayloadError;

    #[inline]
    fn deserialize_any<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value> {
        let start = self.0.pos;
        self.0.visit_string(visitor).map_err(|error| error.at(start))
    }

    parsed_keys! {
        deserialize_i8: i8 => visit_i8, deserialize_i16: i16 => visit_i16,
        deserialize_i32: i32 => visit_i32, deserialize_i64: i64 => visit_i64,
        deserialize_i128: i128 => visit_i128, deserialize_u8: u8 => visit_u8,
        deserialize_u16: u16 => visit_u16, deserialize_u32: u32 => visit_u32,
        deserialize_u64: u64 => visit_u64, deserialize_u128: u128 => visit_u128,
        deserialize_f32: f32 => visit_f32, deserialize_f64: f64 => visit_f64,
        deserialize_bool: bool => visit_bool
    }

    fn deserialize_option<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value> {
        visitor.visit_some(self)
    }

    fn deserialize_newtype_struct<V: Visitor<'de>>(
        self,
        _: &'static str,
        visitor: V,
    ) -> Result<V::Value> {
        visitor.visit_newtype_struct(self)
    }

    fn deserialize_enum<V: Visitor<'de>>(
        self,
        _: &'static str,
        _: &'static [&'static str],
        visitor: V,
    ) -> Result<V::Value> {
        let start = self.0.pos;
        visitor.visit_enum(UnitVariant(self.0)).map_err(|error| error.at(start))
    }

    forward_to_deserialize_any! {
        char str string bytes byte_buf unit unit_struct seq tuple tuple_struct map struct identifier
        ignored_any
    }
}

/// A variant that consists of its name.
struct UnitVariant<'d, 'de>(&'d mut Deserializer<'de>);

impl<'de> EnumAccess<'de> for UnitVariant<'_, 'de> {
    type Error = PayloadError;
    type Variant = Self;

    fn variant_seed<V: DeserializeSeed<'de>>(self, seed: V) -> Result<(V::Value, Self)> {
        let variant = seed.deserialize(Key(&mut *self.0))?;
        Ok((variant, self))
    }
}

impl<'de> VariantAccess<'de> for UnitVariant<'_, 'de> {
    type Error = PayloadError;

    fn unit_variant(self) -> Result<()> {
        Ok(())
    }

    fn newtype_variant_seed<T: DeserializeSeed<'de>>(self, _: T) -> Result<T::Value> {
        Err(de::Error::invalid_type(Unexpected::UnitVariant, &"a variant with a value"))
    }

    fn tuple_variant<V: Visitor<'de>>(self, _: usize, _: V) -> Result<V::Value> {
        Err(de::Error::invalid_type(Unexpected::UnitVariant, &"a variant with an array"))
    }

    fn struct_variant<V: Visitor<'de>>(self, _: &'static [&'static str], _: V) -> Result<V::Value> {
        Err(de::Error::invalid_type(Unexpected::UnitVariant, &"a variant with an object"))
    }
}

/// A variant that is the only key of an object, with its content as the value.
struct Variant<'d, 'de>(&'d mut Deserializer<'de>);

impl<'de> EnumAccess<'de> for Variant<'_, 'de> {
    type Error = PayloadError;
    type Variant = Self;

    fn variant_seed<V: DeserializeSeed<'de>>(self, seed: V) -> Result<(V::Value, Self)> {
        let variant = seed.deserialize(Key(&mut *self.0))?;
        self.0.expect_colon()?;
        Ok((variant, self))
    }
}

impl<'de> VariantAccess<'de> for Variant<'_, 'de> {
    type Error = PayloadError;

    fn unit_variant(self) -> Result<()> {
        Deserialize::deserialize(self.0)
    }

    fn newtype_variant_seed<T: DeserializeSeed<'de>>(self, seed: T) -> Result<T::Value> {
        seed.deserialize(self.0)
    }

    fn tuple_variant<V: Visitor<'de>>(self, _: usize, visitor: V) -> Result<V::Value> {
        de::Deserializer::deserialize_seq(self.0, visitor)
    }

    fn struct_variant<V: Visitor<'de>>(
        self,
        fields: &'static [&'static str],
        visitor: V,
    ) -> Result<V::Value> {
        de::Deserializer::deserialize_struct(self.0, "", fields, visitor)
    }
}

/// The form in which `serde_json` accepts raw JSON: a map with one entry.
struct RawText<'de>(Option<&'de str>);

impl<'de> MapAccess<'de> for RawText<'de> {
    type Error = PayloadError;

    fn next_key_seed<K: DeserializeSeed<'de>>(&mut self, seed: K) -> Result<Option<K::Value>> {
        if self.0.is_none() {
            return Ok(None);
        }
        seed.deserialize(BorrowedStrDeserializer::new(RAW_VALUE)).map(Some)
    }

    fn next_value_seed<V: DeserializeSeed<'de>>(&mut self, seed: V) -> Result<V::Value> {
        seed.deserialize(BorrowedStrDeserializer::new(self.0.take().unwrap_or_default()))
    }
}

/// The arguments of an event or ack as a sequence.
struct Args<'d, 'de> {
    deserializer: &'d mut Deserializer<'de>,
    first: bool,
}

impl<'de> Args<'_, 'de> {
    fn close(self) -> Result<()> {
        self.deserializer.close(b']')
    }
}

impl<'de> de::Deserializer<'de> for Args<'_, 'de> {
    type Error = PayloadError;

    #[inline]
    fn deserialize_any<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value> {
        let start = self.deserializer.pos;
        let elements = Elements { deserializer: &mut *self.deserializer, first: self.first };
        let value = visitor.visit_seq(elements).map_err(|error| error.at(start))?;
        self.close()?;
        Ok(value)
    }

    /// A unit stands for no arguments.
    fn deserialize_unit<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value> {
        self.close()?;
        visitor.visit_unit()
    }

    fn deserialize_unit_struct<V: Visitor<'de>>(
        self,
        _: &'static str,
        visitor: V,
    ) -> Result<V::Value> {
        self.deserialize_unit(visitor)
    }

    fn deserialize_option<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value> {
        visitor.visit_some(self)
    }

    fn deserialize_newtype_struct<V: Visitor<'de>>(
        self,
        _: &'static str,
        visitor: V,
    ) -> Result<V::Value> {
        visitor.visit_newtype_struct(self)
    }

    fn deserialize_ignored_any<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value> {
        let mut elements = Elements { deserializer: &mut *self.deserializer, first: self.first };
        while elements.advance()? {
            elements.deserializer.skip_value()?;
        }
        self.close()?;
        visitor.visit_unit()
    }

    forward_to_deserialize_any! {
        bool i8 i16 i32 i64 i128 u8 u16 u32 u64 u128 f32 f64 char str string bytes byte_buf seq tuple
        tuple_struct map struct enum identifier
    }
}
