//! Lines of standard input.

use std::io::{self, BufRead, Read as _};

use tokio::sync::mpsc;

/// A line of input, or the reason why there is none.
#[derive(Debug)]
pub(crate) enum Line {
    Text(String),
    /// The line was longer than allowed and was skipped.
    TooLong,
    /// The line was not UTF-8 and was skipped.
    NotText,
    Failed(io::Error),
}

/// Reads standard input on its own thread, because a read cannot be interrupted; the thread ends with the process.
/// Lines wait in the pipe until they are asked for. The channel closes at the end of the input.
pub(crate) fn lines(max_bytes: usize) -> mpsc::Receiver<Line> {
    let (sender, lines) = mpsc::channel(1);
    std::thread::spawn(move || {
        let mut input = io::stdin().lock();
        while let Some(line) = read_line(&mut input, max_bytes) {
            let failed = matches!(line, Line::Failed(_));
            if sender.blocking_send(line).is_err() || failed {
                break;
            }
        }
    });
    lines
}

fn read_line(input: &mut impl BufRead, max_bytes: usize) -> Option<Line> {
    let mut line = Vec::new();
    let limit = u64::try_from(max_bytes).unwrap_or(u64::MAX).saturating_add(1);
    match input.by_ref().take(limit).read_until(b'\n', &mut line) {
        Ok(0) => None,
        Ok(_) if line.last() != Some(&b'\n') && line.len() > max_bytes => {
            Some(input.skip_until(b'\n').map_or_else(Line::Failed, |_| Line::TooLong))
        }
        Ok(_) => {
            while matches!(line.last(), Some(b'\n' | b'\r')) {
                line.pop();
            }
            Some(String::from_utf8(line).map_or(Line::NotText, Line::Text))
        }
        Err(error) => Some(Line::Failed(error)),
    }
}
