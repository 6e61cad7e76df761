//! Generated streams, decoded by the codec and by the reference parser: every difference is a documented one.

use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::io::{BufRead, BufReader, Write as _};
use std::path::Path;
use std::process::{Command, Stdio};

use serde_json::{Value, json};

use super::reference::filter;

const STREAMS: usize = 50_000;

#[test]
fn a_hundred_thousand_generated_packets_differ_from_the_reference_parser_only_as_documented() {
    let directory = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/reference");
    if !has_reference_parser(&directory) {
        let hint = "install Node.js and run `npm ci` in core/tests/reference";
        assert!(std::env::var_os("CI").is_none(), "the reference parser is missing: {hint}");
        #[allow(clippy::print_stderr, reason = "the output must show that the test was skipped")]
        {
            eprintln!("SKIPPED the comparison with the reference parser: {hint}");
        }
        return;
    }

    let mut random = Random(0x5EED_0000_0000_0001);
    let mut packets = 0;
    let lines: Vec<String> = (0..STREAMS)
        .map(|_| {
            let (frames, in_stream) = stream(&mut random);
            packets += in_stream;
            json!({ "frames": frames }).to_string()
        })
        .collect();
    assert!(packets >= 100_000, "only {packets} packets");

    let mut node = Command::new("node")
        .arg("judge.mjs")
        .current_dir(&directory)
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .spawn()
        .expect("node starts");
    let mut input = node.stdin.take().expect("a pipe");
    let output = BufReader::new(node.stdout.take().expect("a pipe"));
    let text = lines.join("\n");
    let writer = std::thread::spawn(move || input.write_all(text.as_bytes()));

    let mut seen = BTreeMap::new();
    let mut judged = 0;
    for (line, theirs) in lines.iter().zip(output.lines()) {
        let theirs: Value = serde_json::from_str(&theirs.expect("a line")).expect("JSON");
        let ours = filter::decode_line(line.as_bytes()).expect("an answer");
        let ours = serde_json::to_value(ours).expect("JSON");
        let outcome = compare(line, &ours, &theirs).unwrap_or_else(|| {
            panic!("an undocumented difference:\n{line}\nours   {ours}\ntheirs {theirs}")
        });
        *seen.entry(outcome).or_insert(0) += 1;
        judged += 1;
    }
    writer.join().expect("no panic").expect("node reads");
    assert!(node.wait().expect("node ends").success());
    assert_eq!(judged, STREAMS);
    // The generator reaches every outcome.
    for outcome in [
        "accepted",
        "rejected",
        "plain-decimal",
        "space-in-header",
        "exact-numbers",
        "payload-mandatory",
    ] {
        assert!(seen.get(outcome).is_some_and(|count| *count > 50), "{seen:?}");
    }
}

fn has_reference_parser(directory: &Path) -> bool {
    let installed = || directory.join("node_modules/socket.io-parser").exists();
    let runs = |command: &mut Command| {
        let command = command.stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null());
        command.current_dir(directory).status().is_ok_and(|status| status.success())
    };
    runs(Command::new("node").arg("--version"))
        && (installed()
            || runs(Command::new("npm").args(["ci", "--no-audit", "--no-fund"])) && installed())
}

/// Compares two results: returns `""` or the name of the documented difference, or `None` for an undocumented
/// one.
fn compare(line: &str, ours: &Value, theirs: &Value) -> Option<&'static str> {
    let (our_packets, their_packets) = (ours["packets"].as_array()?, theirs["packets"].as_array()?);
    let (our_error, their_error) = (ours.get("error"), theirs.get("error"));
    let common = our_packets.len().min(their_packets.len());
    let same_start = our_packets[..common]
        .iter()
        .zip(&their_packets[..common])
        .all(|(ours, theirs)| same(ours, theirs));
    if !same_start {
        return None;
    }
    let Some(error) = our_error else {
        let late =
            ours["pending"] == true && their_error.is_some_and(|error| error == "invalid payload");
        if late && our_packets.len() == their_packets.len() {
            return Some("late-payload");
        }
        let same_end = their_error.is_none()
            && our_packets.len() == their_packets.len()
            && ours["pending"] == theirs["pending"];
        let exact = our_packets == their_packets || !has_wide_number(line);
        return same_end.then_some(if exact { "accepted" } else { "exact-numbers" });
    };
    if their_error.is_some() && our_packets.len() == their_packets.len() {
        return Some("rejected");
    }
    // The codec rejects what the reference accepts: the reason must be documented.
    let frames: Value = serde_json::from_str(line).ok()?;
    let frame = &frames["frames"][usize::try_from(error["frame"].as_u64()?).ok()?];
    let head = frame.as_str()?;
    let found = head.get(usize::try_from(error["offset"].as_u64()?).ok()?..)?.chars().next();
    let message = error["message"].as_str()?;
    match error["kind"].as_str()? {
        "empty-frame" => Some("type-digit"),
        "unknown-type" if found.is_some_and(is_js_space) => Some("type-digit"),
        "attachment-count" => {
            let (count, _) = head[1..].split_once('-')?;
            (!is_plain_decimal(count)).then_some("plain-decimal")
        }
        "placeholder" if message.contains("plain decimal number") => Some("plain-decimal"),
        "placeholder" => {
            let frame = usize::try_from(error["frame"].as_u64()?).ok()?;
            agrees_without_overridden_values(frames, frame, theirs)
                .then_some("overridden-placeholder")
        }
        "ack-id" if found == Some('0') => Some("plain-decimal"),
        "ack-id" => Some("exact-numbers"),
        "payload" if found.is_none() => Some("payload-mandatory"),
        "payload" if found.is_some_and(is_js_space) => Some("space-in-header"),
        "ack-id-missing" => Some("ack-id-mandatory"),
        "ack-id-unexpected" => Some("ack-id-meaningless"),
        "event-name" if found.is_some_and(|found| found == '-' || found.is_ascii_digit()) => {
            Some("event-name-number")
        }
        "json" if message.contains("surrogate") => Some("lone-surrogate"),
        "json" if message.contains("double") => Some("number-range"),
        "json" if message.contains("nested no deeper") => Some("nesting"),
        "namespace-too-long" | "event-name-too-long" => Some("name-limits"),
        _ => None,
    }
}

/// Returns whether both results are the same without the values of keys that are repeated in the same object.
fn agrees_without_overridden_values(mut frames: Value, index: usize, theirs: &Value) -> bool {
    let frame = &mut frames["frames"][index];
    let head = frame.as_str().expect("a head").to_owned();
    let payload = head.find('[').expect("an array");
    let Ok(value) = serde_json::from_str::<Value>(&head[payload..]) else { return false };
    *frame = json!(format!("{}{value}", &head[..payload]));
    let line = frames.to_string();
    let ours = filter::decode_line(line.as_bytes()).expect("an answer");
    let ours = serde_json::to_value(ours).expect("JSON");
    compare(&line, &ours, theirs).is_some()
}

/// Returns whether JavaScript converts the character to the number 0.
fn is_js_space(char: char) -> bool {
    char.is_whitespace() && char != '\u{85}' || char == '\u{feff}'
}

fn is_plain_decimal(text: &str) -> bool {
    text.bytes().all(|byte| byte.is_ascii_digit()) && !text.starts_with('0') && !text.is_empty()
}

/// Returns whether a number may be beyond the exact range of a double.
fn has_wide_number(line: &str) -> bool {
    line.split(|char: char| !char.is_ascii_digit()).any(|digits| digits.len() >= 16)
}

/// Compares all numbers as doubles and without negative zero, as JavaScript writes them.
fn same(ours: &Value, theirs: &Value) -> bool {
    match (ours, theirs) {
        (Value::Number(ours), Value::Number(theirs)) => {
            let (ours, theirs) = (ours.as_f64().unwrap(), theirs.as_f64().unwrap());
            // `serde_json`, which reads the answers, may differ in the last bits.
            (ours - theirs).abs() <= ours.abs() * 4.0 * f64::EPSILON
        }
        (Value::Array(ours), Value::Array(theirs)) => {
            ours.len() == theirs.len()
                && ours.iter().zip(theirs).all(|(ours, theirs)| same(ours, theirs))
        }
        (Value::Object(ours), Value::Object(theirs)) => {
            ours.len() == theirs.len()
                && ours
                    .iter()
                    .all(|(key, ours)| theirs.get(key).is_some_and(|theirs| same(ours, theirs)))
        }
        _ => ours == theirs,
    }
}

/// A xorshift generator: the same streams in every run.
struct Random(u64);

impl Random {
    fn next(&mut self) -> u64 {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        self.0.wrapping_mul(0x2545_F491_4F6C_DD1D)
    }

    fn below(&mut self, bound: usize) -> usize {
        usize::try_from((self.next() >> 33) % bound as u64).expect("less than the bound")
    }

    fn one_in(&mut self, odds: usize) -> bool {
        self.below(odds) == 0
    }

    fn pick<'a>(&mut self, choices: &[&'a str]) -> &'a str {
        choices[self.below(choices.len())]
    }
}

/// Generates the frames of some packets, and the number of packets before any was damaged.
fn stream(random: &mut Random) -> (Vec<Value>, usize) {
    let packets = 1 + random.below(4);
    let mut frames = Vec::new();
    for _ in 0..packets {
        let (head, attachments) = packet(random);
        let head = if random.one_in(4) { damaged(random, &head) } else { head };
        frames.push(json!(head));
        frames.extend(
            (0..attachments).map(|_| json!({ "$bytes": random.pick(&["", "AA==", "AQID"]) })),
        );
    }
    if random.one_in(20) {
        let at = random.below(frames.len());
        frames.remove(at);
    }
    if random.one_in(20) {
        let at = random.below(frames.len() + 1);
        frames.insert(at, json!({ "$bytes": "/w==" }));
    }
    (frames, packets)
}

fn packet(random: &mut Random) -> (String, usize) {
    let mut head = String::new();
    let kind = random.pick(&["0", "1", "2", "2", "2", "3", "4", "5", "5", "6"]);
    head.push_str(kind);
    let attachments = if matches!(kind, "5" | "6") { 1 + random.below(3) } else { 0 };
    if attachments > 0 {
        let _ = write!(head, "{attachments}-");
    }
    if random.one_in(3) {
        head.push_str(random.pick(&["/admin,", "/a?b=c&d=1,", "/,", "/방,", "/x", "//,", "/1,"]));
    }
    let may_have_id = !matches!(kind, "0" | "1" | "4");
    if matches!(kind, "3" | "6") || may_have_id && random.one_in(3) || random.one_in(50) {
        head.push_str(random.pick(&[
            "0",
            "7",
            "12",
            "99",
            "2147483648",
            "9007199254740993",
            "18446744073709551616",
            "007",
        ]));
    }
    match kind {
        "0" if random.one_in(2) => object(random, &mut head, 2, attachments),
        "4" if random.one_in(2) => object(random, &mut head, 2, attachments),
        "4" => head.push_str("\"refused\""),
        "2" | "5" => {
            head.push('[');
            head.push_str(random.pick(&[
                "\"e\"",
                "\"e\"",
                "\"long name\"",
                "\"\\u0065\"",
                "\"방\"",
                "\"\"",
                "7",
                "-1",
                "1.5",
                "\"connect\"",
                "null",
                "\"error\"",
            ]));
            for _ in 0..random.below(4) {
                head.push(',');
                value(random, &mut head, 3, attachments);
            }
            head.push(']');
        }
        "3" | "6" => array(random, &mut head, 3, attachments),
        _ => {}
    }
    (head, attachments)
}

fn value(random: &mut Random, out: &mut String, depth: usize, attachments: usize) {
    match random.below(if depth == 0 { 6 } else { 9 }) {
        0 => out.push_str(random.pick(&["null", "true", "false"])),
        1 => {
            let _ = write!(out, "{}", random.next() as i64 >> random.below(64));
        }
        2 => {
            let float = f64::from_bits(random.next());
            let _ =
                if float.is_finite() { write!(out, "{float:e}") } else { write!(out, "{:?}", 0.1) };
        }
        3 => out.push_str(random.pick(&[
            "1e999",
            "-0",
            "0.5",
            "1E+2",
            "123456789012345678901234567890",
            "5e-324",
            "0.1e1",
        ])),
        4 => out.push_str(random.pick(&[
            "\"\"",
            "\"text\"",
            "\"\\n\\\"\\\\\"",
            "\"\\ud83d\\ude00\"",
            "\"\\ud800\"",
            "\"é\u{2028}\"",
            "\"_placeholder\"",
            "\"\\/\"",
        ])),
        5 => {
            let index = random.below(attachments + 1);
            let number = index.to_string();
            let number = if random.one_in(8) {
                random.pick(&["0.5", "-1", "0.0", "\"0\"", "null", "1e0"])
            } else {
                &number
            };
            let flag = if random.one_in(8) { random.pick(&["false", "1", "null"]) } else { "true" };
            let _ = match random.below(6) {
                0 => write!(out, "{{\"num\":{number},\"_placeholder\":{flag}}}"),
                1 => write!(out, "{{ \"_placeholder\" : {flag},\"x\":[{{}}],\"num\": {number}}}"),
                2 => write!(out, "{{\"\\u005fplaceholder\":{flag},\"num\":{number}}}"),
                _ => write!(out, "{{\"_placeholder\":{flag},\"num\":{number}}}"),
            };
        }
        6 | 7 => array(random, out, depth - 1, attachments),
        _ => object(random, out, depth - 1, attachments),
    }
}

fn array(random: &mut Random, out: &mut String, depth: usize, attachments: usize) {
    out.push('[');
    for index in 0..random.below(4) {
        out.push_str(if index > 0 { random.pick(&[",", ",", " , ", ",\n"]) } else { "" });
        value(random, out, depth, attachments);
    }
    out.push(']');
}

fn object(random: &mut Random, out: &mut String, depth: usize, attachments: usize) {
    out.push('{');
    for index in 0..random.below(4) {
        out.push_str(if index > 0 { "," } else { "" });
        out.push_str(random.pick(&[
            "\"a\":",
            "\"b\":",
            "\"num\":",
            "\"__proto__\":",
            "\"toJSON\":",
            "\"\\u0061\" : ",
            "\"_placeholder\":",
        ]));
        value(random, out, depth, attachments);
    }
    out.push('}');
}

/// Removes, inserts or replaces some characters.
fn damaged(random: &mut Random, text: &str) -> String {
    let mut chars: Vec<char> = text.chars().collect();
    for _ in 0..1 + random.below(3) {
        let at = random.below(chars.len() + 1);
        let odd = random.pick(&[
            "[", "]", "{", "}", ",", ":", "\"", "\\", "-", "/", "0", "1", "9", "5", " ", "\n",
            "\t", ".", "e", "x", "\u{a0}", "é", "\u{0}", "\u{feff}", "_",
        ]);
        match random.below(3) {
            0 if at < chars.len() => {
                chars.remove(at);
            }
            1 if at < chars.len() => chars.splice(at..=at, odd.chars()).for_each(drop),
            _ => chars.splice(at..at, odd.chars()).for_each(drop),
        }
    }
    chars.into_iter().collect()
}
