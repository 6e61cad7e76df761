//! Which faults were hit, and which of them changed something.

macro_rules! faults {
    ($($(#[doc = $doc:literal])* $name:ident $label:literal,)*) => {
        /// A kind of fault.
        #[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
        #[non_exhaustive]
        pub enum Fault {
            $($(#[doc = $doc])* $name,)*
        }

        impl Fault {
            /// All kinds.
            pub const ALL: &[Self] = &[$(Self::$name),*];

            /// Those of narrow scenarios, in which all sessions have the same settings.
            pub const NARROW: &[Self] = Self::ALL.split_at(Self::ResumeFlood as usize).0;

            /// Those of scenarios in which the server's application removes members.
            pub const REMOVALS: &[Self] = &[
                Self::Kick,
                Self::RoomClosed,
                Self::HubClosing,
                Self::TurnedAway,
                Self::PutOff,
                Self::Renamed,
                Self::IdentityLost,
            ];

            /// Its name in tables.
            #[must_use]
            pub const fn label(self) -> &'static str {
                match self {
                    $(Self::$name => $label,)*
                }
            }
        }
    };
}

faults! {
    /// An envelope was lost at the hub, or a frame below a data channel.
    Loss "loss",
    /// An envelope was duplicated.
    Duplication "duplication",
    /// An envelope or datagram was delayed past later ones.
    Reordering "reordering",
    /// A message was delayed.
    Delay "delay",
    /// A message was delayed at random.
    Jitter "jitter",
    /// A message was queued on a narrow path.
    Bandwidth "bandwidth",
    /// A partition held a message back.
    Partition "partition",
    /// A cut in one direction held a message back.
    OneWayCut "one-way cut",
    /// A message held back was released by the end of a fault.
    Heal "heal",
    /// A half-open path held a message back.
    HalfOpen "half-open path",
    /// A peer crashed while others knew it.
    Crash "peer crash",
    /// A crashed or closed peer started again with a new id.
    Restart "peer restart",
    /// The hub crashed with members.
    HubCrash "hub crash",
    /// Peers came back to a hub that had lost its state.
    HubRestart "hub restart",
    /// A socket to the hub broke.
    SignalingDrop "signalling drop",
    /// A peer resumed its seat at the hub.
    Resume "signalling resume",
    /// A clock jumped over a timer.
    ClockJump "clock jump",
    /// A message waited for a slow consumer.
    SlowConsumer "slow consumer",
    /// An emit was refused by a full queue.
    QueueFull "queue full",
    /// The path changed with events in flight.
    UpgradeMidStream "upgrade in mid-stream",
    /// Events went via a neighbour.
    Detour "no way but a neighbour",
    /// An attempt at a direct path failed.
    UpgradeFails "upgrade fails",
    /// A direct path broke soon after it had opened.
    UpgradeFlaps "upgrade flaps",
    /// A channel closed in the middle of a packet.
    CloseMidBlob "close in mid-blob",
    /// A channel closed with frames in flight or a session with events queued.
    CloseQueued "close with queued sends",
    /// Offers crossed.
    Glare "glare",
    /// A signal was duplicated.
    SignalTwice "duplicate signals",
    /// A signal was delayed.
    SignalLate "late or crossed signals",
    /// An offer was lost.
    OfferLost "offers that never come",
    /// An answer was lost.
    AnswerLost "answers that never come",
    /// A candidate arrived before its description.
    CandidateEarly "candidates before the SDP",
    /// A candidate arrived after its connection had closed.
    CandidateLate "candidates after close",
    /// The hub named a member twice.
    RosterRepeat "roster repeats",
    /// The hub omitted a member at first.
    RosterOmission "roster omits",
    /// A peer claimed to be another.
    Spoofing "malice: spoofed sender",
    /// A peer sent forged link control.
    ForgedControl "malice: control packets",
    /// A peer sent a flood of offers.
    OfferFlood "malice: offer flood",
    /// A peer announced more attachments than any limit.
    AttachmentBomb "malice: attachment bomb",
    /// A peer sent deeply nested JSON.
    DeepJson "malice: deep JSON",
    /// A peer sent giant names and numbers.
    GiantNames "malice: giant namespace or ack id",
    /// A peer announced attachments and sent none.
    StalledAttachments "malice: stalled attachments",
    /// A peer sent random bytes.
    Garbage "malice: garbage",
    /// A neighbour changed, repeated, dropped or forged bundles.
    FalseNeighbour "malice: false neighbour",
    /// A peer sent states that acknowledge nothing, again and again.
    ResumeFlood "malice: resume flood",
    /// A peer sent a flood of bundles of an incarnation that is over.
    StaleFlood "malice: stale epochs",
    /// A peer broke a rule that the hub enforces.
    HubRules "malice: hub's rules",
    /// A malicious peer acknowledged nothing, or one byte per ping.
    SilentReceiver "malice: no acknowledgements",
    /// A peer exceeded bounds.
    Excess "malice: excess",
    /// The hub refused a resume beyond its rate.
    TooManyJoins "too many joins",
    /// An application sent an ack after its deadline.
    LateAnswer "answer too late",
    /// A node's transports drained its output late.
    LateDriver "driver drains late",
    /// A socket to the hub broke with frames in flight.
    BrokenSocket "socket breaks in mid-packet",
    /// A neighbour forwarded in one direction only.
    OneWayNeighbour "neighbour drops one direction",
    /// Events went through a relay of a few hundred kbit/s.
    SlowRelay "slow relay",
    /// Events went over a channel of a few KB/s.
    SlowChannel "slow channel",
    /// A session told a peer to wait, because its application took no events.
    Unread "application takes no events",
    /// A volatile event went over a datagram channel.
    Datagram "datagram channel",
    /// A policy excluded a path.
    PolicyBinds "policy binds",
    /// A receiver refused an event for its size.
    RefusedBytes "refusal: bytes",
    /// A receiver refused an event for its attachments.
    RefusedAttachments "refusal: attachments",
    /// A receiver refused an event for its depth.
    RefusedDepth "refusal: depth",
    /// A session refused an emit that exceeds its own limits.
    RefusedOwn "refusal: own limits",
    /// A session refused an emit because too many acks were pending.
    RefusedAsk "refusal: pending acks",
    /// A session refused to open a transfer because too many were open.
    RefusedTransfer "refusal: transfers",
    /// A receiver refused a transfer because too many were open.
    RefusedIncoming "refusal: incoming transfers",
    /// A volatile event was dropped at its sender.
    DroppedVolatile "volatile dropped",
    /// A receiver cancelled a transfer.
    TransferRefused "transfer cancelled by receiver",
    /// A sender cancelled a transfer.
    TransferAborted "transfer cancelled by sender",
    /// A transfer of unknown size was read to its end.
    TransferUnsized "transfer of unknown size",
    /// A sender was blocked by the window of a transfer.
    WindowDry "transfer window ran dry",
    /// An original client and a session exchanged events.
    Original "original client",
    /// An original client and a session exchanged events over a channel.
    OriginalDirect "original client, directly",
    /// A peer sent reliable records or control over a datagram channel.
    ForgedDatagram "malice: datagrams",
    /// A session was told other metadata of a peer.
    Metadata "metadata changes",
    /// A session changed its metadata more often than it may tell.
    MetadataPaced "metadata paced",
    /// A link to a kicked member ended.
    Kick "kick",
    /// A session was told that its room was closed.
    RoomClosed "room closed",
    /// A session was told that the hub closes.
    HubClosing "hub closes in order",
    /// The server's application refused a session for good.
    TurnedAway "refused by application",
    /// The server's application told a session to come later.
    PutOff "put off by application",
    /// The server's application answered a session.
    ServerAnswer "server answers",
    /// A session answered the server's application.
    ServerQuestion "server asks",
    /// A link went on under the peer's new id.
    Renamed "renames",
    /// A link ended because its session got a new id.
    IdentityLost "identity lost",
    /// A peer claimed to be another under a former id.
    FormerIds "malice: former ids",
    /// A peer sent more metadata than it may.
    MetadataFlood "malice: metadata",
}

/// The number of times that each fault was hit, and that it changed something.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Effects {
    hits: [u32; Fault::ALL.len()],
    changes: [u32; Fault::ALL.len()],
}

impl Default for Effects {
    fn default() -> Self {
        Self { hits: [0; Fault::ALL.len()], changes: [0; Fault::ALL.len()] }
    }
}

impl Effects {
    /// How often the fault was ordered.
    #[must_use]
    pub const fn hits(&self, fault: Fault) -> u32 {
        self.hits[fault as usize]
    }

    /// How often it changed what was delivered, when, or on which path.
    #[must_use]
    pub const fn changes(&self, fault: Fault) -> u32 {
        self.changes[fault as usize]
    }

    pub(crate) const fn hit(&mut self, fault: Fault) {
        self.hits[fault as usize] += 1;
    }

    pub(crate) const fn change(&mut self, fault: Fault) {
        self.changes[fault as usize] += 1;
    }

    /// A fault that was ordered and changed something at once.
    pub(crate) const fn strike(&mut self, fault: Fault) {
        self.hit(fault);
        self.change(fault);
    }
}
