//! A connection whose data channel is open.

use std::convert::Infallible;
use std::sync::Arc;
use std::time::{Duration, Instant};

use socketio_p2p_core::driver::{DirectEvent, TransportError};
use socketio_p2p_core::wire::Signal;
use tokio::sync::mpsc;
use tokio::time::{sleep, timeout};
use webrtc::data_channel::{DataChannel, RTCDataChannelState};
use webrtc::peer_connection::{RTCStatsReport, StatsSelector};

use super::callbacks::Happened;
use super::failure::stopped;
use super::handed_out::HandedOut;
use super::negotiating::{Negotiating, Opening};
use super::runtime::Nudge;
use super::trickle::Trickle;
use crate::config::WebRtcConfig;

/// How long an ended connection waits for the application to read the frames that came before the end.
const SETTLE_TIMEOUT: Duration = Duration::from_secs(1);
const SETTLE_POLL: Duration = Duration::from_millis(5);

/// How often the task checks channels that the application may not be reading.
const CHECK: Duration = Duration::from_millis(500);

pub(super) struct Open {
    trickle: Trickle,
    config: Arc<WebRtcConfig>,
    happened: mpsc::Receiver<Happened>,
    signals: mpsc::Receiver<Signal>,
    channel: Arc<dyn DataChannel>,
    data: HandedOut,
    datagrams: Option<HandedOut>,
}

impl Open {
    /// Hands the channels to the application.
    pub(super) async fn begin(negotiated: Negotiating, opening: Opening, nudge: &Nudge) -> Self {
        let Negotiating { trickle, config, happened, signals, mut datagrams, max_message, .. } =
            negotiated;
        let Opening { channel, first } = opening;
        let connection = trickle.id;
        let (data, frames) = HandedOut::new(Arc::clone(&channel), nudge, max_message, first).await;
        trickle.emit(DirectEvent::Open { connection, channel: frames, max_message }).await;
        // The remote's end is open too: it has the association on which the data channel was opened.
        let datagrams = match datagrams.take() {
            None => None,
            Some(channel) => {
                let (handed_out, frames) = HandedOut::new(channel, nudge, max_message, None).await;
                let channel = frames.for_datagrams();
                trickle.emit(DirectEvent::Datagrams { connection, channel }).await;
                Some(handed_out)
            }
        };
        #[cfg(feature = "tracing")]
        crate::trace::opened(connection, datagrams.is_some());
        Self { trickle, config, happened, signals, channel, data, datagrams }
    }

    /// Returns when the connection has ended and the application has read the frames that came before.
    pub(super) async fn run(&mut self) -> TransportError {
        let Err(error) = self.watch().await;
        self.settle().await;
        error
    }

    /// Returns when the connection has ended.
    async fn watch(&mut self) -> Result<Infallible, TransportError> {
        let mut check = tokio::time::interval(CHECK);
        check.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Delay);
        loop {
            tokio::select! {
                () = self.data.progress.ended() => return Err(closed()),
                happened = self.happened.recv() => self.handle(happened).await?,
                Some(signal) = self.signals.recv() => {
                    if let Signal::Candidate(candidate) = signal {
                        self.trickle.take_candidate(candidate).await?;
                    }
                }
                _ = check.tick() => self.check().await?,
            }
        }
    }

    async fn handle(&mut self, happened: Option<Happened>) -> Result<(), TransportError> {
        match happened {
            Some(Happened::Candidate(candidate)) => self.trickle.emit_candidate(candidate).await,
            // A connection has one data channel only.
            Some(Happened::Gathered | Happened::Reached(_) | Happened::Channel(_)) => Ok(()),
            Some(Happened::Failed(error)) => Err(TransportError(error.to_owned())),
            None => Err(stopped()),
        }
    }

    /// Checks for an end that is queued behind unread frames, and for too many unread bytes.
    async fn check(&self) -> Result<(), TransportError> {
        if !matches!(self.channel.ready_state().await, Ok(RTCDataChannelState::Open)) {
            return Err(closed());
        }
        let report = self.report().await;
        // Messages of a datagram channel that the application has dropped are discarded.
        let datagrams = self.datagrams.iter().filter(|channel| !channel.progress.is_finished());
        let unread: u64 =
            datagrams.chain([&self.data]).map(|channel| channel.unread(&report)).sum();
        let limit = self.config.max_unread;
        if unread > limit {
            let error = format!("expected at most {limit} unread bytes, got {unread}");
            return Err(TransportError(error));
        }
        Ok(())
    }

    /// Waits until the application has read the frames that came before the end. Unread datagrams delay nothing.
    async fn settle(&self) {
        let data = &self.data;
        let settled = async {
            while !(data.progress.is_finished()
                || data.progress.is_caught_up() && data.unread(&self.report().await) == 0)
            {
                sleep(SETTLE_POLL).await;
            }
        };
        // Unread frames stay in the application's channel.
        let _ = timeout(SETTLE_TIMEOUT, settled).await;
    }

    async fn report(&self) -> RTCStatsReport {
        self.trickle.peer.get_stats(Instant::now(), StatsSelector::None).await
    }
}

fn closed() -> TransportError {
    TransportError("the data channel was closed".to_owned())
}
