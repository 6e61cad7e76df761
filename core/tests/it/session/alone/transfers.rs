//! Transfers on the wire: credit, ends and their confirmation, and peers that do not keep to the rules.

use socketio_p2p_core::wire::{Incoming, IncomingKind};
use socketio_p2p_core::{IncomingTransferId, OutgoingTransferId, TransferRead};

use super::*;

/// The beginning of a transfer, by the words of `PROTOCOL.md`.
fn announcement(size: Option<u64>, head: &str) -> Bytes {
    let event = flat(head, &[]);
    let size = size.unwrap_or(u64::MAX).to_be_bytes();
    [&size[..], &(event.len() as u32).to_be_bytes(), &event].concat().into()
}

fn record(number: u64, offset: usize, bytes: impl Into<Bytes>) -> Record {
    let (stream, bytes) = (Stream::Transfers, bytes.into());
    Record { stream, number, offset: offset as u64, end: false, abort: false, bytes }
}

const HEAD: &str = "2[\"file\"]";

/// The bytes of an announcement with that head.
const BEGINS: usize = 12 + 4 + HEAD.len();

fn opening(number: u64) -> Item {
    Item::Record(record(number, 0, announcement(None, HEAD)))
}

fn aborting(number: u64) -> Item {
    Item::Record(Record { abort: true, ..record(number, 0, Bytes::new()) })
}

fn file() -> Packet {
    Packet::event("file", &()).unwrap()
}

fn ends(events: &[Event]) -> Vec<TransferOutcome> {
    let end = |event: &Event| match event {
        Event::TransferEnded { outcome, .. } => Some(*outcome),
        _ => None,
    };
    events.iter().filter_map(end).collect()
}

fn opened(events: &[Event]) -> Option<IncomingTransferId> {
    events.iter().find_map(|event| match event {
        Event::TransferOpened { transfer, .. } => Some(transfer.clone()),
        _ => None,
    })
}

/// What is told of incoming transfers, last.
fn told(said: &[Item]) -> Vec<Incoming> {
    states(said).pop().map_or(Vec::new(), |state| state.incoming)
}

impl Alone {
    /// What the session says of transfers when it is asked.
    fn asked_for_transfers(&mut self) -> Vec<Incoming> {
        self.hear_bundle("a", FRESH, &[Item::Ping(1)]);
        told(&items(&self.said("a")))
    }

    fn read_all(&mut self, transfer: &IncomingTransferId) -> (Vec<u8>, TransferRead) {
        let mut bytes = Vec::new();
        loop {
            match self.session.read_transfer(transfer, self.now).unwrap() {
                TransferRead::Data(more) => bytes.extend(more),
                rest => return (bytes, rest),
            }
        }
    }

    fn open_transfer(&mut self) -> OutgoingTransferId {
        self.session.open_transfer(&id("a"), &file(), None, self.now).unwrap()
    }
}

#[test]
fn a_transfer_is_announced_to_the_letter_and_waits_for_credit() {
    let mut alone = Alone::with_members(relay_only(), &[("a", 1)]);
    let size = Some(5);
    let transfer = alone.session.open_transfer(&id("a"), &file(), size, alone.now).unwrap();
    let mut data = Bytes::from_static(b"hello");
    assert_eq!(alone.session.write_transfer(&transfer, &mut data, alone.now), Ok(0));
    let said = items(&alone.said("a"));
    assert_eq!(records(&said), [record(0, 0, announcement(size, HEAD))]);
    alone.events();
    let begins = BEGINS as u64;
    let kind = |read, had, granted| IncomingKind::Open { read, had, granted, ahead: Vec::new() };
    let hear = |alone: &mut Alone, kind| {
        let state = State { incoming: vec![Incoming { number: 0, kind }], ..State::default() };
        alone.hear_bundle("a", KNOWN, &[Item::State(state)]);
        alone.said("a")
    };
    hear(&mut alone, kind(begins, begins, begins + 3));
    assert!(has(&alone.events(), |event| matches!(event, Event::TransferWritable { .. })));
    assert_eq!(alone.session.write_transfer(&transfer, &mut data, alone.now), Ok(3));
    let said = items(&alone.said("a"));
    assert_eq!(records(&said), [record(0, BEGINS, &b"hel"[..])]);
    hear(&mut alone, kind(begins + 3, begins + 3, begins + 100));
    assert_eq!(alone.session.transfer_progress(&transfer).unwrap().read, 3);
    assert_eq!(alone.session.write_transfer(&transfer, &mut data, alone.now), Ok(2));
    alone.session.finish_transfer(&transfer, alone.now).unwrap();
    let said = items(&alone.said("a"));
    assert_eq!(records(&said), [Record { end: true, ..record(0, BEGINS + 3, &b"lo"[..]) }]);
    let said = items(&hear(&mut alone, IncomingKind::Done));
    assert_eq!(ends(&alone.events()), [TransferOutcome::Delivered]);
    // So that the peer need not repeat it.
    let known = states(&said).pop().expect("it hears that we know");
    assert_eq!((known.opened, &known.open[..]), (1, &[][..]));
}

#[test]
fn credit_is_granted_as_the_application_reads_and_the_end_is_told_until_it_is_known() {
    let mut alone = Alone::with_members(relay_only().with_transfer_window(1000), &[("a", 1)]);
    alone.hear_bundle("a", FRESH, &[opening(0)]);
    let transfer = opened(&alone.events()).expect("it is opened");
    let begins = BEGINS as u64;
    let open = |read: u64, had: u64, granted: u64| {
        let (read, had, granted) = (begins + read, begins + had, begins + granted);
        vec![Incoming {
            number: 0,
            kind: IncomingKind::Open { read, had, granted, ahead: Vec::new() },
        }]
    };
    let said = items(&alone.said("a"));
    assert_eq!(told(&said), open(0, 0, 1000));
    let asked = pings(&said);
    assert_eq!(asked.len(), 1, "no record would repeat it: {said:?}");
    alone.hear_bundle("a", FRESH, &[Item::Record(record(0, BEGINS, vec![7; 600]))]);
    assert_eq!(alone.read_all(&transfer), (vec![7; 600], TransferRead::Pending));
    let said = items(&alone.said("a"));
    assert_eq!(told(&said), open(600, 600, 1600));
    // Nobody answers: it is told again.
    let mut again = 0;
    alone.wait_and(Duration::from_secs(10), |alone| {
        again += usize::from(told(&items(&alone.said("a"))) == open(600, 600, 1600));
    });
    assert!((2..10).contains(&again), "{again}");
    let end = Record { end: true, ..record(0, BEGINS + 600, vec![8; 2]) };
    alone.hear_bundle("a", FRESH, &[Item::Record(end)]);
    assert_eq!(alone.read_all(&transfer), (vec![8; 2], TransferRead::End));
    let done = [Incoming { number: 0, kind: IncomingKind::Done }];
    assert_eq!(alone.asked_for_transfers(), done);
    let still = State { opened: 1, open: vec![0], ..State::default() };
    alone.hear_bundle("a", KNOWN, &[Item::State(still)]);
    assert_eq!(alone.asked_for_transfers(), done);
    alone.hear_bundle("a", KNOWN, &[Item::State(State { opened: 1, ..State::default() })]);
    assert_eq!(alone.asked_for_transfers(), []);
    assert_eq!(ends(&alone.events()), []);
}

#[test]
fn a_transfer_that_sends_more_than_was_granted_is_broken_off() {
    let mut alone = Alone::with_members(relay_only().with_transfer_window(1000), &[("a", 1)]);
    alone.hear_bundle("a", FRESH, &[opening(0)]);
    let more = |at: usize| [Item::Record(record(0, BEGINS + at, vec![0; 500]))];
    alone.hear_bundle("a", FRESH, &more(0));
    alone.hear_bundle("a", FRESH, &more(500));
    let events = alone.events();
    assert!(opened(&events).is_some() && ends(&events).is_empty() && !misbehaved(&events));
    alone.hear_bundle("a", FRESH, &more(501));
    let events = alone.events();
    assert!(misbehaved(&events) && ends(&events) == [TransferOutcome::Aborted], "{events:?}");
    alone.wait(Duration::from_secs(1));
    alone.hear_bundle("a", FRESH, &more(1_500));
    assert!(!has(&alone.events(), |event| matches!(event, Event::PeerError { .. })));
    let refused = [Incoming { number: 0, kind: IncomingKind::Refused }];
    assert_eq!(alone.asked_for_transfers(), refused);
}

#[test]
fn a_transfer_that_is_not_as_long_as_was_said_is_broken_off() {
    for (size, data, end) in [(10, 9, true), (10, 11, true), (0, 1, true)] {
        let mut alone = Alone::with_members(relay_only(), &[("a", 1)]);
        let bytes = [&announcement(Some(size), HEAD)[..], &vec![0; data]].concat();
        alone.hear_bundle("a", FRESH, &[Item::Record(Record { end, ..record(0, 0, bytes) })]);
        let events = alone.events();
        assert!(misbehaved(&events), "{size} {data}: {events:?}");
        let refused = [Incoming { number: 0, kind: IncomingKind::Refused }];
        assert_eq!(alone.asked_for_transfers(), refused);
    }
}

#[test]
fn what_announces_no_event_for_the_application_opens_nothing() {
    let heads =
        ["2/socketio-p2p,[\"x\"]", "2[\"p2p:relay\"]", "2[\"offer\"]", "31[]", "2", "0{}", "9", ""];
    for head in heads {
        let mut alone = Alone::with_members(relay_only(), &[("a", 1)]);
        alone.events();
        let opening = Item::Record(record(0, 0, announcement(None, head)));
        alone.hear_bundle("a", FRESH, &[opening]);
        let events = alone.events();
        assert!(opened(&events).is_none() && names(&events).is_empty(), "{head:?}: {events:?}");
        assert!(has(&events, |event| matches!(event, Event::PeerError { .. })), "{head:?}");
        let refused = [Incoming { number: 0, kind: IncomingKind::Refused }];
        assert_eq!(alone.asked_for_transfers(), refused);
    }
    let mut alone = Alone::with_members(relay_only(), &[("a", 1)]);
    let mut bytes = announcement(None, HEAD).to_vec();
    bytes[8..12].copy_from_slice(&u32::MAX.to_be_bytes());
    alone.hear_bundle("a", FRESH, &[Item::Record(record(0, 0, bytes))]);
    assert!(misbehaved(&alone.events()), "longer than any event may be");
}

#[test]
fn transfers_opened_and_broken_off_without_end_cost_a_bounded_number_of_words() {
    let mut alone = Alone::with_members(relay_only(), &[("a", 1)]);
    let mut bytes = 0;
    for number in 0..20_000 {
        alone.hear_bundle("a", FRESH, &[opening(number), aborting(number)]);
        bytes += alone.sent().iter().map(Packet::wire_len).sum::<usize>();
    }
    assert!(alone.asked_for_transfers().len() <= 64);
    assert!(alone.session.peers().next().unwrap().held < 100_000);
    assert!(bytes < 5_000_000, "{bytes} bytes of answers to 1 MB");
}

#[test]
fn what_is_said_of_transfers_that_never_were_is_misbehaviour() {
    for (number, kind) in [
        (1, IncomingKind::Done),
        (0, IncomingKind::Done),
        (0, IncomingKind::Aborted),
        (0, IncomingKind::Open { read: 0, had: 1_000_000, granted: 1_000_000, ahead: Vec::new() }),
        (0, IncomingKind::Open { read: 99, had: 0, granted: 0, ahead: Vec::new() }),
        (0, IncomingKind::Open { read: 0, had: 0, granted: 0, ahead: vec![(1, 1_000_000)] }),
    ] {
        let mut alone = Alone::with_members(relay_only(), &[("a", 1)]);
        alone.open_transfer();
        alone.sent();
        alone.events();
        let state =
            State { incoming: vec![Incoming { number, kind: kind.clone() }], ..State::default() };
        alone.hear_bundle("a", KNOWN, &[Item::State(state)]);
        let events = alone.events();
        assert!(misbehaved(&events) && ends(&events).is_empty(), "{number} {kind:?}: {events:?}");
    }
}

/// The server says that they left and came back; what they sent before opens a transfer of theirs. Tells our first words
/// after that, and the transfer.
fn begin_anew(ours: &mut Alone, opening: &[Packet]) -> (Vec<Packet>, IncomingTransferId) {
    ours.hear(r#"2["peer-disconnect",{"peerId":"a"}]"#);
    ours.hear(r#"2["peer-join",{"id":"a","v":1}]"#);
    ours.session.emit(Target::All, &numbered(1), ours.now).unwrap();
    let first = ours.sent();
    pass(opening, ours);
    (first, opened(&ours.events()).expect("it is opened"))
}

/// Two sessions that keep to the rules, and a server that keeps the order each way. `ours` is removed from the room
/// and comes back while both say their first words.
#[test]
fn what_was_said_of_a_transfer_of_an_incarnation_that_is_over_says_nothing_of_the_next_ones() {
    let mut ours = Alone::with_members(relay_only(), &[("a", 1)]);
    let mut theirs = Alone::with_members(relay_only(), &[("a", 1)]);
    // The first words of both cross.
    ours.session.emit(Target::All, &numbered(0), ours.now).unwrap();
    let first = ours.sent();
    theirs.open_transfer();
    let opening = theirs.sent();
    let (second, transfer) = begin_anew(&mut ours, &opening);
    // Our application does not want it.
    ours.session.cancel_transfer(&transfer, ours.now).unwrap();
    let refusal = ours.sent();
    pass(&first, &mut theirs);
    pass(&second, &mut theirs);
    let events = theirs.events();
    assert_eq!(ends(&events), [TransferOutcome::Lost], "they begin anew: {events:?}");
    // Their application opens another transfer, which ours wants.
    theirs.open_transfer();
    pass(&refusal, &mut theirs);
    converse(&mut ours, &mut theirs, Duration::from_secs(5));
    assert!(opened(&ours.events()).is_some());
    let ends = ends(&theirs.events());
    assert!(ends.is_empty(), "nobody has refused this one: {ends:?}");
}

/// As above: an empty transfer that was read ends the next one as delivered, which nobody has read.
#[test]
fn a_transfer_is_not_delivered_because_one_of_an_incarnation_before_was() {
    let mut ours = Alone::with_members(relay_only(), &[("a", 1)]);
    let mut theirs = Alone::with_members(relay_only(), &[("a", 1)]);
    ours.session.emit(Target::All, &numbered(0), ours.now).unwrap();
    let first = ours.sent();
    let empty = |alone: &mut Alone| {
        let transfer = alone.open_transfer();
        alone.session.finish_transfer(&transfer, alone.now).unwrap();
    };
    empty(&mut theirs);
    let opening = theirs.sent();
    let (second, transfer) = begin_anew(&mut ours, &opening);
    ours.session.read_transfer(&transfer, ours.now).unwrap();
    let answers = ours.sent();
    pass(&first, &mut theirs);
    pass(&second, &mut theirs);
    theirs.events();
    empty(&mut theirs);
    pass(&answers, &mut theirs);
    converse(&mut ours, &mut theirs, Duration::from_secs(5));
    let ends = ends(&theirs.events());
    assert!(ends.is_empty(), "our application has not read the second one: {ends:?}");
}

/// The good word that a transfer is broken off waits, and is not sent, when the peer begins anew once more.
#[test]
fn a_transfer_that_was_opened_is_broken_off_however_often_the_peer_begins_anew() {
    let mut alone = Alone::with_members(relay_only(), &[("a", 1)]);
    let anew = |alone: &mut Alone, epoch: u32| {
        alone.hear_bundle("a", Epochs { epoch, peer_epoch: 1 }, &[]);
    };
    anew(&mut alone, 5);
    alone.open_transfer();
    alone.sent();
    anew(&mut alone, 6);
    anew(&mut alone, 7);
    let said = records(&items(&alone.said("a")));
    assert!(
        said.iter().any(|record| record.abort && record.number == 0),
        "it never ends: {said:?}"
    );
}

#[test]
fn records_of_a_transfer_that_an_incarnation_before_had_opened_are_answered_with_unknown() {
    let mut alone = Alone::with_members(relay_only(), &[("a", 1)]);
    alone.hear_bundle("a", FRESH, &[opening(0)]);
    alone.events();
    // It goes on with its epoch, we do not.
    alone.hear_bundle("a", FRESH, &[Item::GivenUp(1)]);
    assert_eq!(ends(&alone.events()), [TransferOutcome::Lost]);
    alone.hear_bundle("a", FRESH, &[Item::Record(record(0, BEGINS, vec![0; 10]))]);
    let unknown = [Incoming { number: 0, kind: IncomingKind::Unknown }];
    assert_eq!(alone.asked_for_transfers(), unknown);
    assert_eq!(opened(&alone.events()), None);
}

#[test]
fn an_abort_is_said_until_it_is_heard() {
    let mut alone = Alone::with_members(relay_only(), &[("a", 1)]);
    let transfer = alone.open_transfer();
    alone.sent();
    alone.session.cancel_transfer(&transfer, alone.now).unwrap();
    let said = items(&alone.said("a"));
    assert!(records(&said).iter().any(|record| record.abort), "{said:?}");
    let mut asked = pings(&said);
    alone.wait_and(Duration::from_millis(1_500), |alone| {
        asked.extend(pings(&items(&alone.said("a"))))
    });
    let pong = Item::Pong(*asked.last().unwrap());
    alone.hear_bundle("a", KNOWN, &[Item::State(State::default()), pong]);
    let said = items(&alone.said("a"));
    assert!(records(&said).iter().any(|record| record.abort), "lost, and sent again: {said:?}");
    let kind = IncomingKind::Aborted;
    let heard = State { incoming: vec![Incoming { number: 0, kind }], ..State::default() };
    alone.hear_bundle("a", KNOWN, &[Item::State(heard)]);
    let known = states(&items(&alone.said("a"))).pop().expect("it hears that we know");
    assert_eq!((known.opened, &known.open[..]), (1, &[][..]));
    assert_eq!(ends(&alone.events()), []);
}

#[test]
fn data_behind_a_gap_counts_against_the_window() {
    const WINDOW: usize = 100;
    let config = relay_only().with_transfer_window(WINDOW);
    let mut alone = Alone::with_members(config, &[("a", 1)]);
    alone.events();
    // Before the announcement is there nothing tells where the window ends.
    let ahead = Item::Record(record(0, BEGINS + 2 * WINDOW, vec![7; WINDOW]));
    alone.hear_bundle("a", FRESH, &[ahead]);
    alone.hear_bundle("a", FRESH, &[opening(0)]);
    let events = alone.events();
    assert!(opened(&events).is_none() && misbehaved(&events), "{events:?}");
    assert_eq!(alone.asked_for_transfers()[0].kind, IncomingKind::Refused);
}

#[test]
fn a_transfer_that_contradicts_itself_at_once_is_not_told() {
    let mut alone = Alone::with_members(relay_only(), &[("a", 1)]);
    alone.events();
    let short = Record { end: true, ..record(0, 0, announcement(Some(5), HEAD)) };
    alone.hear_bundle("a", FRESH, &[Item::Record(short)]);
    let events = alone.events();
    assert!(opened(&events).is_none() && ends(&events).is_empty(), "{events:?}");
    assert!(misbehaved(&events), "{events:?}");
}
