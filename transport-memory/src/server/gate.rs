//! The server's application in simulations: whom it admits, and as whom.

use std::collections::BTreeMap;
use std::time::Duration;

use serde::{Deserialize, Serialize};
use socketio_p2p_core::hub::{Admission, HubConfig};
use socketio_p2p_core::{MemberData, Packet};

/// By how many members rooms are larger for clients that the application knows.
const MORE_ROOM: usize = 2;

/// What the application reads in the auth payload, and verifies.
#[derive(Deserialize)]
struct Ticket {
    #[serde(default)]
    node: Option<u64>,
}

/// What all members are told about one.
#[derive(Serialize)]
struct User {
    node: u64,
    /// How often it has been admitted.
    visit: u64,
}

/// Admits clients by the node in their auth payload.
#[derive(Debug, Default)]
pub(crate) struct Gate {
    visits: BTreeMap<u64, u64>,
    /// The nodes that are refused once, each with the pause that it is told; none: for good.
    refusals: Vec<(u64, Option<Duration>)>,
}

impl Gate {
    /// Refuses the next connection of a node.
    pub(crate) fn refuse_next(&mut self, node: u64, pause: Option<Duration>) {
        self.refusals.push((node, pause));
    }

    /// Refuses nobody from now on.
    pub(crate) fn forgive(&mut self) {
        self.refusals.clear();
    }

    /// Decides about a client with this auth payload. `Err`: the CONNECT_ERROR that it gets.
    pub(crate) fn judge(&mut self, auth: &str, config: &HubConfig) -> Result<Admission, Packet> {
        let node = serde_json::from_str::<Ticket>(auth).ok().and_then(|ticket| ticket.node);
        let Some(node) = node else { return Ok(Admission::default()) };
        if let Some(index) = self.refusals.iter().position(|(refused, _)| *refused == node)
            && let Some(packet) = refusal(self.refusals.swap_remove(index).1)
        {
            return Err(packet);
        }
        let visit = self.visits.entry(node).or_default();
        *visit += 1;
        let admission = Admission::default().with_capacity(config.room_capacity + MORE_ROOM);
        Ok(match MemberData::new(&User { node, visit: *visit }) {
            Ok(user) => admission.with_user(user),
            Err(_) => admission,
        })
    }
}

/// The code of a refusal for good.
pub(crate) const BANNED: &str = "banned";

fn refusal(pause: Option<Duration>) -> Option<Packet> {
    let (code, message) = match pause {
        Some(pause) => {
            ("busy", format!("try again in {} ms: the application is busy", pause.as_millis()))
        }
        None => (BANNED, "the application does not let this node in".to_owned()),
    };
    Packet::connect_error(&serde_json::json!({"message": message, "data": {"code": code}})).ok()
}
