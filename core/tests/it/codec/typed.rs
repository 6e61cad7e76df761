//! Typed reading of payloads.

use std::borrow::Cow;
use std::collections::BTreeMap;

use bytes::Bytes;
use serde::Deserialize;
use serde::de::IgnoredAny;
use serde_json::value::RawValue;
use socketio_p2p_core::Packet;
use socketio_p2p_core::codec::{Blob, JsonError, PayloadErrorKind, Value};

use super::packet;

fn event(args: &str) -> Packet {
    packet(&format!("2[\"e\",{args}]"), &[])
}

/// Returns an event with one attachment, and the address of the attachment.
fn binary(args: &str) -> (Packet, *const u8) {
    let packet = packet(&format!("51-[\"e\",{args}]"), &[b"attachment"]);
    let place = packet.attachments()[0].as_ptr();
    (packet, place)
}

const PLACEHOLDER: &str = r#"{"_placeholder":true,"num":0}"#;

#[test]
fn scalars_are_read_into_their_types() {
    let packet =
        event(r#"true,-128,255,-9223372036854775808,18446744073709551615,1.5,"x","text",null"#);
    type Scalars<'a> = (bool, i8, u8, i64, u64, f64, char, &'a str, Option<u8>);
    let read: Scalars<'_> = packet.args().unwrap();
    assert_eq!(read, (true, -128, 255, i64::MIN, u64::MAX, 1.5, 'x', "text", None));
    let wide =
        event("-170141183460469231731687303715884105728,340282366920938463463374607431768211455");
    assert_eq!(wide.args::<(i128, u128)>().unwrap(), (i128::MIN, u128::MAX));
    event("1.5").args::<(i128,)>().unwrap_err();
    event("-1").args::<(u128,)>().unwrap_err();
    event("256").args::<(u8,)>().unwrap_err();
    event("1.0").args::<(u8,)>().unwrap_err();
    event("1").args::<(String,)>().unwrap_err();
    event("\"1\"").args::<(u8,)>().unwrap_err();
    event("\"xy\"").args::<(char,)>().unwrap_err();
}

#[test]
fn every_double_is_read_as_the_nearest() {
    for text in [
        "0.1",
        "-0.0",
        "-0",
        "0.3",
        "1e22",
        "1e23",
        "123456789012345678",
        "9007199254740993.0",
        "1.7976931348623157e308",
        "5e-324",
        "2.2250738585072014e-308",
        "0.000001",
        "1E5",
        "1e+5",
        "123456789.123456789",
        "1e-22",
        "8.5e-7",
        "18446744073709551616",
        "-18446744073709551616",
        "100000000000000000000000",
        "0.30000000000000004",
        "4.35",
        "9007199254740991e-22",
        "9007199254740992e22",
        "1e-400",
        "0e400",
        "0.00000000000000000000000000000000000001",
    ] {
        let (read,) = event(text).args::<(f64,)>().unwrap();
        assert_eq!(read.to_bits(), text.parse::<f64>().unwrap().to_bits(), "{text}");
    }
    let error = event("1e400").args::<(f64,)>().unwrap_err();
    assert_eq!(error.kind(), &PayloadErrorKind::Json(JsonError::NumberOutOfRange));
}

#[test]
fn strings_borrow_when_they_can() {
    let packet = event(r#""plain","esc\u0061ped""#);
    let (plain, escaped): (&str, Cow<'_, str>) = packet.args().unwrap();
    assert!(packet.head().as_bytes().as_ptr_range().contains(&plain.as_ptr()));
    assert_eq!((plain, escaped.as_ref()), ("plain", "escaped"));
    packet.args::<(&str, &str)>().unwrap_err();
    let all = event(r#""\"\\\/\b\f\n\r\t\u00e9\ud83d\ude00방""#);
    assert_eq!(all.args::<(String,)>().unwrap().0, "\"\\/\u{8}\u{c}\n\r\té\u{1F600}방");
}

#[test]
fn an_attachment_is_shared_with_blobs_and_borrowed_by_slices_in_any_position() {
    #[derive(Deserialize)]
    struct Inner<'a> {
        #[serde(borrow)]
        slice: &'a [u8],
        blob: Option<Blob>,
        value: Value,
        blobs: BTreeMap<String, Vec<Blob>>,
    }
    let text = format!(
        r#"[{{"slice":{PLACEHOLDER},"blob":{PLACEHOLDER},"value":[{PLACEHOLDER}],"blobs":{{"a":[{PLACEHOLDER}]}}}}]"#
    );
    let (packet, place) = binary(&text);
    let ((inner,),): ((Inner<'_>,),) = packet.args().unwrap();
    assert_eq!(inner.slice.as_ptr(), place);
    assert_eq!(inner.blob.unwrap().as_ptr(), place);
    assert_eq!(inner.blobs["a"][0].as_ptr(), place);
    let Value::Array(items) = inner.value else { panic!("an array") };
    let Value::Bytes(bytes) = &items[0] else { panic!("bytes") };
    assert_eq!(bytes.as_ptr(), place);
    let back = packet.share_attachment(&inner.slice[2..5]).unwrap();
    assert_eq!((back.as_ptr(), &back[..]), (place.wrapping_add(2), &b"tac"[..]));
    assert_eq!(packet.share_attachment(b"other"), None);
    assert_eq!(packet.share_attachment(&[]), None);
}

#[test]
fn an_attachment_is_shared_through_untagged_tagged_and_flattened_types() {
    #[derive(Deserialize)]
    #[serde(untagged)]
    enum Untagged<'a> {
        Number(u8),
        Slice(#[serde(borrow)] &'a [u8]),
    }
    #[derive(Deserialize)]
    #[serde(untagged)]
    enum UntaggedBlob {
        Number(u8),
        Blob(Blob),
        Struct { blob: Blob },
    }
    #[derive(Deserialize)]
    #[serde(tag = "type")]
    enum Tagged {
        File { content: Blob },
    }
    #[derive(Deserialize)]
    struct Flat {
        id: u8,
        #[serde(flatten)]
        rest: Rest,
    }
    #[derive(Deserialize)]
    struct Rest {
        content: Blob,
    }
    let (packet, place) = binary(&format!(
        r#"{PLACEHOLDER},{PLACEHOLDER},{{"blob":{PLACEHOLDER}}},{{"content":{PLACEHOLDER},"type":"File"}},{{"content":{PLACEHOLDER},"id":1}},7,7"#
    ));
    type Args<'a> =
        (Untagged<'a>, UntaggedBlob, UntaggedBlob, Tagged, Flat, Untagged<'a>, UntaggedBlob);
    let (slice, blob, in_struct, Tagged::File { content }, flat, number, other): Args<'_> =
        packet.args().unwrap();
    let (Untagged::Slice(slice), UntaggedBlob::Blob(blob), UntaggedBlob::Struct { blob: inner }) =
        (slice, blob, in_struct)
    else {
        panic!("other variants");
    };
    for bytes in [slice, &blob, &inner, &content, &flat.rest.content] {
        assert_eq!(bytes.as_ptr(), place);
    }
    assert_eq!(flat.id, 1);
    assert!(matches!((number, other), (Untagged::Number(7), UntaggedBlob::Number(7))));
}

#[test]
fn other_types_of_bytes_get_a_copy() {
    let (packet, place) = binary(&format!("{PLACEHOLDER},{PLACEHOLDER},{PLACEHOLDER}"));
    let (vector, array, boxed): (Vec<u8>, [u8; 10], Box<[u8]>) = packet.args().unwrap();
    assert_eq!(
        (&vector[..], &array[..], &boxed[..]),
        (&b"attachment"[..], &b"attachment"[..], &b"attachment"[..])
    );
    assert_ne!(vector.as_ptr(), place);
    packet.args::<([u8; 9], IgnoredAny, IgnoredAny)>().unwrap_err();
    packet.args::<([u8; 11], IgnoredAny, IgnoredAny)>().unwrap_err();
}

#[test]
fn an_attachment_is_read_as_bytes_only() {
    #[derive(Deserialize, Debug, Default)]
    #[serde(default)]
    struct AllOptional {
        _num: u8,
    }
    #[derive(Deserialize, Debug)]
    #[allow(dead_code, reason = "the type has no value")]
    enum Enum {
        #[serde(rename = "_placeholder")]
        Variant(bool),
    }
    let (packet, _) = binary(PLACEHOLDER);
    packet.args::<(AllOptional,)>().unwrap_err();
    packet.args::<(BTreeMap<String, IgnoredAny>,)>().unwrap_err();
    packet.args::<(String,)>().unwrap_err();
    packet.args::<(&str,)>().unwrap_err();
    packet.args::<(bool,)>().unwrap_err();
    let error = packet.args::<(Enum,)>().unwrap_err();
    assert_eq!(
        error.to_string(),
        "expected the name of a variant or an object with it as the key at byte 8 of the head"
    );
    packet.args::<(serde_json::Value,)>().unwrap_err();
    packet.args::<(Option<()>,)>().unwrap_err();
    assert_eq!(packet.args::<(IgnoredAny,)>().unwrap(), (IgnoredAny,));
    // Bytes are read from attachments and from arrays of numbers only.
    event("\"text\"").args::<(Blob,)>().unwrap_err();
    event("\"text\"").args::<(&[u8],)>().unwrap_err();
    event(PLACEHOLDER).args::<(Blob,)>().unwrap_err();
    assert_eq!(event("[1,2]").args::<(Blob,)>().unwrap().0, Blob::from(vec![1, 2]));
    event("[1,256]").args::<(Blob,)>().unwrap_err();
}

#[test]
fn placeholders_in_any_notation_are_found_among_other_objects() {
    let odd = r#"{"x":{"_placeholder":true,"num":9}, "num" : 0 ,"\u005fplaceholder":true}"#;
    let (packet, place) =
        binary(&format!(r#"{{"a":{{"b":1}}}},{odd},[{odd},{PLACEHOLDER}],{{"c":{odd}}}"#));
    type Args = (BTreeMap<String, Value>, Blob, Vec<Blob>, BTreeMap<String, Blob>);
    let (_, blob, blobs, map) = packet.args::<Args>().unwrap();
    for blob in [&blob, &blobs[0], &blobs[1], &map["c"]] {
        assert_eq!(blob.as_ptr(), place);
    }
    let (_, second, ..) = packet.args::<(IgnoredAny, Blob, IgnoredAny, IgnoredAny)>().unwrap();
    assert_eq!(second.as_ptr(), place);
}

#[test]
fn packets_read_while_a_packet_is_read_keep_their_attachments_apart() {
    struct Nested(Blob, Blob);
    impl<'de> Deserialize<'de> for Nested {
        fn deserialize<D: serde::Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
            let inner = packet(&format!("51-[\"i\",{PLACEHOLDER}]"), &[b"inner"]);
            let (blob,) = inner.args::<(Blob,)>().unwrap();
            assert_eq!(blob.as_ptr(), inner.attachments()[0].as_ptr());
            Ok(Self(blob, Blob::deserialize(deserializer)?))
        }
    }
    let (outer, place) = binary(&format!("{PLACEHOLDER},{PLACEHOLDER}"));
    let (Nested(inner, first), second) = outer.args::<(Nested, Blob)>().unwrap();
    assert_eq!(&inner[..], b"inner");
    assert_eq!((first.as_ptr(), second.as_ptr()), (place, place));
}

#[test]
fn raw_json_is_read_unchanged() {
    #[derive(Deserialize)]
    struct Signal<'a> {
        id: String,
        #[serde(borrow)]
        signal: &'a RawValue,
        owned: Box<RawValue>,
        absent: Option<Box<RawValue>>,
    }
    let (packet, place) = binary(&format!(
        r#"{{"id":"x","signal": {{ "sdp" : "v=0\r\n" }} ,"owned":{PLACEHOLDER}}},{PLACEHOLDER}"#
    ));
    let (signal, blob): (Signal<'_>, Blob) = packet.args().unwrap();
    assert_eq!(signal.id, "x");
    assert_eq!(signal.signal.get(), r#"{ "sdp" : "v=0\r\n" }"#);
    assert!(packet.head().as_bytes().as_ptr_range().contains(&signal.signal.get().as_ptr()));
    assert_eq!(signal.owned.get(), PLACEHOLDER);
    assert!(signal.absent.is_none());
    assert_eq!(blob.as_ptr(), place);
    event("[1,]").args::<(Box<RawValue>,)>().unwrap_err();
}

#[test]
fn the_number_of_arguments_is_that_of_the_type() {
    #[derive(Deserialize, Debug, PartialEq)]
    struct ByPosition {
        a: u8,
        b: String,
    }
    #[derive(Deserialize, Debug, PartialEq)]
    struct Wrapped((u8, String));
    #[derive(Deserialize, Debug, PartialEq)]
    struct Nothing;
    let two = event("1,\"x\"");
    let none = packet("2[\"e\"]", &[]);
    assert_eq!(two.args::<ByPosition>().unwrap(), ByPosition { a: 1, b: "x".into() });
    assert_eq!(two.args::<Wrapped>().unwrap(), Wrapped((1, "x".into())));
    assert_eq!(two.args::<Option<(u8, String)>>().unwrap(), Some((1, "x".into())));
    assert_eq!(two.args::<Vec<Value>>().unwrap().len(), 2);
    two.args::<IgnoredAny>().unwrap();
    two.args::<(u8,)>().unwrap_err();
    two.args::<(u8, String, u8)>().unwrap_err();
    two.args::<()>().unwrap_err();
    two.args::<Nothing>().unwrap_err();
    two.args::<u8>().unwrap_err();
    assert_eq!(none.args::<Nothing>().unwrap(), Nothing);
    none.args::<()>().unwrap();
    assert!(none.args::<Vec<u8>>().unwrap().is_empty());
    none.args::<(u8,)>().unwrap_err();
    packet("31[]", &[]).args::<()>().unwrap();
    assert!(packet("31[ ]", &[]).args::<Vec<u8>>().unwrap().is_empty());
    assert_eq!(packet("31[1,2]", &[]).args::<(u8, u8)>().unwrap(), (1, 2));
    assert_eq!(packet("2[7,1]", &[]).args::<(u8,)>().unwrap(), (1,));
    assert_eq!(packet("2[ \"e\" , 1 , 2 ] ", &[]).args::<(u8, u8)>().unwrap(), (1, 2));
    packet("0", &[]).args::<()>().unwrap_err();
}

#[test]
fn payloads_without_arguments_are_read_as_data() {
    #[derive(Deserialize)]
    struct Sid<'a> {
        sid: &'a str,
    }
    assert_eq!(packet(r#"0{"sid":"x"}"#, &[]).data::<Sid<'_>>().unwrap().sid, "x");
    assert!(packet("0", &[]).data::<Option<Sid<'_>>>().unwrap().is_none());
    assert_eq!(packet("0", &[]).data::<Value>().unwrap(), Value::Null);
    packet("0", &[]).data::<Sid<'_>>().err().unwrap();
    assert_eq!(packet("4\"no\"", &[]).data::<&str>().unwrap(), "no");
    assert_eq!(event("1").data::<(String, u8)>().unwrap(), ("e".into(), 1));
}

#[test]
fn enums_and_maps_are_read_as_serde_json_reads_them() {
    #[derive(Deserialize, Debug, PartialEq)]
    enum Enum {
        Unit,
        Newtype(u8),
        Tuple(u8, u8),
        Struct { a: u8 },
    }
    let packet = event(r#""Unit",{"Newtype":1},{"Tuple":[1,2]},{"Struct":{"a":1}},{"Unit":null}"#);
    type Five = (Enum, Enum, Enum, Enum, Enum);
    let read: Five = packet.args().unwrap();
    assert_eq!(
        read,
        (Enum::Unit, Enum::Newtype(1), Enum::Tuple(1, 2), Enum::Struct { a: 1 }, Enum::Unit)
    );
    for bad in [
        r#""Newtype""#,
        r#""Tuple""#,
        r#""Struct""#,
        r#""Other""#,
        "1",
        "{}",
        r#"{"Unit":null,"Newtype":1}"#,
        r#"{"Newtype":1"#,
    ] {
        let head = format!("2[\"e\",{bad}]");
        let packet =
            Packet::from_head_and_attachments(head.into(), Vec::new(), &Default::default())
                .unwrap();
        packet.args::<(Enum,)>().unwrap_err();
    }
    #[derive(Deserialize, PartialEq, Eq, PartialOrd, Ord, Debug)]
    enum Key {
        #[serde(rename = "k")]
        K,
    }
    let packet = event(r#"{"-1":1},{"255":1},{"true":1},{"k":1},{"1.5":1},{"a\u0062":1}"#);
    type Maps = (
        BTreeMap<i8, u8>,
        BTreeMap<u8, u8>,
        BTreeMap<bool, u8>,
        BTreeMap<Key, u8>,
        BTreeMap<String, u8>,
        BTreeMap<String, u8>,
    );
    let maps: Maps = packet.args().unwrap();
    assert_eq!(
        (maps.0[&-1], maps.1[&255], maps.2[&true], maps.3[&Key::K], maps.5["ab"]),
        (1, 1, 1, 1, 1)
    );
    packet
        .args::<(BTreeMap<u8, u8>, IgnoredAny, IgnoredAny, IgnoredAny, IgnoredAny, IgnoredAny)>()
        .unwrap_err();
}

#[test]
fn payload_errors_name_the_position_and_the_types_but_no_value() {
    #[derive(Deserialize, Debug)]
    #[serde(deny_unknown_fields)]
    struct Login {
        #[allow(dead_code)]
        user: u8,
    }
    let error = event(r#"{"user":"s3cret"}"#).args::<(Login,)>().unwrap_err();
    assert_eq!(error.to_string(), "expected u8, got a string at byte 14 of the head");
    let error = event(r#"{"pass":"s3cret"}"#).args::<(Login,)>().unwrap_err();
    assert!(error.to_string().contains("got key \"pass\""), "{error}");
    let error =
        event(r#"{"user":1"#.to_owned().as_str().trim_end()).args::<(Login,)>().unwrap_err();
    assert_eq!(error.kind(), &PayloadErrorKind::Json(JsonError::Expected("`,` or `}`")));
}

#[test]
fn text_packets_have_objects_where_binary_ones_have_attachments() {
    #[derive(Deserialize)]
    struct Lookalike {
        _placeholder: bool,
        num: u8,
    }
    let (read,): (Lookalike,) = event(PLACEHOLDER).args().unwrap();
    assert!(read._placeholder && read.num == 0);
}

#[test]
fn numbers_compare_by_value() {
    let packet = event("1,-1,1.0,18446744073709551616,-0");
    let values: Vec<Value> = packet.args().unwrap();
    assert_eq!(
        Packet::event("e", &values).unwrap().payload(),
        r#"["e",1,-1,1.0,1.8446744073709552e+19,-0.0]"#
    );
}

#[test]
fn attachments_outlive_the_packet() {
    let (packet, _) = binary(PLACEHOLDER);
    let (blob,): (Blob,) = packet.args().unwrap();
    drop(packet);
    assert_eq!(Bytes::from(blob), &b"attachment"[..]);
}

#[test]
fn ignored_placeholders_are_skipped_in_any_notation() {
    #[derive(Deserialize)]
    struct Wanted {
        keep: Blob,
    }
    for head in [
        r#"52-["e",{"skip":[{"_placeholder":true,"num":0}],"keep":{"_placeholder":true,"num":1}}]"#,
        r#"52-["e",{"skip":[{"num":0,"_placeholder":true}],"keep":{"num":1,"_placeholder":true}}]"#,
    ] {
        let packet = packet(head, &[b"first", b"second"]);
        let (Wanted { keep },) = packet.args().unwrap();
        assert_eq!(keep.into_bytes(), "second", "{head}");
    }
}

#[test]
fn remaining_elements_of_an_array_or_an_object_are_an_error() {
    /// Reads one entry of a map and leaves the others.
    struct FirstEntry;
    impl<'de> Deserialize<'de> for FirstEntry {
        fn deserialize<D: serde::Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
            struct First;
            impl<'de> serde::de::Visitor<'de> for First {
                type Value = FirstEntry;

                fn expecting(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
                    f.write_str("a map")
                }

                fn visit_map<A: serde::de::MapAccess<'de>>(
                    self,
                    mut map: A,
                ) -> Result<FirstEntry, A::Error> {
                    map.next_entry::<IgnoredAny, IgnoredAny>()?;
                    Ok(FirstEntry)
                }
            }
            deserializer.deserialize_map(First)
        }
    }
    /// As decoded, without validation: neither the content nor the end of the payload has been checked.
    fn error<T: for<'de> Deserialize<'de>>(args: &str) -> String {
        match packet(&format!("2[\"e\",{args} "), &[]).args::<T>() {
            Ok(_) => panic!("{args} is read"),
            Err(error) => error.to_string(),
        }
    }
    type One = ((u8,),);
    assert_eq!(error::<One>("[1,2]]"), "expected fewer elements at byte 8 of the head");
    assert_eq!(error::<One>("[1}]"), "expected `]` at byte 8 of the head");
    assert_eq!(error::<One>("[1]}"), "expected `]` at byte 9 of the head");
    assert_eq!(error::<One>("[1"), "expected `]`, got the end at byte 9 of the head");
    assert_eq!(error::<One>("[1]"), "expected `]`, got the end at byte 10 of the head");
    type Map = (FirstEntry,);
    assert_eq!(error::<Map>(r#"{"a":1,"b":2}]"#), "expected `}` at byte 12 of the head");
    assert_eq!(error::<Map>(r#"{"a":1]]"#), "expected `}` at byte 12 of the head");
    assert_eq!(error::<Map>(r#"{"a":1"#), "expected `}`, got the end at byte 13 of the head");
    assert_eq!(error::<(u8,)>("1,2]"), "expected fewer elements at byte 7 of the head");
    assert_eq!(error::<(u8,)>("1] x"), "expected the end of the payload at byte 9 of the head");
}

#[test]
fn less_common_forms_of_types_are_read_as_serde_specifies() {
    #[derive(Deserialize, PartialEq, Debug)]
    struct Nothing;
    #[derive(Deserialize, PartialEq, Debug)]
    struct Pair(u8, u8);
    #[derive(Deserialize, PartialEq, Eq, PartialOrd, Ord, Debug)]
    struct Name(String);
    let packet = event(r#"null,[1,2],{"a":1},{"b":2},[1,"x"]"#);
    type Args =
        (Nothing, Pair, BTreeMap<Name, u8>, BTreeMap<Option<String>, u8>, (u8, Option<char>));
    let (nothing, pair, named, optional, tuple) = packet.args::<Args>().unwrap();
    assert_eq!((nothing, pair, tuple), (Nothing, Pair(1, 2), (1, Some('x'))));
    assert_eq!(named, [(Name("a".into()), 1)].into());
    assert_eq!(optional, [(Some("b".into()), 2)].into());
    event("1").args::<(Nothing,)>().unwrap_err();
    let error = event("[1]").args::<(Pair,)>().unwrap_err();
    assert_eq!(
        error.to_string(),
        "invalid length 1, expected tuple struct Pair with 2 elements at byte 6 of the head"
    );
}

#[test]
fn commas_stand_between_elements_only() {
    for bad in ["[,]", "[,1]", "[1,]", "[1,,2]", "[1 2]"] {
        event(bad).args::<(Vec<u8>,)>().unwrap_err();
        event(bad).args::<(Value,)>().unwrap_err();
    }
    for bad in [r#"{,}"#, r#"{,"a":1}"#, r#"{"a":1,}"#, r#"{"a":1,,"b":2}"#, r#"{"a":1 "b":2}"#] {
        event(bad).args::<(BTreeMap<String, u8>,)>().unwrap_err();
        event(bad).args::<(Value,)>().unwrap_err();
    }
    for bad in ["2[\"e\",]", "2[\"e\",,1]", "31[,1]", "31[1,]", "31[,]"] {
        packet(bad, &[]).args::<Vec<Value>>().unwrap_err();
        packet(bad, &[]).args::<IgnoredAny>().unwrap_err();
        packet(bad, &[]).data::<Value>().unwrap_err();
    }
}
