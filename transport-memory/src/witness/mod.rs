//! The witness of a hub: it derives the messages due after each input, and compares them with the hub's outputs.
//!
//! - here: the outputs of the hub
//! - `told`: its inputs
//! - `orders`: the calls of the server's application
//! - `book`: members and seats
//! - `words`: messages that are due
//! - `rates`: token buckets

mod book;
mod orders;
mod rates;
mod told;
mod words;

use socketio_p2p_core::hub::{Admission, ClientError, CloseReason, Departure, HubConfig};
use socketio_p2p_core::wire::{Decline, Join, ServerMessage};
use socketio_p2p_core::{ClientId, Dialect, MemberData, PeerId, RoomName, Time};

use self::book::{Book, Issued};
use self::rates::Rate;
use self::words::{ClientInput, Due, Word, describe};
use crate::invariant::{Breach, Invariant};

/// The cost of the header of a delivery, in bytes.
const DELIVERY_HEADER: usize = 128;

/// The join of a client.
#[derive(Debug)]
pub(crate) struct Claim {
    pub(crate) dialect: Dialect,
    pub(crate) room: RoomName,
    pub(crate) token: Option<String>,
    metadata: Option<MemberData>,
    user: Option<MemberData>,
    /// The maximum of members of the room for this client, where that is not the hub's.
    capacity: Option<usize>,
}

impl Claim {
    pub(crate) fn of(join: &Join, admission: Admission) -> Self {
        let Join { dialect, room, token, metadata, .. } = join;
        let Admission { user, room: assigned, capacity, .. } = admission;
        let room = assigned.or_else(|| room.clone()).unwrap_or_default();
        let (token, metadata) = (token.clone(), metadata.clone());
        Self { dialect: *dialect, room, token, metadata, user, capacity }
    }
}

/// A message that no session sends, and that the hub refused.
#[derive(Debug)]
pub(crate) struct Refused {
    pub(crate) from: PeerId,
    pub(crate) why: ClientError,
}

/// An offer was declined.
#[derive(Debug)]
pub(crate) struct Declined {
    pub(crate) by: PeerId,
    pub(crate) of: PeerId,
    pub(crate) why: Decline,
}

#[derive(Debug)]
pub(crate) struct Witness {
    config: HubConfig,
    book: Book,
    now: Time,
    /// The input that is being answered.
    said: Option<ClientInput>,
    due: Vec<Due>,
    /// What the server's application has brought about.
    orders: orders::Orders,
    /// By when the first of those away has to be given up, if no clock jumped.
    next_end: Option<Time>,
    /// When the clock jumped, and by how much.
    jumps: Vec<(Time, std::time::Duration)>,
    verdict: Option<Breach>,
    refused: Vec<Refused>,
    declined: Vec<Declined>,
}

impl Witness {
    pub(crate) fn new(config: HubConfig) -> Self {
        Self {
            config,
            book: Book::default(),
            now: Time::ZERO,
            said: None,
            due: Vec::new(),
            orders: orders::Orders::default(),
            next_end: None,
            jumps: Vec::new(),
            verdict: None,
            refused: Vec::new(),
            declined: Vec::new(),
        }
    }

    /// The next hub has another key: no token of before proves anything.
    pub(crate) fn forget_tokens(&mut self) {
        self.book.tokens.clear();
    }

    /// The first breach.
    pub(crate) const fn take_verdict(&mut self) -> Option<Breach> {
        self.verdict.take()
    }

    /// The refused messages since the last call that no session sends.
    pub(crate) fn take_refused(&mut self) -> Vec<Refused> {
        std::mem::take(&mut self.refused)
    }

    /// Whether there is anything to take.
    pub(crate) const fn has_news(&self) -> bool {
        self.verdict.is_some() || !self.refused.is_empty() || !self.declined.is_empty()
    }

    /// The declined offers since the last call.
    pub(crate) fn take_declined(&mut self) -> Vec<Declined> {
        std::mem::take(&mut self.declined)
    }

    /// The hub has ended; another one begins, which honours the tokens of this one.
    pub(crate) fn of_next_hub(mut self) -> Self {
        self.book.forget();
        self.orders = orders::Orders::default();
        self.next_end = None;
        self
    }

    /// The clock has jumped over a span.
    pub(crate) fn jumped(&mut self, by: std::time::Duration, now: Time) {
        self.jumps.push((now, by));
    }

    // ----- outputs of the hub -----

    /// The hub sends a message to a client.
    pub(crate) fn sent(&mut self, to: ClientId, message: &ServerMessage) {
        if let ServerMessage::NumClients { welcome: Some(welcome), .. } = message {
            let (room, id) = (welcome.room.clone(), welcome.id.clone());
            let issued = Issued { room, id, base: welcome.epoch_base };
            self.book.tokens.insert(welcome.token.clone(), issued);
        }
        let said = self.said.as_ref();
        let is_this = |due: &Due| due.to == to && due.word.is(message, said, &self.book);
        match self.due.iter().position(is_this) {
            Some(place) => {
                self.due.swap_remove(place);
            }
            None => {
                let invariant = invariant_of(message);
                let (to, came) = (self.name(to), describe(message));
                let expected = format!("{to} to be told what it is to be told, and once");
                self.blame(invariant, &expected, &came);
            }
        }
        if matches!(message, ServerMessage::Offer { .. } | ServerMessage::Signal(_)) {
            self.charge_signal();
        }
    }

    fn charge_signal(&mut self) {
        let config = &self.config;
        let rate = Rate {
            burst: config.signal_burst.into(),
            per_second: config.signals_per_second.into(),
        };
        let client = self.said.as_ref().map(|said| said.client);
        let member = client.and_then(|client| self.book.clients.get_mut(&client));
        if let Some(member) = member
            && !member.signals.pass(1, rate, self.now)
        {
            let came = format!("one more of {}", member.id);
            self.blame(Invariant::HubBounds, "signals at the rate that is set", &came);
        }
    }

    /// The hub closes a client's connection.
    pub(crate) fn closed(
        &mut self,
        client: ClientId,
        reason: CloseReason,
        farewell: Option<&ServerMessage>,
    ) {
        if self.is_ordered(client, reason, farewell) {
        } else if reason == CloseReason::Abusive {
            self.left(client, Departure::Left, self.now);
        } else if let Some(member) = self.book.clients.get(&client) {
            let expected = format!("{} to stay: nobody took its place", member.id);
            self.blame(Invariant::HubPresence, &expected, "it was replaced");
        }
    }

    /// The hub has no more outputs for the input.
    pub(crate) fn done(&mut self, now: Time) {
        self.now = now;
        let left_out = self.due.drain(..).find(|due| !due.optional);
        self.said = None;
        self.check_orders();
        if let Some(Due { to, word, .. }) = left_out {
            let invariant = match word {
                Word::Relay(_)
                | Word::Offer(_)
                | Word::Signal
                | Word::Event
                | Word::OfServer { .. } => Invariant::HubRelay,
                Word::Count
                | Word::Welcome { .. }
                | Word::Join { .. }
                | Word::Update { .. }
                | Word::Away(_)
                | Word::Gone { .. } => Invariant::HubPresence,
            };
            let to = self.name(to);
            self.blame(invariant, &format!("{to} to be told {word:?}"), "nothing");
        }
        if self.next_end.is_some_and(|end| end < now) {
            self.check_ends();
        }
    }

    /// No member is away for longer than the window; jumps of the clock extend it.
    fn check_ends(&mut self) {
        let (now, window) = (self.now, self.config.resume_window);
        let end = |since: Time| {
            let jumps = self.jumps.iter().filter(|(at, _)| *at >= since);
            // The hub takes all that has passed since its last input for the jump.
            jumps.fold(since + window, |end, (_, by)| end + *by + window)
        };
        let ends = self.book.away().map(|(_, id, since)| (end(since), id));
        let (late, later): (Vec<_>, Vec<_>) = ends.partition(|(end, _)| *end < now);
        let late = late.first().map(|(end, id)| (format!("{id} to be given up"), now - *end));
        self.next_end = later.iter().map(|(end, _)| *end).min();
        if let Some((expected, late)) = late {
            let expected = format!("{expected} after {window:?}");
            self.blame(Invariant::HubPresence, &expected, &format!("{late:?} more"));
        }
    }

    fn name(&self, client: ClientId) -> String {
        let member = self.book.clients.get(&client);
        member.map_or_else(|| "nobody".to_owned(), |member| member.id.to_string())
    }

    fn blame(&mut self, invariant: Invariant, expected: &str, came: &str) {
        self.verdict.get_or_insert_with(|| Breach::new(invariant, expected, came));
    }
}

const fn invariant_of(message: &ServerMessage) -> Invariant {
    match message {
        ServerMessage::Relay(_)
        | ServerMessage::Event(_)
        | ServerMessage::Offer { .. }
        | ServerMessage::Signal(_) => Invariant::HubRelay,
        ServerMessage::NumClients { .. }
        | ServerMessage::PeerJoin(_)
        | ServerMessage::PeerAway(_)
        | ServerMessage::PeerDisconnect { .. }
        | _ => Invariant::HubPresence,
    }
}

#[cfg(test)]
mod tests;
