//! The small public types: frames, packet types, dynamic values.

use std::hash::{DefaultHasher, Hash, Hasher};

use bytes::Bytes;
use serde::de::value::{Error, StringDeserializer};
use serde::de::{Deserialize, IntoDeserializer, Visitor};
use serde::forward_to_deserialize_any;
use socketio_p2p_core::codec::{Blob, Number, Object, Value};
use socketio_p2p_core::{Frame, Namespace, Packet, PacketType};

use super::packet;

#[test]
fn frames_keep_their_bytes_and_print_their_size_only() {
    let rows = [
        (Frame::from("text"), "Frame::Text(4 bytes)"),
        (Frame::from("text".to_owned()), "Frame::Text(4 bytes)"),
        (Frame::from(bytestring::ByteString::from("text")), "Frame::Text(4 bytes)"),
        (Frame::from(Bytes::from_static(b"text")), "Frame::Binary(4 bytes)"),
        (Frame::from(b"text".to_vec()), "Frame::Binary(4 bytes)"),
    ];
    for (frame, shown) in rows {
        assert_eq!(format!("{frame:?}"), shown);
        assert_eq!((frame.len(), frame.is_empty()), (4, false));
        assert_eq!(frame.as_bytes(), &b"text"[..]);
    }
    assert!(Frame::from("").is_empty());
    assert_ne!(Frame::from("text"), Frame::from(b"text".to_vec()), "the kind counts");
}

#[test]
fn packet_types_name_their_parts() {
    use PacketType as T;
    let rows = [
        (T::Connect, "CONNECT", false, false, T::Connect),
        (T::Disconnect, "DISCONNECT", false, false, T::Disconnect),
        (T::Event, "EVENT", false, true, T::Event),
        (T::Ack, "ACK", false, false, T::Ack),
        (T::ConnectError, "CONNECT_ERROR", false, false, T::ConnectError),
        (T::BinaryEvent, "BINARY_EVENT", true, true, T::Event),
        (T::BinaryAck, "BINARY_ACK", true, false, T::Ack),
    ];
    for (packet_type, name, is_binary, is_event, without_attachments) in rows {
        assert_eq!(packet_type.name(), name);
        assert_eq!(packet_type.to_string(), name);
        assert_eq!(
            (packet_type.is_binary(), packet_type.is_event()),
            (is_binary, is_event),
            "{name}"
        );
        assert_eq!(packet_type.without_attachments(), without_attachments);
    }
}

#[test]
fn namespaces_have_at_most_65535_bytes_and_show_no_query() {
    let longest = format!("/{}", "n".repeat(65_534));
    assert_eq!(Namespace::new(longest.clone()).unwrap().as_str(), longest);
    let error = Namespace::new(longest + "n").unwrap_err();
    assert_eq!(
        error.to_string(),
        "expected a namespace that begins with `/`, has no comma and at most 65535 bytes"
    );
    let namespace = Namespace::from_static("/chat?token=secret");
    assert_eq!(namespace.to_string(), "/chat?token=secret");
    assert_eq!(format!("{namespace:?}"), r#"Namespace("/chat" and a query)"#);
    assert_eq!(format!("{:?}", Namespace::from_static("/chat")), r#"Namespace("/chat")"#);
}

#[test]
fn packets_are_equal_when_all_their_frames_are() {
    const HEAD: &str = r#"51-["e",{"_placeholder":true,"num":0}]"#;
    let one = packet(HEAD, &[b"1"]);
    assert_eq!(one, packet(HEAD, &[b"1"]));
    assert_ne!(one, packet(HEAD, &[b"2"]), "another attachment");
    assert_ne!(one, packet(r#"51-["f",{"_placeholder":true,"num":0}]"#, &[b"1"]), "another head");
    assert_eq!(one.wire_len(), HEAD.len() + 1);
}

#[test]
fn numbers_keep_exact_integers_and_convert_to_doubles() {
    let rows = [
        (Number::from(3_u64), Number::Unsigned(3), 3.0),
        (Number::from(3_u32), Number::Unsigned(3), 3.0),
        (Number::from(3_i64), Number::Unsigned(3), 3.0),
        (Number::from(-3_i64), Number::Signed(-3), -3.0),
        (Number::from(-3_i32), Number::Signed(-3), -3.0),
        (Number::from(0.5), Number::Float(0.5), 0.5),
    ];
    for (made, expected, double) in rows {
        assert_eq!(made, expected);
        assert_eq!(made.as_f64(), double);
    }
}

#[test]
fn values_show_kind_and_size_but_no_content() {
    let object = Object::from_iter([("secret", Value::Null)]);
    let rows = [
        (Value::Null, "Null"),
        (Value::from(true), "Bool"),
        (Value::from(Number::from(7_u64)), "Number"),
        (Value::from("secret"), "String(6 bytes)"),
        (Value::from("secret".to_owned()), "String(6 bytes)"),
        (Value::from(vec![Value::Null; 2]), "Array(2 values)"),
        (Value::from(object.clone()), "Object(1 entries)"),
        (Value::from(Bytes::from_static(b"secret")), "Bytes(6 bytes)"),
    ];
    for (value, shown) in rows {
        assert_eq!(format!("{value:?}"), shown);
    }
    assert_eq!(format!("{:?}", object.iter()), "Iter(1 entries)");
    assert_eq!(format!("{:?}", object.into_iter()), "IntoIter(1 entries)");
}

#[test]
fn values_are_read_from_other_formats_too() {
    /// A format that wraps its values: optional, newtype and absent ones.
    enum Wrapped {
        Some(&'static str),
        Newtype(&'static str),
        Owned(String),
        None,
        Bytes(&'static [u8]),
    }
    impl<'de> serde::Deserializer<'de> for Wrapped {
        type Error = Error;

        fn deserialize_any<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Error> {
            match self {
                Self::Some(text) => visitor.visit_some(text.into_deserializer()),
                Self::Newtype(text) => visitor.visit_newtype_struct(text.into_deserializer()),
                Self::Owned(text) => StringDeserializer::new(text).deserialize_any(visitor),
                Self::None => visitor.visit_none(),
                Self::Bytes(bytes) => visitor.visit_bytes(bytes),
            }
        }

        forward_to_deserialize_any! {
            bool i8 i16 i32 i64 i128 u8 u16 u32 u64 u128 f32 f64 char str string bytes byte_buf option unit
            unit_struct newtype_struct seq tuple tuple_struct map struct enum identifier ignored_any
        }
    }
    let read = |wrapped| Value::deserialize(wrapped).unwrap();
    assert_eq!(read(Wrapped::Some("x")), Value::from("x"));
    assert_eq!(read(Wrapped::Newtype("x")), Value::from("x"));
    assert_eq!(read(Wrapped::Owned("x".to_owned())), Value::from("x"));
    assert_eq!(read(Wrapped::None), Value::Null);
    assert_eq!(read(Wrapped::Bytes(b"x")), Value::from(Bytes::from_static(b"x")));
    assert_eq!(Blob::deserialize(Wrapped::Bytes(b"x")).unwrap(), Blob::from(&b"x"[..]));
}

#[test]
fn the_errors_of_values_and_blobs_name_the_expected_type() {
    let unit = || serde::de::value::UnitDeserializer::<Error>::new();
    let error = Blob::deserialize(unit()).unwrap_err();
    assert_eq!(error.to_string(), "invalid type: unit value, expected an attachment");
    let error = Object::deserialize(unit()).unwrap_err();
    assert_eq!(error.to_string(), "invalid type: unit value, expected an object");
    let variant = serde::de::value::EnumAccessDeserializer::new(
        serde::de::value::StrDeserializer::<Error>::new("variant"),
    );
    let error = Value::deserialize(variant).unwrap_err();
    assert_eq!(error.to_string(), "invalid type: enum, expected any value");
}

#[test]
fn blobs_are_bytes() {
    let blob = Blob::from(&b"abc"[..]);
    assert_eq!((&blob[..], blob.as_ref()), (&b"abc"[..], &b"abc"[..]));
    assert_eq!(blob, Blob::from(b"abc".to_vec()));
    assert!(blob < Blob::from(&b"abd"[..]));
    let hash = |blob: &Blob| {
        let mut hasher = DefaultHasher::new();
        blob.hash(&mut hasher);
        hasher.finish()
    };
    assert_eq!(hash(&blob), hash(&Blob::from(Bytes::from_static(b"abc"))));
    assert_eq!(Bytes::from(blob.clone()), blob.into_bytes());
    assert!(Blob::default().is_empty());
    assert_eq!(Packet::event("e", &(Blob::default(),)).unwrap().attachments(), [Bytes::new()]);
}
