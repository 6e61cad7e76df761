//! Dispatch of events by name.

use std::sync::{Arc, Mutex};

use serde::{Deserialize, Serialize};
use socketio_p2p_core::codec::Blob;
use socketio_p2p_core::handle::{RouteFailure, Router};

use super::*;

#[derive(Debug, PartialEq, Serialize, Deserialize)]
#[serde(tag = "kind", rename_all = "lowercase")]
enum Tagged {
    Text { text: String },
    Picture { name: String, data: Blob },
}

#[derive(Debug, PartialEq, Serialize, Deserialize)]
enum External {
    Unit,
    Newtype(Blob),
    Struct { data: Blob, n: u32 },
}

#[derive(Debug, PartialEq, Serialize, Deserialize)]
#[serde(tag = "t", content = "c")]
enum Adjacent {
    Blobs(Vec<Blob>),
    None,
}

#[derive(Debug, PartialEq, Serialize, Deserialize)]
#[serde(untagged)]
enum Untagged {
    Number(u32),
    Data { data: Blob },
}

fn there_and_back<T>(value: &T)
where
    T: Serialize + for<'de> Deserialize<'de> + std::fmt::Debug + PartialEq,
{
    let packet = Packet::event("e", &(value,)).unwrap();
    let (back,) = packet.args::<(T,)>().unwrap();
    assert_eq!(&back, value);
}

#[test]
fn enums_of_every_form_are_one_argument_with_blobs_inside() {
    let blob = || Blob::from(vec![1, 2, 3]);
    there_and_back(&Tagged::Text { text: "hi".to_owned() });
    there_and_back(&Tagged::Picture { name: "a".to_owned(), data: blob() });
    there_and_back(&External::Unit);
    there_and_back(&External::Newtype(blob()));
    there_and_back(&External::Struct { data: blob(), n: 4 });
    there_and_back(&Adjacent::Blobs(vec![blob(), blob()]));
    there_and_back(&Adjacent::None);
    there_and_back(&Untagged::Number(7));
    there_and_back(&Untagged::Data { data: blob() });
}

#[tokio::test(start_paused = true)]
async fn events_go_to_the_handler_of_their_name_and_questions_are_answered() {
    let mut net = Net::new();
    let [a, b] = members(&mut net, [Config::default(), Config::default()]).await;
    let log = Arc::new(Mutex::new(Vec::new()));
    let note = |log: &Arc<Mutex<Vec<String>>>| {
        let log = Arc::clone(log);
        move |line: String| log.lock().unwrap().push(line)
    };
    let (chat, others, errors) = (note(&log), note(&log), note(&log));
    let router = Router::new()
        .on("chat", move |_, (message,): (Tagged,)| chat(format!("chat {message:?}")))
        .answer("add", |_, (a, b): (i64, i64)| (a + b,))
        .otherwise(move |event| {
            if let Event::Received { packet, .. } = event {
                others(format!("other {}", packet.event_name().unwrap()));
            }
        })
        .on_error(move |error| {
            let RouteFailure::Arguments(_) = &error.cause else { panic!("{error:?}") };
            errors(format!("{error}"));
        });
    let (to, sender, peer) = (b.id(), a.id(), b.peer.clone());
    let events = b.events;
    tokio::spawn(async move { router.run(peer, events).await });
    let text = Tagged::Text { text: "hi".to_owned() };
    a.peer.emit(&to, &Packet::event("chat", &(&text,)).unwrap()).await.unwrap();
    a.peer.emit(&to, &Packet::event("chat", &(4,)).unwrap()).await.unwrap();
    a.peer.emit(&to, &event(1)).await.unwrap();
    let question = Packet::event("add", &(4, 5)).unwrap();
    let (sum,) = soon(a.peer.request(&to, &question).args::<(i64,)>()).await.unwrap();
    assert_eq!(sum, 9);
    // A handler that gives no answer, or cannot parse the question, leaves it unanswered.
    let bad = Packet::event("add", &("x",)).unwrap();
    let unanswered = a.peer.request(&to, &bad).timeout(Duration::from_secs(1));
    assert!(soon(unanswered.into_future()).await.is_err());
    let expected = [
        format!("chat {text:?}"),
        format!("event \"chat\" of peer {sender}"),
        "other n".to_owned(),
        format!("event \"add\" of peer {sender}"),
    ];
    assert_eq!(*log.lock().unwrap(), expected);
}

/// A member whose queues and unread events are bounded to a few kilobytes.
fn small(net: &mut Net) -> Member {
    let bound = HandleConfig::default().with_unread_bytes(10_000);
    Member::with_bound(net, Config::default().with_queue_bytes(20_000), bound)
}

async fn small_pair(net: &mut Net) -> [Member; 2] {
    let mut pair = [small(net), small(net)];
    for member in &mut pair {
        member.until(|event| matches!(event, Event::PathChanged { path: Path::Direct, .. })).await;
    }
    pair
}

/// A kilobyte with a number.
fn kilobyte(number: u32) -> Packet {
    Packet::event("echo", &(number, "x".repeat(1000))).unwrap()
}

const MANY: u32 = 300;

#[tokio::test(start_paused = true)]
async fn routers_that_answer_each_other_beyond_all_bounds_do_not_wait_for_each_other() {
    let mut net = Net::new();
    let pair = small_pair(&mut net).await;
    let ids = [pair[1].id(), pair[0].id()];
    let mut asking = Vec::new();
    for (Member { peer, events, .. }, to) in pair.into_iter().zip(ids) {
        let router = Router::new().answer("echo", |_, args: (u32, String)| args);
        tokio::spawn(router.run(peer.clone(), events));
        asking.push(tokio::spawn(async move {
            let ask = |number| {
                peer.request(&to, &kilobyte(number))
                    .timeout(Duration::from_secs(60))
                    .args::<(u32, String)>()
            };
            futures::future::join_all((0..MANY).map(ask)).await
        }));
    }
    for answers in asking {
        for (number, answer) in (0..).zip(soon(answers).await.unwrap()) {
            assert_eq!(answer.unwrap().0, number);
        }
    }
}

/// What `handle` warns of: a reader that awaits its emits.
#[tokio::test(start_paused = true)]
async fn readers_that_await_their_emits_may_wait_for_each_other_and_others_do_not() {
    for waits in [true, false] {
        let mut net = Net::new();
        let pair = small_pair(&mut net).await;
        let ids = [pair[1].id(), pair[0].id()];
        let mut readers = Vec::new();
        for (Member { peer, mut events, .. }, to) in pair.into_iter().zip(ids) {
            let (sender, receiver) = (peer.clone(), to.clone());
            tokio::spawn(async move {
                for number in 0..MANY {
                    sender.emit(&receiver, &kilobyte(number)).await.unwrap();
                }
            });
            readers.push(tokio::spawn(async move {
                let mut received = 0;
                while received < 2 * MANY {
                    let event = events.next().await.unwrap();
                    let Event::Received { packet, .. } = event else { continue };
                    received += 1;
                    if &*packet.event_name().unwrap() == "back" {
                        continue;
                    }
                    let (peer, to) = (peer.clone(), to.clone());
                    let echo = Packet::event("back", &("x".repeat(1000),)).unwrap();
                    let emit = async move { peer.emit(&to, &echo).await.map(drop) };
                    match waits {
                        true => emit.await.unwrap(),
                        false => drop(tokio::spawn(emit)),
                    }
                }
                // The other one still needs it.
                (peer, events)
            }));
        }
        let all = futures::future::join_all(readers);
        let done = tokio::time::timeout(Duration::from_secs(600), all).await;
        assert_eq!(done.is_err(), waits);
    }
}

#[tokio::test(start_paused = true)]
async fn an_answer_may_take_its_time_and_others_overtake_it() {
    let mut net = Net::new();
    let [a, b] = members(&mut net, [Config::default(), Config::default()]).await;
    let to = b.id();
    let asks_back = b.peer.clone();
    let router = Router::new()
        .answer_async("slow", async |_, (seconds,): (u64,)| {
            tokio::time::sleep(Duration::from_secs(seconds)).await;
            (seconds,)
        })
        .answer_async("ask-back", move |from, (): ()| {
            let peer = asks_back.clone();
            // Its answer is one of the events of the stream that the router reads.
            async move { peer.request(&from, &event(7)).args::<(u32,)>().await.unwrap_or((0,)) }
        })
        .answer("quick", |_, (): ()| ("now",));
    tokio::spawn(router.run(b.peer.clone(), b.events));
    tokio::spawn(Router::new().answer("n", |_, (n,): (u32,)| (n,)).run(a.peer.clone(), a.events));
    let start = tokio::time::Instant::now();
    let slow = [3, 2].map(|seconds| {
        let question = Packet::event("slow", &(seconds,)).unwrap();
        tokio::spawn(a.peer.request(&to, &question).args::<(u64,)>())
    });
    let quick = Packet::event("quick", &()).unwrap();
    soon(a.peer.request(&to, &quick).args::<(String,)>()).await.unwrap();
    let ask_back = Packet::event("ask-back", &()).unwrap();
    assert_eq!(soon(a.peer.request(&to, &ask_back).args::<(u32,)>()).await.unwrap(), (7,));
    assert!(start.elapsed() < Duration::from_secs(1));
    for (slow, seconds) in slow.into_iter().zip([3, 2]) {
        assert_eq!(slow.await.unwrap().unwrap(), (seconds,));
    }
    assert_eq!(start.elapsed().as_secs(), 3, "they took their time at the same time");
}

#[tokio::test(start_paused = true)]
async fn the_answer_of_one_routed_event_goes_to_another_task() {
    let mut net = Net::new();
    let [a, mut b] = members(&mut net, [Config::default(), Config::default()]).await;
    let (asked, peer) = (a.peer.request(&b.id(), &event(4)), b.peer.clone());
    let asking = tokio::spawn(asked.args::<(u32,)>());
    let question = b.until(|event| matches!(event, Event::Received { .. })).await;
    let mut router = Router::new().answer_async("n", async |_, (n,): (u32,)| (n + 1,));
    tokio::spawn(router.route(&peer, question));
    assert_eq!(soon(asking).await.unwrap().unwrap(), (5,));
}

#[tokio::test(start_paused = true)]
async fn a_router_without_a_handler_of_everything_else_refuses_transfers() {
    let mut net = Net::new();
    let [a, b] = members(&mut net, [Config::default(), Config::default()]).await;
    let transfer = a.peer.open_transfer(&b.id(), &event(1), None).unwrap();
    tokio::spawn(Router::new().run(b.peer.clone(), b.events));
    let outcome = soon(transfer.finish()).await.unwrap();
    assert_eq!(outcome, socketio_p2p_core::TransferOutcome::Refused);
}
