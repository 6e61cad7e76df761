//! Removal by the server's application: one member, a room, everybody.

use std::collections::{BTreeMap, VecDeque};
use std::time::Duration;

use super::room::Presence;
use super::{CloseReason, Hub, Output};
use crate::id::{ClientId, Dialect, PeerId, RoomName};
use crate::time::{Time, millis};
use crate::wire::{Dismissal, ServerMessage};

/// The maximum number of revoked identities; beyond it the oldest is valid again.
const MAX_REVOKED: usize = 1 << 16;

/// The identities whose tokens are revoked, for a time.
#[derive(Debug, Default)]
pub(super) struct Revoked {
    until: BTreeMap<(RoomName, PeerId), Time>,
    /// In the order of their revocation. A repeated one has an entry for each time.
    order: VecDeque<(Time, RoomName, PeerId)>,
}

impl Revoked {
    pub(super) fn contains(&self, room: &RoomName, id: &PeerId, now: Time) -> bool {
        // The map is searched by a tuple of owned keys, a few times per connection.
        self.until.get(&(room.clone(), id.clone())).is_some_and(|until| now < *until)
    }

    fn insert(&mut self, room: RoomName, id: PeerId, until: Time, now: Time) {
        self.order.push_back((until, room.clone(), id.clone()));
        self.until.insert((room, id), until);
        while let Some((oldest, ..)) = self.order.front()
            && (*oldest <= now || self.order.len() > MAX_REVOKED)
            && let Some((oldest, room, id)) = self.order.pop_front()
        {
            let key = (room, id);
            if self.until.get(&key) == Some(&oldest) {
                self.until.remove(&key);
            }
        }
    }
}

impl Hub {
    /// Removes a member from its room and closes its connection. The other members are told that it was kicked,
    /// and their links to it end at once. Its resume token is not valid for
    /// [`revocation`](super::HubConfig::revocation): the client can join again, as another member. To keep it out,
    /// refuse it when it connects. Returns whether the room had the member.
    pub fn kick(&mut self, room: &RoomName, peer: &PeerId, now: Time) -> bool {
        let now = self.advance(now);
        let is_member = self.dismiss(room, peer, CloseReason::Kicked, now);
        if is_member {
            self.vacate(room, peer.clone(), None, true);
        }
        is_member
    }

    /// Removes all members of a room, as [`kick`](Self::kick). Returns the number of members. The next client that
    /// joins opens the room anew.
    pub fn close_room(&mut self, room: &RoomName, now: Time) -> usize {
        let now = self.advance(now);
        let members: Vec<PeerId> = self.members(room).map(|member| member.id).collect();
        for member in &members {
            self.dismiss(room, member, CloseReason::RoomClosed, now);
        }
        self.seats.remove_room(room);
        members.len()
    }

    /// Ends the hub in an orderly way, for example before the server restarts: closes all connections, and refuses
    /// new ones with [`JoinError::Closing`](super::JoinError::Closing). Clients are told to connect again after
    /// `retry_after`, by when another hub should be there. Nobody is told that a member left: direct paths go on.
    pub fn close(&mut self, retry_after: Duration, now: Time) {
        self.advance(now);
        self.closing = Some(retry_after);
        let reason = CloseReason::Closing { retry_after };
        for (client, member) in std::mem::take(&mut self.clients) {
            self.say_close(client, member.dialect, reason);
        }
        for room in self.seats.rooms().cloned().collect::<Vec<_>>() {
            self.seats.remove_room(&room);
        }
    }

    /// Closes the connection of a member, whose seat the caller removes, and revokes its token.
    fn dismiss(&mut self, room: &RoomName, peer: &PeerId, reason: CloseReason, now: Time) -> bool {
        let Some(seat) = self.seats.seat(room, peer) else { return false };
        if let Presence::Here(client) = seat.presence {
            let dialect = seat.dialect;
            self.clients.remove(&client);
            self.say_close(client, dialect, reason);
        }
        self.revoked.insert(room.clone(), peer.clone(), now + self.config.revocation, now);
        self.counters.kicked += 1;
        true
    }

    fn say_close(&mut self, client: ClientId, dialect: Dialect, reason: CloseReason) {
        let farewell = match dialect {
            Dialect::V1 => reason.dismissal().map(ServerMessage::Close),
            Dialect::V0 => None,
        };
        self.output.push_back(Output::Close { client, reason, farewell });
    }
}

impl CloseReason {
    fn dismissal(self) -> Option<Dismissal> {
        match self {
            Self::Replaced | Self::Abusive => None,
            Self::Kicked => Some(Dismissal::new("kicked", "removed from the room")),
            Self::RoomClosed => Some(Dismissal::new("room-closed", "the room was closed")),
            Self::Closing { retry_after } => {
                let dismissal = Dismissal::new("closing", "the server is closing");
                Some(dismissal.with_retry_after(millis(retry_after)))
            }
        }
    }
}
