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
    /// An envelope came twice.
    Duplication "duplication",
    /// An envelope was overtaken.
    Reordering "reordering",
    /// Something came late.
    Delay "delay",
    /// Something came late by chance.
    Jitter "jitter",
    /// Something waited for its turn on a narrow path.
    Bandwidth "bandwidth",
    /// Something did not get from one part of the network to the other.
    Partition "partition",
    /// Something did not get through in one direction.
    OneWayCut "one-way cut",
    /// Something that was held back came after the path had healed.
    Heal "heal",
    /// Something was sent into a path that nobody had closed and that was dead.
    HalfOpen "half-open path",
    /// A peer that others knew ended without a word.
    Crash "peer crash",
    /// It came back as somebody new.
    Restart "peer restart",
    /// The hub ended while peers were in it.
    HubCrash "hub crash",
    /// Peers came back to a hub that had lost its memory.
    HubRestart "hub restart",
    /// A socket to the hub broke.
    SignalingDrop "signalling drop",
    /// A peer came back to the hub with its identity.
    Resume "signalling resume",
    /// A clock jumped over something that was due.
    ClockJump "clock jump",
    /// Something waited for a consumer that was slow.
    SlowConsumer "slow consumer",
    /// A queue was full and its sender was told.
    QueueFull "queue full",
    /// The path changed with events under way.
    UpgradeMidStream "upgrade in mid-stream",
    /// Events took the way through a neighbour.
    Detour "no way but a neighbour",
    /// An attempt at a direct path failed.
    UpgradeFails "upgrade fails",
    /// A direct path broke soon after it had come about.
    UpgradeFlaps "upgrade flaps",
    /// A channel closed in the middle of a packet.
    CloseMidBlob "close in mid-blob",
    /// A channel closed with frames under way or a session with events queued.
    CloseQueued "close with queued sends",
    /// Offers crossed.
    Glare "glare",
    /// A signal came twice.
    SignalTwice "duplicate signals",
    /// A signal came late.
    SignalLate "late or crossed signals",
    /// An offer never came.
    OfferLost "offers that never come",
    /// An answer never came.
    AnswerLost "answers that never come",
    /// A candidate came before its description.
    CandidateEarly "candidates before the SDP",
    /// A candidate came after its connection was over.
    CandidateLate "candidates after close",
    /// The hub named a member twice.
    RosterRepeat "roster repeats",
    /// The hub did not name a member, at first.
    RosterOmission "roster omits",
    /// A peer claimed to be another.
    Spoofing "malice: spoofed sender",
    /// A peer sent link control of its own making.
    ForgedControl "malice: control packets",
    /// A peer sent offers without end.
    OfferFlood "malice: offer flood",
    /// A peer announced attachments without end.
    AttachmentBomb "malice: attachment bomb",
    /// A peer sent JSON without bottom.
    DeepJson "malice: deep JSON",
    /// A peer sent giant names and numbers.
    GiantNames "malice: giant namespace or ack id",
    /// A peer announced attachments and sent none.
    StalledAttachments "malice: stalled attachments",
    /// A peer sent bytes that mean nothing.
    Garbage "malice: garbage",
    /// A neighbour changed, repeated, dropped or made up what it was to pass on.
    FalseNeighbour "malice: false neighbour",
    /// A peer asked again and again for what it had got.
    ResumeFlood "malice: resume flood",
    /// A peer spoke again and again of an incarnation that is over.
    StaleFlood "malice: stale epochs",
    /// A peer broke a rule that the hub is there to keep.
    HubRules "malice: hub's rules",
    /// A malicious peer took everything and acknowledged next to nothing.
    SilentReceiver "malice: no acknowledgements",
    /// A peer sent more than it may.
    Excess "malice: excess",
    /// The hub let nobody come back so often.
    TooManyJoins "too many joins",
    /// An application answered when its right to had expired.
    LateAnswer "answer too late",
    /// A node's transports took its output late.
    LateDriver "driver drains late",
    /// A socket to the hub broke in the middle of what was under way on it.
    BrokenSocket "socket breaks in mid-packet",
    /// A neighbour passed on in one direction only.
    OneWayNeighbour "neighbour drops one direction",
    /// Events went through a relay of a few hundred kbit/s.
    SlowRelay "slow relay",
    /// Events went over a channel of a few KB/s.
    SlowChannel "slow channel",
    /// A volatile event went over a datagram channel.
    Datagram "datagram channel",
    /// A policy kept events off a path.
    PolicyBinds "policy binds",
    /// A receiver refused an event for its bytes.
    RefusedBytes "refusal: bytes",
    /// A receiver refused an event for its attachments.
    RefusedAttachments "refusal: attachments",
    /// A receiver refused an event for its depth.
    RefusedDepth "refusal: depth",
    /// A session did not take an event that exceeds its own limits.
    RefusedOwn "refusal: own limits",
    /// A session did not ask, because too many answers were waited for.
    RefusedAsk "refusal: pending acks",
    /// A session did not open a transfer, because too many were open.
    RefusedTransfer "refusal: transfers",
    /// A receiver refused a transfer, because too many were open.
    RefusedIncoming "refusal: incoming transfers",
    /// A volatile event was dropped at its sender.
    DroppedVolatile "volatile dropped",
    /// A receiver had enough of a transfer.
    TransferRefused "transfer cancelled by receiver",
    /// A sender broke a transfer off.
    TransferAborted "transfer cancelled by sender",
    /// A transfer of unknown size was read to its end.
    TransferUnsized "transfer of unknown size",
    /// A sender had to wait because nothing was read.
    WindowDry "transfer window ran dry",
    /// An original client and a session exchanged events.
    Original "original client",
    /// An original client and a session exchanged events over a channel.
    OriginalDirect "original client, directly",
    /// A peer sent over a datagram channel what does not belong there.
    ForgedDatagram "malice: datagrams",
}

/// How often faults were hit, and how often they changed something.
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
