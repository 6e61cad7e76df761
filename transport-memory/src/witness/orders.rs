//! The calls of the server's application, what members say to it, and their metadata.

use std::collections::BTreeMap;
use std::time::Duration;

use socketio_p2p_core::hub::CloseReason;
use socketio_p2p_core::wire::ServerMessage;
use socketio_p2p_core::{ClientId, Dialect, MemberData, Packet, PeerId, RoomName, Time};

use super::Witness;
use super::rates::Rate;
use super::words::{Due, Word, is_v1};
use crate::invariant::Invariant;
use crate::order::Order;

/// The rate of changes of a member's metadata.
const UPDATES: Rate = Rate { burst: 16, per_second: 2 };

/// What the server's application has brought about, and what is due to it.
#[derive(Debug, Default)]
pub(super) struct Orders {
    /// The identities that tokens do not prove, and until when.
    revoked: BTreeMap<(RoomName, PeerId), Time>,
    /// The connections that are to be closed, for these reasons.
    closings: Vec<(ClientId, Dialect, CloseReason)>,
    /// What is to be passed on to the application.
    up: Option<(ClientId, Packet)>,
    /// Nobody is admitted any more.
    closing: bool,
}

impl Orders {
    /// A packet of a member is to be passed on to the application.
    pub(super) fn expect_up(&mut self, client: ClientId, packet: &Packet) {
        self.up = Some((client, packet.clone()));
    }
}

impl Witness {
    /// The server's application calls the hub.
    pub(crate) fn ordered(&mut self, order: &Order, now: Time) {
        self.now = now;
        let room = RoomName::default();
        match order {
            Order::Kick(peer) => {
                if self.dismiss(&room, peer, CloseReason::Kicked) {
                    let gone = Word::Gone { id: peer.clone(), kicked: true };
                    self.expect_all(&room, None, false, &gone);
                }
            }
            Order::CloseRoom => {
                let all = self.book.seats(&room).iter().map(|seat| seat.id.clone());
                for peer in all.collect::<Vec<_>>() {
                    self.dismiss(&room, &peer, CloseReason::RoomClosed);
                }
            }
            Order::Close(retry_after) => {
                let reason = CloseReason::Closing { retry_after: *retry_after };
                let clients = self.book.clients.iter();
                let closings = clients.map(|(client, member)| (*client, member.dialect, reason));
                self.orders.closings = closings.collect();
                self.orders.closing = true;
                self.book.forget();
            }
            Order::Emit(peer, packet) => {
                if let Some((to, _)) = self.book.present(&room, peer) {
                    self.due.push(Due { to, word: word_of(packet), optional: false });
                }
            }
            Order::EmitToAll(packet) => self.expect_all(&room, None, false, &word_of(packet)),
            Order::Answer(client, ack_id, number) => {
                if self.book.clients.contains_key(client) {
                    let (ack_id, payload) = (Some(*ack_id), format!("[{number}]"));
                    let word = Word::OfServer { ack_id, payload };
                    self.due.push(Due { to: *client, word, optional: false });
                }
            }
        }
    }

    /// A member loses its seat, its connection and its token. `false`: there is none.
    fn dismiss(&mut self, room: &RoomName, peer: &PeerId, reason: CloseReason) -> bool {
        let Some(seat) = self.book.seat_mut(room, peer) else { return false };
        let (client, dialect) = (seat.client(), seat.dialect);
        if let Some(client) = client {
            self.book.clients.remove(&client);
            self.orders.closings.push((client, dialect, reason));
        }
        self.book.remove(room, peer);
        let until = self.now + self.config.revocation;
        self.orders.revoked.insert((room.clone(), peer.clone()), until);
        true
    }

    /// Whether tokens do not prove this identity at present, or did not this while ago.
    pub(super) fn is_revoked(&self, room: &RoomName, id: &PeerId, ago: Duration) -> bool {
        let until = self.orders.revoked.get(&(room.clone(), id.clone()));
        until.is_some_and(|until| self.now < *until + ago)
    }

    /// Whether a connection is closed because of a call, with the right last words.
    pub(super) fn is_ordered(
        &mut self,
        client: ClientId,
        reason: CloseReason,
        farewell: Option<&ServerMessage>,
    ) -> bool {
        let closings = &mut self.orders.closings;
        let Some(index) =
            closings.iter().position(|(one, _, why)| (*one, *why) == (client, reason))
        else {
            return false;
        };
        let (_, dialect, _) = closings.swap_remove(index);
        let (code, pause) = match reason {
            CloseReason::Kicked => ("kicked", None),
            CloseReason::RoomClosed => ("room-closed", None),
            CloseReason::Closing { retry_after } => ("closing", Some(retry_after.as_millis())),
            CloseReason::Replaced | CloseReason::Abusive | _ => ("", None),
        };
        let right = match farewell {
            Some(ServerMessage::Close(last)) => {
                is_v1(dialect) && last.code == code && last.retry_after.map(u128::from) == pause
            }
            None => !is_v1(dialect),
            Some(_) => false,
        };
        if !right {
            let expected = format!("the last words {code:?} on a connection of {dialect:?}");
            self.blame(Invariant::HubPresence, &expected, &format!("{farewell:?}"));
        }
        true
    }

    /// The hub passes a packet of a member on to the server's application.
    pub(crate) fn passed_up(&mut self, client: ClientId, packet: &Packet) {
        let is_it = |(from, said): &(ClientId, Packet)| {
            let same = (said.packet_type(), said.ack_id(), said.payload())
                == (packet.packet_type(), packet.ack_id(), packet.payload());
            *from == client && same && said.attachments() == packet.attachments()
        };
        if !self.orders.up.take().is_some_and(|up| is_it(&up)) {
            let expected = "what a member said to the server's application, once";
            self.blame(Invariant::HubRelay, expected, &format!("{packet:?}"));
        }
    }

    /// All that a call brought about has happened.
    pub(super) fn check_orders(&mut self) {
        if let Some((client, _)) = self.orders.up.take() {
            let expected = format!("what {} said to the application", self.name(client));
            self.blame(Invariant::HubRelay, &expected, "nothing");
        }
        if let Some((_, _, reason)) = self.orders.closings.pop() {
            self.orders.closings.clear();
            let expected = format!("a connection to be closed: {reason}");
            self.blame(Invariant::HubPresence, &expected, "it was not");
        }
        if self.orders.closing && !self.book.clients.is_empty() {
            let expected = "nobody to be let in by a hub that closes";
            self.blame(Invariant::HubPresence, expected, "somebody was");
        }
    }

    /// A member has other metadata.
    pub(super) fn expect_update(
        &mut self,
        client: ClientId,
        room: &RoomName,
        id: &PeerId,
        metadata: Option<MemberData>,
    ) {
        if let Some(seat) = self.book.seat_mut(room, id) {
            seat.metadata.clone_from(&metadata);
        }
        self.expect_all(room, Some(client), true, &Word::Update { id: id.clone(), metadata });
        let now = self.now;
        let member = self.book.clients.get_mut(&client);
        if member.is_some_and(|member| !member.updates.pass(1, UPDATES, now)) {
            let expected = "changes of metadata at their rate";
            self.blame(Invariant::HubBounds, expected, &format!("one more of {id}"));
        }
    }
}

fn word_of(packet: &Packet) -> Word {
    Word::OfServer { ack_id: packet.ack_id(), payload: packet.payload().to_owned() }
}
