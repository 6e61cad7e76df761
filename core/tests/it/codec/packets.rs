//! Construction and modification of packets.

use std::borrow::Cow;

use bytes::Bytes;
use socketio_p2p_core::codec::{Blob, DecodeErrorKind, EncodeError, Encoder, Limits};
use socketio_p2p_core::{Namespace, Packet, PacketType};

use super::{decode_all, packet};

/// Checks that a constructed packet equals the decoded one.
fn assert_like_decoded(packet: &Packet) {
    let decoded = decode_all(packet.frames(), &Limits::default()).unwrap().remove(0);
    assert_eq!(&decoded, packet);
    assert_eq!(format!("{decoded:?}"), format!("{packet:?}"));
    assert_eq!(decoded.namespace(), packet.namespace());
    assert_eq!(decoded.payload(), packet.payload());
    assert_eq!(decoded.event_name(), packet.event_name());
}

#[test]
fn each_type_of_packet_is_written_as_the_protocol_says() {
    let blob = Blob::from(vec![1, 2, 3, 4]);
    let admin = Namespace::from_static("/admin");
    let auth = [("token", "123")].into_iter().collect::<std::collections::BTreeMap<_, _>>();
    let rows = [
        (Packet::connect(None::<&()>).unwrap(), "0"),
        (Packet::connect(None::<&()>).unwrap().in_namespace(&admin), "0/admin,"),
        (Packet::connect(Some(&auth)).unwrap().in_namespace(&admin), r#"0/admin,{"token":"123"}"#),
        (Packet::disconnect(), "1"),
        (Packet::disconnect().in_namespace(&admin), "1/admin,"),
        (Packet::event("foo", &()).unwrap(), r#"2["foo"]"#),
        (Packet::event("foo", &()).unwrap().with_ack_id(12), r#"212["foo"]"#),
        (
            Packet::event("bar", &(1,)).unwrap().in_namespace(&admin).with_ack_id(0),
            r#"2/admin,0["bar",1]"#,
        ),
        (Packet::ack(12, &()).unwrap(), "312[]"),
        (Packet::ack(13, &("bar",)).unwrap().in_namespace(&admin), r#"3/admin,13["bar"]"#),
        (
            Packet::connect_error(
                &[("message", "no")].into_iter().collect::<std::collections::BTreeMap<_, _>>(),
            )
            .unwrap(),
            r#"4{"message":"no"}"#,
        ),
        (Packet::connect_error("no").unwrap(), r#"4"no""#),
        (Packet::event("baz", &(&blob,)).unwrap(), r#"51-["baz",{"_placeholder":true,"num":0}]"#),
        (
            Packet::event("baz", &(&blob, &blob)).unwrap().in_namespace(&admin),
            r#"52-/admin,["baz",{"_placeholder":true,"num":0},{"_placeholder":true,"num":1}]"#,
        ),
        (
            Packet::ack(15, &("bar", &blob)).unwrap(),
            r#"61-15["bar",{"_placeholder":true,"num":0}]"#,
        ),
    ];
    for (packet, head) in rows {
        assert_eq!(*packet.head(), head);
        assert_like_decoded(&packet);
    }
}

#[test]
fn a_namespace_and_an_ack_id_can_be_changed_and_changed_back() {
    let name = "n\"a\nme";
    let plain = Packet::event(name, &(Blob::from(vec![7]), "x")).unwrap();
    let other = Namespace::new("/other?x=1").unwrap();
    let changed = plain.clone().with_ack_id(u64::MAX).in_namespace(&other).with_ack_id(1);
    assert_eq!(changed.namespace(), other);
    assert_eq!(changed.ack_id(), Some(1));
    assert_eq!(changed.event_name().unwrap(), name);
    assert_eq!(changed.payload(), plain.payload());
    assert_eq!(changed.attachments()[0].as_ptr(), plain.attachments()[0].as_ptr());
    assert_like_decoded(&changed);
    let back = changed.in_namespace(&Namespace::default());
    assert_eq!(back, plain.with_ack_id(1));
    assert_like_decoded(&back);
    assert_eq!(Packet::disconnect().with_ack_id(1), Packet::disconnect(), "it can have none");
}

#[test]
fn a_clone_of_a_packet_shares_head_and_attachments() {
    let packet = Packet::event("e", &(Blob::from(vec![1]), Blob::from(vec![2]))).unwrap();
    let clone = packet.clone();
    assert_eq!(clone.head().as_ptr(), packet.head().as_ptr());
    assert_eq!(clone.attachments().as_ptr(), packet.attachments().as_ptr());
}

#[test]
fn from_parts_accepts_what_a_decoder_accepts() {
    let namespace = Namespace::from_static("/a");
    let bytes = || vec![Bytes::from_static(b"x")];
    let make = |packet_type, id, payload: &str, attachments| {
        Packet::from_parts(packet_type, &namespace, id, payload, attachments)
    };
    let packet = make(PacketType::Event, Some(3), r#"["e",1]"#, Vec::new()).unwrap();
    assert_eq!(*packet.head(), r#"2/a,3["e",1]"#);
    assert_like_decoded(&packet);
    let packet =
        make(PacketType::BinaryEvent, None, r#"["e",{"_placeholder":true,"num":0}]"#, bytes())
            .unwrap();
    assert_like_decoded(&packet);
    assert_eq!(*make(PacketType::Connect, None, "", Vec::new()).unwrap().head(), "0/a,");

    let kind = |result: Result<Packet, _>| -> DecodeErrorKind {
        let error: socketio_p2p_core::codec::DecodeError = result.unwrap_err();
        error.kind().clone()
    };
    assert_eq!(
        kind(make(PacketType::BinaryEvent, None, r#"["e"]"#, Vec::new())),
        DecodeErrorKind::AttachmentCount
    );
    assert_eq!(
        kind(make(PacketType::Event, None, r#"["e"]"#, bytes())),
        DecodeErrorKind::AttachmentNumber { announced: 0, got: 1 }
    );
    assert_eq!(
        kind(make(PacketType::Event, None, r#"["connect"]"#, Vec::new())),
        DecodeErrorKind::ReservedEventName
    );
    assert_eq!(kind(make(PacketType::Ack, None, "[]", Vec::new())), DecodeErrorKind::AckIdMissing);
    assert!(matches!(
        kind(make(PacketType::Event, None, "", Vec::new())),
        DecodeErrorKind::Payload(_)
    ));
    for slipping in ["2[\"e\"]", "/b,[\"e\"]", "/b,2[\"e\"]"] {
        for id in [None, Some(1)] {
            let made = Packet::from_parts(
                PacketType::Event,
                &Namespace::default(),
                id,
                slipping,
                Vec::new(),
            );
            assert!(
                matches!(kind(made), DecodeErrorKind::Payload(_)),
                "{slipping} slips into the header"
            );
        }
    }
}

#[test]
fn namespaces_begin_with_a_slash_and_have_no_comma() {
    for good in ["/", "/a", "/a?b=c&d", "/방", "//"] {
        assert_eq!(Namespace::new(good).unwrap().as_str(), good);
    }
    for bad in ["", "a", "a/", "/a,b", ","] {
        Namespace::new(bad).unwrap_err();
    }
    assert!(Namespace::default().is_default());
    assert!(!Namespace::from_static("/a").is_default());
    assert_eq!(Packet::event("e", &()).unwrap().namespace(), Namespace::default());
}

#[test]
fn payloads_of_the_wrong_kind_are_refused() {
    assert_eq!(Packet::event("e", "text").unwrap_err(), EncodeError::Arguments("a string"));
    assert_eq!(Packet::event("e", &1).unwrap_err(), EncodeError::Arguments("a number"));
    assert_eq!(
        Packet::event("disconnect", &()).unwrap_err(),
        EncodeError::ReservedEventName("disconnect".into())
    );
    assert_eq!(Packet::connect(Some("text")).unwrap_err(), EncodeError::Payload("an object"));
    assert_eq!(Packet::connect(Some(&[1])).unwrap_err(), EncodeError::Payload("an object"));
    assert_eq!(
        Packet::connect_error(&[1]).unwrap_err(),
        EncodeError::Payload("an object or a string")
    );
    let secret =
        [("k", Blob::from(vec![1]))].into_iter().collect::<std::collections::BTreeMap<_, _>>();
    assert_eq!(
        Packet::connect(Some(&secret)).unwrap_err(),
        EncodeError::Attachment(PacketType::Connect)
    );
}

#[test]
fn an_encoder_can_be_used_again_after_success_and_after_failure() {
    let mut encoder = Encoder::new();
    let namespace = Namespace::from_static("/n");
    let blob = Blob::from(vec![1]);
    let encoded = encoder.event(&namespace, Some(1), "first", &(&blob, 1)).unwrap();
    assert_eq!(encoded.head(), r#"51-/n,1["first",{"_placeholder":true,"num":0},1]"#);
    assert_eq!(encoded.attachments().len(), 1);
    assert_like_decoded(&encoded.to_packet());
    encoder
        .event(&namespace, None, "e", &(&blob, std::collections::BTreeMap::from([((), 1)])))
        .unwrap_err();
    let encoded = encoder.ack(&namespace, 2, &("second",)).unwrap();
    assert_eq!((encoded.head(), encoded.attachments().len()), (r#"3/n,2["second"]"#, 0));
    assert_like_decoded(&encoded.to_packet());
    assert_eq!(
        encoder.connect(&namespace, &std::collections::BTreeMap::from([("a", 1)])).unwrap().head(),
        r#"0/n,{"a":1}"#
    );
    assert_eq!(encoder.connect_error(&namespace, "no").unwrap().head(), r#"4/n,"no""#);
}

#[test]
fn a_value_that_makes_packets_while_it_is_written_disturbs_nothing() {
    struct Nested;
    impl serde::Serialize for Nested {
        fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
            let inner = Packet::event("inner", &(Blob::from(vec![9; 3]),)).unwrap();
            assert_eq!(inner.attachments()[0], [9; 3][..]);
            serializer.serialize_str(inner.head())
        }
    }
    let blob = Blob::from(vec![8; 3]);
    let outer = Packet::event("outer", &(&blob, Nested, &blob)).unwrap();
    assert_eq!(outer.attachments().len(), 2);
    assert!(outer.attachments().iter().all(|bytes| bytes.as_ptr() == blob.as_ptr()));
    let (_, inner, _): (Blob, String, Blob) = outer.args().unwrap();
    assert_eq!(inner, r#"51-["inner",{"_placeholder":true,"num":0}]"#);
}

#[test]
fn debug_output_of_encoders_shows_sizes_and_no_content() {
    let blob = Blob::from(b"secret".to_vec());
    assert_eq!(format!("{blob:?}"), "Blob(6 bytes)");
    let mut encoder = Encoder::new();
    let encoded = encoder.event(&Namespace::default(), None, "e", &("secret", blob)).unwrap();
    let shown = format!("{encoded:?}");
    assert_eq!(shown, "Encoded { packet_type: BinaryEvent, head_bytes: 47, attachments: 1 }");
    let shown = format!("{encoder:?}");
    assert!(shown.starts_with("Encoder { capacity: ") && !shown.contains("secret"), "{shown}");
}

#[test]
fn a_name_without_escapes_is_borrowed_from_the_head_on_both_sides() {
    let sent = Packet::event("plain", &()).unwrap();
    let received = packet("2[\"plain\"]", &[]);
    for packet in [sent.clone(), received, sent.with_ack_id(7)] {
        assert!(matches!(packet.event_name(), Some(Cow::Borrowed("plain"))));
    }
    let escaped = Packet::event("two\nlines", &()).unwrap();
    assert_eq!(escaped.event_name().unwrap(), "two\nlines");
}
