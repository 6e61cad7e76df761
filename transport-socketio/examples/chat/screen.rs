//! The terminal: columns, and colours if wanted.

use std::borrow::Cow;
use std::io::IsTerminal as _;

use socketio_p2p_core::Path;

/// The colours of names, readable on black and on white.
const NAMES: [&str; 6] = ["36", "33", "35", "34", "32", "31"];

#[derive(Clone, Copy, Debug)]
pub(crate) enum Style {
    Bold,
    Dim,
    Good,
    Bad,
    /// The colour of the person with this number.
    Name(usize),
}

/// Styles text, unless standard output is no terminal or `NO_COLOR` is set.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Screen {
    colours: bool,
}

impl Screen {
    pub(crate) fn new() -> Self {
        let unwanted = std::env::var_os("NO_COLOR").is_some_and(|value| !value.is_empty())
            || std::env::var_os("TERM").is_some_and(|terminal| terminal == "dumb");
        Self { colours: std::io::stdout().is_terminal() && !unwanted }
    }

    pub(crate) fn paint<'a>(&self, style: Style, text: &'a str) -> Cow<'a, str> {
        if !self.colours || text.trim().is_empty() {
            return text.into();
        }
        let code = match style {
            Style::Bold => "1",
            Style::Dim => "2",
            Style::Good => "32",
            Style::Bad => "31",
            Style::Name(number) => NAMES[number % NAMES.len()],
        };
        format!("\u{1b}[{code}m{text}\u{1b}[0m").into()
    }
}

pub(crate) fn path_name(path: &Path) -> &'static str {
    match path {
        Path::Relay => "server",
        Path::Direct => "direct",
        Path::Via(_) | _ => "peer",
    }
}

/// Formats a number of bytes: `1,048,576 bytes`.
pub(crate) fn bytes(number: impl ToString) -> String {
    let digits = number.to_string();
    let mut text = String::new();
    for (index, digit) in digits.chars().enumerate() {
        if index > 0 && (digits.len() - index).is_multiple_of(3) {
            text.push(',');
        }
        text.push(digit);
    }
    text + if digits == "1" { " byte" } else { " bytes" }
}
