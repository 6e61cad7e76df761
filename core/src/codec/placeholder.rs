//! Where a payload's placeholders are.
//!
//! A placeholder is an object whose last `_placeholder` is `true`; its other keys but `num` have no meaning, and
//! nothing inside it is looked at (as in the reference parser). Only binary packets have any.

use std::sync::LazyLock;

use memchr::memmem;

use super::error::{PayloadError, PayloadErrorKind, PlaceholderError, ScanError};
use super::json::{self, Observer, StringEnd};

const FLAG: &str = "_placeholder";
const NUMBER: &str = "num";

/// The digits of the largest index.
const MAX_DIGITS: usize = 20;

/// How every known encoder writes a placeholder, up to the number.
const CANONICAL: &str = r#"{"_placeholder":true,"num":"#;

static FLAG_FINDER: LazyLock<memmem::Finder<'static>> = LazyLock::new(|| memmem::Finder::new(FLAG));
static ESCAPE_FINDER: LazyLock<memmem::Finder<'static>> =
    LazyLock::new(|| memmem::Finder::new(r"\u"));

/// Appends a placeholder in the form that every known encoder uses.
pub(crate) fn write(out: &mut String, index: usize) {
    out.push_str(CANONICAL);
    out.push_str(itoa::Buffer::new().format(index));
    out.push('}');
}

/// Whether an object key is the one that marks placeholders.
#[inline]
pub(crate) fn is_flag(key: &str) -> bool {
    key == FLAG
}

/// A placeholder's place in the text.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Found {
    start: usize,
    /// The place after the closing brace.
    pub(crate) end: usize,
    /// The attachment it stands for.
    pub(crate) index: usize,
}

/// What is wrong with a payload's placeholders, or with the payload.
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

/// The placeholders of one payload, asked for in the order of the text.
#[derive(Debug)]
pub(crate) enum Placeholders {
    /// A text packet: objects are objects.
    None,
    /// Every placeholder is written as known encoders do, and refers to an attachment.
    Canonical,
    /// Some are written otherwise: all of them, in reverse order.
    Table(Vec<Found>),
}

impl Placeholders {
    /// Looks for placeholders in the payload of a binary packet, which begins at `start`.
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

    /// The placeholder that begins at `start`, where an object begins. Each `start` is above the last one.
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

/// Index and end of the canonical placeholder at `start`.
#[inline]
fn read_canonical(bytes: &[u8], start: usize) -> Option<(usize, usize)> {
    let digits = bytes.get(start..)?.strip_prefix(CANONICAL.as_bytes())?;
    let len = digits.iter().take(MAX_DIGITS + 1).position(|byte| *byte == b'}')?;
    Some((plain_decimal(&digits[..len])?, start + CANONICAL.len() + len + 1))
}

/// A number in plain decimal: digits only, no leading zero.
fn plain_decimal(digits: &[u8]) -> Option<usize> {
    if digits.is_empty() || digits.len() > 1 && digits[0] == b'0' {
        return None;
    }
    digits.iter().try_fold(0usize, |value, digit| {
        let digit = char::from(*digit).to_digit(10)?;
        value.checked_mul(10)?.checked_add(digit as usize)
    })
}

/// Whether every mention of the flag belongs to a canonical placeholder that refers to an attachment, and no key
/// can hide one behind escapes.
fn all_canonical(bytes: &[u8], start: usize, attachments: usize) -> bool {
    let payload = &bytes[start..];
    ESCAPE_FINDER.find(payload).is_none()
        && FLAG_FINDER.find_iter(payload).all(|at| {
            let canonical = at.checked_sub(2).and_then(|at| read_canonical(payload, at));
            canonical.is_some_and(|(index, _)| index < attachments)
        })
}

/// Whether the JSON text has an object that a remote would take for a placeholder, once it stands in a binary
/// packet. Checks the text on the way.
pub(crate) fn has_lookalike(text: &str, depth: usize) -> Result<bool, ScanError> {
    let mut table = Table::new(usize::MAX);
    let end = json::skip_value(text, 0, depth, &mut table)?;
    json::expect_end(text.as_bytes(), end)?;
    Ok(table.deferred.is_some() || !table.found.is_empty())
}

/// Finds the placeholders while a payload is passed.
pub(crate) struct Table {
    attachments: usize,
    found: Vec<Found>,
    open: Vec<Object>,
    /// The first error, and where its object begins. It does not count if that object turns out to lie inside
    /// a placeholder.
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

    /// The placeholders in the order of the text.
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
