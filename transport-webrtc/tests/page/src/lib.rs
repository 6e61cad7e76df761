//! The transport of the web, for the test with a page in Chromium.

#![cfg(target_family = "wasm")]
#![allow(clippy::unwrap_used, clippy::panic, reason = "tests fail by panicking")]
#![allow(missing_debug_implementations, reason = "nothing prints the page")]

use std::cell::RefCell;
use std::rc::Rc;
use std::time::Duration;

use futures::stream::SplitStream;
use futures::{SinkExt as _, StreamExt as _, stream::SplitSink};
use js_sys::Function;
use js_sys::futures::spawn_local;
use serde_json::{Value, json};
use socketio_p2p_core::driver::{DirectCommand, DirectEvent, DirectTransport as _};
use socketio_p2p_core::wire::Signal;
use socketio_p2p_core::{ConnectionId, Frame};
use socketio_p2p_transport_webrtc::{WebRtcChannel, WebRtcConfig, WebRtcTransport};
use wasm_bindgen::prelude::wasm_bindgen;

const ONE: ConnectionId = ConnectionId::from_u64(1);

type Sending = SplitSink<WebRtcChannel, Frame>;

/// A transport that takes commands of the test, and tells it what happens.
#[wasm_bindgen]
#[derive(Clone)]
pub struct Page {
    tell: Function,
    transport: Rc<RefCell<WebRtcTransport>>,
    sending: Rc<RefCell<Option<Sending>>>,
    /// What becomes of received frames: `echo`, `count` or `ignore`.
    mode: Rc<RefCell<String>>,
}

#[wasm_bindgen]
impl Page {
    /// Creates a transport; `tell` gets its events in JSON.
    #[wasm_bindgen(constructor)]
    pub fn new(tell: Function) -> Self {
        let config = WebRtcConfig::default()
            .with_path_timeout(Duration::from_secs(6))
            .with_linger(Duration::from_secs(5))
            .with_max_unread(12_000_000);
        let transport = WebRtcTransport::new(config).unwrap();
        let page = Self {
            tell,
            transport: Rc::new(RefCell::new(transport)),
            sending: Rc::default(),
            mode: Rc::new(RefCell::new("echo".to_owned())),
        };
        let running = page.clone();
        spawn_local(async move {
            loop {
                let event =
                    std::future::poll_fn(|cx| running.transport.borrow_mut().poll_next_unpin(cx));
                let Some(event) = event.await else { break };
                running.handle(event);
            }
        });
        page
    }

    /// Takes a command in JSON.
    pub fn command(&self, command: &str) {
        let command: Value = serde_json::from_str(command).unwrap();
        let datagrams = command["datagrams"].as_bool().unwrap_or(false);
        match command["do"].as_str().unwrap() {
            "offer" => self.execute(DirectCommand::Offer {
                connection: ONE,
                ice_servers: vec![],
                datagrams,
            }),
            "signal" => match serde_json::from_value(command["signal"].clone()).unwrap() {
                // Accepts datagrams if the offer has them.
                Signal::Offer(sdp) => self.execute(DirectCommand::Answer {
                    connection: ONE,
                    ice_servers: vec![],
                    sdp,
                    datagrams: true,
                }),
                signal => self.execute(DirectCommand::Signal { connection: ONE, signal }),
            },
            "mode" => *self.mode.borrow_mut() = command["mode"].as_str().unwrap().to_owned(),
            // Sends numbered frames, and closes the connection at once.
            "burst" => {
                let count = command["count"].as_u64().unwrap();
                let page = self.clone();
                spawn_local(async move {
                    let mut sending = page.sending.borrow_mut().take().unwrap();
                    for number in 0..count {
                        sending.send(numbered(number)).await.unwrap();
                    }
                    page.execute(DirectCommand::Close { connection: ONE });
                });
            }
            "close" => self.execute(DirectCommand::Close { connection: ONE }),
            other => panic!("unknown command {other}"),
        }
    }

    fn execute(&self, command: DirectCommand) {
        self.transport.borrow_mut().execute(command);
    }

    fn tell(&self, event: Value) {
        self.tell.call1(&wasm_bindgen::JsValue::NULL, &event.to_string().into()).unwrap();
    }

    fn handle(&self, event: DirectEvent<WebRtcChannel>) {
        match event {
            DirectEvent::Signal { signal, .. } => {
                self.tell(json!({ "event": "signal", "signal": signal }));
            }
            DirectEvent::Report { report, .. } => self.tell(json!({
                "event": "report",
                "stage": report.stage.to_string(),
                "local": report.local.total(),
                "remote": report.remote.total(),
                "selected": report.selected.map(|pair| pair.to_string()),
            })),
            DirectEvent::Open { channel, max_message, .. } => {
                let (sending, receiving) = channel.split();
                *self.sending.borrow_mut() = Some(sending);
                self.tell(json!({ "event": "open", "maxMessage": max_message }));
                spawn_local(self.clone().receive(receiving));
            }
            DirectEvent::Datagrams { channel, .. } => {
                let (mut sending, mut receiving) = channel.split();
                self.tell(json!({ "event": "datagrams open" }));
                spawn_local(async move {
                    while let Some(Ok(frame)) = receiving.next().await {
                        sending.send(frame).await.unwrap();
                    }
                });
            }
            DirectEvent::Closed { error, .. } => {
                self.tell(json!({ "event": "closed", "error": error.to_string() }));
            }
            _ => {}
        }
    }

    async fn receive(self, mut receiving: SplitStream<WebRtcChannel>) {
        let mut frames = 0_u64;
        while self.is_reading() {
            let Some(Ok(frame)) = receiving.next().await else {
                return self.tell(json!({ "event": "ended", "frames": frames }));
            };
            if *self.mode.borrow() == "echo" {
                let mut sending = self.sending.borrow_mut().take().unwrap();
                // The remote may close while the echo waits for room.
                let _ = sending.send(frame).await;
                *self.sending.borrow_mut() = Some(sending);
            } else {
                assert_eq!(frame, numbered(frames), "frames are in order");
            }
            frames += 1;
        }
        // Keeps the channel, and reads no more.
        std::future::pending().await
    }

    fn is_reading(&self) -> bool {
        *self.mode.borrow() != "ignore"
    }
}

/// The frame with this number, of 8 KiB.
fn numbered(number: u64) -> Frame {
    let mut bytes = vec![0; 8192];
    bytes[..8].copy_from_slice(&number.to_be_bytes());
    bytes.into()
}
