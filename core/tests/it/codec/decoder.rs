//! Decoding: frames to packets.

use bytes::Bytes;
use bytestring::ByteString;
use socketio_p2p_core::codec::{
    Blob, DecodeErrorKind, Decoder, JsonError, Limits, MAX_DEPTH, PlaceholderError, Value,
};
use socketio_p2p_core::{Frame, Packet, PacketType};

use super::{decode_all, packet};

const HEAD_OF_TWO: &str = r#"52-["e",{"_placeholder":true,"num":0},{"_placeholder":true,"num":1}]"#;

fn kind(head: &str) -> DecodeErrorKind {
    decode_all([head.to_owned().into()], &Limits::default()).expect_err(head).kind().clone()
}

#[test]
fn a_packet_shares_the_memory_of_its_frames() {
    let head = ByteString::from(HEAD_OF_TWO);
    let attachments = [Bytes::from(vec![1; 100]), Bytes::from(vec![2; 100])];
    let mut frames = vec![Frame::Text(head.clone())];
    frames.extend(attachments.iter().cloned().map(Frame::Binary));
    let packet = decode_all(frames, &Limits::default()).unwrap().remove(0);
    assert_eq!(packet.head().as_ptr(), head.as_ptr());
    for (ours, theirs) in packet.attachments().iter().zip(&attachments) {
        assert_eq!(ours.as_ptr(), theirs.as_ptr());
    }
    let again: Vec<Frame> = packet.frames().collect();
    assert_eq!(again[0].as_bytes().as_ptr(), head.as_ptr());
    assert_eq!(again[2].as_bytes().as_ptr(), attachments[1].as_ptr());
    assert_eq!(packet.wire_len(), head.len() + 200);
}

#[test]
fn a_decoder_waits_for_attachments_and_counts_them() {
    let mut decoder = Decoder::new(Limits::default());
    assert_eq!((decoder.pending(), decoder.pending_bytes()), (false, 0));
    assert!(decoder.push(HEAD_OF_TWO.into()).unwrap().is_none());
    assert_eq!((decoder.pending(), decoder.pending_bytes()), (true, HEAD_OF_TWO.len()));
    assert!(decoder.push(vec![0; 5].into()).unwrap().is_none());
    assert_eq!((decoder.pending(), decoder.pending_bytes()), (true, HEAD_OF_TWO.len() + 5));
    assert!(decoder.push(vec![0; 5].into()).unwrap().is_some());
    assert_eq!((decoder.pending(), decoder.pending_bytes()), (false, 0));
}

#[test]
fn an_error_or_a_reset_returns_the_decoder_to_its_initial_state() {
    let mut decoder = Decoder::new(Limits::default());
    decoder.push(HEAD_OF_TWO.into()).unwrap();
    decoder.push(vec![1].into()).unwrap();
    let error = decoder.push(r#"2["late"]"#.into()).unwrap_err();
    assert_eq!(error.kind(), &DecodeErrorKind::UnexpectedText { missing: 1 });
    assert_eq!((error.frame(), error.offset()), (2, 0));
    assert_eq!((decoder.pending(), decoder.pending_bytes()), (false, 0));
    let error = decoder.push(vec![2].into()).unwrap_err();
    assert_eq!(error.kind(), &DecodeErrorKind::UnexpectedBinary);

    decoder.push(HEAD_OF_TWO.into()).unwrap();
    decoder.reset();
    assert!(!decoder.pending());
    let packet = decoder.push(r#"2["next"]"#.into()).unwrap().unwrap();
    assert_eq!(packet.event_name().unwrap(), "next");
}

#[test]
fn a_packet_may_be_as_long_as_the_limit_and_no_longer() {
    let head = r#"51-["e",{"_placeholder":true,"num":0}]"#;
    let limits = Limits::default().with_max_packet_bytes(head.len() + 10);
    let frames = |len: usize| [Frame::from(head), Frame::from(vec![0; len])];
    assert_eq!(decode_all(frames(10), &limits).unwrap().len(), 1);
    let error = decode_all(frames(11), &limits).unwrap_err();
    assert_eq!(error.kind(), &DecodeErrorKind::PacketTooLarge { max: head.len() + 10 });
    assert_eq!(error.frame(), 1);

    let text = [Frame::from(r#"2["e"]"#)];
    assert_eq!(decode_all(text, &Limits::default().with_max_packet_bytes(6)).unwrap().len(), 1);

    let limits = Limits::default().with_max_packet_bytes(head.len() - 1);
    let error = decode_all(frames(0), &limits).unwrap_err();
    assert_eq!(error.kind(), &DecodeErrorKind::PacketTooLarge { max: head.len() - 1 });
    assert_eq!(error.frame(), 0);

    // CVE-2020-36049: by default a head above 1,000,000 bytes is refused unread.
    let huge = format!("2[\"e\",\"{}\"]", "x".repeat(1_000_000));
    assert!(matches!(kind(&huge), DecodeErrorKind::PacketTooLarge { max: 1_000_000 }));
}

#[test]
fn the_other_limits_are_exact() {
    let limits =
        Limits::default().with_max_namespace(3).with_max_event_name(4).with_max_attachments(2);
    let kind = |head: &str| {
        decode_all([head.to_owned().into()], &limits).err().map(|error| error.kind().clone())
    };
    assert_eq!(kind(r#"2/ab,["abcd"]"#), None);
    assert_eq!(kind(r#"2/abc,["e"]"#), Some(DecodeErrorKind::NamespaceTooLong { max: 3 }));
    assert_eq!(kind("0/abc"), Some(DecodeErrorKind::NamespaceTooLong { max: 3 }));
    assert_eq!(kind("0/ab"), None);
    assert_eq!(kind(r#"2["abcde"]"#), Some(DecodeErrorKind::EventNameTooLong { max: 4 }));
    assert_eq!(kind(r#"2["\u0061"]"#), Some(DecodeErrorKind::EventNameTooLong { max: 4 }));
    assert_eq!(kind(r#"2["abc\n"]"#), Some(DecodeErrorKind::EventNameTooLong { max: 4 }));
    assert_eq!(kind(r#"2["ab\n"]"#), None);
    // A fault before the limit has precedence.
    assert_eq!(kind("2[\"a\tbcde\"]"), Some(JsonError::ControlCharacter.into()));
    assert_eq!(kind(r#"2["ab]"#), Some(JsonError::UnexpectedEnd("the closing quote").into()));
    assert_eq!(kind(r#"53-["e"]"#), Some(DecodeErrorKind::TooManyAttachments { max: 2 }));
    assert_eq!(kind(r#"52-["e"]"#), None);
}

#[test]
fn validation_and_typed_reading_have_the_same_depth_limit() {
    for (open, inner, close) in [("[", "", "]"), ("{\"k\":", "0", "}")] {
        let nested = |depth: usize| {
            let json = format!("2[\"e\",{}{inner}{}]", open.repeat(depth), close.repeat(depth));
            Packet::from_head_and_attachments(json.into(), Vec::new(), &Limits::default()).unwrap()
        };
        let deepest = nested(MAX_DEPTH - 1);
        deepest.validate(&Limits::default()).unwrap();
        let value = deepest.args::<Vec<Value>>().unwrap();
        assert_eq!(Packet::event("e", &value).unwrap(), deepest);

        for depth in [MAX_DEPTH, 20_000] {
            let deeper = nested(depth);
            let error = deeper.validate(&Limits::default()).unwrap_err();
            assert_eq!(error.kind(), &DecodeErrorKind::Json(JsonError::TooDeep));
            let read = deeper.args::<Vec<Value>>().unwrap_err();
            assert_eq!(read.offset(), Some(error.offset()));
            deeper.data::<Value>().unwrap_err();
            deeper.args::<serde::de::IgnoredAny>().unwrap_err();
            deeper.args::<(Box<serde_json::value::RawValue>,)>().unwrap_err();
        }
        // A limit above the maximum has no effect.
        let flat = nested(2);
        flat.validate(&Limits::default().with_max_depth(3)).unwrap();
        flat.validate(&Limits::default().with_max_depth(2)).unwrap_err();
        nested(MAX_DEPTH).validate(&Limits::default().with_max_depth(usize::MAX)).unwrap_err();
    }
}

#[test]
fn deep_nesting_never_exhausts_the_stack() {
    for unit in ["[", "{\"a\":", "[{\"a\":"] {
        let head = format!("2[\"e\",{}]", unit.repeat(100_000));
        let packet =
            Packet::from_head_and_attachments(head.into(), Vec::new(), &Limits::unbounded())
                .unwrap();
        packet.validate(&Limits::unbounded()).unwrap_err();
        packet.args::<Vec<Value>>().unwrap_err();
        packet.args::<serde::de::IgnoredAny>().unwrap_err();
    }
}

#[test]
fn unterminated_placeholders_cost_linear_time() {
    // Each could begin a placeholder: scanning from each to the end would take minutes.
    let start = r#"{"_placeholder":true,"num":"#;
    let head = format!("51-[\"e\",\"{}\"]", start.replace('"', "\\\"").repeat(25_000));
    let limits = Limits::unbounded();
    let packet =
        Packet::from_head_and_attachments(head.into(), vec![Bytes::new()], &limits).unwrap();
    packet.validate(&limits).unwrap();
    packet.args::<(String,)>().unwrap();
    let head = format!("51-[\"e\",{}]", start.repeat(25_000));
    let packet =
        Packet::from_head_and_attachments(head.into(), vec![Bytes::new()], &limits).unwrap();
    packet.args::<Vec<Value>>().unwrap_err();
}

#[test]
fn a_packet_needs_its_head_and_all_its_attachments() {
    let make = |count: usize| {
        let attachments = vec![Bytes::from_static(b"x"); count];
        Packet::from_head_and_attachments(HEAD_OF_TWO.into(), attachments, &Limits::default())
    };
    assert_eq!(make(2).unwrap().attachments().len(), 2);
    for got in [0, 1, 3] {
        let error = make(got).unwrap_err();
        assert_eq!(error.kind(), &DecodeErrorKind::AttachmentNumber { announced: 2, got });
    }
    let limits = Limits::default().with_max_packet_bytes(HEAD_OF_TWO.len() + 2);
    let make = |second: Bytes| {
        let attachments = vec![Bytes::from_static(b"x"), second];
        Packet::from_head_and_attachments(HEAD_OF_TWO.into(), attachments, &limits)
    };
    make(Bytes::from_static(b"y")).unwrap();
    assert_eq!(make(Bytes::from_static(b"yy")).unwrap_err().frame(), 2);
}

#[test]
fn the_header_matches_the_frame() {
    let packet =
        packet(r#"61-/chat?room=1,18446744073709551615[{"_placeholder":true,"num":0}]"#, &[b"x"]);
    assert_eq!(packet.packet_type(), PacketType::BinaryAck);
    assert_eq!(packet.packet_type().to_string(), "BINARY_ACK");
    assert_eq!(packet.namespace().as_str(), "/chat?room=1");
    assert_eq!(packet.ack_id(), Some(u64::MAX));
    assert_eq!(packet.event_name(), None);
    assert_eq!(packet.payload(), r#"[{"_placeholder":true,"num":0}]"#);
}

#[test]
fn event_names_are_read_without_the_arguments() {
    let broken = r#"2["na\u006de\n",this is no JSON]"#;
    let packet =
        Packet::from_head_and_attachments(broken.into(), Vec::new(), &Limits::default()).unwrap();
    assert_eq!(packet.event_name().unwrap(), "name\n");
    packet.validate(&Limits::default()).unwrap_err();
    assert_eq!(super::packet("2[-12,1]", &[]).event_name().unwrap(), "-12");
    assert_eq!(super::packet("3/a,1[]", &[]).event_name(), None);
}

#[test]
fn decode_errors_name_the_expected_and_the_actual_value_and_the_position() {
    let message = |head: &str| {
        decode_all([head.to_owned().into()], &Limits::default()).unwrap_err().to_string()
    };
    assert_eq!(message("7"), "expected a packet type from 0 to 6, got '7' at byte 0 of the head");
    assert_eq!(message(""), "expected a packet, got the end at byte 0 of the head");
    assert_eq!(
        message(r#"2["a",01]"#),
        "expected a number without leading zeros, got '0' at byte 6 of the head"
    );
    assert_eq!(
        message(r#"2["a""#),
        "expected `]` as the last character, got '\"' at byte 4 of the head"
    );
    assert_eq!(message("2"), "expected an array as the payload, got the end at byte 1 of the head");
    let error = decode_all([HEAD_OF_TWO.into(), "2".into()], &Limits::default()).unwrap_err();
    assert_eq!(
        error.to_string(),
        "expected an attachment (2 are missing), got a text frame at attachment 1"
    );
}

#[test]
fn a_placeholder_with_a_malformed_number_is_found_by_validation_and_typed_reading() {
    for (number, wrong) in [("", JsonError::Expected("a value")), ("00", JsonError::LeadingZero)] {
        let head = format!(r#"51-["e",{{"_placeholder":true,"num":{number}}}]"#);
        let packet = packet(&head, &[b"x"]);
        let error = packet.validate(&Limits::default()).unwrap_err();
        assert_eq!(error.kind(), &wrong.into(), "{head}");
        assert!(packet.args::<(Blob,)>().is_err(), "{head}");
    }
}

#[test]
fn the_greatest_ack_id_is_decoded_in_every_position() {
    for start in ["2", "2/a,", "2/a/long/namespace,", "51-", "51-/a,"] {
        let end = if start.starts_with('5') {
            r#"["e",{"_placeholder":true,"num":0}]"#
        } else {
            r#"["e"]"#
        };
        let push =
            |id: &str| Decoder::new(Limits::default()).push(format!("{start}{id}{end}").into());
        assert!(push("18446744073709551615").is_ok(), "{start}");
        let error = push("18446744073709551616").unwrap_err();
        assert_eq!((error.kind(), error.offset()), (&DecodeErrorKind::AckId, start.len()));
    }
}

#[test]
fn a_placeholder_out_of_range_is_found_by_validation_and_typed_reading() {
    for number in [1, 2, 7] {
        let text = format!(r#"51-["e",{{"_placeholder":true,"num":{number}}}]"#);
        let packet = packet(&text, &[b"x"]);
        let expected = PlaceholderError::OutOfRange { attachments: 1 };
        let error = packet.validate(&Limits::default()).unwrap_err();
        assert_eq!(error.kind(), &DecodeErrorKind::Placeholder(expected), "{number}");
        assert_eq!(error.offset(), text.find("{\"").unwrap());
        let error = packet.args::<(serde::de::IgnoredAny,)>().unwrap_err();
        assert_eq!(error.offset(), text.find("{\""), "{number}");
    }
}

#[test]
fn debug_output_shows_sizes_and_no_content() {
    let packet = packet(
        r#"51-/ns?token=s3cret,1["login",{"password":"s3cret"},{"_placeholder":true,"num":0}]"#,
        &[b"s3cret"],
    );
    let value: Value = packet.data().unwrap();
    let blob: (serde::de::IgnoredAny, Blob) = packet.args().unwrap();
    let mut decoder = Decoder::new(Limits::default());
    decoder.push(Frame::Text(packet.head().clone())).unwrap();
    let shown = format!(
        "{packet:?} {value:?} {:?} {decoder:?} {:?}",
        blob.1,
        packet.frames().collect::<Vec<_>>()
    );
    assert!(!shown.contains("s3cret"), "{shown}");
    assert!(shown.contains("login") && shown.contains("/ns"), "{shown}");
    assert!(shown.contains("Pending(0 of 1 attachments)"), "{shown}");
    let errors = [
        packet.args::<(String, String)>().unwrap_err().to_string(),
        packet.args::<(std::collections::BTreeMap<String, u8>, String)>().unwrap_err().to_string(),
    ];
    assert!(errors.iter().all(|error| !error.contains("s3cret")), "{errors:?}");
}

#[test]
fn numbers_of_any_length_are_checked_against_the_range_of_a_double() {
    let verdict = |number: &str| {
        let packet = packet(&format!("2[\"e\",{number}]"), &[]);
        let check = packet.validate(&Limits::default()).map_err(|error| error.kind().clone());
        assert_eq!(check.is_ok(), packet.args::<(f64,)>().is_ok(), "{number}");
        check
    };
    for digits in [1, 15, 290, 299, 300, 301, 308, 309] {
        assert_eq!(
            verdict(&"9".repeat(digits)),
            if digits < 309 { Ok(()) } else { Err(JsonError::NumberOutOfRange.into()) }
        );
        assert_eq!(verdict(&format!("-0.{}", "0".repeat(digits))), Ok(()));
        assert_eq!(verdict(&format!("0.{}e{digits}", "0".repeat(digits))), Ok(()));
    }
    assert_eq!(verdict("1e309"), Err(JsonError::NumberOutOfRange.into()));
    assert_eq!(verdict("1e-999999999999"), Ok(()));
    assert_eq!(verdict("1e999999999999"), Err(JsonError::NumberOutOfRange.into()));
    assert_eq!(verdict("-01.5"), Err(JsonError::LeadingZero.into()));
}

#[test]
fn a_truncated_payload_and_a_malformed_one_have_different_errors() {
    let check = |head: &str| {
        let error = packet(head, &[]).validate(&Limits::default()).unwrap_err();
        (error.kind().clone(), error.offset())
    };
    for (head, error, offset) in [
        (r#"2["e",[1 "#, JsonError::UnexpectedEnd("`,` or `]`"), 9),
        (r#"2["e",[1} "#, JsonError::Expected("`,` or `]`"), 8),
        (r#"2["e",{"a": "#, JsonError::UnexpectedEnd("a value"), 12),
        (r#"2["e",{"a" "#, JsonError::UnexpectedEnd("`:`"), 11),
        (r#"2["e",{ "#, JsonError::UnexpectedEnd("a key"), 8),
        (r#"2["e",- "#, JsonError::Expected("a digit"), 7),
        (r#"2["e","a "#, JsonError::UnexpectedEnd("the closing quote"), 9),
        (r#"2["e"] ] "#, JsonError::Expected("the end of the payload"), 7),
    ] {
        assert_eq!(check(head), (error.into(), offset), "{head}");
    }
}

#[test]
fn a_payload_of_an_opening_bracket_alone_is_refused() {
    for (head, missing) in [
        ("2[", "`]` as the last character"),
        ("31[", "`]` as the last character"),
        ("0{", "`}` as the last character"),
        ("4{", "`}` as the last character"),
        ("4\"", "`\"` as the last character"),
    ] {
        let error = Decoder::new(Limits::default()).push(head.into()).unwrap_err();
        assert_eq!(error.kind(), &JsonError::UnexpectedEnd(missing).into(), "{head}");
        assert_eq!(error.offset(), head.len(), "{head}");
    }
}

#[test]
fn more_than_ten_attachments_are_resolved_in_every_placeholder_notation() {
    let limits = Limits::default().with_max_attachments(12);
    let attachments: Vec<Bytes> = (0..12_u8).map(|byte| Bytes::from(vec![byte])).collect();
    for (open, close) in
        [(r#"{"_placeholder":true,"num":"#, "}"), (r#"{"num":"#, r#","_placeholder":true}"#)]
    {
        let placeholders: Vec<_> = (0..12).map(|number| format!("{open}{number}{close}")).collect();
        let head = format!("512-[\"e\",{}]", placeholders.join(","));
        let packet =
            Packet::from_head_and_attachments(head.into(), attachments.clone(), &limits).unwrap();
        packet.validate(&limits).unwrap();
        let read: Vec<Blob> = packet.args().unwrap();
        assert!(read.iter().map(|blob| blob[0]).eq(0..12), "{open}");
    }
}
