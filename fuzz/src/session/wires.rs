//! What the session sends, read and compared.

use std::collections::BTreeMap;

use bytes::Bytes;
use socketio_p2p_core::codec::{Blob, Decoder, Limits};
use socketio_p2p_core::signal::{ClientMessage, Epochs, HubLimits, Lane, Sequence, Upload};
use socketio_p2p_core::{ConnectionId, Frame, Packet, PacketType, PeerId, Policy, Version};

use super::book::{CONTROL, PieceHeader, flatten, packet, parts};
use super::model::Model;
use super::peers::{Ack, Next, Received, Seq};
use super::remote::{Remote, RemoteChannel};
use super::seal::{End, Header, Passage, seal};

/// Below these, what is sent at all is longer than what is allowed.
const SENSIBLE_ENVELOPE: u32 = 2_048;
const SENSIBLE_MESSAGE: usize = 4_096;

/// The server's end of the signalling channel, and the peers' ends of all others.
#[derive(Debug)]
pub(super) struct Wires {
    decoder: Decoder,
    /// A packet has come since the channel opened.
    greeted: bool,
    /// What held when the packet began that is under way.
    began: Option<(Policy, HubLimits)>,
    pub(super) limits: HubLimits,
    channels: BTreeMap<ConnectionId, Channel>,
    /// Offers that nobody has looked at: for whom, and their names.
    pub(super) offers: Vec<(PeerId, String)>,
    /// What peers asked the session to pass on: who, and what.
    pub(super) passed_on: Vec<(PeerId, OnTheWay)>,
    /// The last number under which the session sealed something, per peer and epoch.
    sealed: BTreeMap<(PeerId, u32), u64>,
}

type OnTheWay = (Epochs, Option<Sequence>, u64, String);

#[derive(Debug)]
struct Channel {
    peer: PeerId,
    version: Version,
    /// The session's epoch of the link.
    epoch: u32,
    max_message: usize,
    decoder: Decoder,
    greeted: bool,
    /// The number of the next event, by counting.
    count: Option<u64>,
    volatile: Option<u64>,
}

fn decoder() -> Decoder {
    Decoder::new(Limits::unbounded())
}

impl Wires {
    pub(super) fn new() -> Self {
        Self {
            decoder: decoder(),
            greeted: false,
            began: None,
            limits: HubLimits { max_envelope: 0, max_attachments: 0 },
            channels: BTreeMap::new(),
            offers: Vec::new(),
            passed_on: Vec::new(),
            sealed: BTreeMap::new(),
        }
    }

    pub(super) fn reset_signaling(&mut self) {
        self.decoder = decoder();
        self.greeted = false;
        self.began = None;
    }

    // ----- at the server -----

    pub(super) fn hear_signaling(
        &mut self,
        frame: Frame,
        policy: Policy,
        model: &mut Model,
        remotes: &mut [Remote],
    ) {
        let began = *self.began.get_or_insert((policy, self.limits));
        let packet = self.decoder.push(frame).expect("what a session sends can be read");
        let Some(packet) = packet else { return };
        self.began = None;
        let first = !std::mem::replace(&mut self.greeted, true);
        assert_eq!(packet.packet_type() == PacketType::Connect, first, "{:?}", packet.head());
        match packet.packet_type() {
            PacketType::Connect | PacketType::Disconnect => {}
            PacketType::Event | PacketType::BinaryEvent => {
                assert!(model.answered, "the server has not answered CONNECT");
                self.hear_message(packet, began, model, remotes);
            }
            other => panic!("{other} for the server"),
        }
    }

    fn hear_message(
        &mut self,
        packet: Packet,
        began: (Policy, HubLimits),
        model: &mut Model,
        remotes: &mut [Remote],
    ) {
        match ClientMessage::from_packet(packet).expect("a message of the dialect") {
            ClientMessage::Offers(offers) => {
                for offer in offers {
                    let to = offer.to_peer_id.expect("offers are addressed");
                    self.offers.push((to, offer.offer_id));
                }
            }
            ClientMessage::Signal(_) => {}
            ClientMessage::Relay(upload) => hear_upload(&upload, began, model, remotes),
            other => panic!("{other:?} for the server"),
        }
    }

    // ----- at a peer's end of a channel -----

    pub(super) fn note_connection(
        &mut self,
        connection: ConnectionId,
        peer: PeerId,
        version: Version,
        epoch: u32,
    ) {
        let channel = Channel {
            peer,
            version,
            epoch,
            max_message: 0,
            decoder: decoder(),
            greeted: false,
            count: None,
            volatile: None,
        };
        self.channels.insert(connection, channel);
    }

    pub(super) fn open_channel(&mut self, connection: ConnectionId, max_message: usize) {
        if let Some(channel) = self.channels.get_mut(&connection) {
            channel.max_message = max_message;
        }
    }

    pub(super) fn hear_channel(
        &mut self,
        frame: Frame,
        connection: ConnectionId,
        remote: &RemoteChannel,
        model: &mut Model,
        remotes: &mut [Remote],
    ) {
        let channel = self.channels.get_mut(&connection).expect("the channel is known");
        assert!(remote.open, "{connection} is not open");
        let fits = channel.max_message < SENSIBLE_MESSAGE || frame.len() <= channel.max_message;
        assert!(fits, "{} bytes on {connection}", frame.len());
        let packet = channel.decoder.push(frame).expect("what a session sends can be read");
        let Some(packet) = packet.filter(|_| channel.version == Version::V1) else { return };
        let first = !std::mem::replace(&mut channel.greeted, true);
        let event = packet.event_name().filter(|_| packet.namespace() == CONTROL);
        assert_eq!(event.as_deref() == Some("hello"), first, "{:?}", packet.head());
        let (peer, epoch) = (channel.peer.clone(), channel.epoch);
        match event.as_deref() {
            Some("hello") => {
                let (epochs,) = packet.args::<(Epochs,)>().unwrap();
                assert_eq!(epochs.epoch, epoch);
            }
            Some("begin") => channel.count = Some(packet.args::<(Next,)>().unwrap().0.next),
            Some("volatile") => channel.volatile = Some(packet.args::<(Seq,)>().unwrap().0.seq),
            Some("fragment") => {
                let (header, bytes) = packet.args::<(PieceHeader, Blob)>().unwrap();
                let Sequence { lane, seq } = header.of.expect("a piece says of what it is");
                let bytes = Bytes::from(bytes);
                if lane == Lane::Events && header.offset + bytes.len() as u64 == header.total {
                    channel.count = Some(seq + 1);
                }
                note_piece(&peer, epoch, (lane, seq), header, &bytes, model, remotes);
            }
            Some("via") => self.hear_passed(&packet, &peer, model, remotes),
            Some(name) => {
                let remote_epoch = remote.epoch;
                check_control(name, &packet, &peer, remote_epoch, model, remotes);
            }
            None => {
                let (lane, seq) = match channel.volatile.take() {
                    Some(seq) => (Lane::Volatile, seq),
                    None => {
                        let seq = channel.count.expect("begin comes before the first event");
                        channel.count = Some(seq + 1);
                        (Lane::Events, seq)
                    }
                };
                note_whole(&peer, epoch, (lane, seq), &parts(&packet), model, remotes);
            }
        }
    }
}

impl Wires {
    /// What a neighbour is to pass on, or what the session passes on to it.
    fn hear_passed(
        &mut self,
        packet: &Packet,
        neighbour: &PeerId,
        model: &mut Model,
        remotes: &mut [Remote],
    ) {
        let (header, parts) = Header::open(packet);
        let to = match &header.end {
            End::To(to) => to,
            End::From(from) => {
                let passed_on = (from.clone(), header.on_the_way());
                assert!(self.passed_on.contains(&passed_on), "{from} did not send that");
                assert_ne!(from, neighbour);
                return;
            }
        };
        let Header { epochs, sequence, number, mac, .. } = &header;
        let own_id = model.id.clone().expect("a session without an id reaches nobody");
        let passage = Passage { peer: to, neighbour, from: &own_id, to };
        assert_eq!(*mac, seal(passage, *epochs, *sequence, *number, &parts));
        let before = self.sealed.insert((to.clone(), epochs.epoch), *number);
        assert!(before < Some(*number), "number {number} is sealed twice");
        let sequence = *sequence;
        hear_enclosed(to, *epochs, sequence, &parts, model, remotes);
    }
}

/// A packet in an envelope or passed on.
fn hear_enclosed(
    peer: &PeerId,
    epochs: Epochs,
    sequence: Option<Sequence>,
    parts: &[Bytes],
    model: &mut Model,
    remotes: &mut [Remote],
) {
    let inner = packet(parts).expect("an envelope carries a packet");
    let event = inner.event_name().filter(|_| inner.namespace() == CONTROL);
    let Some(Sequence { lane, seq }) = sequence else {
        let name = event.as_deref().expect("what has no number is control");
        return check_control(name, &inner, peer, epochs.peer_epoch, model, remotes);
    };
    if event.as_deref() == Some("fragment") {
        let (header, bytes) = inner.args::<(PieceHeader, Blob)>().unwrap();
        note_piece(peer, epochs.epoch, (lane, seq), header, &Bytes::from(bytes), model, remotes);
    } else {
        note_whole(peer, epochs.epoch, (lane, seq), parts, model, remotes);
    }
}

fn hear_upload(
    upload: &Upload,
    (policy, limits): (Policy, HubLimits),
    model: &mut Model,
    remotes: &mut [Remote],
) {
    let mut names: Vec<_> = upload.to.iter().map(|recipient| &recipient.id).collect();
    names.sort();
    assert!(!names.is_empty() && names.windows(2).all(|pair| pair[0] != pair[1]), "{names:?}");
    let bytes: usize = upload.parts.iter().map(Bytes::len).sum();
    for recipient in &upload.to {
        if recipient.sequence.is_some() {
            assert_ne!(policy, Policy::DirectOnly, "an event through the server");
            if limits.max_envelope >= SENSIBLE_ENVELOPE {
                assert!(bytes <= limits.max_envelope as usize, "an envelope of {bytes} bytes");
                assert!(upload.parts.len() <= limits.max_attachments as usize);
            }
        }
        let (peer, epochs) = (&recipient.id, recipient.epochs);
        hear_enclosed(peer, epochs, recipient.sequence, &upload.parts, model, remotes);
    }
}

/// No acknowledgement goes further than what the application has.
fn check_control(
    name: &str,
    packet: &Packet,
    peer: &PeerId,
    peer_epoch: u32,
    model: &Model,
    remotes: &mut [Remote],
) {
    let received = match name {
        "ack" => packet.args::<(Ack,)>().unwrap().0.received,
        "resume" => packet.args::<(Received,)>().unwrap().0.received,
        "hello" | "ping" | "pong" | "bye" | "neighbours" | "no-way" => return,
        other => panic!("{other} for a peer"),
    };
    let remote = remotes.iter_mut().find(|remote| remote.id == *peer).unwrap();
    if !model.exact || peer_epoch == 0 {
        return;
    }
    for lane in Lane::RELIABLE {
        let most = model.handed_over(remote, peer_epoch, lane);
        let received = received[usize::from(lane.number())];
        assert!(received <= most, "{peer} is told {received} of {most} in {lane:?}");
    }
}

fn note_whole(
    peer: &PeerId,
    epoch: u32,
    of: (Lane, u64),
    parts: &[Bytes],
    model: &mut Model,
    remotes: &[Remote],
) {
    let flat = flatten(parts);
    let header = PieceHeader { of: None, offset: 0, total: flat.len() as u64 };
    note_piece(peer, epoch, of, header, &flat, model, remotes);
}

/// Under each number goes the event that the application emitted as that one, unless messages about transfers
/// are in the lane too; and always the same.
fn note_piece(
    peer: &PeerId,
    epoch: u32,
    (lane, seq): (Lane, u64),
    header: PieceHeader,
    bytes: &Bytes,
    model: &mut Model,
    remotes: &[Remote],
) {
    let mixed =
        lane == Lane::Bulk && remotes.iter().any(|remote| remote.id == *peer && remote.mixed);
    let outgoing = model.outgoing(peer, epoch, lane);
    outgoing.sent.note(seq, header.offset, header.total, bytes);
    if !mixed && !outgoing.uncertain {
        let index = usize::try_from(seq).unwrap();
        let accepted = outgoing.accepted.get(index).map(|parts| flatten(parts));
        let accepted = accepted.unwrap_or_else(|| panic!("{lane:?} {seq} was never emitted"));
        let offset = usize::try_from(header.offset).unwrap();
        assert_eq!(accepted.len() as u64, header.total, "{lane:?} {seq} has another length");
        assert_eq!(accepted[offset..offset + bytes.len()], bytes[..], "{lane:?} {seq} differs");
    }
}
