//! The placeholders of a payload.
//!
//! A placeholder is an object whose last `_placeholder` is `true`; its other keys except `num` have no meaning,
//! and its content is not checked further (as in the reference parser). Only binary packets have placeholders.

use std::sync::LazyLock;

use memchr::memmem;

use super::error::{PayloadError, PayloadErrorKind, PlaceholderError, ScanError};
use super::json::{self, Observer, StringEnd};

const FLAG: &str = "_placeholder";
const NUMBER: &str = "num";

/// The digits of the greatest index.
const MAX_DIGITS: usize = 20;

/// The beginning of a placeholder, up to the number, as every known encoder writes it.
const CANONICAL: &str = r#"{"_placeholder":true,"num":"#;

static FLAG_FINDER: LazyLock<memmem::Finder<'static>> = LazyLock::new(|| memmem::Finder::new(FLAG));
static ESCAPE_FINDER: LazyLock<memmem::Finder<'static>> =
    LazyLock::new(|| memmem::Finder::new(r"\u"));

/// Appends a placeholder in the form of every known encoder.
pub(crate) fn write(out: &mut String, index: usize) {
    out.push_str(CANONICAL);
    out.push_str(itoa::Buffer::new().format(index));
    out.push('}');
}

/// Returns whether an object key is the one that marks placeholders.
#[inline]
pub(crate) fn is_flag(key: &str) -> bool {
    key == FLAG
}

/// A placeholder and its position in the text.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Found {
    start: usize,
    /// The offset after the closing brace.
    pub(crate) end: usize,
    /// The index of the attachment.
    pub(crate) index: usize,
}

/// An error in a payload's placeholders, or in the payload.
#[derive(Debug)]
pub(crate) enum FindError {
    Json(ScanError),
    Placeholder(PlaceholderError, usize),
}

impl From<ScanError> for FindError {
    fn from(error: ScanError) -> Self {
        Self::Json(error)
    }
}

impl From<FindError> for PayloadError {
    fn from(error: FindError) -> Self {
        match error {
            FindError::Json(error) => error.into(),
            FindError::Placeholder(error, offset) => {
                Self::new(PayloadErrorKind::Placeholder(error), Some(offset))
            }
        }
    }
}

/// The placeholders of one payload, for queries in the order of the text.
#[derive(Debug)]
pub(crate) enum Placeholders {
    /// A text packet, which has no placeholders.
    None,
    /// Every placeholder is in the canonical form, and refers to an attachment.
    Canonical,
    /// Some placeholders have another form: a list of all, in reverse order.
    Table(Vec<Found>),
}

impl Placeholders {
    /// Finds the placeholders in the payload of a binary packet, which begins at `start`.
    pub(crate) fn find(text: &str, start: usize, attachments: usize) -> Result<Self, FindError> {
        if all_canonical(text.as_bytes(), start, attachments) {
            return Ok(Self::Canonical);
        }
        let mut table = Table::new(attachments);
        json::skip_value(text, start, usize::MAX, &mut table)?;
        let mut found = table.finish()?;
        found.reverse();
        Ok(Self::Table(found))
    }

    /// Returns the placeholder at `start`, where an object begins. Each `start` must exceed the previous one.
    #[inline]
    pub(crate) fn at(&mut self, bytes: &[u8], start: usize) -> Option<(usize, usize)> {
        match self {
            Self::None => None,
            Self::Canonical => read_canonical(bytes, start),
            Self::Table(table) => {
                while table.last().is_some_and(|next| next.start < start) {
                    table.pop();
                }
                table.pop_if(|next| next.start == start).map(|next| (next.index, next.end))
            }
        }
    }
}

/// Returns index and end of the canonical placeholder at `start`.
#[inline]
fn read_canonical(bytes: &[u8], start: usize) -> Option<(usize, usize)> {
    let digits = bytes.get(start..)?.strip_prefix(CANONICAL.as_bytes())?;
    let len = digits.iter().take(MAX_DIGITS + 1).position(|byte| *byte == b'}')?;
    Some((plain_decimal(&digits[..len])?, start + CANONICAL.len() + len + 1))
}

/// Parses a number in plain decimal: digits only, no leading zero.
fn plain_decimal(digits: &[u8]) -> Option<usize> {
    if digits.is_empty() || digits.len() > 1 && digits[0] == b'0' {
        return None;
    }
    digits.iter().try_fold(0usize, |value, digit| {
        let digit = char::from(*digit).to_digit(10)?;
        value.checked_mul(10)?.checked_add(digit as usize)
    })
}

/// Returns whether every occurrence of the flag belongs to a canonical placeholder that refers to an
/// attachment, and no key can spell the flag with escapes.
fn all_canonical(bytes: &[u8], start: usize, attachments: usize) -> bool {
    let payload = &bytes[start..];
    ESCAPE_FINDER.find(payload).is_none()
        && FLAG_FINDER.find_iter(payload).all(|at| {
            let canonical = at.checked_sub(2).and_then(|at| read_canonical(payload, at));
            canonical.is_some_and(|(index, _)| index < attachments)
        })
}

/// Returns whether the JSON text contains an object that a remote would take for a placeholder in a binary
/// packet. Also checks the text.
pub(crate) fn has_lookalike(text: &str, depth: usize) -> Result<bool, ScanError> {
    let mut table = Table::new(usize::MAX);
    let end = json::skip_value(text, 0, depth, &mut table)?;
    json::expect_end(text.as_bytes(), end)?;
    Ok(table.deferred.is_some() || !table.found.is_empty())
}

/// Collects the placeholders while a payload is skipped.
pub(crate) struct Table {
    attachments: usize,
    found: Vec<Found>,
    open: Vec<Object>,
    /// The first error, and the offset of its object. It is dropped if the object is inside a placeholder.
    deferred: Option<(PlaceholderError, usize)>,
}

struct Object {
    start: usize,
    key: Key,
    is_placeholder: bool,
    number: Option<usize>,
}

enum Key {
    Flag,
    Number,
    Other,
}

impl Table {
    pub(crate) fn new(attachments: usize) -> Self {
        Self { attachments, found: Vec::new(), open: Vec::new(), deferred: None }
    }

    /// Returns the placeholders in the order of the text.
    pub(crate) fn finish(self) -> Result<Vec<Found>, FindError> {
        match self.deferred {
            Some((error, offset)) => Err(FindError::Placeholder(error, offset)),
            None => Ok(self.found),
        }
    }
}

impl Observer for Table {
    fn open_object(&mut self, start: usize) {
        self.open.push(Object { start, key: Key::Other, is_placeholder: false, number: None });
    }

    fn key(&mut self, text: &str, start: usize, string: StringEnd) {
        let Some(object) = self.open.last_mut() else { return };
        let written = &text[start..string.end];
        let mut unescaped = String::new();
        let key = if string.escaped && json::unescape_into(&mut unescaped, text, start).is_ok() {
            unescaped.as_str()
        } else {
            written
        };
        object.key = match key {
            FLAG => Key::Flag,
            NUMBER => Key::Number,
            _ => Key::Other,
        };
    }

    fn value(&mut self, scalar: Option<&[u8]>) {
        let Some(object) = self.open.last_mut() else { return };
        match std::mem::replace(&mut object.key, Key::Other) {
            Key::Flag => object.is_placeholder = scalar == Some(b"true"),
            Key::Number => object.number = scalar.and_then(plain_decimal),
            Key::Other => {}
        }
    }

    fn close_object(&mut self, end: usize) {
        let Some(Object { start, is_placeholder: true, number, .. }) = self.open.pop() else {
            return;
        };
        if self.deferred.as_ref().is_some_and(|(_, offset)| *offset > start) {
            self.deferred = None;
        }
        while self.found.pop_if(|inner| inner.start > start).is_some() {}
        let error = match number {
            Some(index) if index < self.attachments => {
                self.found.push(Found { start, end, index });
                return;
            }
            Some(_) => PlaceholderError::OutOfRange { attachments: self.attachments },
            None => PlaceholderError::Number,
        };
        self.deferred.get_or_insert((error, start));
    }
}
