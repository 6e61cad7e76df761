//! The states of a session whose peer exceeds bounds.

use socketio_p2p_core::Config;
use socketio_p2p_core::wire::{IncomingKind, MAX_REFUSED, State};

use crate::invariant::{Breach, Invariant};
use crate::mesh::Talk;
use crate::sim::mallory::{AHEAD, SHORT_AHEAD, TOO_LONG};

/// What holds for each state: of no transfer is there more than was allowed.
pub(super) fn check_credit(talk: &Talk, state: &State) -> Result<(), Breach> {
    for incoming in &state.incoming {
        let IncomingKind::Open { had, granted, ahead, .. } = &incoming.kind else { continue };
        // One more is told of what is whole.
        let reach = ahead.last().map_or(had.saturating_sub(1), |(_, to)| *to);
        if *granted > 0 && reach > *granted {
            return Err(Breach::new(
                Invariant::Credit,
                format!("{:?} to take no more of a transfer than it allows", talk.from),
                format!("{incoming:?} of {:?}", talk.to),
            ));
        }
    }
    Ok(())
}

/// What holds for somebody who sends nothing but excess. `choosy`: the session refuses what comes on some path.
pub(super) fn check(talk: &Talk, config: &Config, choosy: bool) -> Result<(), Breach> {
    let Some(state) = talk.freight.state.as_deref() else { return Ok(()) };
    let wrong = |invariant, expected: String, got: String| {
        Err(Breach::new(invariant, format!("{:?} to {expected}", talk.from), got))
    };
    let next = state.lanes[0].next.number;
    if next > MAX_REFUSED as u64 {
        let expected = format!("wait with what comes after {MAX_REFUSED} refusals");
        return wrong(Invariant::Refusal, expected, format!("it goes on to {next}"));
    }
    let numbers = state.lanes[1].ahead.iter().map(|(from, to)| to.number - from.number);
    let bytes = numbers.sum::<u64>().saturating_sub(SHORT_AHEAD) as usize * AHEAD;
    // What is refused has no bytes.
    if bytes > config.queue_bytes && !choosy {
        let expected = format!("keep at most {} bytes ahead of their turn", config.queue_bytes);
        return wrong(Invariant::HeldCap, expected, format!("at least {bytes}"));
    }
    let too_long = state.incoming.iter().find(|incoming| incoming.number == TOO_LONG);
    match too_long.map(|incoming| &incoming.kind) {
        Some(kind @ (IncomingKind::Open { .. } | IncomingKind::Done)) => {
            let expected = "refuse a transfer that is not as long as was said".to_owned();
            wrong(Invariant::Credit, expected, format!("{kind:?}"))
        }
        Some(_) | None => Ok(()),
    }
}
