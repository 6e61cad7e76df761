//! Taking the output of sessions.

use std::time::Duration;

use socketio_p2p_core::Command;

use super::delivery::Delivery;
use super::effects::Fault;
use super::nodes::Pace;
use super::{Mesh, Node};
use crate::broker::End;

impl Mesh {
    pub(super) fn schedule(&mut self, after: Duration, delivery: Delivery) {
        self.network.schedule_at(self.now + after, delivery);
    }

    /// Takes all output of a node.
    pub(super) fn pump(&mut self, node: usize) {
        let told = self.nodes[node].events.len();
        while self.take_news(node) {
            if self.nodes[node].drain.is_none() {
                self.pump_signaling(node);
                self.pump_direct(node);
            }
        }
        let slot = &mut self.nodes[node];
        if let Some(pause) = slot.drain
            && !std::mem::replace(&mut slot.draining, true)
        {
            self.schedule(pause, Delivery::Drain { node });
        }
        let slot = &mut self.nodes[node];
        let due = match (&slot.session, slot.pace) {
            (Some(session), Pace::AtOnce | Pace::Every(_)) => session.poll_timeout(),
            (None, _) | (Some(_), Pace::Frozen) => None,
        };
        slot.due = due.map(|at| slot.outer(at));
        if slot.events.len() > told {
            self.nodes.note_noisy(node);
            let events = &self.nodes[node].events[told..];
            self.record.note_events(self.now, node, self.nodes.ids(), events);
        }
        self.nodes[node].stale = false;
    }

    /// The transports of a node that drains late take its output.
    pub(super) fn drain(&mut self, node: usize) {
        let slot = &mut self.nodes[node];
        slot.draining = false;
        slot.held = self.now;
        if let Some(pause) = slot.drain.take() {
            self.network.effects.change(Fault::LateDriver);
            self.pump(node);
            // The output that follows from it waits for the next drain.
            self.nodes[node].drain = Some(pause);
        }
    }

    /// Takes events and commands. `true`: there may be something to transmit.
    fn take_news(&mut self, node: usize) -> bool {
        let slot = &mut self.nodes[node];
        if slot.pace == Pace::Frozen {
            return false;
        }
        // An input can cause transmits; transmits can cause events and commands, and these transmits again.
        let mut news = !std::mem::replace(&mut slot.stale, true);
        loop {
            let slot = &mut self.nodes[node];
            let Some(session) = &mut slot.session else { return false };
            while let Some(event) = session.poll_event() {
                slot.events.push(event);
            }
            let Some(command) = session.poll_command() else { return news };
            self.execute(node, command);
            news = true;
        }
    }

    fn pump_signaling(&mut self, node: usize) {
        let slot = &mut self.nodes[node];
        let now = self.now + slot.skew;
        let (Some(socket), Some(session)) = (&mut slot.socket, &mut slot.session) else { return };
        let mut frames = Vec::new();
        let most = slot.outstanding.unwrap_or(self.network.outstanding);
        let mut room = most.saturating_sub(socket.outstanding);
        loop {
            if room == 0 {
                socket.limited = true;
                socket.limited_at = self.now;
                break;
            }
            let Some(frame) = session.poll_signaling_transmit(now) else { break };
            room = room.saturating_sub(frame.len());
            frames.push(frame);
        }
        if !frames.is_empty() {
            self.upload(node, frames);
        }
    }

    fn pump_direct(&mut self, node: usize) {
        let mut index = 0;
        while let Some(connection) = self.nodes[node].connections.get(index) {
            let end = (node, connection.id);
            index += 1;
            if connection.other.is_some() {
                self.pump_connection(end, index - 1);
                self.pump_datagrams(end, index - 1);
            }
        }
    }

    fn pump_connection(&mut self, end: End, index: usize) {
        loop {
            let slot = &mut self.nodes[end.0];
            let now = self.now + slot.skew;
            let (Some(session), Some(connection)) =
                (&mut slot.session, slot.connections.get_mut(index))
            else {
                return;
            };
            if connection.outstanding >= slot.outstanding.unwrap_or(self.network.outstanding) {
                connection.limited = true;
                connection.limited_at = self.now;
                return;
            }
            let Some(frame) = session.poll_direct_transmit(end.1, now) else { return };
            self.send_direct(end, frame);
        }
    }

    fn execute(&mut self, node: usize, command: Command) {
        match command {
            Command::ConnectSignaling => {
                if self.record.is_watching() {
                    self.record.tries.push((Node(node), self.now));
                }
                self.connect_signaling(node);
            }
            Command::CloseSignaling => self.close_signaling(node),
            Command::Direct(command) => self.execute_direct(node, command),
            _ => {}
        }
    }
}
