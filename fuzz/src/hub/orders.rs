//! Operations of the server's application.

use std::time::Duration;

use socketio_p2p_core::hub::Admission;
use socketio_p2p_core::wire::Join;
use socketio_p2p_core::{Packet, PeerId, RoomName};

use super::drawn::{data, limits, packet};
use super::world::room_name;
use super::{CAPACITY, ROOMS, Run};
use crate::input::Input;

impl Run {
    /// Lets a newcomer join as the server's application wants it.
    pub(super) fn join_admitted(&mut self, input: &mut Input<'_>) {
        let (asked, room) = (room_name(input.pick(ROOMS)), room_name(input.pick(ROOMS)));
        let admission = Admission::default();
        let admission = match data(input) {
            Some(user) => admission.with_user(user),
            None => admission,
        };
        let admission = if input.flag() { admission.with_room(room) } else { admission };
        let admission = match input.below(4) {
            3 => admission.with_capacity(input.below(CAPACITY)),
            _ => admission,
        };
        let mut join = Join::v1().with_room(asked).with_metadata(data(input));
        join.limits = limits(input);
        self.trail.note(format_args!("{join:?} is admitted: {admission:?}"));
        self.enter_v1(join, admission);
    }

    /// Draws a member, most often one of the room that is named with it.
    fn member(&self, input: &mut Input<'_>) -> (RoomName, PeerId) {
        let people = &self.model.people;
        let index = input.below(256).checked_rem(people.len());
        match (input.below(8), index) {
            (7, _) | (_, None) => (room_name(input.pick(ROOMS)), self.name(input)),
            (_, Some(index)) => (people[index].room.clone(), people[index].id.clone()),
        }
    }

    pub(super) fn kick(&mut self, input: &mut Input<'_>) {
        let (room, id) = self.member(input);
        self.trail.note(format_args!("{id} is kicked from {room}"));
        let kicked = self.world.hub.kick(&room, &id, self.world.now);
        self.world.drain();
        let now = self.model.advance(self.world.now);
        assert_eq!(kicked, self.model.kick(&room, &id, now));
    }

    pub(super) fn close_room(&mut self, input: &mut Input<'_>) {
        let room = room_name(input.pick(ROOMS));
        self.trail.note(format_args!("{room} is closed"));
        let members = self.world.hub.close_room(&room, self.world.now);
        self.world.drain();
        let now = self.model.advance(self.world.now);
        assert_eq!(members, self.model.close_room(&room, now));
    }

    pub(super) fn close(&mut self, input: &mut Input<'_>) {
        let retry_after = Duration::from_millis(u64::from(input.byte()));
        self.trail.note(format_args!("the hub closes for {retry_after:?}"));
        self.world.hub.close(retry_after, self.world.now);
        self.world.drain();
        self.model.advance(self.world.now);
        self.model.close(retry_after);
    }

    pub(super) fn emit(&mut self, input: &mut Input<'_>) {
        let (room, id) = self.member(input);
        let Some(event) = packet(input) else { return };
        self.trail.note(format_args!("the server emits {event:?} to {id}"));
        let emitted = self.world.hub.emit_to(&room, &id, &event);
        self.world.drain();
        assert_eq!(emitted.ok(), self.model.emit(&room, &id, &event));
    }

    pub(super) fn emit_to_room(&mut self, input: &mut Input<'_>) {
        let room = room_name(input.pick(ROOMS));
        let Some(event) = packet(input) else { return };
        self.trail.note(format_args!("the server emits {event:?} to {room}"));
        let emitted = self.world.hub.emit_to_room(&room, &event);
        self.world.drain();
        assert_eq!(emitted.is_ok(), self.model.emit_to_room(&room, &event));
    }

    pub(super) fn answer(&mut self, input: &mut Input<'_>) {
        let (client, ack_id) = (self.who(input), u64::from(input.byte()));
        self.trail.note(format_args!("the server answers {ack_id} of {client:?}"));
        self.world.hub.answer(client, ack_id, &(7,)).unwrap();
        self.world.drain();
        self.model.answer(client, Packet::ack(ack_id, &(7,)).unwrap());
    }
}
