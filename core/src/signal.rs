//! Signals, and the messages that peers and hub exchange: typed values ⇄ Socket.IO packets.
//!
//! The wire is described in `PROTOCOL.md`. Everything here is plain data; who may send what to whom is the
//! hub's business.

use std::fmt;
use std::sync::Arc;

use bytes::Bytes;
use serde::de::{IgnoredAny, SeqAccess, Visitor};
use serde::ser::SerializeTuple as _;
use serde::{Deserialize, Deserializer, Serialize, Serializer};
use serde_json::value::RawValue;

use crate::codec::{Blob, EncodeError, PayloadError};
use crate::id::{PeerId, RoomName, Version};
use crate::packet::Packet;

/// Names of the dialect's events.
mod name {
    pub(super) const NUM_CLIENTS: &str = "numClients";
    pub(super) const OFFERS: &str = "offers";
    pub(super) const OFFER: &str = "offer";
    pub(super) const PEER_SIGNAL: &str = "peer-signal";
    pub(super) const PEER_JOIN: &str = "peer-join";
    pub(super) const PEER_AWAY: &str = "peer-away";
    pub(super) const PEER_DISCONNECT: &str = "peer-disconnect";
    pub(super) const RELAY: &str = "p2p:relay";
    pub(super) const PREFIX: &str = "p2p:";

    pub(super) const ALL: [&str; 8] =
        [NUM_CLIENTS, OFFERS, OFFER, PEER_SIGNAL, PEER_JOIN, PEER_AWAY, PEER_DISCONNECT, RELAY];
}

/// Whether the dialect keeps this event name for itself, so that applications cannot use it.
#[must_use]
pub fn is_reserved_event(event: &str) -> bool {
    event.starts_with(name::PREFIX) || name::ALL.contains(&event)
}

/// What one peer tells another to set up a direct connection (RFC 8829 session descriptions, RFC 8838
/// candidates).
#[derive(Clone, PartialEq, Eq)]
#[non_exhaustive]
pub enum Signal {
    /// An SDP offer.
    Offer(String),
    /// An SDP answer.
    Answer(String),
    /// A trickled ICE candidate.
    Candidate(IceCandidate),
    /// "Not now": the offer is turned down and no answer will come (v1).
    Decline(Decline),
}

/// Why a peer turns an offer down.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
#[non_exhaustive]
pub enum Decline {
    /// It has all the direct connections that it allows.
    Full,
    /// Its policy is to stay on the relay.
    RelayOnly,
    /// Its own offer crossed with ours and wins.
    Glare,
    /// It could not use the offer.
    Failed,
}

/// An ICE candidate in the form of the browsers' `RTCIceCandidateInit`.
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct IceCandidate {
    /// The candidate attribute; empty for "end of candidates".
    pub candidate: String,
    /// The media stream the candidate belongs to, by its `mid`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub sdp_mid: Option<String>,
    /// The media stream the candidate belongs to, by its position.
    #[serde(default, rename = "sdpMLineIndex", skip_serializing_if = "Option::is_none")]
    pub sdp_mline_index: Option<u16>,
    /// The user name fragment of the ICE generation the candidate belongs to.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub username_fragment: Option<String>,
}

/// Shows the kind only: descriptions and candidates carry passwords and addresses.
impl fmt::Debug for Signal {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Offer(_) => f.write_str("Offer"),
            Self::Answer(_) => f.write_str("Answer"),
            Self::Candidate(_) => f.write_str("Candidate"),
            Self::Decline(reason) => write!(f, "Decline({reason:?})"),
        }
    }
}

impl fmt::Debug for IceCandidate {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("IceCandidate")
    }
}

#[derive(Serialize, Deserialize)]
#[serde(untagged)]
enum SignalWire {
    Description {
        #[serde(rename = "type")]
        kind: String,
        sdp: String,
    },
    Candidate {
        candidate: IceCandidate,
    },
    Decline {
        decline: Decline,
    },
}

impl Serialize for Signal {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let description =
            |kind: &str, sdp: &str| SignalWire::Description { kind: kind.into(), sdp: sdp.into() };
        match self {
            Self::Offer(sdp) => description("offer", sdp),
            Self::Answer(sdp) => description("answer", sdp),
            Self::Candidate(candidate) => SignalWire::Candidate { candidate: candidate.clone() },
            Self::Decline(decline) => SignalWire::Decline { decline: *decline },
        }
        .serialize(serializer)
    }
}

impl<'de> Deserialize<'de> for Signal {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        match SignalWire::deserialize(deserializer)? {
            SignalWire::Description { kind, sdp } => match kind.as_str() {
                "offer" => Ok(Self::Offer(sdp)),
                "answer" => Ok(Self::Answer(sdp)),
                _ => Err(serde::de::Error::custom("the type is neither offer nor answer")),
            },
            SignalWire::Candidate { candidate } => Ok(Self::Candidate(candidate)),
            SignalWire::Decline { decline } => Ok(Self::Decline(decline)),
        }
    }
}

impl Signal {
    /// The signal as the JSON that travels.
    pub(crate) fn to_raw(&self) -> Result<Box<RawValue>, serde_json::Error> {
        serde_json::value::to_raw_value(self)
    }

    pub(crate) fn from_raw(raw: &RawValue) -> Result<Self, serde_json::Error> {
        serde_json::from_str(raw.get())
    }
}

/// One ICE server, as in the browsers' `RTCIceServer`.
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct IceServer {
    /// `stun:` and `turn:` addresses.
    pub urls: Vec<String>,
    /// The user name for TURN.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub username: Option<String>,
    /// The password for TURN.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub credential: Option<String>,
}

/// Shows the addresses, never the credential.
impl fmt::Debug for IceServer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("IceServer").field("urls", &self.urls).finish_non_exhaustive()
    }
}

/// What a client says of itself when it connects, in the auth payload of its CONNECT packet under the key
/// `p2p`. A client that says nothing is a v0 client.
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Join {
    /// The dialect.
    #[serde(rename = "v")]
    pub version: Version,
    /// The room; the default room when absent.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub room: Option<RoomName>,
    /// The resume token of an earlier welcome: the way back to that identity.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub token: Option<String>,
}

impl Join {
    /// What a v0 client means by saying nothing: this room, no token.
    #[must_use]
    pub fn v0(room: RoomName) -> Self {
        Self { version: Version::V0, room: Some(room), token: None }
    }

    /// Reads the auth payload of a CONNECT packet. `None` when it has no `p2p` entry, as from a v0 client.
    ///
    /// # Errors
    /// The JSON error when there is an entry that cannot be read.
    pub fn from_auth(auth: &str) -> Result<Option<Self>, serde_json::Error> {
        #[derive(Deserialize)]
        struct Auth {
            #[serde(default)]
            p2p: Option<Join>,
        }
        if auth.is_empty() {
            return Ok(None);
        }
        serde_json::from_str::<Option<Auth>>(auth).map(|auth| auth.and_then(|auth| auth.p2p))
    }
}

/// Never shows the token.
impl fmt::Debug for Join {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Join")
            .field("version", &self.version)
            .field("room", &self.room)
            .field("resumes", &self.token.is_some())
            .finish()
    }
}

/// What the hub tells a v1 peer that has joined.
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Welcome {
    /// The dialect that the hub speaks.
    #[serde(rename = "v")]
    pub version: Version,
    /// The peer's own id.
    pub id: PeerId,
    /// The token that brings this identity back after a lost connection.
    pub token: String,
    /// The room.
    pub room: RoomName,
    /// The other members, in the order in which they came.
    pub roster: Vec<Member>,
    /// What the hub allows.
    pub limits: HubLimits,
    /// The ICE servers to use.
    #[serde(default)]
    pub ice_servers: Vec<IceServer>,
}

/// Never shows the token.
impl fmt::Debug for Welcome {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Welcome")
            .field("id", &self.id)
            .field("room", &self.room)
            .field("roster", &self.roster)
            .field("limits", &self.limits)
            .finish_non_exhaustive()
    }
}

/// A member of a room as the others see it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Member {
    /// Its id.
    pub id: PeerId,
    /// Its dialect.
    #[serde(rename = "v")]
    pub version: Version,
    /// Whether its connection is lost and the hub waits for it to come back.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub away: bool,
}

/// What the hub allows a v1 peer to send.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct HubLimits {
    /// The most bytes in one relay envelope, attachments counted.
    pub max_envelope: u32,
    /// The most attachments in one relay envelope.
    pub max_attachments: u32,
}

/// An offer on its way to one member.
#[derive(Clone, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct AddressedOffer {
    /// The offerer's name for this offer: the answer and the candidates repeat it.
    pub offer_id: String,
    /// The signal, unread: the hub passes it on as it came.
    pub offer: Box<RawValue>,
    /// The member it is for. A v0 client cannot say.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub to_peer_id: Option<PeerId>,
}

/// Shows who it is for, never the signal.
impl fmt::Debug for AddressedOffer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("AddressedOffer")
            .field("offer_id", &self.offer_id)
            .field("to_peer_id", &self.to_peer_id)
            .finish_non_exhaustive()
    }
}

/// An answer, a candidate or a decline on its way to one member.
#[derive(Clone, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct PeerSignal {
    /// The signal, unread: the hub passes it on as it came.
    pub signal: Box<RawValue>,
    /// The name of the offer it belongs to.
    pub offer_id: String,
    /// The sender. The hub writes it; what a client claims is ignored.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub from_peer_id: Option<PeerId>,
    /// The receiver.
    pub to_peer_id: PeerId,
}

/// Shows who it is from and for, never the signal.
impl fmt::Debug for PeerSignal {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("PeerSignal")
            .field("offer_id", &self.offer_id)
            .field("from_peer_id", &self.from_peer_id)
            .field("to_peer_id", &self.to_peer_id)
            .finish_non_exhaustive()
    }
}

/// Which lane of a link a packet belongs to. Order holds within a lane.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Lane {
    /// Events: the default.
    Events,
    /// Big blobs, which must not delay events.
    Bulk,
}

impl Lane {
    /// All lanes, in the order of their numbers.
    pub const ALL: [Self; 2] = [Self::Events, Self::Bulk];

    /// The number on the wire.
    #[must_use]
    pub const fn number(self) -> u8 {
        match self {
            Self::Events => 0,
            Self::Bulk => 1,
        }
    }

    /// The position in arrays of one entry per lane.
    pub(crate) const fn index(self) -> usize {
        self.number() as usize
    }
}

impl Serialize for Lane {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_u8(self.number())
    }
}

impl<'de> Deserialize<'de> for Lane {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        match u8::deserialize(deserializer)? {
            0 => Ok(Self::Events),
            1 => Ok(Self::Bulk),
            _ => Err(serde::de::Error::custom("there are lanes 0 and 1")),
        }
    }
}

/// The place of a packet in its sender's stream to one receiver.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Sequence {
    /// The lane.
    pub lane: Lane,
    /// The number within epoch and lane, from 0.
    pub seq: u64,
}

/// The two incarnations of a link that an envelope belongs to.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Epochs {
    /// The sender's.
    pub epoch: u32,
    /// The receiver's, as far as the sender knows it; 0 when it does not.
    #[serde(default, rename = "for", skip_serializing_if = "is_zero")]
    pub peer_epoch: u32,
}

#[expect(clippy::trivially_copy_pass_by_ref, reason = "serde asks for a reference")]
const fn is_zero(number: &u32) -> bool {
    *number == 0
}

/// One receiver of a relay envelope, with the numbering that holds for it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Recipient {
    /// Who.
    pub id: PeerId,
    /// The incarnations of the link to it.
    #[serde(flatten)]
    pub epochs: Epochs,
    /// The packet's place in the stream to it; none for link control.
    #[serde(flatten)]
    pub sequence: Option<Sequence>,
}

/// A packet on its way through the hub, to one peer or more: one upload, whatever their number.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Upload {
    /// The receivers.
    pub to: Vec<Recipient>,
    /// Head and attachments of the packet, unread by the hub.
    pub parts: Vec<Bytes>,
}

/// A packet that came through the hub from one peer.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Download {
    /// The sender, written by the hub.
    pub from: PeerId,
    /// The incarnations of the link, as the sender sees them; none from a v0 client.
    pub epochs: Option<Epochs>,
    /// The packet's place in the sender's stream; none for link control and from a v0 client.
    pub sequence: Option<Sequence>,
    /// Head and attachments of the packet, shared by all receivers.
    pub parts: Arc<[Bytes]>,
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
        offer: Box<RawValue>,
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
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum MessageError {
    /// Only events carry messages.
    #[error("expected an EVENT, got {0}")]
    NotAnEvent(crate::packet::PacketType),
    /// The event has a name of the dialect and arguments that do not fit.
    #[error("the arguments of {event:?} do not fit: {source}")]
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
    offer: Box<RawValue>,
}

#[derive(Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
struct PeerWire {
    peer_id: PeerId,
}

#[derive(Serialize, Deserialize)]
struct UploadHeader {
    to: Vec<Recipient>,
}

#[derive(Serialize, Deserialize)]
struct DownloadHeader {
    from: PeerId,
    #[serde(flatten)]
    epochs: Option<Epochs>,
    #[serde(flatten)]
    sequence: Option<Sequence>,
}

/// The arguments of a relay envelope: the header, then the parts as bytes.
struct Envelope<'a, H> {
    header: H,
    parts: &'a [Bytes],
}

impl<H: Serialize> Serialize for Envelope<'_, H> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let mut args = serializer.serialize_tuple(1 + self.parts.len())?;
        args.serialize_element(&self.header)?;
        for part in self.parts {
            args.serialize_element(&Blob::from(part.clone()))?;
        }
        args.end()
    }
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
            name::OFFERS => {
                first::<OffersWire>(&packet, &event).map(|wire| Self::Offers(wire.offers))
            }
            name::PEER_SIGNAL => first(&packet, &event).map(Self::Signal),
            name::RELAY => {
                let UploadHeader { to } = first(&packet, &event)?;
                Ok(Self::Relay(Upload { to, parts: packet.attachments().to_vec() }))
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
                Packet::event(name::OFFERS, &(wire,))
            }
            Self::Signal(signal) => Packet::event(name::PEER_SIGNAL, &(signal,)),
            Self::Relay(upload) => Packet::event(
                name::RELAY,
                &Envelope { header: UploadHeader { to: upload.to.clone() }, parts: &upload.parts },
            ),
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
            name::NUM_CLIENTS => packet
                .args::<NumClientsArgs>()
                .map(|NumClientsArgs(others, welcome)| Self::NumClients { others, welcome })
                .map_err(|source| MessageError::Arguments { event: event.into_owned(), source }),
            name::OFFER => {
                let OfferWire { from_peer_id, offer_id, offer } = first(&packet, &event)?;
                Ok(Self::Offer { from: from_peer_id, offer_id, offer })
            }
            name::PEER_SIGNAL => first(&packet, &event).map(Self::Signal),
            name::PEER_JOIN => first(&packet, &event).map(Self::PeerJoin),
            name::PEER_AWAY => {
                first::<PeerWire>(&packet, &event).map(|wire| Self::PeerAway(wire.peer_id))
            }
            name::PEER_DISCONNECT => {
                first::<PeerWire>(&packet, &event).map(|wire| Self::PeerDisconnect(wire.peer_id))
            }
            name::RELAY => {
                let DownloadHeader { from, epochs, sequence } = first(&packet, &event)?;
                let parts = packet.attachments().into();
                Ok(Self::Relay(Download { from, epochs, sequence, parts }))
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
                Packet::event(name::NUM_CLIENTS, &(others,))
            }
            Self::NumClients { others, welcome: Some(welcome) } => {
                Packet::event(name::NUM_CLIENTS, &(others, welcome))
            }
            Self::Offer { from, offer_id, offer } => {
                let wire = OfferWire {
                    from_peer_id: from.clone(),
                    offer_id: offer_id.clone(),
                    offer: offer.clone(),
                };
                Packet::event(name::OFFER, &(wire,))
            }
            Self::Signal(signal) => Packet::event(name::PEER_SIGNAL, &(signal,)),
            Self::PeerJoin(member) => Packet::event(name::PEER_JOIN, &(member,)),
            Self::PeerAway(peer) => {
                Packet::event(name::PEER_AWAY, &(PeerWire { peer_id: peer.clone() },))
            }
            Self::PeerDisconnect(peer) => {
                Packet::event(name::PEER_DISCONNECT, &(PeerWire { peer_id: peer.clone() },))
            }
            Self::Relay(download) => Packet::event(
                name::RELAY,
                &Envelope {
                    header: DownloadHeader {
                        from: download.from.clone(),
                        epochs: download.epochs,
                        sequence: download.sequence,
                    },
                    parts: &download.parts,
                },
            ),
            Self::Event(packet) => Ok(packet.clone()),
        }
    }
}
