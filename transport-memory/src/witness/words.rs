//! The messages due after an input, and their comparison with those sent.

use socketio_p2p_core::wire::{
    ClientMessage, Download, Member, PeerSignal, Recipient, ServerMessage, Upload, Welcome,
};
use socketio_p2p_core::{ClientId, Dialect, MemberData, PeerId};

use super::book::{Book, Presence};

/// One thing for one client.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Due {
    pub(super) to: ClientId,
    pub(super) word: Word,
    /// Whether it may be left out.
    pub(super) optional: bool,
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Word {
    /// To a v0 client: how many there are.
    Count,
    Welcome {
        id: PeerId,
        base: u32,
        user: Option<MemberData>,
    },
    Join {
        id: PeerId,
        user: Option<MemberData>,
        metadata: Option<MemberData>,
    },
    Update {
        id: PeerId,
        metadata: Option<MemberData>,
    },
    Away(PeerId),
    Gone {
        id: PeerId,
        kicked: bool,
    },
    /// What was uploaded for the receiver in this place.
    Relay(usize),
    /// The offer in this place; of a v0 client any of them.
    Offer(Option<usize>),
    Signal,
    /// An event of a v0 client, or for one.
    Event,
    /// An event or an answer of the server's application.
    OfServer {
        ack_id: Option<u64>,
        payload: String,
    },
}

/// The message of a client, with which relayed messages are compared.
#[derive(Debug)]
pub(super) struct ClientInput {
    pub(super) client: ClientId,
    pub(super) from: PeerId,
    pub(super) message: ClientMessage,
}

impl Word {
    /// Whether a message of the hub is this.
    pub(super) fn is(
        &self,
        message: &ServerMessage,
        said: Option<&ClientInput>,
        book: &Book,
    ) -> bool {
        match (self, message) {
            (Self::Count, ServerMessage::NumClients { welcome: None, .. }) => true,
            (
                Self::Welcome { id, base, user },
                ServerMessage::NumClients { others, welcome: Some(welcome) },
            ) => {
                welcome.id == *id
                    && welcome.epoch_base == *base
                    && welcome.user == *user
                    && *others as usize == welcome.roster.len()
                    && is_roster(welcome, book)
            }
            (Self::Join { id, user, metadata }, ServerMessage::PeerJoin(member)) => {
                let data = (user, metadata) == (&member.user, &member.metadata);
                member.id == *id && !member.away && data
            }
            (Self::Update { id, metadata }, ServerMessage::PeerUpdate { peer, metadata: told }) => {
                id == peer && metadata == told
            }
            (Self::Away(id), ServerMessage::PeerAway(other)) => id == other,
            (Self::Gone { id, kicked }, ServerMessage::PeerDisconnect { peer, kicked: told }) => {
                id == peer && kicked == told
            }
            (Self::OfServer { ack_id, payload }, ServerMessage::Event(packet)) => {
                packet.ack_id() == *ack_id && packet.payload() == payload
            }
            (Self::Event, ServerMessage::Event(_)) => true,
            (_, message) => said.is_some_and(|said| self.passes_on(message, said)),
        }
    }

    fn passes_on(
        &self,
        passed: &ServerMessage,
        ClientInput { from, message, .. }: &ClientInput,
    ) -> bool {
        match (self, passed, message) {
            (Self::Relay(place), ServerMessage::Relay(download), ClientMessage::Relay(upload)) => {
                let Upload { to, piece, body } = upload;
                let numbers = to.get(*place).map(|Recipient { numbers, .. }| *numbers);
                let Download { from: named, numbers: theirs, .. } = download;
                let same = download.body.as_ptr() == body.as_ptr() || download.body == *body;
                named == from
                    && numbers == Some(*theirs)
                    && download.piece == *piece
                    && same
                    && download.body.len() == body.len()
            }
            (Self::Event, ServerMessage::Relay(download), ClientMessage::Event(_)) => {
                download.from == *from && download.numbers.is_none()
            }
            (
                Self::Offer(place),
                ServerMessage::Offer { from: named, offer_id, offer },
                ClientMessage::Offers(offers),
            ) => {
                let mut meant = offers.iter().enumerate().filter(|(at, _)| match place {
                    Some(place) => at == place,
                    None => true,
                });
                let same = |uploaded: &socketio_p2p_core::wire::AddressedOffer| {
                    uploaded.offer_id == *offer_id && uploaded.offer.as_json() == offer.as_json()
                };
                named == from && meant.any(|(_, offer)| same(offer))
            }
            (Self::Signal, ServerMessage::Signal(passed), ClientMessage::Signal(uploaded)) => {
                let PeerSignal { signal, offer_id, from_peer_id, to_peer_id, .. } = passed;
                from_peer_id.as_ref() == Some(from)
                    && *to_peer_id == uploaded.to_peer_id
                    && *offer_id == uploaded.offer_id
                    && signal.as_json() == uploaded.signal.as_json()
            }
            _ => false,
        }
    }
}

/// Whether a roster contains all other members of the room, in the order of their joins.
fn is_roster(welcome: &Welcome, book: &Book) -> bool {
    let others = book.seats(&welcome.room).iter().filter(|seat| seat.id != welcome.id);
    let others = others.map(|seat| {
        let away = matches!(seat.presence, Presence::Away { .. });
        (&seat.id, seat.dialect, away, &seat.user, &seat.metadata)
    });
    others
        .eq(welcome.roster.iter().map(|member| {
            (&member.id, member.dialect, member.away, &member.user, &member.metadata)
        }))
}

/// A message of the hub in short.
#[expect(clippy::wildcard_enum_match_arm, reason = "there is nothing else")]
pub(super) fn describe(message: &ServerMessage) -> String {
    let who =
        |Member { id, away, .. }: &Member| format!("{id}{}", if *away { " (away)" } else { "" });
    match message {
        ServerMessage::NumClients { others, welcome: None } => format!("a count of {others}"),
        ServerMessage::NumClients { welcome: Some(welcome), .. } => {
            // Data of members is not described: all of it looks alike.
            let roster: Vec<String> = welcome.roster.iter().map(who).collect();
            let Welcome { id, epoch_base, .. } = &**welcome;
            format!("a welcome for {id} above epoch {epoch_base} with {}", roster.join(", "))
        }
        ServerMessage::Offer { from, offer_id, .. } => format!("offer {offer_id} of {from}"),
        ServerMessage::Signal(signal) => {
            let from = signal.from_peer_id.as_ref().map_or("nobody", PeerId::as_str);
            format!("a signal of {from} for {}", signal.to_peer_id)
        }
        ServerMessage::PeerJoin(member) => format!("that {} joins", who(member)),
        ServerMessage::PeerAway(peer) => format!("that {peer} is away"),
        ServerMessage::PeerUpdate { peer, .. } => format!("that {peer} has other metadata"),
        ServerMessage::PeerDisconnect { peer, kicked: true } => {
            format!("that {peer} was kicked")
        }
        ServerMessage::PeerDisconnect { peer, .. } => format!("that {peer} has left"),
        ServerMessage::Relay(download) => {
            let Download { from, numbers, piece, body } = download;
            format!("{} bytes of {from}, {numbers:?}, {piece:?}", body.len())
        }
        ServerMessage::Event(_) => "an event".to_owned(),
        _ => "something else".to_owned(),
    }
}

/// Whether what is said is for members of that version.
pub(super) const fn is_v1(dialect: Dialect) -> bool {
    matches!(dialect, Dialect::V1)
}
