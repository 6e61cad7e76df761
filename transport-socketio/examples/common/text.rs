//! Texts of other peers, safe to print.

/// The first `max` characters of a text, without those that could control a terminal.
pub(crate) fn printable(text: &str, max: usize) -> String {
    let mut characters = text.chars().filter(|&c| is_printable(c));
    let mut clean: String = characters.by_ref().take(max).collect();
    if characters.next().is_some() {
        clean.push('…');
    }
    clean
}

/// Whether a character is neither a control character nor one that changes the direction or position of others.
pub(crate) fn is_printable(c: char) -> bool {
    let invisible = matches!(c, '\u{200b}'..='\u{200f}' | '\u{2028}'..='\u{202e}' | '\u{2060}'..='\u{206f}' | '\u{feff}');
    !c.is_control() && !invisible
}
