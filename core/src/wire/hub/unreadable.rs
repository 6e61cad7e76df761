//! The error of malformed JSON from a client or a peer.

use serde_json::error::Category;

/// A JSON text of another form than expected. The error names the expected form and the position of the
/// difference, and quotes nothing of the text: the errors of `serde_json` would quote tokens and descriptions.
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
            Category::Syntax => "a text that is not JSON",
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
    fn the_error_of_a_malformed_auth_payload_names_the_position_and_quotes_nothing() {
        let error = Join::from_auth(r#"{"p2p":{"v":"hunter2"}}"#).unwrap_err();
        assert_eq!(
            error.to_string(),
            "expected a valid `p2p` entry, got another value at line 1 column 21"
        );
    }

    #[test]
    fn the_error_of_a_malformed_signal_names_the_position_and_quotes_nothing() {
        let signal = RawSignal::from_json(r#"{"type":"hunter2","sdp":"hunter2"}"#.into()).unwrap();
        let error = signal.parse().unwrap_err();
        assert!(error.to_string().starts_with("expected a signal, got another value"), "{error}");
        assert!(!format!("{error} {error:?}").contains("hunter2"));
    }
}
