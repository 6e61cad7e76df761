//! Frames on a byte stream: a transport over TCP or a pipe.

use std::io;
use std::pin::Pin;
use std::task::{Context, Poll};

use bytes::{Buf as _, BufMut as _, BytesMut};
use bytestring::ByteString;
use futures::{AsyncRead, AsyncWrite, Sink, Stream};

use super::TransportError;
use crate::frame::Frame;

/// The bytes before the content of a frame: its kind and its length.
const HEAD: usize = 1 + 4;

/// The bytes that are read at once.
const READ: usize = 16 << 10;

/// The bytes that wait for the stream before the sink accepts no further frame.
const WRITE: usize = 64 << 10;

impl From<io::Error> for TransportError {
    fn from(error: io::Error) -> Self {
        Self(error.to_string())
    }
}

/// Frames on a byte stream: the kind (0 text, 1 binary), the length as 32 bits in big-endian order, the content.
#[derive(Clone, Copy, Debug)]
pub struct FrameCodec {
    max_frame: usize,
}

impl FrameCodec {
    /// Creates a codec for frames of up to `max_frame` bytes; longer ones are an error when they are received.
    #[must_use]
    pub const fn new(max_frame: usize) -> Self {
        Self { max_frame }
    }

    /// Appends a frame to `buffer`.
    pub fn encode(&self, frame: &Frame, buffer: &mut BytesMut) {
        let content = frame.as_bytes();
        buffer.reserve(HEAD + content.len());
        buffer.put_u8(u8::from(matches!(frame, Frame::Binary(_))));
        buffer.put_u32(u32::try_from(content.len()).unwrap_or(u32::MAX));
        buffer.put_slice(content);
    }

    /// Takes the next frame from the beginning of `buffer`; `None` when it is not complete yet.
    ///
    /// # Errors
    /// [`TransportError`] when the frame is longer than the maximum, of an unknown kind, or a text that is not
    /// UTF-8.
    pub fn decode(&self, buffer: &mut BytesMut) -> Result<Option<Frame>, TransportError> {
        let Some((&kind, rest)) = buffer.split_first() else { return Ok(None) };
        let Some(len) = rest.first_chunk() else { return Ok(None) };
        let len = usize::try_from(u32::from_be_bytes(*len)).unwrap_or(usize::MAX);
        if len > self.max_frame {
            let max = self.max_frame;
            return Err(TransportError(format!(
                "expected a frame of at most {max} bytes, got one of {len}"
            )));
        }
        if buffer.len() < HEAD + len {
            return Ok(None);
        }
        buffer.advance(HEAD);
        let content = buffer.split_to(len).freeze();
        match kind {
            0 => ByteString::try_from(content).map(|text| Some(Frame::Text(text))).map_err(|_| {
                TransportError("expected a text frame of UTF-8, got other bytes".to_owned())
            }),
            1 => Ok(Some(Frame::Binary(content))),
            _ => Err(TransportError(format!("expected a frame of kind 0 or 1, got {kind}"))),
        }
    }
}

/// A channel of frames on a byte stream such as a TCP connection, for [`DirectTransport`](super::DirectTransport)
/// and [`Signaling`](super::Signaling). Dropping it closes the byte stream; frames that were flushed arrive.
#[derive(Debug)]
pub struct ByteChannel<T> {
    io: T,
    codec: FrameCodec,
    input: BytesMut,
    output: BytesMut,
}

impl<T: AsyncRead + AsyncWrite + Unpin> ByteChannel<T> {
    /// Creates a channel on `io`.
    pub fn new(io: T, codec: FrameCodec) -> Self {
        Self { io, codec, input: BytesMut::new(), output: BytesMut::new() }
    }

    /// Writes until at most `left` bytes wait.
    fn poll_write(
        &mut self,
        left: usize,
        cx: &mut Context<'_>,
    ) -> Poll<Result<(), TransportError>> {
        while self.output.len() > left {
            let written = std::task::ready!(Pin::new(&mut self.io).poll_write(cx, &self.output))?;
            if written == 0 {
                return Poll::Ready(Err(io::Error::from(io::ErrorKind::WriteZero).into()));
            }
            self.output.advance(written);
        }
        Poll::Ready(Ok(()))
    }
}

impl<T: AsyncRead + AsyncWrite + Unpin> Stream for ByteChannel<T> {
    type Item = Result<Frame, TransportError>;

    fn poll_next(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Self::Item>> {
        let Self { io, codec, input, .. } = &mut *self;
        loop {
            if let Some(frame) = codec.decode(input)? {
                return Poll::Ready(Some(Ok(frame)));
            }
            let filled = input.len();
            input.resize(filled + READ, 0);
            let read =
                Pin::new(&mut *io).poll_read(cx, input.get_mut(filled..).unwrap_or_default());
            input.truncate(filled + if let Poll::Ready(Ok(read)) = &read { *read } else { 0 });
            match std::task::ready!(read)? {
                0 if input.is_empty() => return Poll::Ready(None),
                0 => {
                    return Poll::Ready(Some(Err(
                        io::Error::from(io::ErrorKind::UnexpectedEof).into()
                    )));
                }
                _ => {}
            }
        }
    }
}

impl<T: AsyncRead + AsyncWrite + Unpin> Sink<Frame> for ByteChannel<T> {
    type Error = TransportError;

    fn poll_ready(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Result<(), Self::Error>> {
        self.poll_write(WRITE, cx)
    }

    fn start_send(mut self: Pin<&mut Self>, frame: Frame) -> Result<(), Self::Error> {
        let Self { codec, output, .. } = &mut *self;
        codec.encode(&frame, output);
        Ok(())
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Result<(), Self::Error>> {
        std::task::ready!(self.poll_write(0, cx))?;
        Pin::new(&mut self.io).poll_flush(cx).map_err(TransportError::from)
    }

    fn poll_close(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Result<(), Self::Error>> {
        std::task::ready!(self.poll_write(0, cx))?;
        Pin::new(&mut self.io).poll_close(cx).map_err(TransportError::from)
    }
}
