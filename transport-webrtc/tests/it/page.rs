//! The transport of the web, as wasm in a page of headless Chromium, and the native one.
//!
//! The page is built apart, for another target: the folder that `SOCKETIO_P2P_WEBRTC_PAGE` names has the `page.js` and
//! `page_bg.wasm` that `wasm-bindgen --target web --out-name page` makes of the crate `socketio-p2p-webrtc-page`.

use futures::{SinkExt as _, StreamExt as _};
use serde_json::{Value, json};
use socketio_p2p_core::Frame;
use socketio_p2p_core::driver::{DirectCommand, DirectEvent, DirectTransport as _};
use socketio_p2p_core::wire::Signal;
use socketio_p2p_transport_webrtc::{WebRtcChannel, WebRtcConfig, WebRtcTransport};

use crate::chromium;
use crate::commanded::{Browser, File};
use crate::support::{ONE, next_closed, receive, send, within};

const PAGE: &str = include_str!("page.html");

/// A page with a transport, and a native one.
struct Both {
    page: Browser,
    native: WebRtcTransport,
    /// The page's last report.
    report: Value,
}

impl Both {
    /// `None` after saying what is missing.
    async fn start(test: &str) -> Option<Self> {
        Self::start_with(test, PAGE).await
    }

    async fn start_with(test: &str, html: &str) -> Option<Self> {
        let Ok(folder) = std::env::var("SOCKETIO_P2P_WEBRTC_PAGE") else {
            println!("skipped {test}: SOCKETIO_P2P_WEBRTC_PAGE names no folder with the page");
            return None;
        };
        let program = chromium::find(test)?;
        let built = |name| std::fs::read(format!("{folder}/{name}")).unwrap();
        let files = vec![
            File::new("/", "text/html", html),
            File::new("/page.js", "text/javascript", built("page.js")),
            File::new("/page_bg.wasm", "application/wasm", built("page_bg.wasm")),
        ];
        let page = Browser::start(&program, test, files).await;
        let config = WebRtcConfig::default().with_linger(std::time::Duration::from_secs(5));
        Some(Self { page, native: WebRtcTransport::new(config).unwrap(), report: Value::Null })
    }

    /// The page's next event other than signals, which are carried, and reports.
    async fn told(&mut self) -> Value {
        loop {
            let event = self.page.event().await;
            match event["event"].as_str() {
                Some("signal") => self.carry(event["signal"].clone()),
                Some("report") => self.report = event,
                _ => return event,
            }
        }
    }

    fn carry(&mut self, signal: Value) {
        let signal = serde_json::from_value(signal).unwrap();
        self.native.execute(match signal {
            Signal::Offer(sdp) => {
                DirectCommand::Answer { connection: ONE, ice_servers: vec![], sdp, datagrams: true }
            }
            signal => DirectCommand::Signal { connection: ONE, signal },
        });
    }

    /// Opens `N` channels; the native side or the page offers.
    async fn open<const N: usize>(&mut self, native_offers: bool) -> [WebRtcChannel; N] {
        let datagrams = N == 2;
        if native_offers {
            let offer = DirectCommand::Offer { connection: ONE, ice_servers: vec![], datagrams };
            self.native.execute(offer);
        } else {
            self.page.tell(json!({ "do": "offer", "datagrams": datagrams })).await;
        }
        let (mut channels, mut opened) = (Vec::new(), 0);
        while channels.len() < N || opened < N {
            tokio::select! {
                event = self.page.event() => match event["event"].as_str() {
                    Some("signal") => self.carry(event["signal"].clone()),
                    Some("report") => self.report = event,
                    Some("open") => {
                        assert_eq!(event["maxMessage"], 262_144);
                        opened += 1;
                    }
                    Some("datagrams open") => opened += 1,
                    _ => panic!("expected a signal or an open channel, got {event}"),
                },
                event = self.native.next() => match event.unwrap() {
                    DirectEvent::Signal { signal, .. } => {
                        self.page.tell(json!({ "do": "signal", "signal": signal })).await;
                    }
                    DirectEvent::Open { channel, max_message, .. } => {
                        assert_eq!(max_message, 262_144);
                        channels.push(channel);
                    }
                    DirectEvent::Datagrams { channel, .. } => channels.push(channel),
                    DirectEvent::Report { .. } => {}
                    other => panic!("expected a signal or an open channel, got {other:?}"),
                },
            }
        }
        channels.try_into().unwrap()
    }
}

/// Sends frames to the page, which sends them back.
async fn echo(channel: &mut WebRtcChannel) {
    for frame in [
        Frame::from("grüße"),
        Frame::from(""),
        Frame::from("1"),
        Frame::from("x".repeat(100_000)),
        Frame::from(vec![0, 255, 7]),
        Frame::from(Vec::new()),
        Frame::from(vec![1]),
        Frame::from(vec![7; 100_000]),
        Frame::from(vec![9; 262_144]),
    ] {
        send(channel, frame.clone()).await;
        assert!(receive(channel).await == frame, "the echo of {frame:?} differs");
    }
}

fn numbered(number: u64) -> Frame {
    let mut bytes = vec![0; 8192];
    bytes[..8].copy_from_slice(&number.to_be_bytes());
    bytes.into()
}

async fn send_numbered(channel: &mut (impl futures::Sink<Frame> + Unpin), count: u64) {
    for number in 0..count {
        assert!(within("room", channel.send(numbered(number))).await.is_ok());
    }
}

#[tokio::test]
async fn a_page_answers_our_offer_and_echoes_frames_and_datagrams() {
    let Some(mut both) = Both::start("page_answers").await else { return };
    let [mut channel, mut datagrams] = both.open(true).await;
    echo(&mut channel).await;
    send(&mut datagrams, vec![5; 1000]).await;
    assert_eq!(receive(&mut datagrams).await, Frame::from(vec![5; 1000]));

    both.native.execute(DirectCommand::Close { connection: ONE });
    let mut told = [both.told().await, both.told().await];
    told.sort_by_key(|event| event["event"].to_string());
    assert_eq!(told[0]["error"], "the data channel was closed");
    assert_eq!(told[1]["event"], "ended");
}

#[tokio::test]
async fn a_page_offers_and_its_report_tells_the_candidates() {
    let Some(mut both) = Both::start("page_offers").await else { return };
    let [mut channel, mut datagrams] = both.open(false).await;
    echo(&mut channel).await;
    send(&mut datagrams, "a text").await;
    assert_eq!(receive(&mut datagrams).await, Frame::from("a text"));
    assert_eq!(both.report["stage"], "channel");
    assert!(both.report["local"].as_u64() > Some(0), "{}", both.report);
    assert!(both.report["selected"].as_str().unwrap().contains("host"), "{}", both.report);
}

#[tokio::test]
async fn a_thousand_frames_echo_in_order_under_backpressure() {
    let Some(mut both) = Both::start("page_backpressure").await else { return };
    let [channel] = both.open(true).await;
    let (mut sending, mut receiving) = channel.split();
    let receive_all = async {
        for number in 0..1000 {
            let frame = within("a frame", receiving.next()).await.unwrap().unwrap();
            assert!(frame == numbered(number), "frame {number} is in order");
        }
    };
    tokio::join!(send_numbered(&mut sending, 1000), receive_all);
}

#[tokio::test]
async fn an_orderly_close_of_a_page_loses_nothing() {
    let Some(mut both) = Both::start("page_closes").await else { return };
    let [mut channel] = both.open(false).await;
    both.page.tell(json!({ "do": "burst", "count": 500 })).await;
    for number in 0..500 {
        assert!(receive(&mut channel).await == numbered(number), "frame {number} is in order");
    }
    let (end, (connection, _)) =
        tokio::join!(within("the end", channel.next()), next_closed(&mut both.native));
    assert_eq!((end, connection), (None, ONE));
}

#[tokio::test]
async fn an_orderly_close_of_ours_loses_nothing_at_a_page() {
    let Some(mut both) = Both::start("page_is_closed").await else { return };
    let [mut channel] = both.open(true).await;
    both.page.tell(json!({ "do": "mode", "mode": "count" })).await;
    send_numbered(&mut channel, 500).await;
    both.native.execute(DirectCommand::Close { connection: ONE });
    let mut told = [both.told().await, both.told().await];
    told.sort_by_key(|event| event["event"].to_string());
    assert_eq!(told[0]["event"], "closed");
    assert_eq!(told[1], json!({ "event": "ended", "frames": 500 }));
}

#[tokio::test]
async fn a_cut_path_ends_the_connection_of_a_page() {
    let Some(mut both) = Both::start("page_cut").await else { return };
    let [mut channel] = both.open(true).await;
    echo(&mut channel).await;
    assert!(both.native.cut(ONE));
    let mut told = [both.told().await, both.told().await];
    told.sort_by_key(|event| event["event"].to_string());
    assert_eq!(told[0], json!({ "event": "closed", "error": "the path was silent for 6 s" }));
}

#[tokio::test]
async fn a_page_that_does_not_read_ends_the_connection() {
    let Some(mut both) = Both::start("page_does_not_read").await else { return };
    let [mut channel] = both.open(true).await;
    both.page.tell(json!({ "do": "mode", "mode": "ignore" })).await;
    let told = tokio::select! {
        told = both.told() => told,
        () = async {
            // 16 MB, more than the page's bound; the connection may end before all is sent.
            for number in 0..2000 {
                if channel.send(numbered(number)).await.is_err() {
                    break;
                }
            }
            std::future::pending().await
        } => unreachable!(),
    };
    let error = "the application does not read: more unread bytes than expected";
    assert_eq!(told, json!({ "event": "closed", "error": error }));
}

#[tokio::test]
async fn a_page_without_webrtc_says_so() {
    let without = PAGE.replace("<title>", "<script>delete RTCPeerConnection</script><title>");
    let Some(mut both) = Both::start_with("page_without_webrtc", &without).await else { return };
    both.page.tell(json!({ "do": "offer" })).await;
    let error = "this page has no RTCPeerConnection: it runs in a worker, or WebRTC is off";
    assert_eq!(both.told().await, json!({ "event": "closed", "error": error }));
}
