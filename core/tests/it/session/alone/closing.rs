//! The end of a session.

use super::*;

#[test]
fn a_session_that_is_closed_has_nothing_to_send() {
    let mut alone = Alone::with_members(relay_only(), &[("a", 1)]);
    alone.session.close(alone.now);
    while let Some(due) = alone.session.poll_timeout() {
        alone.now = due;
        alone.session.handle_timeout(due);
    }
    assert!(matches!(alone.events().last(), Some(Event::Closed)));
    assert!(has_close(&alone.commands()));
    assert!(alone.sent().is_empty(), "the DISCONNECT that nobody took in time");
}

#[test]
fn nothing_follows_the_good_bye() {
    let mut alone = Alone::with_members(relay_only(), &[("a", 1)]);
    alone.session.emit(Target::All, &numbered(0), alone.now).unwrap();
    alone.sent();
    alone.session.close(alone.now);
    // It is never acknowledged.
    alone.wait(Duration::from_millis(4990));
    alone.now = alone.now + Duration::from_millis(10);
    alone.session.handle_timeout(alone.now);
    let said = alone.said("a");
    assert_eq!(said.len(), 1, "{said:?}");
    let said = items(&said);
    assert!(said.contains(&Item::Bye) && records(&said).is_empty(), "{said:?}");
    assert_eq!(states(&said).len(), 1, "with it goes what has come");
    alone.session.handle_timeout(alone.now + Duration::from_millis(100));
    assert_eq!(outcomes(&alone.events()), [Outcome::Unknown]);
    assert!(alone.sent().is_empty());
}

#[test]
fn a_session_that_is_closed_waits_for_nothing() {
    let mut alone = Alone::with_newcomers(Config::default(), &["a"]);
    // Neighbours are to be told of each other soon.
    alone.validated_channel("a");
    alone.session.close(alone.now);
    alone.now = alone.now + Duration::from_secs(1);
    alone.hear("2[\"x\"]");
    assert!(matches!(alone.events().last(), Some(Event::Closed)));
    assert_eq!(alone.session.poll_timeout(), None);
}
