//! The callbacks of the browser, as the task of a connection gets them.

use socketio_p2p_core::DirectStage;
use web_sys::RtcIceCandidate;

use super::data::{ChannelEvent, ChannelKind, Data};

/// A callback of the browser.
pub(super) enum Happened {
    Candidate(RtcIceCandidate),
    Gathered,
    Reached(DirectStage),
    /// The path is silent.
    Silent,
    /// The path is no longer silent.
    Alive,
    /// The remote has opened the data channel of the connection.
    Channel(Data),
    Of(ChannelKind, ChannelEvent),
    Failed(&'static str),
}
