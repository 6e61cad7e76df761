//! What holds beside the books of the model, where a scenario is strict: by what the mesh carried, and by the clock.
//!
//! - `ways`: on which paths events were sent: policies, the truth of `path`, how often the same is sent
//! - `deadlines`: what has to have come by when
//! - `milestones`: `Ready` and `Upgrade`
//! - `offers`: how many offers of one peer are taken up

mod deadlines;
mod milestones;
mod offers;
mod ways;

pub(super) use self::deadlines::{Deadline, Deadlines, Rates};
pub(super) use self::milestones::Milestones;
pub(super) use self::offers::Offers;
pub(super) use self::ways::Ways;
