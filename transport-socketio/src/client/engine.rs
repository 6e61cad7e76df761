//! Engine.IO v4 over one WebSocket, without I/O: what a message means and what must be answered, and when.

use std::time::Duration;

use serde::Deserialize;
use socketio_p2p_core::Time;
use thiserror::Error;

/// The longest silence that a server may ask for; longer ones are taken as this.
const MAX_SILENCE: Duration = Duration::from_secs(24 * 60 * 60);

/// What the server says when it opens the connection.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Handshake {
    /// How often it pings.
    pub(super) ping_interval: Duration,
    /// How long it waits for the answer.
    pub(super) ping_timeout: Duration,
    /// The longest message it takes, in bytes.
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

/// What the server did wrong.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
pub(super) enum EngineError {
    #[error("expected an Engine.IO open packet, got {0}")]
    NotOpen(String),
    /// At this byte, from 1. What the server sent is not quoted: it names the session.
    #[error("the Engine.IO open packet cannot be read at byte {0}")]
    BadOpen(usize),
    #[error("Engine.IO packet type {0:?} does not belong here")]
    UnexpectedType(char),
    #[error("an empty Engine.IO packet")]
    Empty,
    #[error("nothing came for {0:?}, though the server pings more often")]
    Silent(Duration),
}

/// What a text message is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Received {
    /// A Socket.IO frame: all but the first byte.
    Message,
    /// Nothing for those above.
    Control,
    /// The server closes the connection.
    Close,
}

/// Reads the first message of a connection.
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
    /// The longest that an intact server is silent.
    silence: Duration,
    silent_since: Time,
    /// The answer that is due. One is enough: a later ping asks the same.
    pong: Option<String>,
}

impl Engine {
    pub(super) fn new(handshake: &Handshake, now: Time) -> Self {
        let silence = handshake.ping_interval.saturating_add(handshake.ping_timeout);
        Self { silence: silence.min(MAX_SILENCE), silent_since: now, pong: None }
    }

    /// A binary message came: an attachment.
    pub(super) fn handle_binary(&mut self, now: Time) {
        self.silent_since = now;
    }

    /// A text message came.
    pub(super) fn handle_text(&mut self, text: &str, now: Time) -> Result<Received, EngineError> {
        self.silent_since = now;
        match text.as_bytes().first() {
            Some(b'4') => Ok(Received::Message),
            Some(b'2') => {
                // A ping may carry a payload, which the pong repeats. Ours is short by design of the protocol.
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

    /// When [`handle_timeout`](Self::handle_timeout) is due, unless something comes before.
    pub(super) fn poll_timeout(&self) -> Time {
        self.silent_since + self.silence
    }

    pub(super) fn has_pong(&self) -> bool {
        self.pong.is_some()
    }

    /// The pong to send.
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
    fn the_open_packet_is_read() {
        let handshake = read_open(OPEN).unwrap();
        assert_eq!(handshake.ping_interval, Duration::from_millis(300));
        assert_eq!(handshake.ping_timeout, Duration::from_millis(200));
        assert_eq!(handshake.max_payload, Some(1000));
        // Servers of Engine.IO 4.0 announce no limit.
        let old = read_open(r#"0{"sid":"x","pingInterval":1,"pingTimeout":1}"#).unwrap();
        assert_eq!(old.max_payload, None);
    }

    #[test]
    fn anything_but_an_open_packet_is_refused_with_what_came() {
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
    fn messages_close_and_noise_are_told_apart() {
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
    fn silence_past_interval_and_timeout_is_an_error_and_anything_breaks_it() {
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
    fn absurd_intervals_do_not_overflow() {
        let open = format!(r#"0{{"pingInterval":{0},"pingTimeout":{0}}}"#, u64::MAX);
        let engine = Engine::new(&read_open(&open).unwrap(), Time::ZERO);
        assert_eq!(engine.poll_timeout(), Time::ZERO + MAX_SILENCE);
    }
}
