//! The numbers of a session and of its peers, for monitoring.

use std::time::Duration;

use crate::connection_report::CandidatePair;

/// What went over one kind of path. A message is what a path carries at once: a bundle or a record of an
/// envelope, without the envelope; a message of a data or a datagram channel; a bundle through a neighbour,
/// without its seal. Counters stop at their maximum.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct Traffic {
    /// The messages sent.
    pub messages_out: u64,
    /// The bytes of these messages.
    pub bytes_out: u64,
    /// The messages received. Messages of an earlier incarnation do not count.
    pub messages_in: u64,
    /// The bytes of these messages.
    pub bytes_in: u64,
}

/// The numbers of the link to a peer, from [`Session::peer_numbers`](crate::Session::peer_numbers). Counters
/// begin with [`Event::PeerJoined`](crate::Event::PeerJoined), also with that of a new incarnation, and stop at
/// their maximum.
///
/// | fields | kind | unit |
/// |---|---|---|
/// | `relay`, `direct`, `via` | counters | messages and bytes in and out |
/// | `relay_round_trip`, `direct_round_trip`, `via_round_trip` | gauges | smoothed time, with the peer's delay |
/// | `retransmitted_records`, `retransmitted_bytes` | counters | records, bytes of them |
/// | `dropped` | counter | volatile events |
/// | `queued_packets`, `queued_bytes` | gauges | packets and bytes that are not acknowledged |
/// | `held_bytes` | gauge | bytes that cannot be delivered yet |
/// | `attempts`, `failures` | counters | attempts at a direct path; failed attempts and lost paths |
/// | `candidates` | state | the kinds of the candidates in use |
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct PeerNumbers {
    /// What went through the server.
    pub relay: Traffic,
    /// What went over the data channel and the datagram channel with the peer, including what was forwarded on
    /// them for other peers.
    pub direct: Traffic,
    /// What went through neighbours.
    pub via: Traffic,
    /// The round-trip time of the relay, once measured.
    pub relay_round_trip: Option<Duration>,
    /// The round-trip time of the direct path, once measured.
    pub direct_round_trip: Option<Duration>,
    /// The round-trip time through the current neighbour, once measured.
    pub via_round_trip: Option<Duration>,
    /// The records that were sent again, at least in part, on any path.
    pub retransmitted_records: u64,
    /// The bytes of these records.
    pub retransmitted_bytes: u64,
    /// The volatile events that were dropped before they were sent.
    pub dropped: u64,
    /// The packets of the lanes events and bulk that are queued or not acknowledged.
    pub queued_packets: usize,
    /// The bytes of these packets, and of transfers.
    pub queued_bytes: usize,
    /// The bytes of memory for data received from the peer that cannot be delivered yet.
    pub held_bytes: usize,
    /// The attempts at a direct path, of either side.
    pub attempts: u64,
    /// The attempts that failed, and the paths that were lost.
    pub failures: u64,
    /// The kinds of the candidates of the direct path, as far as the transport reports them.
    pub candidates: Option<CandidatePair>,
}

/// The numbers of a session, from [`Session::numbers`](crate::Session::numbers). Counters begin with the session,
/// include peers that have left, and stop at their maximum.
///
/// | fields | kind | unit |
/// |---|---|---|
/// | `members`, `direct_peers` | gauges | peers |
/// | `joined`, `left` | counters | links that began, links that ended |
/// | `connects`, `resumes`, `disconnects` | counters | connections to the server |
/// | `relay`, `direct`, `via` | counters | messages and bytes in and out |
/// | `retransmitted_records`, `retransmitted_bytes` | counters | records, bytes of them |
/// | `dropped` | counter | volatile events |
/// | `attempts`, `failures` | counters | attempts at direct paths; failed attempts and lost paths |
///
/// [`Session::forwarding`](crate::Session::forwarding) counts what the session forwards for others.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct SessionNumbers {
    /// The peers that are known.
    pub members: usize,
    /// The peers to which events go over a direct path.
    pub direct_peers: usize,
    /// The links that began: peers that joined, and new incarnations.
    pub joined: u64,
    /// The links that ended.
    pub left: u64,
    /// How often the session joined its room.
    pub connects: u64,
    /// How often it got back the peer id of the previous connection.
    pub resumes: u64,
    /// How often the connection to the server was lost or could not be opened.
    pub disconnects: u64,
    /// What went through the server to and from peers.
    pub relay: Traffic,
    /// What went over data channels and datagram channels.
    pub direct: Traffic,
    /// What went through neighbours.
    pub via: Traffic,
    /// The records that were sent again, at least in part.
    pub retransmitted_records: u64,
    /// The bytes of these records.
    pub retransmitted_bytes: u64,
    /// The volatile events that were dropped before they were sent.
    pub dropped: u64,
    /// The attempts at direct paths, of either side.
    pub attempts: u64,
    /// The attempts that failed, and the paths that were lost.
    pub failures: u64,
}

impl Traffic {
    pub(crate) const fn count_out(&mut self, bytes: usize) {
        self.messages_out = self.messages_out.saturating_add(1);
        self.bytes_out = self.bytes_out.saturating_add(bytes as u64);
    }

    pub(crate) const fn count_in(&mut self, bytes: usize) {
        self.messages_in = self.messages_in.saturating_add(1);
        self.bytes_in = self.bytes_in.saturating_add(bytes as u64);
    }

    fn add(&mut self, other: &Self) {
        let Self { messages_out, bytes_out, messages_in, bytes_in } = other;
        self.messages_out = self.messages_out.saturating_add(*messages_out);
        self.bytes_out = self.bytes_out.saturating_add(*bytes_out);
        self.messages_in = self.messages_in.saturating_add(*messages_in);
        self.bytes_in = self.bytes_in.saturating_add(*bytes_in);
    }
}

impl SessionNumbers {
    /// Adds the counters of a link.
    pub(crate) fn add(&mut self, peer: &PeerNumbers) {
        self.relay.add(&peer.relay);
        self.direct.add(&peer.direct);
        self.via.add(&peer.via);
        for (total, one) in [
            (&mut self.retransmitted_records, peer.retransmitted_records),
            (&mut self.retransmitted_bytes, peer.retransmitted_bytes),
            (&mut self.dropped, peer.dropped),
            (&mut self.attempts, peer.attempts),
            (&mut self.failures, peer.failures),
        ] {
            *total = total.saturating_add(one);
        }
    }
}
