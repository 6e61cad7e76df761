//! The way to a peer through a neighbour: packets that the neighbour passes on and cannot make up.
//!
//! Numbering, acknowledgements and what follows from losses are those of the relay. What is added here is the
//! seal: a MAC under the key that the hub has given the two ends.

use std::collections::BTreeMap;
use std::fmt;
use std::time::Duration;

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use bytes::Bytes;
use hmac::{Hmac, KeyInit as _, Mac as _};
use serde::{Deserialize, Deserializer, Serialize, Serializer};
use sha2::Sha256;

use super::control::{BadControl, Control};
use super::fragment::Reassembly;
use super::outbound::{Next, parts};
use super::pace::Bucket;
use super::timer::Timer;
use super::{Context, LaneState, Link, State};
use crate::codec::EncodeError;
use crate::config::Policy;
use crate::event::Path;
use crate::id::{PeerId, Version};
use crate::packet::Packet;
use crate::signal::{Enclosed, Epochs, First, PairKey, Sequence};
use crate::time::Time;

/// Keeps seals apart from every other use of a key.
const CONTEXT: &[u8] = b"socketio-p2p/1 via";

/// The parts of a packet that travels whole: its head and one attachment. Others are cut into fragments, so that
/// a neighbour needs to take no more attachments than that.
pub(crate) const MAX_PARTS: usize = 2;

/// The longest packet that is passed on, so that the neighbour's own ones wait for little.
pub(crate) const MAX_BYTES: usize = 64 << 10;

/// How far the sender may run ahead of the rate.
const BURST: usize = 32 << 10;

/// The most neighbours whose latest numbers are remembered.
const MAX_NUMBERS: usize = 16;

/// The slowest rate that is believed, in bytes per second.
pub(crate) const MIN_RATE: u64 = 1000;

/// How long a neighbour that did not pass on is not asked again.
const FAILED_FOR: Duration = Duration::from_secs(10);

/// After so many retransmissions without an answer a way is given up for another.
const MAX_RETRANSMITS: u32 = 2;

/// A packet that the sender of the channel message is to pass on, or has passed on.
#[derive(Clone, PartialEq)]
pub(crate) struct Passed {
    pub(crate) end: End,
    pub(crate) epochs: Epochs,
    /// None for link control.
    pub(crate) sequence: Option<Sequence>,
    /// Grows with every packet of an epoch, whatever way it takes.
    pub(crate) number: u64,
    pub(crate) seal: Seal,
    /// Head and attachments of the packet.
    pub(crate) parts: Vec<Bytes>,
}

/// The end that is not on the channel.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub(crate) enum End {
    /// To be passed on to this peer.
    To(PeerId),
    /// From this peer; the neighbour has written it.
    From(PeerId),
}

/// Proof that a packet is of the peer with which a key is shared.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) struct Seal([u8; 32]);

/// What belongs together: a seal holds for this and nothing else.
struct Passage<'a> {
    neighbour: &'a PeerId,
    from: &'a PeerId,
    to: &'a PeerId,
    epochs: Epochs,
    sequence: Option<Sequence>,
    number: u64,
    parts: &'a [Bytes],
}

/// A link's way through a neighbour.
#[derive(Debug, Default)]
pub(super) struct Way {
    key: Option<PairKey>,
    neighbour: Option<PeerId>,
    /// How fast the neighbour passes packets on.
    rate: u64,
    pace: Bucket,
    /// When there was one last.
    lost_at: Time,
    /// The number of the last packet that was sealed.
    number: u64,
    heard: Numbers,
    /// The peer sent its last packet this way: it is answered likewise, ours to it may be broken.
    answer: bool,
    /// Neighbours that did not pass on, and until when they are not asked again.
    failed: Vec<(PeerId, Time)>,
}

/// The numbers that have come, per neighbour: each passes packets on in order.
#[derive(Clone, Debug, Default)]
pub(super) struct Numbers {
    last: BTreeMap<PeerId, u64>,
    /// What forgotten neighbours passed on was not above this.
    floor: u64,
}

/// Why a packet that was passed on is dropped.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Dropped {
    /// There is no key to check it with.
    NoKey,
    /// The peer did not seal it.
    Forged,
}

#[derive(Serialize, Deserialize)]
struct Header {
    #[serde(flatten)]
    end: End,
    #[serde(flatten)]
    epochs: Epochs,
    #[serde(flatten)]
    sequence: Option<Sequence>,
    n: u64,
    mac: Seal,
}

impl Passed {
    pub(super) fn from_packet(packet: &Packet) -> Result<Self, BadControl> {
        let First(Header { end, epochs, sequence, n: number, mac: seal }) = packet.args()?;
        let parts = packet.attachments().to_vec();
        if parts.is_empty() || parts.len() > MAX_PARTS {
            return Err(BadControl);
        }
        Ok(Self { end, epochs, sequence, number, seal, parts })
    }

    pub(super) fn to_packet(&self) -> Result<Packet, EncodeError> {
        let Self { end, epochs, sequence, number, seal, parts } = self.clone();
        let header = Header { end, epochs, sequence, n: number, mac: seal };
        Packet::event("via", &Enclosed { header, parts: &parts })
    }
}

/// Shows no byte of the packet.
impl fmt::Debug for Passed {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Passed")
            .field("end", &self.end)
            .field("epochs", &self.epochs)
            .field("sequence", &self.sequence)
            .field("number", &self.number)
            .finish_non_exhaustive()
    }
}

impl Serialize for Seal {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(&URL_SAFE_NO_PAD.encode(self.0))
    }
}

impl<'de> Deserialize<'de> for Seal {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let text = String::deserialize(deserializer)?;
        let mut bytes = [0; 32];
        match URL_SAFE_NO_PAD.decode_slice(&text, &mut bytes) {
            Ok(32) => Ok(Self(bytes)),
            Ok(_) | Err(_) => Err(serde::de::Error::custom("a MAC is 32 bytes in base64url")),
        }
    }
}

impl Passage<'_> {
    /// `HMAC-SHA-256(key, context ‖ …)`, every text and part with its length.
    fn mac(&self, key: &PairKey) -> Hmac<Sha256> {
        let mut block = [0; 64];
        block[..32].copy_from_slice(key.as_bytes());
        let mut mac = Hmac::<Sha256>::new(&block.into());
        mac.update(CONTEXT);
        for id in [self.neighbour, self.from, self.to] {
            // It fits: MAX_PEER_ID is 64.
            mac.update(&[id.as_str().len() as u8]);
            mac.update(id.as_str().as_bytes());
        }
        mac.update(&self.epochs.epoch.to_be_bytes());
        mac.update(&self.epochs.peer_epoch.to_be_bytes());
        let (lane, seq) = match self.sequence {
            Some(Sequence { lane, seq }) => (lane.number(), seq),
            None => (u8::MAX, 0),
        };
        mac.update(&[lane]);
        mac.update(&seq.to_be_bytes());
        mac.update(&self.number.to_be_bytes());
        for part in self.parts {
            mac.update(&(part.len() as u64).to_be_bytes());
            mac.update(part);
        }
        mac
    }

    fn seal(&self, key: &PairKey) -> Seal {
        Seal(self.mac(key).finalize().into_bytes().into())
    }

    /// Compares in constant time.
    fn is_sealed(&self, key: &PairKey, seal: Seal) -> bool {
        self.mac(key).verify_slice(&seal.0).is_ok()
    }
}

impl Numbers {
    /// Whether this is the first time that this number comes; from now on it is not.
    fn accept(&mut self, neighbour: &PeerId, number: u64) -> bool {
        let last = self.last.get(neighbour).copied().unwrap_or(0).max(self.floor);
        if number <= last {
            return false;
        }
        self.last.insert(neighbour.clone(), number);
        if self.last.len() > MAX_NUMBERS
            && let Some((oldest, number)) = self.last.iter().min_by_key(|(_, number)| **number)
        {
            let (oldest, number) = (oldest.clone(), *number);
            self.last.remove(&oldest);
            self.floor = self.floor.max(number);
        }
        true
    }
}

impl Way {
    pub(super) fn lost_at(&self) -> Time {
        self.lost_at
    }

    pub(super) fn is_there(&self) -> bool {
        self.neighbour.is_some()
    }

    pub(super) fn take_heard(&mut self) -> Numbers {
        std::mem::take(&mut self.heard)
    }

    pub(super) fn keep_heard(&mut self, heard: Numbers) {
        self.heard = heard;
    }

    pub(super) fn number(&self) -> u64 {
        self.number
    }

    pub(super) fn keep_number(&mut self, number: u64) {
        self.number = number;
    }

    pub(super) fn shift(&mut self, by: Duration) {
        self.lost_at = self.lost_at + by;
        self.failed.iter_mut().for_each(|(_, until)| *until = *until + by);
    }
}

impl LaneState {
    /// Where pieces that come on `path` are put together; `first`: a packet begins. Of the two indirect paths one
    /// holds a packet at a time.
    pub(super) fn reassembly(&mut self, path: &Path, first: bool) -> &mut Reassembly {
        match path {
            Path::Direct => &mut self.direct_reassembly,
            Path::Relay => {
                if first {
                    self.via_reassembly.reset();
                }
                &mut self.relay_reassembly
            }
            Path::Via(_) => {
                if first {
                    self.relay_reassembly.reset();
                }
                &mut self.via_reassembly
            }
        }
    }
}

impl Link {
    /// The secret that is shared with the peer. Tells whether it is another one than before.
    pub(crate) fn set_key(&mut self, key: Option<PairKey>) -> bool {
        let changed = self.way.key != key;
        self.way.key = key;
        changed
    }

    pub(crate) fn key(&self) -> Option<&PairKey> {
        self.way.key.as_ref()
    }

    /// The neighbour through which the peer can be reached, used or not, and the bytes per second that it passes on.
    pub(crate) fn way(&self) -> Option<(&PeerId, u64)> {
        self.way.neighbour.as_ref().map(|neighbour| (neighbour, self.way.rate))
    }

    /// Whether a neighbour that knows the peer is a way to it.
    pub(crate) fn accepts_neighbour(&self, neighbour: &PeerId, now: Time) -> bool {
        let failed = |(peer, until): &(PeerId, Time)| peer == neighbour && now < *until;
        self.version == Version::V1
            && self.way.key.is_some()
            && *neighbour != self.peer
            && !self.way.failed.iter().any(failed)
    }

    /// When a neighbour that failed may be asked again, if there is no other.
    pub(crate) fn retry_way_at(&self, now: Time) -> Option<Time> {
        let later = self.way.failed.iter().map(|(_, until)| *until).filter(|until| now < *until);
        later.min().filter(|_| !self.way.is_there())
    }

    /// Sets the neighbour through which the peer can be reached, and how fast it passes packets on.
    pub(crate) fn set_way(&mut self, way: Option<(PeerId, u64)>, cx: &mut Context<'_>) {
        if self.way.is_there() {
            self.way.lost_at = cx.now;
        }
        let (neighbour, rate) = way.unzip();
        self.way.rate = rate.unwrap_or(MIN_RATE);
        if neighbour.is_none() {
            self.lanes.iter_mut().for_each(|lane| lane.via_reassembly.reset());
            if !self.relay_up {
                self.indirect_control.clear();
            }
        }
        if self.way.neighbour != neighbour {
            self.way.neighbour = neighbour;
            self.way.pace = Bucket::default();
            self.update_paths(cx);
        }
    }

    /// The neighbour does not pass on.
    pub(crate) fn fail_way(&mut self, neighbour: &PeerId, cx: &mut Context<'_>) {
        if self.way.neighbour.as_ref() != Some(neighbour) {
            return;
        }
        self.way.failed.retain(|(peer, until)| peer != neighbour && cx.now < *until);
        self.way.failed.push((neighbour.clone(), cx.now + FAILED_FOR));
        cx.out.ways_changed = true;
    }

    /// A way on which nothing comes back is given up.
    pub(super) fn doubt_way(&mut self, cx: &mut Context<'_>) {
        if self.retransmits >= MAX_RETRANSMITS
            && let Some(Path::Via(neighbour)) = self.sending.clone()
        {
            self.retransmits = 0;
            self.fail_way(&neighbour, cx);
        }
    }

    /// The best path there is.
    pub(super) fn best_path(&self, policy: Policy) -> Option<Path> {
        if self.state == State::Direct {
            Some(Path::Direct)
        } else if self.relay_up && policy != Policy::DirectOnly {
            Some(Path::Relay)
        } else if self.state.is_verified() || policy == Policy::RelayOnly {
            // There is a channel that is not to be used yet, or none is to be used.
            None
        } else {
            self.way.neighbour.clone().map(Path::Via)
        }
    }

    /// Whether link control that does not go by a channel goes through the neighbour.
    pub(crate) fn controls_via(&self) -> bool {
        self.way.is_there() && (self.way.answer || matches!(self.sending, Some(Path::Via(_))))
    }

    /// The next packet for the neighbour, sealed; `max_message`: the longest message that it takes.
    pub(crate) fn poll_via(
        &mut self,
        own_id: &PeerId,
        max_message: usize,
        cx: &mut Context<'_>,
    ) -> Option<Packet> {
        if !self.controls_via() {
            return None;
        }
        let control = match self.indirect_control.pop_front() {
            Some(control) => Some(control),
            None if self.ack_due && !self.controls_on_channel() => Some(self.take_ack()),
            None => None,
        };
        if let Some(control) = control {
            // What we encode ourselves always fits.
            let packet = control.to_packet().ok()?;
            return self.pass(own_id, None, &packet, cx);
        }
        if !matches!(self.sending, Some(Path::Via(_))) || self.resuming || self.leaving {
            return None;
        }
        let open = self.lanes_within(cx.config.relay_window);
        self.next_lane(|lane| open[lane.index()])?;
        let ready_at = self.way.pace.ready_at(BURST, self.way.rate);
        if cx.now < ready_at {
            self.timers.set(Timer::Pace, ready_at);
            return None;
        }
        let max = cx.config.fragment_bytes.min(max_message).min(MAX_BYTES / 2);
        let fits =
            |packet: &Packet| packet.wire_len() <= max && packet.attachments().len() < MAX_PARTS;
        let next = self.take_next(|lane| open[lane.index()], fits, max, cx)?;
        self.arm_retransmit(cx);
        let (of, packet) = match next {
            Next::Whole { packet, of, .. } => (of, packet),
            // What we encode ourselves always fits.
            Next::Fragment { fragment, .. } => (fragment.of, fragment.to_relayed_packet().ok()?),
        };
        self.pass(own_id, Some(of), &packet, cx)
    }

    fn pass(
        &mut self,
        own_id: &PeerId,
        sequence: Option<Sequence>,
        packet: &Packet,
        cx: &Context<'_>,
    ) -> Option<Packet> {
        let (epochs, parts) = (self.epochs(), parts(packet));
        let way = &mut self.way;
        let (key, neighbour) = (way.key.as_ref()?, way.neighbour.as_ref()?);
        way.number += 1;
        let number = way.number;
        let passage = Passage {
            neighbour,
            from: own_id,
            to: &self.peer,
            epochs,
            sequence,
            number,
            parts: &parts,
        };
        let seal = passage.seal(key);
        let end = End::To(self.peer.clone());
        let passed = Passed { end, epochs, sequence, number, seal, parts };
        let packet = Control::Via(passed).to_packet().ok()?;
        way.pace.take(packet.wire_len(), way.rate, cx.now);
        Some(packet)
    }

    /// Whether the peer has sealed what `neighbour` passes on as from it.
    pub(crate) fn check_seal(
        &self,
        own_id: &PeerId,
        neighbour: &PeerId,
        passed: &Passed,
    ) -> Result<(), Dropped> {
        let Passed { epochs, sequence, number, seal, ref parts, .. } = *passed;
        let key = self.way.key.as_ref().ok_or(Dropped::NoKey)?;
        let (from, to) = (&self.peer, own_id);
        let passage = Passage { neighbour, from, to, epochs, sequence, number, parts };
        if passage.is_sealed(key, seal) { Ok(()) } else { Err(Dropped::Forged) }
    }

    /// Whether a sealed packet of the current epoch comes for the first time.
    pub(crate) fn is_first(&mut self, neighbour: &PeerId, number: u64) -> bool {
        self.way.heard.accept(neighbour, number)
    }

    /// Notes that the channel has proved itself, or not any more.
    pub(super) fn note_verified(&mut self, cx: &mut Context<'_>) {
        let verified = self.state.is_verified();
        if verified != self.was_verified {
            self.was_verified = verified;
            self.way.answer &= !verified;
            cx.out.ways_changed = true;
        }
    }

    /// Notes on which indirect path the peer sends.
    pub(super) fn note_indirect(&mut self, path: &Path, cx: &mut Context<'_>) {
        let answer = matches!(path, Path::Via(_));
        if self.way.answer != answer {
            self.way.answer = answer;
            cx.out.users_changed = true;
        }
    }

    /// Tells the neighbour at the other end of this link whom we pass packets on to.
    pub(crate) fn tell_neighbours(&mut self, peers: Vec<PeerId>, rate: u64) {
        self.push_channel_control(Control::Neighbours(Neighbours { peers, rate }));
    }

    /// Tells the peer that nothing is passed on between it and `peer`.
    pub(crate) fn refuse_way(&mut self, peer: PeerId) {
        self.push_channel_control(Control::NoWay { to: peer });
    }

    /// What the peer says concerns other links.
    pub(super) fn push_neighbourly(&self, said: Neighbourly, cx: &mut Context<'_>) {
        cx.out.neighbourly.push_back((self.peer.clone(), said));
    }

    fn push_channel_control(&mut self, control: Control) {
        if self.controls_on_channel()
            && let Some(channel) = self.open_channel_mut()
        {
            channel.push_control(control);
        }
    }

    /// The longest message that the other end of the channel takes.
    pub(crate) fn max_message(&self) -> Option<usize> {
        self.open_channel().map(|channel| channel.max_message)
    }

    /// Puts a packet that is passed on behind what the channel has to write. `false`: it does not take it.
    pub(crate) fn push_passed(&mut self, packet: Packet) -> bool {
        let verified = self.controls_on_channel();
        let Some(channel) = self.open_channel_mut().filter(|_| verified) else { return false };
        let longest = packet.attachments().iter().map(Bytes::len).max().unwrap_or(0);
        let fits = packet.head().len().max(longest) <= channel.max_message;
        if fits {
            channel.push_data(packet);
        }
        fits
    }
}

/// What a peer says that concerns other links than the one to it.
#[derive(Debug)]
pub(crate) enum Neighbourly {
    /// Whom it passes packets on to.
    Neighbours(Neighbours),
    /// A packet to pass on, or one that it passes on.
    Passed(Passed),
    /// It passes nothing on to this peer now.
    NoWay(PeerId),
}

/// Whom a neighbour passes packets on to, and how many bytes per second from one peer to one other.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub(crate) struct Neighbours {
    pub(crate) peers: Vec<PeerId>,
    pub(crate) rate: u64,
}
