//! JSON of a client's or a peer's that cannot be read.

use serde_json::error::Category;

/// A JSON text that is not what it should be. The error says what was expected and where the text differs, and shows
/// nothing of the text: `serde_json` itself would quote it, with the tokens and descriptions that are in it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("expected {expected}, got {found} at line {line} column {column}")]
pub struct UnreadableJson {
    expected: &'static str,
    found: &'static str,
    line: usize,
    column: usize,
}

impl UnreadableJson {
    pub(super) fn new(expected: &'static str, error: &serde_json::Error) -> Self {
        let found = match error.classify() {
            Category::Syntax => "a text that is no JSON",
            Category::Eof => "the end",
            Category::Data | Category::Io => "another value",
        };
        Self { expected, found, line: error.line(), column: error.column() }
    }
}

#[cfg(test)]
mod tests {
    use crate::wire::{Join, RawSignal};

    #[test]
    fn an_auth_payload_that_cannot_be_read_is_told_by_place_and_not_quoted() {
        let error = Join::from_auth(r#"{"p2p":{"v":"hunter2"}}"#).unwrap_err();
        assert_eq!(
            error.to_string(),
            "expected a `p2p` entry that says who joins, got another value at line 1 column 21"
        );
    }

    #[test]
    fn a_signal_that_cannot_be_read_is_told_by_place_and_not_quoted() {
        let signal = RawSignal::from_json(r#"{"type":"hunter2","sdp":"hunter2"}"#.into()).unwrap();
        let error = signal.parse().unwrap_err();
        assert!(error.to_string().starts_with("expected a signal, got another value"), "{error}");
        assert!(!format!("{error} {error:?}").contains("hunter2"));
    }
}
