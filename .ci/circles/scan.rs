//! What a file names, read from its tokens.

use std::collections::BTreeMap;

/// What one file names.
#[derive(Default)]
pub struct Scan {
    pub mentions: Vec<Mention>,
    /// Names that `use` brings into the file, with what they stand for.
    pub aliases: BTreeMap<String, Vec<String>>,
    /// Modules that only tests have.
    pub test_modules: Vec<String>,
}

/// A path in the code.
pub struct Mention {
    pub line: usize,
    pub path: Vec<String>,
    pub glob: bool,
}

impl Scan {
    pub fn of(text: &str) -> Scan {
        let tokens = without_tests(&tokens(text));
        let mut scan = Scan { test_modules: tokens.1, ..Scan::default() };
        let tokens = tokens.0;
        let mut at = 0;
        while at < tokens.len() {
            let (line, token) = &tokens[at];
            if token == "use" {
                let start = at + 1;
                let mut leaves = Vec::new();
                at = use_tree(&tokens, start, &[], &mut leaves);
                for (path, name) in leaves {
                    let glob = name == "*";
                    scan.mentions.push(Mention { line: *line, path: path.clone(), glob });
                    if !glob {
                        scan.aliases.insert(name, path);
                    }
                }
            } else if is_word(token)
                && tokens.get(at + 1).is_some_and(|next| next.1 == "::")
                && !(at > 0 && tokens[at - 1].1 == "::")
                && !(at > 1 && tokens[at - 1].1 == "in" && tokens[at - 2].1 == "(")
            {
                let mut path = vec![token.clone()];
                while tokens.get(at + 1).is_some_and(|next| next.1 == "::")
                    && tokens.get(at + 2).is_some_and(|next| is_word(&next.1))
                {
                    path.push(tokens[at + 2].1.clone());
                    at += 2;
                }
                scan.mentions.push(Mention { line: *line, path, glob: false });
            }
            at += 1;
        }
        scan
    }
}

/// Reads a use tree from `at`: a path and a name for each leaf. Returns the index after it.
fn use_tree(
    tokens: &[(usize, String)],
    mut at: usize,
    prefix: &[String],
    leaves: &mut Vec<(Vec<String>, String)>,
) -> usize {
    let mut path = prefix.to_vec();
    while let Some((_, token)) = tokens.get(at) {
        match &token[..] {
            "::" => {}
            "{" => {
                at += 1;
                while tokens.get(at).is_some_and(|token| token.1 != "}") {
                    at = use_tree(tokens, at, &path, leaves);
                    if tokens.get(at).is_some_and(|token| token.1 == ",") {
                        at += 1;
                    }
                }
                return at + 1;
            }
            "*" => {
                leaves.push((path, "*".to_owned()));
                return at + 1;
            }
            "as" => {
                let name = tokens.get(at + 1).map(|token| token.1.clone()).unwrap_or_default();
                leaves.push((path, name));
                return at + 2;
            }
            "self" if !path.is_empty() => {}
            word if is_word(word) => path.push(word.to_owned()),
            _ => break,
        }
        at += 1;
    }
    if let Some(name) = path.last().cloned() {
        leaves.push((path, name));
    }
    at
}

fn is_word(token: &str) -> bool {
    token.starts_with(|c: char| c == '_' || c.is_alphabetic())
}

type Tokens = Vec<(usize, String)>;

/// The tokens that are not of tests, and the names of test modules in files of their own.
fn without_tests(tokens: &Tokens) -> (Tokens, Vec<String>) {
    let mut kept = Vec::new();
    let mut modules = Vec::new();
    let mut at = 0;
    let word = |at: usize| tokens.get(at).map_or("", |token| &token.1[..]);
    while at < tokens.len() {
        if word(at) != "#" {
            kept.push(tokens[at].clone());
            at += 1;
            continue;
        }
        let open = if word(at + 1) == "!" { at + 2 } else { at + 1 };
        let end = close(tokens, open);
        let test = word(open + 1) == "cfg" && matches!(word(open + 3), "test" | "doctest");
        at = end;
        if test {
            while word(at) == "#" {
                at = close(tokens, at + 1);
            }
            while at < tokens.len() && !matches!(word(at), "{" | ";") {
                if word(at) == "mod" && word(at + 2) == ";" {
                    modules.push(word(at + 1).to_owned());
                }
                at += 1;
            }
            at = if word(at) == "{" { close(tokens, at) } else { at + 1 };
        }
    }
    (kept, modules)
}

/// The index after the bracket that closes the one at `open`.
fn close(tokens: &Tokens, open: usize) -> usize {
    let mut depth = 0_usize;
    for (at, (_, token)) in tokens.iter().enumerate().skip(open) {
        match &token[..] {
            "{" | "[" | "(" => depth += 1,
            "}" | "]" | ")" => depth = depth.saturating_sub(1),
            _ => {}
        }
        if depth == 0 {
            return at + 1;
        }
    }
    tokens.len()
}

/// Words, `::` and single characters, each with its line; no comments, no literals.
fn tokens(text: &str) -> Tokens {
    let chars: Vec<char> = text.chars().collect();
    let mut tokens = Vec::new();
    let mut line = 1;
    let mut at = 0;
    let is = |at: usize, wanted: &str| {
        wanted.chars().enumerate().all(|(offset, c)| chars.get(at + offset) == Some(&c))
    };
    while at < chars.len() {
        let start = at;
        let c = chars[at];
        if is(at, "//") {
            while at < chars.len() && chars[at] != '\n' {
                at += 1;
            }
        } else if is(at, "/*") {
            let mut depth = 0;
            loop {
                if is(at, "/*") {
                    depth += 1;
                    at += 2;
                } else if is(at, "*/") {
                    depth -= 1;
                    at += 2;
                } else {
                    at += 1;
                }
                if depth == 0 || at >= chars.len() {
                    break;
                }
            }
        } else if c == '"' {
            at = string_end(&chars, at);
        } else if c == '\'' {
            // A lifetime has no closing quote right after its first character.
            at = if chars.get(at + 1) == Some(&'\\') {
                (at + 3..chars.len()).find(|at| chars[*at] == '\'').map_or(chars.len(), |at| at + 1)
            } else if chars.get(at + 2) == Some(&'\'') {
                at + 3
            } else {
                at + 1
            };
        } else if c == '_' || c.is_alphanumeric() {
            while chars.get(at).is_some_and(|c| *c == '_' || c.is_alphanumeric()) {
                at += 1;
            }
            let word: String = chars[start..at].iter().collect();
            let hashes = chars[at..].iter().take_while(|c| **c == '#').count();
            if matches!(&word[..], "r" | "br" | "cr") && chars.get(at + hashes) == Some(&'"') {
                let end = format!("\"{}", "#".repeat(hashes));
                at += hashes + 1;
                while at < chars.len() && !is(at, &end) {
                    at += 1;
                }
                at += end.len();
            } else if matches!(&word[..], "b" | "c") && chars.get(at) == Some(&'"') {
                at = string_end(&chars, at);
            } else if word == "b" && chars.get(at) == Some(&'\'') {
                // The literal itself is read next.
            } else {
                tokens.push((line, word));
            }
        } else if is(at, "::") {
            tokens.push((line, "::".to_owned()));
            at += 2;
        } else {
            if !c.is_whitespace() {
                tokens.push((line, c.to_string()));
            }
            at += 1;
        }
        at = at.min(chars.len());
        line += chars[start..at].iter().filter(|c| **c == '\n').count();
    }
    tokens
}

/// The index after the string that begins at `at`.
fn string_end(chars: &[char], mut at: usize) -> usize {
    at += 1;
    while at < chars.len() && chars[at] != '"' {
        at += if chars[at] == '\\' { 2 } else { 1 };
    }
    at + 1
}

#[cfg(test)]
mod tests {
    use super::Scan;

    fn mentions(text: &str) -> Vec<String> {
        Scan::of(text).mentions.iter().map(|mention| mention.path.join("::")).collect()
    }

    #[test]
    fn a_use_tree_names_each_of_its_leaves() {
        let scan = Scan::of("use crate::a::{self, B, c::{D as E, *}};");
        let paths: Vec<String> = scan.mentions.iter().map(|one| one.path.join("::")).collect();
        assert_eq!(paths, ["crate::a", "crate::a::B", "crate::a::c::D", "crate::a::c"]);
        assert_eq!(scan.aliases["E"].join("::"), "crate::a::c::D");
    }

    #[test]
    fn paths_within_the_code_are_named() {
        assert_eq!(
            mentions("fn f() -> super::X { crate::a::g(b::C::new()) }"),
            ["super::X", "crate::a::g", "b::C::new"]
        );
    }

    #[test]
    fn comments_literals_visibilities_and_tests_do_not_count() {
        let text = r##"
            //! [`crate::a::A`]
            /* crate::a::A /* nested */ crate::a::A */
            pub(in crate::a) fn f<'a>(s: &'a str) -> char { r#"crate::a::A""#; "\"crate::a::A"; '"' }
            #[cfg(test)]
            #[allow(unused)]
            mod tests { use crate::a::A; }
            #[cfg(test)]
            mod other;
        "##;
        assert_eq!(mentions(text), Vec::<String>::new());
        assert_eq!(Scan::of(text).test_modules, ["other"]);
    }
}
