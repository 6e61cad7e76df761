//! The role of an end in a negotiation.

/// The role of an end in a negotiation.
pub(crate) enum Role {
    Offerer,
    /// Answers this remote offer.
    Answerer(String),
}
