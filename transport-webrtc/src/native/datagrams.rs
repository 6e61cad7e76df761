//! Whether a connection has a datagram channel beside its data channel: when both descriptions say so.

use std::sync::Arc;

use socketio_p2p_core::driver::TransportError;
use webrtc::data_channel::{DataChannel, RTCDataChannelInit};
use webrtc::peer_connection::PeerConnection;

use super::failure::failure;
use crate::sdp::{DATAGRAMS_LABEL, DATAGRAMS_STREAM};

/// The datagram channel until it is handed out.
pub(super) enum Datagrams {
    Unwanted,
    /// If the remote wants it too.
    Wanted,
    Agreed(Arc<dyn DataChannel>),
}

impl Datagrams {
    pub(super) fn new(wanted: bool) -> Self {
        if wanted { Self::Wanted } else { Self::Unwanted }
    }

    /// Takes note of what the remote's description says. The channel is made before the association is, so that
    /// nothing can come before it.
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

    /// The channel, once.
    pub(super) fn take(&mut self) -> Option<Arc<dyn DataChannel>> {
        match std::mem::replace(self, Self::Unwanted) {
            Self::Agreed(channel) => Some(channel),
            Self::Unwanted | Self::Wanted => None,
        }
    }
}
