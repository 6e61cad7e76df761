//! One data channel of the browser, with its callbacks.

use std::rc::Rc;

use js_sys::Uint8Array;
use socketio_p2p_core::Frame;
use socketio_p2p_core::driver::TransportError;
use wasm_bindgen::prelude::Closure;
use wasm_bindgen::{JsCast as _, JsValue};
use web_sys::{MessageEvent, RtcDataChannel, RtcDataChannelState, RtcDataChannelType};

use super::inbox::{Inbox, Unread};

/// Which one of the two channels of a connection.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum ChannelKind {
    Data,
    Datagrams,
}

/// What a channel tells the task of its connection.
pub(super) enum ChannelEvent {
    Opened,
    Closed,
    Failed(String),
}

/// A data channel that fills its inbox, and tells the task of its connection what happens. Dropping it ends both.
pub(super) struct Data {
    pub(super) channel: RtcDataChannel,
    pub(super) inbox: Rc<Inbox>,
    _on_message: Closure<dyn FnMut(MessageEvent)>,
    _callbacks: [Closure<dyn FnMut()>; 3],
}

impl Data {
    /// Listens to a channel, which must be new: a message before this is lost.
    pub(super) fn new(
        channel: RtcDataChannel,
        kind: ChannelKind,
        unread: &Rc<Unread>,
        max_message: u32,
        tell: impl Fn(ChannelEvent) + Clone + 'static,
    ) -> Self {
        let inbox = Rc::new(Inbox::new(Rc::clone(unread)));
        let on_message = Closure::new(receiver(&inbox, kind, max_message, tell.clone()));
        let opened = tell.clone();
        let on_open = Closure::new(move || opened(ChannelEvent::Opened));
        let closing = Rc::clone(&inbox);
        let on_close = Closure::new(move || {
            closing.close(None);
            tell(ChannelEvent::Closed);
        });
        let writing = Rc::clone(&inbox);
        let on_room = Closure::new(move || writing.wake_writer());

        channel.set_binary_type(RtcDataChannelType::Arraybuffer);
        channel.set_onmessage(Some(on_message.as_ref().unchecked_ref()));
        channel.set_onopen(Some(on_open.as_ref().unchecked_ref()));
        channel.set_onclose(Some(on_close.as_ref().unchecked_ref()));
        channel.set_onbufferedamountlow(Some(on_room.as_ref().unchecked_ref()));
        Self { channel, inbox, _on_message: on_message, _callbacks: [on_open, on_close, on_room] }
    }

    pub(super) fn is_open(&self) -> bool {
        self.channel.ready_state() == RtcDataChannelState::Open
    }

    /// Closes the channel, and returns when the remote has confirmed it: it has then received all that was sent.
    pub(super) async fn finish(&self) {
        self.channel.close();
        self.inbox.closed().await;
    }
}

impl Drop for Data {
    fn drop(&mut self) {
        self.channel.set_onmessage(None);
        self.channel.set_onopen(None);
        self.channel.set_onclose(None);
        self.channel.set_onbufferedamountlow(None);
        self.inbox.close(None);
    }
}

/// The callback for messages.
fn receiver(
    inbox: &Rc<Inbox>,
    kind: ChannelKind,
    max_message: u32,
    tell: impl Fn(ChannelEvent) + 'static,
) -> impl FnMut(MessageEvent) + 'static {
    let inbox = Rc::clone(inbox);
    let limit = usize::try_from(max_message).unwrap_or(usize::MAX);
    move |event| {
        let frame = to_frame(&event.data());
        let length = frame.len();
        let error = if length > limit {
            format!("expected a message of at most {limit} bytes, got {length}")
        } else if inbox.push(frame) || kind == ChannelKind::Datagrams {
            // A datagram without room is lost, as others are on the way.
            return;
        } else {
            "the application does not read: more unread bytes than expected".to_owned()
        };
        // What follows would come after a gap.
        inbox.close(Some(TransportError(error.clone())));
        tell(ChannelEvent::Failed(error));
    }
}

fn to_frame(data: &JsValue) -> Frame {
    data.as_string().map_or_else(|| Uint8Array::new(data).to_vec().into(), Frame::from)
}
