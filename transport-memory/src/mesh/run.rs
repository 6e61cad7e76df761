//! Running a mesh: its clock goes from one wake-up to the next.

use std::time::Duration;

use socketio_p2p_core::hub::Hub;
use socketio_p2p_core::{Path, Session, Time};

use super::{Mesh, Node};

/// The input that a step of a mesh handled.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Step {
    /// A message arrived at a node.
    Arrival(Node),
    /// A timer of a node.
    Timer(Node),
    /// A message arrived at the hub, or a timer of the hub.
    Hub,
}

impl Mesh {
    /// Jumps to the next wake-up and handles all that is due then. `false`: nothing will ever happen again.
    pub fn step(&mut self) -> bool {
        let Some(next) = self.next_wake_up() else { return false };
        self.now = self.now.max(next);
        while self.step_wire(self.now).is_some() {}
        self.step_hub(self.now);
        for node in 0..self.nodes.len() {
            self.step_timer(node);
        }
        true
    }

    /// Handles the one input that comes next, if it comes until then; the clock moves to its time.
    pub fn step_one(&mut self, until: Time) -> Option<Step> {
        let due = self.nodes.iter().enumerate().filter_map(|(node, slot)| Some((slot.due?, node)));
        let timer = due.min();
        let hub = self.hub().and_then(Hub::poll_timeout);
        let before = |at: Time, other: Option<Time>| other.is_none_or(|other| at <= other);
        let timer_at = timer.map(|(at, _)| at);
        if let Some(at) = self.network.queue.next_at()
            && before(at, hub)
            && before(at, timer_at)
        {
            return self.step_wire(until);
        }
        if let Some(at) = hub
            && before(at, timer_at)
        {
            return self.step_hub(until);
        }
        let (at, node) = timer.filter(|(at, _)| *at <= until)?;
        self.now = self.now.max(at);
        self.step_timer(node);
        Some(Step::Timer(Node(node)))
    }

    fn step_wire(&mut self, until: Time) -> Option<Step> {
        if self.network.queue.next_at()? > until {
            return None;
        }
        let next = self.network.queue.pop()?;
        self.now = self.now.max(next.at);
        Some(self.arrive(next))
    }

    fn step_hub(&mut self, until: Time) -> Option<Step> {
        let server = self.server.as_mut()?;
        let at = server.hub.poll_timeout().filter(|at| *at <= until)?;
        self.now = self.now.max(at);
        let outputs = server.handle_timeout(self.now);
        self.send_from_server(outputs);
        Some(Step::Hub)
    }

    fn step_timer(&mut self, node: usize) {
        let slot = &mut self.nodes[node];
        if slot.due.is_some_and(|at| at <= self.now)
            && let Some(session) = &mut slot.session
        {
            session.handle_timeout(self.now + slot.skew);
            self.pump(node);
        }
    }

    /// Steps for a span of virtual time.
    pub fn run_for(&mut self, span: Duration) {
        let end = self.now + span;
        while self.next_wake_up().is_some_and(|at| at <= end) {
            self.step();
        }
        self.now = end;
    }

    /// Moves the clock to a later time at which nothing is due before.
    pub(crate) fn wait_until(&mut self, time: Time) {
        self.now = self.now.max(time);
    }

    /// Steps until `done`, at most for a span of virtual time. Tells whether it was done.
    #[must_use]
    pub fn run_until(&mut self, span: Duration, mut done: impl FnMut(&Self) -> bool) -> bool {
        let end = self.now + span;
        while !done(self) {
            if self.next_wake_up().is_none_or(|at| at > end) {
                return false;
            }
            self.step();
        }
        true
    }

    /// Steps until two nodes send to each other directly.
    ///
    /// # Panics
    /// When that takes longer than a minute of virtual time.
    pub fn run_until_direct(&mut self, a: Node, b: Node) {
        let direct = |mesh: &Self, a, b| {
            let peer = mesh.peer(a, b);
            peer.is_some_and(|peer| peer.path == Some(Path::Direct))
        };
        let done = |mesh: &Self| direct(mesh, a, b) && direct(mesh, b, a);
        assert!(self.run_until(Duration::from_secs(60), done), "{a:?} and {b:?} are not direct");
    }

    /// Steps until no session has anything queued for anyone: all that was emitted has arrived and been
    /// acknowledged. Probes, signals and attempts at direct paths may be in flight.
    ///
    /// # Panics
    /// When that takes longer than ten minutes of virtual time.
    pub fn run_until_quiet(&mut self) {
        let quiet = |mesh: &Self| {
            let sessions = mesh.nodes.iter().filter_map(|slot| slot.session.as_ref());
            sessions.flat_map(Session::peers).all(|peer| peer.queued == 0)
        };
        assert!(self.run_until(Duration::from_secs(600), quiet), "the mesh does not come to rest");
    }

    /// When the next thing happens. `None`: never.
    #[must_use]
    pub fn next_wake_up(&self) -> Option<Time> {
        let timers = self.nodes.iter().filter_map(|slot| slot.due);
        let hub = self.hub().and_then(Hub::poll_timeout);
        timers.chain(hub).chain(self.network.queue.next_at()).min()
    }
}
