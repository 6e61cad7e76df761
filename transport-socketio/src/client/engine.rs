//! Engine.IO v4 over one WebSocket, without I/O: reads messages, and says when to answer.

use std::time::Duration;

use serde::Deserialize;
use socketio_p2p_core::Time;
use thiserror::Error;

/// Maximum silence; longer ping intervals and timeouts of a server are cut to it.
const MAX_SILENCE: Duration = Duration::from_secs(24 * 60 * 60);

/// The server's handshake.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Handshake {
    /// Interval of the server's pings.
    pub(super) ping_interval: Duration,
    /// Time within which the server expects a pong.
    pub(super) ping_timeout: Duration,
    /// The longest message in bytes that the server takes.
    pub(super) max_payload: Option<u64>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct OpenPacket {
    ping_interval: u64,
    ping_timeout: u64,
    #[serde(default)]
    max_payload: Option<u64>,
}

/// A violation of Engine.IO by the server.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
pub(super) enum EngineError {
    #[error("expected an Engine.IO open packet, got {0}")]
    NotOpen(String),
    /// The number is the byte's position, from 1. The packet is not quoted, because it contains the session id.
    #[error("the Engine.IO open packet is invalid at byte {0}")]
    BadOpen(usize),
    #[error("expected an Engine.IO message, ping or close, got packet type {0:?}")]
    UnexpectedType(char),
    #[error("expected an Engine.IO packet, got an empty message")]
    Empty,
    #[error("expected a ping of the server within {0:?}, got no message")]
    Silent(Duration),
}

/// The kind of a text message.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Received {
    /// Contains a Socket.IO frame: all but the first byte.
    Message,
    /// Belongs to Engine.IO.
    Control,
    /// Closes the connection.
    Close,
}

/// Reads the handshake: the first message of a connection.
pub(super) fn read_open(text: &str) -> Result<Handshake, EngineError> {
    let Some(json) = text.strip_prefix('0') else {
        return Err(EngineError::NotOpen(match text.chars().next() {
            Some(kind) => format!("packet type {kind:?}"),
            None => "an empty packet".to_owned(),
        }));
    };
    let open: OpenPacket =
        serde_json::from_str(json).map_err(|error| EngineError::BadOpen(error.column()))?;
    Ok(Handshake {
        ping_interval: Duration::from_millis(open.ping_interval),
        ping_timeout: Duration::from_millis(open.ping_timeout),
        max_payload: open.max_payload,
    })
}

/// An open connection.
#[derive(Debug)]
pub(super) struct Engine {
    /// The longest silence of an intact server: ping interval plus timeout.
    silence: Duration,
    silent_since: Time,
    /// The pong that is due. One is enough: it answers all earlier pings.
    pong: Option<String>,
}

impl Engine {
    pub(super) fn new(handshake: &Handshake, now: Time) -> Self {
        let silence = handshake.ping_interval.saturating_add(handshake.ping_timeout);
        Self { silence: silence.min(MAX_SILENCE), silent_since: now, pong: None }
    }

    /// Takes a binary message: an attachment.
    pub(super) fn handle_binary(&mut self, now: Time) {
        self.silent_since = now;
    }

    /// Takes a text message.
    pub(super) fn handle_text(&mut self, text: &str, now: Time) -> Result<Received, EngineError> {
        self.silent_since = now;
        match text.as_bytes().first() {
            Some(b'4') => Ok(Received::Message),
            Some(b'2') => {
                // A ping may carry a payload, which the pong repeats.
                self.pong = Some(format!("3{}", text.get(1..).unwrap_or_default()));
                Ok(Received::Control)
            }
            Some(b'6') => Ok(Received::Control),
            Some(b'1') => Ok(Received::Close),
            Some(_) => Err(EngineError::UnexpectedType(text.chars().next().unwrap_or_default())),
            None => Err(EngineError::Empty),
        }
    }

    pub(super) fn handle_timeout(&self, now: Time) -> Result<(), EngineError> {
        let silent = now.saturating_since(self.silent_since);
        if silent >= self.silence { Err(EngineError::Silent(silent)) } else { Ok(()) }
    }

    /// When the server's silence becomes an error, unless a message comes before.
    pub(super) fn poll_timeout(&self) -> Time {
        self.silent_since + self.silence
    }

    pub(super) fn has_pong(&self) -> bool {
        self.pong.is_some()
    }

    /// Takes the pong to send.
    pub(super) fn poll_pong(&mut self) -> Option<String> {
        self.pong.take()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const OPEN: &str =
        r#"0{"sid":"x","upgrades":[],"pingInterval":300,"pingTimeout":200,"maxPayload":1000}"#;

    fn engine(now: Time) -> Engine {
        Engine::new(&read_open(OPEN).unwrap(), now)
    }

    #[test]
    fn the_engine_io_open_packet_is_read() {
        let handshake = read_open(OPEN).unwrap();
        assert_eq!(handshake.ping_interval, Duration::from_millis(300));
        assert_eq!(handshake.ping_timeout, Duration::from_millis(200));
        assert_eq!(handshake.max_payload, Some(1000));
        // Servers of Engine.IO 4.0 announce no limit.
        let old = read_open(r#"0{"sid":"x","pingInterval":1,"pingTimeout":1}"#).unwrap();
        assert_eq!(old.max_payload, None);
    }

    #[test]
    fn a_first_packet_other_than_open_is_refused_and_named() {
        assert_eq!(
            read_open("40").unwrap_err().to_string(),
            "expected an Engine.IO open packet, got packet type '4'"
        );
        assert_eq!(
            read_open("").unwrap_err().to_string(),
            "expected an Engine.IO open packet, got an empty packet"
        );
        for bad in ["0", "0{}", r#"0{"pingInterval":-1,"pingTimeout":1}"#, "0[[[["] {
            assert!(matches!(read_open(bad), Err(EngineError::BadOpen(_))), "{bad}");
        }
    }

    #[test]
    fn a_ping_is_answered_with_its_payload_once() {
        let mut engine = engine(Time::ZERO);
        assert_eq!(engine.handle_text("2", Time::ZERO), Ok(Received::Control));
        assert_eq!(engine.handle_text("2probe", Time::ZERO), Ok(Received::Control));
        assert_eq!(engine.poll_pong().as_deref(), Some("3probe"));
        assert_eq!(engine.poll_pong(), None);
    }

    #[test]
    fn engine_io_messages_close_and_invalid_packets_are_distinguished() {
        let mut engine = engine(Time::ZERO);
        assert_eq!(engine.handle_text("42[\"x\"]", Time::ZERO), Ok(Received::Message));
        assert_eq!(engine.handle_text("1", Time::ZERO), Ok(Received::Close));
        assert_eq!(engine.handle_text("6", Time::ZERO), Ok(Received::Control));
        assert_eq!(engine.handle_text("", Time::ZERO), Err(EngineError::Empty));
        for (text, kind) in [("0{}", '0'), ("3", '3'), ("5", '5'), ("b", 'b'), ("é", 'é')] {
            let error = Err(EngineError::UnexpectedType(kind));
            assert_eq!(engine.handle_text(text, Time::ZERO), error);
        }
    }

    #[test]
    fn silence_beyond_ping_interval_and_timeout_is_an_error() {
        let mut engine = engine(Time::from_millis(100));
        assert_eq!(engine.poll_timeout(), Time::from_millis(600));
        engine.handle_binary(Time::from_millis(500));
        assert_eq!(engine.handle_timeout(Time::from_millis(600)), Ok(()));
        assert_eq!(engine.poll_timeout(), Time::from_millis(1000));
        assert_eq!(
            engine.handle_timeout(Time::from_millis(1000)),
            Err(EngineError::Silent(Duration::from_millis(500)))
        );
    }

    #[test]
    fn huge_ping_intervals_do_not_overflow() {
        let open = format!(r#"0{{"pingInterval":{0},"pingTimeout":{0}}}"#, u64::MAX);
        let engine = Engine::new(&read_open(&open).unwrap(), Time::ZERO);
        assert_eq!(engine.poll_timeout(), Time::ZERO + MAX_SILENCE);
    }
}
