//! The packet codec through its public interface.

mod allocations;
mod decoder;
mod differential;
mod encoding;
mod objects;
mod packets;
mod reference;
mod refusals;
mod round_trip;
mod typed;
mod values;

use bytes::Bytes;
use socketio_p2p_core::codec::{DecodeError, Decoder, Limits};
use socketio_p2p_core::{Frame, Packet};

/// Decodes and validates a stream of frames up to the first error.
fn decode_all(
    frames: impl IntoIterator<Item = Frame>,
    limits: &Limits,
) -> Result<Vec<Packet>, DecodeError> {
    let mut decoder = Decoder::new(limits.clone());
    let mut packets = Vec::new();
    for frame in frames {
        if let Some(packet) = decoder.push(frame)? {
            packet.validate(limits)?;
            packets.push(packet);
        }
    }
    Ok(packets)
}

/// Decodes the packet of a head and these attachments.
fn packet(head: &str, attachments: &[&'static [u8]]) -> Packet {
    let attachments = attachments.iter().map(|bytes| Bytes::from_static(bytes)).collect();
    Packet::from_head_and_attachments(head.into(), attachments, &Limits::default())
        .unwrap_or_else(|error| panic!("{head}: {error}"))
}
