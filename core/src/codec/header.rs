//! The head of a packet up to its payload:
//! `<type>[<attachments>-][<namespace>,][<ack id>][<payload>]` (Socket.IO protocol v5, "Packet encoding").

use std::borrow::Cow;
use std::ops::Range;

use super::error::{DecodeError, DecodeErrorKind, JsonError};
use super::json;
use super::limits::Limits;
use super::packet_type::PacketType;

type Result<T> = std::result::Result<T, DecodeError>;

/// The maximum length of a head, so that offsets fit in [`PLACE_BITS`] even after a change of the namespace.
pub(crate) const MAX_HEAD: usize = 1 << 29;

const PLACE_BITS: u32 = 30;
const PLACE: u64 = (1 << PLACE_BITS) - 1;

/// The parsed header in one word, because it moves with every packet. From the lowest bit: the payload's
/// offset, the offset after an event's name (0 for none), whether that name has escapes, and the type. The rest
/// is parsed on demand from the bytes before the payload.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Header(u64);

impl Header {
    const ESCAPED: u64 = 1 << (2 * PLACE_BITS);
    const TYPE_SHIFT: u32 = 2 * PLACE_BITS + 1;

    /// Creates a header without event name.
    #[inline]
    pub(crate) const fn new(packet_type: PacketType, payload: usize) -> Self {
        Self((packet_type as u64) << Self::TYPE_SHIFT | payload as u64)
    }

    /// Returns the header with an event name that ends at `end`.
    #[inline]
    const fn with_name(self, end: usize, escaped: bool) -> Self {
        let escaped = if escaped { Self::ESCAPED } else { 0 };
        Self(self.0 | escaped | (end as u64) << PLACE_BITS)
    }

    /// Returns the header with a written event name of `len` bytes that ends at `end`.
    #[inline]
    pub(crate) const fn with_written_name(self, len: usize, end: usize) -> Self {
        let plain_end = self.payload() + r#"[""#.len() + len + r#"""#.len();
        self.with_name(end, end != plain_end)
    }

    /// Returns the header for a head with another type or other fields before the payload.
    pub(crate) fn moved(self, packet_type: PacketType, payload: usize) -> Self {
        let header = Self::new(packet_type, payload);
        match self.name_end() {
            Some(end) => {
                header.with_name(end - self.payload() + payload, self.0 & Self::ESCAPED != 0)
            }
            None => header,
        }
    }

    #[inline]
    pub(crate) const fn packet_type(self) -> PacketType {
        match self.0 >> Self::TYPE_SHIFT {
            0 => PacketType::Connect,
            1 => PacketType::Disconnect,
            2 => PacketType::Event,
            3 => PacketType::Ack,
            4 => PacketType::ConnectError,
            5 => PacketType::BinaryEvent,
            _ => PacketType::BinaryAck,
        }
    }

    /// Returns the offset of the payload; the head's length when there is none.
    #[inline]
    pub(crate) const fn payload(self) -> usize {
        (self.0 & PLACE) as usize
    }

    /// Returns the number of attachments, and the offset after it.
    #[inline]
    pub(crate) fn attachments(self, head: &str) -> (usize, usize) {
        if !self.packet_type().is_binary() {
            return (0, 1);
        }
        let end = json::skip_digits(head.as_bytes(), 1);
        (head[1..end].parse().unwrap_or(0), end + 1)
    }

    /// Returns the range of the namespace, empty for the default one.
    pub(crate) fn namespace(self, head: &str) -> Range<usize> {
        let (_, start) = self.attachments(head);
        let prefix = &head.as_bytes()[start..self.payload()];
        let len = match prefix.first() {
            Some(b'/') => memchr::memchr(b',', prefix).unwrap_or(prefix.len()),
            Some(_) | None => 0,
        };
        start..start + len
    }

    pub(crate) fn ack_id(self, head: &str) -> Option<u64> {
        let namespace = self.namespace(head);
        let comma = usize::from(!namespace.is_empty());
        head.get(namespace.end + comma..self.payload())?.parse().ok()
    }

    /// Returns the offset after an event's name.
    #[inline]
    pub(crate) const fn name_end(self) -> Option<usize> {
        match (self.0 >> PLACE_BITS & PLACE) as usize {
            0 => None,
            end => Some(end),
        }
    }

    /// Returns an event's name.
    #[inline]
    pub(crate) fn name(self, head: &str) -> Option<Cow<'_, str>> {
        let end = self.name_end()?;
        let start = json::skip_whitespace(head.as_bytes(), self.payload() + 1);
        if self.0 & Self::ESCAPED != 0 {
            return Some(Cow::Owned(unescape(head, start + 1)));
        }
        let quote = usize::from(head.as_bytes()[start] == b'"');
        Some(Cow::Borrowed(&head[start + quote..end - quote]))
    }
}

/// Unescapes the string literal that begins at `start`.
#[cold]
fn unescape(head: &str, start: usize) -> String {
    let mut text = String::new();
    // The literal has been checked before.
    let _end = json::unescape_into(&mut text, head, start);
    text
}

/// Returns the number of decimal digits.
fn decimal_len(number: u64) -> usize {
    number.checked_ilog10().map_or(1, |log| log as usize + 1)
}

/// The names that the reference implementation reserves on client or server.
const RESERVED_EVENTS: [&str; 6] =
    ["connect", "connect_error", "disconnect", "disconnecting", "newListener", "removeListener"];

/// Returns whether the reference implementation reserves this event name, and neither sends nor accepts such
/// events: `connect`, `connect_error`, `disconnect`, `disconnecting`, `newListener` and `removeListener`.
#[must_use]
pub fn is_reserved_event_name(name: &str) -> bool {
    // The length excludes most names.
    matches!(name.len(), 7 | 10 | 11 | 13 | 14) && RESERVED_EVENTS.contains(&name)
}

impl Header {
    /// Parses a head, at a cost independent of the payload's size.
    pub(crate) fn scan(head: &str, limits: &Limits) -> Result<Self> {
        let bytes = head.as_bytes();
        let fail = |kind: DecodeErrorKind, at| Err(DecodeError::in_head(kind, head, at));
        let max = limits.max_packet_bytes.min(MAX_HEAD);
        if head.len() > max {
            return Err(DecodeError::in_frame(DecodeErrorKind::PacketTooLarge { max }, 0));
        }
        let Some(digit) = bytes.first() else { return fail(DecodeErrorKind::EmptyFrame, 0) };
        let Some(packet_type) = PacketType::from_digit(*digit) else {
            return fail(DecodeErrorKind::UnknownType, 0);
        };
        let mut pos = 1;
        if packet_type.is_binary() {
            pos = scan_attachments(head, limits)?;
        }
        if bytes.get(pos) == Some(&b'/') {
            pos = scan_namespace(head, pos, limits)?;
        }
        let payload = scan_ack_id(head, pos)?;
        let has_ack_id = payload > pos;
        if has_ack_id && !packet_type.may_have_ack_id() {
            return fail(DecodeErrorKind::AckIdUnexpected(packet_type), pos);
        }
        let mut header = Self::new(packet_type, payload);
        match packet_type {
            PacketType::Event | PacketType::BinaryEvent => {
                check_payload(head, payload, b"[", false, "an array as the payload")?;
                let name = scan_name(head, payload + 1, limits)?;
                header = header.with_name(name.end, name.escaped);
            }
            PacketType::Ack | PacketType::BinaryAck => {
                if !has_ack_id {
                    return fail(DecodeErrorKind::AckIdMissing, pos);
                }
                check_payload(head, payload, b"[", false, "an array as the payload")?;
            }
            PacketType::Connect => {
                check_payload(head, payload, b"{", true, "an object as the payload, or nothing")?;
            }
            PacketType::Disconnect => {
                check_payload(head, payload, b"", true, "no payload")?;
            }
            PacketType::ConnectError => {
                let what = "an object or a string as the payload, or nothing";
                check_payload(head, payload, b"{\"", true, what)?;
            }
        }
        Ok(header)
    }
}

/// Returns the offset after the attachment count, which follows the type, and its dash.
fn scan_attachments(head: &str, limits: &Limits) -> Result<usize> {
    let bytes = head.as_bytes();
    let malformed = |at| Err(DecodeError::in_head(DecodeErrorKind::AttachmentCount, head, at));
    let mut pos = 1;
    let mut count: usize = 0;
    while let Some(digit @ b'0'..=b'9') = bytes.get(pos) {
        count = count.saturating_mul(10).saturating_add(usize::from(digit - b'0'));
        if count == 0 {
            return malformed(pos);
        }
        pos += 1;
    }
    if pos == 1 || bytes.get(pos) != Some(&b'-') {
        return malformed(pos);
    }
    let max = limits.max_attachments.min(u32::MAX as usize);
    if count > max {
        let kind = DecodeErrorKind::TooManyAttachments { max };
        return Err(DecodeError::in_head(kind, head, 1));
    }
    Ok(pos + 1)
}

/// Returns the offset after the namespace at `start`, which extends to a comma or to the end.
fn scan_namespace(head: &str, start: usize, limits: &Limits) -> Result<usize> {
    let rest = &head.as_bytes()[start..];
    let longest = limits.max_namespace.saturating_add(1).min(rest.len());
    let comma = memchr::memchr(b',', &rest[..longest]);
    if comma.unwrap_or(longest) > limits.max_namespace {
        let kind = DecodeErrorKind::NamespaceTooLong { max: limits.max_namespace };
        return Err(DecodeError::in_head(kind, head, start));
    }
    Ok(comma.map_or(head.len(), |comma| start + comma + 1))
}

/// Returns the offset after the ack id at `start`; `start` itself if there is none.
#[inline]
fn scan_ack_id(head: &str, start: usize) -> Result<usize> {
    let bytes = head.as_bytes();
    let end = json::skip_digits(bytes, start);
    let leading_zero = end > start + 1 && bytes[start] == b'0';
    // All numbers of 19 digits fit in 64 bits.
    if leading_zero || end > start + 19 && head[start..end].parse::<u64>().is_err() {
        return Err(DecodeError::in_head(DecodeErrorKind::AckId, head, start));
    }
    Ok(end)
}

/// Checks that a payload begins with one of `opening`, ends with its match, and is present unless `optional`.
#[inline]
fn check_payload(
    head: &str,
    payload: usize,
    opening: &[u8],
    optional: bool,
    expected: &'static str,
) -> Result<()> {
    let bytes = head.as_bytes();
    let Some(first) = bytes.get(payload) else {
        return if optional { Ok(()) } else { Err(unexpected_payload(head, payload, expected)) };
    };
    if !opening.contains(first) {
        return Err(unexpected_payload(head, payload, expected));
    }
    let (closing, missing) = match first {
        b'[' => (b']', "`]` as the last character"),
        b'{' => (b'}', "`}` as the last character"),
        _ => (b'"', "`\"` as the last character"),
    };
    if bytes.len() > payload + 1 && bytes[bytes.len() - 1] == closing {
        return Ok(());
    }
    check_last_character(head, payload + 1, missing)
}

#[cold]
fn unexpected_payload(head: &str, payload: usize, expected: &'static str) -> DecodeError {
    DecodeError::in_head(DecodeErrorKind::Payload(expected), head, payload)
}

/// Checks that only whitespace follows the last character of a payload that begins at `start`.
#[cold]
fn check_last_character(head: &str, start: usize, missing: &'static str) -> Result<()> {
    let (error, at) = match head[start..].char_indices().next_back() {
        Some((_, last)) if u8::try_from(last).is_ok_and(json::is_whitespace) => return Ok(()),
        Some((at, _)) => (JsonError::Expected(missing), start + at),
        None => (JsonError::UnexpectedEnd(missing), head.len()),
    };
    Err(DecodeError::in_head(error, head, at))
}

/// The extent of an event name.
struct Name {
    /// The offset after the name.
    end: usize,
    escaped: bool,
}

/// Parses the event name, the first element of the array that opened before `start`.
#[inline]
fn scan_name(head: &str, start: usize, limits: &Limits) -> Result<Name> {
    let bytes = head.as_bytes();
    let start = json::skip_whitespace(bytes, start);
    let fail = |kind: DecodeErrorKind, at| Err(DecodeError::in_head(kind, head, at));
    let name = match bytes.get(start) {
        Some(b'"') => scan_text_name(head, start + 1, limits)?,
        Some(b'-' | b'0'..=b'9') => scan_number_name(head, start)?,
        _ => return fail(DecodeErrorKind::EventName, start),
    };
    let after = json::skip_whitespace(bytes, name.end);
    match bytes.get(after) {
        Some(b',' | b']') => Ok(name),
        Some(_) => fail(JsonError::Expected("`,` or `]`").into(), after),
        None => fail(JsonError::UnexpectedEnd("`,` or `]`").into(), after),
    }
}

#[inline]
fn scan_text_name(head: &str, start: usize, limits: &Limits) -> Result<Name> {
    let rest = head.len() - start;
    let longest = limits.max_event_name.saturating_add(1).min(rest);
    let too_long = || {
        let kind = DecodeErrorKind::EventNameTooLong { max: limits.max_event_name };
        DecodeError::in_head(kind, head, start)
    };
    let string = match json::scan_string(&head.as_bytes()[..start + longest], start) {
        Ok(string) => string,
        Err(error) if longest < rest && error.offset >= start + longest => return Err(too_long()),
        Err(error) => return Err(DecodeError::in_json(error, head)),
    };
    let reserved = if string.escaped {
        is_reserved_event_name(&unescape(head, start))
    } else {
        is_reserved_event_name(&head[start..string.end])
    };
    if reserved {
        return Err(DecodeError::in_head(DecodeErrorKind::ReservedEventName, head, start));
    }
    Ok(Name { end: string.end + 1, escaped: string.escaped })
}

/// Parses integers that a double represents exactly, in JavaScript's notation, so that the name is their text.
fn scan_number_name(head: &str, start: usize) -> Result<Name> {
    const LARGEST: u64 = (1 << 53) - 1;
    let bytes = head.as_bytes();
    let digits = start + usize::from(bytes[start] == b'-');
    let end = bytes[digits..]
        .iter()
        .take(17)
        .position(|byte| !byte.is_ascii_digit())
        .map_or(head.len(), |len| digits + len);
    let value = head[digits..end].parse::<u64>().ok();
    let plain = value.is_some_and(|value| {
        let zero_ok = bytes[digits] != b'0' || end == digits + 1 && digits == start;
        value <= LARGEST && zero_ok
    });
    if !plain || !matches!(bytes.get(end), Some(b',' | b']' | b' ' | b'\n' | b'\r' | b'\t')) {
        return Err(DecodeError::in_head(DecodeErrorKind::EventName, head, start));
    }
    Ok(Name { end, escaped: false })
}

/// Appends everything before the payload.
#[inline]
pub(crate) fn write(
    out: &mut String,
    packet_type: PacketType,
    attachments: usize,
    namespace: &str,
    ack_id: Option<u64>,
) {
    let mut integer = itoa::Buffer::new();
    out.push(packet_type.digit());
    if packet_type.is_binary() {
        out.push_str(integer.format(attachments));
        out.push('-');
    }
    if namespace != "/" {
        out.push_str(namespace);
        out.push(',');
    }
    if let Some(id) = ack_id {
        out.push_str(integer.format(id));
    }
}

/// Returns everything before the payload and the payload, in a buffer of exact size, with the header's length.
/// Spare capacity would cost a further allocation when the buffer is shared.
pub(crate) fn prepend(
    packet_type: PacketType,
    attachments: usize,
    namespace: &str,
    ack_id: Option<u64>,
    payload: &str,
) -> (String, usize) {
    let count = if packet_type.is_binary() { decimal_len(attachments as u64) + 1 } else { 0 };
    let namespace_len = if namespace == "/" { 0 } else { namespace.len() + 1 };
    let header_len = 1 + count + namespace_len + ack_id.map_or(0, decimal_len);
    let mut head = String::with_capacity(header_len + payload.len());
    write(&mut head, packet_type, attachments, namespace, ack_id);
    head.push_str(payload);
    (head, header_len)
}
