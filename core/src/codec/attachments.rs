//! The passage of attachments through serde without a copy.
//!
//! serde knows byte slices, not shared ownership. Therefore a thread that reads or writes a packet registers
//! its attachments: a [`Blob`] that is read from a slice of a registered attachment shares it, and a `Blob`
//! that is written leaves its `Bytes` for the serializer that receives the slice. All other types copy the
//! slice.

use std::cell::{Cell, RefCell};
use std::fmt;
use std::ops::{Deref, Range};
use std::sync::Arc;

use bytes::Bytes;
use serde::de::{self, SeqAccess, Visitor};
use serde::{Deserialize, Deserializer, Serialize, Serializer};

/// The attachments of one packet; a clone shares them.
#[derive(Clone, Default)]
pub(crate) enum Attachments {
    #[default]
    None,
    /// The most frequent number, stored without an allocation.
    One(Bytes),
    Many(Arc<[Bytes]>),
}

impl Attachments {
    pub(crate) fn as_slice(&self) -> &[Bytes] {
        match self {
            Self::None => &[],
            Self::One(bytes) => std::slice::from_ref(bytes),
            Self::Many(many) => many,
        }
    }

    /// Returns a share of the attachment that contains the slice.
    pub(crate) fn share(&self, slice: &[u8]) -> Option<Bytes> {
        share(self.as_slice(), slice)
    }
}

impl From<Vec<Bytes>> for Attachments {
    fn from(mut attachments: Vec<Bytes>) -> Self {
        match attachments.len() {
            0 => Self::None,
            1 => attachments.pop().map_or(Self::None, Self::One),
            _ => Self::Many(attachments.into()),
        }
    }
}

impl From<&[Bytes]> for Attachments {
    fn from(attachments: &[Bytes]) -> Self {
        match attachments {
            [] => Self::None,
            [one] => Self::One(one.clone()),
            many => Self::Many(many.into()),
        }
    }
}

fn share(attachments: &[Bytes], slice: &[u8]) -> Option<Bytes> {
    let wanted = slice.as_ptr_range();
    let holds = |whole: Range<*const u8>| whole.start <= wanted.start && wanted.end <= whole.end;
    let owner = attachments.iter().find(|bytes| holds(bytes.as_ptr_range()))?;
    // An empty slice cannot be matched to an attachment.
    (!slice.is_empty()).then(|| owner.slice_ref(slice))
}

thread_local! {
    /// The attachments of the packet that this thread reads.
    static READING: RefCell<Attachments> = const { RefCell::new(Attachments::None) };
    /// The index of the attachment handed out last, where a blob looks first.
    static HANDED_OUT: Cell<usize> = const { Cell::new(0) };
    /// Whether this thread writes a packet.
    static WRITING: Cell<bool> = const { Cell::new(false) };
    /// The bytes that a blob left for the serializer.
    static LEFT: Cell<Option<Bytes>> = const { Cell::new(None) };
}

/// A guard: until it is dropped, blobs read on this thread share these attachments.
pub(crate) struct ReadScope {
    outer: Attachments,
}

impl ReadScope {
    /// Returns `None` for packets without attachments, which hand out no bytes.
    pub(crate) fn enter(attachments: &Attachments) -> Option<Self> {
        if let Attachments::None = attachments {
            return None;
        }
        Some(Self { outer: READING.replace(attachments.clone()) })
    }

    /// Notes the index of the attachment that the deserializer hands out.
    pub(crate) fn hand_out(index: usize) {
        HANDED_OUT.set(index);
    }
}

impl Drop for ReadScope {
    fn drop(&mut self) {
        READING.set(std::mem::take(&mut self.outer));
    }
}

/// Returns the bytes as a share of the attachment that contains them, or else copied.
pub(crate) fn share_or_copy(slice: &[u8]) -> Bytes {
    let shared = READING.with_borrow(|attachments| {
        let attachments = attachments.as_slice();
        let likely = attachments.get(HANDED_OUT.get()).map(std::slice::from_ref);
        likely.and_then(|one| share(one, slice)).or_else(|| share(attachments, slice))
    });
    shared.unwrap_or_else(|| Bytes::copy_from_slice(slice))
}

/// A guard: until it is dropped, blobs written on this thread leave their bytes for the serializer.
pub(crate) struct WriteScope {
    outer: bool,
}

impl WriteScope {
    pub(crate) fn enter() -> Self {
        Self { outer: WRITING.replace(true) }
    }

    /// Returns the bytes of the slice: the share that a blob left, or else a copy.
    pub(crate) fn take_or_copy(slice: &[u8]) -> Bytes {
        match LEFT.take() {
            Some(left) if std::ptr::eq::<[u8]>(&*left, slice) => left,
            Some(_) | None => Bytes::copy_from_slice(slice),
        }
    }
}

impl Drop for WriteScope {
    fn drop(&mut self) {
        WRITING.set(self.outer);
    }
}

/// A byte string inside an event's arguments. It travels as an attachment, and neither writing nor reading a
/// packet copies it.
///
/// In other serde formats it is a plain byte string. It can also be read from an array of numbers.
///
/// ```
/// use socketio_p2p_core::{Packet, codec::Blob};
///
/// let packet = Packet::event("file", &("cat.png", Blob::from(vec![0x89, 0x50])))?;
/// assert_eq!(packet.payload(), r#"["file","cat.png",{"_placeholder":true,"num":0}]"#);
/// let (name, content) = packet.args::<(&str, Blob)>()?;
/// assert_eq!((name, &content[..]), ("cat.png", &[0x89, 0x50][..]));
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Clone, Default, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Blob(Bytes);

impl Blob {
    /// Returns the bytes, shared.
    #[must_use]
    pub fn into_bytes(self) -> Bytes {
        self.0
    }
}

impl From<Bytes> for Blob {
    fn from(bytes: Bytes) -> Self {
        Self(bytes)
    }
}

impl From<Vec<u8>> for Blob {
    fn from(bytes: Vec<u8>) -> Self {
        Self(bytes.into())
    }
}

impl From<&'static [u8]> for Blob {
    fn from(bytes: &'static [u8]) -> Self {
        Self(Bytes::from_static(bytes))
    }
}

impl From<Blob> for Bytes {
    fn from(blob: Blob) -> Self {
        blob.0
    }
}

impl Deref for Blob {
    type Target = [u8];

    fn deref(&self) -> &[u8] {
        &self.0
    }
}

impl AsRef<[u8]> for Blob {
    fn as_ref(&self) -> &[u8] {
        &self.0
    }
}

/// Prints the length only.
impl fmt::Debug for Blob {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Blob({} bytes)", self.0.len())
    }
}

impl Serialize for Blob {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serialize_shared(&self.0, serializer)
    }
}

/// Writes bytes; the serializer of this crate shares them.
pub(crate) fn serialize_shared<S: Serializer>(
    bytes: &Bytes,
    serializer: S,
) -> Result<S::Ok, S::Error> {
    if !WRITING.get() {
        return serializer.serialize_bytes(bytes);
    }
    LEFT.set(Some(bytes.clone()));
    let result = serializer.serialize_bytes(bytes);
    // Another serializer within the scope did not take the bytes.
    LEFT.set(None);
    result
}

impl<'de> Deserialize<'de> for Blob {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_byte_buf(BlobVisitor)
    }
}

struct BlobVisitor;

impl<'de> Visitor<'de> for BlobVisitor {
    type Value = Blob;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("an attachment")
    }

    fn visit_bytes<E: de::Error>(self, bytes: &[u8]) -> Result<Blob, E> {
        Ok(Blob(share_or_copy(bytes)))
    }

    fn visit_byte_buf<E: de::Error>(self, bytes: Vec<u8>) -> Result<Blob, E> {
        Ok(Blob(bytes.into()))
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut numbers: A) -> Result<Blob, A::Error> {
        let mut bytes = Vec::with_capacity(numbers.size_hint().unwrap_or(0).min(4096));
        while let Some(byte) = numbers.next_element()? {
            bytes.push(byte);
        }
        Ok(Blob(bytes.into()))
    }
}
