//! What an operator asks the server for: `/healthz` and `/metrics`.

use std::sync::{Arc, OnceLock};

use axum::Router;
use axum::http::StatusCode;
use axum::routing::get;
use metrics_exporter_prometheus::PrometheusBuilder;
use socketio_p2p_transport_socketio::SignalingHandle;

use crate::common::Failure;

/// The signalling, once the server listens.
pub(crate) type Signaling = Arc<OnceLock<SignalingHandle>>;

/// `/healthz` answers 200 while the server takes clients, otherwise 503. `/metrics` has the numbers as Prometheus reads
/// them.
pub(crate) fn routes(signaling: &Signaling, has_metrics: bool) -> Result<Router, Failure> {
    let asked = Arc::clone(signaling);
    let health = move || async move {
        match asked.get() {
            Some(signaling) if signaling.is_open() => (StatusCode::OK, "ok\n"),
            Some(_) | None => (StatusCode::SERVICE_UNAVAILABLE, "closing\n"),
        }
    };
    let routes = Router::new().route("/healthz", get(health));
    if !has_metrics {
        return Ok(routes);
    }
    let (recorder, asked) = (PrometheusBuilder::new().install_recorder()?, Arc::clone(signaling));
    let scrape = move || async move {
        if let Some(signaling) = asked.get() {
            signaling.record_metrics();
        }
        recorder.render()
    };
    Ok(routes.route("/metrics", get(scrape)))
}
