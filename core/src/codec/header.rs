//! The head of a packet up to its payload:
//! `<type>[<attachments>-][<namespace>,][<ack id>][<payload>]` (Socket.IO protocol v5, "Packet encoding").

use std::borrow::Cow;
use std::ops::Range;

use super::error::{DecodeError, DecodeErrorKind, JsonError};
use super::json;
use super::limits::Limits;
use crate::packet::PacketType;

type Result<T> = std::result::Result<T, DecodeError>;

/// The longest head. Places in a head fit in 32 bits, with room for a change of the namespace.
pub(crate) const MAX_HEAD: usize = 1 << 30;

/// Where things are in a head. Small, because it moves with every packet.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Header {
    ack_id: u64,
    attachments: u32,
    namespace: (u32, u32),
    payload: u32,
    name: (u32, u32),
    packet_type: PacketType,
    has_ack_id: bool,
    name_kind: Option<NameKind>,
}

/// An event's name.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Name {
    /// The text as it is written, without quotes.
    start: usize,
    end: usize,
    kind: NameKind,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum NameKind {
    /// A string that stands for itself.
    Plain,
    /// A string with escapes.
    Escaped,
    /// A number.
    Number,
}

/// A place in a head, which is at most [`MAX_HEAD`] and a namespace long.
const fn place(at: usize) -> u32 {
    at as u32
}

impl Header {
    /// A header without event name.
    #[inline]
    pub(crate) fn new(
        packet_type: PacketType,
        attachments: usize,
        namespace: Range<usize>,
        ack_id: Option<u64>,
        payload: usize,
    ) -> Self {
        Self {
            ack_id: ack_id.unwrap_or_default(),
            attachments: place(attachments),
            namespace: (place(namespace.start), place(namespace.end)),
            payload: place(payload),
            name: (0, 0),
            packet_type,
            has_ack_id: ack_id.is_some(),
            name_kind: None,
        }
    }

    /// Says where the event name is.
    #[inline]
    pub(crate) const fn set_name(&mut self, name: Name) {
        self.name = (place(name.start), place(name.end));
        self.name_kind = Some(name.kind);
    }

    /// Says that attachments follow.
    pub(crate) const fn set_attachments(&mut self, attachments: usize) {
        self.packet_type = self.packet_type.to_binary();
        self.attachments = place(attachments);
    }

    /// Says that another namespace and ack id stand before the payload now.
    pub(crate) fn set_prefix(
        &mut self,
        namespace: Range<usize>,
        ack_id: Option<u64>,
        payload: usize,
    ) {
        let shifted = |at: u32| place(payload) + (at - self.payload);
        if self.name_kind.is_some() {
            self.name = (shifted(self.name.0), shifted(self.name.1));
        }
        self.payload = place(payload);
        self.namespace = (place(namespace.start), place(namespace.end));
        self.has_ack_id = ack_id.is_some();
        self.ack_id = ack_id.unwrap_or_default();
    }

    pub(crate) const fn packet_type(&self) -> PacketType {
        self.packet_type
    }

    /// How many attachments follow the head.
    pub(crate) const fn attachments(&self) -> usize {
        self.attachments as usize
    }

    /// Empty for the default namespace.
    pub(crate) const fn namespace(&self) -> Range<usize> {
        self.namespace.0 as usize..self.namespace.1 as usize
    }

    pub(crate) const fn ack_id(&self) -> Option<u64> {
        if self.has_ack_id { Some(self.ack_id) } else { None }
    }

    /// The place of the payload; the head's length when there is none.
    pub(crate) const fn payload(&self) -> usize {
        self.payload as usize
    }

    /// Of events.
    #[inline]
    pub(crate) fn name(&self) -> Option<Name> {
        let (start, end) = (self.name.0 as usize, self.name.1 as usize);
        self.name_kind.map(|kind| Name { start, end, kind })
    }
}

impl Name {
    /// A name of `len` bytes that takes the bytes from `start` to `end` once it is written.
    #[inline]
    pub(crate) const fn written(len: usize, start: usize, end: usize) -> Self {
        let kind = if end - start == len { NameKind::Plain } else { NameKind::Escaped };
        Self { start, end, kind }
    }

    /// The place after the name in the payload.
    pub(crate) const fn end(&self) -> usize {
        match self.kind {
            NameKind::Plain | NameKind::Escaped => self.end + 1,
            NameKind::Number => self.end,
        }
    }

    #[inline]
    pub(crate) fn read<'h>(&self, head: &'h str) -> Cow<'h, str> {
        match self.kind {
            NameKind::Plain | NameKind::Number => Cow::Borrowed(&head[self.start..self.end]),
            NameKind::Escaped => self.unescape(head),
        }
    }

    #[cold]
    fn unescape<'h>(&self, head: &'h str) -> Cow<'h, str> {
        let written = &head[self.start..self.end];
        let mut name = String::with_capacity(written.len());
        match json::unescape_into(&mut name, head, self.start) {
            Ok(_) => Cow::Owned(name),
            // The name has been looked through.
            Err(_) => Cow::Borrowed(written),
        }
    }
}

/// Names that the reference implementation keeps for itself, on one side or the other.
const RESERVED_EVENTS: [&str; 6] =
    ["connect", "connect_error", "disconnect", "disconnecting", "newListener", "removeListener"];

/// Whether an event may not have this name: `connect`, `connect_error`, `disconnect`, `disconnecting`,
/// `newListener` and `removeListener` have a meaning of their own in the reference implementation, which neither
/// sends nor takes events so named.
#[must_use]
pub fn is_reserved_event_name(name: &str) -> bool {
    // Most names are told by their length.
    matches!(name.len(), 7 | 10 | 11 | 13 | 14) && RESERVED_EVENTS.contains(&name)
}

impl Header {
    /// Scans a head. Costs the same whatever the payload's size.
    #[inline]
    pub(crate) fn scan(head: &str, limits: &Limits) -> Result<Self> {
        let bytes = head.as_bytes();
        let fail = |kind: DecodeErrorKind, at| Err(DecodeError::in_head(kind, head, at));
        let max = limits.max_packet_bytes.min(MAX_HEAD);
        if head.len() > max {
            return Err(DecodeError::in_frame(DecodeErrorKind::PacketTooLarge { max }, 0));
        }
        let packet_type = match bytes.first() {
            None => return fail(DecodeErrorKind::EmptyFrame, 0),
            Some(digit) => PacketType::from_digit(*digit),
        };
        let Some(packet_type) = packet_type else { return fail(DecodeErrorKind::UnknownType, 0) };
        let mut pos = 1;
        let mut attachments = 0;
        if packet_type.is_binary() {
            (attachments, pos) = scan_attachments(head, limits)?;
        }
        let mut namespace = pos..pos;
        if bytes.get(pos) == Some(&b'/') {
            namespace = scan_namespace(head, pos, limits)?;
            pos = (namespace.end + 1).min(head.len());
        }
        let (ack_id, payload) = scan_ack_id(head, pos)?;
        if ack_id.is_some() && !packet_type.may_have_ack_id() {
            return fail(DecodeErrorKind::AckIdUnexpected(packet_type), pos);
        }
        let mut header = Self::new(packet_type, attachments, namespace, ack_id, payload);
        match packet_type {
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
            PacketType::Event | PacketType::BinaryEvent => {
                check_payload(head, payload, b"[", false, "an array as the payload")?;
                header.set_name(scan_name(head, payload + 1, limits)?);
            }
            PacketType::Ack | PacketType::BinaryAck => {
                if ack_id.is_none() {
                    return fail(DecodeErrorKind::AckIdMissing, pos);
                }
                check_payload(head, payload, b"[", false, "an array as the payload")?;
            }
        }
        Ok(header)
    }
}

/// The attachment count behind the type, and the place after its dash.
fn scan_attachments(head: &str, limits: &Limits) -> Result<(usize, usize)> {
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
    Ok((count, pos + 1))
}

/// The namespace at `start`, empty if it is the default one. It goes on to a comma or to the end.
fn scan_namespace(head: &str, start: usize, limits: &Limits) -> Result<Range<usize>> {
    let rest = &head.as_bytes()[start..];
    let longest = limits.max_namespace.saturating_add(1).min(rest.len());
    let len = match memchr::memchr(b',', &rest[..longest]) {
        Some(comma) => comma,
        None => longest,
    };
    if len > limits.max_namespace {
        let kind = DecodeErrorKind::NamespaceTooLong { max: limits.max_namespace };
        return Err(DecodeError::in_head(kind, head, start));
    }
    Ok(start..start + len)
}

/// The ack id at `start`, if there is one, and the place after it.
#[inline]
fn scan_ack_id(head: &str, start: usize) -> Result<(Option<u64>, usize)> {
    let bytes = head.as_bytes();
    let malformed = |at| Err(DecodeError::in_head(DecodeErrorKind::AckId, head, at));
    let mut pos = start;
    let mut id: u64 = 0;
    while let Some(digit @ b'0'..=b'9') = bytes.get(pos) {
        let sum = id.checked_mul(10).and_then(|id| id.checked_add(u64::from(digit - b'0')));
        let Some(sum) = sum else { return malformed(start) };
        if id == 0 && pos > start {
            return malformed(start);
        }
        id = sum;
        pos += 1;
    }
    Ok(((pos > start).then_some(id), pos))
}

/// Checks that a payload begins with one of `opening`, ends with its match, and is there unless `optional`.
#[inline]
fn check_payload(
    head: &str,
    payload: usize,
    opening: &[u8],
    optional: bool,
    expected: &'static str,
) -> Result<()> {
    let bytes = head.as_bytes();
    let fail = |kind: DecodeErrorKind, at| Err(DecodeError::in_head(kind, head, at));
    let Some(first) = bytes.get(payload) else {
        return if optional { Ok(()) } else { fail(DecodeErrorKind::Payload(expected), payload) };
    };
    if !opening.contains(first) {
        return fail(DecodeErrorKind::Payload(expected), payload);
    }
    let (closing, missing) = match first {
        b'[' => (b']', "`]` as the last character"),
        b'{' => (b'}', "`}` as the last character"),
        _ => (b'"', "`\"` as the last character"),
    };
    if bytes.len() > payload + 1 && bytes[bytes.len() - 1] == closing {
        return Ok(());
    }
    match head[payload + 1..].char_indices().next_back() {
        Some((_, last)) if u8::try_from(last).is_ok_and(json::is_whitespace) => Ok(()),
        Some((at, _)) => fail(JsonError::Expected(missing).into(), payload + 1 + at),
        None => fail(JsonError::UnexpectedEnd(missing).into(), head.len()),
    }
}

/// The event name, the first element of the array that has been opened before `start`.
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
    let after = json::skip_whitespace(bytes, name.end());
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
    let kind = if string.escaped { NameKind::Escaped } else { NameKind::Plain };
    let name = Name { start, end: string.end, kind };
    let reserved = match kind {
        NameKind::Escaped => is_reserved_event_name(&name.read(head)),
        NameKind::Plain | NameKind::Number => is_reserved_event_name(&head[start..string.end]),
    };
    if reserved {
        return Err(DecodeError::in_head(DecodeErrorKind::ReservedEventName, head, start));
    }
    Ok(name)
}

/// Whole numbers that a double holds exactly, written as JavaScript writes them: then the name is their text.
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
    Ok(Name { start, end, kind: NameKind::Number })
}

/// Appends everything before the payload.
#[inline]
pub(crate) fn write(
    out: &mut String,
    packet_type: PacketType,
    attachments: usize,
    namespace: &str,
    ack_id: Option<u64>,
) -> Range<usize> {
    let mut integer = itoa::Buffer::new();
    out.push(packet_type.digit());
    if packet_type.is_binary() {
        out.push_str(integer.format(attachments));
        out.push('-');
    }
    let start = out.len();
    let mut written = start..start;
    if namespace != "/" {
        out.push_str(namespace);
        written.end = out.len();
        out.push(',');
    }
    if let Some(id) = ack_id {
        out.push_str(integer.format(id));
    }
    written
}

/// Everything before the payload and the payload, in a buffer that is just large enough; with the header's length
/// and the namespace's place. A buffer with room to spare would cost a further allocation when it is shared.
pub(crate) fn prepend(
    packet_type: PacketType,
    attachments: usize,
    namespace: &str,
    ack_id: Option<u64>,
    payload: &str,
) -> (String, usize, Range<usize>) {
    let digits = |number: u64| number.checked_ilog10().unwrap_or(0) as usize + 1;
    let count = if packet_type.is_binary() { digits(attachments as u64) + 1 } else { 0 };
    let namespace_len = if namespace == "/" { 0 } else { namespace.len() + 1 };
    let header_len = 1 + count + namespace_len + ack_id.map_or(0, digits);
    let mut head = String::with_capacity(header_len + payload.len());
    let namespace = write(&mut head, packet_type, attachments, namespace, ack_id);
    head.push_str(payload);
    (head, header_len, namespace)
}
