//! The server's application: its calls of the hub, and what members send to it.

use socketio_p2p_core::hub::Hub;
use socketio_p2p_core::{ClientId, Packet, Time};

use super::Mesh;

impl Mesh {
    /// Calls something on the hub at the current time, as the server's application does, then moves what came of it.
    ///
    /// # Panics
    /// When the server is down.
    #[expect(clippy::expect_used, reason = "a test that uses a stopped server is wrong")]
    pub fn with_server<T>(&mut self, act: impl FnOnce(&mut Hub, Time) -> T) -> T {
        let now = self.now;
        let server = self.server.as_mut().expect("the server is up");
        let result = act(&mut server.hub, now);
        let outputs = server.drain(now);
        self.send_from_server(outputs);
        result
    }

    /// Takes the events and answers of members for the server's application.
    pub fn take_for_server(&mut self) -> Vec<(ClientId, Packet)> {
        self.server
            .as_mut()
            .map(|server| std::mem::take(&mut server.application))
            .unwrap_or_default()
    }
}
