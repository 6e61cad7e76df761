//! When the packet at the front of a lane is sent again, if it is lost whenever it is sent: a receiver that has no room for it
//! drops it, however much comes of other packets in between.

use std::time::Duration;

use crate::time::Time;

/// So many losses in a row are made good at once.
const AT_ONCE: u32 = 1;

#[derive(Debug, Default)]
pub(super) struct Hold {
    /// Losses in a row without news of the packet.
    losses: u32,
    /// It has been lost once more.
    is_lost: bool,
    until: Option<Time>,
}

impl Hold {
    pub(super) const fn note_lost(&mut self) {
        self.is_lost = true;
    }

    /// All that a pong shows to be lost has been noted. What is lost again and again waits, longer with each time, for what
    /// `pause` says.
    pub(super) fn settle(&mut self, pause: impl Fn(u32) -> Duration, now: Time) {
        if !std::mem::take(&mut self.is_lost) {
            return;
        }
        self.losses = self.losses.saturating_add(1);
        if self.losses > AT_ONCE {
            self.until = Some(now + pause(self.losses - AT_ONCE - 1));
        }
    }

    /// Something of the packet has come, or another one is at the front.
    pub(super) fn release(&mut self) {
        *self = Self::default();
    }

    /// Until when it is not sent again.
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
    fn what_is_lost_again_and_again_waits_longer_with_each_time_until_something_comes_of_it() {
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
