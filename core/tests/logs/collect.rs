//! Collects what the current thread logs.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt::{Debug, Write as _};
use std::sync::{Arc, Mutex, OnceLock};
use std::time::Duration;

use tracing::field::{Field, Visit};
use tracing::span::{Attributes, Id, Record};
use tracing::subscriber::DefaultGuard;
use tracing::{Dispatch, Event, Metadata, Subscriber};
use tracing_subscriber::Layer;
use tracing_subscriber::layer::{Context, SubscriberExt as _};
use tracing_subscriber::registry::LookupSpan;

use super::table::{Kind, own_rows, table};

/// An event, or a span when it begins or gets a further field.
#[derive(Clone, Debug)]
pub(crate) struct Entry {
    pub(crate) kind: Kind,
    pub(crate) values: BTreeMap<String, String>,
    /// The values of the spans around it.
    pub(crate) spans: Vec<BTreeMap<String, String>>,
}

/// The events and spans of the current thread.
#[derive(Clone, Default)]
pub(crate) struct Logs(Arc<Mutex<Vec<Entry>>>);

/// `tracing` turns a log call off for good when its first use, on a thread of another test, is under way while the first
/// subscriber comes. So one subscriber stays for all tests, and what was under way meanwhile is turned on again.
#[allow(clippy::disallowed_methods, reason = "there is no event to wait for")]
fn keep_log_calls_on() {
    static STAYS: OnceLock<Dispatch> = OnceLock::new();
    STAYS.get_or_init(|| {
        let stays = Dispatch::new(tracing_subscriber::registry().with(Logs::default()));
        for _ in 0..20 {
            std::thread::sleep(Duration::from_millis(5));
            tracing::callsite::rebuild_interest_cache();
        }
        stays
    });
}

impl Logs {
    /// Collects what the current thread logs until the guard is dropped.
    pub(crate) fn collect() -> (Self, DefaultGuard) {
        keep_log_calls_on();
        let logs = Self::default();
        let subscriber = tracing_subscriber::registry().with(logs.clone());
        (logs, tracing::subscriber::set_default(subscriber))
    }

    pub(crate) fn entries(&self) -> Vec<Entry> {
        self.0.lock().unwrap().clone()
    }

    /// Returns the events with this message.
    pub(crate) fn of(&self, message: &str) -> Vec<Entry> {
        self.entries().into_iter().filter(|entry| entry.kind.message == message).collect()
    }

    /// Returns whether an event with this message has these values.
    pub(crate) fn has(&self, message: &str, values: &[(&str, &str)]) -> bool {
        let is = |entry: &Entry| {
            values.iter().all(|(name, value)| entry.values.get(*name).is_some_and(|v| v == value))
        };
        self.of(message).iter().any(is)
    }

    /// Checks that the table has all that was logged, and that no value contains a marker.
    pub(crate) fn check(&self, markers: &[&str]) {
        let table = table();
        let seen: BTreeSet<Kind> = self.entries().into_iter().map(|entry| entry.kind).collect();
        let missing: Vec<_> = seen.difference(&table).collect();
        assert!(missing.is_empty(), "not in the table: {missing:#?}");
        for entry in self.entries() {
            for (name, value) in &entry.values {
                for marker in markers {
                    assert!(!value.contains(marker), "{name} of {:?}: {value}", entry.kind);
                }
            }
        }
    }

    /// Checks that all rows of the crate that is tested were seen.
    pub(crate) fn check_complete(&self) {
        let seen: BTreeSet<Kind> = self.entries().into_iter().map(|entry| entry.kind).collect();
        let unseen: Vec<_> = own_rows().into_iter().filter(|row| !seen.contains(row)).collect();
        assert!(unseen.is_empty(), "in the table, and not seen: {unseen:#?}");
    }

    fn push(
        &self,
        metadata: &Metadata<'_>,
        mut values: BTreeMap<String, String>,
        spans: Vec<BTreeMap<String, String>>,
    ) {
        let (level, message) = match metadata.is_span() {
            true if *metadata.level() == tracing::Level::INFO => {
                ("span".to_owned(), metadata.name().to_owned())
            }
            true => (
                format!("span, {}", metadata.level().as_str().to_lowercase()),
                metadata.name().to_owned(),
            ),
            false => (
                metadata.level().as_str().to_lowercase(),
                values.remove("message").unwrap_or_default(),
            ),
        };
        let names = metadata.fields().iter().map(|field| field.name().to_owned());
        let fields = names.filter(|name| name != "message").collect();
        let kind = Kind { target: metadata.target().to_owned(), level, message, fields };
        self.0.lock().unwrap().push(Entry { kind, values, spans });
    }
}

fn is_ours(metadata: &Metadata<'_>) -> bool {
    metadata.target().starts_with("socketio_p2p")
}

struct Values(BTreeMap<String, String>);

impl Visit for Values {
    fn record_debug(&mut self, field: &Field, value: &dyn Debug) {
        let mut text = String::new();
        write!(text, "{value:?}").unwrap();
        self.0.insert(field.name().to_owned(), text);
    }

    fn record_str(&mut self, field: &Field, value: &str) {
        self.0.insert(field.name().to_owned(), value.to_owned());
    }
}

impl<S: Subscriber + for<'a> LookupSpan<'a>> Layer<S> for Logs {
    fn on_event(&self, event: &Event<'_>, context: Context<'_, S>) {
        if is_ours(event.metadata()) {
            let mut values = Values(BTreeMap::new());
            event.record(&mut values);
            let around = context.event_scope(event).into_iter().flatten();
            let spans = around.filter_map(|span| {
                span.extensions().get::<Values>().map(|values| values.0.clone())
            });
            self.push(event.metadata(), values.0, spans.collect());
        }
    }

    fn on_new_span(&self, attributes: &Attributes<'_>, id: &Id, context: Context<'_, S>) {
        if is_ours(attributes.metadata()) {
            let mut values = Values(BTreeMap::new());
            attributes.record(&mut values);
            self.push(attributes.metadata(), values.0.clone(), Vec::new());
            context.span(id).unwrap().extensions_mut().insert(values);
        }
    }

    fn on_record(&self, id: &Id, record: &Record<'_>, context: Context<'_, S>) {
        let span = context.span(id).unwrap();
        let mut extensions = span.extensions_mut();
        if let Some(values) = extensions.get_mut::<Values>() {
            record.record(values);
            let values = values.0.clone();
            drop(extensions);
            self.push(span.metadata(), values, Vec::new());
        }
    }
}
