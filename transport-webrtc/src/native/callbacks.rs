//! What the WebRTC crate reports, on its way to the task of the connection.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};

use async_trait::async_trait;
use tokio::sync::mpsc;
use webrtc::data_channel::DataChannel;
use webrtc::peer_connection::{
    PeerConnectionEventHandler, RTCIceCandidate, RTCIceConnectionState, RTCIceGatheringState,
    RTCPeerConnectionIceEvent, RTCPeerConnectionState,
};

use super::role::Role;
use super::runtime::Haste;
use crate::sdp::DATAGRAMS_LABEL;

/// Data channels beyond the expected one, which are closed politely, before the connection counts as abused.
const MAX_EXTRA_CHANNELS: usize = 8;

/// What the crate tells through callbacks.
pub(super) enum Happened {
    Candidate(RTCIceCandidate),
    Gathered,
    Channel(Arc<dyn DataChannel>),
    Failed(&'static str),
}

/// Passes callbacks on to the task.
pub(super) struct Handler {
    pub(super) callbacks: mpsc::Sender<Happened>,
    /// Data channels that the remote has opened.
    pub(super) channels: AtomicUsize,
    /// Whether one of them has been taken for the data channel.
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
    /// Whether a channel is the one that is expected: the first that is none for datagrams.
    async fn takes(&self, channel: &dyn DataChannel) -> bool {
        self.role == Expects::Channel
            && channel.label().await.is_ok_and(|label| label != DATAGRAMS_LABEL)
            && !self.taken.swap(true, Ordering::Relaxed)
    }

    /// Nobody listens any more once the connection is closing.
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
        if state == RTCIceConnectionState::Connected {
            self.haste.begin();
        }
    }

    async fn on_connection_state_change(&self, state: RTCPeerConnectionState) {
        // Disconnected is not the end: the path may come back, and the session has its own keep-alive.
        let end = if state == RTCPeerConnectionState::Failed {
            "no path to the remote works (ICE failed)"
        } else if state == RTCPeerConnectionState::Closed {
            "the remote closed the connection"
        } else {
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
            // A later version may open more of them: it sees that this one does not want any.
            let _ = channel.close().await;
        }
    }
}
