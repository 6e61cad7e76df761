//! A connection from its command until its data channel is open.

use std::rc::Rc;

use futures::channel::mpsc;
use futures::{FutureExt as _, StreamExt as _, select_biased};
use js_sys::Math;
use socketio_p2p_core::DirectStage;
use socketio_p2p_core::driver::TransportError;
use socketio_p2p_core::wire::Signal;
use wasm_bindgen::{JsCast as _, JsValue};
use web_sys::{RtcSdpType, RtcSessionDescriptionInit};

use super::data::{ChannelEvent, ChannelKind, Data};
use super::failure::{done, reason};
use super::happened::Happened;
use super::sleep::sleep;
use super::trickle::Trickle;
use crate::config::WebRtcConfig;
use crate::role::Role;
use crate::sdp::{RemoteDescription, add_datagrams, with_limit};

pub(super) struct Negotiating {
    pub(super) trickle: Trickle,
    pub(super) config: Rc<WebRtcConfig>,
    pub(super) happened: mpsc::UnboundedReceiver<Happened>,
    pub(super) signals: mpsc::Receiver<Signal>,
    /// The data channel, once it exists.
    pub(super) data: Option<Rc<Data>>,
    /// Whether this end wants a datagram channel.
    pub(super) wants_datagrams: bool,
    /// The datagram channel, once both ends want it.
    pub(super) datagrams: Option<Data>,
    /// The longest message that the remote takes, once its description has come.
    pub(super) max_message: usize,
}

impl Negotiating {
    /// Returns the open data channel, or why there is none; then the last report is out.
    pub(super) async fn run(&mut self, role: Role) -> Result<Rc<Data>, TransportError> {
        let opened = self.negotiate(role).await;
        let stage = if opened.is_ok() { DirectStage::Channel } else { DirectStage::Gathering };
        self.trickle.report(stage).await;
        opened
    }

    async fn negotiate(&mut self, role: Role) -> Result<Rc<Data>, TransportError> {
        let limit = self.config.open_timeout;
        let mut too_late = sleep(limit).fuse();
        match role {
            Role::Offerer => self.offer().await?,
            Role::Answerer(offer) => self.answer(&offer).await?,
        }
        select_biased! {
            opened = self.open().fuse() => opened,
            () = too_late => Err(TransportError(format!(
                "no data channel was open after {} s", limit.as_secs_f32()
            ))),
        }
    }

    async fn offer(&mut self) -> Result<(), TransportError> {
        let peer = Rc::clone(&self.trickle.peer);
        self.data = Some(Rc::new(peer.open_data(&random_label())));
        let offer = done("cannot create an offer", peer.connection.create_offer()).await?;
        let offer = self.describe(offer, self.wants_datagrams).await?;
        self.trickle.emit_signal(Signal::Offer(offer)).await;
        self.trickle.report(DirectStage::Signaling).await;
        Ok(())
    }

    async fn answer(&mut self, offer: &str) -> Result<(), TransportError> {
        self.take_remote(RtcSdpType::Offer, offer).await?;
        let creating = self.trickle.peer.connection.create_answer();
        let answer = done("cannot answer the remote offer", creating).await?;
        let answer = self.describe(answer, self.datagrams.is_some()).await?;
        self.trickle.emit_signal(Signal::Answer(answer)).await;
        self.trickle.report(DirectStage::Checking).await;
        Ok(())
    }

    /// Applies a local description and returns its text for the remote, with the candidates found within
    /// [`gather_timeout`](WebRtcConfig::gather_timeout): an original client ignores trickled ones.
    async fn describe(
        &mut self,
        local: JsValue,
        datagrams: bool,
    ) -> Result<String, TransportError> {
        let connection = self.trickle.peer.connection.clone();
        let applying = connection.set_local_description(local.unchecked_ref());
        done("cannot apply the local description", applying).await?;
        let mut enough = sleep(self.config.gather_timeout).fuse();
        loop {
            select_biased! {
                happened = self.happened.select_next_some() => match happened {
                    Happened::Gathered => break,
                    Happened::Candidate(candidate) => self.trickle.count_local(&candidate),
                    happened => drop(self.handle(happened).await?),
                },
                () = enough => break,
            }
        }
        let local = connection.local_description();
        let local = local.ok_or_else(|| TransportError("the connection is closed".to_owned()))?;
        let mut sdp = with_limit(&local.sdp(), self.config.max_message);
        if datagrams {
            add_datagrams(&mut sdp);
        }
        Ok(sdp)
    }

    async fn take_remote(&mut self, kind: RtcSdpType, sdp: &str) -> Result<(), TransportError> {
        let name = if kind == RtcSdpType::Offer { "offer" } else { "answer" };
        let unusable =
            |why: String| TransportError(format!("the remote {name} cannot be used: {why}"));
        let remote = RemoteDescription::read(sdp).map_err(|error| unusable(error.to_string()))?;
        let ours = self.config.max_message;
        let limit = remote.max_message.map_or(ours, |limit| limit.min(ours));
        self.max_message = usize::try_from(limit).unwrap_or(usize::MAX);
        let peer = Rc::clone(&self.trickle.peer);
        // Before the association, so that no message can precede it.
        if remote.datagrams && self.wants_datagrams {
            self.datagrams = Some(peer.open_datagrams());
        }
        let description = RtcSessionDescriptionInit::new(kind);
        description.set_sdp(&remote.sdp);
        let applying = peer.connection.set_remote_description(&description);
        js_sys::futures::JsFuture::from(applying)
            .await
            .map_err(|error| unusable(reason(&error)))?;
        self.trickle.begin(&remote.sdp, remote.candidates).await
    }

    async fn open(&mut self) -> Result<Rc<Data>, TransportError> {
        loop {
            if let Some(data) = self.data.as_ref().filter(|data| data.is_open()) {
                return Ok(Rc::clone(data));
            }
            select_biased! {
                happened = self.happened.select_next_some() => {
                    if let Some(candidate) = self.handle(happened).await? {
                        self.trickle.emit_candidate(candidate).await;
                    }
                }
                signal = self.signals.select_next_some() => self.take_signal(signal).await?,
            }
        }
    }

    /// Returns the local candidate, if that has happened.
    async fn handle(
        &mut self,
        happened: Happened,
    ) -> Result<Option<web_sys::RtcIceCandidate>, TransportError> {
        match happened {
            Happened::Candidate(candidate) => return Ok(Some(candidate)),
            Happened::Reached(stage) => self.trickle.report(stage).await,
            Happened::Channel(data) => self.data = Some(Rc::new(data)),
            Happened::Failed(error) => return Err(TransportError(error.to_owned())),
            Happened::Of(ChannelKind::Data, ChannelEvent::Closed) => {
                let error = "the data channel closed before it opened";
                return Err(TransportError(error.to_owned()));
            }
            Happened::Of(_, ChannelEvent::Failed(error)) => return Err(TransportError(error)),
            // An open channel shows in its state, and a silent path does not get one.
            Happened::Of(..) | Happened::Gathered | Happened::Silent | Happened::Alive => {}
        }
        Ok(None)
    }

    async fn take_signal(&mut self, signal: Signal) -> Result<(), TransportError> {
        match signal {
            Signal::Answer(sdp) if !self.trickle.has_remote() => {
                self.take_remote(RtcSdpType::Answer, &sdp).await?;
                self.trickle.report(DirectStage::Checking).await;
                Ok(())
            }
            Signal::Candidate(candidate) => self.trickle.take_candidate(candidate).await,
            // The session handles second descriptions and declined offers.
            _ => Ok(()),
        }
    }
}

/// Returns 40 random hex digits, the label format of the original client. They are no secret.
fn random_label() -> String {
    let digit = |_| char::from(b"0123456789abcdef"[(Math::random() * 16.0) as usize % 16]);
    (0..40).map(digit).collect()
}
