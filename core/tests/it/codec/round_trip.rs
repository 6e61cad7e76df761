//! Properties: encoded values round-trip, and all readers agree on any input.

use bytes::Bytes;
use proptest::prelude::*;
use serde::de::IgnoredAny;
use socketio_p2p_core::codec::{
    DecodeErrorKind, Decoder, Limits, Number, Object, Value, is_reserved_event_name,
};
use socketio_p2p_core::{Frame, Namespace, Packet};

use super::decode_all;

fn text() -> impl Strategy<Value = String> {
    prop_oneof![
        "[a-z]{0,20}",
        any::<String>(),
        proptest::collection::vec(
            prop_oneof!["\"", "\\\\", "\n", "\u{0}", "é", "😀", "[a-z]{1,9}"],
            0..12
        )
        .prop_map(|parts| parts.concat()),
    ]
}

fn number() -> impl Strategy<Value = Number> {
    prop_oneof![
        any::<u64>().prop_map(Number::from),
        any::<i64>().prop_map(Number::from),
        any::<f64>().prop_filter("finite", |value| value.is_finite()).prop_map(Number::from),
    ]
}

/// Any value that a packet can carry, except objects that look like placeholders.
fn value() -> impl Strategy<Value = Value> {
    let leaf = prop_oneof![
        Just(Value::Null),
        any::<bool>().prop_map(Value::from),
        number().prop_map(Value::from),
        text().prop_map(Value::from),
        proptest::collection::vec(any::<u8>(), 0..20).prop_map(|bytes| Value::Bytes(bytes.into())),
    ];
    leaf.prop_recursive(5, 40, 6, |inner| {
        prop_oneof![
            proptest::collection::vec(inner.clone(), 0..6).prop_map(Value::from),
            proptest::collection::vec((text(), inner), 0..6)
                .prop_map(|entries| Value::Object(entries.into_iter().collect())),
        ]
    })
}

/// The simplest encoder of a value.
fn model(value: &Value, attachments: &mut Vec<Bytes>) -> String {
    match value {
        Value::Null => "null".to_owned(),
        Value::Bool(value) => value.to_string(),
        Value::Number(Number::Unsigned(value)) => value.to_string(),
        Value::Number(Number::Signed(value)) => value.to_string(),
        Value::Number(Number::Float(value)) => serde_json::json!(value).to_string(),
        Value::String(text) => quoted(text),
        Value::Array(items) => {
            let items = items.iter().map(|item| model(item, attachments));
            format!("[{}]", items.collect::<Vec<_>>().join(","))
        }
        Value::Object(entries) => {
            let entry = |(key, value)| format!("{}:{}", quoted(key), model(value, attachments));
            format!("{{{}}}", entries.iter().map(entry).collect::<Vec<_>>().join(","))
        }
        Value::Bytes(bytes) => {
            attachments.push(bytes.clone());
            format!(r#"{{"_placeholder":true,"num":{}}}"#, attachments.len() - 1)
        }
    }
}

fn quoted(text: &str) -> String {
    serde_json::json!(text).to_string()
}

fn namespace() -> impl Strategy<Value = Namespace> {
    prop_oneof![
        Just(Namespace::default()),
        "/[^,]{0,30}".prop_map(|text| Namespace::new(text).expect("a namespace")),
    ]
}

proptest! {
    #[test]
    fn an_event_round_trips(
        name in text().prop_filter("not reserved", |name| !is_reserved_event_name(name)),
        namespace in namespace(),
        ack_id in any::<Option<u64>>(),
        args in proptest::collection::vec(value(), 0..4),
    ) {
        let mut packet = Packet::event(&name, &args).unwrap().in_namespace(&namespace);
        if let Some(id) = ack_id {
            packet = packet.with_ack_id(id);
        }

        let mut attachments = Vec::new();
        let expected = model(&Value::Array(args.clone()), &mut attachments);
        let comma = if args.is_empty() { "" } else { "," };
        prop_assert_eq!(packet.payload(), format!("[{}{comma}{}", quoted(&name), &expected[1..]));
        prop_assert_eq!(packet.attachments(), &attachments[..]);

        let limits = Limits::unbounded();
        let decoded = decode_all(packet.frames(), &limits).unwrap().remove(0);
        prop_assert_eq!(&decoded, &packet);
        prop_assert_eq!(decoded.event_name().unwrap(), name.as_str());
        prop_assert_eq!(decoded.namespace(), namespace);
        prop_assert_eq!(decoded.ack_id(), ack_id);
        prop_assert_eq!(decoded.args::<Vec<Value>>().unwrap(), args);
    }

    /// A valid payload can be read, and an invalid one cannot, as any type.
    #[test]
    fn validation_and_typed_reading_agree_on_any_payload(
        pieces in proptest::collection::vec(
            prop_oneof![
                Just("["), Just("]"), Just("{"), Just("}"), Just(","), Just(":"), Just("\""), Just(" "), Just("\\"), Just("\\u00"),
                Just("\"a\""), Just("\"num\""), Just("\"_placeholder\""), Just("true"), Just("null"), Just("0"), Just("-1.5e3"),
                Just("{\"_placeholder\":true,\"num\":0}"), Just("{\"num\":1,\"_placeholder\":true}"), Just("1e999"), Just("é"),
                Just("\"k\":"), Just("\"_placeholder\":true"), Just("\"\\ud800\""), Just("\n"), Just("\u{1}"),
            ],
            0..14,
        ),
        binary in any::<bool>(),
    ) {
        let head = format!("{}[\"e\",{}]", if binary { "52-" } else { "2" }, pieces.concat());
        let attachments = if binary { vec![Bytes::from_static(b"x"), Bytes::from_static(b"y")] } else { Vec::new() };
        let Ok(packet) = Packet::from_head_and_attachments(head.clone().into(), attachments, &Limits::default()) else {
            return Ok(());
        };
        let check = packet.validate(&Limits::default());
        let dynamic = packet.args::<Vec<Value>>();
        let skipped = packet.args::<IgnoredAny>();
        prop_assert_eq!(check.is_ok(), dynamic.is_ok(), "{}: {:?} {:?}", head, check, dynamic);
        prop_assert_eq!(check.is_ok(), packet.data::<Value>().is_ok(), "{}", head);
        if !binary {
            prop_assert_eq!(check.is_ok(), skipped.is_ok(), "{}", head);
            let theirs = serde_json::from_str::<serde_json::Value>(packet.payload());
            prop_assert_eq!(check.is_ok(), theirs.is_ok(), "{}", head);
            if let (Ok(ours), Ok(theirs)) = (packet.data::<serde_json::Value>(), theirs) {
                prop_assert_eq!(ours, theirs);
            }
        }
        if let (Err(check), Err(read)) = (check, dynamic) {
            let misplaced = matches!(check.kind(), DecodeErrorKind::Placeholder(_));
            prop_assert!(misplaced || read.offset() == Some(check.offset()), "{}: {} / {}", head, check, read);
        }
    }

    /// Any sequence of frames is decoded without a panic and within bounds, and a refused stream is refused
    /// again for the same reason.
    #[test]
    fn any_sequence_of_frames_decodes_to_the_same_result_again(frames in proptest::collection::vec(frame(), 0..12)) {
        let limits = Limits::default();
        let run = || {
            let mut decoder = Decoder::new(limits.clone());
            frames.iter().map(|frame| {
                let result = decoder.push(frame.clone());
                assert!(decoder.pending_bytes() <= limits.max_packet_bytes);
                assert!(!(result.is_err() && decoder.pending()));
                result
            }).collect::<Vec<_>>()
        };
        let first = run();
        prop_assert_eq!(&first, &run());
        for packet in first.into_iter().flatten().flatten() {
            let again = decode_frames(&packet);
            prop_assert_eq!(again, Ok(Some(packet)));
        }
    }
}

fn decode_frames(packet: &Packet) -> Result<Option<Packet>, socketio_p2p_core::codec::DecodeError> {
    let mut decoder = Decoder::new(Limits::default());
    packet.frames().try_fold(None, |_, frame| decoder.push(frame))
}

fn frame() -> impl Strategy<Value = Frame> {
    prop_oneof![
        proptest::collection::vec(any::<u8>(), 0..8).prop_map(Frame::from),
        any::<String>().prop_map(Frame::from),
        "[0-7][0-3]{0,1}-?(/[a-z]{0,3},?)?[0-9]{0,3}(\\[\"[a-z]{0,3}\"(,1|,\\{\"_placeholder\":true,\"num\":[01]\\})*\\])?"
            .prop_map(Frame::from),
    ]
}

#[test]
fn the_round_trip_model_covers_objects() {
    let entries = Object::from_iter([("a", Value::Bytes(Bytes::from_static(b"x")))]);
    let mut attachments = Vec::new();
    let written = model(&Value::Object(entries), &mut attachments);
    assert_eq!(written, r#"{"a":{"_placeholder":true,"num":0}}"#);
    assert_eq!(attachments.len(), 1);
}
