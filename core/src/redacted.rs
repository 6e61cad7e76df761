//! A wrapper for secret data whose `Debug` output is the kind and the length.

use std::collections::{BTreeMap, VecDeque};
use std::fmt;
use std::ops::{Deref, DerefMut};

use bytes::{Bytes, BytesMut};
use bytestring::ByteString;

/// A session description, a credential or application data. `Debug` prints the kind and the length only, and
/// there is no `Display`.
#[derive(Clone, Default, PartialEq, Eq)]
pub(crate) struct Redacted<T>(pub(crate) T);

/// Data that has a length in bytes.
pub(crate) trait Measured {
    /// The kind, as `Debug` prints it.
    const KIND: &'static str;

    /// Returns the length in bytes.
    fn measure(&self) -> usize;
}

impl<T: Measured> fmt::Debug for Redacted<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Redacted({}, {} bytes)", T::KIND, self.0.measure())
    }
}

impl<T> Deref for Redacted<T> {
    type Target = T;

    fn deref(&self) -> &T {
        &self.0
    }
}

impl<T> DerefMut for Redacted<T> {
    fn deref_mut(&mut self) -> &mut T {
        &mut self.0
    }
}

macro_rules! measured {
    ($($type:ty: $kind:literal, $measure:expr;)*) => {
        $(
            impl Measured for $type {
                const KIND: &'static str = $kind;

                fn measure(&self) -> usize {
                    let measure: fn(&Self) -> usize = $measure;
                    measure(self)
                }
            }
        )*
    };
}

measured! {
    str: "text", |text| text.len();
    String: "text", |text| text.len();
    ByteString: "text", |text| text.len();
    [u8]: "binary", |bytes| bytes.len();
    Vec<u8>: "binary", |bytes| bytes.len();
    Bytes: "binary", |bytes| bytes.len();
    BytesMut: "binary", |bytes| bytes.len();
    VecDeque<Bytes>: "binary", |pieces| pieces.iter().map(Bytes::len).sum();
    BTreeMap<u64, Bytes>: "binary", |pieces| pieces.values().map(Bytes::len).sum();
}

impl<T: Measured + ?Sized> Measured for &T {
    const KIND: &'static str = T::KIND;

    fn measure(&self) -> usize {
        T::measure(self)
    }
}

#[cfg(test)]
mod tests {
    use super::Redacted;

    #[test]
    fn debug_prints_the_kind_and_the_length_of_a_secret_only() {
        assert_eq!(format!("{:?}", Redacted("password")), "Redacted(text, 8 bytes)");
        assert_eq!(format!("{:?}", Redacted(vec![7_u8; 3])), "Redacted(binary, 3 bytes)");
    }
}
