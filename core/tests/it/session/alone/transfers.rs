//! Transfers on the wire: credit, ends and their acknowledgement, and violations.

use socketio_p2p_core::wire::{Incoming, IncomingKind};
use socketio_p2p_core::{IncomingTransferId, OutgoingTransferId, TransferRead};

use super::*;

/// The beginning of a transfer, as `PROTOCOL.md` specifies it.
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

/// The length of an announcement with that head.
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

/// Returns the last reported states of incoming transfers.
fn told(output: &[Item]) -> Vec<Incoming> {
    states(output).pop().map_or(Vec::new(), |state| state.incoming)
}

impl Alone {
    /// Returns the states of transfers in the answer to a ping.
    fn asked_for_transfers(&mut self) -> Vec<Incoming> {
        self.receive_bundle("a", FRESH, &[Item::Ping(1)]);
        told(&items(&self.sent_to("a")))
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
fn a_transfer_is_announced_byte_for_byte_and_waits_for_credit() {
    let mut alone = Alone::with_members(relay_only(), &[("a", 1)]);
    let size = Some(5);
    let transfer = alone.session.open_transfer(&id("a"), &file(), size, alone.now).unwrap();
    let mut data = Bytes::from_static(b"hello");
    assert_eq!(alone.session.write_transfer(&transfer, &mut data, alone.now), Ok(0));
    let output = items(&alone.sent_to("a"));
    assert_eq!(records(&output), [record(0, 0, announcement(size, HEAD))]);
    alone.events();
    let begins = BEGINS as u64;
    let kind = |read, had, granted| IncomingKind::Open { read, had, granted, ahead: Vec::new() };
    let hear = |alone: &mut Alone, kind| {
        let state = State { incoming: vec![Incoming { number: 0, kind }], ..State::default() };
        alone.receive_bundle("a", KNOWN, &[Item::State(state)]);
        alone.sent_to("a")
    };
    hear(&mut alone, kind(begins, begins, begins + 3));
    assert!(has(&alone.events(), |event| matches!(event, Event::TransferWritable { .. })));
    assert_eq!(alone.session.write_transfer(&transfer, &mut data, alone.now), Ok(3));
    let output = items(&alone.sent_to("a"));
    assert_eq!(records(&output), [record(0, BEGINS, &b"hel"[..])]);
    hear(&mut alone, kind(begins + 3, begins + 3, begins + 100));
    assert_eq!(alone.session.transfer_progress(&transfer).unwrap().read, 3);
    assert_eq!(alone.session.write_transfer(&transfer, &mut data, alone.now), Ok(2));
    alone.session.finish_transfer(&transfer, alone.now).unwrap();
    let output = items(&alone.sent_to("a"));
    assert_eq!(records(&output), [Record { end: true, ..record(0, BEGINS + 3, &b"lo"[..]) }]);
    let output = items(&hear(&mut alone, IncomingKind::Done));
    assert_eq!(ends(&alone.events()), [TransferOutcome::Delivered]);
    // The peer need not repeat it.
    let known = states(&output).pop().expect("it hears that we know");
    assert_eq!((known.opened, &known.open[..]), (1, &[][..]));
}

#[test]
fn credit_is_granted_as_the_application_reads_and_the_end_is_repeated_until_known() {
    let mut alone = Alone::with_members(relay_only().with_transfer_window(1000), &[("a", 1)]);
    alone.receive_bundle("a", FRESH, &[opening(0)]);
    let transfer = opened(&alone.events()).expect("the transfer is opened");
    let begins = BEGINS as u64;
    let open = |read: u64, had: u64, granted: u64| {
        let (read, had, granted) = (begins + read, begins + had, begins + granted);
        vec![Incoming {
            number: 0,
            kind: IncomingKind::Open { read, had, granted, ahead: Vec::new() },
        }]
    };
    let output = items(&alone.sent_to("a"));
    assert_eq!(told(&output), open(0, 0, 1000));
    let asked = pings(&output);
    assert_eq!(asked.len(), 1, "no record would repeat it: {output:?}");
    alone.receive_bundle("a", FRESH, &[Item::Record(record(0, BEGINS, vec![7; 600]))]);
    assert_eq!(alone.read_all(&transfer), (vec![7; 600], TransferRead::Pending));
    let output = items(&alone.sent_to("a"));
    assert_eq!(told(&output), open(600, 600, 1600));
    // No pong arrives: the control is repeated.
    let mut again = 0;
    alone.wait_and(Duration::from_secs(10), |alone| {
        again += usize::from(told(&items(&alone.sent_to("a"))) == open(600, 600, 1600));
    });
    assert!((2..10).contains(&again), "{again}");
    let end = Record { end: true, ..record(0, BEGINS + 600, vec![8; 2]) };
    alone.receive_bundle("a", FRESH, &[Item::Record(end)]);
    assert_eq!(alone.read_all(&transfer), (vec![8; 2], TransferRead::End));
    let done = [Incoming { number: 0, kind: IncomingKind::Done }];
    assert_eq!(alone.asked_for_transfers(), done);
    let still = State { opened: 1, open: vec![0], ..State::default() };
    alone.receive_bundle("a", KNOWN, &[Item::State(still)]);
    assert_eq!(alone.asked_for_transfers(), done);
    alone.receive_bundle("a", KNOWN, &[Item::State(State { opened: 1, ..State::default() })]);
    assert_eq!(alone.asked_for_transfers(), []);
    assert_eq!(ends(&alone.events()), []);
}

#[test]
fn a_transfer_beyond_its_credit_is_aborted() {
    let mut alone = Alone::with_members(relay_only().with_transfer_window(1000), &[("a", 1)]);
    alone.receive_bundle("a", FRESH, &[opening(0)]);
    let more = |at: usize| [Item::Record(record(0, BEGINS + at, vec![0; 500]))];
    alone.receive_bundle("a", FRESH, &more(0));
    alone.receive_bundle("a", FRESH, &more(500));
    let events = alone.events();
    assert!(opened(&events).is_some() && ends(&events).is_empty() && !violated(&events));
    alone.receive_bundle("a", FRESH, &more(501));
    let events = alone.events();
    assert!(violated(&events) && ends(&events) == [TransferOutcome::Aborted], "{events:?}");
    alone.wait(Duration::from_secs(1));
    alone.receive_bundle("a", FRESH, &more(1_500));
    assert!(!has(&alone.events(), |event| matches!(event, Event::PeerError { .. })));
    let refused = [Incoming { number: 0, kind: IncomingKind::Refused }];
    assert_eq!(alone.asked_for_transfers(), refused);
}

#[test]
fn a_transfer_of_another_size_than_announced_is_aborted() {
    for (size, data, end) in [(10, 9, true), (10, 11, true), (0, 1, true)] {
        let mut alone = Alone::with_members(relay_only(), &[("a", 1)]);
        let bytes = [&announcement(Some(size), HEAD)[..], &vec![0; data]].concat();
        alone.receive_bundle("a", FRESH, &[Item::Record(Record { end, ..record(0, 0, bytes) })]);
        let events = alone.events();
        assert!(violated(&events), "{size} {data}: {events:?}");
        let refused = [Incoming { number: 0, kind: IncomingKind::Refused }];
        assert_eq!(alone.asked_for_transfers(), refused);
    }
}

#[test]
fn an_announcement_without_an_acceptable_event_opens_no_transfer() {
    let heads =
        ["2/socketio-p2p,[\"x\"]", "2[\"p2p:relay\"]", "2[\"offer\"]", "31[]", "2", "0{}", "9", ""];
    for head in heads {
        let mut alone = Alone::with_members(relay_only(), &[("a", 1)]);
        alone.events();
        let opening = Item::Record(record(0, 0, announcement(None, head)));
        alone.receive_bundle("a", FRESH, &[opening]);
        let events = alone.events();
        assert!(opened(&events).is_none() && names(&events).is_empty(), "{head:?}: {events:?}");
        assert!(has(&events, |event| matches!(event, Event::PeerError { .. })), "{head:?}");
        let refused = [Incoming { number: 0, kind: IncomingKind::Refused }];
        assert_eq!(alone.asked_for_transfers(), refused);
    }
    let mut alone = Alone::with_members(relay_only(), &[("a", 1)]);
    let mut bytes = announcement(None, HEAD).to_vec();
    bytes[8..12].copy_from_slice(&u32::MAX.to_be_bytes());
    alone.receive_bundle("a", FRESH, &[Item::Record(record(0, 0, bytes))]);
    assert!(violated(&alone.events()), "longer than the limit of an event");
}

#[test]
fn transfers_opened_and_aborted_without_end_cause_bounded_control() {
    let mut alone = Alone::with_members(relay_only(), &[("a", 1)]);
    let mut bytes = 0;
    for number in 0..20_000 {
        alone.receive_bundle("a", FRESH, &[opening(number), aborting(number)]);
        bytes += alone.sent().iter().map(Packet::wire_len).sum::<usize>();
    }
    assert!(alone.asked_for_transfers().len() <= 64);
    assert!(alone.session.peers().next().unwrap().held < 100_000);
    assert!(bytes < 5_000_000, "{bytes} bytes of answers to 1 MB");
}

#[test]
fn a_state_about_unknown_transfers_is_a_violation() {
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
        alone.receive_bundle("a", KNOWN, &[Item::State(state)]);
        let events = alone.events();
        assert!(violated(&events) && ends(&events).is_empty(), "{number} {kind:?}: {events:?}");
    }
}

/// Removes the peer from the room and adds it again; its earlier records then open a transfer. Returns the
/// session's first output after that, and the transfer.
fn begin_anew(ours: &mut Alone, opening: &[Packet]) -> (Vec<Packet>, IncomingTransferId) {
    ours.receive(r#"2["peer-disconnect",{"peerId":"a"}]"#);
    ours.receive(r#"2["peer-join",{"id":"a","v":1}]"#);
    ours.session.emit(Target::All, &numbered(1), ours.now).unwrap();
    let first = ours.sent();
    pass(opening, ours);
    (first, opened(&ours.events()).expect("it is opened"))
}

/// Two sessions that follow the protocol, and a server that keeps the order in each direction. `ours` is
/// removed from the room and returns while the first bundles of both cross.
#[test]
fn a_state_about_transfers_of_an_ended_incarnation_does_not_affect_the_next_ones() {
    let mut ours = Alone::with_members(relay_only(), &[("a", 1)]);
    let mut theirs = Alone::with_members(relay_only(), &[("a", 1)]);
    // The first bundles of both cross.
    ours.session.emit(Target::All, &numbered(0), ours.now).unwrap();
    let first = ours.sent();
    theirs.open_transfer();
    let opening = theirs.sent();
    let (second, transfer) = begin_anew(&mut ours, &opening);
    // The application of `ours` refuses it.
    ours.session.cancel_transfer(&transfer, ours.now).unwrap();
    let refusal = ours.sent();
    pass(&first, &mut theirs);
    pass(&second, &mut theirs);
    let events = theirs.events();
    assert_eq!(ends(&events), [TransferOutcome::Lost], "a new incarnation: {events:?}");
    // The application of `theirs` opens another transfer, which the application of `ours` accepts.
    theirs.open_transfer();
    pass(&refusal, &mut theirs);
    converse(&mut ours, &mut theirs, Duration::from_secs(5));
    assert!(opened(&ours.events()).is_some());
    let ends = ends(&theirs.events());
    assert!(ends.is_empty(), "the second transfer is not refused: {ends:?}");
}

/// As above: an empty transfer that was read would end the next one as delivered, which was not read.
#[test]
fn a_delivered_transfer_of_an_earlier_incarnation_does_not_end_the_next_one() {
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
    assert!(ends.is_empty(), "the second transfer has not been read: {ends:?}");
}

/// The abort waits, and is not sent, when the peer begins anew once more.
#[test]
fn an_abort_reaches_a_peer_that_begins_anew_repeatedly() {
    let mut alone = Alone::with_members(relay_only(), &[("a", 1)]);
    let anew = |alone: &mut Alone, epoch: u32| {
        alone.receive_bundle("a", Epochs { epoch, peer_epoch: 1 }, &[]);
    };
    anew(&mut alone, 5);
    alone.open_transfer();
    alone.sent();
    anew(&mut alone, 6);
    anew(&mut alone, 7);
    let output = records(&items(&alone.sent_to("a")));
    assert!(
        output.iter().any(|record| record.abort && record.number == 0),
        "the transfer never ends: {output:?}"
    );
}

#[test]
fn records_of_a_transfer_of_an_earlier_incarnation_are_answered_with_unknown() {
    let mut alone = Alone::with_members(relay_only(), &[("a", 1)]);
    alone.receive_bundle("a", FRESH, &[opening(0)]);
    alone.events();
    // The peer keeps its epoch, the session does not.
    alone.receive_bundle("a", FRESH, &[Item::GivenUp(1)]);
    assert_eq!(ends(&alone.events()), [TransferOutcome::Lost]);
    alone.receive_bundle("a", FRESH, &[Item::Record(record(0, BEGINS, vec![0; 10]))]);
    let unknown = [Incoming { number: 0, kind: IncomingKind::Unknown }];
    assert_eq!(alone.asked_for_transfers(), unknown);
    assert_eq!(opened(&alone.events()), None);
}

#[test]
fn an_abort_is_retransmitted_until_acknowledged() {
    let mut alone = Alone::with_members(relay_only(), &[("a", 1)]);
    let transfer = alone.open_transfer();
    alone.sent();
    alone.session.cancel_transfer(&transfer, alone.now).unwrap();
    let output = items(&alone.sent_to("a"));
    assert!(records(&output).iter().any(|record| record.abort), "{output:?}");
    let mut asked = pings(&output);
    alone.wait_and(Duration::from_millis(1_500), |alone| {
        asked.extend(pings(&items(&alone.sent_to("a"))))
    });
    let pong = Item::Pong(*asked.last().unwrap());
    alone.receive_bundle("a", KNOWN, &[Item::State(State::default()), pong]);
    let output = items(&alone.sent_to("a"));
    assert!(records(&output).iter().any(|record| record.abort), "retransmitted: {output:?}");
    let kind = IncomingKind::Aborted;
    let heard = State { incoming: vec![Incoming { number: 0, kind }], ..State::default() };
    alone.receive_bundle("a", KNOWN, &[Item::State(heard)]);
    let known = states(&items(&alone.sent_to("a"))).pop().expect("it hears that we know");
    assert_eq!((known.opened, &known.open[..]), (1, &[][..]));
    assert_eq!(ends(&alone.events()), []);
}

#[test]
fn data_behind_a_gap_counts_towards_the_credit() {
    const WINDOW: usize = 100;
    let config = relay_only().with_transfer_window(WINDOW);
    let mut alone = Alone::with_members(config, &[("a", 1)]);
    alone.events();
    // Before the announcement is complete, the end of the credit is unknown.
    let ahead = Item::Record(record(0, BEGINS + 2 * WINDOW, vec![7; WINDOW]));
    alone.receive_bundle("a", FRESH, &[ahead]);
    alone.receive_bundle("a", FRESH, &[opening(0)]);
    let events = alone.events();
    assert!(opened(&events).is_none() && violated(&events), "{events:?}");
    assert_eq!(alone.asked_for_transfers()[0].kind, IncomingKind::Refused);
}

#[test]
fn a_transfer_that_begins_with_a_contradiction_is_not_reported() {
    let mut alone = Alone::with_members(relay_only(), &[("a", 1)]);
    alone.events();
    let short = Record { end: true, ..record(0, 0, announcement(Some(5), HEAD)) };
    alone.receive_bundle("a", FRESH, &[Item::Record(short)]);
    let events = alone.events();
    assert!(opened(&events).is_none() && ends(&events).is_empty(), "{events:?}");
    assert!(violated(&events), "{events:?}");
}
