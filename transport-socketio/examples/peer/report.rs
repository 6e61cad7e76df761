//! Standard output: the lines that report events.

use std::io::{self, Write as _};

use serde_json::{Number, Value, json};
use socketio_p2p_core::{LeaveReason, Path, PeerId, PeerInfo};

/// Standard output: one JSON object per line, flushed.
///
/// A line waits until the reader takes it, and the session with it. This is the backpressure of the program: a script
/// that does not read makes the remote peers wait.
#[derive(Debug, Default)]
pub(crate) struct Report {
    /// The first write error.
    broken: Option<io::Error>,
}

impl Report {
    /// Returns the first write error: the reader has closed the pipe.
    pub(crate) fn check(&mut self) -> io::Result<()> {
        self.broken.take().map_or(Ok(()), Err)
    }

    fn line(&mut self, line: &Value) {
        let mut output = io::stdout().lock();
        let written = writeln!(output, "{line}").and_then(|()| output.flush());
        if let Err(error) = written {
            self.broken.get_or_insert(error);
        }
    }

    pub(crate) fn connected(&mut self, id: &PeerId) {
        self.line(&json!({ "ev": "connected", "id": id }));
    }

    pub(crate) fn joined(&mut self, peer: &PeerId) {
        self.line(&json!({ "ev": "peer-joined", "peer": peer }));
    }

    pub(crate) fn left(&mut self, peer: &PeerId, reason: LeaveReason) {
        self.line(&json!({ "ev": "peer-left", "peer": peer, "reason": reason.to_string() }));
    }

    pub(crate) fn away(&mut self, peer: &PeerId) {
        self.line(&json!({ "ev": "peer-away", "peer": peer }));
    }

    pub(crate) fn back(&mut self, peer: &PeerId) {
        self.line(&json!({ "ev": "peer-back", "peer": peer }));
    }

    pub(crate) fn path(&mut self, peer: &PeerId, path: &Path) {
        self.line(&json!({ "ev": "path", "peer": peer, "path": path_name(path) }));
    }

    pub(crate) fn ready(&mut self) {
        self.line(&json!({ "ev": "ready" }));
    }

    pub(crate) fn upgrade(&mut self) {
        self.line(&json!({ "ev": "upgrade" }));
    }

    pub(crate) fn received(&mut self, from: &PeerId, path: &Path, name: &str, args: Value) {
        self.line(&json!({
            "ev": "received", "from": from, "path": path_name(path), "name": name, "args": args,
        }));
    }

    pub(crate) fn ack(&mut self, ack: &Number, from: &PeerId, args: Value) {
        self.line(&json!({ "ev": "ack", "ack": ack, "from": from, "args": args }));
    }

    pub(crate) fn peers(&mut self, peers: impl Iterator<Item = PeerInfo>) {
        let peers = peers.map(|peer| {
            let path = peer.path.as_ref().map(path_name);
            json!({ "id": peer.id, "path": path, "v": peer.dialect })
        });
        self.line(&json!({ "ev": "peers", "peers": peers.collect::<Value>() }));
    }

    pub(crate) fn blocked(&mut self, peer: &PeerId) {
        self.line(&json!({ "ev": "blocked", "peer": peer }));
    }

    /// `outcome`: `delivered`, `failed` or `unknown`.
    pub(crate) fn outcome(&mut self, outcome: &str, id: &Number, peer: &PeerId) {
        self.line(&json!({ "ev": outcome, "id": id, "peer": peer }));
    }

    pub(crate) fn error(&mut self, message: impl Into<String>) {
        self.line(&json!({ "ev": "error", "message": message.into() }));
    }
}

fn path_name(path: &Path) -> &'static str {
    match path {
        Path::Relay => "relay",
        Path::Direct => "direct",
        // All other paths lead via a neighbour.
        Path::Via(_) | _ => "via",
    }
}
