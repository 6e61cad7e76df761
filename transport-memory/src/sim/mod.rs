//! A deterministic simulator: random scenarios with faults, judged by a reference model.
//!
//! A [`Scenario`] is a list of timed actions, generated from a seed, a [`Profile`] and a number of peers, or read
//! from text. [`run`] runs it on a [`Mesh`](crate::Mesh): a hub and real sessions on a virtual clock. After each
//! step the reference model compares the events of the sessions with the calls of their applications; at the end
//! all faults stop, the mesh must come to rest, and all sessions close. The first breach of an invariant is the
//! [`Violation`].
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
//! # Applications of one's own
//!
//! [`run_application`] runs an [`Application`](socketio_p2p_core::Application) on every node of a scenario, under the same
//! faults, and asks at the end whether what should hold of the applications does; [`Simulated`] has an example. Of a
//! scenario that fails, [`shrink_application`] finds the part that it takes, and [`run_application_traced`] records the run
//! for [`chart()`].
//!
//! # Narrow and wide
//!
//! [`Scenario::generate`] makes narrow scenarios: all sessions have the same settings, and events are small. In wide ones
//! ([`Scenario::generate_wide`]) settings differ from node to node ([`NodeSettings`]), events reach and exceed the limits of
//! their receivers, and there are more profiles: receivers with limits, transfers of every kind, policies, slow paths
//! without faults, neighbours that forward in one direction only, original clients, floods. Wide scenarios are *strict*: beside the
//! model, the run checks
//!
//! - frames in flight: policies, the reported `path`, retransmissions, windows
//! - each bundle: acknowledgements, pings, records
//! - each message of the hub: it is due to its receiver, and no due message is missing
//! - the clock: deadlines, resume windows, pauses
//! - `Ready`, `Upgrade`, `Writable` and getters
//! - each maximum of [`Config`](socketio_p2p_core::Config), and the memory that sessions keep of received messages
//!
//! # Guarantees of the simulated network
//!
//! Each path keeps the guarantees of the real one (see [`Conditions`](crate::Conditions)), on which sessions rely:
//!
//! - Membership messages of one hub keep their order on one socket, as with TCP.
//! - A hub that omits a member from a roster announces it later, and does not announce it again after it has left.
//! - Frames arrive unaltered. Only the malicious peer forges frames, to the hub and over its own connections.

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
pub use application::{Simulated, run_application, run_application_traced};
pub use chart::chart;
pub use profile::{Profile, UnknownProfile};
pub use run::{Report, run, run_traced};
pub use scenario::{
    Action, Attack, HubSettings, MAX_ACTIONS, MAX_PEERS, Manner, NodeSettings, Operation,
    PolicyName, Scenario, ScenarioError, Settings, Timed,
};
pub use shrink::{shrink, shrink_application, shrink_with};
pub use summary::Summary;
pub use violation::Violation;
