//! A client's connection.

use super::rate::{Throttle, Usage};
use crate::id::{Dialect, PeerId, RoomName};

/// A connected client, and its usage of its rate limits.
#[derive(Debug)]
pub(super) struct Client {
    pub(super) id: PeerId,
    pub(super) room: RoomName,
    pub(super) dialect: Dialect,
    /// The position in the room's order of arrival.
    pub(super) place: u64,
    /// Whether the hub has accepted any message of the client.
    pub(super) has_spoken: bool,
    pub(super) signals: Usage,
    /// Changes of its metadata.
    pub(super) updates: Usage,
    pub(super) envelopes: Throttle,
    pub(super) deliveries: Throttle,
    /// v0: the position of the member that received the client's last offer.
    pub(super) offered: Option<u64>,
    /// v0: the number of aliases.
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
            updates: Usage::default(),
            envelopes: Throttle::default(),
            deliveries: Throttle::default(),
            offered: None,
            aliases: 0,
        }
    }
}
