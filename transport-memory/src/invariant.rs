//! The invariants of the protocol, and a breach of one.

use std::fmt;

use thiserror::Error;

/// A property that holds in every run.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[non_exhaustive]
pub enum Invariant {
    /// The packets delivered are a prefix of the packets sent, per sender, receiver, lane and epoch.
    Order,
    /// No packet is delivered twice.
    Singleness,
    /// A blob is delivered whole or not at all.
    Wholeness,
    /// A packet delivered was sent by the peer named as its sender.
    Origin,
    /// Every emit has one outcome per peer, and the outcome is true.
    Outcome,
    /// Every request for an ack ends once: by its ack, or without one.
    Answer,
    /// Peers join before they leave, are away before they are back, and deliver nothing after they have left.
    Presence,
    /// A path change names another path than before.
    Path,
    /// A dead direct path is detected within the silence timeout.
    Distress,
    /// `Writable` follows `Blocked`, once.
    Pushback,
    /// No queue exceeds its bound.
    QueueCap,
    /// A roster contains each member once.
    Roster,
    /// A peer keeps its id.
    Identity,
    /// A transfer delivers all bytes in order, and ends once at each end with a true outcome.
    Transfer,
    /// Two peers have one channel with each other, and both use the same one.
    Agreement,
    /// After the last fault, all peers reach each other by the best path that their policies allow.
    Convergence,
    /// After the last fault, all accepted packets are delivered.
    Delivery,
    /// Queues, timers and connections that are no longer needed are released.
    Leak,
    /// The number of attempts at direct paths is bounded.
    Attempts,
    /// Time advances: no timer is due without end.
    Progress,
    /// Nothing panics.
    Panic,
    /// A packet refused by a limit or policy has the outcome refused, is not delivered, and closes no path.
    Refusal,
    /// A session accepts the events that its own limits allow, and no others.
    OwnLimits,
    /// Events are sent on paths that the policy allows, and on no others.
    Policy,
    /// The path reported with an event is one on which it was sent.
    PathTruth,
    /// `Ready` and `Upgrade` are reported, and not before they are true.
    Ready,
    /// After `Writable` the lane accepts an event that fits.
    Writable,
    /// No queue holds more packets than its maximum.
    PacketCap,
    /// No more acks are pending than the maximum.
    AckCap,
    /// No more volatile bytes are in flight to one peer than the maximum.
    VolatileCap,
    /// Open transfers, and their bytes that wait to be read, do not exceed their maxima.
    TransferCap,
    /// A receiver accepts no bytes of a transfer beyond its credit or its size.
    Credit,
    /// Direct connections do not exceed the maximum.
    PeerCap,
    /// Members with state do not exceed the maximum.
    MemberCap,
    /// Forwarded pairs do not exceed the maximum.
    ForwardCap,
    /// Bytes received and not yet delivered do not exceed the maximum.
    HeldCap,
    /// Bytes in flight to one peer on one path do not exceed its window; of bulk, half of it.
    Window,
    /// No record exceeds the maximum of its path.
    RecordLength,
    /// Records are acknowledged in time, and no more often than necessary.
    Acknowledgement,
    /// A sender with records in flight sends pings, and not too many.
    Pings,
    /// The ranges that a session acknowledges are those that it has received.
    Holdings,
    /// No record is retransmitted before its loss can be detected.
    Again,
    /// Volatile events that fit are sent as datagrams where a datagram channel is open.
    Datagrams,
    /// The first bundle on a channel contains the limits of its sender.
    Introduction,
    /// Acknowledgements take the path of the records that they acknowledge.
    WayBack,
    /// To an application that takes no events none is delivered; its peers wait, and do not give it up.
    Waiting,
    /// A transport gets the signals of its own attempt only.
    Astray,
    /// The memory that a session keeps of received messages is bounded.
    Memory,
    /// An event accepted for an honest path is delivered in time.
    Arrival,
    /// The delay of a small event by bulk is bounded.
    BehindBulk,
    /// Bulk makes progress while events flow.
    BulkShare,
    /// A volatile event on an idle path is delivered.
    IdleVolatile,
    /// A neighbour that is the path delivers; a path through one that does not is abandoned.
    Neighbour,
    /// No peer on an honest path is given up, nor is the path.
    GivenUp,
    /// The bytes sent for each byte delivered are bounded.
    Economy,
    /// An event to many peers by the hub is uploaded once.
    Sharing,
    /// Repeated retransmissions of a record are paced.
    Retransmission,
    /// A bundle of an incarnation that is over is answered at most once a second.
    StaleAnswers,
    /// Between sessions and original clients each event is delivered at most once, and in order on one path.
    Original,
    /// The hub relays each message unchanged, to its receivers, once.
    HubRelay,
    /// The hub announces each join, absence and leave when it happens, once, and no others.
    HubPresence,
    /// The hub admits as much as its rates and capacities allow, and no more.
    HubBounds,
    /// Of crossing offers the one of the smaller id stands.
    Glare,
    /// A session accepts offers of one peer at the rate of its attempts at most.
    Offers,
    /// An offer that comes while the channel with its sender works is answered when no pong comes in time, and only then.
    LateOffer,
    /// Bulk and transfers take turns while both have something to send.
    Turns,
    /// A request for an ack ends at its deadline, or before it with its ack or its peer.
    AckDeadline,
    /// A peer that is away is back or has left at the end of its resume window.
    ResumeWindow,
    /// An outcome says truly whether an event was sent.
    Sent,
    /// Under [`Policy::Manual`](socketio_p2p_core::Policy::Manual) a path becomes direct with `upgrade`, and only then.
    Manual,
    /// A session closes in time.
    Close,
    /// A session that closes sends a good-bye to all peers that it reaches.
    Farewell,
    /// Getters return the true state.
    Getters,
    /// The next attempt to reach the hub is made when announced, after growing pauses.
    Reconnect,
    /// A peer that acknowledges nothing is given up in time, and no other is.
    Stalled,
    /// A neighbour that forwards a bundle that is not sealed, or a sealed one twice, is reported; no other is.
    Seals,
    /// A neighbour forwards bundles unchanged and in order, at its rate, and holds no more than its maximum.
    PassedOn,
    /// A sender keeps to its neighbour's rate, and does not use a neighbour that does not forward.
    GivenTo,
    /// A channel is used after path validation by a pong, and closed when that fails.
    Proof,
    /// The state of a direct path is reported when it changes, is true, and explains why a path is not direct.
    DirectState,
    /// The numbers of a session agree with what was carried.
    Numbers,
    /// Between sessions and the server's application each event arrives at most once, and each question ends once.
    ServerTalk,
    /// A kick ends all links with the member at once, and the member stays away until it is called back.
    Dismissal,
    /// What a session says about a peer is about that peer, and in the end what that peer says.
    Knowledge,
    /// An invariant of the application on top.
    Application,
}

impl Invariant {
    /// Its name in reports.
    #[must_use]
    pub const fn label(self) -> &'static str {
        match self {
            Self::Order => "order",
            Self::Singleness => "singleness",
            Self::Wholeness => "wholeness",
            Self::Origin => "origin",
            Self::Outcome => "outcome",
            Self::Answer => "answer",
            Self::Presence => "presence",
            Self::Path => "path",
            Self::Distress => "distress",
            Self::Pushback => "pushback",
            Self::QueueCap => "queue cap",
            Self::Roster => "roster",
            Self::Identity => "identity",
            Self::Transfer => "transfer",
            Self::Agreement => "agreement",
            Self::Convergence => "convergence",
            Self::Delivery => "delivery",
            Self::Leak => "leak",
            Self::Attempts => "attempts",
            Self::Progress => "progress",
            Self::Panic => "panic",
            Self::Refusal => "refusal",
            Self::OwnLimits => "own limits",
            Self::Policy => "policy",
            Self::PathTruth => "path truth",
            Self::Ready => "ready",
            Self::Writable => "writable",
            Self::PacketCap => "packet cap",
            Self::AckCap => "pending acks cap",
            Self::VolatileCap => "volatile cap",
            Self::TransferCap => "transfer cap",
            Self::Credit => "credit",
            Self::PeerCap => "max peers",
            Self::MemberCap => "max members",
            Self::ForwardCap => "forwarded pairs cap",
            Self::HeldCap => "held bytes cap",
            Self::Window => "window",
            Self::RecordLength => "record length",
            Self::Acknowledgement => "acknowledgement",
            Self::Pings => "pings",
            Self::Holdings => "what is said to be there",
            Self::Again => "sent again",
            Self::Datagrams => "datagrams",
            Self::Introduction => "introduction",
            Self::WayBack => "way back",
            Self::Waiting => "waiting",
            Self::Astray => "signal of another attempt",
            Self::Memory => "memory",
            Self::Arrival => "arrival",
            Self::BehindBulk => "behind bulk",
            Self::BulkShare => "bulk share",
            Self::IdleVolatile => "idle volatile",
            Self::Neighbour => "neighbour",
            Self::GivenUp => "given up",
            Self::Economy => "economy",
            Self::Sharing => "uploaded once",
            Self::Retransmission => "retransmission",
            Self::StaleAnswers => "stale answers",
            Self::Original => "original client",
            Self::HubRelay => "hub: passing on",
            Self::HubPresence => "hub: presence",
            Self::HubBounds => "hub: bounds",
            Self::Glare => "glare",
            Self::Offers => "offers",
            Self::Turns => "turns",
            Self::LateOffer => "late offer",
            Self::AckDeadline => "deadline of a question",
            Self::ResumeWindow => "resume window",
            Self::Sent => "sent",
            Self::Manual => "manual",
            Self::Close => "close",
            Self::Farewell => "farewell",
            Self::Getters => "getters",
            Self::Reconnect => "reconnect",
            Self::Stalled => "stalled",
            Self::Seals => "seals",
            Self::PassedOn => "passed on",
            Self::GivenTo => "given to a neighbour",
            Self::Proof => "proof",
            Self::DirectState => "direct state",
            Self::Numbers => "numbers",
            Self::ServerTalk => "server's application",
            Self::Dismissal => "kick",
            Self::Knowledge => "who knows what",
            Self::Application => "application",
        }
    }
}

impl fmt::Display for Invariant {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.label())
    }
}

/// The breach of an invariant: the expected and the actual behaviour.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
#[error("{invariant}: expected {expected}, got {came}")]
pub struct Breach {
    /// The invariant.
    pub invariant: Invariant,
    /// The expected behaviour.
    pub expected: String,
    /// The actual behaviour.
    pub came: String,
}

impl Breach {
    /// A breach of an invariant.
    pub fn new(invariant: Invariant, expected: impl Into<String>, came: impl Into<String>) -> Self {
        Self { invariant, expected: expected.into(), came: came.into() }
    }
}
