//! Reads what the session sends, and compares it with the model.

use std::collections::BTreeMap;

use bytes::Bytes;
use socketio_p2p_core::codec::{Decoder, Limits};
use socketio_p2p_core::wire::{
    Bundle, ClientMessage, HubLimits, Item, Lane, MAX_NEIGHBOURS, Passage, Passed, PeerLimits,
    Record, Stream, Upload,
};
use socketio_p2p_core::{Dialect, Frame, Packet, PacketType, Path, PeerId, Policy};

use super::hear::path_index;
use super::model::Model;
use super::remote::{Remote, RemoteChannel};
use super::server::key;
use super::{DIRECT_WINDOW, RECORD_BYTES, RELAY_WINDOW};

/// With a smaller limit on envelopes or messages, some messages of a session exceed the limit.
const SENSIBLE_ENVELOPE: u32 = 2_048;
const SENSIBLE_MESSAGE: usize = 4_096;

/// Maximum length of a packet, and so of a record.
const MAX_PACKET: usize = 4_200;

/// The server's end of the signalling channel, and the peers' ends of all others.
#[derive(Debug)]
pub(super) struct Wires {
    decoder: Decoder,
    /// A packet has come since the channel opened.
    greeted: bool,
    pub(super) limits: HubLimits,
    /// Offers not yet used by the fuzzer: the receiver and the offer id.
    pub(super) offers: Vec<(PeerId, String)>,
    /// Bundles that peers asked the session to pass on: from, to, and content.
    pub(super) passed_on: Vec<(PeerId, PeerId, Passed)>,
    /// The last number of a sealed bundle, per peer and epoch.
    sealed: BTreeMap<(PeerId, u32), u64>,
}

/// What the check of a bundle depends on.
#[derive(Clone, Copy)]
pub(super) struct Circumstances<'a> {
    pub(super) policy: Policy,
    pub(super) limits: &'a Limits,
    pub(super) remotes: &'a [Remote],
}

fn decoder() -> Decoder {
    Decoder::new(Limits::unbounded())
}

impl Wires {
    pub(super) fn new() -> Self {
        Self {
            decoder: decoder(),
            greeted: false,
            limits: HubLimits::new(0, 0),
            offers: Vec::new(),
            passed_on: Vec::new(),
            sealed: BTreeMap::new(),
        }
    }

    pub(super) fn reset_signaling(&mut self) {
        self.decoder = decoder();
        self.greeted = false;
    }

    // ----- at the server -----

    /// Takes a frame; returns whether it ends a message.
    pub(super) fn hear_signaling(
        &mut self,
        frame: Frame,
        model: &mut Model,
        around: Circumstances<'_>,
    ) -> bool {
        let packet = self.decoder.push(frame).expect("a message of the session is well-formed");
        let Some(packet) = packet else { return false };
        let first = !std::mem::replace(&mut self.greeted, true);
        assert_eq!(packet.packet_type() == PacketType::Connect, first, "{:?}", packet.head());
        match packet.packet_type() {
            PacketType::Connect | PacketType::Disconnect => {}
            PacketType::Ack => model.desk.take(&packet),
            PacketType::Event | PacketType::BinaryEvent => {
                assert!(model.answered, "the server has not answered CONNECT");
                self.hear_message(packet, model, around);
            }
            other => panic!("expected a packet for the server, got {other}"),
        }
        true
    }

    fn hear_message(&mut self, packet: Packet, model: &mut Model, around: Circumstances<'_>) {
        match ClientMessage::from_packet(packet).expect("a message of the dialect") {
            ClientMessage::Offers(offers) => {
                for offer in offers {
                    let to = offer.to_peer_id.expect("offers are addressed");
                    self.offers.push((to, offer.offer_id));
                }
            }
            ClientMessage::Signal(_) => {}
            ClientMessage::Relay(upload) => self.hear_upload(&upload, model, around),
            ClientMessage::Metadata(metadata) => model.desk.take_metadata(metadata.as_ref()),
            ClientMessage::Event(packet) => model.desk.take(&packet),
            other => panic!("expected a message for the server, got {other:?}"),
        }
    }

    fn hear_upload(&mut self, upload: &Upload, model: &mut Model, around: Circumstances<'_>) {
        let Upload { to, piece, body } = upload;
        let mut names: Vec<_> = to.iter().map(|recipient| &recipient.id).collect();
        names.sort();
        assert!(!names.is_empty() && names.windows(2).all(|pair| pair[0] != pair[1]), "{names:?}");
        let max = self.limits.max_envelope;
        assert!(max < SENSIBLE_ENVELOPE || body.len() <= max as usize, "{} bytes", body.len());
        let Some(piece) = piece else {
            assert!(to.len() == 1 && to[0].numbers.is_none(), "a bundle for {to:?}");
            return self.hear_bundle(&to[0].id, &Path::Relay, body, model, around);
        };
        for recipient in to {
            let link = &model.links[&recipient.id];
            let Some(numbers) = recipient.numbers else {
                assert!(link.dialect == Dialect::V0 && piece.at == 0 && piece.end);
                model.outgoing(&recipient.id).note_original(body);
                continue;
            };
            assert_eq!(numbers.epochs, link.standing.epochs, "{}", recipient.id);
            let (stream, number) = (Stream::Lane(numbers.lane), numbers.seq);
            let (offset, end, bytes) = (piece.at, piece.end, body.clone());
            let record = Record { stream, number, offset, end, abort: false, bytes };
            hear_record(&recipient.id, &Path::Relay, &record, model, around.policy);
        }
    }

    // ----- at a peer's end of a channel -----

    pub(super) fn hear_channel(
        &mut self,
        frame: Frame,
        channel: &RemoteChannel,
        model: &mut Model,
        around: Circumstances<'_>,
    ) {
        assert!(channel.open, "the channel with {} is not open", channel.peer);
        let fits = channel.max_message < SENSIBLE_MESSAGE || frame.len() <= channel.max_message;
        assert!(fits, "{} bytes for {}", frame.len(), channel.peer);
        match frame {
            Frame::Binary(bytes) if channel.dialect == Dialect::V1 => {
                self.hear_bundle(&channel.peer, &Path::Direct, &bytes, model, around);
            }
            _ => assert_eq!(channel.dialect, Dialect::V0, "text for {}", channel.peer),
        }
    }

    pub(super) fn hear_datagram(
        &mut self,
        frame: Frame,
        channel: &RemoteChannel,
        model: &mut Model,
        around: Circumstances<'_>,
    ) {
        let max = channel.max_datagram.expect("the datagram channel is open");
        let Frame::Binary(bytes) = frame else { panic!("text on a datagram channel") };
        assert!(bytes.len() <= max, "{} bytes in a datagram", bytes.len());
        let volatile = |item| matches!(item, Ok(Item::Record(record)) if record.stream == Stream::Lane(Lane::Volatile));
        assert!(Bundle::read(bytes.clone()).unwrap().all(volatile), "not only volatile events");
        self.hear_bundle(&channel.peer, &Path::Direct, &bytes, model, around);
    }

    // ----- bundles -----

    fn hear_bundle(
        &mut self,
        peer: &PeerId,
        path: &Path,
        bytes: &Bytes,
        model: &mut Model,
        around: Circumstances<'_>,
    ) {
        let bundle = Bundle::read(bytes.clone()).expect("a message of the session is well-formed");
        let said = bundle.epochs;
        let items: Result<Vec<Item>, _> = bundle.collect();
        let items = items.expect("a message of the session is well-formed");
        assert!(
            Bundle::write(said, &items) == *bytes,
            "expected the same bytes from writing the bundle again"
        );
        // A bye that waits behind another message may belong to an earlier incarnation.
        let link =
            model.links.get(peer).filter(|link| !model.closing || link.standing.epochs == said);
        let Some(standing) = link.map(|link| link.standing) else {
            return assert!(model.closing, "a bundle for {peer}, which has no link");
        };
        let about_epochs = items.iter().all(|item| matches!(item, Item::GivenUp(_)));
        let told =
            said.peer_epoch == 0 || link.is_some_and(|link| link.astray.contains(&said.peer_epoch));
        let answer = about_epochs && told && said.epoch == standing.epochs.epoch;
        assert!(said == standing.epochs || answer, "{said:?}: {standing:?}");
        let remote = around.remotes.iter().find(|remote| remote.id == *peer).unwrap();
        let has_state = items.iter().any(|item| matches!(item, Item::State(_)));
        for item in items {
            match item {
                Item::Record(record) => hear_record(peer, path, &record, model, around.policy),
                Item::Ping(number) => {
                    let outgoing = model.outgoing(peer);
                    // A ping through a neighbour may have waited for its channel.
                    let waited = matches!(path, Path::Via(_));
                    assert!(waited || outgoing.pinged < number, "ping {number} is sent twice");
                    outgoing.pinged = outgoing.pinged.max(number);
                }
                Item::Pong(number) => {
                    assert!(has_state, "a bundle with a pong contains a state");
                    model.heard.check_pong(peer, path_index(path), number);
                }
                Item::State(state) => {
                    let outgoing = model.outgoing(peer);
                    outgoing.check_settled(state.settled);
                    assert_eq!(state.opened, outgoing.transfers.len() as u64);
                    model.heard.check_state(remote, standing.epochs.peer_epoch, &state);
                }
                Item::Limits(limits) => assert_eq!(limits, PeerLimits::from(around.limits)),
                Item::GivenUp(epoch) => assert!(epoch <= standing.over),
                Item::Wait => assert!(!model.receiving, "a wait of a session that receives"),
                Item::Bye => assert!(model.closing, "a bye of a session that is not closing"),
                Item::Neighbours(neighbours) => {
                    assert!(neighbours.peers.len() <= MAX_NEIGHBOURS && *path == Path::Direct);
                    assert!(!neighbours.peers.contains(peer), "{peer} is its own neighbour");
                }
                Item::NoWay(_) => assert_eq!(*path, Path::Direct),
                Item::Proof(asker, nonce) => {
                    assert_eq!(*path, Path::Direct);
                    model.desk.check_proof(peer, &asker, nonce);
                }
                Item::Pass(to, passed) => {
                    assert_eq!(*path, Path::Direct);
                    self.hear_pass(peer, &to, &passed, model, around);
                }
                Item::Passed(from, passed) => {
                    let known = (from, peer.clone(), passed);
                    let at = self.passed_on.iter().position(|one| *one == known);
                    self.passed_on
                        .remove(at.expect("a bundle that is passed on came from its sender, once"));
                }
            }
        }
    }

    /// Checks a bundle that a neighbour is asked to pass on.
    fn hear_pass(
        &mut self,
        neighbour: &PeerId,
        to: &PeerId,
        passed: &Passed,
        model: &mut Model,
        around: Circumstances<'_>,
    ) {
        let own_id = model.id.clone().expect("a session without an id sends no bundles");
        let passage = Passage { neighbour, from: &own_id, to };
        assert!(passage.is_genuine(&key(to), passed), "a bundle with a wrong MAC for {to}");
        let epochs = Bundle::read(passed.bundle.clone()).unwrap().epochs;
        let before = self.sealed.insert((to.clone(), epochs.epoch), passed.number);
        assert!(before < Some(passed.number), "number {} is sealed twice", passed.number);
        self.hear_bundle(to, &Path::Via(neighbour.clone()), &passed.bundle, model, around);
    }
}

/// Checks a record: emitted, on a path that the policy allows, within the limit for a peer that does not answer.
fn hear_record(peer: &PeerId, path: &Path, record: &Record, model: &mut Model, policy: Policy) {
    let allowed = match policy {
        Policy::DirectOnly => *path != Path::Relay,
        Policy::RelayOnly => *path == Path::Relay,
        Policy::Automatic | Policy::Manual | _ => true,
    };
    assert!(allowed, "a record for {peer} on {path:?} under {policy:?}");
    let len = record.bytes.len();
    let direct = *path == Path::Direct;
    assert!(direct || len <= RECORD_BYTES, "a record of {len} bytes for {peer}");
    model.outgoing(peer).note_record(record);
    if record.stream == Stream::Lane(Lane::Volatile) {
        return;
    }
    let unanswered = model.heard.unanswered.entry((peer.clone(), path_index(path))).or_default();
    // A record for several receivers may count twice.
    let most = if direct { DIRECT_WINDOW + MAX_PACKET } else { 2 * RELAY_WINDOW + RECORD_BYTES };
    *unanswered += len;
    assert!(
        *unanswered <= most,
        "expected at most {most} unanswered bytes for {peer} on {path:?}, got {unanswered}"
    );
}
