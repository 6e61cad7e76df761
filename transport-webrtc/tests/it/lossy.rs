//! A path on loopback between two ends, with loss and reordering.

use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use tokio::net::UdpSocket;
use tokio::task::JoinSet;

/// A forwarder with two sockets; each end uses one of them as the address of the other end.
pub(crate) struct LossyPath {
    near: Arc<UdpSocket>,
    far: Arc<UdpSocket>,
    faults: Arc<Faults>,
    forwarding: JoinSet<()>,
}

/// In each direction one data packet in this many is lost, or overtaken by the next one; 0 is none.
#[derive(Default)]
struct Faults {
    lose_one_in: AtomicUsize,
    swap_one_in: AtomicUsize,
    lost: AtomicUsize,
}

impl LossyPath {
    pub(crate) async fn new() -> Self {
        let bind = || async { Arc::new(UdpSocket::bind("127.0.0.1:0").await.unwrap()) };
        Self {
            near: bind().await,
            far: bind().await,
            faults: Arc::default(),
            forwarding: JoinSet::new(),
        }
    }

    /// The near end's offer with the candidate replaced by the forwarder's socket.
    pub(crate) fn offer(&mut self, sdp: &str) -> String {
        let (sdp, end) = move_candidate(sdp, &self.far);
        self.forward(Arc::clone(&self.far), Arc::clone(&self.near), end);
        sdp
    }

    /// The far end's answer with the candidate replaced by the forwarder's socket.
    pub(crate) fn answer(&mut self, sdp: &str) -> String {
        let (sdp, end) = move_candidate(sdp, &self.near);
        self.forward(Arc::clone(&self.near), Arc::clone(&self.far), end);
        sdp
    }

    pub(crate) fn lose_one_in(&self, packets: usize) {
        self.faults.lose_one_in.store(packets, Ordering::Relaxed);
    }

    pub(crate) fn swap_one_in(&self, packets: usize) {
        self.faults.swap_one_in.store(packets, Ordering::Relaxed);
    }

    /// Packets lost so far.
    pub(crate) fn lost(&self) -> usize {
        self.faults.lost.load(Ordering::Relaxed)
    }

    /// Forwards what comes to one socket to an end, out of the other socket.
    fn forward(&mut self, from: Arc<UdpSocket>, out: Arc<UdpSocket>, end: SocketAddr) {
        let faults = Arc::clone(&self.faults);
        self.forwarding.spawn(async move {
            let mut buffer = [0; 65_536];
            let mut overtaken = None::<Vec<u8>>;
            let mut count = 0_usize;
            while let Ok((length, _)) = from.recv_from(&mut buffer).await {
                let packet = &buffer[..length];
                // DTLS application data (RFC 7983): neither the handshake nor ICE.
                let is_data = packet.first() == Some(&23);
                count += usize::from(is_data);
                let strikes = |one_in: &AtomicUsize| {
                    let one_in = one_in.load(Ordering::Relaxed);
                    is_data && one_in > 0 && count.is_multiple_of(one_in)
                };
                if strikes(&faults.lose_one_in) {
                    faults.lost.fetch_add(1, Ordering::Relaxed);
                } else if overtaken.is_none() && strikes(&faults.swap_one_in) {
                    overtaken = Some(packet.to_vec());
                } else {
                    let _ = out.send_to(packet, end).await;
                    if let Some(packet) = overtaken.take() {
                        let _ = out.send_to(&packet, end).await;
                    }
                }
            }
        });
    }
}

/// Replaces the candidate in a description by a socket of ours; returns the replaced address too.
fn move_candidate(sdp: &str, socket: &UdpSocket) -> (String, SocketAddr) {
    let candidate = sdp.lines().find(|line| line.starts_with("a=candidate:")).unwrap();
    let port: u16 = candidate.split(' ').nth(5).unwrap().parse().unwrap();
    let ours = socket.local_addr().unwrap().port();
    let moved = sdp.replace(&format!("127.0.0.1 {port} "), &format!("127.0.0.1 {ours} "));
    (moved, SocketAddr::from(([127, 0, 0, 1], port)))
}
