//! Which ends of in-memory direct connections belong together.
//!
//! The "session descriptions" of memory connections are the names of their ends.

use std::collections::{BTreeMap, BTreeSet};

use socketio_p2p_core::ConnectionId;

/// One end: the owner's number and its name for the connection.
pub(crate) type End = (usize, ConnectionId);

#[derive(Debug, Default)]
pub(crate) struct Broker {
    names: BTreeMap<String, End>,
    next: u64,
    pairs: BTreeMap<End, End>,
    offers: BTreeMap<End, End>,
    /// Ends that want a datagram channel.
    datagrams: BTreeSet<End>,
}

impl Broker {
    /// Names an end, for its description.
    pub(crate) fn describe(&mut self, end: End) -> String {
        let name = format!("memory:{}", self.next);
        self.next += 1;
        self.names.insert(name.clone(), end);
        name
    }

    /// Notes that an end wants a datagram channel.
    pub(crate) fn want_datagrams(&mut self, end: End) {
        self.datagrams.insert(end);
    }

    /// Whether both ends of a connection want a datagram channel.
    pub(crate) fn have_datagrams(&self, one: End, other: End) -> bool {
        self.datagrams.contains(&one) && self.datagrams.contains(&other)
    }

    /// Who has made the offer of this description.
    pub(crate) fn offerer(&self, offer: &str) -> Option<usize> {
        self.names.get(offer).map(|(owner, _)| *owner)
    }

    /// Notes that `end` answers the offer of this description. `false`: nobody made that offer.
    pub(crate) fn answer(&mut self, end: End, offer: &str) -> bool {
        let offerer = self.names.get(offer).copied();
        offerer.map(|offerer| self.offers.insert(end, offerer)).is_some()
    }

    /// Joins the offerer's end with the end that made this answer; both must mean each other.
    pub(crate) fn complete(&mut self, offerer: End, answer: &str) -> Option<End> {
        let answerer = *self.names.get(answer)?;
        if self.offers.remove(&answerer) != Some(offerer) {
            return None;
        }
        self.pairs.insert(offerer, answerer);
        self.pairs.insert(answerer, offerer);
        Some(answerer)
    }

    /// The owner of an answer that is to another offer than that of `offerer`.
    pub(crate) fn answers_another(&self, offerer: End, answer: &str) -> Option<usize> {
        let answerer = self.names.get(answer)?;
        let answered = self.offers.get(answerer).or_else(|| self.pairs.get(answerer))?;
        (*answered != offerer).then_some(answerer.0)
    }

    pub(crate) fn other_end(&self, end: End) -> Option<End> {
        self.pairs.get(&end).copied()
    }

    /// Forgets an end and tells the other one.
    pub(crate) fn close(&mut self, end: End) -> Option<End> {
        self.forget(end);
        let other = self.pairs.remove(&end)?;
        self.pairs.remove(&other);
        self.datagrams.remove(&other);
        Some(other)
    }

    /// Forgets what is known of an end that is over.
    pub(crate) fn forget(&mut self, end: End) {
        self.names.retain(|_, named| *named != end);
        self.offers.remove(&end);
        self.datagrams.remove(&end);
    }

    /// Connections that both ends have made, and descriptions of such that only one has.
    pub(crate) fn counts(&self) -> (usize, usize) {
        let paired = |end: &&End| self.pairs.contains_key(end);
        let waiting = self.names.values().filter(|end| !paired(end)).count();
        (self.pairs.len() / 2, waiting)
    }

    /// All ends of one owner.
    pub(crate) fn ends_of(&self, owner: usize) -> Vec<End> {
        self.pairs.keys().filter(|(node, _)| *node == owner).copied().collect()
    }
}
