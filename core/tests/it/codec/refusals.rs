//! Refused packets and values, and the error texts.

use bytes::Bytes;
use serde::de::{MapAccess, Visitor};
use serde::ser::{
    SerializeMap as _, SerializeSeq as _, SerializeStruct as _, SerializeStructVariant as _,
    SerializeTuple as _, SerializeTupleStruct as _, SerializeTupleVariant as _,
};
use serde::{Deserialize, Serialize, Serializer, forward_to_deserialize_any};
use socketio_p2p_core::codec::{Blob, DecodeError, Decoder, EncodeError, Limits, Number, Value};
use socketio_p2p_core::{Frame, Packet};

use super::packet;

/// A value of every kind of serde's data model.
#[derive(Clone, Copy, Debug)]
enum Kind {
    Bool,
    I8,
    I16,
    I32,
    I64,
    U8,
    U16,
    U32,
    U64,
    F32,
    F64,
    NotFinite,
    Char,
    Str,
    Bytes,
    None,
    Some,
    Unit,
    UnitStruct,
    UnitVariant,
    Newtype,
    NewtypeVariant,
    Seq,
    Tuple,
    TupleStruct,
    TupleVariant,
    Map,
    Struct,
    StructVariant,
}

impl Serialize for Kind {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        match self {
            Self::Bool => serializer.serialize_bool(true),
            Self::I8 => serializer.serialize_i8(-1),
            Self::I16 => serializer.serialize_i16(-1),
            Self::I32 => serializer.serialize_i32(-1),
            Self::I64 => serializer.serialize_i64(-1),
            Self::U8 => serializer.serialize_u8(1),
            Self::U16 => serializer.serialize_u16(1),
            Self::U32 => serializer.serialize_u32(1),
            Self::U64 => serializer.serialize_u64(1),
            Self::F32 => serializer.serialize_f32(0.5),
            Self::F64 => serializer.serialize_f64(-2.25),
            Self::NotFinite => serializer.serialize_f32(f32::NAN),
            Self::Char => serializer.serialize_char('"'),
            Self::Str => serializer.serialize_str("text"),
            Self::Bytes => serializer.serialize_bytes(b"bytes"),
            Self::None => serializer.serialize_none(),
            Self::Some => serializer.serialize_some("some"),
            Self::Unit => serializer.serialize_unit(),
            Self::UnitStruct => serializer.serialize_unit_struct("Name"),
            Self::UnitVariant => serializer.serialize_unit_variant("Name", 0, "variant"),
            Self::Newtype => serializer.serialize_newtype_struct("Name", "inner"),
            Self::NewtypeVariant => serializer.serialize_newtype_variant("Name", 0, "variant", &1),
            Self::Seq => serializer.serialize_seq(None)?.end(),
            Self::Tuple => serializer.serialize_tuple(0)?.end(),
            Self::TupleStruct => serializer.serialize_tuple_struct("Name", 0)?.end(),
            Self::TupleVariant => {
                serializer.serialize_tuple_variant("Name", 0, "variant", 0)?.end()
            }
            Self::Map => serializer.serialize_map(None)?.end(),
            Self::Struct => serializer.serialize_struct("Name", 0)?.end(),
            Self::StructVariant => {
                serializer.serialize_struct_variant("Name", 0, "variant", 0)?.end()
            }
        }
    }
}

const NUMBERS: [Kind; 10] = [
    Kind::I8,
    Kind::I16,
    Kind::I32,
    Kind::I64,
    Kind::U8,
    Kind::U16,
    Kind::U32,
    Kind::U64,
    Kind::F32,
    Kind::F64,
];
const NULLS: [Kind; 3] = [Kind::None, Kind::Unit, Kind::UnitStruct];
const ARRAYS: [Kind; 3] = [Kind::Seq, Kind::Tuple, Kind::TupleStruct];
const OBJECTS: [Kind; 5] =
    [Kind::NewtypeVariant, Kind::TupleVariant, Kind::Map, Kind::Struct, Kind::StructVariant];

/// A map of one entry, whose key need be neither hashed nor sorted.
struct OneEntry(Kind);

impl Serialize for OneEntry {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_map([(self.0, ())])
    }
}

#[test]
fn map_keys_have_a_unique_text() {
    let written = |kind| Packet::event("e", &(OneEntry(kind),));
    for (kind, key) in [
        (Kind::Bool, r#""true""#),
        (Kind::I8, r#""-1""#),
        (Kind::I16, r#""-1""#),
        (Kind::I32, r#""-1""#),
        (Kind::I64, r#""-1""#),
        (Kind::U8, r#""1""#),
        (Kind::U16, r#""1""#),
        (Kind::U32, r#""1""#),
        (Kind::U64, r#""1""#),
        (Kind::F32, r#""0.5""#),
        (Kind::F64, r#""-2.25""#),
        (Kind::Char, r#""\"""#),
        (Kind::Str, r#""text""#),
        (Kind::Some, r#""some""#),
        (Kind::UnitVariant, r#""variant""#),
        (Kind::Newtype, r#""inner""#),
    ] {
        let packet = written(kind).unwrap();
        assert_eq!(packet.payload(), format!(r#"["e",{{{key}:null}}]"#), "{kind:?}");
    }
    let refused = |kind, what| {
        let error = written(kind).unwrap_err();
        assert_eq!(error, EncodeError::Key(what), "{kind:?}");
        let message = format!("expected map keys that are strings or numbers, got {what}");
        assert_eq!(error.to_string(), message);
    };
    refused(Kind::NotFinite, "a number that is not finite");
    refused(Kind::Bytes, "bytes");
    NULLS.into_iter().for_each(|kind| refused(kind, "null"));
    ARRAYS.into_iter().for_each(|kind| refused(kind, "an array"));
    OBJECTS.into_iter().for_each(|kind| refused(kind, "an object"));
}

#[test]
fn arguments_must_be_a_sequence() {
    for kind in NULLS.into_iter().chain(ARRAYS) {
        assert_eq!(Packet::event("e", &kind).unwrap().payload(), r#"["e"]"#, "{kind:?}");
    }
    let refused = |kind, what| {
        let error = Packet::event("e", &kind).unwrap_err();
        assert_eq!(error, EncodeError::Arguments(what), "{kind:?}");
        let message =
            format!("expected the arguments as a tuple, a sequence or a unit, got {what}");
        assert_eq!(error.to_string(), message);
    };
    refused(Kind::Bool, "a boolean");
    refused(Kind::Bytes, "bytes");
    NUMBERS.into_iter().for_each(|kind| refused(kind, "a number"));
    [Kind::Char, Kind::Str, Kind::Some, Kind::Newtype]
        .into_iter()
        .for_each(|kind| refused(kind, "a string"));
    refused(Kind::UnitVariant, "a variant");
    OBJECTS.into_iter().for_each(|kind| refused(kind, "an object"));
}

#[test]
fn raw_json_must_be_a_string() {
    /// Passes text that is not JSON as raw JSON, as only a malicious type can.
    #[derive(Serialize)]
    #[serde(rename = "$serde_json::private::RawValue")]
    struct Cheat<T> {
        #[serde(rename = "$serde_json::private::RawValue")]
        text: T,
    }
    #[derive(Serialize)]
    struct Newtype<T>(T);
    let packet = Packet::event("e", &(Cheat { text: Some(Newtype("[1]")) }, 2)).unwrap();
    assert_eq!(packet.payload(), r#"["e",[1],2]"#);
    let refused = |kind, what| {
        let error = Packet::event("e", &(Cheat { text: kind },)).unwrap_err();
        let message = format!("expected raw JSON as a string, got {what}");
        assert_eq!(error.to_string(), message, "{kind:?}");
        assert_eq!(error, EncodeError::Custom(message));
    };
    refused(Kind::Bool, "a boolean");
    refused(Kind::Bytes, "bytes");
    NUMBERS.into_iter().for_each(|kind| refused(kind, "a number"));
    refused(Kind::Char, "a character");
    refused(Kind::UnitVariant, "a variant");
    NULLS.into_iter().for_each(|kind| refused(kind, "null"));
    ARRAYS.into_iter().for_each(|kind| refused(kind, "an array"));
    OBJECTS.into_iter().for_each(|kind| refused(kind, "an object"));
}

#[test]
fn encode_errors_name_the_expected_value() {
    let shown = |result: Result<Packet, EncodeError>| result.unwrap_err().to_string();
    assert_eq!(
        shown(Packet::event("connect", &())),
        "expected an event name that is not reserved, got \"connect\""
    );
    assert_eq!(shown(Packet::connect(Some(&1))), "expected an object as the payload");
    assert_eq!(shown(Packet::connect_error(&1)), "expected an object or a string as the payload");
    assert_eq!(
        shown(Packet::connect_error(&[Blob::from(vec![1])])),
        "expected no bytes in CONNECT_ERROR"
    );
}

#[test]
fn decode_errors_of_whole_packets_name_the_kind() {
    let taken = |attachments: Vec<Bytes>, limits: &Limits| -> DecodeError {
        let head = "51-[\"e\"]".into();
        Packet::from_head_and_attachments(head, attachments, limits).unwrap_err()
    };
    let error = taken(vec![], &Limits::default());
    assert_eq!(error.kind().name(), "attachment-number");
    assert_eq!(error.to_string(), "expected 1 attachments, got 0");
    let limits = Limits::default().with_max_packet_bytes(9);
    let error = taken(vec![Bytes::from_static(b"12")], &limits);
    assert_eq!(error.kind().name(), "packet-too-large");
    assert_eq!(error.to_string(), "expected a packet of at most 9 bytes at attachment 1");
    assert_eq!(Decoder::new(limits.clone()).limits(), &limits);
}

#[test]
fn payload_errors_name_the_position_if_known() {
    let connect = packet("0", &[]);
    let error = connect.args::<(u8,)>().unwrap_err();
    assert_eq!(error.to_string(), "expected arguments, CONNECT has none");
    assert_eq!(error.offset(), None);
    let boolean = packet(r#"2["e",true]"#, &[]);
    let error = boolean.args::<(u8,)>().unwrap_err();
    assert_eq!(error.to_string(), "expected u8, got a boolean at byte 6 of the head");
    let mut decoder = Decoder::new(Limits::default());
    let error = decoder.push(Frame::from("2[\"e\" ")).unwrap_err();
    assert_eq!(error.to_string(), "expected `,` or `]`, got the end at byte 6 of the head");
}

#[test]
fn integers_beyond_64_bits_are_read_as_the_nearest_double() {
    for (text, expected) in [
        ("-9223372036854775808", Number::Signed(i64::MIN)),
        ("-9223372036854775809", Number::Float(-9_223_372_036_854_775_809.0)),
        ("-18446744073709551615", Number::Float(-18_446_744_073_709_551_615.0)),
        ("18446744073709551616", Number::Float(18_446_744_073_709_551_616.0)),
    ] {
        let packet = packet(&format!(r#"2["e",{text}]"#), &[]);
        assert_eq!(packet.args::<(Value,)>().unwrap().0, Value::Number(expected), "{text}");
    }
    assert_eq!(Value::from(-1_i32), Value::from(-1_i64));
}

#[test]
fn numbers_as_keys_may_be_written_with_escapes() {
    let packet = packet(r#"2["e",{"\u0031":2}]"#, &[]);
    let (map,) = packet.args::<(std::collections::BTreeMap<u8, u8>,)>().unwrap();
    assert_eq!(map, [(1, 2)].into());
}

#[test]
fn raw_json_reads_as_a_map_of_one_entry() {
    struct Entries;
    impl<'de> Visitor<'de> for Entries {
        type Value = Vec<(&'de str, &'de str)>;

        fn expecting(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
            f.write_str("a map")
        }

        fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Self::Value, A::Error> {
            std::iter::from_fn(|| map.next_entry().transpose()).collect()
        }
    }
    struct Raw<'a>(Vec<(&'a str, &'a str)>);
    impl<'de> Deserialize<'de> for Raw<'de> {
        fn deserialize<D: serde::Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
            deserializer
                .deserialize_newtype_struct("$serde_json::private::RawValue", Entries)
                .map(Self)
        }
    }
    let packet = packet(r#"2["e", [1] ]"#, &[]);
    let (Raw(entries),) = packet.args().unwrap();
    assert_eq!(entries, [("$serde_json::private::RawValue", "[1]")]);
}

/// A format that hands out its bytes.
struct Owning(Vec<u8>);

impl<'de> serde::Deserializer<'de> for Owning {
    type Error = serde::de::value::Error;

    fn deserialize_any<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Self::Error> {
        visitor.visit_byte_buf(self.0)
    }

    forward_to_deserialize_any! {
        bool i8 i16 i32 i64 i128 u8 u16 u32 u64 u128 f32 f64 char str string bytes byte_buf option unit
        unit_struct newtype_struct seq tuple tuple_struct map struct enum identifier ignored_any
    }
}

#[test]
fn blobs_go_through_other_formats() {
    let bytes = vec![1, 2, 3];
    let pointer = bytes.as_ptr();
    let blob = Blob::deserialize(Owning(bytes)).unwrap();
    assert_eq!((blob.as_ref(), blob.as_ptr()), (&[1, 2, 3][..], pointer));
    let Ok(Value::Bytes(bytes)) = Value::deserialize(Owning(vec![4])) else { panic!("no bytes") };
    assert_eq!(bytes, [4][..]);
    assert_eq!(serde_json::to_string(&blob).unwrap(), "[1,2,3]");
    assert_eq!(serde_json::from_str::<Blob>("[1,2,3]").unwrap(), blob);
}

#[test]
fn line_ends_and_other_escapes_are_written_as_serde_json_writes_them() {
    let control: String = (0..0x20_u8).map(char::from).collect();
    for text in
        ["\r\n", "a\r\nb\r\n", "\r\r\n\n\r", "\r", "\n", "é\r\n\"\\\u{7f}\u{2028}", &control]
    {
        let packet = Packet::event("e", &(text,)).unwrap();
        let expected = serde_json::to_string(&("e", text)).unwrap();
        assert_eq!(packet.payload(), expected, "{text:?}");
        let named = format!("-{text}");
        let packet = Packet::event(&named, &(1,)).unwrap();
        assert_eq!(packet.event_name().unwrap(), named);
        assert_eq!(packet.args::<(u8,)>().unwrap(), (1,));
    }
}
