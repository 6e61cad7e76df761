//! Between a client and the hub (`PROTOCOL.md` sections 1 to 4): plain data. The rules are the hub's.
//!
//! - `membership`: joining, the welcome, members
//! - `description`: offers, answers, candidates, ICE servers
//! - `envelope`: bundles and records on their way through the hub
//! - `message`: all messages, to and from Socket.IO packets
//! - `unreadable`: JSON that cannot be read

pub(super) mod description;
pub(super) mod envelope;
pub(super) mod membership;
pub(super) mod message;
pub(super) mod unreadable;
