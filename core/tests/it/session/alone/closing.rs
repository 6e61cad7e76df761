//! The end of a session.

use super::*;

#[test]
fn a_closed_session_has_no_output() {
    let mut alone = Alone::with_members(relay_only(), &[("a", 1)]);
    alone.session.close(alone.now);
    while let Some(due) = alone.session.poll_timeout() {
        alone.now = due;
        alone.session.handle_timeout(due);
    }
    assert!(matches!(alone.events().last(), Some(Event::Closed)));
    assert!(has_close(&alone.commands()));
    assert!(alone.sent().is_empty(), "the DISCONNECT that was not taken in time");
}

#[test]
fn no_control_follows_the_good_bye() {
    let mut alone = Alone::with_members(relay_only(), &[("a", 1)]);
    alone.session.emit(Target::All, &numbered(0), alone.now).unwrap();
    alone.sent();
    alone.session.close(alone.now);
    // It is never acknowledged.
    alone.wait(Duration::from_millis(4990));
    alone.now = alone.now + Duration::from_millis(10);
    alone.session.handle_timeout(alone.now);
    let output = alone.sent_to("a");
    assert_eq!(output.len(), 1, "{output:?}");
    let output = items(&output);
    assert!(output.contains(&Item::Bye) && records(&output).is_empty(), "{output:?}");
    assert_eq!(states(&output).len(), 1, "beside the acknowledgements");
    alone.session.handle_timeout(alone.now + Duration::from_millis(100));
    assert_eq!(outcomes(&alone.events()), [Outcome::Unknown]);
    assert!(alone.sent().is_empty());
}

#[test]
fn a_closed_session_has_no_deadline() {
    let mut alone = Alone::with_newcomers(Config::default(), &["a"]);
    // The lists of neighbours are due within 100 ms.
    alone.validated_channel("a");
    alone.session.close(alone.now);
    alone.now = alone.now + Duration::from_secs(1);
    alone.receive("2[\"x\"]");
    assert!(matches!(alone.events().last(), Some(Event::Closed)));
    assert_eq!(alone.session.poll_timeout(), None);
}

#[test]
fn a_question_to_the_server_ends_before_the_session_is_closed() {
    let mut alone = Alone::with_members(relay_only(), &[]);
    alone.events();
    let question = numbered(1);
    alone.session.emit_with_ack(Target::Server, &question, None, alone.now).unwrap();
    alone.session.close(alone.now);
    alone.wait(Duration::from_secs(1));
    let events = alone.events();
    assert!(
        matches!(events[..], [Event::NoServerAck { timed_out: false, .. }, Event::Closed]),
        "{events:?}"
    );
    alone.receive(r#"30[1]"#);
    alone.wait(Duration::from_secs(600));
    assert!(alone.events().is_empty());
}
