//! The contract of direct transports.

use std::time::Duration;

use futures::future::{Either, join, select};
use futures::{FutureExt as _, Sink, SinkExt as _, Stream, StreamExt as _};
use socketio_p2p_core::driver::{Clock, DirectEvent, DirectTransport, TransportError};
use socketio_p2p_core::wire::Signal;
use socketio_p2p_core::{ConnectionId, DirectCommand, Frame};

use super::{Nonconformance, within};

/// The bytes after which a sink whose other end is not read must not be ready any more.
const MAX_OUTSTANDING: usize = 64 << 20;

/// The time in which nothing may be reported about a closed connection.
const QUIET: Duration = Duration::from_millis(300);

/// The receiving half of a channel.
trait Incoming: Stream<Item = Result<Frame, TransportError>> + Unpin {}

impl<T: Stream<Item = Result<Frame, TransportError>> + Unpin> Incoming for T {}

/// The sending half of a channel.
trait Outgoing: Sink<Frame> + Unpin {}

impl<T: Sink<Frame> + Unpin> Outgoing for T {}

/// The two ends of an open connection.
struct Pair<A, B> {
    ids: (ConnectionId, ConnectionId),
    channels: (A, B),
    max_message: usize,
}

/// Checks two direct transports that can reach each other: offers, answers, frames in order and whole in both
/// directions, backpressure, several connections, closing, failures. Takes up to 20 s per step.
///
/// # Errors
/// [`Nonconformance`] for the first breach of the contract of [`DirectTransport`].
pub async fn direct<A: DirectTransport, B: DirectTransport>(
    mut offerer: A,
    mut answerer: B,
    clock: &impl Clock,
) -> Result<(), Nonconformance> {
    let id = ConnectionId::from_u64;
    check_unknown_connections(&mut offerer);
    let mut first = connect(&mut offerer, &mut answerer, (id(1), id(1)), clock).await?;
    let (left, right) = (&mut first.channels.0, &mut first.channels.1);
    carry("frames from the offerer", left, right, first.max_message, clock).await?;
    carry("frames from the answerer", right, left, first.max_message, clock).await?;
    let mut second = connect(&mut offerer, &mut answerer, (id(2), id(2)), clock).await?;
    let (left, right) = (&mut second.channels.0, &mut second.channels.1);
    carry("frames of a second connection", left, right, second.max_message, clock).await?;
    check_backpressure(&mut second.channels, second.max_message, clock).await?;
    check_close(&mut offerer, &mut answerer, first, clock).await?;
    let (left, right) = (&mut second.channels.0, &mut second.channels.1);
    carry("frames beside a closed connection", right, left, second.max_message, clock).await?;
    check_bad_offer(&mut answerer, id(3), clock).await?;
    check_withdrawn_offer(&mut offerer, id(4), clock).await
}

fn offer(connection: ConnectionId) -> DirectCommand {
    DirectCommand::Offer { connection, ice_servers: Vec::new(), datagrams: false }
}

fn answer(connection: ConnectionId, sdp: String) -> DirectCommand {
    DirectCommand::Answer { connection, ice_servers: Vec::new(), sdp, datagrams: false }
}

/// Commands about connections that never were have no effect.
fn check_unknown_connections(transport: &mut impl DirectTransport) {
    let connection = ConnectionId::from_u64(77);
    let signal = Signal::Answer("an answer to no offer".to_owned());
    transport.execute(DirectCommand::Signal { connection, signal });
    transport.execute(DirectCommand::Close { connection });
}

/// Opens a connection, as the driver and two sessions do.
async fn connect<A: DirectTransport, B: DirectTransport>(
    offerer: &mut A,
    answerer: &mut B,
    ids: (ConnectionId, ConnectionId),
    clock: &impl Clock,
) -> Result<Pair<A::Channel, B::Channel>, Nonconformance> {
    const CHECK: &str = "opening a connection";
    offerer.execute(offer(ids.0));
    let (mut left, mut right, mut has_answered) = (None, None, false);
    while left.is_none() || right.is_none() {
        let expected = "`Signal` and `Open` at both ends";
        let next = select(offerer.next(), answerer.next());
        match within(clock, CHECK, expected, next).await? {
            Either::Left((event, _)) => match event {
                Some(DirectEvent::Report { connection, .. }) if connection == ids.0 => {}
                Some(DirectEvent::Signal { connection, signal }) if connection == ids.0 => {
                    if let Signal::Offer(sdp) = signal {
                        answerer.execute(answer(ids.1, sdp));
                    } else {
                        answerer.execute(DirectCommand::Signal { connection: ids.1, signal });
                    }
                }
                Some(DirectEvent::Open { connection, channel, max_message })
                    if connection == ids.0 && left.is_none() =>
                {
                    left = Some((channel, max_message));
                }
                other => return Err(unexpected(CHECK, "the offerer", other)),
            },
            Either::Right((event, _)) => match event {
                Some(DirectEvent::Report { connection, .. }) if connection == ids.1 => {}
                Some(DirectEvent::Signal { connection, signal }) if connection == ids.1 => {
                    has_answered |= matches!(signal, Signal::Answer(_));
                    offerer.execute(DirectCommand::Signal { connection: ids.0, signal });
                }
                Some(DirectEvent::Open { connection, channel, max_message })
                    if connection == ids.1 && right.is_none() =>
                {
                    right = Some((channel, max_message));
                }
                other => return Err(unexpected(CHECK, "the answerer", other)),
            },
        }
    }
    let (Some((left, one)), Some((right, other))) = (left, right) else {
        return Err(Nonconformance::new(CHECK, "two ends", "one"));
    };
    if !has_answered {
        return Err(Nonconformance::new(CHECK, "an answer of the answerer", "none"));
    }
    Ok(Pair { ids, channels: (left, right), max_message: one.min(other) })
}

fn unexpected<C>(
    check: &'static str,
    whose: &str,
    event: Option<DirectEvent<C>>,
) -> Nonconformance {
    let got = match event {
        None => "the end of the stream".to_owned(),
        Some(DirectEvent::Signal { connection, .. }) => format!("a signal of {connection}"),
        Some(DirectEvent::Report { connection, .. }) => format!("a report on {connection}"),
        Some(DirectEvent::Open { connection, .. }) => format!("`Open` of {connection}"),
        Some(DirectEvent::Datagrams { connection, .. }) => {
            format!("`Datagrams` of {connection}, for which nobody asked")
        }
        Some(DirectEvent::Closed { connection, error }) => format!("{connection} closed: {error}"),
        Some(_) => "another event".to_owned(),
    };
    Nonconformance::new(check, format!("the next step of one connection at {whose}"), got)
}

/// Sends frames of all kinds and lengths.
async fn carry(
    check: &'static str,
    from: &mut impl Outgoing,
    to: &mut impl Incoming,
    max_message: usize,
    clock: &impl Clock,
) -> Result<(), Nonconformance> {
    let lengths = [1, 2, 100, 1_200, 5_000, 16_384, 65_535, max_message];
    let frames: Vec<Frame> = lengths
        .into_iter()
        .filter(|len| *len <= max_message)
        .chain(std::iter::repeat_n(50, 100))
        .enumerate()
        .map(|(index, len)| match index % 3 {
            0 => Frame::from("t".repeat(len)),
            _ => Frame::from(vec![(index % 251) as u8; len]),
        })
        .collect();
    let send = async {
        for frame in &frames {
            from.send(frame.clone()).await.map_err(|_| "a send failed".to_owned())?;
        }
        Ok::<(), String>(())
    };
    let receive = async {
        for (index, frame) in frames.iter().enumerate() {
            match to.next().await {
                Some(Ok(got)) if got == *frame => {}
                Some(Ok(got)) => {
                    return Err(format!("frame {index} with {} bytes", got.as_bytes().len()));
                }
                Some(Err(error)) => return Err(format!("{error} at frame {index}")),
                None => return Err(format!("the end at frame {index}")),
            }
        }
        Ok(())
    };
    let expected = "all frames, whole and in order";
    let (sent, received) = within(clock, check, expected, join(send, receive)).await?;
    sent.and(received).map_err(|got| Nonconformance::new(check, expected, got))
}

/// A sink whose other end is not read is not ready for ever, and goes on when it is read.
async fn check_backpressure(
    (left, right): &mut (impl Outgoing, impl Incoming),
    max_message: usize,
    clock: &impl Clock,
) -> Result<(), Nonconformance> {
    const CHECK: &str = "backpressure";
    let frame = Frame::from(vec![7; max_message.min(16_000)]);
    let len = frame.as_bytes().len();
    let mut sent = 0;
    loop {
        let pause = clock.sleep(QUIET);
        match select(left.send(frame.clone()).boxed_local(), pause).await {
            Either::Left((Ok(()), _)) => sent += len,
            Either::Left((Err(_), _)) => {
                return Err(Nonconformance::new(CHECK, "a sink that waits", "a failure"));
            }
            Either::Right(((), _)) => break,
        }
        if sent > MAX_OUTSTANDING {
            let expected = format!("a sink that waits after at most {MAX_OUTSTANDING} bytes");
            return Err(Nonconformance::new(CHECK, expected, format!("{sent} bytes accepted")));
        }
    }
    let expected = "the frames that were accepted";
    let mut received = 0;
    while received < sent {
        // The last send may have been accepted although it was not flushed.
        match within(clock, CHECK, expected, right.next()).await? {
            Some(Ok(got)) if got == frame => received += len,
            other => return Err(Nonconformance::new(CHECK, expected, format!("{other:?}"))),
        }
    }
    let flush = join(left.flush(), drain(right, clock));
    within(clock, CHECK, "the rest", flush).await?.0.map_err(|_| {
        Nonconformance::new(CHECK, "a sink that goes on when the other end is read", "a failure")
    })
}

/// Reads until nothing comes for a while.
async fn drain(channel: &mut impl Incoming, clock: &impl Clock) {
    while let Either::Left((Some(_), _)) = select(channel.next(), clock.sleep(QUIET)).await {}
}

/// Frames that were flushed arrive, then the other end learns that the connection is over; about a connection that
/// was closed nothing is reported.
async fn check_close<A: DirectTransport, B: DirectTransport>(
    offerer: &mut A,
    answerer: &mut B,
    pair: Pair<A::Channel, B::Channel>,
    clock: &impl Clock,
) -> Result<(), Nonconformance> {
    const CHECK: &str = "an orderly close";
    let Pair { ids, channels: (mut left, mut right), .. } = pair;
    let frames: Vec<Frame> = (0..10_u8).map(|index| Frame::from(vec![index; 1_000])).collect();
    let send = async {
        for frame in &frames {
            left.feed(frame.clone()).await?;
        }
        left.flush().await
    };
    within(clock, CHECK, "the frames to be flushed", send)
        .await?
        .map_err(|_| Nonconformance::new(CHECK, "frames before it to be accepted", "a failure"))?;
    offerer.execute(DirectCommand::Close { connection: ids.0 });
    drop(left);
    let mut received = 0;
    let end = async {
        loop {
            match select(right.next(), answerer.next()).await {
                Either::Left((Some(Ok(_)), _)) => received += 1,
                Either::Left((Some(Err(_)) | None, _)) => return true,
                Either::Right((Some(DirectEvent::Closed { connection, .. }), _)) => {
                    // What has arrived is still in the channel.
                    while let Some(Some(Ok(_))) = right.next().now_or_never() {
                        received += 1;
                    }
                    return connection == ids.1;
                }
                Either::Right((Some(DirectEvent::Report { .. }), _)) => {}
                Either::Right(_) => return false,
            }
        }
    };
    let expected = "all frames, then the end of the channel or `Closed`";
    if !within(clock, CHECK, expected, end).await? || received != frames.len() {
        let got = format!("{received} of {} frames", frames.len());
        return Err(Nonconformance::new(CHECK, expected, got));
    }
    answerer.execute(DirectCommand::Close { connection: ids.1 });
    check_quiet(offerer, CHECK, clock).await
}

/// Nothing is reported for a while.
async fn check_quiet<T: DirectTransport>(
    transport: &mut T,
    check: &'static str,
    clock: &impl Clock,
) -> Result<(), Nonconformance> {
    match select(transport.next(), clock.sleep(QUIET)).await {
        Either::Left((Some(event), _)) => {
            Err(unexpected(check, "a closed connection", Some(event)))
        }
        Either::Left((None, _)) | Either::Right(_) => Ok(()),
    }
}

async fn check_bad_offer<T: DirectTransport>(
    answerer: &mut T,
    connection: ConnectionId,
    clock: &impl Clock,
) -> Result<(), Nonconformance> {
    const CHECK: &str = "an offer that is none";
    answerer.execute(answer(connection, "not an offer".to_owned()));
    loop {
        match within(clock, CHECK, "`Closed`", answerer.next()).await? {
            Some(DirectEvent::Closed { connection: closed, .. }) if closed == connection => {
                return Ok(());
            }
            Some(DirectEvent::Report { connection: of, .. }) if of == connection => {}
            // Of a connection that was closed at this end a moment ago.
            Some(DirectEvent::Closed { .. }) => {}
            other => return Err(unexpected(CHECK, "the answerer", other)),
        }
    }
}

async fn check_withdrawn_offer<T: DirectTransport>(
    offerer: &mut T,
    connection: ConnectionId,
    clock: &impl Clock,
) -> Result<(), Nonconformance> {
    const CHECK: &str = "an offer that is withdrawn";
    offerer.execute(offer(connection));
    offerer.execute(DirectCommand::Close { connection });
    offerer.execute(DirectCommand::Signal {
        connection,
        signal: Signal::Answer("too late".to_owned()),
    });
    check_quiet(offerer, CHECK, clock).await
}
