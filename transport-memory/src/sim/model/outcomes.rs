//! Events from the emit to its end: taken, arrived once and in order, and with an outcome that is true.

use socketio_p2p_core::codec::Limits;
use socketio_p2p_core::wire::Lane;
use socketio_p2p_core::{Outcome, Packet, Path, PeerId, ReplyToken};

use super::{
    Breach, Emission, Fit, Invariant, Made, Model, Note, Question, Receipt, Shape, Weather, breach,
    caps, place,
};

impl Model {
    /// An emit of the next number was made, and for these peers taken.
    pub(in crate::sim) fn emitted(
        &mut self,
        node: usize,
        emit: u64,
        made: Made,
        accepted: &[PeerId],
    ) -> Result<(), Breach> {
        let Made { lane, shape, extent, asks, all } = made;
        if let Some(config) = &self.views[node].config
            && extent.fit(&config.limits).is_over()
        {
            return breach(
                Invariant::OwnLimits,
                format!(
                    "an event beyond the session's own limits to be turned away: {:?}",
                    config.limits
                ),
                format!("one of {extent:?} taken"),
            );
        }
        let number = self.next_number();
        if lane != Lane::Volatile {
            self.largest = self.largest.max(shape.size + shape.text);
        }
        let mut receipts = Vec::with_capacity(accepted.len());
        for id in accepted {
            let receiver = self.named(node, id)?;
            let flow = &mut self.flows[node][receiver];
            if flow.known.is_none() {
                return breach(
                    Invariant::Presence,
                    "emits taken for known peers only",
                    id.as_str(),
                );
            }
            let limits = self.views[receiver].config.as_ref().map(|config| &config.limits);
            let fit = limits.map_or(Fit::Fits, |limits: &Limits| extent.fit(limits));
            // It has heard of the limits with the name.
            if fit.is_over() && !self.views[receiver].raw {
                return breach(
                    Invariant::OwnLimits,
                    format!("an event beyond the limits of {id} to be turned away: {limits:?}"),
                    format!("one of {extent:?} taken"),
                );
            }
            let accepted = &mut flow.accepted[place(lane)];
            let (life, index) = (flow.life, *accepted);
            receipts.push(Receipt { receiver, life, index, fit, arrived: false, ended: None });
            // What may be refused has no place of its own in the order.
            *accepted += u32::from(fit == Fit::Fits);
            if !self.views[receiver].raw && lane != Lane::Volatile {
                flow.open += 1;
                self.open += 1;
                self.packets += 1;
            }
            if asks {
                flow.asked += 1;
            }
            let waiting = &mut flow.waiting[place(lane)];
            *waiting = (waiting.0 + extent.bytes, waiting.1 + 1);
            // For an original client an emit ends as soon as it is sent.
            if let Some(config) = &self.views[node].config
                && !self.views[receiver].original
            {
                caps::check(flow, lane, extent, config)?;
            }
        }
        let view = &mut self.views[node];
        let index = usize::try_from(emit).unwrap_or(usize::MAX);
        if index < view.emits.len() {
            return breach(Invariant::Outcome, "a name for each emit", format!("{emit} again"));
        }
        view.emits.resize(index, None);
        view.asked.resize(index, None);
        view.emits.push(Some(number));
        view.summaries += u32::from(asks && all);
        view.asked.push(asks.then(|| {
            let pending = receipts.iter().map(|receipt| receipt.receiver).collect();
            let (answered, missing) = (Vec::new(), Vec::new());
            Box::new(Question { number, all, pending, answered, missing })
        }));
        self.emissions.push(Emission { sender: node, lane, shape, extent, receipts });
        Ok(())
    }

    pub(super) fn received(
        &mut self,
        node: usize,
        from: &PeerId,
        packet: &Packet,
        reply: Option<ReplyToken>,
        path: Path,
    ) -> Result<Note, Breach> {
        let sender = self.named(node, from)?;
        if self.flows[node][sender].known.as_ref().is_none_or(|known| known.id != *from) {
            return breach(
                Invariant::Presence,
                "events of peers that are there",
                format!("one of {from}"),
            );
        }
        // Who is known twice is heard as either, and its order is that of neither.
        let shadow_of = self.views[sender].shadow_of;
        if self.views[sender].raw && shadow_of.is_none() {
            return Ok(Note::Malice);
        }
        let sender = shadow_of.unwrap_or(sender);
        let Some(number) = Shape::number(packet) else {
            return breach(
                Invariant::Origin,
                format!("an event of {from}'s"),
                format!("one with other arguments: {packet:?}"),
            );
        };
        if self.views[sender].original {
            let direct = path == Path::Direct;
            self.came_at_most_once(sender, node, number, direct, packet)?;
            return Ok(Note::Received(number, path));
        }
        let index = usize::try_from(number).unwrap_or(usize::MAX);
        let emission = self.emissions.get_mut(index).filter(|emission| emission.sender == sender);
        let receipt = emission.and_then(|emission| {
            let receipts = &mut emission.receipts;
            let views = &self.views;
            let is_node = |one: usize| one == node || views[one].shadow_of == Some(node);
            // Who is known twice gets an event twice.
            let mine = receipts.iter().enumerate().filter(|(_, one)| is_node(one.receiver));
            let ranked = mine.min_by_key(|(_, one)| (one.arrived, one.receiver != node));
            let index = ranked.map(|(index, _)| index)?;
            Some((emission.lane, emission.shape, receipts.get_mut(index)?))
        });
        let Some((lane, shape, receipt)) = receipt else {
            return breach(
                Invariant::Origin,
                format!("an event that {from} has emitted to node {node}"),
                format!("event {number}"),
            );
        };
        if !shape.is_whole(packet, number) {
            return breach(
                Invariant::Wholeness,
                format!("event {number} as {shape:?}"),
                format!("{} bytes as {packet:?}", packet.wire_len()),
            );
        }
        if receipt.fit.is_over() {
            return breach(
                Invariant::Refusal,
                format!("event {number} not to be handed out: {:?}", receipt.fit),
                "it was",
            );
        }
        if std::mem::replace(&mut receipt.arrived, true) {
            return breach(Invariant::Singleness, "each event once", format!("{number} again"));
        }
        if shadow_of.is_some() || receipt.receiver != node {
            let note = Note::Received(number, path);
            return Ok(reply.map_or(note, |token| Note::Question(token, number)));
        }
        if let Some(outcome) = receipt.ended
            && outcome != Outcome::Unknown
        {
            return breach(
                Invariant::Outcome,
                format!("event {number} not to come after it has ended as {outcome:?}"),
                "it came",
            );
        }
        let came = (receipt.life, receipt.index);
        let flow = &self.flows[sender][node];
        let (life, next) = flow.receiving[place(lane)];
        let in_order = match lane {
            Lane::Volatile => came >= (life, next),
            // What is left out has to end as refused: its outcome tells.
            Lane::Events | Lane::Bulk if flow.may_refuse(&self.views[node]) => came >= (life, next),
            Lane::Events | Lane::Bulk if came.0 == life => came.1 == next,
            Lane::Events | Lane::Bulk => came.0 > life && came.1 == 0,
        };
        let fits = receipt.fit == Fit::Fits;
        if !in_order {
            return breach(
                Invariant::Order,
                format!("number {next} of life {life} of {lane:?} from {from}, or a new life"),
                format!("number {} of life {} (event {number})", came.1, came.0),
            );
        }
        let next = came.1 + u32::from(fits);
        self.flows[sender][node].receiving[place(lane)] = (came.0, next);
        self.delivered += 1;
        Ok(reply.map_or(Note::Received(number, path), |token| Note::Question(token, number)))
    }

    pub(super) fn ended(
        &mut self,
        node: usize,
        emit: u64,
        peer: &PeerId,
        outcome: Outcome,
    ) -> Result<Note, Breach> {
        let receiver = self.named(node, peer)?;
        let index = usize::try_from(emit).unwrap_or(usize::MAX);
        let number = self.views[node].emits.get(index).copied().flatten();
        let emission = number.and_then(|number| {
            let emission = self.emissions.get_mut(usize::try_from(number).ok()?)?;
            Some(emission).filter(|emission| emission.lane != Lane::Volatile)
        });
        let receipt = emission.and_then(|emission| {
            let Emission { lane, extent, receipts, .. } = emission;
            let receipt = receipts.iter_mut().find(|receipt| receipt.receiver == receiver)?;
            Some((*lane, extent.bytes, receipt))
        });
        let Some((lane, bytes, receipt)) = receipt else {
            return breach(
                Invariant::Outcome,
                "outcomes of reliable emits that were taken",
                format!("one of emit {emit} for {peer}"),
            );
        };
        if let Some(before) = receipt.ended.replace(outcome) {
            return breach(
                Invariant::Outcome,
                "one end of each emit",
                format!("{outcome:?} for {peer} after {before:?}"),
            );
        }
        let waiting = &mut self.flows[node][receiver].waiting[place(lane)];
        *waiting = (waiting.0.saturating_sub(bytes), waiting.1.saturating_sub(1));
        if self.views[receiver].raw {
            return Ok(Note::Nothing);
        }
        self.flows[node][receiver].open -= 1;
        self.open -= 1;
        let original = self.views[receiver].original;
        let truthful = match outcome {
            Outcome::Delivered => receipt.arrived && !original,
            Outcome::NotSent => !receipt.arrived,
            Outcome::Unknown => {
                let harsh = self.weather == Weather::Harsh || self.flows[node][receiver].shaken;
                harsh || self.views[receiver].closing || original
            }
            Outcome::Refused => {
                let may_be = receipt.fit != Fit::Fits
                    || self.flows[node][receiver].may_refuse(&self.views[receiver]);
                may_be && !receipt.arrived
            }
            _ => false,
        };
        if !truthful {
            let came = if receipt.arrived { "has arrived" } else { "has not arrived" };
            return breach(
                Invariant::Outcome,
                "outcomes that are true",
                format!(
                    "{outcome:?} of event {} for {peer}, where it {came} and {:?}",
                    number.unwrap_or(0),
                    receipt.fit
                ),
            );
        }
        let refused = outcome == Outcome::Refused;
        Ok(if refused { Note::Refused(receipt.fit) } else { Note::Nothing })
    }

    pub(super) fn answered(
        &mut self,
        node: usize,
        emit: u64,
        peer: usize,
    ) -> Result<&mut Question, Breach> {
        let index = usize::try_from(emit).unwrap_or(usize::MAX);
        let question = self.views[node].asked.get_mut(index).and_then(Option::as_deref_mut);
        let waits = |question: &Question| question.pending.iter().position(|one| *one == peer);
        match question.and_then(|question| Some((waits(question)?, question))) {
            Some((at, question)) => {
                question.pending.remove(at);
                self.flows[node][peer].asked -= 1;
                Ok(question)
            }
            None => breach(
                Invariant::Answer,
                "one end of each question for each of those it was for",
                format!("another one of emit {emit}, from node {peer}"),
            ),
        }
    }

    pub(super) fn summed_up(
        &mut self,
        node: usize,
        emit: u64,
        answered: &[PeerId],
        missing: &[PeerId],
    ) -> Result<Note, Breach> {
        let index = usize::try_from(emit).unwrap_or(usize::MAX);
        let view = &mut self.views[node];
        let question = view.asked.get_mut(index).and_then(Option::take);
        let right = question.as_ref().is_some_and(|question| {
            question.all
                && question.pending.is_empty()
                && question.answered == answered
                && question.missing.len() == missing.len()
                && question.missing.iter().all(|peer| missing.contains(peer))
        });
        if !right {
            return breach(
                Invariant::Answer,
                "one summary of each question to all, after its ends, that says what they said",
                format!("{answered:?} answered and {missing:?} not, where it was {question:?}"),
            );
        }
        view.summaries -= 1;
        Ok(Note::Nothing)
    }

    /// What holds when nothing is in flight any more: all that was accepted in the present lives has arrived.
    pub(in crate::sim) fn check_delivery(&self) -> Result<(), Breach> {
        for emission in &self.emissions {
            let sender = &self.views[emission.sender];
            if sender.gone || sender.closing || emission.lane == Lane::Volatile {
                continue;
            }
            for receipt in &emission.receipts {
                let receiver = &self.views[receipt.receiver];
                if receiver.raw || receiver.original {
                    continue;
                }
                let flow = &self.flows[emission.sender][receipt.receiver];
                let current = flow.known.is_some() && flow.life == receipt.life;
                let patient = self.weather == Weather::Patient && !flow.shaken;
                let must = current || (patient && !receiver.closing);
                let right = match receipt.ended {
                    Some(Outcome::Delivered) => true,
                    Some(Outcome::Refused) => receipt.fit != Fit::Fits || flow.may_refuse(receiver),
                    _ => false,
                };
                if must && !right {
                    return breach(
                        Invariant::Delivery,
                        "all that was accepted to arrive once faults are over",
                        format!(
                            "an emit of node {} for node {} that ended as {:?}",
                            emission.sender, receipt.receiver, receipt.ended
                        ),
                    );
                }
            }
        }
        Ok(())
    }

    /// What holds when a node has closed: nothing of its is without an end.
    pub(in crate::sim) fn check_closed(&self, node: usize) -> Result<(), Breach> {
        if !self.views[node].closed {
            return breach(Invariant::Leak, "a session that closes in time", "it is still open");
        }
        let open: u32 = self.flows[node].iter().map(|flow| flow.open + flow.asked).sum();
        let open = open + self.views[node].summaries;
        if open > 0 {
            return breach(
                Invariant::Outcome,
                "nothing without an end after `Closed`",
                format!("{open} emits or questions of node {node}"),
            );
        }
        Ok(())
    }
}
