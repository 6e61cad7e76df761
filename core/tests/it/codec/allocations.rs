//! The allocations of the codec.

use allocation_counter::measure;
use bytes::Bytes;
use bytestring::ByteString;
use socketio_p2p_core::codec::{Blob, Decoder, Encoder, Limits};
use socketio_p2p_core::{Frame, Namespace, Packet};

fn allocations(run: impl FnOnce()) -> u64 {
    measure(run).count_total
}

fn large_event() -> ByteString {
    format!("2/ns,7[\"event\",\"{}\"]", "x".repeat(60_000)).into()
}

#[test]
fn header_and_event_name_of_a_text_packet_allocate_nothing() {
    let mut decoder = Decoder::new(Limits::default());
    let frame = Frame::Text(large_event());
    // The first clone of fresh bytes makes them shareable.
    let again = frame.clone();
    let count = allocations(|| {
        let packet = decoder.push(again).unwrap().unwrap();
        assert_eq!(packet.event_name().unwrap(), "event");
        assert_eq!((packet.ack_id(), packet.namespace().as_str()), (Some(7), "/ns"));
    });
    assert_eq!(count, 0);
    drop(frame);
}

#[test]
fn a_packet_with_one_attachment_allocates_nothing_and_more_take_two_lists() {
    for (count, expected) in [(1, 0), (2, 2), (10, 2)] {
        let mut decoder = Decoder::new(Limits::default());
        let head = Frame::from(format!("5{count}-[\"event\"]"));
        let blob = Frame::from(Bytes::from_static(b"blob"));
        let allocated = allocations(|| {
            assert!(decoder.push(head).unwrap().is_none());
            for missing in (0..count).rev() {
                let packet = decoder.push(blob.clone()).unwrap();
                assert_eq!(packet.is_some(), missing == 0);
            }
        });
        assert_eq!(allocated, expected, "{count} attachments");
    }
}

#[test]
fn a_packet_from_all_its_frames_allocates_a_list_only_for_several_attachments() {
    for (count, expected) in [(0, 0), (1, 0), (2, 1), (3, 1)] {
        let head = match count {
            0 => ByteString::from_static("2[\"event\"]"),
            count => format!("5{count}-[\"event\"]").into(),
        };
        let attachments = vec![Bytes::from_static(b"blob"); count];
        let limits = Limits::default();
        let allocated = allocations(|| {
            let packet = Packet::from_head_and_attachments(head, attachments, &limits).unwrap();
            assert_eq!(packet.attachments().len(), count);
        });
        assert_eq!(allocated, expected, "{count} attachments");
    }
}

#[test]
fn checking_and_reading_borrowed_values_allocates_nothing() {
    let packet =
        Packet::from_head_and_attachments(large_event(), Vec::new(), &Limits::default()).unwrap();
    let count = allocations(|| {
        packet.validate(&Limits::default()).unwrap();
        let (text,): (&str,) = packet.args().unwrap();
        assert_eq!(text.len(), 60_000);
    });
    assert_eq!(count, 0);
}

#[test]
fn an_encoder_that_has_room_allocates_nothing() {
    let mut encoder = Encoder::new();
    let namespace = Namespace::from_static("/ns");
    let blob = Blob::from(Bytes::from_static(&[7; 64]));
    let args = ("text with \"escapes\"\n", 1.5, [1, 2, 3], Some(&blob), [("k", "v")]);
    let mut encode = || {
        let encoded = encoder.event(&namespace, Some(7), "event", &args).unwrap();
        assert_eq!(encoded.attachments().len(), 1);
    };
    encode();
    assert_eq!(allocations(encode), 0);
}

#[test]
fn one_more_receiver_allocates_nothing() {
    let packet = Packet::event("event", &(Blob::from(vec![1; 100]), "x".repeat(1000))).unwrap();
    let first = packet.clone();
    let count = allocations(|| {
        let bytes: usize = packet.clone().frames().map(|frame| frame.len()).sum();
        assert_eq!(bytes, packet.wire_len());
    });
    assert_eq!(count, 0);
    drop(first);
}

#[test]
fn an_encoder_releases_the_buffer_of_a_huge_packet() {
    let mut encoder = Encoder::new();
    let namespace = Namespace::default();
    let capacity = |encoder: &Encoder| {
        let shown = format!("{encoder:?}");
        let digits: String = shown.chars().filter(char::is_ascii_digit).collect();
        digits.parse::<usize>().unwrap()
    };
    encoder.event(&namespace, None, "event", &("x".repeat(100_000),)).unwrap();
    let kept = capacity(&encoder);
    assert!(kept >= 100_000);
    encoder.event(&namespace, None, "event", &(1,)).unwrap();
    assert_eq!(capacity(&encoder), kept, "that much is kept");
    encoder.event(&namespace, None, "event", &("x".repeat(300_000),)).unwrap();
    assert!(capacity(&encoder) >= 300_000);
    encoder.event(&namespace, None, "event", &(1,)).unwrap();
    assert!(capacity(&encoder) < 1000, "more is given back");
}
