//! JSON objects of dynamic values.

use std::fmt;

use serde::de::{self, DeserializeSeed, MapAccess, Visitor};
use serde::{Deserialize, Deserializer, Serialize, Serializer};

use super::value::Value;

/// The entries of a JSON object, in the order of the text or of insertion.
///
/// Keys are unique: of equal keys in a text the last value counts, in the position of the first, as in
/// JavaScript. Objects with the same entries are equal in any order.
///
/// Keys of up to 22 bytes are stored without an allocation. A look-up scans the entries, which is fast for
/// objects of usual size; for many look-ups among thousands of entries, read the payload as a map, or collect
/// the entries into one.
///
/// ```
/// use socketio_p2p_core::{Packet, codec::{Object, Value}};
///
/// let packet = Packet::event("move", &(Object::from_iter([("x", 3.into()), ("a", 4.into())]),))?;
/// assert_eq!(packet.payload(), r#"["move",{"x":3,"a":4}]"#);
/// let (object,): (Object,) = packet.args()?;
/// assert_eq!(object.keys().collect::<Vec<_>>(), ["x", "a"]);
/// assert_eq!(object.get("a"), Some(&Value::from(4)));
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Clone, Default)]
pub struct Object {
    entries: Vec<(Key, Value)>,
}

/// The number of entries up to which comparing all pairs of keys is faster than sorting.
const FEW: usize = 16;

impl Object {
    /// Creates an object without entries.
    #[must_use]
    pub const fn new() -> Self {
        Self { entries: Vec::new() }
    }

    /// Returns the number of entries.
    #[must_use]
    pub const fn len(&self) -> usize {
        self.entries.len()
    }

    /// Returns whether there are no entries.
    #[must_use]
    pub const fn is_empty(&self) -> bool {
        self.entries.is_empty()
    }

    /// Returns the value of a key.
    #[must_use]
    pub fn get(&self, key: &str) -> Option<&Value> {
        self.position(key).map(|at| &self.entries[at].1)
    }

    /// Returns the value of a key for modification.
    #[must_use]
    pub fn get_mut(&mut self, key: &str) -> Option<&mut Value> {
        self.position(key).map(|at| &mut self.entries[at].1)
    }

    /// Returns whether there is an entry with this key.
    #[must_use]
    pub fn contains_key(&self, key: &str) -> bool {
        self.position(key).is_some()
    }

    /// Sets the value of a key, at the end if the key is new, and returns the previous value. Scans the
    /// entries; for thousands of insertions, collect or [`extend`](Extend::extend).
    pub fn insert(&mut self, key: impl AsRef<str>, value: Value) -> Option<Value> {
        let key = key.as_ref();
        match self.get_mut(key) {
            Some(old) => Some(std::mem::replace(old, value)),
            None => {
                self.entries.push((Key::new(key), value));
                None
            }
        }
    }

    /// Removes the entry of a key and returns its value. The others keep their order.
    pub fn remove(&mut self, key: &str) -> Option<Value> {
        self.position(key).map(|at| self.entries.remove(at).1)
    }

    /// Iterates over the entries in order.
    #[must_use]
    pub fn iter(&self) -> Iter<'_> {
        Iter(self.entries.iter())
    }

    /// Iterates over the keys in order.
    pub fn keys(&self) -> impl DoubleEndedIterator<Item = &str> + ExactSizeIterator {
        self.entries.iter().map(|(key, _)| key.as_str())
    }

    /// Iterates over the values in order.
    pub fn values(&self) -> impl DoubleEndedIterator<Item = &Value> + ExactSizeIterator {
        self.entries.iter().map(|(_, value)| value)
    }

    /// Iterates over the values in order, for modification.
    pub fn values_mut(
        &mut self,
    ) -> impl DoubleEndedIterator<Item = &mut Value> + ExactSizeIterator {
        self.entries.iter_mut().map(|(_, value)| value)
    }

    fn position(&self, key: &str) -> Option<usize> {
        self.entries.iter().position(|(other, _)| other.as_bytes() == key.as_bytes())
    }

    /// Returns the indices of the entries, sorted by key, equal keys by index.
    fn sorted(&self) -> Vec<usize> {
        let mut places: Vec<usize> = (0..self.entries.len()).collect();
        places.sort_by(|a, b| self.entries[*a].0.as_bytes().cmp(self.entries[*b].0.as_bytes()));
        places
    }

    /// Keeps one entry of each key: the first, with the value of the last. Takes O(n log n) time, because a
    /// remote chooses n.
    fn merge_equal_keys(&mut self) {
        if self.entries.len() <= FEW {
            let mut at = 1;
            while at < self.entries.len() {
                let earlier =
                    (0..at).find(|earlier| self.entries[*earlier].0 == self.entries[at].0);
                match earlier {
                    Some(earlier) => self.entries[earlier].1 = self.entries.remove(at).1,
                    None => at += 1,
                }
            }
            return;
        }
        let sorted = self.sorted();
        let mut merged = vec![false; sorted.len()];
        let mut first = sorted[0];
        for pair in sorted.windows(2) {
            let [earlier, at] = [pair[0], pair[1]];
            if self.entries[earlier].0 != self.entries[at].0 {
                first = at;
                continue;
            }
            self.entries[first].1 = std::mem::take(&mut self.entries[at].1);
            merged[at] = true;
        }
        let mut merged = merged.into_iter();
        self.entries.retain(|_| merged.next() == Some(false));
    }
}

/// Objects are equal when they have the same entries, in any order.
impl PartialEq for Object {
    fn eq(&self, other: &Self) -> bool {
        self.len() == other.len()
            && (self.entries == other.entries || {
                let pairs = self.sorted().into_iter().zip(other.sorted());
                pairs.into_iter().all(|(at, theirs)| self.entries[at] == other.entries[theirs])
            })
    }
}

/// Prints the number of entries only: payloads contain secrets.
impl fmt::Debug for Object {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Object({} entries)", self.len())
    }
}

impl<K: AsRef<str>> Extend<(K, Value)> for Object {
    fn extend<I: IntoIterator<Item = (K, Value)>>(&mut self, entries: I) {
        let entries = entries.into_iter().map(|(key, value)| (Key::new(key.as_ref()), value));
        self.entries.extend(entries);
        self.merge_equal_keys();
    }
}

impl<K: AsRef<str>> FromIterator<(K, Value)> for Object {
    fn from_iter<I: IntoIterator<Item = (K, Value)>>(entries: I) -> Self {
        let mut object = Self::new();
        object.extend(entries);
        object
    }
}

impl IntoIterator for Object {
    type Item = (String, Value);
    type IntoIter = IntoIter;

    fn into_iter(self) -> IntoIter {
        IntoIter(self.entries.into_iter())
    }
}

/// An owning iterator over the entries of an [`Object`], in order.
pub struct IntoIter(std::vec::IntoIter<(Key, Value)>);

/// Prints the number of entries only.
impl fmt::Debug for IntoIter {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "IntoIter({} entries)", self.len())
    }
}

impl Iterator for IntoIter {
    type Item = (String, Value);

    fn next(&mut self) -> Option<Self::Item> {
        self.0.next().map(|(key, value)| (key.as_str().to_owned(), value))
    }

    fn size_hint(&self) -> (usize, Option<usize>) {
        self.0.size_hint()
    }
}

impl ExactSizeIterator for IntoIter {}

impl<'o> IntoIterator for &'o Object {
    type Item = (&'o str, &'o Value);
    type IntoIter = Iter<'o>;

    fn into_iter(self) -> Iter<'o> {
        self.iter()
    }
}

/// An iterator over the entries of an [`Object`], in order.
#[derive(Clone)]
pub struct Iter<'o>(std::slice::Iter<'o, (Key, Value)>);

/// Prints the number of entries only.
impl fmt::Debug for Iter<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Iter({} entries)", self.len())
    }
}

impl<'o> Iterator for Iter<'o> {
    type Item = (&'o str, &'o Value);

    #[inline]
    fn next(&mut self) -> Option<Self::Item> {
        self.0.next().map(|(key, value)| (key.as_str(), value))
    }

    fn size_hint(&self) -> (usize, Option<usize>) {
        self.0.size_hint()
    }
}

impl ExactSizeIterator for Iter<'_> {}

impl Serialize for Object {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_map(self.iter())
    }
}

impl<'de> Deserialize<'de> for Object {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_map(ObjectVisitor)
    }
}

struct ObjectVisitor;

impl<'de> Visitor<'de> for ObjectVisitor {
    type Value = Object;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("an object")
    }

    #[inline]
    fn visit_map<A: MapAccess<'de>>(self, entries: A) -> Result<Object, A::Error> {
        Object::read(entries)
    }
}

impl Object {
    #[inline]
    pub(crate) fn read<'de, A: MapAccess<'de>>(mut entries: A) -> Result<Self, A::Error> {
        let mut object = Self::new();
        // One bit for each key, the same for equal ones.
        let mut seen: u64 = 0;
        let mut equal_keys = false;
        while let Some(bit) = entries.next_key_seed(NewEntry(&mut object.entries))? {
            equal_keys |= seen & bit != 0;
            seen |= bit;
            let value = entries.next_value()?;
            if let Some((_, place)) = object.entries.last_mut() {
                *place = value;
            }
        }
        if equal_keys {
            object.merge_equal_keys();
        }
        Ok(object)
    }
}

const SHORT: usize = 22;

/// A key, stored inline if it is short. The bytes behind a short one are zeros.
#[derive(Clone, PartialEq, Eq)]
enum Key {
    Short { len: u8, text: [u8; SHORT] },
    Long(Box<str>),
}

impl Key {
    #[inline]
    fn new(key: &str) -> Self {
        let mut text = [0; SHORT];
        match text.get_mut(..key.len()) {
            Some(place) => {
                place.copy_from_slice(key.as_bytes());
                Self::Short { len: key.len() as u8, text }
            }
            None => Self::Long(key.into()),
        }
    }

    #[inline]
    fn as_bytes(&self) -> &[u8] {
        match self {
            Self::Short { len, text } => &text[..usize::from(*len)],
            Self::Long(key) => key.as_bytes(),
        }
    }

    #[inline]
    fn as_str(&self) -> &str {
        match self {
            // Created from a `str`.
            Self::Short { .. } => str::from_utf8(self.as_bytes()).unwrap_or_default(),
            Self::Long(key) => key,
        }
    }
}

/// Returns one bit of 64, which depends on the length, the first and the last byte of a key.
#[inline]
fn filter_bit(key: &[u8]) -> u64 {
    let ends = [key.first(), key.last()].map(|end| u32::from(end.copied().unwrap_or(0)));
    let mixed = ends[0].wrapping_mul(7) ^ ends[1].wrapping_mul(31) ^ key.len() as u32;
    1 << (mixed % 64)
}

/// Reads a key into a new entry without a value, and returns the key's filter bit. Returning the key through
/// the deserializer would move it, which is slow right after it was written.
struct NewEntry<'o>(&'o mut Vec<(Key, Value)>);

impl<'de> DeserializeSeed<'de> for NewEntry<'_> {
    type Value = u64;

    #[inline]
    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<u64, D::Error> {
        deserializer.deserialize_str(self)
    }
}

impl Visitor<'_> for NewEntry<'_> {
    type Value = u64;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a key")
    }

    #[inline]
    fn visit_str<E: de::Error>(self, key: &str) -> Result<u64, E> {
        self.0.push((Key::new(key), Value::Null));
        Ok(filter_bit(key.as_bytes()))
    }
}
