//! A direct transport over plain TCP, and its conformance test: `cargo run --example tcp`.

use std::io::{Error, ErrorKind};

use socketio_p2p_core::driver::{
    ByteChannel, Clock, Connections, Connector, FrameCodec, TransportError, async_trait,
};
use socketio_p2p_transport_memory::conformance;
use tokio::net::{TcpListener, TcpStream};
use tokio_util::compat::{Compat, TokioAsyncReadCompatExt as _};

struct Tcp;

type Channel = ByteChannel<Compat<TcpStream>>;

fn channel(stream: TcpStream) -> Channel {
    ByteChannel::new(stream.compat(), FrameCodec::new(1 << 20))
}

#[async_trait]
impl Connector for Tcp {
    type Channel = Channel;
    type Offered = TcpListener;

    async fn offer(&self) -> Result<(String, TcpListener), TransportError> {
        let listener = TcpListener::bind("127.0.0.1:0").await?;
        Ok((listener.local_addr()?.to_string(), listener))
    }

    async fn answer(&self, offer: String) -> Result<(String, Channel), TransportError> {
        let stream = TcpStream::connect(&offer).await?;
        Ok((stream.local_addr()?.to_string(), channel(stream)))
    }

    async fn complete(
        &self,
        listener: TcpListener,
        answer: String,
    ) -> Result<Channel, TransportError> {
        // Only the peer that answered knows the address from which it connects.
        while let Ok((stream, from)) = listener.accept().await {
            if from.to_string() == answer {
                return Ok(channel(stream));
            }
        }
        Err(Error::from(ErrorKind::ConnectionAborted).into())
    }
}

#[derive(Clone)]
struct SystemClock(tokio::time::Instant);

#[async_trait]
impl Clock for SystemClock {
    fn now(&self) -> socketio_p2p_core::Time {
        socketio_p2p_core::Time::ZERO + self.0.elapsed()
    }

    async fn sleep(&self, duration: std::time::Duration) {
        tokio::time::sleep(duration).await;
    }
}

#[tokio::main]
async fn main() -> Result<(), conformance::Nonconformance> {
    let clock = SystemClock(tokio::time::Instant::now());
    conformance::direct(Connections::new(Tcp), Connections::new(Tcp), &clock).await
}
