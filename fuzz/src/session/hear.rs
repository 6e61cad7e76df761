//! The inputs of the session and their consequences: which bundles count, and for which incarnation of a link.

use std::collections::BTreeSet;

use bytes::Bytes;
use socketio_p2p_core::wire::{
    Bundle, Epochs, Item, Lane, Member, Numbers, Passage, Passed, PeerLimits, Piece, Record,
    ServerMessage, Stream,
};
use socketio_p2p_core::{Dialect, Path, PeerId, Policy};

use super::model::{Channel, Model};
use super::remote::Remote;
use super::server::key;
use super::standing::Standing;

pub(super) fn path_index(path: &Path) -> usize {
    match path {
        Path::Relay => 0,
        Path::Direct => 1,
        _ => 2,
    }
}

// ----- which bundles count -----

impl Model {
    fn standing(&self, peer: &PeerId) -> Option<Standing> {
        let link = self.links.get(peer).filter(|link| link.dialect == Dialect::V1)?;
        self.heard.drafts.get(peer).copied().unwrap_or(Some(link.standing))
    }

    fn is_expected(&self, peer: &PeerId) -> bool {
        self.expected.iter().any(|(of, _)| of == peer)
    }

    /// The current epochs of a link, as of the events that the session is reporting.
    pub(super) fn current(&self, peer: &PeerId) -> Epochs {
        let draft = self.heard.drafts.get(peer).copied().flatten();
        let draft = draft.filter(|_| !self.is_expected(peer));
        draft.unwrap_or(self.links[peer].standing).epochs
    }

    fn set_standing(&mut self, peer: &PeerId, standing: Standing) {
        self.heard.drafts.insert(peer.clone(), Some(standing));
    }

    /// Ends an input: links take the state that it has left them in.
    pub(super) fn take_drafts(&mut self) {
        for (peer, draft) in std::mem::take(&mut self.heard.drafts) {
            if let (Some(link), Some(standing)) = (self.links.get_mut(&peer), draft) {
                link.standing = standing;
            }
        }
    }

    /// Expects a new incarnation.
    fn expect(&mut self, peer: &PeerId, standing: Standing) {
        self.next_epoch = self.next_epoch.max(standing.epochs.epoch.saturating_add(1));
        self.heard.owed.retain(|(of, _), _| of != peer);
        // A closing session creates no links.
        let draft = (!self.closing).then_some(standing);
        self.heard.drafts.insert(peer.clone(), draft);
        self.expected.push_back((peer.clone(), standing));
    }

    /// Checks the epochs of a bundle or record. `None`: it does not count.
    fn admit(&mut self, peer: &PeerId, said: Epochs, path: &Path) -> Option<Standing> {
        let Standing { mut epochs, over } = self.standing(peer)?;
        let stale = said.peer_epoch != 0 && said.peer_epoch != epochs.epoch;
        if stale || said.epoch <= over {
            if stale
                && said.epoch > over
                && let Some(link) = self.links.get_mut(peer)
            {
                link.astray.insert(said.epoch.max(epochs.peer_epoch));
            }
            return None;
        }
        if epochs.peer_epoch == 0 {
            epochs.peer_epoch = said.epoch;
            self.set_standing(peer, Standing { epochs, over });
            if let Some(link) =
                self.links.get_mut(peer).filter(|link| link.standing.epochs.peer_epoch == 0)
                && !self.expected.iter().any(|(of, _)| of == peer)
            {
                link.standing.epochs = epochs;
            }
        }
        if said.epoch <= epochs.peer_epoch {
            return self.standing(peer).filter(|_| said.epoch == epochs.peer_epoch);
        }
        let renewed = said.peer_epoch == epochs.epoch;
        let epoch = if renewed { epochs.epoch } else { self.next_epoch };
        self.heard.forget_numbers(peer);
        // A bundle of a new incarnation closes the channel and is not read there.
        let peer_epoch = if *path == Path::Direct { 0 } else { said.epoch };
        let standing = Standing { epochs: Epochs { epoch, peer_epoch }, over: epochs.peer_epoch };
        if renewed {
            self.outgoing.entry((peer.clone(), epoch)).or_default().renew();
        }
        self.expect(peer, standing);
        (*path != Path::Direct && !self.closing).then_some(standing)
    }

    // ----- inputs -----

    /// Whether the session processes messages of the server.
    pub(super) fn is_listening(&self) -> bool {
        self.channel == Channel::Open
    }

    /// Notes the members in a message of the server: which have a pair key, and their limits.
    pub(super) fn hear_server(&mut self, message: &ServerMessage) {
        let (members, resumed) = match message {
            ServerMessage::NumClients { welcome: Some(welcome), .. } => {
                self.links.keys().for_each(|peer| self.heard.note_word(peer));
                (&welcome.roster[..], self.id.as_ref() == Some(&welcome.id))
            }
            ServerMessage::PeerJoin(member) => (std::slice::from_ref(member), true),
            ServerMessage::PeerAway(peer) | ServerMessage::PeerDisconnect { peer, .. } => {
                self.heard.owed.remove(&(peer.clone(), 0));
                return self.heard.note_word(peer);
            }
            _ => return,
        };
        for (index, member) in members.iter().enumerate() {
            let Member { id, dialect, key, limits, .. } = member;
            self.heard.note_word(id);
            self.heard.owed.remove(&(id.clone(), 0));
            self.heard.keys.insert(id.clone(), key.is_some());
            let outlives = resumed || self.desk.validated.contains(id);
            // Another dialect ends the link.
            let mut named = members[..index].iter().filter(|one| one.id == *id);
            let goes_on = outlives && named.all(|one| one.dialect == *dialect);
            let link = self.links.get(id).filter(|link| link.dialect == *dialect && goes_on);
            if let (Some(link), Some(limits)) = (link, limits) {
                let epoch = link.standing.epochs.epoch;
                self.hear_limits(id, epoch, *limits);
            }
        }
    }

    /// Notes a bundle that comes on an open path.
    pub(super) fn hear_bundle(
        &mut self,
        from: &PeerId,
        path: &Path,
        bytes: &Bytes,
        policy: Policy,
        remotes: &[Remote],
    ) {
        self.heard.note_word(from);
        let Ok(bundle) = Bundle::read(bytes.clone()) else { return };
        let mut passed = Vec::new();
        if let Some(standing) = self.admit(from, bundle.epochs, path) {
            passed = self.hear_items(from, standing, path, bundle, policy, remotes);
        }
        for (of, passed) in passed {
            self.hear_passed(from, &of, &passed, policy, remotes);
        }
    }

    fn hear_passed(
        &mut self,
        neighbour: &PeerId,
        from: &PeerId,
        passed: &Passed,
        policy: Policy,
        remotes: &[Remote],
    ) {
        let Some(own_id) = self.id.clone() else { return };
        let passage = Passage { neighbour, from, to: &own_id };
        let has_key = self.heard.keys.get(from) == Some(&true);
        if self.standing(from).is_none() || !has_key || !passage.is_genuine(&key(from), passed) {
            return;
        }
        self.heard.note_word(from);
        let Ok(bundle) = Bundle::read(passed.bundle.clone()) else { return };
        let path = Path::Via(neighbour.clone());
        let Some(standing) = self.admit(from, bundle.epochs, &path) else { return };
        let last = self.heard.passed.entry((from.clone(), neighbour.clone())).or_default();
        if passed.number > *last {
            *last = passed.number;
            self.hear_items(from, standing, &path, bundle, policy, remotes);
        }
    }

    fn hear_items(
        &mut self,
        from: &PeerId,
        standing: Standing,
        path: &Path,
        bundle: Bundle,
        policy: Policy,
        remotes: &[Remote],
    ) -> Vec<(PeerId, Passed)> {
        let Epochs { epoch: ours, peer_epoch: theirs } = standing.epochs;
        let knows_us = bundle.epochs.peer_epoch == ours;
        let forbidden = !allows(policy, path);
        let mut passed = Vec::new();
        for item in bundle {
            let Ok(item) = item else { break };
            let outgoing = self.outgoing.entry((from.clone(), ours)).or_default();
            match item {
                Item::Record(record) => {
                    self.heard.hear_record(from, theirs, &record, forbidden, remotes);
                }
                Item::Ping(number) => {
                    self.heard.pings.insert((from.clone(), number));
                    self.heard.owed.insert((from.clone(), path_index(path)), number);
                }
                Item::Pong(_) => outgoing.pongs += 1,
                Item::State(state) if knows_us => {
                    outgoing.hear(&state);
                    let settled = self.heard.settled.entry((from.clone(), theirs)).or_default();
                    *settled = [0, 1].map(|lane| settled[lane].max(state.settled[lane]));
                }
                Item::Limits(limits) => self.hear_limits(from, ours, limits),
                Item::Bye => {
                    self.heard.drafts.insert(from.clone(), None);
                    break;
                }
                Item::GivenUp(epoch) if epoch == ours => {
                    let epochs = Epochs { epoch: self.next_epoch, peer_epoch: theirs };
                    self.expect(from, Standing { epochs, ..standing });
                    break;
                }
                Item::Passed(of, bundle) if *path == Path::Direct => passed.push((of, bundle)),
                _ => {}
            }
        }
        passed
    }

    /// Notes a record through the server that went to several receivers.
    pub(super) fn hear_shared(
        &mut self,
        from: &PeerId,
        numbers: Option<Numbers>,
        piece: Option<Piece>,
        body: &Bytes,
        policy: Policy,
        remotes: &[Remote],
    ) {
        self.heard.note_word(from);
        let (Some(numbers), Some(piece)) = (numbers, piece) else { return };
        let Some(standing) = self.admit(from, numbers.epochs, &Path::Relay) else { return };
        let (stream, number) = (Stream::Lane(numbers.lane), numbers.seq);
        let (offset, end, abort) = (piece.at, piece.end, false);
        let record = Record { stream, number, offset, end, abort, bytes: body.clone() };
        let forbidden = policy == Policy::DirectOnly;
        self.heard.hear_record(from, standing.epochs.peer_epoch, &record, forbidden, remotes);
    }

    /// Notes a message on an open datagram channel.
    pub(super) fn hear_datagram(&mut self, from: &PeerId, bytes: &Bytes, remotes: &[Remote]) {
        let Some(Standing { epochs, .. }) = self.standing(from) else { return };
        let Ok(bundle) = Bundle::read(bytes.clone()) else { return };
        if bundle.epochs.epoch == 0 || bundle.epochs.epoch != epochs.peer_epoch {
            return;
        }
        for item in bundle {
            if let Ok(Item::Record(record)) = item
                && record.stream == Stream::Lane(Lane::Volatile)
            {
                self.heard.hear_record(from, epochs.peer_epoch, &record, false, remotes);
            }
        }
    }

    pub(super) fn hear_limits(&mut self, peer: &PeerId, epoch: u32, limits: PeerLimits) {
        let mut refused = BTreeSet::new();
        let outgoing = self.outgoing.entry((peer.clone(), epoch)).or_default();
        outgoing.hear_limits(limits, &mut refused);
        self.refused.extend(refused.into_iter().map(|emit| (peer.clone(), emit)));
    }
}

fn allows(policy: Policy, path: &Path) -> bool {
    match policy {
        Policy::RelayOnly => *path == Path::Relay,
        Policy::DirectOnly => *path != Path::Relay,
        Policy::Automatic | Policy::Manual | _ => true,
    }
}
