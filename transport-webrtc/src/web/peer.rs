//! The browser's `RTCPeerConnection` with its callbacks.

use std::cell::Cell;
use std::rc::Rc;

use futures::channel::mpsc::UnboundedSender;
use js_sys::{Array, JsString, Reflect, global};
use socketio_p2p_core::DirectStage;
use socketio_p2p_core::driver::TransportError;
use socketio_p2p_core::wire::IceServer;
use wasm_bindgen::prelude::Closure;
use wasm_bindgen::{JsCast as _, JsValue};
use web_sys::{
    RtcConfiguration, RtcDataChannel, RtcDataChannelEvent, RtcDataChannelInit,
    RtcIceConnectionState, RtcIceServer, RtcPeerConnection, RtcPeerConnectionIceEvent,
    RtcPeerConnectionState,
};

use super::data::{ChannelEvent, ChannelKind, Data};
use super::failure::failure;
use super::happened::Happened;
use super::inbox::Unread;
use crate::config::WebRtcConfig;
use crate::role::Role;
use crate::sdp::{DATAGRAMS_LABEL, DATAGRAMS_STREAM};

/// Additional data channels that are closed one by one; the next one ends the connection.
const MAX_EXTRA_CHANNELS: usize = 8;

/// A connection of the browser that tells the task what happens. Dropping it closes the connection.
pub(super) struct Peer {
    pub(super) connection: RtcPeerConnection,
    channels: Channels,
    _on_candidate: Closure<dyn FnMut(RtcPeerConnectionIceEvent)>,
    _on_channel: Closure<dyn FnMut(RtcDataChannelEvent)>,
    _on_state: [Closure<dyn FnMut()>; 2],
}

impl Peer {
    pub(super) fn new(
        config: &WebRtcConfig,
        ice_servers: Vec<IceServer>,
        role: &Role,
        happened: UnboundedSender<Happened>,
    ) -> Result<Self, TransportError> {
        let connection = connect(ice_servers)?;
        let tell = move |what| drop(happened.unbounded_send(what));
        let on_candidate = Closure::new(on_candidate(tell.clone()));
        let on_ice = Closure::new(on_ice(connection.clone(), tell.clone()));
        let on_state = Closure::new(on_state(connection.clone(), tell.clone()));
        let unread = Rc::new(Unread::new(config.max_unread));
        let channels = Channels { unread, max_message: config.max_message, tell: Rc::new(tell) };
        let on_channel = Closure::new(on_channel(channels.clone(), role));

        connection.set_onicecandidate(Some(on_candidate.as_ref().unchecked_ref()));
        connection.set_oniceconnectionstatechange(Some(on_ice.as_ref().unchecked_ref()));
        connection.set_onconnectionstatechange(Some(on_state.as_ref().unchecked_ref()));
        connection.set_ondatachannel(Some(on_channel.as_ref().unchecked_ref()));
        Ok(Self {
            connection,
            channels,
            _on_candidate: on_candidate,
            _on_channel: on_channel,
            _on_state: [on_ice, on_state],
        })
    }

    /// Opens the data channel in band.
    pub(super) fn open_data(&self, label: &str) -> Data {
        self.channels.listen(self.connection.create_data_channel(label), ChannelKind::Data)
    }

    /// Opens this end of the datagram channel.
    pub(super) fn open_datagrams(&self) -> Data {
        let settings = RtcDataChannelInit::new();
        settings.set_negotiated(true);
        settings.set_id(DATAGRAMS_STREAM);
        settings.set_ordered(false);
        settings.set_max_retransmits(0);
        let channel =
            self.connection.create_data_channel_with_data_channel_dict(DATAGRAMS_LABEL, &settings);
        self.channels.listen(channel, ChannelKind::Datagrams)
    }
}

impl Drop for Peer {
    fn drop(&mut self) {
        self.connection.set_onicecandidate(None);
        self.connection.set_oniceconnectionstatechange(None);
        self.connection.set_onconnectionstatechange(None);
        self.connection.set_ondatachannel(None);
        self.connection.close();
    }
}

/// What each data channel of a connection gets.
#[derive(Clone)]
struct Channels {
    unread: Rc<Unread>,
    max_message: u32,
    tell: Rc<dyn Fn(Happened)>,
}

impl Channels {
    fn listen(&self, channel: RtcDataChannel, kind: ChannelKind) -> Data {
        let tell = Rc::clone(&self.tell);
        let tell = move |event: ChannelEvent| tell(Happened::Of(kind, event));
        Data::new(channel, kind, &self.unread, self.max_message, tell)
    }
}

fn connect(ice_servers: Vec<IceServer>) -> Result<RtcPeerConnection, TransportError> {
    let class = Reflect::get(&global(), &JsString::from("RTCPeerConnection"));
    if !class.is_ok_and(|class| class.is_function()) {
        let error = "this page has no RTCPeerConnection: it runs in a worker, or WebRTC is off";
        return Err(TransportError(error.to_owned()));
    }
    let servers: Array = ice_servers.into_iter().map(ice_server).collect();
    let configuration = RtcConfiguration::new();
    configuration.set_ice_servers(&servers);
    RtcPeerConnection::new_with_configuration(&configuration)
        .map_err(|error| failure("cannot use the ICE servers", &error))
}

fn ice_server(server: IceServer) -> RtcIceServer {
    let urls: Array = server.urls.iter().map(|url| JsValue::from_str(url)).collect();
    let to = RtcIceServer::new();
    to.set_urls(&urls);
    if let Some(username) = server.username {
        to.set_username(&username);
    }
    if let Some(credential) = server.credential {
        to.set_credential(&credential);
    }
    to
}

fn on_candidate(tell: impl Fn(Happened) + 'static) -> impl FnMut(RtcPeerConnectionIceEvent) {
    move |event| match event.candidate() {
        // The end of one of several generations, in some browsers.
        Some(candidate) if candidate.candidate().is_empty() => {}
        Some(candidate) => tell(Happened::Candidate(candidate)),
        None => tell(Happened::Gathered),
    }
}

fn on_ice(connection: RtcPeerConnection, tell: impl Fn(Happened) + 'static) -> impl FnMut() {
    move || match connection.ice_connection_state() {
        RtcIceConnectionState::Checking => tell(Happened::Reached(DirectStage::Checking)),
        RtcIceConnectionState::Connected | RtcIceConnectionState::Completed => {
            tell(Happened::Alive);
            tell(Happened::Reached(DirectStage::Dtls));
        }
        RtcIceConnectionState::Disconnected => tell(Happened::Silent),
        RtcIceConnectionState::Failed => {
            tell(Happened::Failed("ICE failed: no candidate pair works"));
        }
        _ => {}
    }
}

fn on_state(connection: RtcPeerConnection, tell: impl Fn(Happened) + 'static) -> impl FnMut() {
    move || match connection.connection_state() {
        RtcPeerConnectionState::Connected => tell(Happened::Reached(DirectStage::Channel)),
        RtcPeerConnectionState::Failed => tell(Happened::Failed("the connection failed")),
        _ => {}
    }
}

/// Takes the first channel of an offerer whose label is not that of datagrams, at once: its messages may follow
/// immediately.
fn on_channel(channels: Channels, role: &Role) -> impl FnMut(RtcDataChannelEvent) + use<> {
    let expected = Cell::new(matches!(role, Role::Answerer(_)));
    let extra = Cell::new(0);
    move |event| {
        let channel = event.channel();
        if expected.get() && channel.label() != DATAGRAMS_LABEL {
            expected.set(false);
            (channels.tell)(Happened::Channel(channels.listen(channel, ChannelKind::Data)));
        } else if extra.get() == MAX_EXTRA_CHANNELS {
            (channels.tell)(Happened::Failed("the remote opened too many data channels"));
        } else {
            // A later version may open more channels: the close signals that this version does not use them.
            extra.set(extra.get() + 1);
            channel.close();
        }
    }
}
