//! The task of one connection: from its command to its end.

use std::convert::Infallible;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize};
use std::time::{Duration, Instant};

use socketio_p2p_core::ConnectionId;
use socketio_p2p_core::driver::{DirectEvent, TransportError};
use socketio_p2p_core::signal::{IceCandidate, IceServer, Signal};
use tokio::sync::{mpsc, oneshot};
use tokio::time::{sleep, sleep_until, timeout};
use webrtc::data_channel::{
    DataChannel, DataChannelEvent, RTCDataChannelMessage, RTCDataChannelState,
};
use webrtc::error::Error;
use webrtc::peer_connection::{
    PeerConnection, RTCIceCandidateInit, RTCSessionDescription, RTCStatsReport, StatsSelector,
};

use super::callbacks::{Handler, Happened};
use super::channel::{WebRtcChannel, acknowledged};
use super::config::WebRtcConfig;
use super::crate_settings::build;
use super::datagrams::Datagrams;
use super::opened::Opened;
use super::runtime::{ConnectionRuntime, Cut, Haste, Nudge};
use crate::sdp::{MAX_CANDIDATES, RemoteDescription, add_datagrams};

/// Callbacks that may wait for the task. The crate's task waits too when there are more.
const CALLBACKS: usize = 64;

/// How long the end of a connection waits for the application to take the frames that came before.
const SETTLE_TIMEOUT: Duration = Duration::from_secs(1);
const SETTLE_POLL: Duration = Duration::from_millis(5);

/// How often the task looks at a channel that the application may not be reading.
const CHECK: Duration = Duration::from_millis(500);

/// The two ends of a negotiation.
pub(super) enum Role {
    Offerer,
    /// With the remote's offer.
    Answerer(String),
}

/// One connection, before its task starts.
pub(super) struct Connection {
    pub(super) id: ConnectionId,
    pub(super) role: Role,
    pub(super) ice_servers: Vec<IceServer>,
    pub(super) datagrams: bool,
    pub(super) config: Arc<WebRtcConfig>,
    pub(super) cut: Cut,
    pub(super) signals: mpsc::Receiver<Signal>,
    /// Resolves when the connection shall close.
    pub(super) stop: oneshot::Receiver<Infallible>,
    pub(super) events: mpsc::Sender<DirectEvent<WebRtcChannel>>,
}

impl Connection {
    /// Runs until the connection is over or shall close. Everything that it holds is free afterwards.
    pub(super) async fn run(self) {
        let Self { id, role, ice_servers, datagrams, config, cut, signals, mut stop, events } =
            self;
        // Ends the crate's tasks, however this one ends.
        let haste = Haste::default();
        let nudge = Nudge::default();
        let (runtime, _tasks) =
            ConnectionRuntime::new(config.socket_buffer, cut, haste.clone(), nudge.clone());
        let (callbacks, happened) = mpsc::channel(CALLBACKS);
        let handler = Arc::new(Handler {
            callbacks,
            channels: AtomicUsize::new(0),
            taken: AtomicBool::new(false),
            role: (&role).into(),
            haste: haste.clone(),
        });
        let built = tokio::select! {
            biased;
            _ = &mut stop => return,
            built = build(&config, ice_servers, runtime, handler) => built,
        };
        let error = match built {
            Ok(peer) => {
                let mut work = Work {
                    id,
                    peer: Arc::clone(&peer),
                    config: Arc::clone(&config),
                    haste,
                    nudge,
                    happened,
                    signals,
                    events: events.clone(),
                    early: Vec::new(),
                    candidates: 0,
                    has_remote: false,
                    mid: None,
                    remote_max_message: 0,
                    channel: None,
                    datagrams: Datagrams::new(datagrams),
                };
                let error = tokio::select! {
                    biased;
                    _ = &mut stop => None,
                    Err(error) = work.run(role) => Some(error),
                };
                if let (None, Some(channel)) = (&error, &work.channel) {
                    let _ = timeout(config.linger, acknowledged(&**channel)).await;
                }
                // It fails only when the connection is closed already.
                let _ = peer.close().await;
                error
            }
            Err(error) => Some(error),
        };
        if let Some(error) = error {
            tokio::select! {
                _ = &mut stop => {}
                // It fails only when the transport is gone.
                _ = events.send(DirectEvent::Closed { connection: id, error }) => {}
            }
        }
    }
}

pub(super) fn failure(step: &str, error: &Error) -> TransportError {
    TransportError(format!("{step}: {}", reason(error)))
}

/// What an error of the crate says, when that is a fixed text: others can quote a remote description, which
/// holds a password.
fn reason(error: &Error) -> String {
    let is_fixed = format!("{error:?}").chars().all(|c| c.is_ascii_alphanumeric());
    if is_fixed { error.to_string() } else { "it is malformed".to_owned() }
}

/// The work of a connection's task.
struct Work {
    id: ConnectionId,
    peer: Arc<dyn PeerConnection>,
    config: Arc<WebRtcConfig>,
    haste: Haste,
    nudge: Nudge,
    happened: mpsc::Receiver<Happened>,
    signals: mpsc::Receiver<Signal>,
    events: mpsc::Sender<DirectEvent<WebRtcChannel>>,
    /// Candidates that came before the remote description.
    early: Vec<IceCandidate>,
    /// Remote candidates so far.
    candidates: usize,
    has_remote: bool,
    /// The name of the first section of the local description.
    mid: Option<String>,
    /// The longest message to send.
    remote_max_message: usize,
    channel: Option<Arc<dyn DataChannel>>,
    datagrams: Datagrams,
}

impl Work {
    /// Returns only when the connection is over.
    async fn run(&mut self, role: Role) -> Result<Infallible, TransportError> {
        let deadline = tokio::time::Instant::now() + self.config.open_timeout;
        match role {
            Role::Offerer => self.offer().await?,
            Role::Answerer(offer) => self.answer(offer).await?,
        }
        let first = tokio::select! {
            opened = self.open() => opened?,
            () = sleep_until(deadline) => return Err(TransportError(format!(
                "no data channel was open after {} s", self.config.open_timeout.as_secs_f32()
            ))),
        };
        self.haste.end();
        let Some(channel) = self.channel.clone() else {
            return Err(TransportError("the data channel is gone".to_owned()));
        };
        let (connection, max_message) = (self.id, self.remote_max_message);
        let (data, frames) =
            Opened::hand_out(Arc::clone(&channel), &self.nudge, max_message, first).await;
        self.emit(DirectEvent::Open { connection, channel: frames, max_message }).await;
        // The remote has opened its end too: it has the association on which the data channel was opened.
        let mut datagrams = None;
        if let Some(channel) = self.datagrams.take() {
            let (opened, frames) = Opened::hand_out(channel, &self.nudge, max_message, None).await;
            datagrams = Some(opened);
            let channel = frames.for_datagrams();
            self.emit(DirectEvent::Datagrams { connection, channel }).await;
        }
        let Err(error) = self.watch(&*channel, &data, datagrams.as_ref()).await;
        self.settle(&data).await;
        Err(error)
    }

    async fn emit(&self, event: DirectEvent<WebRtcChannel>) {
        // It fails only when the transport is gone, and then this task is about to stop.
        let _ = self.events.send(event).await;
    }

    async fn emit_signal(&self, signal: Signal) {
        self.emit(DirectEvent::Signal { connection: self.id, signal }).await;
    }

    async fn offer(&mut self) -> Result<(), TransportError> {
        let label = random_label()?;
        let channel = self
            .peer
            .create_data_channel(&label, None)
            .await
            .map_err(|error| failure("cannot create a data channel", &error))?;
        self.channel = Some(channel);
        let offer = self
            .peer
            .create_offer(None)
            .await
            .map_err(|error| failure("cannot create an offer", &error))?;
        let mut offer = self.describe(offer).await?;
        if matches!(self.datagrams, Datagrams::Wanted) {
            add_datagrams(&mut offer);
        }
        self.emit_signal(Signal::Offer(offer)).await;
        Ok(())
    }

    async fn answer(&mut self, offer: String) -> Result<(), TransportError> {
        self.take_remote("offer", &offer).await?;
        let answer = self
            .peer
            .create_answer(None)
            .await
            .map_err(|error| failure("cannot answer the remote offer", &error))?;
        let mut answer = self.describe(answer).await?;
        if matches!(self.datagrams, Datagrams::Agreed(_)) {
            add_datagrams(&mut answer);
        }
        self.emit_signal(Signal::Answer(answer)).await;
        Ok(())
    }

    /// Applies a local description and gives it back with the candidates found in time: an old peer on the
    /// other end never gets the trickled ones.
    async fn describe(&mut self, local: RTCSessionDescription) -> Result<String, TransportError> {
        self.peer
            .set_local_description(local)
            .await
            .map_err(|error| failure("cannot apply the local description", &error))?;
        let deadline = tokio::time::Instant::now() + self.config.gather_timeout;
        loop {
            tokio::select! {
                () = sleep_until(deadline) => break,
                happened = self.happened.recv() => match happened {
                    Some(Happened::Gathered) => break,
                    Some(Happened::Candidate(_)) => {}
                    Some(Happened::Channel(channel)) => self.channel = Some(channel),
                    Some(Happened::Failed(error)) => return Err(TransportError(error.to_owned())),
                    None => return Err(stopped()),
                },
            }
        }
        let local = self.peer.local_description().await.ok_or_else(stopped)?;
        self.mid =
            local.sdp.lines().find_map(|line| line.strip_prefix("a=mid:")).map(str::to_owned);
        Ok(local.sdp)
    }

    async fn take_remote(&mut self, kind: &str, sdp: &str) -> Result<(), TransportError> {
        let unusable =
            |why: String| TransportError(format!("the remote {kind} cannot be used: {why}"));
        let remote = RemoteDescription::read(sdp).map_err(|error| unusable(error.to_string()))?;
        let ours = self.config.max_message;
        let limit = remote.max_message.map_or(ours, |limit| limit.min(ours));
        self.remote_max_message = usize::try_from(limit).unwrap_or(usize::MAX);
        self.candidates += remote.candidates;
        self.datagrams.agree(remote.datagrams, &*self.peer).await?;
        let description = match kind {
            "offer" => RTCSessionDescription::offer(remote.sdp),
            _ => RTCSessionDescription::answer(remote.sdp),
        }
        .map_err(|error| unusable(reason(&error)))?;
        self.peer
            .set_remote_description(description)
            .await
            .map_err(|error| unusable(reason(&error)))?;
        self.has_remote = true;
        for candidate in std::mem::take(&mut self.early) {
            self.add_candidate(candidate).await?;
        }
        Ok(())
    }

    /// Returns when the data channel is open, with a message in case it came with the opening.
    async fn open(&mut self) -> Result<Option<RTCDataChannelMessage>, TransportError> {
        loop {
            let channel = self.channel.clone();
            let opening = async {
                match &channel {
                    Some(channel) => channel.poll().await,
                    None => std::future::pending().await,
                }
            };
            tokio::select! {
                event = opening => match event {
                    Some(DataChannelEvent::OnOpen) => return Ok(None),
                    Some(DataChannelEvent::OnMessage(message)) => return Ok(Some(message)),
                    Some(DataChannelEvent::OnClose | DataChannelEvent::OnError) => {
                        return Err(TransportError("the data channel did not open".to_owned()));
                    }
                    Some(_) => {}
                    None => return Err(stopped()),
                },
                happened = self.happened.recv() => self.handle(happened).await?,
                Some(signal) = self.signals.recv() => self.take_signal(signal).await?,
            }
        }
    }

    /// Returns when the open connection is over.
    async fn watch(
        &mut self,
        channel: &dyn DataChannel,
        data: &Opened,
        datagrams: Option<&Opened>,
    ) -> Result<Infallible, TransportError> {
        let closed = || TransportError("the data channel was closed".to_owned());
        let mut check = tokio::time::interval(CHECK);
        check.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Delay);
        loop {
            tokio::select! {
                () = data.progress.ended() => return Err(closed()),
                happened = self.happened.recv() => self.handle(happened).await?,
                Some(signal) = self.signals.recv() => self.take_signal(signal).await?,
                _ = check.tick() => {
                    // The application sees the end behind the frames: not soon, if it does not read them.
                    if !matches!(channel.ready_state().await, Ok(RTCDataChannelState::Open)) {
                        return Err(closed());
                    }
                    let report = self.report().await;
                    // What comes on a datagram channel that the application has dropped is not kept.
                    let datagrams = datagrams.filter(|opened| !opened.progress.is_finished());
                    let unread: u64 =
                        datagrams.into_iter().chain([data]).map(|opened| opened.unread(&report)).sum();
                    let limit = self.config.max_unread;
                    if unread > limit {
                        let error = format!("{unread} bytes are unread, at most {limit} are held");
                        return Err(TransportError(error));
                    }
                }
            }
        }
    }

    /// Waits until the application has taken the frames that came before the end. Datagrams delay nothing.
    async fn settle(&self, data: &Opened) {
        let settled = async {
            while !(data.progress.is_finished()
                || data.progress.is_caught_up() && data.unread(&self.report().await) == 0)
            {
                sleep(SETTLE_POLL).await;
            }
        };
        // When the application does not read, the frames stay in its channel.
        let _ = timeout(SETTLE_TIMEOUT, settled).await;
    }

    async fn report(&self) -> RTCStatsReport {
        self.peer.get_stats(Instant::now(), StatsSelector::None).await
    }

    async fn handle(&mut self, happened: Option<Happened>) -> Result<(), TransportError> {
        match happened {
            Some(Happened::Candidate(candidate)) => {
                let candidate = candidate
                    .to_json()
                    .map_err(|error| failure("cannot write a local candidate", &error))?;
                // All candidates belong to the first section, with which the others are bundled; the crate
                // does not fill in its name.
                self.emit_signal(Signal::Candidate(IceCandidate {
                    candidate: candidate.candidate,
                    sdp_mid: self.mid.clone(),
                    sdp_mline_index: Some(0),
                    username_fragment: candidate.username_fragment,
                }))
                .await;
                Ok(())
            }
            Some(Happened::Gathered) => Ok(()),
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
            Signal::Answer(sdp) if !self.has_remote => self.take_remote("answer", &sdp).await,
            Signal::Candidate(candidate) => self.add_candidate(candidate).await,
            // A second description and the refusal of an offer are the session's business.
            Signal::Offer(_) | Signal::Answer(_) | Signal::Decline(_) => Ok(()),
            // Signals of a later core are not for this version.
            _ => Ok(()),
        }
    }

    async fn add_candidate(&mut self, candidate: IceCandidate) -> Result<(), TransportError> {
        if !is_udp(&candidate.candidate) {
            return Ok(());
        }
        if !self.has_remote {
            if self.early.len() == MAX_CANDIDATES {
                return Err(too_many_candidates());
            }
            self.early.push(candidate);
            return Ok(());
        }
        self.candidates += 1;
        if self.candidates > MAX_CANDIDATES {
            return Err(too_many_candidates());
        }
        self.peer
            .add_ice_candidate(RTCIceCandidateInit {
                candidate: candidate.candidate,
                sdp_mid: candidate.sdp_mid,
                sdp_mline_index: candidate.sdp_mline_index,
                username_fragment: candidate.username_fragment,
                url: None,
            })
            .await
            .map_err(|error| failure("a remote candidate cannot be used", &error))
    }
}

fn too_many_candidates() -> TransportError {
    TransportError(format!("the remote sent more than {MAX_CANDIDATES} candidates"))
}

fn stopped() -> TransportError {
    TransportError("the connection broke down".to_owned())
}

/// Whether a candidate attribute names UDP, the only transport here. "End of candidates" does not.
fn is_udp(candidate: &str) -> bool {
    let transport = candidate.split_ascii_whitespace().nth(2);
    !candidate.is_empty() && transport.is_none_or(|name| !name.eq_ignore_ascii_case("tcp"))
}

/// 40 hex digits, as the original client labels its channels.
fn random_label() -> Result<String, TransportError> {
    let mut bytes = [0; 20];
    getrandom::fill(&mut bytes)
        .map_err(|error| TransportError(format!("no random numbers: {error}")))?;
    Ok(bytes.iter().map(|byte| format!("{byte:02x}")).collect())
}
