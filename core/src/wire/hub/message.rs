//! The messages between clients and hub, to and from Socket.IO packets.

use std::fmt;

use bytes::Bytes;
use serde::de::{IgnoredAny, SeqAccess, Visitor};
use serde::{Deserialize, Deserializer, Serialize, Serializer};

use super::description::RawSignal;
use super::envelope::{Download, Numbers, Piece, Recipient, Upload};
use super::member_data::MemberData;
use super::membership::{Dismissal, Member, Welcome};
use crate::codec::{Blob, EncodeError, Packet, PacketType, PayloadError};
use crate::id::PeerId;
use crate::wire::{Epochs, Lane, names};

/// An offer for one member.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
#[non_exhaustive]
pub struct AddressedOffer {
    /// The offerer's id of the attempt, which the answer and the candidates repeat.
    pub offer_id: String,
    /// The signal, which the hub forwards unread.
    pub offer: RawSignal,
    /// The receiver. `None` from a v0 client.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub to_peer_id: Option<PeerId>,
}

impl AddressedOffer {
    /// An offer, addressed by a v1 client, or unaddressed as from a v0 client.
    #[must_use]
    pub const fn new(offer_id: String, offer: RawSignal, to_peer_id: Option<PeerId>) -> Self {
        Self { offer_id, offer, to_peer_id }
    }
}

/// An answer, a candidate or a decline for one member.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
#[non_exhaustive]
pub struct PeerSignal {
    /// The signal, which the hub forwards unread.
    pub signal: RawSignal,
    /// The id of the offer it belongs to.
    pub offer_id: String,
    /// The sender. The hub sets it and ignores the client's value.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub from_peer_id: Option<PeerId>,
    /// The receiver.
    pub to_peer_id: PeerId,
}

impl PeerSignal {
    /// A signal of the attempt that `offer_id` names. The hub sets the sender.
    #[must_use]
    pub const fn new(offer_id: String, signal: RawSignal, to_peer_id: PeerId) -> Self {
        Self { signal, offer_id, from_peer_id: None, to_peer_id }
    }
}

/// A message from a client to the hub.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub enum ClientMessage {
    /// `offers`: offers for members; from a v0 client without receivers.
    Offers(Vec<AddressedOffer>),
    /// `peer-signal`: an answer, a candidate or a decline.
    Signal(PeerSignal),
    /// `p2p:relay`: an envelope between v1 peers.
    Relay(Upload),
    /// `p2p:metadata`: the metadata of a v1 peer changed.
    Metadata(Option<MemberData>),
    /// Any other event: from a v0 client for all other members of the room, from a v1 peer for the server's
    /// application. Or an ACK for that application.
    Event(Packet),
}

/// A message from the hub to a client.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub enum ServerMessage {
    /// `numClients`: the number of other members, and for a v1 peer the welcome.
    NumClients {
        /// The number of other members.
        others: u32,
        /// For a v1 peer: the welcome.
        welcome: Option<Box<Welcome>>,
    },
    /// `offer`: a member's offer.
    Offer {
        /// The offerer.
        from: PeerId,
        /// The offerer's id of the attempt.
        offer_id: String,
        /// The signal as the offerer sent it.
        offer: RawSignal,
    },
    /// `peer-signal`: a member's answer, candidate or decline.
    Signal(PeerSignal),
    /// `peer-join`: a member joined or resumed.
    PeerJoin(Member),
    /// `peer-update`: a member's metadata changed.
    PeerUpdate {
        /// The member.
        peer: PeerId,
        /// Its metadata.
        metadata: Option<MemberData>,
    },
    /// `peer-away`: a member's connection is lost; the member can resume.
    PeerAway(PeerId),
    /// `peer-disconnect`: a member left.
    PeerDisconnect {
        /// The member.
        peer: PeerId,
        /// Whether the server's application removed it.
        kicked: bool,
    },
    /// `p2p:close`: the hub closes the connection of a v1 peer.
    Close(Dismissal),
    /// `p2p:relay`: an envelope for a v1 peer.
    Relay(Download),
    /// A member's event for a v0 client, or an event or an ACK of the server's application.
    Event(Packet),
}

/// A packet that is not a message of the dialect.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum MessageError {
    /// The packet is not an event.
    #[error("expected an EVENT, got {0}")]
    NotAnEvent(PacketType),
    /// The event has a name of the dialect and arguments of another form.
    #[error("expected other arguments of the event {event:?}")]
    Arguments {
        /// The event name.
        event: String,
        /// The cause.
        source: PayloadError,
    },
}

#[derive(Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
struct OffersWire {
    offers: Vec<AddressedOffer>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    from_peer_id: Option<IgnoredPeer>,
}

/// Parses and discards the sender that a client names: the hub knows the sender.
struct IgnoredPeer;

impl Serialize for IgnoredPeer {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_unit()
    }
}

impl<'de> Deserialize<'de> for IgnoredPeer {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        IgnoredAny::deserialize(deserializer).map(|_| Self)
    }
}

#[derive(Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
struct OfferWire {
    from_peer_id: PeerId,
    offer_id: String,
    offer: RawSignal,
}

#[derive(Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
struct PeerWire {
    peer_id: PeerId,
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    kicked: bool,
}

impl PeerWire {
    fn new(peer: &PeerId) -> Self {
        Self { peer_id: peer.clone(), kicked: false }
    }
}

#[derive(Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
struct UpdateWire {
    peer_id: PeerId,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    metadata: Option<MemberData>,
}

/// The header of an envelope to the hub.
#[derive(Serialize, Deserialize)]
struct UploadHeader {
    to: Vec<RecipientWire>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    at: Option<u64>,
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    end: bool,
}

#[derive(Serialize, Deserialize)]
struct RecipientWire {
    id: PeerId,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    epoch: Option<u32>,
    #[serde(default, rename = "for", skip_serializing_if = "Option::is_none")]
    peer_epoch: Option<u32>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    lane: Option<Lane>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    seq: Option<u64>,
}

/// The header of an envelope from the hub.
#[derive(Serialize, Deserialize)]
struct DownloadHeader {
    from: PeerId,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    epoch: Option<u32>,
    #[serde(default, rename = "for", skip_serializing_if = "Option::is_none")]
    peer_epoch: Option<u32>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    lane: Option<Lane>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    seq: Option<u64>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    at: Option<u64>,
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    end: bool,
}

/// Returns the numbers of a record, if all of them are present.
fn numbers(
    epoch: Option<u32>,
    peer_epoch: Option<u32>,
    lane: Option<Lane>,
    seq: Option<u64>,
) -> Option<Numbers> {
    let epochs = Epochs { epoch: epoch?, peer_epoch: peer_epoch.unwrap_or(0) };
    Some(Numbers { epochs, lane: lane?, seq: seq? })
}

/// Splits the numbers of a record into the fields on the wire.
fn split(numbers: Option<Numbers>) -> (Option<u32>, Option<u32>, Option<Lane>, Option<u64>) {
    let epochs = numbers.map(|numbers| numbers.epochs);
    let known = epochs.map(|epochs| epochs.peer_epoch).filter(|epoch| *epoch != 0);
    let (lane, seq) = (numbers.map(|numbers| numbers.lane), numbers.map(|numbers| numbers.seq));
    (epochs.map(|epochs| epochs.epoch), known, lane, seq)
}

impl DownloadHeader {
    fn of(Download { from, numbers, piece, .. }: &Download) -> Self {
        let (epoch, peer_epoch, lane, seq) = split(*numbers);
        let (at, end) = (piece.map(|piece| piece.at), piece.is_some_and(|piece| piece.end));
        Self { from: from.clone(), epoch, peer_epoch, lane, seq, at, end }
    }
}

impl Download {
    /// Returns the header of the envelope as JSON, for a server that writes packets itself.
    ///
    /// # Errors
    /// [`EncodeError`] when the header cannot be written, which does not happen with a hub's messages.
    pub fn header(&self) -> Result<String, EncodeError> {
        serde_json::to_string(&DownloadHeader::of(self))
            .map_err(|error| EncodeError::Custom(error.to_string()))
    }
}

impl From<&Recipient> for RecipientWire {
    fn from(Recipient { id, numbers }: &Recipient) -> Self {
        let (epoch, peer_epoch, lane, seq) = split(*numbers);
        Self { id: id.clone(), epoch, peer_epoch, lane, seq }
    }
}

impl From<RecipientWire> for Recipient {
    fn from(wire: RecipientWire) -> Self {
        let RecipientWire { id, epoch, peer_epoch, lane, seq } = wire;
        Self { id, numbers: numbers(epoch, peer_epoch, lane, seq) }
    }
}

fn envelope<H: Serialize>(header: &H, body: &Bytes) -> Result<Packet, EncodeError> {
    Packet::event(names::RELAY, &(header, Blob::from(body.clone())))
}

/// Reads the header and the body of an envelope.
fn open_envelope<H: for<'de> Deserialize<'de>>(
    packet: &Packet,
) -> Result<(H, Bytes), MessageError> {
    let wrong = |source| MessageError::Arguments { event: names::RELAY.to_owned(), source };
    let (header, body) = packet.args::<(H, Blob)>().map_err(wrong)?;
    Ok((header, body.into()))
}

/// The first argument of an event; further ones are ignored.
struct First<T>(T);

impl<'de, T: Deserialize<'de>> Deserialize<'de> for First<T> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct FirstVisitor<T>(std::marker::PhantomData<T>);

        impl<'de, T: Deserialize<'de>> Visitor<'de> for FirstVisitor<T> {
            type Value = First<T>;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("at least one argument")
            }

            fn visit_seq<A: SeqAccess<'de>>(self, mut args: A) -> Result<First<T>, A::Error> {
                let first = args
                    .next_element()?
                    .ok_or_else(|| serde::de::Error::invalid_length(0, &self))?;
                while args.next_element::<IgnoredAny>()?.is_some() {}
                Ok(First(first))
            }
        }
        deserializer.deserialize_seq(FirstVisitor(std::marker::PhantomData))
    }
}

/// The arguments of `numClients`: one for a v0 client and two for a v1 client.
struct NumClientsArgs(u32, Option<Box<Welcome>>);

impl<'de> Deserialize<'de> for NumClientsArgs {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct ArgsVisitor;

        impl<'de> Visitor<'de> for ArgsVisitor {
            type Value = NumClientsArgs;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("a number and an optional welcome")
            }

            fn visit_seq<A: SeqAccess<'de>>(self, mut args: A) -> Result<NumClientsArgs, A::Error> {
                let others = args
                    .next_element()?
                    .ok_or_else(|| serde::de::Error::invalid_length(0, &self))?;
                let welcome = args.next_element()?;
                while args.next_element::<IgnoredAny>()?.is_some() {}
                Ok(NumClientsArgs(others, welcome))
            }
        }
        deserializer.deserialize_seq(ArgsVisitor)
    }
}

fn first<T: for<'de> Deserialize<'de>>(packet: &Packet, event: &str) -> Result<T, MessageError> {
    packet
        .args::<First<T>>()
        .map(|First(value)| value)
        .map_err(|source| MessageError::Arguments { event: event.to_owned(), source })
}

fn event_of(packet: &Packet) -> Result<std::borrow::Cow<'_, str>, MessageError> {
    packet.event_name().ok_or_else(|| MessageError::NotAnEvent(packet.packet_type()))
}

impl ClientMessage {
    /// Parses a client's packet.
    ///
    /// # Errors
    /// [`MessageError`] when the packet is neither an event nor an ACK, or has a name of the dialect and arguments
    /// of another form. An event with any other name is a [`ClientMessage::Event`].
    pub fn from_packet(packet: Packet) -> Result<Self, MessageError> {
        if matches!(packet.packet_type(), PacketType::Ack | PacketType::BinaryAck) {
            return Ok(Self::Event(packet));
        }
        let event = event_of(&packet)?;
        match event.as_ref() {
            names::OFFERS => {
                first::<OffersWire>(&packet, &event).map(|wire| Self::Offers(wire.offers))
            }
            names::PEER_SIGNAL => first(&packet, &event).map(Self::Signal),
            names::RELAY => {
                let (UploadHeader { to, at, end }, body) = open_envelope(&packet)?;
                let to = to.into_iter().map(Recipient::from).collect();
                Ok(Self::Relay(Upload { to, piece: at.map(|at| Piece { at, end }), body }))
            }
            names::METADATA => first(&packet, &event).map(Self::Metadata),
            _ => {
                drop(event);
                Ok(Self::Event(packet))
            }
        }
    }

    /// Writes the message as a packet in the default namespace.
    ///
    /// # Errors
    /// [`EncodeError`] when it exceeds the limits of a packet.
    pub fn to_packet(&self) -> Result<Packet, EncodeError> {
        match self {
            Self::Offers(offers) => {
                let wire = OffersWire { offers: offers.clone(), from_peer_id: None };
                Packet::event(names::OFFERS, &(wire,))
            }
            Self::Signal(signal) => Packet::event(names::PEER_SIGNAL, &(signal,)),
            Self::Relay(Upload { to, piece, body }) => {
                let to = to.iter().map(RecipientWire::from).collect();
                let (at, end) = (piece.map(|piece| piece.at), piece.is_some_and(|piece| piece.end));
                envelope(&UploadHeader { to, at, end }, body)
            }
            Self::Metadata(metadata) => Packet::event(names::METADATA, &(metadata,)),
            Self::Event(packet) => Ok(packet.clone()),
        }
    }
}

impl ServerMessage {
    /// Parses a packet of the hub.
    ///
    /// # Errors
    /// [`MessageError`] as [`ClientMessage::from_packet`].
    pub fn from_packet(packet: Packet) -> Result<Self, MessageError> {
        let event = event_of(&packet)?;
        match event.as_ref() {
            names::NUM_CLIENTS => packet
                .args::<NumClientsArgs>()
                .map(|NumClientsArgs(others, welcome)| Self::NumClients { others, welcome })
                .map_err(|source| MessageError::Arguments { event: event.into_owned(), source }),
            names::OFFER => {
                let OfferWire { from_peer_id, offer_id, offer } = first(&packet, &event)?;
                Ok(Self::Offer { from: from_peer_id, offer_id, offer })
            }
            names::PEER_SIGNAL => first(&packet, &event).map(Self::Signal),
            names::PEER_JOIN => first(&packet, &event).map(Self::PeerJoin),
            names::PEER_AWAY => {
                first::<PeerWire>(&packet, &event).map(|wire| Self::PeerAway(wire.peer_id))
            }
            names::PEER_UPDATE => {
                let UpdateWire { peer_id, metadata } = first(&packet, &event)?;
                Ok(Self::PeerUpdate { peer: peer_id, metadata })
            }
            names::PEER_DISCONNECT => {
                let PeerWire { peer_id, kicked } = first(&packet, &event)?;
                Ok(Self::PeerDisconnect { peer: peer_id, kicked })
            }
            names::CLOSE => first(&packet, &event).map(Self::Close),
            names::RELAY => {
                let (header, body) = open_envelope(&packet)?;
                let DownloadHeader { from, epoch, peer_epoch, lane, seq, at, end } = header;
                let numbers = numbers(epoch, peer_epoch, lane, seq);
                let piece = at.map(|at| Piece { at, end });
                Ok(Self::Relay(Download { from, numbers, piece, body }))
            }
            _ => {
                drop(event);
                Ok(Self::Event(packet))
            }
        }
    }

    /// Writes the message as a packet in the default namespace.
    ///
    /// # Errors
    /// [`EncodeError`] when it exceeds the limits of a packet.
    pub fn to_packet(&self) -> Result<Packet, EncodeError> {
        match self {
            Self::NumClients { others, welcome: None } => {
                Packet::event(names::NUM_CLIENTS, &(others,))
            }
            Self::NumClients { others, welcome: Some(welcome) } => {
                Packet::event(names::NUM_CLIENTS, &(others, welcome))
            }
            Self::Offer { from, offer_id, offer } => {
                let wire = OfferWire {
                    from_peer_id: from.clone(),
                    offer_id: offer_id.clone(),
                    offer: offer.clone(),
                };
                Packet::event(names::OFFER, &(wire,))
            }
            Self::Signal(signal) => Packet::event(names::PEER_SIGNAL, &(signal,)),
            Self::PeerJoin(member) => Packet::event(names::PEER_JOIN, &(member,)),
            Self::PeerUpdate { peer, metadata } => {
                let wire = UpdateWire { peer_id: peer.clone(), metadata: metadata.clone() };
                Packet::event(names::PEER_UPDATE, &(wire,))
            }
            Self::PeerAway(peer) => Packet::event(names::PEER_AWAY, &(PeerWire::new(peer),)),
            Self::PeerDisconnect { peer, kicked } => {
                let wire = PeerWire { kicked: *kicked, ..PeerWire::new(peer) };
                Packet::event(names::PEER_DISCONNECT, &(wire,))
            }
            Self::Close(dismissal) => Packet::event(names::CLOSE, &(dismissal,)),
            Self::Relay(download) => envelope(&DownloadHeader::of(download), &download.body),
            Self::Event(packet) => Ok(packet.clone()),
        }
    }
}
