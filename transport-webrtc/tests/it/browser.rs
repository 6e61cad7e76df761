//! Interoperability with a plain `RTCPeerConnection` in headless Chromium.

use futures::StreamExt as _;
use serde_json::{Value, json};
use socketio_p2p_core::Frame;
use socketio_p2p_core::driver::{DirectCommand, DirectEvent, DirectTransport as _};
use socketio_p2p_core::wire::Signal;
use socketio_p2p_transport_webrtc::{WebRtcChannel, WebRtcConfig, WebRtcTransport};

use crate::chromium;
use crate::commanded::{Browser, File};
use crate::support::{ONE, next_closed, receive, send, within};

fn page() -> Vec<File> {
    vec![File::new("/", "text/html", include_bytes!("browser.html"))]
}

impl Browser {
    /// Exchanges signals until the channel is open on both sides.
    async fn connect(&mut self, transport: &mut WebRtcTransport) -> (WebRtcChannel, Value) {
        let [channel] = self.connect_channels(transport).await;
        channel
    }

    /// As [`connect`](Self::connect), for `N` channels: the data channel, then the datagram channel.
    async fn connect_channels<const N: usize>(
        &mut self,
        transport: &mut WebRtcTransport,
    ) -> [(WebRtcChannel, Value); N] {
        let (mut ours, mut theirs) = (Vec::new(), Vec::new());
        while ours.len() < N || theirs.len() < N {
            tokio::select! {
                event = self.event() => match event["event"].as_str() {
                    Some("signal") => self.carry(&event["signal"], transport),
                    Some("open") => theirs.insert(0, event),
                    Some("datagrams open") => theirs.push(event),
                    _ => panic!("expected a signal or an open channel, got {event}"),
                },
                event = within("an event of the transport", transport.next()) => match event.unwrap() {
                    DirectEvent::Signal { signal, .. } => {
                        self.tell(json!({ "do": "signal", "signal": signal })).await;
                    }
                    DirectEvent::Open { channel, max_message, .. } => {
                        assert_eq!(max_message, 262_144);
                        ours.push(channel);
                    }
                    DirectEvent::Datagrams { channel, .. } => ours.push(channel),
                    DirectEvent::Report { .. } => {}
                    other => panic!("expected a signal or an open channel, got {other:?}"),
                },
            }
        }
        ours.into_iter().zip(theirs).collect::<Vec<_>>().try_into().unwrap()
    }

    fn carry(&self, signal: &Value, transport: &mut WebRtcTransport) {
        // End of candidates.
        if signal["candidate"].is_null() && signal["type"].is_null() {
            return;
        }
        let command = match serde_json::from_value(signal.clone()).unwrap() {
            // Accepts datagrams if the offer has them.
            Signal::Offer(sdp) => {
                DirectCommand::Answer { connection: ONE, ice_servers: vec![], sdp, datagrams: true }
            }
            signal => DirectCommand::Signal { connection: ONE, signal },
        };
        transport.execute(command);
    }

    /// Text, binary, empty and long messages, both ways and in order.
    async fn exchange(&mut self, channel: &mut WebRtcChannel) {
        for command in [
            json!({ "do": "text", "data": "grüße" }),
            json!({ "do": "binary", "data": [0, 255, 7] }),
            json!({ "do": "text", "data": "" }),
            json!({ "do": "binary", "data": [] }),
            json!({ "do": "long", "length": 262_144 }),
        ] {
            self.tell(command).await;
        }
        for expected in [
            Frame::from("grüße"),
            Frame::from(vec![0, 255, 7]),
            Frame::from(""),
            Frame::from(Vec::new()),
        ] {
            assert_eq!(receive(channel).await, expected);
        }
        let long = receive(channel).await;
        assert_eq!((long.len(), long.as_bytes().last()), (262_144, Some(&7)));

        let mut bytes = vec![0; 262_144];
        bytes[262_143] = 9;
        for frame in [
            Frame::from("2[\"peer-msg\",{\"textVal\":\"hi\"}]"),
            Frame::from(vec![1, 2, 254]),
            Frame::from(""),
            Frame::from(Vec::new()),
            Frame::from(bytes),
        ] {
            send(channel, frame).await;
        }
        for expected in [
            json!({ "event": "text", "data": "2[\"peer-msg\",{\"textVal\":\"hi\"}]" }),
            json!({ "event": "binary", "data": "0102fe" }),
            json!({ "event": "text", "data": "" }),
            json!({ "event": "binary", "data": "" }),
            json!({ "event": "long", "length": 262_144, "last": 9 }),
        ] {
            assert_eq!(self.event_but_signals().await, expected);
        }
    }

    /// Sends datagrams both ways until the page closes its end; the data channel stays open.
    async fn exchange_datagrams(
        &mut self,
        datagrams: &mut WebRtcChannel,
        channel: &mut WebRtcChannel,
    ) {
        self.tell(json!({ "do": "datagram", "data": [0, 255, 7] })).await;
        assert_eq!(receive(datagrams).await, Frame::from(vec![0, 255, 7]));
        send(datagrams, vec![1, 2, 254]).await;
        let expected = json!({ "event": "datagram", "data": "0102fe" });
        assert_eq!(self.event_but_signals().await, expected);
        self.exchange(channel).await;

        self.tell(json!({ "do": "closeDatagrams" })).await;
        assert_eq!(within("the end", datagrams.next()).await, None);
        self.exchange(channel).await;
    }
}

#[tokio::test]
async fn chromium_answers_our_offer() {
    const TEST: &str = "chromium_takes_our_offer";
    let Some(program) = chromium::find(TEST) else { return };
    let mut browser = Browser::start(&program, TEST, page()).await;
    let mut transport = WebRtcTransport::new(WebRtcConfig::default()).unwrap();
    transport.execute(DirectCommand::Offer {
        connection: ONE,
        ice_servers: vec![],
        datagrams: false,
    });
    let (mut channel, opened) = browser.connect(&mut transport).await;
    let label = opened["label"].as_str().unwrap();
    assert!(label.len() == 40 && label.chars().all(|c| c.is_ascii_hexdigit()), "{label}");
    assert_eq!(opened["protocol"], "");
    assert_eq!(opened["ordered"], true);
    assert_eq!(opened["reliable"], true);
    assert_eq!(opened["negotiated"], false);
    browser.exchange(&mut channel).await;

    transport.execute(DirectCommand::Close { connection: ONE });
    assert_eq!(browser.event_but_signals().await, json!({ "event": "closed" }));
}

/// Chromium's report of its end of a datagram channel.
fn open_datagrams() -> Value {
    json!({
        "event": "datagrams open",
        "label": "socketio-p2p/volatile",
        "id": 101,
        "ordered": false,
        "maxRetransmits": 0,
        "negotiated": true,
    })
}

#[tokio::test]
async fn chromium_answers_our_offer_with_datagrams() {
    const TEST: &str = "chromium_takes_our_offer_with_datagrams";
    let Some(program) = chromium::find(TEST) else { return };
    let mut browser = Browser::start(&program, TEST, page()).await;
    let mut transport = WebRtcTransport::new(WebRtcConfig::default()).unwrap();
    let (ice_servers, datagrams) = (vec![], true);
    transport.execute(DirectCommand::Offer { connection: ONE, ice_servers, datagrams });
    let [(mut channel, _), (mut datagrams, opened)] =
        browser.connect_channels(&mut transport).await;
    assert_eq!(opened, open_datagrams());
    browser.exchange_datagrams(&mut datagrams, &mut channel).await;
}

#[tokio::test]
async fn chromium_offers_datagrams_and_our_answer_opens_both_channels() {
    const TEST: &str = "chromium_offers_datagrams_and_we_answer";
    let Some(program) = chromium::find(TEST) else { return };
    let mut browser = Browser::start(&program, TEST, page()).await;
    let mut transport = WebRtcTransport::new(WebRtcConfig::default()).unwrap();
    browser.tell(json!({ "do": "offer", "datagrams": true })).await;
    let [(mut channel, _), (mut datagrams, opened)] =
        browser.connect_channels(&mut transport).await;
    assert_eq!(opened, open_datagrams());
    browser.exchange_datagrams(&mut datagrams, &mut channel).await;
}

#[tokio::test]
async fn chromium_offers_and_our_answer_opens_the_data_channel() {
    const TEST: &str = "chromium_offers_and_we_answer";
    let Some(program) = chromium::find(TEST) else { return };
    let mut browser = Browser::start(&program, TEST, page()).await;
    let mut transport = WebRtcTransport::new(WebRtcConfig::default()).unwrap();
    browser.tell(json!({ "do": "offer" })).await;
    let (mut channel, opened) = browser.connect(&mut transport).await;
    assert_eq!(opened["label"], "from the browser");
    browser.exchange(&mut channel).await;

    browser.tell(json!({ "do": "text", "data": "the last" })).await;
    browser.tell(json!({ "do": "close" })).await;
    let (read, (connection, _)) = tokio::join!(
        async { (receive(&mut channel).await, within("the end", channel.next()).await) },
        next_closed(&mut transport)
    );
    assert_eq!(read, (Frame::from("the last"), None));
    assert_eq!(connection, ONE);
}
