//! The invariants of the protocol, and a breach of one.

use std::fmt;

use thiserror::Error;

/// What always holds.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[non_exhaustive]
pub enum Invariant {
    /// What arrives is a prefix of what was sent, per sender, receiver, lane and epoch.
    Order,
    /// Nothing arrives twice.
    Singleness,
    /// A blob arrives whole or not at all.
    Wholeness,
    /// What arrives was sent, by the peer that it is said to come from.
    Origin,
    /// Every emit ends once for each peer, and as it is said.
    Outcome,
    /// Every question ends once, by its answer or without one.
    Answer,
    /// Peers join before they leave, are away before they are back, and nothing comes of those that have left.
    Presence,
    /// A path changes to another one.
    Path,
    /// A direct path that is dead is found out in time.
    Distress,
    /// `Writable` follows `Blocked`, once.
    Pushback,
    /// No queue grows above its bound.
    QueueCap,
    /// Nobody is twice in a roster.
    Roster,
    /// A peer keeps its id.
    Identity,
    /// A transfer brings all bytes in order, and ends once at each side, as it is said.
    Transfer,
    /// Two peers have one channel with each other, and both agree on it.
    Agreement,
    /// When faults end, everybody finds everybody, by the best path allowed.
    Convergence,
    /// When faults end, all that was accepted arrives.
    Delivery,
    /// What is not needed any more is given back: queues, timers, connections.
    Leak,
    /// Attempts at direct paths are bounded.
    Attempts,
    /// Time goes on: nothing is due for ever.
    Progress,
    /// Nothing panics.
    Panic,
    /// What a limit or policy refuses ends refused at the sender, is not handed out, and costs no path.
    Refusal,
    /// A session takes what its own limits allow, and nothing else.
    OwnLimits,
    /// Events travel on the paths that the policy allows, and on no other.
    Policy,
    /// An event is said to have come on a path on which it was sent.
    PathTruth,
    /// `Ready` and `Upgrade` come when they are true, and come.
    Ready,
    /// After `Writable` an event that fits is taken.
    Writable,
    /// No queue holds more packets than it may.
    PacketCap,
    /// No more answers are waited for than may be.
    AckCap,
    /// No more volatile bytes are under way to one peer than may be.
    VolatileCap,
    /// No more transfers are open, and no more of their bytes wait, than may be.
    TransferCap,
    /// Of a transfer nothing is taken that goes beyond its credit or its size.
    Credit,
    /// No more direct connections than may be.
    PeerCap,
    /// No books are kept on more members than may be.
    MemberCap,
    /// No more pairs are served than may be.
    ForwardCap,
    /// No more is held of what has come than may be.
    HeldCap,
    /// No more is under way to one peer on one path than its window, of bulk half of it.
    Window,
    /// No record is longer than its path allows.
    RecordLength,
    /// What comes is acknowledged in time, and not more often than that takes.
    Acknowledgement,
    /// Who has sent something asks what has come of it, and not too often.
    Pings,
    /// What a session says that it has is what has come to it.
    Holdings,
    /// Nothing is sent again before it can be known to be lost.
    Again,
    /// Volatile events that fit are datagrams where there is a channel for those.
    Datagrams,
    /// A channel begins with what its ends accept.
    Introduction,
    /// Acknowledgements go the way of what they are for.
    WayBack,
    /// A transport gets the signals of its own attempt.
    Astray,
    /// What a session keeps of what came is bounded.
    Memory,
    /// What was taken for an honest path arrives in time.
    Arrival,
    /// A small event does not wait for bulk for longer than it may.
    BehindBulk,
    /// Bulk goes on while events flow.
    BulkShare,
    /// A volatile event arrives on an idle path.
    IdleVolatile,
    /// A neighbour delivers while it is the path; one that does not is left.
    Neighbour,
    /// Nobody on an honest path is given up, nor is the path.
    GivenUp,
    /// So many bytes are sent for each that is delivered, at most.
    Economy,
    /// What goes to many by the hub is uploaded once.
    Sharing,
    /// The same is sent again and again only with pauses.
    Retransmission,
    /// What speaks of an incarnation that is over is answered at most once a second.
    StaleAnswers,
    /// Between sessions and original clients all comes at most once, and in order on one path.
    Original,
    /// The hub passes on what was said, as it was said, to whom it is for, once.
    HubRelay,
    /// The hub tells of who comes, is away and leaves, when it is so, once, and of nobody else.
    HubPresence,
    /// The hub lets through as much as it is set to, and no more.
    HubBounds,
    /// Of crossing offers that of the smaller id stands.
    Glare,
    /// A session takes up no more offers of one peer than come of attempts.
    Offers,
    /// A question ends at its deadline, or before it with its answer or its peer.
    AckDeadline,
    /// A peer that is away is back, or has left, when its window is over.
    ResumeWindow,
    /// What is said to have been sent, or not, was, or was not.
    Sent,
    /// Under [`Policy::Manual`](socketio_p2p_core::Policy::Manual) a path becomes direct with `upgrade`, and only then.
    Manual,
    /// A session closes in time.
    Close,
    /// Who closes says good-bye to all that it reaches.
    Farewell,
    /// What getters say is true.
    Getters,
    /// The hub is tried again when it was said, after pauses that grow.
    Reconnect,
    /// Who acknowledges nothing is given up in time, and nobody else is.
    Stalled,
    /// Who passes on what its sender has not sealed, or has sealed once, is reported; nobody else is.
    Seals,
    /// A neighbour passes on what it gets, as it is and in order, at its rate, and holds no more than it may.
    PassedOn,
    /// A sender keeps to its neighbour's rate, and leaves one alone that does not pass on.
    GivenTo,
    /// A channel is used once a pong has come on it, and is not kept for long without.
    Proof,
    /// What the application on top says of itself.
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
            Self::Application => "application",
        }
    }
}

impl fmt::Display for Invariant {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.label())
    }
}

/// What was expected, and what came instead.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
#[error("{invariant}: expected {expected}, got {came}")]
pub struct Breach {
    /// What does not hold.
    pub invariant: Invariant,
    /// What should have been.
    pub expected: String,
    /// What was.
    pub came: String,
}

impl Breach {
    /// A breach of an invariant.
    pub fn new(invariant: Invariant, expected: impl Into<String>, came: impl Into<String>) -> Self {
        Self { invariant, expected: expected.into(), came: came.into() }
    }
}
