//! The number of pings of a session to another.

use std::time::Duration;

use socketio_p2p_core::{Config, Time};

use crate::invariant::{Breach, Invariant};
use crate::mesh::{Line, Talk};

/// The least that may be in flight on any path, where no setting is below it.
const LEAST_WINDOW: usize = 4 << 10;

/// A probe time-out is never shorter than that.
const SHORTEST_TIMEOUT: Duration = Duration::from_millis(30);

/// Pings that other reasons explain: of a path that is taken up, of something that was told.
const SPARE: u32 = 5;

/// Pings beside records that no bytes explain: so many at once, and one more in each of these spans.
const MAX_EARLY: u32 = 6;
const EARLY_EVERY: Duration = Duration::from_millis(20);

/// One side's questions.
#[derive(Debug, Default)]
pub(super) struct Pings {
    relay: Asking,
    direct: Asking,
    early: u32,
    early_since: Time,
    /// Since when nothing has come of the other.
    since: Time,
}

/// Questions on one path.
#[derive(Debug, Default)]
struct Asking {
    line: Option<(Line, u32)>,
    /// Bytes since the last one.
    unprobed: usize,
    /// Since something came of the other: questions without records, and bytes.
    pings: u32,
    bytes: usize,
}

impl Pings {
    /// Something has come of the other, or the path is another one: time-outs begin anew.
    pub(super) fn begin(&mut self, at: Time) {
        self.since = at;
        for asking in [&mut self.relay, &mut self.direct] {
            (asking.pings, asking.bytes) = (0, 0);
        }
    }

    pub(super) fn say(&mut self, talk: &Talk, config: &Config, tells: bool) -> Result<(), Breach> {
        let direct = matches!(talk.line, Line::Direct(..));
        let (asking, most) = match talk.line {
            Line::Relay(..) => (&mut self.relay, config.relay_window),
            Line::Direct(..) => (&mut self.direct, config.direct_window),
            Line::Datagrams(..) | Line::Via(_) | Line::Orphan => return Ok(()),
        };
        let (ping, at) = (talk.freight.control.ping, talk.sent.at);
        let bytes = talk.freight.bytes();
        let line = Some((talk.line, talk.freight.epochs.epoch));
        if asking.line != line {
            *asking = Asking { line, ..Asking::default() };
        }
        asking.unprobed += bytes;
        let unprobed = asking.unprobed;
        // Bulk may have half of what may be in flight, and each half of that has a ping. Records that many get are followed
        // by pings in bundles of their own, when it is the turn of each: before the two windows that such records may
        // have are full.
        let allowed = if direct { most / 4 } else { 2 * most + config.record_bytes };
        if !ping && bytes > 0 && unprobed > allowed {
            return Err(Breach::new(
                Invariant::Pings,
                format!("{:?} to ask {:?} after {allowed} bytes", talk.from, talk.to),
                format!("{unprobed} bytes and no ping"),
            ));
        }
        if ping {
            asking.unprobed = 0;
        }
        let least = (LEAST_WINDOW.min(most) / 4).max(1);
        if at > self.since {
            asking.bytes += bytes;
            asking.pings += u32::from(ping && bytes == 0);
        }
        let quiet = if direct { config.probe_interval } else { Duration::MAX };
        let silent = at - self.since;
        let backed_off = backed_off(silent, config.silence_timeout.min(config.stall_timeout / 8));
        let for_bytes = (asking.bytes / least) as u32;
        let for_quiet = times(silent, quiet);
        let max_pings = SPARE + backed_off + for_bytes + for_quiet;
        if asking.pings > max_pings && !tells {
            return Err(Breach::new(
                Invariant::Pings,
                format!("{:?} to ask {:?} more and more rarely", talk.from, talk.to),
                format!("{} pings in {silent:?} of silence", asking.pings),
            ));
        }
        if !ping || bytes == 0 || unprobed >= least || tells {
            return Ok(());
        }
        let passed = times(at - self.early_since, EARLY_EVERY);
        if passed > 0 {
            self.early = self.early.saturating_sub(passed);
            self.early_since = at;
        }
        self.early += 1;
        if self.early > MAX_EARLY {
            return Err(Breach::new(
                Invariant::Pings,
                format!(
                    "{:?} to ask {:?} for every {least} bytes, or less often",
                    talk.from, talk.to
                ),
                format!("again and again for less: now for {unprobed}"),
            ));
        }
        Ok(())
    }
}

/// How many time-outs there are in a span at most, each twice as long as the one before, up to the longest.
fn backed_off(span: Duration, longest: Duration) -> u32 {
    let doubled = (times(span, SHORTEST_TIMEOUT) + 1).ilog2() + 1;
    doubled + times(span, longest)
}

fn times(span: Duration, every: Duration) -> u32 {
    u32::try_from(span.as_nanos() / every.as_nanos().max(1)).unwrap_or(u32::MAX)
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::backed_off;

    #[test]
    fn time_outs_double_up_to_the_longest() {
        let ms = Duration::from_millis;
        assert_eq!(backed_off(ms(29), ms(1_000)), 1);
        assert_eq!(backed_off(ms(90), ms(1_000)), 3);
        assert_eq!(backed_off(ms(930), ms(1_000)), 6);
        assert_eq!(backed_off(ms(9_300), ms(1_000)), 18);
    }
}
