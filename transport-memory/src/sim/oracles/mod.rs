//! What holds beside the books of the model, where a scenario is strict: by what the mesh carried, and by the clock.
//!
//! - `calm`: whose times can be held against it
//! - `channels`: which have not proved themselves
//! - `questions`, `absences`: what a session waits for, and for how long
//! - `farewells`: who closes
//! - `reconnects`: when the hub is tried again
//! - `sharing`: what goes to many
//! - `stalls`: who acknowledges nothing
//! - `ways`: on which paths events were sent: policies, the truth of `path`, how often the same is sent
//! - `deadlines`: what has to have come by when
//! - `milestones`: `Ready` and `Upgrade`
//! - `offers`: how many offers of one peer are taken up
//! - `passages`: what goes through neighbours
//! - `talks`: what sessions say to each other, and when

mod absences;
mod calm;
mod channels;
mod deadlines;
mod farewells;
mod milestones;
mod offers;
mod passages;
mod questions;
mod reconnects;
mod sharing;
mod stalls;
mod talks;
mod ways;

pub(super) use self::absences::{Absences, Spans};
pub(super) use self::calm::Calm;
pub(super) use self::channels::{Channels, Opening};
pub(super) use self::deadlines::{Deadline, Deadlines, Rates};
pub(super) use self::farewells::{Expected, Farewells};
pub(super) use self::milestones::Milestones;
pub(super) use self::offers::Offers;
pub(super) use self::passages::{Fault as Forgery, Forwarded, Refusals, Seals, Senders};
pub(super) use self::questions::Questions;
pub(super) use self::reconnects::{Reconnects, asked_for};
pub(super) use self::sharing::Sharing;
pub(super) use self::stalls::Stalls;
pub(super) use self::talks::{RoundTrips, Talks};
pub(super) use self::ways::Ways;
