//! A trace as a sequence chart: messages, their paths, and faults.

use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::time::Duration;

use socketio_p2p_core::{Path, Time};

use crate::mesh::{Place, TraceEntry, TraceEvent};

const COLUMN: f64 = 210.0;
const LEFT: f64 = 110.0;
const TOP: f64 = 120.0;
const RIGHT: f64 = 430.0;

/// The height of one moment at which something happened, of a line of text, and the most for a pause before.
const ROW: f64 = 10.0;
const LINE: f64 = 9.0;
const PAUSE: f64 = 20.0;

/// So many texts are written at one place and time.
const MAX_LINES: usize = 4;

/// More entries than this are not drawn: nobody could read them.
const MAX_DRAWN: usize = 6_000;

const RELAY: &str = "#2f6fb3";
const DIRECT: &str = "#2c8a4b";
const VIA: &str = "#8a5cb8";
const LOST: &str = "#c0392b";
const FAULT: &str = "#b35900";
const ASKED: &str = "#666666";
const TEXT: &str = "#222222";

/// Draws the trace of [`run_traced`](super::run_traced) as SVG: the hub and the nodes as columns,
/// time downwards. Pauses in which nothing happens are shortened; the times at the left are true. Emits and what
/// follows from them are drawn, probes and their answers are not.
#[must_use]
pub fn chart(title: &str, trace: &[TraceEntry]) -> String {
    Chart::new(trace).draw(title)
}

/// Where a text stands beside its mark.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
enum Side {
    AboveLeft,
    AboveRight,
    Below,
    Margin,
}

struct Chart<'a> {
    trace: Vec<&'a TraceEntry>,
    left_out: usize,
    /// The columns, and their places from left to right.
    columns: BTreeMap<Place, f64>,
    rows: BTreeMap<Time, f64>,
    /// How many texts are written already, at a place and time, by where they stand.
    written: BTreeMap<(Place, Time, Side), usize>,
    start: Time,
    height: f64,
}

impl<'a> Chart<'a> {
    fn new(trace: &'a [TraceEntry]) -> Self {
        let mut shown: Vec<&TraceEntry> = trace.iter().filter(|entry| matters(entry)).collect();
        let left_out = shown.len().saturating_sub(MAX_DRAWN);
        // The end is where a violation is.
        shown.drain(..left_out);
        let start = trace.first().map_or(Time::ZERO, |entry| entry.at);
        let mut columns = BTreeMap::from([(Place::Hub, LEFT)]);
        for entry in &shown {
            columns.entry(entry.place).or_insert(0.0);
            if let TraceEvent::Sent { to, .. } = &entry.event {
                columns.entry(*to).or_insert(0.0);
            }
        }
        for (index, x) in columns.values_mut().enumerate() {
            *x = LEFT + COLUMN * index as f64;
        }
        // How much room the texts of each moment need, above and below it.
        let mut lines: BTreeMap<(Time, Side, Place), usize> = BTreeMap::new();
        let mut rows: BTreeMap<Time, f64> = BTreeMap::new();
        for entry in &shown {
            rows.insert(entry.at, 0.0);
            if let TraceEvent::Sent { arrives: Some(arrives), .. } = &entry.event {
                rows.insert(*arrives, 0.0);
            }
            *lines.entry((entry.at, side(entry), entry.place)).or_default() += 1;
        }
        let (mut y, mut before, mut below) = (TOP + LINE, None, 0.0);
        for (at, row) in &mut rows {
            let most = |sides: &[Side]| {
                let here = lines.range((*at, Side::AboveLeft, Place::Hub)..);
                let here = here.take_while(|((time, ..), _)| time == at);
                let counts = here.filter(|((_, side, _), _)| sides.contains(side));
                counts.map(|(_, count)| (*count).min(MAX_LINES)).max().unwrap_or(0) as f64
            };
            let pause = before.map_or(Duration::ZERO, |before| *at - before);
            // Long pauses are drawn a little longer than short ones.
            let pause = ((pause.as_secs_f64() * 1e3).ln_1p() * 3.0).min(PAUSE);
            let above = LINE * most(&[Side::AboveLeft, Side::AboveRight]);
            y += ROW + pause.max(above + below);
            *row = y;
            below = LINE * most(&[Side::Below, Side::Margin]);
            before = Some(*at);
        }
        let (written, height) = (BTreeMap::new(), y + below + 40.0);
        Self { trace: shown, left_out, columns, rows, written, start, height }
    }

    /// The line on which the next text at this place goes; none when there are too many.
    fn line(&mut self, entry: &TraceEntry) -> Option<f64> {
        let count = self.written.entry((entry.place, entry.at, side(entry))).or_default();
        *count += 1;
        (*count <= MAX_LINES).then(|| LINE * (*count - 1) as f64)
    }

    fn x(&self, place: Place) -> f64 {
        self.columns.get(&place).copied().unwrap_or(LEFT)
    }

    fn y(&self, at: Time) -> f64 {
        self.rows.get(&at).copied().unwrap_or(TOP)
    }

    fn draw(mut self, title: &str) -> String {
        let width = LEFT + COLUMN * self.columns.len() as f64 + RIGHT - COLUMN;
        let mut svg = String::new();
        let height = self.height;
        // Writing into a text cannot fail.
        let _ok = write!(
            svg,
            "<svg xmlns=\"http://www.w3.org/2000/svg\" width=\"{width:.0}\" height=\"{height:.0}\" \
             viewBox=\"0 0 {width:.0} {height:.0}\" font-family=\"sans-serif\" font-size=\"10\" \
             fill=\"{TEXT}\">\n<rect width=\"100%\" height=\"100%\" fill=\"#ffffff\"/>\n<defs>"
        );
        for (name, colour) in [("relay", RELAY), ("direct", DIRECT), ("lost", LOST)] {
            let _ok = write!(
                svg,
                "<marker id=\"{name}\" viewBox=\"0 0 8 8\" refX=\"8\" refY=\"4\" markerWidth=\"6\" \
                 markerHeight=\"6\" orient=\"auto\"><path d=\"M0 0L8 4L0 8z\" fill=\"{colour}\"/></marker>"
            );
        }
        svg.push_str("</defs>\n");
        self.draw_legend(&mut svg, title);
        for (place, x) in &self.columns {
            let bottom = height - 20.0;
            let _ok = writeln!(
                svg,
                "<line x1=\"{x}\" y1=\"{TOP}\" x2=\"{x}\" y2=\"{bottom:.1}\" stroke=\"#bbbbbb\"/>\
                 <text x=\"{x}\" y=\"{:.1}\" text-anchor=\"middle\" font-size=\"13\" \
                 font-weight=\"bold\">{place}</text>",
                TOP - 8.0
            );
        }
        self.draw_times(&mut svg);
        for entry in std::mem::take(&mut self.trace) {
            self.draw_sight(&mut svg, entry);
        }
        svg.push_str("</svg>\n");
        svg
    }

    fn draw_legend(&self, svg: &mut String, title: &str) {
        let title = escape(title, 160);
        let _ok = writeln!(svg, "<text x=\"16\" y=\"24\" font-size=\"15\">{title}</text>");
        if self.left_out > 0 {
            let left_out = self.left_out;
            let _ok = writeln!(
                svg,
                "<text x=\"16\" y=\"40\">the first {left_out} entries are left out</text>"
            );
        }
        let mut x = 16.0;
        for (colour, dash, text) in
            [(RELAY, "", "to or from the hub"), (DIRECT, "", "direct"), (LOST, "4 3", "lost")]
        {
            let _ok = writeln!(
                svg,
                "<line x1=\"{x}\" y1=\"62\" x2=\"{:.0}\" y2=\"62\" stroke=\"{colour}\" \
                 stroke-width=\"2\" stroke-dasharray=\"{dash}\"/><text x=\"{:.0}\" y=\"66\" \
                 font-size=\"12\">{text}</text>",
                x + 34.0,
                x + 40.0
            );
            x += 170.0;
        }
        let marks = [
            (DIRECT, "path to a peer is now direct"),
            (RELAY, "… through the hub"),
            (VIA, "… through a neighbour"),
        ];
        x = 22.0;
        for (colour, text) in marks {
            let _ok = writeln!(
                svg,
                "<circle cx=\"{x}\" cy=\"84\" r=\"5\" fill=\"{colour}\"/><text x=\"{:.0}\" y=\"88\" \
                 font-size=\"12\">{text}</text>",
                x + 12.0
            );
            x += 210.0;
        }
        let _ok = writeln!(
            svg,
            "<text x=\"{x:.0}\" y=\"88\" font-size=\"12\" fill=\"{FAULT}\">⚡ fault, or its end</text>\
             <text x=\"{:.0}\" y=\"88\" font-size=\"12\" fill=\"{ASKED}\">▸ application</text>",
            x + 140.0
        );
    }

    fn draw_times(&self, svg: &mut String) {
        let mut last = f64::MIN;
        for (at, y) in &self.rows {
            if y - last < 24.0 {
                continue;
            }
            last = *y;
            let millis = (*at - self.start).as_secs_f64() * 1e3;
            let _ok = writeln!(
                svg,
                "<text x=\"8\" y=\"{:.1}\" fill=\"#777777\">{millis:.1} ms</text>",
                y + 3.0
            );
        }
    }

    fn draw_sight(&mut self, svg: &mut String, entry: &TraceEntry) {
        let (x, y) = (self.x(entry.place), self.y(entry.at));
        let line = self.line(entry);
        match &entry.event {
            TraceEvent::Sent { to, arrives, direct, text, .. } => {
                let (colour, marker) = match (arrives, direct) {
                    (None, _) => (LOST, "lost"),
                    (Some(_), true) => (DIRECT, "direct"),
                    (Some(_), false) => (RELAY, "relay"),
                };
                let (mut to_x, mut to_y) = (self.x(*to), arrives.map_or(y + ROW, |at| self.y(at)));
                if arrives.is_none() {
                    // It ends on its way.
                    (to_x, to_y) = (x + (to_x - x) * 0.6, y + (to_y - y) * 0.6);
                }
                let dash = if arrives.is_none() { "4 3" } else { "" };
                let _ok = writeln!(
                    svg,
                    "<line x1=\"{x}\" y1=\"{y:.1}\" x2=\"{to_x:.1}\" y2=\"{to_y:.1}\" stroke=\"{colour}\" \
                     stroke-dasharray=\"{dash}\" marker-end=\"url(#{marker})\"><title>{}</title></line>",
                    escape(text, 200)
                );
                let Some(line) = line else { return };
                let (anchor, by) = if to_x > x { ("start", 6.0) } else { ("end", -6.0) };
                let _ok = writeln!(
                    svg,
                    "<text x=\"{:.1}\" y=\"{:.1}\" text-anchor=\"{anchor}\" font-size=\"8\" \
                     fill=\"{colour}\">{}</text>",
                    x + by,
                    y - 2.0 - line,
                    escape(label(text), 36)
                );
            }
            TraceEvent::PathChanged { peer, path } => {
                let colour = match path {
                    Path::Relay => RELAY,
                    Path::Direct => DIRECT,
                    Path::Via(_) | _ => VIA,
                };
                let text = format!("path to {peer}: {}", name(path));
                let text = escape(&text, 60);
                let _ok = writeln!(
                    svg,
                    "<circle cx=\"{x}\" cy=\"{y:.1}\" r=\"5\" fill=\"{colour}\"><title>{text}</title></circle>"
                );
                if let Some(line) = line {
                    write_text(svg, x + 7.0, y + 8.0 + line, colour, &text);
                }
            }
            TraceEvent::Event(text) => {
                let _ok = writeln!(
                    svg,
                    "<circle cx=\"{x}\" cy=\"{y:.1}\" r=\"2.5\" fill=\"#555555\"><title>{}</title></circle>",
                    escape(text, 300)
                );
                if let Some(line) = line {
                    write_text(svg, x + 5.0, y + 8.0 + line, "#555555", &escape(text, 42));
                }
            }
            TraceEvent::Fault(text) | TraceEvent::Command(text) => {
                let fault = matches!(entry.event, TraceEvent::Fault(_));
                let (colour, mark) = if fault { (FAULT, "⚡ ") } else { (ASKED, "▸ ") };
                let far = LEFT + COLUMN * (self.columns.len() as f64 - 1.0) + 60.0;
                if fault {
                    let _ok = writeln!(
                        svg,
                        "<line x1=\"{LEFT}\" y1=\"{y:.1}\" x2=\"{far:.1}\" y2=\"{y:.1}\" \
                         stroke=\"{FAULT}\" stroke-width=\"0.8\" stroke-dasharray=\"2 4\"/>"
                    );
                }
                if let Some(line) = line {
                    let _ok = writeln!(
                        svg,
                        "<text x=\"{:.1}\" y=\"{:.1}\" fill=\"{colour}\">{mark}{}</text>",
                        far + 4.0,
                        y + 3.0 + line,
                        escape(text, 70),
                    );
                }
            }
        }
    }
}

fn side(entry: &TraceEntry) -> Side {
    match &entry.event {
        TraceEvent::Sent { to, .. } if *to > entry.place => Side::AboveRight,
        TraceEvent::Sent { .. } => Side::AboveLeft,
        TraceEvent::Event(_) | TraceEvent::PathChanged { .. } => Side::Below,
        TraceEvent::Fault(_) | TraceEvent::Command(_) => Side::Margin,
    }
}

fn name(path: &Path) -> &'static str {
    match path {
        Path::Relay => "hub",
        Path::Direct => "direct",
        Path::Via(_) | _ => "neighbour",
    }
}

fn write_text(svg: &mut String, x: f64, y: f64, colour: &str, text: &str) {
    let _ok = writeln!(
        svg,
        "<text x=\"{x:.1}\" y=\"{y:.1}\" font-size=\"8\" fill=\"{colour}\">{text}</text>"
    );
}

/// Probes and their answers say nothing to a reader, nor do the attachments of envelopes.
fn matters(entry: &TraceEntry) -> bool {
    match &entry.event {
        TraceEvent::Sent { text, .. } => {
            let probe = text.contains(",[\"ping\",") || text.contains(",[\"pong\",");
            !probe && !text.ends_with(" bytes")
        }
        TraceEvent::Event(_)
        | TraceEvent::PathChanged { .. }
        | TraceEvent::Fault(_)
        | TraceEvent::Command(_) => true,
    }
}

/// What a packet is, in short: its type and its name.
fn label(text: &str) -> &str {
    text.split_once('[').map_or(text, |(_, rest)| rest)
}

/// A text within SVG, of so many characters at most.
fn escape(text: &str, most: usize) -> String {
    let mut escaped = String::new();
    for character in text.chars().take(most) {
        match character {
            '&' => escaped.push_str("&amp;"),
            '<' => escaped.push_str("&lt;"),
            '>' => escaped.push_str("&gt;"),
            '"' => escaped.push_str("&quot;"),
            control if control.is_control() => escaped.push('\u{fffd}'),
            other => escaped.push(other),
        }
    }
    if text.chars().nth(most).is_some() {
        escaped.push('…');
    }
    escaped
}
