//! Encoding: values to JSON text.

use std::collections::BTreeMap;

use bytes::Bytes;
use serde::Serialize;
use serde_json::value::RawValue;
use socketio_p2p_core::Packet;
use socketio_p2p_core::codec::{Blob, EncodeError, JsonError, MAX_DEPTH, Object, Value};

fn arg<T: Serialize>(value: T) -> String {
    let packet = Packet::ack(0, &(value,)).unwrap();
    packet.payload().to_owned()
}

/// Values without bytes are written as `serde_json` writes them.
#[test]
fn json_is_written_as_serde_json_writes_it() {
    #[derive(Serialize)]
    struct Unit;
    #[derive(Serialize)]
    struct Newtype(i32);
    #[derive(Serialize)]
    struct Tuple(i32, char);
    #[derive(Serialize)]
    struct Struct<'a> {
        text: &'a str,
        #[serde(skip_serializing_if = "Option::is_none")]
        absent: Option<()>,
        #[serde(rename = "quoted\"key\n")]
        odd: bool,
    }
    #[derive(Serialize)]
    enum Enum {
        Unit,
        Newtype(u8),
        Tuple(u8, u8),
        Struct { a: u8, b: Option<u8> },
    }
    #[derive(Serialize)]
    #[serde(tag = "t")]
    enum Tagged {
        A { x: u8 },
    }
    #[derive(Serialize)]
    struct Flat {
        first: u8,
        #[serde(flatten)]
        rest: BTreeMap<String, u8>,
    }
    #[derive(Serialize, PartialEq, Eq, PartialOrd, Ord)]
    enum Key {
        Variant,
    }

    fn same<T: Serialize>(value: T) {
        let theirs = serde_json::to_string(&(&value,)).unwrap();
        assert_eq!(arg(value), theirs);
    }
    same((true, false, ()));
    same((i8::MIN, i16::MIN, i32::MIN, i64::MIN, i128::MIN));
    same((u8::MAX, u16::MAX, u32::MAX, u64::MAX, u128::MAX));
    same((0.0, -0.0, 1.5, 1e300, f64::MIN_POSITIVE, f64::NAN, f64::INFINITY, 0.1f32, f32::NAN));
    same(('a', '"', '\u{1F600}', "", "plain", "\u{7f}방"));
    same((0u8..0x20).map(char::from).chain(['"', '\\', '/']).collect::<String>());
    for length in 0..40 {
        for special in ["\"", "\\", "\n", "\u{1}", "é", "\u{1F600}"] {
            same(format!("{}{special}{}", "x".repeat(length), "y".repeat(9)));
        }
    }
    same((Some(1), None::<i32>, Some(None::<i32>)));
    same((Unit, Newtype(1), Tuple(1, 'x')));
    same([Enum::Unit, Enum::Newtype(1), Enum::Tuple(1, 2), Enum::Struct { a: 1, b: None }]);
    same(Struct { text: "x", absent: None, odd: true });
    same(Tagged::A { x: 1 });
    same(Flat { first: 1, rest: BTreeMap::from([("a".into(), 2)]) });
    same((Vec::<u8>::new(), vec![vec![1], vec![]], [[0; 2]; 2], BTreeMap::<String, u8>::new()));
    same(BTreeMap::from([(1i8, 1)]));
    same(BTreeMap::from([(u64::MAX, 1)]));
    same(BTreeMap::from([(i128::MIN, 1)]));
    same(BTreeMap::from([(true, 1), (false, 2)]));
    same(BTreeMap::from([('x', 1)]));
    same(BTreeMap::from([(Key::Variant, 1)]));
    same(format_args!("{}-{}", 1, "\""));
    same(serde_json::json!({"a": [1, {"b": null}], "c": "d"}));
}

#[test]
fn map_keys_without_a_unique_text_are_refused() {
    for error in [
        Packet::event("e", &(BTreeMap::from([((), 1)]),)).unwrap_err(),
        Packet::event("e", &(BTreeMap::from([([1, 2], 1)]),)).unwrap_err(),
        Packet::event("e", &(BTreeMap::from([(None::<u8>, 1)]),)).unwrap_err(),
        Packet::event("e", &(BTreeMap::from([(Blob::from(vec![1]), 1)]),)).unwrap_err(),
    ] {
        assert!(matches!(error, EncodeError::Key(_)), "{error}");
    }
    assert_eq!(arg(BTreeMap::from([(Some("some"), 1)])), r#"[{"some":1}]"#);
}

#[test]
fn any_sequence_is_encoded_as_arguments() {
    #[derive(Serialize)]
    struct Wrapped((i32, &'static str));
    #[derive(Serialize)]
    struct Fields(i32, bool);
    #[derive(Serialize)]
    struct Nothing;
    let payload = |packet: Result<Packet, EncodeError>| packet.unwrap().payload().to_owned();
    assert_eq!(payload(Packet::event("e", &(1, "a"))), r#"["e",1,"a"]"#);
    assert_eq!(payload(Packet::event("e", &[1, 2])), r#"["e",1,2]"#);
    assert_eq!(payload(Packet::event("e", [1, 2].as_slice())), r#"["e",1,2]"#);
    assert_eq!(payload(Packet::event("e", &Vec::<u8>::new())), r#"["e"]"#);
    assert_eq!(payload(Packet::event("e", &Wrapped((1, "a")))), r#"["e",1,"a"]"#);
    assert_eq!(payload(Packet::event("e", &Some(Fields(1, true)))), r#"["e",1,true]"#);
    assert_eq!(payload(Packet::event("e", &Nothing)), r#"["e"]"#);
    assert_eq!(payload(Packet::event("e", &None::<(u8,)>)), r#"["e"]"#);
    assert_eq!(payload(Packet::ack(1, &(1, "a"))), r#"[1,"a"]"#);
    assert_eq!(payload(Packet::ack(1, &())), "[]");
    let object = Packet::event("e", &BTreeMap::from([("a", 1)])).unwrap_err();
    assert_eq!(object, EncodeError::Arguments("an object"));
}

#[test]
fn a_blob_is_encoded_without_a_copy_in_any_position() {
    #[derive(Serialize)]
    struct File {
        name: &'static str,
        parts: Vec<BTreeMap<&'static str, Option<Blob>>>,
        #[serde(flatten)]
        more: Value,
    }
    let blobs: Vec<Bytes> = (0..3).map(|fill| Bytes::from(vec![fill; 8])).collect();
    let file = File {
        name: "x",
        parts: vec![
            BTreeMap::from([("a", Some(blobs[0].clone().into())), ("b", None)]),
            BTreeMap::from([("c", Some(blobs[1].clone().into()))]),
        ],
        more: Value::Object(Object::from_iter([("d", Value::Bytes(blobs[2].clone()))])),
    };
    let packet = Packet::event("file", &(file,)).unwrap();
    assert_eq!(
        packet.payload(),
        concat!(
            r#"["file",{"name":"x","parts":[{"a":{"_placeholder":true,"num":0},"b":null},"#,
            r#"{"c":{"_placeholder":true,"num":1}}],"d":{"_placeholder":true,"num":2}}]"#
        )
    );
    for (attachment, blob) in packet.attachments().iter().zip(&blobs) {
        assert_eq!(attachment.as_ptr(), blob.as_ptr());
    }
}

#[test]
fn other_byte_strings_are_copied_into_attachments() {
    struct Borrowed<'a>(&'a [u8]);
    impl Serialize for Borrowed<'_> {
        fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
            serializer.serialize_bytes(self.0)
        }
    }
    let packet =
        Packet::event("e", &(Borrowed(b"abc"), Blob::from(vec![]), Borrowed(b""))).unwrap();
    assert_eq!(packet.attachments(), [&b"abc"[..], b"", b""]);
    assert_eq!(arg(vec![1u8, 2]), "[[1,2]]", "to serde a vector is an array");
}

#[test]
fn a_blob_written_to_another_format_leaves_no_attachment_behind() {
    /// Writes its blob as text through another serializer, then bytes of the same content through the codec's.
    struct Both(Blob);
    impl Serialize for Both {
        fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
            assert_eq!(serde_json::to_string(&self.0).unwrap(), "[1,2]");
            serializer.serialize_bytes(&self.0)
        }
    }
    let both = Both(Blob::from(vec![1, 2]));
    let packet = Packet::event("e", &(&both,)).unwrap();
    assert_eq!(packet.attachments(), [&[1u8, 2][..]]);
    assert_ne!(packet.attachments()[0].as_ptr(), both.0.as_ptr());
    let back: Blob = serde_json::from_str("[1,2]").unwrap();
    assert_eq!(back, both.0);
}

#[test]
fn raw_json_is_checked_and_written_unchanged() {
    let raw = RawValue::from_string("{ \"a\" : [1] }".into()).unwrap();
    assert_eq!(arg((&raw, 1)), "[[{ \"a\" : [1] },1]]");
    let deep =
        |depth: usize| RawValue::from_string("[".repeat(depth) + &"]".repeat(depth)).unwrap();
    Packet::event("e", &(deep(MAX_DEPTH - 1),)).unwrap();
    let error = Packet::event("e", &(deep(MAX_DEPTH),)).unwrap_err();
    assert_eq!(error, EncodeError::RawJson(JsonError::TooDeep));

    /// Passes text that is not JSON as raw JSON, as only a malicious type can.
    #[derive(Serialize)]
    #[serde(rename = "$serde_json::private::RawValue")]
    struct Cheat {
        #[serde(rename = "$serde_json::private::RawValue")]
        text: &'static str,
    }
    for text in ["1],[2", "", "1 2", "\u{0}", "{"] {
        let error = Packet::event("e", &(Cheat { text },)).unwrap_err();
        assert!(matches!(error, EncodeError::RawJson(_)), "{text}: {error}");
    }
}

#[test]
fn encoding_beyond_the_maximum_depth_is_refused() {
    let nested = |depth: usize| (0..depth).fold(Value::Null, |inner, _| Value::Array(vec![inner]));
    Packet::event("e", &(nested(MAX_DEPTH - 1),)).unwrap();
    assert_eq!(Packet::event("e", &(nested(MAX_DEPTH),)).unwrap_err(), EncodeError::TooDeep);
}

#[test]
fn an_object_that_looks_like_a_placeholder_is_refused_beside_attachments() {
    #[derive(Serialize)]
    struct Fake {
        _placeholder: bool,
        num: u8,
    }
    let fake = || Fake { _placeholder: true, num: 0 };
    let blob = Blob::from(vec![1]);
    let map = |flag: Value| Value::Object(Object::from_iter([("_placeholder", flag)]));
    let raw = RawValue::from_string(r#"{"\u005fplaceholder":true,"num":0}"#.into()).unwrap();
    for error in [
        Packet::event("e", &(fake(), &blob)).unwrap_err(),
        Packet::event("e", &(&blob, fake())).unwrap_err(),
        Packet::event("e", &(&blob, map(Value::Bool(true)))).unwrap_err(),
        Packet::event("e", &(&blob, [[&raw]])).unwrap_err(),
    ] {
        assert_eq!(error, EncodeError::Placeholder);
    }
    // Without attachments it is an object like any other, as is one whose flag is not `true`.
    Packet::event("e", &(fake(), map(Value::Bool(true)), &raw)).unwrap();
    Packet::event("e", &(&blob, map(Value::Bool(false)), map(Value::Bytes(vec![1].into()))))
        .unwrap();
}

#[test]
fn the_error_of_a_failing_serialize_is_returned() {
    struct Failing;
    impl Serialize for Failing {
        fn serialize<S: serde::Serializer>(&self, _: S) -> Result<S::Ok, S::Error> {
            Err(serde::ser::Error::custom("out of paper"))
        }
    }
    assert_eq!(
        Packet::event("e", &(Failing,)).unwrap_err(),
        EncodeError::Custom("out of paper".into())
    );
}

#[test]
fn adjacent_arrays_and_objects_do_not_add_to_the_depth() {
    let many = vec![([1], BTreeMap::from([("k", 2)])); 2 * MAX_DEPTH];
    let written = arg(&many);
    assert_eq!(written, serde_json::to_string(&(&many,)).unwrap());
}

#[test]
fn escapes_are_found_in_any_position_of_a_text_of_any_length() {
    // Neighbours of the escaped characters, and characters of one to four bytes.
    let plain: String = "a !#[]\u{7f}é방😀".chars().cycle().take(200).collect();
    let specials = ["\"", "\\", "\n", "\r\n", "\r", "\u{1}", "\u{1f}", "\t\t", "\u{8}\u{c}"];
    let check = |text: &str| {
        assert_eq!(arg(text), serde_json::to_string(&(text,)).unwrap());
        let packet = Packet::ack(0, &(text,)).unwrap();
        assert_eq!(packet.args::<(String,)>().unwrap().0, text);
    };
    let places: Vec<usize> = plain.char_indices().map(|(at, _)| at).collect();
    for (index, at) in places.iter().enumerate() {
        let (before, after) = plain.split_at(*at);
        let special = specials[index % specials.len()];
        check(before);
        check(&format!("{before}{special}"));
        check(&format!("{special}{before}"));
        check(&format!("{before}{special}{after}{special}"));
        check(&format!("{before}\r{special}\n{after}"));
    }
    check(&specials.concat().repeat(40));
}

/// Writes bytes backwards: an adapter between a value and the codec's serializer.
struct Backwards<S>(S);

macro_rules! not_needed {
    ($($method:ident($($type:ty),*) -> $ok:ident),* $(,)?) => {$(
        fn $method(self, $(_: $type),*) -> Result<Self::$ok, S::Error> {
            Err(serde::ser::Error::custom("only bytes"))
        }
    )*};
}

impl<S: serde::Serializer> serde::Serializer for Backwards<S> {
    type Ok = S::Ok;
    type Error = S::Error;
    type SerializeSeq = serde::ser::Impossible<S::Ok, S::Error>;
    type SerializeTuple = serde::ser::Impossible<S::Ok, S::Error>;
    type SerializeTupleStruct = serde::ser::Impossible<S::Ok, S::Error>;
    type SerializeTupleVariant = serde::ser::Impossible<S::Ok, S::Error>;
    type SerializeMap = serde::ser::Impossible<S::Ok, S::Error>;
    type SerializeStruct = serde::ser::Impossible<S::Ok, S::Error>;
    type SerializeStructVariant = serde::ser::Impossible<S::Ok, S::Error>;

    fn serialize_bytes(self, bytes: &[u8]) -> Result<S::Ok, S::Error> {
        let reversed: Vec<u8> = bytes.iter().rev().copied().collect();
        self.0.serialize_bytes(&reversed)
    }

    not_needed! {
        serialize_bool(bool) -> Ok, serialize_i8(i8) -> Ok, serialize_i16(i16) -> Ok,
        serialize_i32(i32) -> Ok, serialize_i64(i64) -> Ok, serialize_u8(u8) -> Ok,
        serialize_u16(u16) -> Ok, serialize_u32(u32) -> Ok, serialize_u64(u64) -> Ok,
        serialize_f32(f32) -> Ok, serialize_f64(f64) -> Ok, serialize_char(char) -> Ok,
        serialize_str(&str) -> Ok, serialize_none() -> Ok, serialize_unit() -> Ok,
        serialize_unit_struct(&'static str) -> Ok,
        serialize_unit_variant(&'static str, u32, &'static str) -> Ok,
        serialize_seq(Option<usize>) -> SerializeSeq, serialize_tuple(usize) -> SerializeTuple,
        serialize_tuple_struct(&'static str, usize) -> SerializeTupleStruct,
        serialize_tuple_variant(&'static str, u32, &'static str, usize) -> SerializeTupleVariant,
        serialize_map(Option<usize>) -> SerializeMap,
        serialize_struct(&'static str, usize) -> SerializeStruct,
        serialize_struct_variant(&'static str, u32, &'static str, usize) -> SerializeStructVariant,
    }

    fn serialize_some<T: Serialize + ?Sized>(self, value: &T) -> Result<S::Ok, S::Error> {
        value.serialize(self)
    }

    fn serialize_newtype_struct<T: Serialize + ?Sized>(
        self,
        _: &'static str,
        value: &T,
    ) -> Result<S::Ok, S::Error> {
        value.serialize(self)
    }

    fn serialize_newtype_variant<T: Serialize + ?Sized>(
        self,
        _: &'static str,
        _: u32,
        _: &'static str,
        value: &T,
    ) -> Result<S::Ok, S::Error> {
        value.serialize(self)
    }
}

#[test]
fn a_blob_changed_by_a_serializer_adapter_is_encoded_as_changed() {
    struct Reversed<'b>(&'b Blob);
    impl Serialize for Reversed<'_> {
        fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
            self.0.serialize(Backwards(serializer))
        }
    }
    let blob = Blob::from(b"abc".to_vec());
    let packet = Packet::event("e", &(Reversed(&blob), &blob)).unwrap();
    assert_eq!(packet.attachments(), [&b"cba"[..], &b"abc"[..]]);
    assert_eq!(packet.attachments()[1].as_ptr(), blob.as_ptr());
}
