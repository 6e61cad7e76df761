//! The progress of files: bars on a terminal, plain lines elsewhere.

#![allow(clippy::print_stdout, reason = "it prints for programs")]

use std::collections::BTreeMap;

use futures::{Stream, StreamExt as _};
use indicatif::{MultiProgress, ProgressBar, ProgressDrawTarget, ProgressStyle};

/// The percentage points between two lines when there is no terminal.
const STEP: u64 = 10;

/// The bars at the bottom of the terminal.
#[derive(Debug)]
pub(crate) struct Bars(MultiProgress);

impl Bars {
    pub(crate) fn new() -> Self {
        Self(MultiProgress::with_draw_target(ProgressDrawTarget::stdout()))
    }

    /// Prints a line above the bars.
    pub(crate) fn print(&self, line: &str) {
        self.0.suspend(|| println!("{line}"));
    }

    /// Shows the progress of several receivers, each under its label, until the stream ends.
    pub(crate) async fn follow(&self, progress: impl Stream<Item = (String, u64)>, size: u64) {
        let (mut progress, mut bars) = (std::pin::pin!(progress), BTreeMap::new());
        while let Some((label, bytes)) = progress.next().await {
            let new = |label: &String| self.add(label, Some(size));
            bars.entry(label).or_insert_with_key(new).set(bytes);
        }
    }

    /// Adds a bar for a file, which is removed when it is dropped.
    pub(crate) fn add(&self, label: &str, size: Option<u64>) -> Bar {
        let form = "{prefix} {wide_bar} {bytes}/{total_bytes} {bytes_per_sec} {eta}";
        let style = ProgressStyle::with_template(form);
        let bar = size.map_or_else(ProgressBar::no_length, ProgressBar::new);
        let bar = bar.with_style(style.unwrap_or_else(|_| ProgressStyle::default_bar()));
        let bar = self.0.add(bar.with_prefix(label.to_owned()));
        Bar { label: label.to_owned(), bar, prints: self.0.is_hidden(), printed: 0 }
    }
}

/// The progress of one file.
#[derive(Debug)]
pub(crate) struct Bar {
    label: String,
    bar: ProgressBar,
    prints: bool,
    /// The percentage in the last line.
    printed: u64,
}

impl Bar {
    /// Notes further bytes.
    pub(crate) fn advance(&mut self, bytes: usize) {
        self.set(self.bar.position() + bytes as u64);
    }

    /// Notes all bytes so far.
    pub(crate) fn set(&mut self, bytes: u64) {
        self.bar.set_position(bytes);
        let Some(size) = self.bar.length().filter(|size| self.prints && *size > 0) else { return };
        let percent = self.bar.position().saturating_mul(100) / size;
        if percent >= self.printed + STEP {
            self.printed = percent;
            println!("{}: {percent} %", self.label);
        }
    }
}

impl Drop for Bar {
    fn drop(&mut self) {
        self.bar.finish_and_clear();
    }
}
