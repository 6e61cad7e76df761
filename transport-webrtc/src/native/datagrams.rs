//! The negotiation of the datagram channel: a connection has one when both descriptions contain its line.

use std::sync::Arc;

use socketio_p2p_core::driver::TransportError;
use webrtc::data_channel::{DataChannel, RTCDataChannelInit};
use webrtc::peer_connection::PeerConnection;

use super::failure::failure;
use crate::sdp::{DATAGRAMS_LABEL, DATAGRAMS_STREAM};

/// The datagram channel before the application has it.
pub(super) enum Datagrams {
    Unwanted,
    /// This end wants it; the remote's description has not come.
    Wanted,
    Agreed(Arc<dyn DataChannel>),
}

impl Datagrams {
    pub(super) fn new(wanted: bool) -> Self {
        if wanted { Self::Wanted } else { Self::Unwanted }
    }

    /// Applies the remote's description. The channel is created before the association, so that no message can precede
    /// it.
    pub(super) async fn agree(
        &mut self,
        remote_wants: bool,
        peer: &dyn PeerConnection,
    ) -> Result<(), TransportError> {
        if !(remote_wants && matches!(self, Self::Wanted)) {
            return Ok(());
        }
        let settings = RTCDataChannelInit {
            ordered: false,
            max_retransmits: Some(0),
            negotiated: Some(DATAGRAMS_STREAM),
            ..RTCDataChannelInit::default()
        };
        let channel = peer
            .create_data_channel(DATAGRAMS_LABEL, Some(settings))
            .await
            .map_err(|error| failure("cannot create a datagram channel", &error))?;
        *self = Self::Agreed(channel);
        Ok(())
    }

    /// Takes the channel out, once.
    pub(super) fn take(&mut self) -> Option<Arc<dyn DataChannel>> {
        match std::mem::replace(self, Self::Unwanted) {
            Self::Agreed(channel) => Some(channel),
            Self::Unwanted | Self::Wanted => None,
        }
    }
}
