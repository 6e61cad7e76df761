//! The logic of a program on one session.

use crate::event::Event;
use crate::session::Session;
use crate::time::Time;

/// The logic of a program on one session: its reactions to events, to inputs from outside and to its own timers.
/// As the session, it does no I/O, reads no clock and draws no randomness, so that the same type runs in
/// production and in a simulation.
///
/// - `Driver::run` (feature `driver`) runs it on real transports.
/// - `sim::run_application` of the crate `socketio-p2p-transport-memory` runs one on each node of a simulated mesh
///   with faults.
/// - Any other loop calls [`handle_event`](Self::handle_event) with each event of
///   [`Session::poll_event`] in order, and [`handle_timeout`](Self::handle_timeout) at the time of
///   [`poll_timeout`](Self::poll_timeout).
///
/// On the session, an application calls getters and what the [`Session`] lists as calls of the application; inputs
/// and outputs (`handle_*`, `poll_*`) belong to the loop. `now` never decreases.
///
/// ```
/// use std::time::Duration;
/// use socketio_p2p_core::{Application, Event, Packet, Session, Target, Time};
///
/// /// Says "hello" to everybody every ten seconds, and counts what it hears.
/// struct Greeter {
///     next: Option<Time>,
///     heard: u64,
/// }
///
/// impl Application for Greeter {
///     /// A name to greet.
///     type Input = String;
///
///     fn handle_event(&mut self, event: Event, _: &mut Session, now: Time) {
///         match event {
///             Event::Connected { .. } => self.next = Some(now),
///             Event::Received { .. } => self.heard += 1,
///             _ => {}
///         }
///     }
///
///     fn handle_input(&mut self, name: String, session: &mut Session, now: Time) {
///         if let Ok(hello) = Packet::event("hello", &(name,)) {
///             // Who cannot be told now is told in ten seconds.
///             let _ = session.emit(Target::All, &hello, now);
///         }
///     }
///
///     fn poll_timeout(&self) -> Option<Time> {
///         self.next
///     }
///
///     fn handle_timeout(&mut self, session: &mut Session, now: Time) {
///         self.next = Some(now + Duration::from_secs(10));
///         self.handle_input("everybody".to_owned(), session, now);
///     }
/// }
/// ```
pub trait Application {
    /// What comes from outside: what a user does, what another part of the program asks for.
    /// [`Infallible`](std::convert::Infallible) where nothing does.
    type Input;

    /// Handles an event of the session. Events come in order, each once; after [`Event::Closed`] no method is
    /// called any more.
    fn handle_event(&mut self, event: Event, session: &mut Session, now: Time);

    /// Handles an input from outside.
    fn handle_input(&mut self, input: Self::Input, session: &mut Session, now: Time);

    /// Returns when [`handle_timeout`](Self::handle_timeout) is to be called. The loop asks after each call of
    /// another method. By default never.
    fn poll_timeout(&self) -> Option<Time> {
        None
    }

    /// Handles the deadlines that have passed. Those that remain in [`poll_timeout`](Self::poll_timeout) must be
    /// later than `now`. By default does nothing.
    fn handle_timeout(&mut self, session: &mut Session, now: Time) {
        let _ = (session, now);
    }
}
