//! Reads the events and spans out of source files.

use std::collections::BTreeSet;
use std::path::Path;

use super::table::Kind;

/// The macros, with the levels that the table has for them.
const MACROS: [(&str, &str); 10] = [
    ("trace", "trace"),
    ("debug", "debug"),
    ("info", "info"),
    ("warn", "warn"),
    ("error", "error"),
    ("trace_span", "span, trace"),
    ("debug_span", "span, debug"),
    ("info_span", "span"),
    ("warn_span", "span, warn"),
    ("error_span", "span, error"),
];

/// Returns what the source files in a folder log.
pub(crate) fn kinds(folder: &Path) -> BTreeSet<Kind> {
    let mut kinds = BTreeSet::new();
    for entry in std::fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() {
            kinds.extend(self::kinds(&path));
        } else if path.extension().is_some_and(|extension| extension == "rs") {
            let text = std::fs::read_to_string(&path).unwrap();
            let code = text.lines().filter(|line| !line.trim_start().starts_with("//"));
            let code: String = code.flat_map(|line| [line, "\n"]).collect();
            kinds.extend(calls(&code).map(|(level, call)| kind(level, call)));
        }
    }
    kinds
}

/// Returns the calls of the macros, each as its level and what follows its opening parenthesis.
fn calls(code: &str) -> impl Iterator<Item = (&'static str, &str)> {
    MACROS.into_iter().flat_map(move |(name, level)| {
        let call = format!("{name}!(");
        let is_name = |char: char| char.is_alphanumeric() || char == '_';
        let begins: Vec<usize> = code.match_indices(&call).map(|(at, _)| at).collect();
        let whole = begins.into_iter().filter(move |at| !code[..*at].ends_with(is_name));
        whole.map(move |at| (level, &code[at + name.len() + 2..]))
    })
}

/// Reads the arguments of a call.
fn kind(level: &str, call: &str) -> Kind {
    let (mut target, mut message, mut fields) = (None, None, BTreeSet::new());
    for argument in arguments(call) {
        if let Some(literal) = argument.strip_prefix("target:") {
            target = Some(literal.trim().trim_matches('"').to_owned());
        } else if argument.starts_with('"') {
            message = Some(argument.trim_matches('"').to_owned());
        } else {
            let name = argument.split('=').next().unwrap_or_default();
            fields.insert(name.trim().trim_start_matches(['%', '?']).to_owned());
        }
    }
    let (Some(target), Some(message)) = (target, message) else {
        panic!("expected a target and a text in {level}: {call:.200}");
    };
    Kind { target, level: level.to_owned(), message, fields }
}

/// Splits at the commas up to the closing parenthesis.
fn arguments(call: &str) -> Vec<&str> {
    let (mut arguments, mut begin, mut depth, mut in_text) = (Vec::new(), 0, 0, false);
    for (at, char) in call.char_indices() {
        match char {
            '"' => in_text = !in_text,
            _ if in_text => {}
            '(' | '[' | '{' => depth += 1,
            ')' if depth == 0 => {
                arguments.push(call[begin..at].trim());
                break;
            }
            ')' | ']' | '}' => depth -= 1,
            ',' if depth == 0 => {
                arguments.push(call[begin..at].trim());
                begin = at + 1;
            }
            _ => {}
        }
    }
    arguments.retain(|argument| !argument.is_empty());
    arguments
}
