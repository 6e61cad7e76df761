//! What holds beside the books of the model, where a scenario is strict: by what the mesh carried, and by the clock.
//!
//! - `ways`: on which paths events were sent: policies, the truth of `path`, how often the same is sent
//! - `deadlines`: what has to have come by when
//! - `milestones`: `Ready` and `Upgrade`
//! - `talks`: what sessions say to each other, and when

mod deadlines;
mod milestones;
mod talks;
mod ways;

pub(super) use self::deadlines::{Deadline, Deadlines, Rates};
pub(super) use self::milestones::Milestones;
pub(super) use self::talks::{RoundTrips, Talks};
pub(super) use self::ways::Ways;
