//! Who is who: the ids of nodes, present and former.

use socketio_p2p_core::PeerId;

use super::{Breach, Flow, Invariant, Model, Note, Weather, breach};

impl Model {
    /// The hub has given a node this id. If the node never hears of it (its socket breaks as it joins), it gets another
    /// one, and the others see somebody of the first one who says nothing.
    pub(in crate::sim) fn set_id(&mut self, node: usize, id: PeerId) {
        let view = &mut self.views[node];
        let Some(before) = view.id.replace(id.clone()).filter(|before| *before != id) else {
            return;
        };
        let formers = view.former.len();
        view.former.retain(|former| *former != id);
        let had_it = view.former.len() < formers;
        if std::mem::replace(&mut view.heard, had_it) {
            view.former.push(before);
            return;
        }
        let had_others = !view.former.is_empty();
        self.add(true);
        let ghost = self.views.len() - 1;
        for sender in 0..ghost {
            let known = self.flows[sender][node].known.as_ref();
            if !had_others || known.is_some_and(|known| known.id == before) {
                self.split(sender, node, ghost);
            }
        }
        self.views[ghost].id = Some(before);
        self.views[ghost].ghost = true;
    }

    pub(in crate::sim) fn has_ghosts(&self) -> bool {
        self.views.iter().any(|view| view.ghost)
    }

    /// Whether this stands for an id that its node has never heard of.
    pub(in crate::sim) fn is_ghost(&self, node: usize) -> bool {
        self.views[node].ghost
    }

    /// The node that has an id, or had it.
    pub(in crate::sim) fn find(&self, id: &PeerId) -> Option<usize> {
        self.views.iter().position(|view| view.id.as_ref() == Some(id) || view.former.contains(id))
    }

    /// Whom a node means by an id.
    pub(super) fn find_by(&self, node: usize, id: &PeerId) -> Option<usize> {
        let mut shadows = self.views[node].shadows.iter();
        let shadow = shadows.find(|(known, _)| known == id).map(|(_, shadow)| *shadow);
        shadow.or_else(|| self.find(id))
    }

    /// The number of a node that an event of another node names.
    pub(super) fn named(&self, node: usize, id: &PeerId) -> Result<usize, Breach> {
        match self.find_by(node, id) {
            Some(peer) => Ok(peer),
            None => breach(Invariant::Presence, "a peer that has joined the hub", id.as_str()),
        }
    }

    /// The id under which a node knows another.
    pub(in crate::sim) fn known_as(&self, node: usize, peer: usize) -> Option<&PeerId> {
        self.flows[node][peer].known.as_ref().map(|known| &known.id)
    }

    /// The hub has lost the key of its tokens: all get new ids.
    pub(in crate::sim) fn lose_key(&mut self) {
        self.key_lost = true;
    }

    pub(in crate::sim) const fn has_lost_key(&self) -> bool {
        self.key_lost
    }

    /// Whether a node has known another under two ids at once.
    pub(in crate::sim) fn is_known_twice(&self, node: usize, peer: usize) -> bool {
        let mut shadows = self.views[node].shadows.iter();
        shadows.any(|(_, shadow)| self.views[*shadow].shadow_of == Some(peer))
    }

    /// Whether a node had other ids before.
    pub(in crate::sim) fn has_former_ids(&self, node: usize) -> bool {
        !self.views[node].former.is_empty()
    }

    /// Two nodes have no channel by which they could tell that they are who they were.
    pub(in crate::sim) fn shake(&mut self, one: usize, other: usize) {
        for (from, to) in [(one, other), (other, one)] {
            self.flows[from][to].shaken = true;
            self.flows[from][to].renewed = true;
        }
    }

    /// Whether two nodes have begun anew under another id: what they say under both cannot be told apart.
    pub(in crate::sim) fn is_renewed(&self, node: usize, peer: usize) -> bool {
        self.flows[node][peer].renewed
    }

    pub(in crate::sim) fn is_shaken(&self, node: usize, peer: usize) -> bool {
        self.flows[node][peer].shaken
    }

    /// A node may be told that it is refused, with this code.
    pub(in crate::sim) fn expect_refusal(&mut self, node: usize, code: &'static str) {
        self.views[node].refusals.push(code);
    }

    /// The server's application removes a node, if it is in the room.
    pub(in crate::sim) fn dismiss(&mut self, node: usize) {
        self.views[node].dismissed = true;
    }

    pub(super) fn refused(&mut self, node: usize, code: Option<&str>) -> Result<Note, Breach> {
        let refusals = &mut self.views[node].refusals;
        let Some(index) = refusals.iter().position(|expected| Some(*expected) == code) else {
            let expected = format!("to be let in, or one of {refusals:?}");
            return breach(Invariant::Identity, expected, format!("{code:?} at node {node}"));
        };
        refusals.swap_remove(index);
        if self.flows[node].iter().any(|flow| flow.known.is_some())
            && code != Some(crate::server::BANNED)
        {
            let expected = "no peer left to who is removed";
            return breach(Invariant::Presence, expected, format!("one at node {node}"));
        }
        Ok(Note::TurnedAway)
    }

    pub(super) fn renamed(
        &mut self,
        node: usize,
        from: &PeerId,
        to: PeerId,
    ) -> Result<Note, Breach> {
        let peer = self.named(node, from)?;
        if self.find_by(node, &to) != Some(peer) || *from == to {
            let came = format!("{to}, of another node");
            return breach(Invariant::Identity, format!("a new id of {from}"), came);
        }
        self.known(node, from)?.id = to;
        Ok(Note::Renamed(peer))
    }

    /// A node knows a peer under its former id, and gets to know it under its new one as somebody else.
    pub(super) fn add_shadow(&mut self, node: usize, peer: usize) -> Result<(), Breach> {
        let flow = &self.flows[node][peer];
        let Some(known) = &flow.known else { return Ok(()) };
        let id = known.id.clone();
        if self.weather == Weather::Patient && !flow.shaken {
            let expected = format!("{id} to be known for who it is under its new id");
            return breach(Invariant::Identity, expected, "somebody else");
        }
        self.add(true);
        let shadow = self.views.len() - 1;
        self.split(node, peer, shadow);
        self.views[shadow].shadow_of = Some(peer);
        self.views[node].shadows.push((id, shadow));
        Ok(())
    }

    /// What is between a sender and a node concerns somebody else from now on.
    fn split(&mut self, sender: usize, node: usize, other: usize) {
        // Lives count on, so that a life of the one is none of the other.
        let Flow { life, renewed, .. } = self.flows[sender][node];
        let begun = Flow { life, renewed, ..Flow::default() };
        let flow = std::mem::replace(&mut self.flows[sender][node], begun);
        self.open -= u64::from(flow.open);
        self.flows[sender][other] = Flow { open: 0, ..flow };
        let emissions = self.emissions.iter_mut().filter(|emission| emission.sender == sender);
        let receipts = emissions.flat_map(|emission| &mut emission.receipts);
        for receipt in receipts.filter(|receipt| receipt.receiver == node) {
            receipt.receiver = other;
        }
        for question in self.views[sender].asked.iter_mut().flatten() {
            for peer in question.pending.iter_mut().filter(|peer| **peer == node) {
                *peer = other;
            }
        }
    }
}
