//! The retransmission back-off of the packet at the front of a lane that is lost repeatedly: a receiver without
//! room for it drops it, however many records of other packets arrive in between.

use std::time::Duration;

use crate::time::Time;

/// The number of consecutive losses that are retransmitted at once.
const AT_ONCE: u32 = 1;

#[derive(Debug, Default)]
pub(super) struct Hold {
    /// The consecutive losses without an acknowledgement of the packet.
    losses: u32,
    /// Whether it was lost once more.
    is_lost: bool,
    until: Option<Time>,
}

impl Hold {
    pub(super) const fn note_lost(&mut self) {
        self.is_lost = true;
    }

    /// Applies the losses that a pong proved. A packet that is lost repeatedly waits for `pause`, which grows
    /// with each loss.
    pub(super) fn settle(&mut self, pause: impl Fn(u32) -> Duration, now: Time) {
        if !std::mem::take(&mut self.is_lost) {
            return;
        }
        self.losses = self.losses.saturating_add(1);
        if self.losses > AT_ONCE {
            self.until = Some(now + pause(self.losses - AT_ONCE - 1));
        }
    }

    /// Ends the back-off: a part of the packet was acknowledged, or another packet is at the front.
    pub(super) fn release(&mut self) {
        *self = Self::default();
    }

    /// Returns the time until which the packet is not retransmitted.
    pub(super) fn until(&self, now: Time) -> Option<Time> {
        self.until.filter(|until| now < *until)
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::Hold;
    use crate::time::Time;

    fn lose(hold: &mut Hold, at: u64) {
        hold.note_lost();
        hold.settle(|times| Duration::from_millis(10 << times), Time::from_millis(at));
    }

    #[test]
    fn retransmission_of_a_repeatedly_lost_packet_backs_off_until_an_acknowledgement() {
        let mut hold = Hold::default();
        lose(&mut hold, 100);
        assert_eq!(hold.until(Time::from_millis(100)), None);
        lose(&mut hold, 200);
        assert_eq!(hold.until(Time::from_millis(209)), Some(Time::from_millis(210)));
        assert_eq!(hold.until(Time::from_millis(210)), None);
        hold.settle(|_| Duration::MAX, Time::from_millis(300));
        lose(&mut hold, 300);
        assert_eq!(hold.until(Time::from_millis(300)), Some(Time::from_millis(320)));
        hold.release();
        lose(&mut hold, 310);
        assert_eq!(hold.until(Time::from_millis(310)), None);
    }
}
