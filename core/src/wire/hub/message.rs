//! The messages of the dialect ⇄ Socket.IO packets.

use std::fmt;

use bytes::Bytes;
use serde::de::{IgnoredAny, SeqAccess, Visitor};
use serde::{Deserialize, Deserializer, Serialize, Serializer};

use super::description::RawSignal;
use super::envelope::{Download, Numbers, Piece, Recipient, Upload};
use super::membership::{Member, Welcome};
use crate::codec::{Blob, EncodeError, Packet, PacketType, PayloadError};
use crate::id::PeerId;
use crate::wire::{Epochs, Lane, names};

/// An offer on its way to one member.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
#[non_exhaustive]
pub struct AddressedOffer {
    /// The offerer's name for this offer: the answer and the candidates repeat it.
    pub offer_id: String,
    /// The signal, unread: the hub passes it on as it came.
    pub offer: RawSignal,
    /// The member it is for. A v0 client cannot say.
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

/// An answer, a candidate or a decline on its way to one member.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
#[non_exhaustive]
pub struct PeerSignal {
    /// The signal, unread: the hub passes it on as it came.
    pub signal: RawSignal,
    /// The name of the offer it belongs to.
    pub offer_id: String,
    /// The sender. The hub writes it; what a client claims is ignored.
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

/// From a client to the hub.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub enum ClientMessage {
    /// `offers`: offers for members; from a v0 client unaddressed.
    Offers(Vec<AddressedOffer>),
    /// `peer-signal`: an answer, a candidate or a decline.
    Signal(PeerSignal),
    /// `p2p:relay`: a packet between v1 peers.
    Relay(Upload),
    /// Any other event: for everyone else in the room.
    Broadcast(Packet),
}

/// From the hub to a client.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub enum ServerMessage {
    /// `numClients`: the number of other members, and for a v1 peer the welcome.
    NumClients {
        /// How many others there are.
        others: u32,
        /// For a v1 peer: who it is and what it finds.
        welcome: Option<Box<Welcome>>,
    },
    /// `offer`: a member's offer.
    Offer {
        /// The offerer.
        from: PeerId,
        /// The offerer's name for the offer.
        offer_id: String,
        /// The signal as the offerer sent it.
        offer: RawSignal,
    },
    /// `peer-signal`: a member's answer, candidate or decline.
    Signal(PeerSignal),
    /// `peer-join`: a member came, or came back.
    PeerJoin(Member),
    /// `peer-away`: a member's connection is lost; it may come back.
    PeerAway(PeerId),
    /// `peer-disconnect`: a member left.
    PeerDisconnect(PeerId),
    /// `p2p:relay`: a packet from a member to a v1 peer.
    Relay(Download),
    /// An event of a member for a v0 client.
    Event(Packet),
}

/// A packet that is no message of the dialect.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum MessageError {
    /// Only events carry messages.
    #[error("expected an EVENT, got {0}")]
    NotAnEvent(PacketType),
    /// The event has a name of the dialect and arguments that do not fit.
    #[error("expected other arguments of {event:?}")]
    Arguments {
        /// The event.
        event: String,
        /// What did not fit.
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

/// A claim that nobody believes: the hub knows who sent the message.
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
}

/// The header of an envelope on its way to the hub.
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

/// The header of an envelope on its way from the hub.
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

/// The numbers of a record, if all of them are there.
fn numbers(
    epoch: Option<u32>,
    peer_epoch: Option<u32>,
    lane: Option<Lane>,
    seq: Option<u64>,
) -> Option<Numbers> {
    let epochs = Epochs { epoch: epoch?, peer_epoch: peer_epoch.unwrap_or(0) };
    Some(Numbers { epochs, lane: lane?, seq: seq? })
}

/// How the numbers of a record are written.
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
    /// The header of the envelope, as JSON: for a server that writes packets by itself.
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

/// The header and the body of an envelope.
fn open_envelope<H: for<'de> Deserialize<'de>>(
    packet: &Packet,
) -> Result<(H, Bytes), MessageError> {
    let wrong = |source| MessageError::Arguments { event: names::RELAY.to_owned(), source };
    let (header, body) = packet.args::<(H, Blob)>().map_err(wrong)?;
    Ok((header, body.into()))
}

/// The first argument of an event, whatever follows it.
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

/// `numClients` has one argument for a v0 client and two for ours.
struct NumClientsArgs(u32, Option<Box<Welcome>>);

impl<'de> Deserialize<'de> for NumClientsArgs {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct ArgsVisitor;

        impl<'de> Visitor<'de> for ArgsVisitor {
            type Value = NumClientsArgs;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("a number and possibly a welcome")
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
    /// Reads a client's packet.
    ///
    /// # Errors
    /// [`MessageError`] when the packet is no event, or has a name of the dialect and arguments that do not
    /// fit. An event with any other name is a [`ClientMessage::Broadcast`].
    pub fn from_packet(packet: Packet) -> Result<Self, MessageError> {
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
            _ => {
                drop(event);
                Ok(Self::Broadcast(packet))
            }
        }
    }

    /// The message as a packet in the default namespace.
    ///
    /// # Errors
    /// [`EncodeError`] when it exceeds what a packet can carry.
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
            Self::Broadcast(packet) => Ok(packet.clone()),
        }
    }
}

impl ServerMessage {
    /// Reads a packet of the hub.
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
            names::PEER_DISCONNECT => {
                first::<PeerWire>(&packet, &event).map(|wire| Self::PeerDisconnect(wire.peer_id))
            }
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

    /// The message as a packet in the default namespace.
    ///
    /// # Errors
    /// [`EncodeError`] when it exceeds what a packet can carry.
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
            Self::PeerAway(peer) => {
                Packet::event(names::PEER_AWAY, &(PeerWire { peer_id: peer.clone() },))
            }
            Self::PeerDisconnect(peer) => {
                Packet::event(names::PEER_DISCONNECT, &(PeerWire { peer_id: peer.clone() },))
            }
            Self::Relay(download) => envelope(&DownloadHeader::of(download), &download.body),
            Self::Event(packet) => Ok(packet.clone()),
        }
    }
}
