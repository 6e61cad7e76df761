//! The judges beside the model in strict scenarios, by the frames that the mesh carried and by the clock.
//!
//! - `attempts`: the number of offers
//! - `calm`: nodes whose timers are exact
//! - `channels`: path validation of channels
//! - `direct_states`: the states of direct paths, as reported
//! - `numbers`: the numbers of sessions
//! - `questions`, `absences`: deadlines of acks and resume windows
//! - `desk`: sessions and the server's application
//! - `farewells`: closing sessions
//! - `reconnects`: attempts to reach the hub
//! - `shares`: the turns of bulk and transfers
//! - `sharing`: uploads of events with many receivers
//! - `stalls`: peers that acknowledge nothing
//! - `ways`: the paths of events: policies, the truth of `path`, retransmissions
//! - `deadlines`: deadlines of delivery
//! - `late_offers`: offers while the channel works
//! - `milestones`: `Ready` and `Upgrade`
//! - `offers`: the rate of accepted offers
//! - `passages`: forwarding by neighbours
//! - `talks`: each bundle between sessions

mod absences;
mod attempts;
mod calm;
mod channels;
mod deadlines;
mod desk;
mod direct_states;
mod farewells;
mod late_offers;
mod milestones;
mod numbers;
mod offers;
mod passages;
mod questions;
mod reconnects;
mod shares;
mod sharing;
mod stalls;
mod talks;
mod ways;

pub(super) use self::absences::{Absences, Spans};
pub(super) use self::attempts::Attempts;
pub(super) use self::calm::Calm;
pub(super) use self::channels::{Channels, Opening};
pub(super) use self::deadlines::{Deadline, Deadlines, Rates};
pub(super) use self::desk::Desk;
pub(super) use self::direct_states::DirectStates;
pub(super) use self::farewells::{Expected, Farewells};
pub(super) use self::late_offers::{DOUBT, Doubted, LateOffers};
pub(super) use self::milestones::Milestones;
pub(super) use self::numbers::Numbers;
pub(super) use self::offers::Offers;
pub(super) use self::passages::{Fault as Forgery, Forwarded, Refusals, Seals, Senders};
pub(super) use self::questions::Questions;
pub(super) use self::reconnects::{Reconnects, asked_for};
pub(super) use self::shares::{Given, Shares};
pub(super) use self::sharing::Sharing;
pub(super) use self::stalls::Stalls;
pub(super) use self::talks::{RoundTrips, Talks};
pub(super) use self::ways::Ways;
