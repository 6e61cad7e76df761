//! The messages between a client and the hub (`PROTOCOL.md` sections 1 to 4), as plain data. `crate::hub` has
//! the rules.
//!
//! - `membership`: joining, the welcome, members, the end of a membership
//! - `member_data`: what members know about each other
//! - `description`: offers, answers, candidates, ICE servers
//! - `envelope`: bundles and records on their way through the hub
//! - `message`: all messages, to and from Socket.IO packets
//! - `unreadable`: the error of malformed JSON

pub(super) mod description;
pub(super) mod envelope;
pub(super) mod member_data;
pub(super) mod membership;
pub(super) mod message;
pub(super) mod unreadable;
