//! A connection whose data channel is open.

use std::convert::Infallible;
use std::rc::Rc;
use std::time::Duration;

use futures::channel::mpsc;
use futures::future::Fuse;
use futures::{FutureExt as _, StreamExt as _, select_biased};
use socketio_p2p_core::driver::{DirectEvent, TransportError};
use socketio_p2p_core::wire::Signal;

use super::channel::WebRtcChannel;
use super::data::{ChannelEvent, ChannelKind, Data};
use super::happened::Happened;
use super::negotiating::Negotiating;
use super::sleep::{Sleep, sleep};
use super::trickle::Trickle;
use crate::config::WebRtcConfig;

/// How long an ended connection waits for the application to read the frames that came before the end.
const SETTLE_TIMEOUT: Duration = Duration::from_secs(1);

/// How long a path has been silent when browsers say so, about.
const SILENT: Duration = Duration::from_secs(5);

/// Outstanding bytes below which the sink of a datagram channel takes a message.
const DATAGRAM_BUFFER: usize = 64 * 1024;

pub(super) struct Open {
    trickle: Trickle,
    config: Rc<WebRtcConfig>,
    happened: mpsc::UnboundedReceiver<Happened>,
    signals: mpsc::Receiver<Signal>,
    data: Rc<Data>,
    /// Not the application's yet while it is opening.
    opening_datagrams: Option<Data>,
    _datagrams: Option<Data>,
    max_message: usize,
    /// Ends a silent path.
    silent: Fuse<Sleep>,
}

impl Open {
    /// Hands the channels to the application.
    pub(super) async fn begin(negotiated: Negotiating, data: Rc<Data>) -> Self {
        let Negotiating { mut trickle, config, happened, signals, datagrams, max_message, .. } =
            negotiated;
        let connection = trickle.id;
        let channel = WebRtcChannel::new(&data, max_message, config.send_buffer);
        #[cfg(feature = "tracing")]
        crate::trace::opened(connection, datagrams.is_some());
        trickle.emit(DirectEvent::Open { connection, channel, max_message }).await;
        let mut open = Self {
            trickle,
            config,
            happened,
            signals,
            data,
            opening_datagrams: datagrams,
            _datagrams: None,
            max_message,
            silent: Fuse::terminated(),
        };
        open.hand_out_datagrams().await;
        open
    }

    /// Returns when the connection has ended and the application has read the frames that came before.
    pub(super) async fn run(&mut self) -> TransportError {
        let Err(error) = self.watch().await;
        // Unread frames stay in the application's channel. Unread datagrams delay nothing.
        select_biased! {
            () = self.data.inbox.read().fuse() => {}
            () = sleep(SETTLE_TIMEOUT).fuse() => {}
        }
        error
    }

    /// Returns when the connection has ended.
    async fn watch(&mut self) -> Result<Infallible, TransportError> {
        loop {
            select_biased! {
                happened = self.happened.select_next_some() => self.handle(happened).await?,
                signal = self.signals.select_next_some() => {
                    if let Signal::Candidate(candidate) = signal {
                        self.trickle.take_candidate(candidate).await?;
                    }
                }
                () = &mut self.silent => {
                    let limit = self.config.path_timeout.as_secs_f32();
                    return Err(TransportError(format!("the path was silent for {limit} s")));
                }
            }
        }
    }

    async fn handle(&mut self, happened: Happened) -> Result<(), TransportError> {
        match happened {
            Happened::Candidate(candidate) => self.trickle.emit_candidate(candidate).await,
            Happened::Silent => {
                let rest = self.config.path_timeout.saturating_sub(SILENT);
                self.silent = sleep(rest).fuse();
            }
            Happened::Alive => self.silent = Fuse::terminated(),
            Happened::Of(ChannelKind::Data, ChannelEvent::Closed) => {
                return Err(TransportError("the data channel was closed".to_owned()));
            }
            Happened::Of(ChannelKind::Datagrams, ChannelEvent::Opened) => {
                self.hand_out_datagrams().await;
            }
            Happened::Of(_, ChannelEvent::Failed(error)) => return Err(TransportError(error)),
            Happened::Failed(error) => return Err(TransportError(error.to_owned())),
            // A connection has one data channel only, and continues without datagrams.
            Happened::Of(..) | Happened::Gathered | Happened::Reached(_) | Happened::Channel(_) => {
            }
        }
        Ok(())
    }

    /// Hands out the datagram channel, once it is open.
    async fn hand_out_datagrams(&mut self) {
        let Some(datagrams) = self.opening_datagrams.take_if(|datagrams| datagrams.is_open())
        else {
            return;
        };
        let connection = self.trickle.id;
        let channel = WebRtcChannel::new(&datagrams, self.max_message, DATAGRAM_BUFFER);
        self._datagrams = Some(datagrams);
        self.trickle.emit(DirectEvent::Datagrams { connection, channel }).await;
    }
}
