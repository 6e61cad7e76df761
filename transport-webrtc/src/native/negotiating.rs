//! A connection from its command until its data channel is open.

use std::sync::Arc;

use socketio_p2p_core::DirectStage;
use socketio_p2p_core::driver::TransportError;
use socketio_p2p_core::wire::Signal;
use tokio::sync::mpsc;
use tokio::time::{Instant, sleep_until};
use webrtc::data_channel::{DataChannel, DataChannelEvent, RTCDataChannelMessage};
use webrtc::peer_connection::RTCSessionDescription;

use super::callbacks::Happened;
use super::datagrams::Datagrams;
use super::failure::{failure, reason, stopped};
use super::trickle::Trickle;
use crate::config::WebRtcConfig;
use crate::role::Role;
use crate::sdp::{RemoteDescription, add_datagrams, with_limit};

pub(super) struct Negotiating {
    pub(super) trickle: Trickle,
    pub(super) config: Arc<WebRtcConfig>,
    pub(super) happened: mpsc::Receiver<Happened>,
    pub(super) signals: mpsc::Receiver<Signal>,
    /// The data channel, once it exists.
    pub(super) channel: Option<Arc<dyn DataChannel>>,
    pub(super) datagrams: Datagrams,
    /// The longest message that the remote takes, once its description has come.
    pub(super) max_message: usize,
}

/// An open data channel.
pub(super) struct Opening {
    pub(super) channel: Arc<dyn DataChannel>,
    /// A message that came together with the opening.
    pub(super) first: Option<RTCDataChannelMessage>,
}

impl Negotiating {
    /// Returns when the data channel is open, or the attempt has failed and its last report is out.
    pub(super) async fn run(&mut self, role: Role) -> Result<Opening, TransportError> {
        let opening = self.negotiate(role).await;
        let stage = if opening.is_ok() { DirectStage::Channel } else { DirectStage::Gathering };
        self.trickle.report(stage).await;
        opening
    }

    async fn negotiate(&mut self, role: Role) -> Result<Opening, TransportError> {
        let deadline = Instant::now() + self.config.open_timeout;
        match role {
            Role::Offerer => self.offer().await?,
            Role::Answerer(offer) => self.answer(offer).await?,
        }
        tokio::select! {
            opening = self.open() => opening,
            () = sleep_until(deadline) => Err(TransportError(format!(
                "no data channel was open after {} s", self.config.open_timeout.as_secs_f32()
            ))),
        }
    }

    async fn offer(&mut self) -> Result<(), TransportError> {
        let label = random_label()?;
        let peer = Arc::clone(&self.trickle.peer);
        let channel = peer
            .create_data_channel(&label, None)
            .await
            .map_err(|error| failure("cannot create a data channel", &error))?;
        self.channel = Some(channel);
        let offer = peer
            .create_offer(None)
            .await
            .map_err(|error| failure("cannot create an offer", &error))?;
        let mut offer = self.describe(offer).await?;
        if matches!(self.datagrams, Datagrams::Wanted) {
            add_datagrams(&mut offer);
        }
        self.trickle.emit_signal(Signal::Offer(offer)).await;
        self.trickle.report(DirectStage::Signaling).await;
        Ok(())
    }

    async fn answer(&mut self, offer: String) -> Result<(), TransportError> {
        self.take_remote("offer", &offer).await?;
        let answer = self
            .trickle
            .peer
            .create_answer(None)
            .await
            .map_err(|error| failure("cannot answer the remote offer", &error))?;
        let mut answer = self.describe(answer).await?;
        if matches!(self.datagrams, Datagrams::Agreed(_)) {
            add_datagrams(&mut answer);
        }
        self.trickle.emit_signal(Signal::Answer(answer)).await;
        self.trickle.report(DirectStage::Checking).await;
        Ok(())
    }

    /// Applies a local description and returns it with the candidates found within
    /// [`gather_timeout`](WebRtcConfig::gather_timeout): an original client ignores trickled ones.
    async fn describe(&mut self, local: RTCSessionDescription) -> Result<String, TransportError> {
        let peer = Arc::clone(&self.trickle.peer);
        peer.set_local_description(local)
            .await
            .map_err(|error| failure("cannot apply the local description", &error))?;
        let deadline = Instant::now() + self.config.gather_timeout;
        loop {
            tokio::select! {
                () = sleep_until(deadline) => break,
                happened = self.happened.recv() => match happened {
                    Some(Happened::Gathered) => break,
                    Some(Happened::Candidate(_)) => {}
                    Some(Happened::Reached(stage)) => self.trickle.report(stage).await,
                    Some(Happened::Channel(channel)) => self.channel = Some(channel),
                    Some(Happened::Failed(error)) => return Err(TransportError(error.to_owned())),
                    None => return Err(stopped()),
                },
            }
        }
        let local = peer.local_description().await.ok_or_else(stopped)?;
        self.trickle.mid =
            local.sdp.lines().find_map(|line| line.strip_prefix("a=mid:")).map(str::to_owned);
        Ok(local.sdp)
    }

    async fn take_remote(&mut self, kind: &str, sdp: &str) -> Result<(), TransportError> {
        let unusable =
            |why: String| TransportError(format!("the remote {kind} cannot be used: {why}"));
        let remote = RemoteDescription::read(sdp).map_err(|error| unusable(error.to_string()))?;
        let ours = self.config.max_message;
        let limit = remote.max_message.map_or(ours, |limit| limit.min(ours));
        self.max_message = usize::try_from(limit).unwrap_or(usize::MAX);
        let peer = Arc::clone(&self.trickle.peer);
        self.datagrams.agree(remote.datagrams, &*peer).await?;
        // The crate would apply the remote's limit also to messages that the remote *sends*, and drop longer ones. The
        // sink checks it.
        let unlimited = with_limit(&remote.sdp, 0);
        let description = match kind {
            "offer" => RTCSessionDescription::offer(unlimited),
            _ => RTCSessionDescription::answer(unlimited),
        }
        .map_err(|error| unusable(reason(&error)))?;
        peer.set_remote_description(description).await.map_err(|error| unusable(reason(&error)))?;
        self.trickle.begin(remote.candidates).await
    }

    async fn open(&mut self) -> Result<Opening, TransportError> {
        loop {
            let channel = self.channel.clone();
            let opening = async {
                match channel {
                    Some(channel) => (channel.poll().await, channel),
                    None => std::future::pending().await,
                }
            };
            tokio::select! {
                // The stages before the opening are reported before it.
                biased;
                happened = self.happened.recv() => self.handle(happened).await?,
                (event, channel) = opening => match event {
                    Some(DataChannelEvent::OnOpen) => return Ok(Opening { channel, first: None }),
                    Some(DataChannelEvent::OnMessage(message)) => {
                        return Ok(Opening { channel, first: Some(message) });
                    }
                    Some(DataChannelEvent::OnClose | DataChannelEvent::OnError) => {
                        return Err(TransportError("the data channel closed before it opened".to_owned()));
                    }
                    Some(_) => {}
                    None => return Err(stopped()),
                },
                Some(signal) = self.signals.recv() => self.take_signal(signal).await?,
            }
        }
    }

    async fn handle(&mut self, happened: Option<Happened>) -> Result<(), TransportError> {
        match happened {
            Some(Happened::Candidate(candidate)) => self.trickle.emit_candidate(candidate).await,
            Some(Happened::Gathered) => Ok(()),
            Some(Happened::Reached(stage)) => {
                self.trickle.report(stage).await;
                Ok(())
            }
            Some(Happened::Channel(channel)) => {
                self.channel = Some(channel);
                Ok(())
            }
            Some(Happened::Failed(error)) => Err(TransportError(error.to_owned())),
            None => Err(stopped()),
        }
    }

    async fn take_signal(&mut self, signal: Signal) -> Result<(), TransportError> {
        match signal {
            Signal::Answer(sdp) if !self.trickle.remote.have_description() => {
                self.take_remote("answer", &sdp).await?;
                self.trickle.report(DirectStage::Checking).await;
                Ok(())
            }
            Signal::Candidate(candidate) => self.trickle.take_candidate(candidate).await,
            // The session handles second descriptions and declined offers.
            Signal::Offer(_) | Signal::Answer(_) | Signal::Decline(_) => Ok(()),
            // Signals of later core versions are ignored.
            _ => Ok(()),
        }
    }
}

/// Returns 40 random hex digits, the label format of the original client.
fn random_label() -> Result<String, TransportError> {
    let mut bytes = [0; 20];
    getrandom::fill(&mut bytes).map_err(|error| {
        TransportError(format!("the system's source of randomness failed: {error}"))
    })?;
    Ok(bytes.iter().map(|byte| format!("{byte:02x}")).collect())
}
