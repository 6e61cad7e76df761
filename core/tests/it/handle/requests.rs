//! Requests and answers.

use std::time::Duration;

use futures::{FutureExt as _, StreamExt as _};
use socketio_p2p_core::handle::RequestError;
use socketio_p2p_core::{Config, EmitError};
use tokio::time::Instant;

use super::*;

/// Answers each question with its number and `add`.
async fn answer(member: &mut Member, add: u32) {
    loop {
        let asked = |event: &Event| matches!(event, Event::Received { reply: Some(_), .. });
        let Event::Received { packet, reply: Some(token), .. } = member.until(asked).await else {
            return;
        };
        let (number,) = packet.args::<(u32,)>().unwrap();
        member.peer.reply(&token, &(number + add,)).await.unwrap();
    }
}

#[tokio::test(start_paused = true)]
async fn a_request_returns_the_answer() {
    let mut net = Net::new();
    let [a, mut b] = members(&mut net, [tight(), tight()]).await;
    let to = b.id();
    let (first, typed) = (a.peer.request(&to, &event(1)), a.peer.request(&to, &event(2)));
    let wrong = a.peer.request(&to, &event(3)).args::<(String,)>();
    let (first, typed, wrong) = tokio::select! {
        answers = async { tokio::join!(first.into_future(), typed.args::<(u32,)>(), wrong) } => answers,
        () = answer(&mut b, 10) => panic!("the session ended"),
    };
    assert_eq!(first.unwrap().args::<(u32,)>().unwrap(), (11,));
    assert_eq!(typed.unwrap(), (12,));
    assert!(matches!(wrong, Err(RequestError::Payload(_))), "{wrong:?}");
}

#[tokio::test(start_paused = true)]
async fn many_requests_and_answers_wait_for_room() {
    let mut net = Net::new();
    let [a, mut b] = members(&mut net, [tight(), tight()]).await;
    let to = b.id();
    let requests = (0..40).map(|number| a.peer.request(&to, &event(number)).args::<(u32,)>());
    let answers = tokio::select! {
        answers = soon(futures::future::join_all(requests)) => answers,
        () = answer(&mut b, 100) => panic!("the session ended"),
    };
    for (number, answer) in (100..).zip(answers) {
        assert_eq!(answer.unwrap(), (number,));
    }
}

#[tokio::test(start_paused = true)]
async fn a_request_without_an_answer_times_out() {
    let mut net = Net::new();
    let [a, b] = members(&mut net, [Config::default(), Config::default()]).await;
    let start = Instant::now();
    let request = a.peer.request(&b.id(), &event(1)).timeout(Duration::from_secs(3));
    let error = soon(request.into_future()).await.unwrap_err();
    assert!(matches!(error, RequestError::TimedOut(_)), "{error:?}");
    assert_eq!(start.elapsed().as_secs(), 3);
}

#[tokio::test(start_paused = true)]
async fn a_request_that_finds_no_room_times_out() {
    let mut net = Net::new();
    let [a, mut b] = members(&mut net, [tight(), Config::default()]).await;
    let to = b.id();
    b.crash().await;
    for number in 0..4 {
        a.peer.try_emit(&to, &event(number)).unwrap();
    }
    let start = Instant::now();
    let request = a.peer.request(&to, &event(1)).timeout(Duration::from_secs(1));
    let error = soon(request.into_future()).await.unwrap_err();
    assert!(matches!(error, RequestError::TimedOut(_)), "{error:?}");
    assert_eq!(start.elapsed().as_secs(), 1);
    // It has left the line.
    let blocked = a.peer.try_emit(&to, &event(4)).unwrap_err();
    assert!(matches!(blocked, EmitError::Blocked { queued: 1.., .. }), "{blocked:?}");
}

#[tokio::test(start_paused = true)]
async fn a_request_ends_when_the_peer_leaves() {
    let mut net = Net::new();
    let [a, mut b] = members(&mut net, [tight(), Config::default()]).await;
    let to = b.id();
    b.crash().await;
    let minute = Duration::from_secs(60);
    let asked = a.peer.request(&to, &event(1)).timeout(minute);
    for number in 0..4 {
        drop(a.peer.try_emit(&to, &event(number)));
    }
    let in_line = a.peer.request(&to, &event(2)).timeout(minute);
    let errors = soon(async { tokio::join!(asked.into_future(), in_line.into_future()) }).await;
    for error in [errors.0.unwrap_err(), errors.1.unwrap_err()] {
        assert!(matches!(error, RequestError::PeerLeft(_)), "{error:?}");
    }
}

#[tokio::test(start_paused = true)]
async fn a_late_answer_to_a_request_that_was_dropped_is_discarded() {
    let mut net = Net::new();
    let [mut a, mut b] = members(&mut net, [Config::default(), Config::default()]).await;
    let mut request = a.peer.request(&b.id(), &event(1)).into_future();
    assert!((&mut request).now_or_never().is_none());
    drop(request);
    drop(tokio::time::timeout(Duration::from_secs(1), answer(&mut b, 0)).await);
    b.peer.emit(a.id(), &event(2)).await.unwrap();
    let next = a.until(|event| matches!(event, Event::Received { .. } | Event::Ack { .. }));
    assert!(matches!(next.await, Event::Received { .. }));
}

#[tokio::test(start_paused = true)]
async fn a_request_to_all_is_a_stream_of_answers_that_ends() {
    let mut net = Net::new();
    let configs = [Config::default(), Config::default(), Config::default()];
    let [a, mut b, c] = members(&mut net, configs).await;
    let answers = a.peer.request_all(&event(5)).timeout(Duration::from_secs(2)).collect::<Vec<_>>();
    let answers = tokio::select! {
        answers = soon(answers) => answers,
        () = answer(&mut b, 1) => panic!("the session ended"),
    };
    let [(first, Ok(answer)), (second, Err(RequestError::TimedOut(_)))] = &answers[..] else {
        panic!("{answers:?}")
    };
    assert_eq!((first, second), (&b.id(), &c.id()));
    assert_eq!(answer.args::<(u32,)>().unwrap(), (6,));
    let wrong = Packet::ack(1, &()).unwrap();
    let errors = soon(a.peer.request_all(&wrong).collect::<Vec<_>>()).await;
    assert_eq!(errors.len(), 2);
    assert!(errors.iter().all(|(_, error)| matches!(error, Err(RequestError::Emit(_)))));
}

#[tokio::test(start_paused = true)]
async fn the_answers_of_all_have_typed_arguments() {
    let mut net = Net::new();
    let configs = [Config::default(), Config::default(), Config::default()];
    let [a, mut b, c] = members(&mut net, configs).await;
    let second = Duration::from_secs(1);
    let numbers = a.peer.request_all(&event(5)).args::<(u32,)>().timeout(second);
    let texts = a.peer.request_all(&event(6)).timeout(second).args::<(String,)>();
    let answers = async { tokio::join!(numbers.collect::<Vec<_>>(), texts.collect::<Vec<_>>()) };
    let (numbers, texts) = tokio::select! {
        answers = soon(answers) => answers,
        () = answer(&mut b, 1) => panic!("the session ended"),
    };
    let [(first, Ok((6,))), (second, Err(RequestError::TimedOut(_)))] = &numbers[..] else {
        panic!("{numbers:?}")
    };
    assert_eq!((first, second), (&b.id(), &c.id()));
    let [(_, Err(RequestError::Payload(_))), (_, Err(RequestError::TimedOut(_)))] = &texts[..]
    else {
        panic!("{texts:?}")
    };
}
