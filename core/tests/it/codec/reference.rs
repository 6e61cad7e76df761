//! The recorded results of the reference implementation's parser.

use std::collections::BTreeSet;

use serde::Deserialize;
use serde_json::value::{RawValue, Value};

#[allow(dead_code, reason = "the example's main function is not used here")]
#[path = "../../../examples/codec.rs"]
pub(super) mod filter;

const TABLE: &str = include_str!("../../data/malformed.jsonl");
const DOCUMENTATION: &str = include_str!("../../../src/codec/mod.rs");

/// A stream of frames, the codec's result, and the reference parser's where it differs.
#[derive(Deserialize)]
struct Row {
    name: String,
    frames: Value,
    /// As text: it may be nested deeper than `serde_json` reads.
    ours: Box<RawValue>,
    reference: Option<Box<RawValue>>,
    difference: Option<String>,
}

fn table() -> impl Iterator<Item = Row> {
    TABLE.lines().map(|line| serde_json::from_str(line).expect("a row of the table"))
}

/// Returns the answers of the example `codec` to these lines, with or without `--encode`.
fn answers(mode: Option<&str>, lines: &[String]) -> Vec<String> {
    let mut out = Vec::new();
    filter::run(mode, lines.join("\n").as_bytes(), &mut out)
        .expect("the filter continues to the end");
    let out = String::from_utf8(out).expect("text");
    out.split_terminator('\n').map(str::to_owned).collect()
}

/// Returns an answer without the text of the error message, which must name what was expected.
fn without_message(answer: &str) -> String {
    match answer.split_once(r#","message":"expected "#) {
        Some((answer, _)) => format!("{answer}}}}}"),
        None => answer.to_owned(),
    }
}

#[test]
fn every_row_of_the_malformed_table_decodes_as_recorded() {
    let rows: Vec<Row> = table().collect();
    assert!(rows.len() > 250, "the table has {} rows", rows.len());
    let lines: Vec<_> =
        rows.iter().map(|row| serde_json::json!({ "frames": row.frames }).to_string()).collect();
    let answers = answers(None, &lines);
    assert_eq!(answers.len(), rows.len());
    for (Row { name, ours, reference, difference, .. }, answer) in rows.iter().zip(answers) {
        assert_eq!(without_message(&answer), ours.get(), "{name}");
        assert_eq!(reference.is_some(), difference.is_some(), "{name}");
        let same = reference.as_ref().is_some_and(|reference| reference.get() == ours.get());
        assert!(!same, "{name} is no difference");
    }
}

#[test]
fn the_filter_encodes_decoded_packets_to_frames_that_decode_to_the_same() {
    #[derive(Deserialize)]
    struct Decoded {
        packets: Vec<Box<RawValue>>,
    }
    let packets: Vec<String> = table()
        .flat_map(|row| serde_json::from_str::<Decoded>(row.ours.get()).expect("an answer").packets)
        .map(|packet| packet.get().to_owned())
        // The filter reads its lines with `serde_json`, whose maximum depth is below the codec's.
        .filter(|packet| !packet.contains(&"[".repeat(100)))
        .collect();
    assert!(packets.len() > 80, "the table has {} packets", packets.len());
    let lines: Vec<_> = packets.iter().map(|packet| format!(r#"{{"packet":{packet}}}"#)).collect();
    let frames = answers(Some("--encode"), &lines);
    let decoded = answers(None, &frames);
    assert_eq!(decoded.len(), packets.len());
    for ((packet, frames), decoded) in packets.iter().zip(frames).zip(decoded) {
        let same = format!(r#"{{"packets":[{packet}],"pending":false}}"#);
        assert_eq!(decoded, same, "{packet} went out as {frames}");
    }
}

#[test]
fn the_filter_answers_a_malformed_line_with_an_error_and_continues() {
    let hello = r#"{"frames":["2[\"hello\"]"]}"#;
    let lines =
        ["{", hello, "", "  \t", r#"{"frames":[1]}"#, r#"{"frames":[{"$bytes":"!"}]}"#, hello];
    let answers = answers(None, &lines.map(str::to_owned));
    let shown: Vec<_> = answers
        .iter()
        .map(|answer| if answer.starts_with(r#"{"packets":[{"#) { "packet" } else { &answer[..24] })
        .collect();
    let bad = r#"{"error":{"kind":"line","#;
    assert_eq!(shown, [bad, "packet", bad, bad, "packet"]);
    assert!(filter::run(Some("--help"), &b""[..], Vec::new()).is_err());
}

#[test]
fn every_difference_from_the_reference_parser_is_documented_and_has_an_example() {
    let examples: BTreeSet<String> = table().filter_map(|row| row.difference).collect();
    let documented: BTreeSet<String> = DOCUMENTATION
        .lines()
        .skip_while(|line| !line.contains("| difference |"))
        .skip(2)
        .map_while(|line| line.strip_prefix("//! | `"))
        .filter_map(|line| line.split_once('`'))
        .map(|(name, _)| name.to_owned())
        .collect();
    assert_eq!(examples, documented);
}
