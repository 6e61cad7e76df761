//! Offers to sessions whose channel with the offerer works, for the simulator's judges.

use socketio_p2p_core::wire::ServerMessage;
use socketio_p2p_core::{ConnectionId, Packet, Time};

use super::{Mesh, Node};
use crate::broker::End;

/// What happens to an offer, and to a channel with its sender on which a pong has come.
#[derive(Clone, Debug)]
pub(crate) enum LateOffer {
    /// It has come to a session. `connection`: the channel, if there is one.
    Came { node: Node, offerer: Node, connection: Option<ConnectionId>, offer_id: String },
    /// It is answered, and the channel closed for it, which was open at its other end.
    Answered { node: Node, offerer: Node, pong_at: Time },
}

/// A channel that a session closed: its node, the other node, when the last pong came on it, and when it was closed.
pub(super) type Closed = (usize, usize, Time, Time);

/// How an offer begins.
const OFFER: &str = "2[\"offer\"";

impl Mesh {
    /// What has happened to offers to sessions since the last call.
    pub(crate) fn take_late_offers(&mut self) -> Vec<LateOffer> {
        std::mem::take(&mut self.record.late_offers)
    }

    /// When the last pong came on a connection, if it is there.
    pub(crate) fn last_pong(&self, node: Node, connection: ConnectionId) -> Option<Time> {
        let connection = self.nodes[node.0].connection(connection)?;
        connection.pong.map(|(_, at)| at)
    }

    /// A session receives a packet of the hub.
    pub(super) fn look_for_offer(&mut self, node: usize, packet: &Packet) {
        if !self.record.is_watching() || !packet.head().starts_with(OFFER) {
            return;
        }
        let Ok(ServerMessage::Offer { from, offer_id, .. }) =
            ServerMessage::from_packet(packet.clone())
        else {
            return;
        };
        let Some(offerer) = self.nodes.with_id(&from) else { return };
        let session = self.session(Node(node));
        // The offerer may have another channel, under a former id.
        let used = session.connection_of(&from);
        let mut connections = self.nodes[node].connections.iter();
        let works = connections
            .find(|one| Some(one.id) == used && one.pong.is_some_and(|(of, _)| of == offerer.0));
        let connection = works.map(|one| one.id);
        let came = LateOffer::Came { node: Node(node), offerer, connection, offer_id };
        self.record.late_offers.push(came);
    }

    /// A session closes a channel that is open at its other end.
    pub(super) fn note_closed(&mut self, end: End, other: End, pong: Option<(usize, Time)>) {
        if let Some((_, at)) = pong.filter(|(of, _)| *of == other.0) {
            self.record.closed = Some((end.0, other.0, at, self.now));
        }
    }

    /// A session answers an offer: what it has closed just now was closed for that. The offer of an attempt that is over
    /// names nobody any more.
    pub(super) fn note_answer(&mut self, node: usize) {
        if let Some((closer, offerer, pong_at, at)) = self.record.closed.take()
            && (closer, at) == (node, self.now)
        {
            let (node, offerer) = (Node(node), Node(offerer));
            self.record.late_offers.push(LateOffer::Answered { node, offerer, pong_at });
        }
    }
}
