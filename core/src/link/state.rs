//! The states of a link's direct path, and every change between them.

/// Which end of an attempt this session is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Role {
    Offerer,
    Answerer,
}

/// Where a link stands on its way from the relay to a direct path.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum State {
    /// No direct path, none under way.
    Relayed,
    /// Signals are exchanged, the channel is not open yet.
    Negotiating(Role),
    /// The channel is open, its round trip has not been proved.
    Validating,
    /// The channel is proved and not used for sending.
    Validated,
    /// Events are sent on the channel.
    Direct,
    /// An attempt failed or a path broke; the next attempt waits.
    Backoff,
    /// The peer is gone.
    Closed,
}

/// What can happen to a direct path.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Input {
    /// This end starts an attempt or takes up the peer's.
    Begin(Role),
    /// The data channel opened.
    Open,
    /// The channel's round trip has succeeded.
    Validate,
    /// Policy or `upgrade` wants the direct path.
    Promote,
    /// The attempt failed, or the path closed or fell silent.
    Lose,
    /// Policy gives the direct path up, or the peer declines.
    Release,
    /// The pause after a failure is over.
    Retry,
    /// The peer is gone.
    Close,
}

impl State {
    /// The transition table. `None`: the input means nothing in this state and is ignored.
    #[rustfmt::skip]
    pub(crate) const fn next(self, input: Input) -> Option<Self> {
        use State::{Backoff, Closed, Direct, Negotiating, Relayed, Validated, Validating};
        Some(match (self, input) {
            (Closed, _)                                                        => return None,
            (_, Input::Close)                                                  => Closed,
            (Relayed | Backoff, Input::Begin(role))                            => Negotiating(role),
            // The peer's offer replaces ours (glare) or a path that the peer has given up.
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

    /// Whether an attempt is under way or a channel is held: it counts for `max_peers`.
    pub(crate) const fn is_active(self) -> bool {
        matches!(self, Self::Negotiating(_) | Self::Validating | Self::Validated | Self::Direct)
    }

    /// Whether the channel has proved itself.
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

    /// Set `UPDATE_SNAPSHOTS` to write the file anew after a change that is meant.
    #[test]
    fn the_transition_table_is_the_one_on_record() {
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
