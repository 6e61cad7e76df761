//! The states of a link's direct path, and all transitions between them.

/// The role of this session in an attempt.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Role {
    Offerer,
    Answerer,
}

/// The state of a link's direct path.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum State {
    /// No direct path, and no attempt.
    Relayed,
    /// Signals are exchanged, the channel is not open yet.
    Negotiating(Role),
    /// The channel is open, and not validated yet.
    Validating,
    /// The channel is validated, and not used for sending.
    Validated,
    /// Events are sent on the channel.
    Direct,
    /// An attempt failed or a path ended; the next attempt waits.
    Backoff,
    /// The link has ended.
    Closed,
}

/// An input of the direct path's state machine.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Input {
    /// This side starts an attempt or accepts the peer's.
    Begin(Role),
    /// The data channel opened.
    Open,
    /// The channel is validated.
    Validate,
    /// Policy or `upgrade` permits sending on the direct path.
    Promote,
    /// The attempt failed, or the path closed or was silent for too long.
    Lose,
    /// The policy ends the direct path, or the peer declines.
    Release,
    /// The pause after a failure is over.
    Retry,
    /// The link has ended.
    Close,
}

impl State {
    /// The transition table. Returns `None` when the input is ignored in this state.
    #[rustfmt::skip]
    pub(crate) const fn next(self, input: Input) -> Option<Self> {
        use State::{Backoff, Closed, Direct, Negotiating, Relayed, Validated, Validating};
        Some(match (self, input) {
            (Closed, _)                                                        => return None,
            (_, Input::Close)                                                  => Closed,
            (Relayed | Backoff, Input::Begin(role))                            => Negotiating(role),
            // The peer's offer replaces ours (glare), or a path that the peer has lost.
            (Negotiating(_) | Validating | Validated | Direct,
                                              Input::Begin(Role::Answerer))    => Negotiating(Role::Answerer),
            (Negotiating(_), Input::Open)                                      => Validating,
            (Validating, Input::Validate)                                         => Validated,
            (Validated, Input::Promote)                                          => Direct,
            (Negotiating(_) | Validating | Validated | Direct, Input::Lose)       => Backoff,
            (Negotiating(_) | Validating | Validated | Direct | Backoff,
                                              Input::Release)                  => Relayed,
            (Backoff, Input::Retry)                                            => Relayed,
            (Relayed | Backoff, Input::Open | Input::Validate | Input::Promote | Input::Lose)
            | (Relayed, Input::Release | Input::Retry)
            | (Negotiating(_), Input::Validate | Input::Promote)
            | (Validating, Input::Open | Input::Promote)
            | (Validated, Input::Open | Input::Validate)
            | (Direct, Input::Open | Input::Validate | Input::Promote)
            | (Negotiating(_) | Validating | Validated | Direct,
                                              Input::Begin(Role::Offerer) | Input::Retry) => return None,
        })
    }

    /// Returns whether there is an attempt or a channel, which counts for `max_peers`.
    pub(crate) const fn is_active(self) -> bool {
        matches!(self, Self::Negotiating(_) | Self::Validating | Self::Validated | Self::Direct)
    }

    /// Returns whether the channel is validated.
    pub(crate) const fn is_validated(self) -> bool {
        matches!(self, Self::Validated | Self::Direct)
    }
}

#[cfg(test)]
mod tests {
    use std::fmt::Write as _;

    use super::{Input, Role, State};

    const STATES: [State; 8] = [
        State::Relayed,
        State::Negotiating(Role::Offerer),
        State::Negotiating(Role::Answerer),
        State::Validating,
        State::Validated,
        State::Direct,
        State::Backoff,
        State::Closed,
    ];

    const INPUTS: [Input; 9] = [
        Input::Begin(Role::Offerer),
        Input::Begin(Role::Answerer),
        Input::Open,
        Input::Validate,
        Input::Promote,
        Input::Lose,
        Input::Release,
        Input::Retry,
        Input::Close,
    ];

    /// Set `UPDATE_SNAPSHOTS` to write the file after an intended change.
    #[test]
    fn the_transition_table_matches_its_snapshot() {
        let mut table = String::new();
        for state in STATES {
            for input in INPUTS {
                if let Some(next) = state.next(input) {
                    writeln!(table, "{state:?} --{input:?}--> {next:?}").unwrap();
                }
            }
        }
        let file = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/snapshots/transitions.txt");
        if std::env::var_os("UPDATE_SNAPSHOTS").is_some() {
            std::fs::write(file, &table).unwrap();
        }
        assert_eq!(table, std::fs::read_to_string(file).unwrap());
    }
}
