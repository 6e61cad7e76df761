//! The callbacks of the `webrtc` crate, passed on to the task of the connection.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};

use async_trait::async_trait;
use socketio_p2p_core::DirectStage;
use tokio::sync::mpsc;
use webrtc::data_channel::DataChannel;
use webrtc::peer_connection::{
    PeerConnectionEventHandler, RTCIceCandidate, RTCIceConnectionState, RTCIceGatheringState,
    RTCPeerConnectionIceEvent, RTCPeerConnectionState,
};

use super::runtime::Haste;
use crate::role::Role;
use crate::sdp::DATAGRAMS_LABEL;

/// Additional data channels that are closed one by one; the next one ends the connection.
const MAX_EXTRA_CHANNELS: usize = 8;

/// A callback of the crate.
pub(super) enum Happened {
    Candidate(RTCIceCandidate),
    Gathered,
    Reached(DirectStage),
    Channel(Arc<dyn DataChannel>),
    Failed(&'static str),
}

/// Passes callbacks on to the task.
pub(super) struct Handler {
    pub(super) callbacks: mpsc::Sender<Happened>,
    /// Number of data channels that the remote has opened.
    pub(super) channels: AtomicUsize,
    /// Whether one of them became the connection's data channel.
    pub(super) taken: AtomicBool,
    pub(super) role: Expects,
    pub(super) haste: Haste,
}

#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum Expects {
    Channel,
    NoChannel,
}

impl From<&Role> for Expects {
    fn from(role: &Role) -> Self {
        match role {
            Role::Offerer => Self::NoChannel,
            Role::Answerer(_) => Self::Channel,
        }
    }
}

impl Handler {
    /// Whether `channel` becomes the connection's data channel: the first one whose label is not that of datagrams.
    async fn takes(&self, channel: &dyn DataChannel) -> bool {
        self.role == Expects::Channel
            && channel.label().await.is_ok_and(|label| label != DATAGRAMS_LABEL)
            && !self.taken.swap(true, Ordering::Relaxed)
    }

    /// Passes a callback on. The send fails when the connection is closing, and is then ignored.
    async fn tell(&self, happened: Happened) {
        let _ = self.callbacks.send(happened).await;
    }
}

#[async_trait]
impl PeerConnectionEventHandler for Handler {
    async fn on_ice_candidate(&self, event: RTCPeerConnectionIceEvent) {
        self.tell(Happened::Candidate(event.candidate)).await;
    }

    async fn on_ice_gathering_state_change(&self, state: RTCIceGatheringState) {
        if state == RTCIceGatheringState::Complete {
            self.tell(Happened::Gathered).await;
        }
    }

    async fn on_ice_connection_state_change(&self, state: RTCIceConnectionState) {
        if state == RTCIceConnectionState::Checking {
            self.tell(Happened::Reached(DirectStage::Checking)).await;
        } else if state == RTCIceConnectionState::Connected {
            self.haste.begin();
            self.tell(Happened::Reached(DirectStage::Dtls)).await;
        }
    }

    async fn on_connection_state_change(&self, state: RTCPeerConnectionState) {
        // `Disconnected` ends nothing: the path may recover, and the session has its own keep-alive.
        let end = if state == RTCPeerConnectionState::Failed {
            "ICE failed: no candidate pair works"
        } else if state == RTCPeerConnectionState::Closed {
            "the remote closed the connection"
        } else {
            if state == RTCPeerConnectionState::Connected {
                self.tell(Happened::Reached(DirectStage::Channel)).await;
            }
            return;
        };
        self.tell(Happened::Failed(end)).await;
    }

    async fn on_data_channel(&self, channel: Arc<dyn DataChannel>) {
        let before = self.channels.fetch_add(1, Ordering::Relaxed);
        if self.takes(&*channel).await {
            self.tell(Happened::Channel(channel)).await;
        } else if before > MAX_EXTRA_CHANNELS {
            self.tell(Happened::Failed("the remote opened too many data channels")).await;
        } else {
            // A later version may open more channels: the close signals that this version does not use them.
            let _ = channel.close().await;
        }
    }
}
