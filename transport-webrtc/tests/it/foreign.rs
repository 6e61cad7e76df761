//! A remote built on the bare `webrtc` crate, for behaviour that `WebRtcTransport` does not show.

use std::sync::Arc;

use async_trait::async_trait;
use futures::StreamExt as _;
use futures::stream::FuturesUnordered;
use rtc::ice::mdns::MulticastDnsMode;
use socketio_p2p_core::Frame;
use socketio_p2p_core::driver::{DirectCommand, DirectEvent, DirectTransport as _};
use socketio_p2p_core::wire::Signal;
use socketio_p2p_transport_webrtc::{WebRtcChannel, WebRtcTransport};
use tokio::sync::mpsc;
use webrtc::data_channel::{DataChannel, DataChannelEvent};
use webrtc::peer_connection::{
    PeerConnection, PeerConnectionBuilder, PeerConnectionEventHandler, RTCIceGatheringState,
    RTCSessionDescription, SettingEngineBuilder,
};

use crate::support::{ONE, loopback, next, next_closed, receive, within};

struct Gathered(mpsc::Sender<()>);

#[async_trait]
impl PeerConnectionEventHandler for Gathered {
    async fn on_ice_gathering_state_change(&self, state: RTCIceGatheringState) {
        if state == RTCIceGatheringState::Complete {
            let _ = self.0.send(()).await;
        }
    }
}

fn numbered(channels: usize) -> Vec<String> {
    (0..channels).map(|n| format!("channel {n}")).collect()
}

/// Offers data channels with these labels at once; returns them and our end of the first one that opened.
async fn offer_channels(
    labels: &[String],
    transport: &mut WebRtcTransport,
) -> (Arc<dyn PeerConnection>, Vec<Arc<dyn DataChannel>>, DirectEvent<WebRtcChannel>) {
    let (gathered, mut is_gathered) = mpsc::channel(1);
    let settings =
        SettingEngineBuilder::new().with_multicast_dns_mode(MulticastDnsMode::Disabled).build();
    let peer: Arc<dyn PeerConnection> = Arc::new(
        PeerConnectionBuilder::new()
            .with_handler(Arc::new(Gathered(gathered)))
            .with_udp_addrs(vec!["127.0.0.1:0"])
            .with_setting_engine(settings)
            .build()
            .await
            .unwrap(),
    );
    let mut opened = Vec::new();
    for label in labels {
        opened.push(peer.create_data_channel(label, None).await.unwrap());
    }
    let offer = peer.create_offer(None).await.unwrap();
    peer.set_local_description(offer).await.unwrap();
    within("gathering", is_gathered.recv()).await.unwrap();
    let sdp = peer.local_description().await.unwrap().sdp;
    transport.execute(DirectCommand::Answer {
        connection: ONE,
        ice_servers: vec![],
        sdp,
        datagrams: false,
    });
    let DirectEvent::Signal { signal: Signal::Answer(sdp), .. } = next(transport).await else {
        panic!("no answer")
    };
    peer.set_remote_description(RTCSessionDescription::answer(sdp).unwrap()).await.unwrap();
    let event = next(transport).await;
    (peer, opened, event)
}

async fn closed(channel: &dyn DataChannel) {
    while let Some(event) = within("the channel's end", channel.poll()).await {
        if matches!(event, DataChannelEvent::OnClose) {
            return;
        }
    }
}

#[tokio::test]
async fn data_channels_beyond_the_first_are_closed() {
    let mut transport = WebRtcTransport::new(loopback()).unwrap();
    let (peer, mut channels, event) = offer_channels(&numbered(3), &mut transport).await;
    let DirectEvent::Open { mut channel, .. } = event else { panic!("{event:?}") };
    // The remote decides which one opens first.
    let mut ends: FuturesUnordered<_> = channels
        .iter()
        .map(|channel| async { (closed(&**channel).await, channel.id()).1 })
        .collect();
    let closed = [ends.next().await.unwrap(), ends.next().await.unwrap()];
    drop(ends);
    channels.retain(|channel| !closed.contains(&channel.id()));
    channels[0].send_text("still there").await.unwrap();
    assert_eq!(receive(&mut channel).await, Frame::from("still there"));
    peer.close().await.unwrap();
}

#[tokio::test]
async fn an_in_band_channel_with_the_datagram_label_does_not_become_the_data_channel() {
    let mut transport = WebRtcTransport::new(loopback()).unwrap();
    let labels = ["socketio-p2p/volatile".to_owned(), "the data channel".to_owned()];
    let (peer, channels, event) = offer_channels(&labels, &mut transport).await;
    let DirectEvent::Open { mut channel, .. } = event else { panic!("{event:?}") };
    closed(&*channels[0]).await;
    channels[1].send_text("hello").await.unwrap();
    assert_eq!(receive(&mut channel).await, Frame::from("hello"));
    peer.close().await.unwrap();
}

#[tokio::test]
async fn a_flood_of_data_channels_ends_the_connection() {
    let mut transport = WebRtcTransport::new(loopback()).unwrap();
    let (peer, _channels, event) = offer_channels(&numbered(40), &mut transport).await;
    let (error, end) = match event {
        DirectEvent::Open { mut channel, .. } => {
            let (closed, end) = tokio::join!(next_closed(&mut transport), channel.next());
            (closed.1, end)
        }
        DirectEvent::Closed { error, .. } => (error, None),
        other => panic!("{other:?}"),
    };
    assert_eq!(error.0, "the remote opened too many data channels");
    assert_eq!(end, None);
    peer.close().await.unwrap();
}

#[tokio::test]
async fn closing_the_data_channel_ends_the_connection() {
    let mut transport = WebRtcTransport::new(loopback()).unwrap();
    let (peer, channels, event) = offer_channels(&numbered(1), &mut transport).await;
    let DirectEvent::Open { mut channel, .. } = event else { panic!("{event:?}") };
    channels[0].send_text("the last").await.unwrap();
    // The crate's `close` drops messages that are not acknowledged.
    within("the acknowledgement", async {
        while channels[0].outstanding_bytes().await.unwrap() > 0 {
            tokio::task::yield_now().await;
        }
    })
    .await;
    channels[0].close().await.unwrap();
    let (read, (connection, error)) = tokio::join!(
        async { (receive(&mut channel).await, within("the end", channel.next()).await) },
        next_closed(&mut transport)
    );
    assert_eq!(read, (Frame::from("the last"), None));
    assert_eq!((connection, error.0.as_str()), (ONE, "the data channel was closed"));
    peer.close().await.unwrap();
}
