//! Several `peer` processes and a `server`.

use std::time::{Duration, Instant};

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use serde_json::{Value, json};

use super::process::{Peer, Server, turn};

const TEXTS: u64 = 100;
const FILES: u64 = 20;
const SIZES: [usize; 3] = [0, 1, 1_000_000];

/// Bytes that differ between senders, files and positions.
fn blob(sender: usize, file: u64, len: usize) -> Vec<u8> {
    let start = sender as u64 * 1000 + file;
    (0..len as u64).map(|index| (index * 2_654_435_761 + start * 40_503).to_be_bytes()[4]).collect()
}

fn file(sender: usize, number: u64) -> Value {
    let blobs = SIZES.map(|len| json!({ "$bytes": STANDARD.encode(blob(sender, number, len)) }));
    json!([number, { "blobs": blobs }])
}

async fn send_texts(peer: &mut Peer) {
    for number in 0..TEXTS {
        let args = json!([number, format!("text {number} \u{1f4ac}")]);
        peer.command(json!({ "cmd": "emit", "name": "text", "args": args, "id": number })).await;
    }
}

async fn send_files(peer: &mut Peer, sender: usize) {
    for number in 0..FILES {
        let args = file(sender, number);
        let id = 1000 + number;
        peer.command(json!({ "cmd": "emit", "name": "file", "args": args, "id": id })).await;
    }
}

/// Waits for all events with this name from a peer, and checks that they came directly, once, in order and whole.
async fn check(peer: &Peer, from: &Peer, name: &str, expected: Vec<Value>) {
    let of = |event: &&Value| {
        event["ev"] == "received" && event["from"] == from.id && event["name"] == name
    };
    let count = expected.len();
    let what = format!("{count} times {name:?} of {}", from.id);
    let came = peer
        .until(&what, |events| {
            let came: Vec<&Value> = events.iter().filter(of).collect();
            (came.len() >= count).then(|| came.into_iter().cloned().collect::<Vec<_>>())
        })
        .await;
    assert_eq!(came.len(), count, "{name} of {}", from.id);
    for (number, (event, args)) in came.iter().zip(expected).enumerate() {
        assert!(event["args"] == args, "{name} {number} of {} came differently", from.id);
        assert_eq!(event["path"], "direct");
    }
}

/// Waits for the sender's outcomes: each emit delivered once to each other peer.
async fn check_delivered(sender: &Peer, emits: u64, receivers: usize) {
    let expected = usize::try_from(emits).unwrap() * receivers;
    let delivered = |events: &[Value]| {
        let ids = events.iter().filter(|event| event["ev"] == "delivered");
        let mut ids: Vec<(u64, &str)> = ids
            .map(|event| (event["id"].as_u64().unwrap(), event["peer"].as_str().unwrap()))
            .collect();
        ids.sort_unstable();
        ids.dedup();
        (ids.len() == expected).then_some(())
    };
    sender.until(&format!("{expected} reports of delivery"), delivered).await;
    assert_eq!(sender.count("delivered"), expected);
}

/// Peers join, wait until all pairs are direct, transfer, check and quit.
async fn transfer(number: usize, file_senders: usize) {
    let server = Server::start(&[]).await;
    let start = Instant::now();
    let mut peers = Peer::join_all(&server, number, &[]).await;
    let all: Vec<&Peer> = peers.iter().collect();
    for peer in &peers {
        peer.direct_to(&all).await;
    }
    eprintln!("{number} peers: all pairs direct {:?} after the first start", start.elapsed());

    let start = Instant::now();
    futures::future::join_all(peers.iter_mut().map(send_texts)).await;
    let senders = peers[..file_senders].iter_mut().enumerate();
    futures::future::join_all(senders.map(|(number, peer)| send_files(peer, number))).await;
    for (sender, from) in peers.iter().enumerate() {
        for peer in peers.iter().filter(|peer| peer.id != from.id) {
            let texts =
                (0..TEXTS).map(|number| json!([number, format!("text {number} \u{1f4ac}")]));
            check(peer, from, "text", texts.collect()).await;
            if sender < file_senders {
                let files = (0..FILES).map(|number| file(sender, number)).collect();
                check(peer, from, "file", files).await;
            }
        }
        let files = if sender < file_senders { FILES } else { 0 };
        check_delivered(from, TEXTS + files, number - 1).await;
    }
    eprintln!(
        "{number} peers: {TEXTS} texts of each, {FILES} files of {file_senders}, checked in {:?}",
        start.elapsed()
    );
    for peer in &peers {
        peer.assert_no_errors();
        assert_eq!(peer.count("peer-left") + peer.count("peer-away"), 0);
    }
    for peer in peers {
        peer.quit().await;
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn two_peers_upgrade_and_all_events_arrive_once_in_order_and_whole() {
    let _turn = turn().await;
    transfer(2, 2).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn five_peers_upgrade_and_all_events_arrive_once_in_order_and_whole() {
    let _turn = turn().await;
    transfer(5, 1).await;
}

/// Three peers: the smallest mesh that has a pair which is not involved.
async fn three_direct(server: &Server) -> [Peer; 3] {
    let peers = Peer::join_all(server, 3, &[]).await;
    let all: Vec<&Peer> = peers.iter().collect();
    for peer in &peers {
        peer.direct_to(&all).await;
    }
    peers.try_into().ok().expect("three peers")
}

async fn talk(from: &mut Peer, to: &[&Peer], text: &str, path: &str) {
    from.command(json!({ "cmd": "emit", "name": "peer-msg", "args": [text] })).await;
    for peer in to {
        let fields = [("args", json!([text])), ("from", json!(from.id)), ("path", json!(path))];
        peer.event("received", &fields).await;
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_killed_peer_has_left_after_the_resume_window_and_other_links_continue() {
    let _turn = turn().await;
    let server = Server::start(&[]).await;
    let [mut ann, mut ben, mut cleo] = three_direct(&server).await;
    let killed = Instant::now();
    cleo.process.kill().await;
    talk(&mut ann, &[&ben], "meanwhile", "direct").await;
    for peer in [&ann, &ben] {
        peer.event("peer-left", &[("peer", json!(cleo.id))]).await;
        let after = killed.elapsed();
        assert!(after < Duration::from_secs(10), "peer-left came after {after:?}");
    }
    eprintln!("a killed peer has left after {:?}", killed.elapsed());
    talk(&mut ann, &[&ben], "afterwards", "direct").await;
    talk(&mut ben, &[&ann], "yes", "direct").await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn direct_paths_continue_without_the_server() {
    let _turn = turn().await;
    let mut server = Server::start(&[]).await;
    let [mut ann, mut ben, cleo] = three_direct(&server).await;
    server.process.kill().await;
    for peer in [&ann, &ben, &cleo] {
        peer.error(&["server", "next try"]).await;
    }
    talk(&mut ann, &[&ben, &cleo], "is the server gone?", "direct").await;
    // Longer than the resume window of a relayed peer.
    tokio::time::sleep(Duration::from_secs(9)).await;
    talk(&mut ben, &[&ann, &cleo], "yes", "direct").await;
    for peer in [&ann, &ben, &cleo] {
        assert_eq!(peer.count("peer-left") + peer.count("peer-away"), 0);
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_cut_direct_path_falls_back_to_the_relay_without_loss_and_others_stay_direct() {
    let _turn = turn().await;
    let server = Server::start(&[]).await;
    let [mut ann, ben, cleo] = three_direct(&server).await;
    ann.command(json!({ "cmd": "cut", "to": ben.id })).await;
    for number in 0..20 {
        let line = json!({ "cmd": "emit", "name": "n", "args": [number] });
        ann.command(line).await;
    }
    ann.event("path", &[("peer", json!(ben.id)), ("path", json!("relay"))]).await;
    for (peer, path) in [(&ben, "relay"), (&cleo, "direct")] {
        peer.event("received", &[("args", json!([19]))]).await;
        let came = peer.events().into_iter().filter(|event| event["ev"] == "received");
        let came: Vec<Value> = came.collect();
        assert_eq!(came.len(), 20);
        for (number, event) in came.iter().enumerate() {
            assert_eq!((&event["args"], &event["path"]), (&json!([number]), &json!(path)));
        }
    }
    let relayed = [("path", json!("relay")), ("peer", json!(ann.id))];
    let events = cleo.events();
    let direct = events.iter().rev().find(|event| event["ev"] == "path").expect("a path");
    assert_eq!(direct["path"], "direct");
    // A new connection has a working network.
    ben.event("path", &relayed).await;
    let direct = |events: &[Value]| {
        let is_path = |event: &&Value| event["ev"] == "path" && event["peer"] == ben.id;
        events.iter().rfind(is_path).is_some_and(|last| last["path"] == "direct").then_some(())
    };
    ann.until("a new direct path", direct).await;
}
