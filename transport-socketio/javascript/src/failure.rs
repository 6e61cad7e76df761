//! Errors as JavaScript gets them: `Error`s with a stable code.

use std::error::Error;

use js_sys::{JsString, Reflect};
use socketio_p2p_core::codec::{DecodeError, DecodeErrorKind, EncodeError};
use socketio_p2p_core::handle::{Closed, RequestError, StreamError};
use socketio_p2p_core::{
    EmitError, JoinRefusal, PeerError, ReplyError, SignalingError, TransferError,
};
use socketio_p2p_transport_socketio::JoinFailure;
use wasm_bindgen::JsValue;

/// The codes of errors, as `npm/index.d.ts` describes them.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Code {
    BadUrl,
    BadOption,
    BadArgument,
    BadEvent,
    TooLarge,
    NoPeer,
    Left,
    Timeout,
    TooMuch,
    Unsupported,
    NoServer,
    Refused,
    NoDirectPath,
    BadPeer,
    Transfer,
    Closed,
    BadPage,
}

impl Code {
    const fn as_str(self) -> &'static str {
        match self {
            Self::BadUrl => "bad-url",
            Self::BadOption => "bad-option",
            Self::BadArgument => "bad-argument",
            Self::BadEvent => "bad-event",
            Self::TooLarge => "too-large",
            Self::NoPeer => "no-peer",
            Self::Left => "left",
            Self::Timeout => "timeout",
            Self::TooMuch => "too-much",
            Self::Unsupported => "unsupported",
            Self::NoServer => "no-server",
            Self::Refused => "refused",
            Self::NoDirectPath => "no-direct-path",
            Self::BadPeer => "bad-peer",
            Self::Transfer => "transfer",
            Self::Closed => "closed",
            Self::BadPage => "bad-page",
        }
    }
}

/// An error with a code.
#[derive(Clone, Debug)]
pub(crate) struct Failure {
    code: Code,
    pub(crate) message: String,
    /// The server's own code.
    reason: Option<String>,
}

impl Failure {
    pub(crate) fn new(code: Code, message: impl Into<String>) -> Self {
        Self { code, message: message.into(), reason: None }
    }

    /// An error with its sources.
    fn of(code: Code, error: &dyn Error) -> Self {
        let mut message = error.to_string();
        let mut source = error.source();
        while let Some(error) = source {
            message = format!("{message}: {error}");
            source = error.source();
        }
        Self::new(code, message)
    }
}

impl From<Failure> for JsValue {
    fn from(failure: Failure) -> Self {
        let error = js_sys::Error::new(&failure.message);
        error.set_name("P2PError");
        // Fails on frozen objects only.
        let set = |name: &str, value: &str| {
            let _ = Reflect::set(&error, &JsString::from(name), &JsString::from(value));
        };
        set("code", failure.code.as_str());
        if let Some(reason) = &failure.reason {
            set("reason", reason);
        }
        error.into()
    }
}

impl From<JoinFailure> for Failure {
    fn from(failure: JoinFailure) -> Self {
        match failure {
            JoinFailure::Refused(refusal) => refusal.into(),
            JoinFailure::Server(SignalingError::PutOff(refusal)) => {
                Self { code: Code::NoServer, ..refusal.into() }
            }
            other => {
                let code = match &other {
                    JoinFailure::Address(_) => Code::BadUrl,
                    JoinFailure::Config(_) => Code::BadOption,
                    JoinFailure::Server(_) => Code::NoServer,
                    JoinFailure::Randomness(_) => Code::BadPage,
                    _ => Code::Closed,
                };
                Self::of(code, &other)
            }
        }
    }
}

impl From<JoinRefusal> for Failure {
    fn from(refusal: JoinRefusal) -> Self {
        Self { reason: refusal.code.clone(), ..Self::of(Code::Refused, &refusal) }
    }
}

impl From<SignalingError> for Failure {
    fn from(error: SignalingError) -> Self {
        Self::of(Code::NoServer, &error)
    }
}

impl From<PeerError> for Failure {
    fn from(error: PeerError) -> Self {
        let code = match error {
            PeerError::DirectFailed(_)
            | PeerError::DirectSilent(_)
            | PeerError::NegotiationTimedOut(_) => Code::NoDirectPath,
            PeerError::Unfinished(_) => Code::Timeout,
            PeerError::NoRoom => Code::TooMuch,
            _ => Code::BadPeer,
        };
        Self::of(code, &error)
    }
}

impl From<EncodeError> for Failure {
    fn from(error: EncodeError) -> Self {
        let code = match error {
            EncodeError::ReservedEventName(_) => Code::BadEvent,
            EncodeError::TooLarge => Code::TooLarge,
            _ => Code::BadArgument,
        };
        Self::of(code, &error)
    }
}

impl From<EmitError> for Failure {
    fn from(error: EmitError) -> Self {
        let code = match &error {
            EmitError::UnknownPeer(_) => Code::Left,
            EmitError::Blocked { .. }
            | EmitError::Dropped(_)
            | EmitError::TooManyPendingAcks(_)
            | EmitError::TooManyTransfers(_)
            | EmitError::ServerBlocked { .. } => Code::TooMuch,
            EmitError::ReservedEvent(_) | EmitError::ReservedNamespace(_) => Code::BadEvent,
            EmitError::Limits(beyond) => of_limits(beyond),
            EmitError::BeyondPeerLimits(_) | EmitError::BeyondServerLimits { .. } => Code::TooLarge,
            EmitError::UnsupportedByPeer { .. } => Code::Unsupported,
            EmitError::NotJoined => Code::NoServer,
            EmitError::Closed => Code::Closed,
            _ => Code::BadArgument,
        };
        Self::of(code, &error)
    }
}

/// A packet that this side made exceeds its limits by its name or by its size.
fn of_limits(error: &DecodeError) -> Code {
    match error.kind() {
        DecodeErrorKind::EventName
        | DecodeErrorKind::EventNameTooLong { .. }
        | DecodeErrorKind::ReservedEventName => Code::BadEvent,
        _ => Code::TooLarge,
    }
}

impl From<RequestError> for Failure {
    fn from(error: RequestError) -> Self {
        match error {
            RequestError::Emit(error) => error.into(),
            error => {
                let code = match &error {
                    RequestError::TimedOut(_) | RequestError::ServerTimedOut => Code::Timeout,
                    RequestError::PeerLeft(_) => Code::Left,
                    RequestError::Disconnected => Code::NoServer,
                    RequestError::Payload(_) => Code::BadPeer,
                    _ => Code::Closed,
                };
                Self::of(code, &error)
            }
        }
    }
}

impl From<ReplyError> for Failure {
    fn from(error: ReplyError) -> Self {
        let code = match &error {
            ReplyError::Expired(_) => Code::Left,
            ReplyError::Blocked { .. } | ReplyError::ServerBlocked { .. } => Code::TooMuch,
            ReplyError::Disconnected => Code::NoServer,
            ReplyError::BeyondPeerLimits(_) | ReplyError::Limits(_) => Code::TooLarge,
            ReplyError::Closed => Code::Closed,
            _ => Code::BadArgument,
        };
        Self::of(code, &error)
    }
}

impl From<StreamError> for Failure {
    fn from(error: StreamError) -> Self {
        match error {
            StreamError::Open(error) => error.into(),
            StreamError::Closed => Self::of(Code::Closed, &error),
            error => Self::of(Code::Transfer, &error),
        }
    }
}

impl From<TransferError> for Failure {
    fn from(error: TransferError) -> Self {
        Self::of(Code::Transfer, &error)
    }
}

impl From<Closed> for Failure {
    fn from(closed: Closed) -> Self {
        Self::of(Code::Closed, &closed)
    }
}
