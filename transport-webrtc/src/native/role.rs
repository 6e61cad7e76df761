//! Who begins a negotiation.

/// The two ends of a negotiation.
pub(super) enum Role {
    Offerer,
    /// With the remote's offer.
    Answerer(String),
}
