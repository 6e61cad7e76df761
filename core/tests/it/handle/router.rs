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
