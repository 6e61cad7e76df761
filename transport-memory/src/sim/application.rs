//! A simulated application.

use socketio_p2p_core::{Event, Session, Time};

use super::Report;
use super::run::{Host, run_hosted};
use super::scenario::Scenario;
use super::violation::Violation;
use crate::dice::Dice;
use crate::invariant::Breach;
use crate::mesh::{Mesh, Node};

/// The logic of a simulated application on one node: its reactions to the events of its session and to its user. It
/// has no I/O, clock or randomness of its own.
///
/// [`run_application`] puts one on every session of a scenario. Its emits take the place of the scenario's; all
/// faults happen as they would otherwise.
///
/// ```
/// use socketio_p2p_core::{Event, Packet, Session, Target, Time};
/// use socketio_p2p_transport_memory::Dice;
/// use socketio_p2p_transport_memory::sim::{
///     Application, Breach, Invariant, Profile, Scenario, run_application,
/// };
///
/// /// Everybody knows the highest number that anybody has thought of.
/// #[derive(Default)]
/// struct Highest(u64);
///
/// impl Highest {
///     fn tell(&self, to: impl Into<Target>, session: &mut Session, now: Time) {
///         let event = Packet::event("highest", &(self.0,)).expect("a number is JSON");
///         // A full queue is told by `Writable` when it has room again.
///         let _ = session.emit(to, &event, now);
///     }
/// }
///
/// impl Application for Highest {
///     fn on_turn(&mut self, dice: &mut Dice, session: &mut Session, now: Time) -> Result<(), Breach> {
///         self.0 = self.0.max(dice.roll(1_000_000));
///         self.tell(Target::All, session, now);
///         Ok(())
///     }
///
///     fn on_event(&mut self, event: &Event, session: &mut Session, now: Time) -> Result<(), Breach> {
///         match event {
///             Event::Received { packet, .. } => {
///                 let (number,) = packet.args::<(u64,)>().expect("peers are the same program");
///                 if number > self.0 {
///                     // Who told us may have crashed before it told the others.
///                     self.0 = number;
///                     self.tell(Target::All, session, now);
///                 }
///             }
///             Event::PeerJoined { peer, .. } | Event::Writable { peer, .. } => {
///                 self.tell(peer, session, now);
///             }
///             _ => {}
///         }
///         Ok(())
///     }
/// }
///
/// for seed in 0..20 {
///     let scenario = Scenario::generate(seed, Profile::Crashes, 3);
///     run_application(&scenario, |_, before| before.unwrap_or_default(), |nodes: &[&Highest]| {
///         let all: Vec<u64> = nodes.iter().map(|node| node.0).collect();
///         if all.windows(2).all(|pair| pair[0] == pair[1]) {
///             return Ok(());
///         }
///         Err(Breach::new(Invariant::Application, "the same number everywhere", format!("{all:?}")))
///     })?;
/// }
/// # Ok::<(), socketio_p2p_transport_memory::sim::Violation>(())
/// ```
pub trait Application {
    /// The user of this node acts: called for each event that the scenario would emit.
    ///
    /// # Errors
    /// A [`Breach`] of what the application holds for true, [`Invariant::Application`](super::Invariant) mostly.
    fn on_turn(&mut self, dice: &mut Dice, session: &mut Session, now: Time) -> Result<(), Breach>;

    /// The session reports an event. Called for every event, in order.
    ///
    /// # Errors
    /// As [`on_turn`](Self::on_turn).
    fn on_event(&mut self, event: &Event, session: &mut Session, now: Time) -> Result<(), Breach>;
}

/// Runs a scenario with an application on every node.
///
/// `start` makes the application of a node, given its number; for a node that comes back after a crash or its end it
/// is also given the application that was there before, for what that kept on its disk. `settled` is asked once, when
/// all faults are over, everybody is there and nothing is in flight between the sessions: what should hold then of
/// the applications, in the order of their nodes?
///
/// # Errors
/// The first [`Violation`]: of the applications' own, or of what always holds for presence, paths, identities,
/// connections and progress.
pub fn run_application<A: Application>(
    scenario: &Scenario,
    start: impl FnMut(usize, Option<A>) -> A,
    settled: impl FnMut(&[&A]) -> Result<(), Breach>,
) -> Result<Report, Violation> {
    let places = (0..scenario.settings.peers).map(|_| None).collect();
    run_hosted(scenario, Applications { start, settled, places })
}

/// The applications of a run.
struct Applications<A, S, C> {
    start: S,
    settled: C,
    /// The application in each place, and the node it is on.
    places: Vec<Option<(Node, A)>>,
}

impl<A, S, C> Applications<A, S, C>
where
    A: Application,
    S: FnMut(usize, Option<A>) -> A,
    C: FnMut(&[&A]) -> Result<(), Breach>,
{
    fn find(&mut self, node: Node) -> Option<&mut A> {
        let mut there = self.places.iter_mut().flatten();
        there.find(|(on, _)| *on == node).map(|(_, application)| application)
    }
}

impl<A, S, C> Host for Applications<A, S, C>
where
    A: Application,
    S: FnMut(usize, Option<A>) -> A,
    C: FnMut(&[&A]) -> Result<(), Breach>,
{
    fn start(&mut self, place: usize, node: Node) {
        let before = self.places[place].take().map(|(_, application)| application);
        self.places[place] = Some((node, (self.start)(place, before)));
    }

    fn turn(&mut self, node: Node, dice: &mut Dice, mesh: &mut Mesh) -> Result<(), Breach> {
        match self.find(node) {
            Some(application) => {
                mesh.with(node, |session, now| application.on_turn(dice, session, now))
            }
            None => Ok(()),
        }
    }

    fn event(&mut self, node: Node, event: &Event, mesh: &mut Mesh) -> Result<(), Breach> {
        match self.find(node) {
            Some(application) => {
                mesh.with(node, |session, now| application.on_event(event, session, now))
            }
            None => Ok(()),
        }
    }

    fn settled(&mut self) -> Result<(), Breach> {
        let applications = self.places.iter().flatten().map(|(_, application)| application);
        (self.settled)(&applications.collect::<Vec<_>>())
    }
}
