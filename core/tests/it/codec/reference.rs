//! Beside the reference implementation's parser.

use std::collections::BTreeSet;

use serde::Deserialize;
use serde_json::value::{RawValue, Value};

#[allow(dead_code, reason = "the example's main function has no use here")]
#[path = "../../../examples/codec.rs"]
pub(super) mod filter;

const TABLE: &str = include_str!("../../data/malformed.jsonl");
const DOCUMENTATION: &str = include_str!("../../../src/codec/mod.rs");

/// A stream of frames, what the codec makes of it, and, where that differs, what the reference parser does.
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

/// What the codec makes of a stream, without the text of the error message.
fn judge(frames: &Value) -> String {
    let line = serde_json::json!({ "frames": frames }).to_string();
    let answer = filter::decode_line(line.as_bytes()).expect("a line that the filter reads");
    let mut answer = serde_json::to_string(&answer).expect("an answer");
    if let Some(message) = answer.find(r#","message":"expected "#) {
        answer.truncate(message);
        answer.push_str("}}");
    }
    answer
}

#[test]
fn every_row_of_the_malformed_table_is_judged_as_written() {
    let mut rows = 0;
    for Row { name, frames, ours, reference, difference } in table() {
        assert_eq!(judge(&frames), ours.get(), "{name}");
        assert_eq!(reference.is_some(), difference.is_some(), "{name}");
        let same = reference.is_some_and(|reference| reference.get() == ours.get());
        assert!(!same, "{name} is no difference");
        rows += 1;
    }
    assert!(rows > 250, "the table has {rows} rows");
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
