//! A channel that the application holds, as the task of its connection sees it.

use std::sync::Arc;

use webrtc::data_channel::{DataChannel, RTCDataChannelMessage};
use webrtc::peer_connection::RTCStatsReport;

use super::channel::{Progress, WebRtcChannel};
use super::runtime::Nudge;

/// What the task keeps of a channel that the application holds. The task does not keep the channel itself: the crate
/// stalls the whole connection for an unread channel until its last clone is dropped.
pub(super) struct HandedOut {
    label: String,
    pub(super) progress: Arc<Progress>,
}

impl HandedOut {
    /// Creates the application's end of an open channel; its stream begins with the message `first`.
    pub(super) async fn new(
        channel: Arc<dyn DataChannel>,
        nudge: &Nudge,
        max_message: usize,
        first: Option<RTCDataChannelMessage>,
    ) -> (Self, WebRtcChannel) {
        let label = channel.label().await.unwrap_or_default();
        let progress = Arc::new(Progress::default());
        let frames =
            WebRtcChannel::new(channel, Arc::clone(&progress), nudge.clone(), max_message, first);
        (Self { label, progress }, frames)
    }

    /// Bytes received that the application has not read.
    pub(super) fn unread(&self, report: &RTCStatsReport) -> u64 {
        let read = self.progress.bytes_read();
        let channels = report.data_channels().filter(|channel| channel.label == self.label);
        let received: u64 = channels.map(|channel| channel.bytes_received).sum();
        received.saturating_sub(read)
    }
}
