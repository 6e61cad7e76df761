//! The server: axum with a route of its own, which signs names, and the signalling, which admits signed names.

use std::{future::ready, time::Duration};

use axum::{Router, extract::Path, routing::get};
use base64::prelude::{BASE64_URL_SAFE_NO_PAD as BASE64, Engine as _};
use hmac::{Hmac, KeyInit as _, Mac as _};
use sha2::Sha256;
use socketio_p2p_core::MemberData;
use socketio_p2p_core::hub::{Admission, HubConfig};
use socketio_p2p_transport_socketio::{JoinRequest, Rejection, SignalingServer};

use crate::{Auth, RESUME_WINDOW, common::Failure, common::Requests};

pub(crate) async fn run(address: &str, key: [u8; 32]) -> Result<(), Failure> {
    let mut requests = Requests::new()?;
    // The same in each run: after a restart all members are who they were, and their transfers go on.
    let token_key = mac(&key, "tokens", "").finalize().into_bytes().into();
    let config = HubConfig::default().with_token_key(token_key).with_resume_window(RESUME_WINDOW);
    let server = SignalingServer::new(config).with_admission(move |it| ready(admit(&it, &key)));
    // Whoever asks gets a ticket: a real server checks a password first.
    let ticket = move |Path(name): Path<String>| async move {
        let signature = mac(&key, "name", &name).finalize().into_bytes();
        format!("{name}.{}", BASE64.encode(signature))
    };
    let routes = Router::new().route("/ticket/{name}", get(ticket));
    let listener = server.listen_with(address, routes).await?;
    println!("listening on {}", listener.url());
    requests.next().await?;
    listener.signaling().drain(Duration::from_secs(2), Duration::from_secs(5)).await;
    listener.close().await;
    Ok(())
}

fn admit(client: &JoinRequest, key: &[u8; 32]) -> Result<Admission, Rejection> {
    let Auth { ticket } = client.read_auth()?;
    let (name, signature) = ticket.rsplit_once('.').unwrap_or_default();
    let verified =
        mac(key, "name", name).verify_slice(&BASE64.decode(signature).unwrap_or_default());
    match verified {
        Ok(()) => Ok(Admission::default().with_user(MemberData::new(name)?)),
        Err(_) => Err(Rejection::new("bad-ticket", "expected a name that this server has signed")?),
    }
}

fn mac(key: &[u8; 32], purpose: &str, text: &str) -> Hmac<Sha256> {
    let mut block = [0; 64];
    block[..32].copy_from_slice(key);
    Hmac::new(&block.into()).chain_update(purpose).chain_update([0]).chain_update(text)
}
