//! The bundles between two v1 peers (`PROTOCOL.md` section 5), the same on every path.
//!
//! - `bundle`: one transport message and its items
//! - `state`: acknowledgements
//! - `flat`: packets as bytes that can be cut into records
//! - `seal`: the MAC of a bundle through a neighbour
//! - `varint`: variable-length integers

pub(super) mod bundle;
pub(super) mod flat;
pub(super) mod seal;
pub(super) mod state;
pub(super) mod varint;
