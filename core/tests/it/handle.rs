//! The cloneable handle, on in-memory transports and tokio's paused clock.

mod closing;
mod emits;
mod requests;
mod router;
mod transfers;
mod unread;

use std::time::Duration;

use futures::StreamExt as _;
use socketio_p2p_core::handle::{Events, HandleConfig, Peer};
use socketio_p2p_core::{Config, Event, Packet, Path, PeerId};
use tokio::task::JoinHandle;

use crate::driver::Net;

/// A peer with its task.
struct Member {
    peer: Peer,
    events: Events,
    run: JoinHandle<()>,
}

impl Member {
    fn new(net: &mut Net, config: Config) -> Self {
        Self::with_bound(net, config, HandleConfig::default())
    }

    fn with_bound(net: &mut Net, config: Config, bound: HandleConfig) -> Self {
        let (peer, events, run) = net.peer(config).split_with(bound);
        Self { peer, events, run: tokio::spawn(run) }
    }

    fn id(&self) -> PeerId {
        self.peer.id().expect("it has joined")
    }

    /// Reads events until one matches.
    async fn until(&mut self, is: impl Fn(&Event) -> bool) -> Event {
        let wait = async {
            loop {
                let event = self.events.next().await.expect("the session is open");
                if is(&event) {
                    return event;
                }
            }
        };
        soon(wait).await
    }

    /// Reads events until one is a packet.
    async fn received(&mut self) -> Packet {
        match self.until(|event| matches!(event, Event::Received { .. })).await {
            Event::Received { packet, .. } => packet,
            other => panic!("{other:?}"),
        }
    }

    async fn number(&mut self) -> u32 {
        self.received().await.args::<(u32,)>().unwrap().0
    }

    /// Ends the task without a good-bye.
    async fn crash(&mut self) {
        self.run.abort();
        drop((&mut self.run).await);
    }
}

/// The result of a future that ends within two minutes.
async fn soon<T>(future: impl Future<Output = T>) -> T {
    tokio::time::timeout(Duration::from_secs(120), future).await.expect("it ends in time")
}

fn event(number: u32) -> Packet {
    Packet::event("n", &(number,)).unwrap()
}

/// A configuration with room for four events per lane.
fn tight() -> Config {
    Config::default().with_queue_packets(4)
}

/// Members that have direct paths to each other.
async fn members<const N: usize>(net: &mut Net, configs: [Config; N]) -> [Member; N] {
    let mut members = configs.map(|config| Member::new(net, config));
    for member in &mut members {
        for _ in 1..N {
            member
                .until(|event| matches!(event, Event::PathChanged { path: Path::Direct, .. }))
                .await;
        }
    }
    members
}

#[test]
fn the_handle_goes_to_any_thread() {
    fn shared<T: Clone + Send + Sync + 'static>() {}
    fn sent<T: Send + 'static>() {}
    shared::<Peer>();
    sent::<Events>();
}

#[tokio::test(start_paused = true)]
async fn the_handle_has_the_numbers_of_the_session() {
    let mut net = Net::new();
    let [a, b] = members(&mut net, [Config::default(), Config::default()]).await;
    assert_eq!((a.peer.numbers().members, a.peer.numbers().direct_peers), (1, 1));
    let numbers = a.peer.peer_numbers(&b.id()).unwrap();
    assert!(numbers.direct.messages_in > 0 && numbers.candidates.is_some(), "{numbers:?}");
    assert_eq!(a.peer.peer_numbers(&a.id()), None);
}

#[tokio::test(start_paused = true)]
async fn the_handle_shows_the_session() {
    let mut net = Net::new();
    let [a, b] = members(&mut net, [Config::default(), Config::default()]).await;
    assert!(a.peer.is_joined());
    let peers = a.peer.peers();
    assert_eq!(peers.iter().map(|peer| peer.id.clone()).collect::<Vec<_>>(), [b.id()]);
    assert_eq!(a.peer.policy(), a.peer.with(|session, _| session.policy()));
    a.peer.set_policy(socketio_p2p_core::Policy::RelayOnly);
    assert_eq!(a.peer.policy(), socketio_p2p_core::Policy::RelayOnly);
    a.peer.upgrade(b.id()).unwrap();
    a.peer.upgrade(a.id()).unwrap_err();
}
