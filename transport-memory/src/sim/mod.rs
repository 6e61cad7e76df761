//! A deterministic simulator: random scenarios with faults, judged by a reference model.
//!
//! A [`Scenario`] is a list of timed actions, generated from a seed, a [`Profile`] and a number of peers, or read
//! from text. [`run`] runs it on a [`Mesh`](crate::Mesh): a hub and real sessions on a virtual clock. After each
//! step the reference model compares what the sessions have told their applications with what the applications
//! have done; at the end all faults stop, everything must settle, and everybody closes. The first thing that does
//! not hold is the [`Violation`].
//!
//! ```
//! use socketio_p2p_transport_memory::sim::{Profile, Scenario, run};
//!
//! let scenario = Scenario::generate(7, Profile::Mixed, 4);
//! let report = run(&scenario)?;
//! assert!(report.delivered > 0);
//! # Ok::<(), socketio_p2p_transport_memory::sim::Violation>(())
//! ```
//!
//! # Narrow and wide
//!
//! [`Scenario::generate`] makes narrow scenarios: all sessions have the same settings, and events are small. In wide ones
//! ([`Scenario::generate_wide`]) settings differ from node to node ([`NodeSettings`]), events reach and exceed the limits of
//! their receivers, and there are more profiles: receivers with limits, transfers of every kind, policies, slow and honest
//! paths, neighbours that pass on in one direction, original clients, floods. Wide scenarios are *strict*: beside the
//! model, the run looks at what the mesh carried (policies, the truth of `path`, how often the same is sent, how much is under
//! way), at each bundle (acknowledgements, pings, records), at each message of the hub (to whom it is due, and nothing else),
//! at the clock (what is due when, deadlines, windows, pauses), at `Ready`, `Upgrade` and `Writable`, at getters, at each cap
//! of [`Config`](socketio_p2p_core::Config), and at what sessions keep in memory.
//!
//! # What is simulated, and what is not
//!
//! Each path keeps the guarantees of the real one (see [`Conditions`](crate::Conditions)). Beyond that a session
//! promises nothing, and nothing is simulated: membership messages of one hub keep their order on one socket, as
//! TCP sees to; a hub that does not name a member tells of it later; a member that has left is not named again;
//! what arrives is what was sent, bit for bit, except from a malicious peer, which says what it likes, to the hub
//! and over its own connections.

mod application;
mod chart;
mod generate;
mod mallory;
mod model;
mod oracles;
mod original;
mod profile;
mod run;
mod scenario;
mod shape;
mod shrink;
mod summary;
mod transfers;
mod violation;

pub use crate::invariant::{Breach, Invariant};
pub use application::{Application, run_application};
pub use chart::chart;
pub use profile::{Profile, UnknownProfile};
pub use run::{Report, run, run_traced};
pub use scenario::{
    Action, Attack, HubSettings, MAX_ACTIONS, MAX_PEERS, Manner, NodeSettings, PolicyName,
    Scenario, ScenarioError, Settings, Timed,
};
pub use shrink::{shrink, shrink_with};
pub use summary::Summary;
pub use violation::Violation;
