//! Predicts what the server's application brings about, and changes of metadata.

use std::time::Duration;

use socketio_p2p_core::hub::{ClientError, CloseReason, JoinError};
use socketio_p2p_core::wire::{Dismissal, ServerMessage};
use socketio_p2p_core::{ClientId, Dialect, MemberData, Packet, PeerId, RoomName, Time};

use super::talk::plain;
use super::{Model, Person};

/// Changes of metadata: the burst, and the time that each takes.
const UPDATE_BURST: u32 = 16;
const UPDATES_PER_SECOND: u32 = 2;

impl Model {
    /// Whether the hub still admits clients.
    pub(in crate::hub) fn check_open(&self) -> Result<(), JoinError> {
        self.closing.map_or(Ok(()), |retry_after| Err(JoinError::Closing { retry_after }))
    }

    pub(in crate::hub) fn is_revoked(&self, room: &RoomName, id: &PeerId, now: Time) -> bool {
        let mut revoked = self.revoked.iter();
        revoked.any(|(of, who, until)| (of, who) == (room, id) && now < *until)
    }

    pub(in crate::hub) fn kick(&mut self, room: &RoomName, id: &PeerId, now: Time) -> bool {
        let Some(index) = self.by_id(room, id) else { return false };
        self.dismiss(index, CloseReason::Kicked, now);
        self.remove(index, true);
        true
    }

    pub(in crate::hub) fn close_room(&mut self, room: &RoomName, now: Time) -> usize {
        let members: Vec<usize> =
            (0..self.people.len()).filter(|index| self.people[*index].room == *room).collect();
        for index in &members {
            self.dismiss(*index, CloseReason::RoomClosed, now);
        }
        self.forget(|of| of == room);
        members.len()
    }

    pub(in crate::hub) fn close(&mut self, retry_after: Duration) {
        self.closing = Some(retry_after);
        for client in self.here() {
            let index = self.by_client(client).unwrap();
            self.end(index, CloseReason::Closing { retry_after });
        }
        self.forget(|_| true);
    }

    /// Rooms end without a word.
    fn forget(&mut self, which: impl Fn(&RoomName) -> bool) {
        self.people.retain(|person| !which(&person.room));
        self.joins.retain(|(of, _)| !which(of));
        self.aliases.retain(|(of, ..)| !which(of));
    }

    fn dismiss(&mut self, index: usize, reason: CloseReason, now: Time) {
        self.end(index, reason);
        let Person { room, id, .. } = &self.people[index];
        self.revoked.push((room.clone(), id.clone(), now + self.config.revocation));
        self.kicked += 1;
    }

    /// A connection, if there is one, ends with the hub's last words.
    fn end(&mut self, index: usize, reason: CloseReason) {
        let person = &self.people[index];
        let Some(client) = person.client() else { return };
        let is_v1 = person.dialect == Dialect::V1;
        self.closed.push((client, reason));
        let last = match reason {
            CloseReason::Kicked => Dismissal::new("kicked", "removed from the room"),
            CloseReason::RoomClosed => Dismissal::new("room-closed", "the room was closed"),
            CloseReason::Closing { retry_after } => {
                let millis = u64::try_from(retry_after.as_millis()).unwrap();
                Dismissal::new("closing", "the server is closing").with_retry_after(millis)
            }
            other @ (CloseReason::Replaced | CloseReason::Abusive | _) => {
                panic!("expected a reason of the application's, got {other:?}")
            }
        };
        if is_v1 {
            self.expect(client, ServerMessage::Close(last));
        }
    }

    /// Whether an event is one that the application can emit, and the member is there.
    pub(in crate::hub) fn emit(
        &mut self,
        room: &RoomName,
        id: &PeerId,
        event: &Packet,
    ) -> Option<bool> {
        plain(event)?;
        let client = self.by_id(room, id).and_then(|index| self.people[index].client());
        if let Some(client) = client {
            self.expect(client, ServerMessage::Event(event.clone()));
        }
        Some(client.is_some())
    }

    pub(in crate::hub) fn emit_to_room(&mut self, room: &RoomName, event: &Packet) -> bool {
        let fits = plain(event).is_some();
        let members = self.people.iter().filter(|person| fits && person.room == *room);
        let here: Vec<ClientId> = members.filter_map(Person::client).collect();
        for client in here {
            self.expect(client, ServerMessage::Event(event.clone()));
        }
        fits
    }

    pub(in crate::hub) fn answer(&mut self, client: ClientId, answer: Packet) {
        if self.by_client(client).is_some() {
            self.expect(client, ServerMessage::Event(answer));
        }
    }

    pub(super) fn update(
        &mut self,
        index: usize,
        metadata: Option<MemberData>,
        now: Time,
    ) -> Result<(), ClientError> {
        let person = &mut self.people[index];
        if person.dialect == Dialect::V0 {
            return Err(ClientError::Malformed);
        }
        let price = Duration::from_secs(1) / UPDATES_PER_SECOND;
        let (debt, at) = &mut person.updates;
        *debt = debt.saturating_sub(now - *at) + price;
        *at = now;
        if *debt > price * UPDATE_BURST {
            if *debt > price * UPDATE_BURST * 2 {
                self.closed.extend(person.client().map(|client| (client, CloseReason::Abusive)));
                self.remove(index, false);
            }
            let (burst, per_second) = (UPDATE_BURST, UPDATES_PER_SECOND);
            return Err(ClientError::TooManyUpdates { burst, per_second });
        }
        person.says.metadata.clone_from(&metadata);
        let (room, peer) = (person.room.clone(), person.id.clone());
        let update = ServerMessage::PeerUpdate { peer: peer.clone(), metadata };
        self.expect_room(&room, Dialect::V1, &peer, &update);
        Ok(())
    }
}
