//! What happens in a run: settings and a list of timed actions, as data and as text.
//!
//! The text is JSON lines: the first one is the seed, the profile and the settings, each further one an action
//! with its time. What a run does beyond the actions (which message is lost, how long a delay is) comes from the
//! seed, so that the same text gives the same run.

mod action;
mod hub;
mod nodes;
mod operation;
mod settings;
mod sizes;
mod text;
mod turns;
mod words;

pub use self::action::{Action, Attack, Manner, PolicyName, Timed};
pub use self::hub::HubSettings;
pub use self::nodes::NodeSettings;
pub(super) use self::nodes::Variety;
pub use self::operation::Operation;
pub use self::settings::Settings;
pub use self::text::{MAX_ACTIONS, ScenarioError};
use super::Profile;

/// The most peers of a scenario.
pub const MAX_PEERS: usize = 16;

/// A generated or hand-written run.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Scenario {
    /// Where chance comes from.
    pub seed: u64,
    /// What kind of trouble it is about.
    pub profile: Profile,
    /// The settings of sessions, hub and network.
    pub settings: Settings,
    /// What happens, in order.
    pub actions: Vec<Timed>,
}
