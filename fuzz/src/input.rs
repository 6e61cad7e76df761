//! Draws values from the fuzzer's bytes.

use socketio_p2p_core::codec::{Blob, Number, Value};

/// Draws values from the fuzzer's bytes; zeros once they are used up.
pub(crate) struct Input<'a>(pub(crate) &'a [u8]);

impl<'a> Input<'a> {
    pub(crate) fn take(&mut self, len: usize) -> &'a [u8] {
        let (taken, rest) = self.0.split_at(len.min(self.0.len()));
        self.0 = rest;
        taken
    }

    pub(crate) fn byte(&mut self) -> u8 {
        self.take(1).first().copied().unwrap_or(0)
    }

    /// Whether bytes are left.
    pub(crate) fn goes_on(&self) -> bool {
        !self.0.is_empty()
    }

    /// A number below `end`, which is at most 256; 0 when `end` is 0.
    pub(crate) fn below(&mut self, end: usize) -> usize {
        usize::from(self.byte()).checked_rem(end).unwrap_or(0)
    }

    /// One of these values.
    pub(crate) fn pick<T: Copy, const N: usize>(&mut self, of: [T; N]) -> T {
        of[self.below(N)]
    }

    pub(crate) fn flag(&mut self) -> bool {
        self.byte() % 2 == 1
    }

    pub(crate) fn number(&mut self) -> u64 {
        let len = usize::from(self.byte() % 9);
        self.take(len).iter().fold(0, |number, byte| number << 8 | u64::from(*byte))
    }

    pub(crate) fn float(&mut self) -> f64 {
        let float = f64::from_bits(self.number());
        if float.is_finite() { float } else { 0.5 }
    }

    pub(crate) fn bytes(&mut self) -> &'a [u8] {
        let len = usize::from(self.byte() % 32);
        self.take(len)
    }

    pub(crate) fn text(&mut self) -> String {
        match self.byte() % 8 {
            0 => "_placeholder".to_owned(),
            1 => "num".to_owned(),
            _ => String::from_utf8_lossy(self.bytes()).into_owned(),
        }
    }

    pub(crate) fn blob(&mut self) -> Blob {
        Blob::from(self.bytes().to_vec())
    }

    pub(crate) fn value(&mut self, depth: u8) -> Value {
        match self.byte() % if depth == 0 { 6 } else { 8 } {
            0 => Value::Null,
            1 => Value::Bool(self.flag()),
            2 => Value::Number(Number::from(self.number())),
            3 => Value::Number(Number::from(self.number().cast_signed())),
            4 => Value::String(self.text()),
            5 => match self.flag() {
                true => Value::Bytes(self.blob().into()),
                false => Value::Number(Number::from(self.float())),
            },
            6 => Value::Array((0..self.byte() % 5).map(|_| self.value(depth - 1)).collect()),
            _ => {
                let entry = |input: &mut Self| (input.text(), input.value(depth - 1));
                Value::Object((0..self.byte() % 5).map(|_| entry(self)).collect())
            }
        }
    }
}
