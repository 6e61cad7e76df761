//! The rules of the hub, on virtual time.

mod application;
mod hostile;
mod joins;
mod model;
mod packets;
mod presence;
mod relay;
mod signals;

use std::time::Duration;

use socketio_p2p_core::hub::{CloseReason, Departure, Hub, HubConfig, JoinError};
use socketio_p2p_core::wire::{
    AddressedOffer, ClientMessage, Epochs, Join, Lane, Member, Numbers, PairKey, PeerLimits,
    PeerSignal, Piece, RawSignal, Recipient, ServerMessage, Welcome,
};
use socketio_p2p_core::{ClientId, Dialect, PeerId, RoomName, Time};
use socketio_p2p_fuzz::hub::world::{World, room_name, v1};

fn raw(json: &str) -> RawSignal {
    RawSignal::from_json(json.to_owned()).unwrap()
}

fn offer(offer_id: &str, to: Option<&PeerId>) -> AddressedOffer {
    AddressedOffer::new(offer_id.to_owned(), raw(r#"{"type":"offer","sdp":"x"}"#), to.cloned())
}

fn answer(offer_id: &str, claimed: Option<&str>, to: &PeerId) -> ClientMessage {
    let mut signal =
        PeerSignal::new(offer_id.to_owned(), raw(r#"{"type":"answer","sdp":"y"}"#), to.clone());
    signal.from_peer_id = claimed.map(|claimed| PeerId::new(claimed.to_owned()).unwrap());
    ClientMessage::Signal(signal)
}

/// Returns a recipient: of a record with its numbers, otherwise of a bundle.
fn recipient(id: &PeerId, seq: Option<u64>) -> Recipient {
    let epochs = Epochs { epoch: 1, peer_epoch: 0 };
    let numbers = seq.map(|seq| Numbers { epochs, lane: Lane::Events, seq });
    Recipient { id: id.clone(), numbers }
}
