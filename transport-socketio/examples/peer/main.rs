//! A peer for scripts: JSON lines on standard input and output.
//!
//! ```text
//! cargo run --example server -- --port 3000
//! cargo run --example peer -- --server http://127.0.0.1:3000
//! ```

#[path = "../common/mod.rs"]
mod common;

mod command;
mod peer;
mod report;
mod values;

use std::process::ExitCode;

use clap::Parser;
use socketio_p2p_core::{Config, Policy, RoomName};
use socketio_p2p_transport_webrtc::WebRtcConfig;

use self::common::{exit, input, node};
use self::peer::Peer;

/// 16 MiB of bytes, the most that a packet holds, as base64 with something around it.
const MAX_LINE: usize = 24 << 20;

const PROTOCOL: &str = r#"Standard input, one JSON object a line:
  {"cmd":"emit","name":"peer-msg","args":[…]}  an event for everybody in the room; and, if wanted,
      "to":"<peer id>"    for this peer only
      "ack":<number>      each receiver is to answer
      "id":<number>       tell how it ended for each receiver
  {"cmd":"upgrade"}       go direct, with everybody or "to" one peer
  {"cmd":"policy","policy":"automatic"|"manual"|"relay-only"|"direct-only"}
  {"cmd":"peers"}         list the peers
  {"cmd":"cut","to":"<peer id>"}  test aid: the network swallows what goes directly to and from this peer
  {"cmd":"quit"}          deliver what was emitted, leave, exit 0; so does the end of the input
Bytes anywhere in args are {"$bytes":"<base64>"}.

Standard output, one JSON object a line, by "ev":
  connected {id} · ready · upgrade · peers {peers:[{id,path,v}]}
  peer-joined {peer} · peer-left {peer,reason} · peer-away {peer} · peer-back {peer}
  path {peer,path}        events to the peer go "relay", "direct" or "via" another peer from now on
  received {from,path,name,args}
  ack {ack,from,args}     an answer; one that does not come is an error line
  delivered, failed, unknown {id,peer}  how an emit with an id ended
  blocked {peer}          the queue for the peer is full: the emit waits, and the input with it
  error {message}
An event that asks for an ack is answered with its own args. A path of null in peers: events wait for one.
What everybody gets in an empty room, nobody gets; that is no error.

While the server cannot be reached it is tried again, each try an error line. A server that refuses the peer
(a full room) ends it with exit status 1, unless it had connected before: then its direct peers remain."#;

/// A socketio-p2p peer for scripts: JSON lines on standard input and output.
#[derive(Debug, Parser)]
#[command(name = "peer", after_help = PROTOCOL)]
struct Arguments {
    /// The signalling server, such as http://127.0.0.1:3000
    #[arg(long, value_name = "URL")]
    server: String,
    /// The room to join
    #[arg(long, default_value_t = RoomName::default())]
    room: RoomName,
    /// The most direct connections at a time; further peers are reached through the server
    #[arg(long, value_name = "N", default_value_t = Config::default().max_peers)]
    max_peers: usize,
    /// When to talk directly: automatic (connect and switch at once), manual (connect, but send through the server
    /// until `upgrade`), relay-only (never connect) or direct-only (never send an event through the server)
    #[arg(long, default_value_t = Policy::default())]
    policy: Policy,
    /// How many bytes may wait for one peer before emits are blocked
    #[arg(long, value_name = "BYTES", default_value_t = Config::default().queue_bytes)]
    queue_bytes: usize,
    /// A number that stands for all randomness of the session, for tests: never in production
    #[arg(long, value_name = "NUMBER")]
    seed: Option<u64>,
}

#[tokio::main]
async fn main() -> ExitCode {
    let arguments = Arguments::parse();
    let config = Config::default()
        .with_room(arguments.room)
        .with_max_peers(arguments.max_peers)
        .with_policy(arguments.policy)
        .with_queue_bytes(arguments.queue_bytes);
    let mut seed = [0; 32];
    seed[..8].copy_from_slice(&arguments.seed.unwrap_or_default().to_le_bytes());
    let seed = arguments.seed.is_some().then_some(seed);
    exit(match node(&arguments.server, config, WebRtcConfig::default(), seed) {
        Ok(node) => Peer::new(node).run(input::lines(MAX_LINE)).await,
        Err(failure) => Err(failure),
    })
}
