//! The whole story in one terminal: a server and three peers on real sockets.
//!
//! Each peer runs on its own task, as three processes would. This file gives the orders, waits for the events that
//! must follow, and checks that exactly those came.

mod actor;
mod ledger;

use std::time::{Duration, Instant};

use socketio_p2p_core::codec::Blob;
use socketio_p2p_core::hub::HubConfig;
use socketio_p2p_core::{LeaveReason, Path};
use tokio::sync::mpsc;

use self::actor::{Actor, Note, Order};
use self::ledger::{Content, Ledger};
use crate::common::{Failure, server};
use crate::message::Message;
use crate::screen::{Screen, Style, bytes, path_name};

const NAMES: [&str; 3] = ["ann", "ben", "cleo"];
const ANN: usize = 0;
const BEN: usize = 1;
const CLEO: usize = 2;

/// All pairs, in both directions.
const WAYS: [(usize, usize); 6] =
    [(ANN, BEN), (BEN, ANN), (ANN, CLEO), (CLEO, ANN), (BEN, CLEO), (CLEO, BEN)];

/// Time limit of each step.
const PATIENCE: Duration = Duration::from_secs(20);

pub(crate) async fn tell() -> Result<(), Failure> {
    let start = Instant::now();
    let (listener, url) = server::listen(HubConfig::default(), "127.0.0.1", 0).await?;
    let (notes, happened) = mpsc::channel(64);
    let actors = NAMES.iter().enumerate();
    let actors = actors.map(|(number, name)| Actor::start(number, name, &url, notes.clone()));
    let mut story = Story {
        actors: actors.collect::<Result<_, _>>()?,
        happened,
        ledger: Ledger::default(),
        screen: Screen::new(),
        start,
    };
    drop(notes);
    story.headline(&format!("A server listens on {url}"));
    story.meet().await?;
    story.talk_through_the_server().await?;
    story.go_private().await?;
    story.talk_directly().await?;
    story.send_a_file().await?;
    story.cut_a_path().await?;
    story.leave().await?;
    listener.close().await;
    story.conclude()
}

struct Story {
    actors: Vec<Actor>,
    happened: mpsc::Receiver<Note>,
    ledger: Ledger,
    screen: Screen,
    start: Instant,
}

impl Story {
    async fn meet(&mut self) -> Result<(), Failure> {
        self.headline("Three peers join a room on it");
        for who in [ANN, BEN, CLEO] {
            self.until(format!("{} joins", NAMES[who]), |ledger| ledger.ids.contains_key(&who))
                .await?;
            self.line(who, "", "", "joined");
        }
        self.until("each peer sees the two others", |ledger| ledger.joined.len() == WAYS.len())
            .await?;
        self.until("direct paths are validated between all", |ledger| ledger.ready.len() == 3)
            .await?;
        self.aside("a direct path between each two of them is validated, and not used yet");
        Ok(())
    }

    async fn talk_through_the_server(&mut self) -> Result<(), Failure> {
        self.headline("They talk through the server");
        for (who, text) in [
            (ANN, "Hello! Can you read me?"),
            (BEN, "Yes. But all events go through the server."),
            (CLEO, "Then let us go private."),
        ] {
            self.say(who, text, |_| Path::Relay).await?;
        }
        Ok(())
    }

    async fn go_private(&mut self) -> Result<(), Failure> {
        self.headline("They go private: they switch to the direct paths");
        self.send(ANN, &Message::Private, Content::Private).await?;
        self.arrived(ANN, Content::Private).await?;
        self.expect_paths(ANN, &Content::Private, |_| Path::Relay)?;
        self.line(ANN, &others(ANN), "server", "(asks both to go private)");
        self.actors[ANN].order(Order::Upgrade).await?;
        for way in WAYS {
            let what = format!("{} sends to {} directly", NAMES[way.0], NAMES[way.1]);
            self.until(what, |ledger| ledger.paths.get(&way) == Some(&Path::Direct)).await?;
        }
        self.aside("all six directions, two per pair, have switched to direct paths");
        Ok(())
    }

    async fn talk_directly(&mut self) -> Result<(), Failure> {
        self.headline("They talk directly");
        for (who, text) in [
            (CLEO, "Now the server no longer sees our events."),
            (BEN, "And it is faster, too."),
            (ANN, "Then I will send you the photos."),
        ] {
            self.say(who, text, |_| Path::Direct).await?;
        }
        Ok(())
    }

    async fn send_a_file(&mut self) -> Result<(), Failure> {
        self.headline("A file of two blobs goes to both at once");
        // Bytes that differ wherever two pieces could be swapped or cut.
        let blob = |len: u32, step: u32| {
            let bytes = (0..len).map(|index| index.wrapping_mul(step).to_be_bytes()[1]);
            Blob::from(bytes.collect::<Vec<u8>>())
        };
        let blobs = vec![blob(1_000_000, 2_654_435_761), blob(70_001, 40_503)];
        let name = "photos.zip".to_owned();
        let content = Content::File { name: name.clone(), blobs: blobs.clone() };
        self.send(
            ANN,
            &Message::File { name: name.clone(), blobs: blobs.clone() },
            content.clone(),
        )
        .await?;
        self.arrived(ANN, content.clone()).await?;
        let sizes: Vec<String> = blobs.iter().map(|blob| bytes(blob.len())).collect();
        self.expect_paths(ANN, &content, |_| Path::Direct)?;
        let text = format!("{name}: {}, received byte for byte", sizes.join(" and "));
        self.line(ANN, &others(ANN), "direct", &text);
        Ok(())
    }

    async fn cut_a_path(&mut self) -> Result<(), Failure> {
        self.headline("The direct path between ann and ben is cut, without notice");
        let cut = Instant::now();
        let ben = self.ledger.ids.get(&BEN).ok_or("ben has no id")?.clone();
        self.actors[ANN].order(Order::Cut(ben)).await?;
        // Emitted before either end has detected the cut: the event is first sent on the dead path, and must arrive
        // all the same.
        let fallback = |(from, to): (usize, usize)| match (from, to) {
            (ANN, BEN) | (BEN, ANN) => Path::Relay,
            _ => Path::Direct,
        };
        self.say(ANN, "Ben? Are you still there?", fallback).await?;
        for (from, to) in [(ANN, BEN), (BEN, ANN)] {
            let what = format!("{} sends to {} through the server", NAMES[from], NAMES[to]);
            self.until(what, |ledger| ledger.paths.get(&(from, to)) == Some(&Path::Relay)).await?;
        }
        let seconds = cut.elapsed().as_secs_f32();
        self.aside(&format!("both ends detected the cut after {seconds:.1} s and use the server again; nothing was lost"));
        self.say(BEN, "I am, again through the server.", fallback).await?;
        self.say(CLEO, "I still have direct paths to both of you.", fallback).await?;
        for way in WAYS {
            let (path, expected) = (self.ledger.paths.get(&way), fallback(way));
            if path != Some(&expected) {
                let (from, to) = (NAMES[way.0], NAMES[way.1]);
                let found = path.map_or("nowhere", path_name);
                let expected = path_name(&expected);
                return Err(format!("{from} to {to}: expected {expected}, found {found}").into());
            }
        }
        Ok(())
    }

    async fn leave(&mut self) -> Result<(), Failure> {
        self.headline("They leave");
        for who in [CLEO, BEN, ANN] {
            self.actors[who].order(Order::Close).await?;
            let name = NAMES[who];
            self.until(format!("{name} leaves"), |ledger| ledger.closed.contains(&who)).await?;
            for other in (0..who).rev() {
                let what = format!("{} sees that {name} has left", NAMES[other]);
                let left = |ledger: &Ledger| ledger.left.get(&(other, who)).copied();
                self.until(what, |ledger| left(ledger).is_some()).await?;
                if left(&self.ledger) != Some(LeaveReason::Left) {
                    return Err(format!(
                        "expected {name} to leave with a bye, got a lost connection"
                    )
                    .into());
                }
            }
            self.line(who, "", "", "left");
        }
        // All peers have ended: no further event can come.
        while let Some(note) = self.happened.recv().await {
            self.ledger.take(note)?;
        }
        Ok(())
    }

    /// Checks that all events have arrived exactly once, and prints the sums.
    fn conclude(self) -> Result<(), Failure> {
        self.ledger.check()?;
        self.headline("Events received, by sender, receiver and path");
        let screen = self.screen;
        let head = format!("{:<14}{:>8}{:>8}{:>12}", "", "server", "direct", "bytes");
        println!("         {}", screen.paint(Style::Dim, head.trim_end()));
        for way in WAYS {
            let sum = self.ledger.sum(way);
            let (from, to) = (NAMES[way.0], NAMES[way.1]);
            let from = screen.paint(Style::Name(way.0), from);
            let pad = " ".repeat(14 - 3 - NAMES[way.0].len() - to.len());
            let to = screen.paint(Style::Name(way.1), to);
            let total = bytes(sum.bytes);
            let total = total.trim_end_matches(" bytes");
            println!("         {from} → {to}{pad}{:>8}{:>8}{total:>12}", sum.relay, sum.direct);
        }
        let arrivals = self.ledger.arrivals();
        let seconds = self.start.elapsed().as_secs_f32();
        let verdict = format!(
            "All {arrivals} events arrived, each once, whole and in order. The story took {seconds:.1} s."
        );
        println!("\n{}", screen.paint(Style::Good, &verdict));
        Ok(())
    }

    // ----- steps -----

    /// Sends a text to all others, and prints it by path once it has arrived.
    async fn say(
        &mut self,
        who: usize,
        text: &str,
        expected: impl Fn((usize, usize)) -> Path,
    ) -> Result<(), Failure> {
        let content = Content::Text(text.to_owned());
        let message = Message::Text { name: None, text: text.to_owned() };
        self.send(who, &message, content.clone()).await?;
        self.arrived(who, content.clone()).await?;
        self.expect_paths(who, &content, |to| expected((who, to)))?;
        let receivers = |path: &Path| {
            let others = WAYS.iter().filter(|&&way| way.0 == who && expected(way) == *path);
            others.map(|way| NAMES[way.1]).collect::<Vec<_>>().join(", ")
        };
        for path in [Path::Direct, Path::Relay] {
            let receivers = receivers(&path);
            if !receivers.is_empty() {
                self.line(who, &receivers, path_name(&path), text);
            }
        }
        Ok(())
    }

    async fn send(
        &mut self,
        who: usize,
        message: &Message,
        content: Content,
    ) -> Result<(), Failure> {
        self.ledger.expect(who, content);
        self.actors[who].order(Order::Emit(message.to_packet()?)).await
    }

    async fn arrived(&mut self, who: usize, content: Content) -> Result<(), Failure> {
        let what = format!("both others receive {content} of {}", NAMES[who]);
        self.until(what, |ledger| ledger.receivers(who, &content).count() >= 2).await
    }

    fn expect_paths(
        &self,
        who: usize,
        content: &Content,
        expected: impl Fn(usize) -> Path,
    ) -> Result<(), Failure> {
        for (to, path) in self.ledger.receivers(who, content) {
            if *path != expected(to) {
                let (from, to) = (NAMES[who], NAMES[to]);
                let path = path_name(path);
                return Err(format!(
                    "{content} of {from} came to {to} on an unexpected path: {path}"
                )
                .into());
            }
        }
        Ok(())
    }

    /// Waits, at most [`PATIENCE`], until the ledger satisfies a condition.
    async fn until(
        &mut self,
        what: impl std::fmt::Display,
        has_happened: impl Fn(&Ledger) -> bool,
    ) -> Result<(), Failure> {
        let deadline = tokio::time::Instant::now() + PATIENCE;
        while !has_happened(&self.ledger) {
            match tokio::time::timeout_at(deadline, self.happened.recv()).await {
                Ok(Some(note)) => self.ledger.take(note)?,
                Ok(None) => return Err(format!("all peers ended before this: {what}").into()),
                Err(_) => {
                    let seconds = PATIENCE.as_secs();
                    return Err(format!("did not happen within {seconds} s: {what}").into());
                }
            }
        }
        Ok(())
    }

    // ----- lines -----

    fn headline(&self, text: &str) {
        println!("\n{}", self.screen.paint(Style::Bold, text));
    }

    fn line(&self, who: usize, to: &str, path: &str, text: &str) {
        let name = self.screen.paint(Style::Name(who), NAMES[who]);
        let rest = if to.is_empty() { String::new() } else { format!(" → {to}") };
        let pad = " ".repeat(20_usize.saturating_sub(NAMES[who].len() + rest.chars().count()));
        let style = if path == "direct" { Style::Good } else { Style::Name(BEN) };
        let path = format!("{path:<8}");
        let path = self.screen.paint(style, &path);
        if to.is_empty() {
            println!("{} {name} {text}", self.time());
        } else {
            println!("{} {name}{rest}{pad}{path}{text}", self.time());
        }
    }

    fn aside(&self, text: &str) {
        println!("{} {}", self.time(), self.screen.paint(Style::Dim, &format!("· {text}")));
    }

    fn time(&self) -> String {
        let time = format!("{:6.2} s", self.start.elapsed().as_secs_f32());
        self.screen.paint(Style::Dim, &time).into_owned()
    }
}

/// The names of the two others.
fn others(who: usize) -> String {
    let others = NAMES.iter().enumerate().filter(|(number, _)| *number != who);
    others.map(|(_, name)| *name).collect::<Vec<_>>().join(", ")
}
