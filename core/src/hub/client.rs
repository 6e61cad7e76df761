//! One connection.

use super::rate::{Throttle, Usage};
use crate::id::{Dialect, PeerId, RoomName};

/// A connected client, and what it has used of its rates.
#[derive(Debug)]
pub(super) struct Client {
    pub(super) id: PeerId,
    pub(super) room: RoomName,
    pub(super) dialect: Dialect,
    /// Its place in the room's order of arrival.
    pub(super) place: u64,
    /// Whether any message of it was accepted.
    pub(super) has_spoken: bool,
    pub(super) signals: Usage,
    pub(super) envelopes: Throttle,
    pub(super) deliveries: Throttle,
    /// v0: the place of the member that got its last offer.
    pub(super) offered: Option<u64>,
    /// v0: how many other names it has.
    pub(super) aliases: usize,
}

impl Client {
    pub(super) fn new(id: PeerId, room: RoomName, dialect: Dialect, place: u64) -> Self {
        Self {
            id,
            room,
            dialect,
            place,
            has_spoken: false,
            signals: Usage::default(),
            envelopes: Throttle::default(),
            deliveries: Throttle::default(),
            offered: None,
            aliases: 0,
        }
    }
}
