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

/// Maximum line in bytes: 16 MiB, the maximum of a packet, as base64, and the JSON around it.
const MAX_LINE: usize = 24 << 20;

const PROTOCOL: &str = r#"Standard input, one JSON object per line:
  {"cmd":"emit","name":"peer-msg","args":[…]}  emits an event to all peers in the room; optional fields:
      "to":"<peer id>"    emits to this peer only
      "ack":<number>      asks each receiver for an answer
      "id":<number>       reports the outcome for each receiver
  {"cmd":"upgrade"}       switches to direct paths, to all peers or "to" one
  {"cmd":"policy","policy":"automatic"|"manual"|"relay-only"|"direct-only"}
  {"cmd":"peers"}         lists the peers
  {"cmd":"cut","to":"<peer id>"}  for tests: drops all packets on the direct path to and from this peer
  {"cmd":"quit"}          delivers all emits, leaves, exits with 0; so does the end of input
Bytes anywhere in args are {"$bytes":"<base64>"}.

Standard output, one JSON object per line; "ev" is one of:
  connected {id} · ready · upgrade · peers {peers:[{id,path,v}]}
  peer-joined {peer} · peer-left {peer,reason} · peer-away {peer} · peer-back {peer}
  path {peer,path}        the path of events to the peer from now on: "relay", "direct" or "via" (a neighbour)
  received {from,path,name,args}
  ack {ack,from,args}     an answer; a missing answer is reported as an error
  delivered, failed, unknown {id,peer}  the outcome of an emit with an id
  blocked {peer}          the queue for the peer is full: the emit waits, and so does the input
  error {message}
A received event that asks for an answer is answered with its own args. In "peers", a path of null means
that no path exists and events wait for one.
An emit to all peers in an empty room has no receiver and is no error.

While the server is unreachable the peer retries, and reports each failed attempt as an error. If the server
refuses the peer (a full room, for example), the peer exits with 1, unless it was connected before: then it keeps
its direct paths."#;

/// A socketio-p2p peer for scripts: JSON lines on standard input and output.
#[derive(Debug, Parser)]
#[command(name = "peer", after_help = PROTOCOL)]
struct Arguments {
    /// The URL of the signalling server, such as http://127.0.0.1:3000
    #[arg(long, value_name = "URL")]
    server: String,
    /// The room to join
    #[arg(long, default_value_t = RoomName::default())]
    room: RoomName,
    /// Maximum number of direct paths; further peers are reached through the server
    #[arg(long, value_name = "N", default_value_t = Config::default().max_peers)]
    max_peers: usize,
    /// When to use direct paths: automatic (open them and switch at once), manual (open them, and send through the
    /// server until `upgrade`), relay-only (open none) or direct-only (send no event through the server)
    #[arg(long, default_value_t = Policy::default())]
    policy: Policy,
    /// Maximum bytes that wait for one peer; further emits are blocked
    #[arg(long, value_name = "BYTES", default_value_t = Config::default().queue_bytes)]
    queue_bytes: usize,
    /// A seed that makes the randomness of the session predictable, for tests only: never in production
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
    exit(async {
        let node = node(&arguments.server, config, WebRtcConfig::default(), seed)?;
        Peer::new(node).run(input::lines(MAX_LINE)).await
    })
    .await
}
