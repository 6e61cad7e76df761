//! The interface of the `peer` program for scripts.

use std::net::TcpListener;

use serde_json::{Value, json};

use super::process::{Peer, Process, Server, turn};

#[tokio::test]
async fn path_ready_and_upgrade_events_are_reported() {
    let _turn = turn().await;
    let server = Server::start(&[]).await;
    let peers = Peer::join_all(&server, 2, &["--policy", "manual"]).await;
    let [mut ann, ben] = <[Peer; 2]>::try_from(peers).ok().expect("two peers");
    let to_ben = ("peer", json!(ben.id));
    ann.event("ready", &[]).await;
    ann.command(json!({ "cmd": "peers" })).await;
    let listed = ann.event("peers", &[]).await;
    assert_eq!(listed["peers"], json!([{ "id": ben.id, "path": "relay", "v": 1 }]));
    assert_eq!(ann.count("upgrade"), 0);
    ann.command(json!({ "cmd": "upgrade", "to": ben.id })).await;
    ann.event("path", &[to_ben.clone(), ("path", json!("direct"))]).await;
    ann.event("upgrade", &[]).await;
    ann.command(json!({ "cmd": "policy", "policy": "relay-only" })).await;
    let paths = |events: &[Value]| {
        let paths = events.iter().filter(|event| event["ev"] == "path");
        let paths: Vec<String> =
            paths.map(|event| event["path"].as_str().unwrap().to_owned()).collect();
        (paths.len() == 3).then_some(paths)
    };
    assert_eq!(ann.until("three paths", paths).await, ["relay", "direct", "relay"]);
    let events = ann.events();
    let joined = events.iter().position(|event| event["ev"] == "peer-joined").unwrap();
    assert_eq!(events[joined + 1], json!({ "ev": "path", "peer": ben.id, "path": "relay" }));
    ann.quit().await;
    ben.event("peer-left", &[("reason", json!("left"))]).await;
}

#[tokio::test]
async fn event_arguments_of_every_type_return_in_the_ack() {
    let _turn = turn().await;
    let server = Server::start(&[]).await;
    let mut peers = Peer::join_all(&server, 3, &["--policy", "relay-only"]).await;
    let args = json!([
        null, true, 0, -1, 1.5, u64::MAX, i64::MIN, "", "\u{1f4ac} \"\\\u{0}",
        [], {}, [[1], { "deep": [{ "$bytes": "AP8=" }] }], { "$bytes": "" },
        { "$bytes": "aGVsbG8=", "and": "more" }
    ]);
    let (ann, others) = peers.split_first_mut().unwrap();
    let to = &others[0].id;
    let one = json!({ "cmd": "emit", "name": "ask", "args": args, "to": to, "ack": 7, "id": 1 });
    ann.command(one).await;
    let ack = ann.event("ack", &[("ack", json!(7))]).await;
    assert_eq!(ack, json!({ "ev": "ack", "ack": 7, "from": to, "args": args }));
    ann.event("delivered", &[("id", json!(1)), ("peer", json!(to))]).await;
    let received = others[0].event("received", &[("name", json!("ask"))]).await;
    let expected = json!({
        "ev": "received", "from": ann.id, "path": "relay", "name": "ask", "args": args,
    });
    assert_eq!(received, expected);
    ann.command(json!({ "cmd": "emit", "name": "all", "ack": 8 })).await;
    for other in others.iter() {
        let fields = [("ack", json!(8)), ("from", json!(other.id)), ("args", json!([]))];
        ann.event("ack", &fields).await;
    }
    assert_eq!((ann.count("ack"), others[1].count("received")), (3, 1));
    ann.assert_no_errors();
}

#[tokio::test]
async fn a_missing_ack_is_an_error_with_ack_number_and_peer() {
    let _turn = turn().await;
    let server = Server::start(&[]).await;
    let peers = Peer::join_all(&server, 2, &["--policy", "relay-only"]).await;
    let [mut ann, mut ben] = <[Peer; 2]>::try_from(peers).ok().expect("two peers");
    ben.process.kill().await;
    ann.event("peer-away", &[("peer", json!(ben.id))]).await;
    let ask = json!({ "cmd": "emit", "name": "ask", "to": ben.id, "ack": 41, "id": 5 });
    ann.command(ask).await;
    ann.error(&["ack 41", &ben.id]).await;
    let failed = |events: &[Value]| {
        let ends = |event: &&Value| event["ev"] == "failed" || event["ev"] == "unknown";
        events.iter().find(ends).cloned()
    };
    let end = ann.until("how it ended", failed).await;
    assert_eq!((&end["id"], &end["peer"]), (&json!(5), &json!(ben.id)));
}

#[tokio::test]
async fn a_blocked_emit_waits_and_later_emits_keep_their_order() {
    let _turn = turn().await;
    let server = Server::start(&[]).await;
    let args = ["--policy", "relay-only", "--queue-bytes", "3000"];
    let mut peers = Peer::join_all(&server, 3, &args).await;
    let (ann, others) = peers.split_first_mut().unwrap();
    let text = "x".repeat(1000);
    for number in 0..40 {
        let args = json!([number, text]);
        let emit = match number % 3 {
            0 => json!({ "cmd": "emit", "name": "n", "args": args, "id": number }),
            1 => json!({ "cmd": "emit", "name": "n", "args": args, "ack": number }),
            _ => json!({ "cmd": "emit", "name": "n", "args": args }),
        };
        ann.command(emit).await;
    }
    ann.command(json!({ "cmd": "peers" })).await;
    for other in others.iter() {
        ann.event("blocked", &[("peer", json!(other.id))]).await;
        let came = |events: &[Value]| {
            let came = events.iter().filter(|event| event["ev"] == "received");
            let came: Vec<u64> = came.map(|event| event["args"][0].as_u64().unwrap()).collect();
            (came.len() >= 40).then_some(came)
        };
        let came = other.until("40 events", came).await;
        assert!(came.into_iter().eq(0..40));
    }
    for (ev, first) in [("delivered", "id"), ("ack", "ack")] {
        let all = |events: &[Value]| {
            let numbers = events.iter().filter(|event| event["ev"] == ev);
            let mut numbers: Vec<u64> =
                numbers.map(|event| event[first].as_u64().unwrap()).collect();
            numbers.sort_unstable();
            let remainder = u64::from(first == "ack");
            let expected = (0..40).filter(|number| number % 3 == remainder);
            numbers.into_iter().eq(expected.flat_map(|number| [number; 2])).then_some(())
        };
        ann.until(&format!("two times {ev} for each"), all).await;
    }
    ann.assert_no_errors();
}

#[tokio::test]
async fn an_invalid_command_is_an_error_and_the_peer_continues() {
    let _turn = turn().await;
    let server = Server::start(&[]).await;
    let mut peers = Peer::join_all(&server, 2, &[]).await;
    let (ann, ben) = peers.split_first_mut().unwrap();
    let deep = format!("{{\"cmd\":\"emit\",\"name\":\"n\",\"args\":{}", "[".repeat(100_000));
    let long = "x".repeat(25 << 20);
    let bad = [
        ("nonsense", "expected a command"),
        ("[]", "expected a command"),
        ("{\"cmd\":\"dance\"}", "dance"),
        ("{\"cmd\":\"emit\"}", "name"),
        ("{\"cmd\":\"emit\",\"name\":\"n\",\"args\":{}}", "expected a command"),
        ("{\"cmd\":\"emit\",\"name\":\"n\",\"arguments\":[]}", "arguments"),
        ("{\"cmd\":\"emit\",\"name\":\"n\",\"args\":[{\"$bytes\":\"*\"}]}", "$bytes"),
        ("{\"cmd\":\"emit\",\"name\":\"n\",\"args\":[{\"$bytes\":1}]}", "$bytes"),
        ("{\"cmd\":\"emit\",\"name\":\"connect\"}", "connect"),
        ("{\"cmd\":\"emit\",\"name\":\"p2p:relay\"}", "p2p:relay"),
        ("{\"cmd\":\"policy\",\"policy\":\"best\"}", "best"),
        (deep.as_str(), "recursion limit"),
        (long.as_str(), "too long"),
    ];
    for (number, (line, says)) in bad.iter().enumerate() {
        ann.process.write(line).await;
        let errors = |events: &[Value]| {
            let mut errors = events.iter().filter(|event| event["ev"] == "error");
            errors.nth(number).map(|error| error["message"].as_str().unwrap().to_owned())
        };
        let shown = &line[..line.len().min(60)];
        let message = ann.until(&format!("an error for {shown}"), errors).await;
        assert!(message.contains(says), "{shown}: {message}");
    }
    ann.process.write("").await;
    ann.command(json!({ "cmd": "emit", "name": "fine" })).await;
    ben[0].event("received", &[("name", json!("fine"))]).await;
    assert_eq!(ann.count("error"), bad.len());
}

#[tokio::test]
async fn the_error_of_an_unknown_receiver_names_it() {
    let _turn = turn().await;
    let server = Server::start(&[]).await;
    let mut ann = Peer::join(&server, &[]).await;
    let emit = json!({ "cmd": "emit", "name": "n", "to": "nobody-here", "id": 3 });
    ann.command(emit).await;
    ann.error(&["nobody-here"]).await;
    ann.event("failed", &[("id", json!(3)), ("peer", json!("nobody-here"))]).await;
    for command in ["upgrade", "cut"] {
        let errors = ann.count("error");
        ann.command(json!({ "cmd": command, "to": "nobody-here" })).await;
        let more = |events: &[Value]| {
            let errors_now = events.iter().filter(|event| event["ev"] == "error");
            errors_now.skip(errors).last().map(|error| error["message"].to_string())
        };
        let message = ann.until("another error", more).await;
        assert!(message.contains("nobody-here") && message.contains(command), "{message}");
    }
    ann.quit().await;
}

#[tokio::test]
async fn a_full_room_refuses_the_join_with_its_code() {
    let _turn = turn().await;
    let server = Server::start(&["--room-capacity", "2"]).await;
    let _peers = Peer::join_all(&server, 2, &["--room", "small"]).await;
    let args = ["--server", &server.url, "--room", "small"];
    let mut late = Process::start("peer", &args);
    late.ends_with(1).await;
    let lines = late.lines();
    let line: Value = serde_json::from_str(lines.last().expect("a line")).unwrap();
    let message = line["message"].as_str().unwrap();
    assert_eq!(line["ev"], "error");
    for text in ["small", "full", "room-full"] {
        assert!(message.contains(text), "{message}");
    }
    assert!(late.errors().contains("room-full"), "{}", late.errors());
    // Other rooms have space.
    Peer::join(&server, &["--room", "large"]).await.quit().await;
}

#[tokio::test]
async fn an_unreachable_server_is_reported_and_retried() {
    let _turn = turn().await;
    let free = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap();
    let url = format!("http://{free}");
    let peer = Peer { process: Process::start("peer", &["--server", &url]), id: String::new() };
    peer.error(&[&free.to_string(), "next try"]).await;
    let _server = Server::start_at(&free.port().to_string(), &[]).await;
    peer.event("connected", &[]).await;
    peer.quit().await;
}

#[tokio::test]
async fn the_end_of_input_delivers_all_emits_before_the_exit() {
    let _turn = turn().await;
    let server = Server::start(&[]).await;
    let mut peers = Peer::join_all(&server, 2, &[]).await;
    let (ann, ben) = peers.split_first_mut().unwrap();
    let blob = json!([{ "$bytes": "AAAA".repeat(100_000) }]);
    for number in 0..5 {
        ann.command(json!({ "cmd": "emit", "name": "last", "args": blob, "id": number })).await;
    }
    ann.process.close_input();
    ann.process.ends_with(0).await;
    ann.assert_no_errors();
    assert_eq!(ann.count("delivered"), 5);
    ben[0].event("peer-left", &[("peer", json!(ann.id)), ("reason", json!("left"))]).await;
    assert_eq!(ben[0].count("received"), 5);
}

#[tokio::test]
async fn an_invalid_command_line_of_peer_is_a_usage_error() {
    let _turn = turn().await;
    let url = "http://127.0.0.1:1";
    for args in [&[][..], &["--server", url, "--policy", "best"], &["--server", url, "--room", ""]]
    {
        Process::start("peer", args).ends_with(2).await;
    }
    let mut process = Process::start("peer", &["--server", "127.0.0.1:1"]);
    process.ends_with(1).await;
    assert!(process.errors().contains("http://"), "{}", process.errors());
}
