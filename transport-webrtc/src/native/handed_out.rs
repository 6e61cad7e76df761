//! A channel that the application has, as the task of its connection sees it.

use std::sync::Arc;

use webrtc::data_channel::{DataChannel, RTCDataChannelMessage};
use webrtc::peer_connection::RTCStatsReport;

use super::channel::{Progress, WebRtcChannel};
use super::runtime::Nudge;

/// What is left when the channel is handed out. The channel itself is not: the crate holds everything up for one
/// that nobody reads, until the application has dropped the last of it.
pub(super) struct HandedOut {
    label: String,
    pub(super) progress: Arc<Progress>,
}

impl HandedOut {
    /// Makes the application's end of an open channel, which begins with the message `first`.
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

    /// Bytes received and not yet read by the application.
    pub(super) fn unread(&self, report: &RTCStatsReport) -> u64 {
        let read = self.progress.bytes_read();
        let channels = report.data_channels().filter(|channel| channel.label == self.label);
        let received: u64 = channels.map(|channel| channel.bytes_received).sum();
        received.saturating_sub(read)
    }
}
