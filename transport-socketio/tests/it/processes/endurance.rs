//! A long stream of events while the direct path and the server are cut and restored 50 times.

use std::time::{Duration, Instant};

use serde_json::{Value, json};

use super::process::{Peer, Server, turn};

const EVENTS: u64 = 20_000;
const ROUNDS: usize = 50;

/// Pause between two events, so that the stream lasts as long as the rounds.
const PACE: Duration = Duration::from_millis(25);

/// Time limit of a round: detecting a silent path takes 5 s, opening a new one some more.
const ROUND_PATIENCE: Duration = Duration::from_secs(60);

/// The token key, so that resume tokens outlive the server.
const KEY: (&str, &str) =
    ("SOCKETIO_P2P_TOKEN_KEY", "00112233445566778899aabbccddeeff00112233445566778899aabbccddeeff");

async fn start_server(port: &str) -> Server {
    Server::start_with(port, &[], &[KEY]).await
}

/// The events of a peer so far, read as they come.
#[derive(Default)]
struct Story {
    lines: usize,
    path: String,
    paths: usize,
    connected: usize,
    left: usize,
    numbers: Vec<u64>,
    by_path: std::collections::BTreeMap<String, usize>,
    delivered: Vec<u64>,
}

impl Story {
    fn read(&mut self, peer: &Peer) {
        let text = |value: &Value| value.as_str().unwrap_or_default().to_owned();
        for event in peer.events_from(self.lines) {
            self.lines += 1;
            match event["ev"].as_str().unwrap() {
                "connected" => self.connected += 1,
                "peer-left" | "failed" | "unknown" => self.left += 1,
                "path" => {
                    self.path = text(&event["path"]);
                    self.paths += 1;
                }
                "received" => {
                    self.numbers.push(event["args"][0].as_u64().unwrap());
                    *self.by_path.entry(text(&event["path"])).or_default() += 1;
                }
                "delivered" => self.delivered.push(event["id"].as_u64().unwrap()),
                _ => {}
            }
        }
    }
}

/// The phase of a round.
enum Round {
    /// The direct path is cut; in some rounds the server is down too, until then.
    Cut { server_back: Option<Instant> },
    /// A direct path is open again; the server is down until then.
    ServerDown { until: Instant },
    /// Both peers reconnect to the server.
    Rejoining { connected: [usize; 2] },
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
#[ignore = "takes about ten minutes"]
async fn every_one_of_20000_events_arrives_once_and_in_order_through_50_cuts_of_both_paths() {
    let _turn = turn().await;
    let mut server = start_server("0").await;
    let port = server.port().to_owned();
    let [mut ann, ben]: [Peer; 2] =
        Peer::join_all(&server, 2, &[]).await.try_into().ok().expect("two peers");
    ann.direct_to(&[&ben]).await;
    ben.direct_to(&[&ann]).await;
    let (mut of_ann, mut of_ben) = (Story::default(), Story::default());

    let start = Instant::now();
    let mut pace = tokio::time::interval(PACE);
    let mut sent = 0;
    let mut rounds = 0;
    let mut round: Option<(Instant, Round)> = None;
    while sent < EVENTS || rounds < ROUNDS || round.is_some() {
        pace.tick().await;
        if sent < EVENTS {
            let line = json!({ "cmd": "emit", "name": "n", "args": [sent], "id": sent });
            ann.command(line).await;
            sent += 1;
        }
        of_ann.read(&ann);
        of_ben.read(&ben);
        let connected = [of_ann.connected, of_ben.connected];
        let now = Instant::now();
        round = match round.take() {
            Some((since, _)) if since.elapsed() > ROUND_PATIENCE => {
                ann.process.fail(&format!("round {rounds} does not end"))
            }
            Some((since, Round::Cut { server_back: Some(at) })) if now >= at => {
                server = start_server(&port).await;
                Some((since, Round::Cut { server_back: None }))
            }
            Some((since, Round::Cut { server_back: None }))
                if of_ann.paths > 0 && of_ann.path == "direct" && of_ben.path == "direct" =>
            {
                server.process.kill().await;
                let until = now + Duration::from_millis(300 * (rounds as u64 % 6));
                Some((since, Round::ServerDown { until }))
            }
            Some((since, Round::ServerDown { until })) if now >= until => {
                server = start_server(&port).await;
                Some((since, Round::Rejoining { connected }))
            }
            Some((_, Round::Rejoining { connected: before }))
                if before.iter().zip(connected).all(|(before, now)| now > *before) =>
            {
                rounds += 1;
                None
            }
            None if rounds < ROUNDS => {
                ann.command(json!({ "cmd": "cut", "to": ben.id })).await;
                (of_ann.paths, of_ann.path) = (0, String::new());
                let both = rounds % 3 == 2;
                if both {
                    server.process.kill().await;
                }
                let server_back = both.then(|| now + Duration::from_secs(2));
                Some((now, Round::Cut { server_back }))
            }
            waiting => waiting,
        };
    }
    eprintln!("{sent} events and {rounds} rounds after {:?}", start.elapsed());

    let all = usize::try_from(EVENTS).unwrap();
    let quiet = Instant::now();
    while of_ben.numbers.len() < all || of_ann.delivered.len() < all {
        assert!(quiet.elapsed() < ROUND_PATIENCE, "{} of {all}", of_ben.numbers.len());
        pace.tick().await;
        of_ann.read(&ann);
        of_ben.read(&ben);
    }
    eprintln!("received by path: {:?}", of_ben.by_path);
    assert!(of_ben.numbers.iter().copied().eq(0..EVENTS), "not once each, in order");
    of_ann.delivered.sort_unstable();
    assert!(of_ann.delivered.iter().copied().eq(0..EVENTS), "not one report each");
    assert_eq!((of_ann.left, of_ben.left), (0, 0));
    assert!(of_ben.by_path.len() == 2 && of_ben.by_path.values().all(|count| *count > 100));
    ann.quit().await;
    ben.quit().await;
}
