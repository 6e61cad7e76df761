//! The JSON grammar (RFC 8259) of the codec, for checking, skipping and deserialising.
//!
//! All functions are iterative: depth is a count, never a call stack.

use super::error::{JsonError, ScanError};
use super::limits::MAX_DEPTH;

type Scan<T> = Result<T, ScanError>;

/// Returns the offset after any whitespace at `pos`.
#[inline]
pub(crate) fn skip_whitespace(bytes: &[u8], mut pos: usize) -> usize {
    while let Some(b' ' | b'\n' | b'\r' | b'\t') = bytes.get(pos) {
        pos += 1;
    }
    pos
}

pub(crate) const fn is_whitespace(byte: u8) -> bool {
    matches!(byte, b' ' | b'\n' | b'\r' | b'\t')
}

const ONES: u64 = u64::from_ne_bytes([0x01; 8]);
const HIGHS: u64 = u64::from_ne_bytes([0x80; 8]);

/// Returns the high bit of the first byte that ends a run of plain string characters: below 0x20, `"` or `\`.
/// Higher bits may be wrong (a borrow), the lowest set bit is exact.
#[inline]
const fn special_bits(word: u64) -> u64 {
    let control = word.wrapping_sub(ONES * 0x20);
    let quote = (word ^ (ONES * b'"' as u64)).wrapping_sub(ONES);
    let backslash = (word ^ (ONES * b'\\' as u64)).wrapping_sub(ONES);
    (control | quote | backslash) & !word & HIGHS
}

/// Returns whether the byte cannot appear literally inside a JSON string.
#[inline]
const fn is_special(byte: u8) -> bool {
    byte < 0x20 || byte == b'"' || byte == b'\\'
}

/// Returns 0xFF for each byte that cannot appear literally inside a JSON string, 0 for the others.
#[inline]
pub(crate) fn special_bytes<const N: usize>(bytes: &[u8; N]) -> [u8; N] {
    bytes.map(|byte| if is_special(byte) { 0xFF } else { 0 })
}

/// Returns the offset of the first byte at or after `pos` that cannot appear literally inside a JSON string, or
/// the end.
#[inline]
pub(crate) fn find_special(bytes: &[u8], pos: usize) -> usize {
    let rest = bytes.get(pos..).unwrap_or_default();
    let Some(chunk) = rest.first_chunk::<8>() else {
        // The padding bytes are special, and the first of them stands for the end.
        return pos + special_bits(short_word(rest)).trailing_zeros() as usize / 8;
    };
    let bits = special_bits(u64::from_le_bytes(*chunk));
    if bits != 0 {
        return pos + bits.trailing_zeros() as usize / 8;
    }
    find_special_further(bytes, pos + 8)
}

/// Most strings end within two words; longer ones are searched 32 bytes at a time, which compilers vectorise,
/// then 8.
fn find_special_further(bytes: &[u8], mut pos: usize) -> usize {
    let mut words = 1;
    while let Some(chunk) = bytes.get(pos..).and_then(|rest| rest.first_chunk::<8>()) {
        let bits = special_bits(u64::from_le_bytes(*chunk));
        if bits != 0 {
            return pos + bits.trailing_zeros() as usize / 8;
        }
        pos += 8;
        words += 1;
        if words == 2 {
            pos = skip_plain_blocks(bytes, pos);
        }
    }
    let rest = bytes.get(pos..).unwrap_or_default();
    pos + special_bits(short_word(rest)).trailing_zeros() as usize / 8
}

/// Returns up to seven bytes as a word, padded with zeros.
#[inline]
fn short_word(bytes: &[u8]) -> u64 {
    match (bytes.first_chunk::<4>(), bytes.last_chunk::<4>()) {
        (Some(first), Some(last)) => {
            let [first, last] = [first, last].map(|half| u64::from(u32::from_le_bytes(*half)));
            first | last << (8 * (bytes.len() - 4))
        }
        _ => bytes.iter().rev().fold(0, |word, byte| word << 8 | u64::from(*byte)),
    }
}

/// Skips whole blocks without a special byte.
fn skip_plain_blocks(bytes: &[u8], mut pos: usize) -> usize {
    while let Some(block) = bytes.get(pos..).and_then(|rest| rest.first_chunk::<32>()) {
        if block.iter().fold(false, |special, byte| special | is_special(*byte)) {
            break;
        }
        pos += 32;
    }
    pos
}

/// The extent of a checked string literal.
#[derive(Clone, Copy, Debug)]
pub(crate) struct StringEnd {
    /// The offset of the closing quote.
    pub(crate) end: usize,
    /// Whether the literal has escapes.
    pub(crate) escaped: bool,
}

/// Checks the string literal that begins at `pos`, after the opening quote.
#[inline]
pub(crate) fn scan_string(bytes: &[u8], pos: usize) -> Scan<StringEnd> {
    let end = find_special(bytes, pos);
    if bytes.get(end) == Some(&b'"') {
        return Ok(StringEnd { end, escaped: false });
    }
    scan_string_slow(bytes, end)
}

fn scan_string_slow(bytes: &[u8], mut pos: usize) -> Scan<StringEnd> {
    loop {
        pos = find_special(bytes, pos);
        match bytes.get(pos) {
            Some(b'"') => return Ok(StringEnd { end: pos, escaped: true }),
            Some(b'\\') => match bytes.get(pos + 1) {
                Some(byte) if SIMPLE_ESCAPES[usize::from(*byte)] != 0 => pos += 2,
                _ => pos = read_unicode_escape(bytes, pos)?.1,
            },
            Some(_) => return Err(ScanError::new(JsonError::ControlCharacter, pos)),
            None => return Err(ScanError::expected("the closing quote", bytes, pos)),
        }
    }
}

/// Reads a `\u` escape, which begins with the backslash at `pos`. Returns the character and the offset after
/// it.
fn read_unicode_escape(bytes: &[u8], pos: usize) -> Scan<(char, usize)> {
    if bytes.get(pos + 1) != Some(&b'u') {
        return Err(ScanError::expected("an escape", bytes, pos + 1));
    }
    let first = read_hex4(bytes, pos + 2)?;
    let lone = || ScanError::new(JsonError::LoneSurrogate, pos);
    if let Some(char) = char::from_u32(first) {
        return Ok((char, pos + 6));
    }
    if first >= 0xDC00 || bytes.get(pos + 6..pos + 8) != Some(br"\u") {
        return Err(lone());
    }
    let second = read_hex4(bytes, pos + 8)?;
    if !(0xDC00..0xE000).contains(&second) {
        return Err(lone());
    }
    let code = 0x1_0000 + ((first - 0xD800) << 10) + (second - 0xDC00);
    char::from_u32(code).map(|char| (char, pos + 12)).ok_or_else(lone)
}

fn read_hex4(bytes: &[u8], pos: usize) -> Scan<u32> {
    let mut code = 0;
    for at in pos..pos + 4 {
        let digit = bytes.get(at).and_then(|&byte| char::from(byte).to_digit(16));
        let digit = digit.ok_or_else(|| ScanError::expected("four hex digits", bytes, at))?;
        code = code << 4 | digit;
    }
    Ok(code)
}

/// Unescapes the string literal that begins at `start`, up to its closing quote: appends the characters and
/// returns the quote's offset.
pub(crate) fn unescape_into(out: &mut String, text: &str, mut start: usize) -> Scan<usize> {
    let bytes = text.as_bytes();
    loop {
        let end = find_special(bytes, start);
        if end > start {
            out.push_str(&text[start..end]);
        }
        match bytes.get(end) {
            Some(b'"') => return Ok(end),
            Some(b'\\') => {}
            Some(_) => return Err(ScanError::new(JsonError::ControlCharacter, end)),
            None => return Err(ScanError::expected("the closing quote", bytes, end)),
        }
        let simple = bytes.get(end + 1).map_or(0, |byte| SIMPLE_ESCAPES[usize::from(*byte)]);
        if simple != 0 {
            out.push(char::from(simple));
            start = end + 2;
        } else {
            let (char, next) = read_unicode_escape(bytes, end)?;
            out.push(char);
            start = next;
        }
    }
}

/// The characters that simple escapes stand for; 0 for all other escapes.
const SIMPLE_ESCAPES: [u8; 256] = {
    let mut table = [0; 256];
    table[b'"' as usize] = b'"';
    table[b'\\' as usize] = b'\\';
    table[b'/' as usize] = b'/';
    table[b'b' as usize] = 8;
    table[b'f' as usize] = 12;
    table[b'n' as usize] = b'\n';
    table[b'r' as usize] = b'\r';
    table[b't' as usize] = b'\t';
    table
};

/// A parsed number literal.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Number {
    /// The offset after the literal.
    pub(crate) end: usize,
    pub(crate) value: NumberValue,
}

/// The value of a number literal.
#[derive(Clone, Copy, Debug)]
pub(crate) enum NumberValue {
    /// An unsigned integer of up to 64 bits.
    Unsigned(u64),
    /// A negative integer of up to 64 bits; not `-0`.
    Signed(i64),
    /// Any other number, as the nearest double.
    Float(f64),
}

/// The powers of ten that a double represents exactly.
const POWERS_OF_TEN: [f64; 23] = [
    1e0, 1e1, 1e2, 1e3, 1e4, 1e5, 1e6, 1e7, 1e8, 1e9, 1e10, 1e11, 1e12, 1e13, 1e14, 1e15, 1e16,
    1e17, 1e18, 1e19, 1e20, 1e21, 1e22,
];

/// Parses the number literal that begins at `pos`.
///
/// Fractions with up to 53 bits of digits and a small exponent take one exact division or multiplication; all
/// others use the standard library, which rounds correctly.
#[inline]
pub(crate) fn read_number(text: &str, start: usize) -> Scan<Number> {
    let bytes = text.as_bytes();
    let negative = bytes.get(start) == Some(&b'-');
    let first = start + usize::from(negative);
    let mut pos = first;
    let mut digits: u64 = 0;
    let mut exact = true;
    while let Some(digit @ b'0'..=b'9') = bytes.get(pos) {
        match digits.checked_mul(10).and_then(|d| d.checked_add(u64::from(digit - b'0'))) {
            Some(sum) => digits = sum,
            None => exact = false,
        }
        pos += 1;
    }
    if pos == first {
        return Err(ScanError::expected("a digit", bytes, pos));
    }
    if bytes[first] == b'0' && pos > first + 1 {
        return Err(ScanError::new(JsonError::LeadingZero, first));
    }
    if !matches!(bytes.get(pos), Some(b'.' | b'e' | b'E')) && exact {
        let value = match (negative, digits) {
            (false, _) => NumberValue::Unsigned(digits),
            (true, 0) => NumberValue::Float(-0.0),
            (true, _) => match 0i64.checked_sub_unsigned(digits) {
                Some(value) => NumberValue::Signed(value),
                None => NumberValue::Float(-(digits as f64)),
            },
        };
        return Ok(Number { end: pos, value });
    }
    read_float(text, start, pos, digits, exact)
}

/// Returns the offset after the number literal that begins at `pos`. Parses the value only where it could be
/// beyond a double.
#[inline]
fn skip_number(text: &str, start: usize) -> Scan<usize> {
    let bytes = text.as_bytes();
    let first = start + usize::from(bytes.get(start) == Some(&b'-'));
    let whole = skip_digits(bytes, first);
    let mut end = whole;
    let mut plain = whole > first && (bytes[first] != b'0' || whole == first + 1);
    if bytes.get(whole) == Some(&b'.') {
        end = skip_digits(bytes, whole + 1);
        plain &= end > whole + 1;
    }
    plain &= end - start < 300 && !matches!(bytes.get(end), Some(b'e' | b'E'));
    if plain { Ok(end) } else { Ok(read_number(text, start)?.end) }
}

/// Returns the offset after any digits at `pos`.
#[inline]
pub(crate) fn skip_digits(bytes: &[u8], mut pos: usize) -> usize {
    while let Some(b'0'..=b'9') = bytes.get(pos) {
        pos += 1;
    }
    pos
}

/// Continues behind the integer part of a number, whose digits are `digits` when `exact`.
fn read_float(
    text: &str,
    start: usize,
    mut pos: usize,
    mut digits: u64,
    mut exact: bool,
) -> Scan<Number> {
    let bytes = text.as_bytes();
    let mut exponent: i32 = 0;
    if bytes.get(pos) == Some(&b'.') {
        let point = pos;
        pos += 1;
        while let Some(digit @ b'0'..=b'9') = bytes.get(pos) {
            match digits.checked_mul(10).and_then(|d| d.checked_add(u64::from(digit - b'0'))) {
                Some(sum) => digits = sum,
                None => exact = false,
            }
            exponent = exponent.saturating_sub(1);
            pos += 1;
        }
        if pos == point + 1 {
            return Err(ScanError::expected("a digit", bytes, pos));
        }
    }
    if let Some(b'e' | b'E') = bytes.get(pos) {
        pos += 1;
        let negative = bytes.get(pos) == Some(&b'-');
        pos += usize::from(matches!(bytes.get(pos), Some(b'-' | b'+')));
        let first = pos;
        let mut written: i32 = 0;
        while let Some(digit @ b'0'..=b'9') = bytes.get(pos) {
            written = written.saturating_mul(10).saturating_add(i32::from(digit - b'0'));
            pos += 1;
        }
        if pos == first {
            return Err(ScanError::expected("a digit", bytes, pos));
        }
        exponent = exponent.saturating_add(if negative { -written } else { written });
    }
    let power = POWERS_OF_TEN.get(exponent.unsigned_abs() as usize);
    let value = match power {
        Some(power) if exact && digits < 1 << 53 => {
            let digits = digits as f64;
            let value = if exponent < 0 { digits / power } else { digits * power };
            if bytes[start] == b'-' { -value } else { value }
        }
        Some(_) | None => text[start..pos].parse().unwrap_or(f64::INFINITY),
    };
    if value.is_infinite() {
        return Err(ScanError::new(JsonError::NumberOutOfRange, start));
    }
    Ok(Number { end: pos, value: NumberValue::Float(value) })
}

/// Returns the offset after the literal `word`, which begins at `pos`.
#[inline]
pub(crate) fn expect_word(bytes: &[u8], pos: usize, word: &'static str) -> Scan<usize> {
    if bytes[pos..].starts_with(word.as_bytes()) {
        Ok(pos + word.len())
    } else {
        Err(ScanError::expected(word, bytes, pos))
    }
}

/// A receiver of the tokens that [`skip_value`] passes, in the order of the text.
pub(crate) trait Observer {
    /// An object begins at `start`.
    #[inline]
    fn open_object(&mut self, _start: usize) {}
    /// A key of the innermost object; the range is the text between the quotes.
    #[inline]
    fn key(&mut self, _text: &str, _start: usize, _string: StringEnd) {}
    /// A value: its text, or `None` at the beginning of an array or object.
    #[inline]
    fn value(&mut self, _scalar: Option<&[u8]>) {}
    /// The innermost object ends before `end`.
    #[inline]
    fn close_object(&mut self, _end: usize) {}
}

impl Observer for () {}

/// Skips the value that begins at `pos`, after optional whitespace, and returns the offset after it. At most
/// `depth` arrays and objects may be nested.
pub(crate) fn skip_value(
    text: &str,
    mut pos: usize,
    depth: usize,
    observer: &mut impl Observer,
) -> Scan<usize> {
    let bytes = text.as_bytes();
    let depth = depth.min(MAX_DEPTH);
    let mut open = 0;
    // One bit per open array (0) or object (1), the innermost lowest.
    let mut objects: u128 = 0;
    loop {
        pos = skip_whitespace(bytes, pos);
        let start = pos;
        match bytes.get(pos) {
            Some(b'"') => {
                pos = scan_string(bytes, pos + 1)?.end + 1;
                observer.value(Some(&bytes[start..pos]));
            }
            Some(b'-' | b'0'..=b'9') => {
                pos = skip_number(text, pos)?;
                observer.value(Some(&bytes[start..pos]));
            }
            Some(b't') => {
                pos = expect_word(bytes, pos, "true")?;
                observer.value(Some(b"true"));
            }
            Some(b'f') => {
                pos = expect_word(bytes, pos, "false")?;
                observer.value(Some(b"false"));
            }
            Some(b'n') => {
                pos = expect_word(bytes, pos, "null")?;
                observer.value(Some(b"null"));
            }
            Some(bracket @ (b'[' | b'{')) => {
                if open == depth {
                    return Err(ScanError::new(JsonError::TooDeep, pos));
                }
                observer.value(None);
                open += 1;
                objects = objects << 1 | u128::from(*bracket == b'{');
                let close = if *bracket == b'{' {
                    observer.open_object(start);
                    b'}'
                } else {
                    b']'
                };
                pos = skip_whitespace(bytes, pos + 1);
                if bytes.get(pos) != Some(&close) {
                    if close == b'}' {
                        pos = skip_key(text, pos, observer)?;
                    }
                    continue;
                }
            }
            _ => return Err(ScanError::expected("a value", bytes, pos)),
        }
        // Behind a value, or at the closing bracket of an empty array or object.
        loop {
            if open == 0 {
                return Ok(pos);
            }
            pos = skip_whitespace(bytes, pos);
            let in_object = objects & 1 == 1;
            match bytes.get(pos) {
                Some(b',') => {
                    pos += 1;
                    if in_object {
                        pos = skip_key(text, skip_whitespace(bytes, pos), observer)?;
                    }
                    break;
                }
                Some(b']') if !in_object => {}
                Some(b'}') if in_object => observer.close_object(pos + 1),
                _ => {
                    let what = if in_object { "`,` or `}`" } else { "`,` or `]`" };
                    return Err(ScanError::expected(what, bytes, pos));
                }
            }
            pos += 1;
            open -= 1;
            objects >>= 1;
        }
    }
}

/// Skips a key and its colon.
#[inline]
fn skip_key(text: &str, pos: usize, observer: &mut impl Observer) -> Scan<usize> {
    let bytes = text.as_bytes();
    if bytes.get(pos) != Some(&b'"') {
        return Err(ScanError::expected("a key", bytes, pos));
    }
    let key = scan_string(bytes, pos + 1)?;
    observer.key(text, pos + 1, key);
    let colon = skip_whitespace(bytes, key.end + 1);
    if bytes.get(colon) != Some(&b':') {
        return Err(ScanError::expected("`:`", bytes, colon));
    }
    Ok(colon + 1)
}

/// Checks that only whitespace follows.
pub(crate) fn expect_end(bytes: &[u8], pos: usize) -> Scan<()> {
    let pos = skip_whitespace(bytes, pos);
    if pos == bytes.len() {
        Ok(())
    } else {
        Err(ScanError::expected("the end of the payload", bytes, pos))
    }
}
