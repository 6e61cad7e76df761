//! The events of clients for `tracing` (feature `tracing`); the documentation of the core lists them.

use socketio_p2p_core::driver::TransportError;
use tracing::debug;

/// An open signalling channel, for the event of its end.
pub(super) struct Opened {
    /// The address without credentials and query.
    server: String,
    has_ended: bool,
}

impl Opened {
    pub(super) fn new(server: &str) -> Self {
        debug!(target: "socketio_p2p::client", server, "channel opened");
        Self { server: server.to_owned(), has_ended: false }
    }

    /// The connection has ended, by an error, or because the server closed it.
    pub(super) fn end(&mut self, error: Option<&TransportError>) {
        match error {
            Some(TransportError(error)) => self.close(error),
            None => self.close("closed by the server"),
        }
    }

    fn close(&mut self, reason: &str) {
        if !std::mem::replace(&mut self.has_ended, true) {
            let server = &self.server;
            debug!(target: "socketio_p2p::client", server, reason, "channel closed");
        }
    }
}

impl Drop for Opened {
    fn drop(&mut self) {
        self.close("closed by the session");
    }
}
