//! The contract of direct transports.

use std::time::Duration;

use socketio_p2p_core::Time;
use socketio_p2p_core::driver::{Clock, async_trait};
use socketio_p2p_transport_memory::conformance;
use socketio_p2p_transport_webrtc::{WebRtcConfig, WebRtcTransport};

struct SystemClock(std::time::Instant);

#[async_trait]
impl Clock for SystemClock {
    fn now(&self) -> Time {
        Time::ZERO + self.0.elapsed()
    }

    async fn sleep(&self, duration: Duration) {
        tokio::time::sleep(duration).await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn the_webrtc_transport_conforms_to_the_contract() {
    let transport = || WebRtcTransport::new(WebRtcConfig::default()).unwrap();
    let clock = SystemClock(std::time::Instant::now());
    conformance::direct(transport(), transport(), &clock).await.unwrap();
}
