//! The role of an end in a negotiation.

/// The role of an end in a negotiation.
pub(super) enum Role {
    Offerer,
    /// Answers this remote offer.
    Answerer(String),
}
