//! Applications in simulated runs.

use std::fmt::Debug;

use socketio_p2p_core::{Application, Event, Session, Time};

use super::Report;
use super::run::{Host, run_hosted};
use super::scenario::Scenario;
use super::violation::Violation;
use crate::dice::Dice;
use crate::invariant::Breach;
use crate::mesh::{Mesh, Node, Place, TraceEntry, TraceEvent};

/// The purpose of the dice of turns.
const TURNS: u64 = 61;

/// An [`Application`] under simulation: what its user does, and what always holds.
///
/// [`run_application`] puts one on every session of a scenario, the same type that `Driver::run` of the core runs in
/// production.
///
/// ```
/// use std::time::Duration;
/// use socketio_p2p_core::{Application, Event, Outcome, Packet, Session, Target, Time};
/// use socketio_p2p_transport_memory::Dice;
/// use socketio_p2p_transport_memory::sim::{
///     Breach, Invariant, Profile, Scenario, Simulated, run_application,
/// };
///
/// /// Everybody knows the highest number that anybody has thought of.
/// #[derive(Default)]
/// struct Highest {
///     number: u64,
///     /// When it is told again, because not everybody may know it.
///     again: Option<Time>,
/// }
///
/// impl Highest {
///     fn tell(&mut self, session: &mut Session, now: Time) {
///         let Ok(event) = Packet::event("highest", &(self.number,)) else { return };
///         let emitted = session.emit(Target::All, &event, now);
///         let all = emitted.is_ok_and(|emitted| emitted.rejected.is_empty());
///         self.again = (!all).then_some(now + Duration::from_millis(300));
///     }
/// }
///
/// impl Application for Highest {
///     type Input = u64;
///
///     fn handle_input(&mut self, number: u64, session: &mut Session, now: Time) {
///         if number > self.number {
///             self.number = number;
///             self.tell(session, now);
///         }
///     }
///
///     fn handle_event(&mut self, event: Event, session: &mut Session, now: Time) {
///         match event {
///             Event::Received { packet, .. } if packet.event_name().as_deref() == Some("highest") => {
///                 // A malicious peer sends anything. Whoever has told us may crash before it tells the others.
///                 if let Ok((number,)) = packet.args::<(u64,)>() {
///                     self.handle_input(number, session, now);
///                 }
///             }
///             Event::PeerJoined { .. } => self.tell(session, now),
///             Event::Outcome { outcome, .. } if outcome != Outcome::Delivered => {
///                 self.again = Some(now + Duration::from_millis(300));
///             }
///             _ => {}
///         }
///     }
///
///     fn poll_timeout(&self) -> Option<Time> {
///         self.again
///     }
///
///     fn handle_timeout(&mut self, session: &mut Session, now: Time) {
///         self.tell(session, now);
///     }
/// }
///
/// impl Simulated for Highest {
///     fn turn(&self, dice: &mut Dice, _: &Session) -> Option<u64> {
///         Some(dice.roll(1_000_000))
///     }
/// }
///
/// for (seed, profile) in (0..).zip(Profile::ALL) {
///     let scenario = Scenario::generate_wide(seed, *profile, 3);
///     run_application(&scenario, |_, before| before.unwrap_or_default(), |nodes: &[&Highest]| {
///         let all: Vec<u64> = nodes.iter().map(|node| node.number).collect();
///         if all.windows(2).all(|pair| pair[0] == pair[1]) {
///             return Ok(());
///         }
///         Err(Breach::new(Invariant::Application, "the same number everywhere", format!("{all:?}")))
///     })?;
/// }
/// # Ok::<(), socketio_p2p_transport_memory::sim::Violation>(())
/// ```
pub trait Simulated: Application<Input: Debug> {
    /// Draws what the user does in a turn; `None`: nothing. Called at the times at which the scenario would emit an
    /// event. The input goes to [`Application::handle_input`], as that of a real user.
    ///
    /// The dice depend on the seed and the number of the turn alone, so that shrinking, which removes turns, does not
    /// change the others.
    fn turn(&self, dice: &mut Dice, session: &Session) -> Option<Self::Input>;

    /// Checks what always holds, after each call of the application. By default nothing.
    ///
    /// # Errors
    /// The [`Breach`], of [`Invariant::Application`](super::Invariant::Application) mostly.
    fn check(&self) -> Result<(), Breach> {
        Ok(())
    }
}

/// Runs a scenario with an application on every node: [`Scenario::with_turns`] says which of its actions it takes. Timers
/// follow the clock of their node; those of a frozen node wait, those of a crashed or closed one are gone.
///
/// `start` makes the application of a node, given its number; for a node that comes back after a crash or its end it
/// is also given the application that was there before, for what that kept on its disk. `settled` is asked when
/// all faults are over, everybody is there and nothing is in flight between the sessions: what should hold then of
/// the applications, in the order of their nodes? While it does not and an application has a timer, the question is
/// asked again after the timer, for 60 of the scenario's silence timeouts. Where timers keep something in flight all
/// the time, it is asked after those timeouts.
///
/// # Errors
/// The first [`Violation`]: of the applications' own, or of what always holds for presence, paths, identities,
/// connections and progress. A panic of an application is one of
/// [`Invariant::Panic`](super::Invariant::Panic).
pub fn run_application<A: Simulated>(
    scenario: &Scenario,
    start: impl FnMut(usize, Option<A>) -> A,
    settled: impl FnMut(&[&A]) -> Result<(), Breach>,
) -> Result<Report, Violation> {
    run_applications(scenario, start, settled, false).0
}

/// As [`run_application`], with a trace up to the end or the first violation, for [`chart`](super::chart()). It also
/// contains the inputs and timers of the applications.
pub fn run_application_traced<A: Simulated>(
    scenario: &Scenario,
    start: impl FnMut(usize, Option<A>) -> A,
    settled: impl FnMut(&[&A]) -> Result<(), Breach>,
) -> (Result<Report, Violation>, Vec<TraceEntry>) {
    run_applications(scenario, start, settled, true)
}

fn run_applications<A: Simulated>(
    scenario: &Scenario,
    start: impl FnMut(usize, Option<A>) -> A,
    settled: impl FnMut(&[&A]) -> Result<(), Breach>,
    is_traced: bool,
) -> (Result<Report, Violation>, Vec<TraceEntry>) {
    let scenario = scenario.with_turns();
    let places = (0..scenario.settings.peers).map(|_| None).collect();
    let seed = Dice::for_purpose(scenario.seed, TURNS).bits();
    run_hosted(&scenario, Applications { seed, start, settled, places }, is_traced)
}

/// The applications of a run.
struct Applications<A, S, C> {
    /// The seed of the dice of turns.
    seed: u64,
    start: S,
    settled: C,
    /// The application in each place.
    places: Vec<Option<Hosted<A>>>,
}

/// An application on a node.
struct Hosted<A> {
    application: A,
    node: Node,
    /// Its session has closed.
    is_closed: bool,
}

impl<A: Simulated> Hosted<A> {
    /// When its timer expires.
    fn next_timeout(&self, mesh: &Mesh) -> Option<Time> {
        let runs = !self.is_closed && mesh.is_running(self.node) && !mesh.is_frozen(self.node);
        let at = self.application.poll_timeout().filter(|_| runs)?;
        Some(mesh.time_at(self.node, at))
    }

    fn call(
        &mut self,
        mesh: &mut Mesh,
        act: impl FnOnce(&mut A, &mut Session, Time),
    ) -> Result<(), Breach> {
        mesh.with(self.node, |session, now| act(&mut self.application, session, now));
        self.application.check()
    }

    /// Adds what it does to the trace.
    fn note(&self, mesh: &mut Mesh, what: impl FnOnce() -> String) {
        let place = Place::Node(self.node.index());
        mesh.note(Place::Hub, || TraceEvent::Command(format!("{place}: {}", what())));
    }
}

impl<A: Simulated, S, C> Applications<A, S, C> {
    fn find(&mut self, node: Node) -> Option<&mut Hosted<A>> {
        self.places.iter_mut().flatten().find(|hosted| hosted.node == node)
    }
}

impl<A, S, C> Host for Applications<A, S, C>
where
    A: Simulated,
    S: FnMut(usize, Option<A>) -> A,
    C: FnMut(&[&A]) -> Result<(), Breach>,
{
    fn start(&mut self, place: usize, node: Node) {
        let before = self.places[place].take().map(|hosted| hosted.application);
        let application = (self.start)(place, before);
        self.places[place] = Some(Hosted { application, node, is_closed: false });
    }

    fn turn(&mut self, node: Node, number: u32, mesh: &mut Mesh) -> Result<(), Breach> {
        let mut dice = Dice::for_purpose(self.seed, u64::from(number));
        let Some(hosted) = self.find(node) else { return Ok(()) };
        let input = hosted.application.turn(&mut dice, mesh.session(node));
        let Some(input) = input else { return Ok(()) };
        hosted.note(mesh, || format!("{input:?}"));
        hosted.call(mesh, |application, session, now| application.handle_input(input, session, now))
    }

    fn event(&mut self, node: Node, event: Event, mesh: &mut Mesh) -> Result<(), Breach> {
        let Some(hosted) = self.find(node) else { return Ok(()) };
        hosted.is_closed |= matches!(event, Event::Closed);
        hosted.call(mesh, |application, session, now| application.handle_event(event, session, now))
    }

    fn next_timeout(&self, mesh: &Mesh) -> Option<Time> {
        self.places.iter().flatten().filter_map(|hosted| hosted.next_timeout(mesh)).min()
    }

    fn run_timers(&mut self, mesh: &mut Mesh) -> Result<bool, Breach> {
        let mut has_run = false;
        for hosted in self.places.iter_mut().flatten() {
            if hosted.next_timeout(mesh).is_some_and(|at| at <= mesh.now()) {
                hosted.note(mesh, || "timer".to_owned());
                hosted.call(mesh, A::handle_timeout)?;
                has_run = true;
            }
        }
        Ok(has_run)
    }

    fn settled(&mut self) -> Result<(), Breach> {
        let applications = self.places.iter().flatten().map(|hosted| &hosted.application);
        (self.settled)(&applications.collect::<Vec<_>>())
    }
}
