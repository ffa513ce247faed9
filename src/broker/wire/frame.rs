//! Frames on a socket: a length, and so many bytes.
//!
//! A frame's memory is reserved as its bytes arrive, not as its length promises. What is written
//! is taken from where it lies, without another copy.

use std::collections::VecDeque;
use std::io::{self, IoSlice};

use bytes::{Buf, Bytes, BytesMut};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;

use super::Fault;

/// No request is longer, as with Kafka's `socket.request.max.bytes`.
pub const LONGEST: usize = 100 << 20;

/// A request's header has this many bytes at least.
const SHORTEST: usize = 8;

/// How much is read at once, where it is there.
const PORTION: usize = 128 << 10;

/// How much is reserved ahead of what has arrived.
const AHEAD: usize = 2 << 20;

/// How many pieces are written at once.
const PIECES: usize = 64;

/// Reads frames.
#[derive(Debug, Default)]
pub struct Reader {
    buffer: BytesMut,
}

impl Reader {
    /// The next frame without its length, or none where the client has closed the connection.
    ///
    /// # Errors
    /// Where the length is out of range, or the connection breaks in the middle of a frame.
    pub async fn next(&mut self, stream: &mut TcpStream) -> Result<Option<Bytes>, Fault> {
        loop {
            let mut missing = PORTION;
            if let Some(&prefix) = self.buffer.first_chunk::<4>() {
                let length = length(prefix)?;
                let have = self.buffer.len() - 4;
                if have >= length {
                    self.buffer.advance(4);
                    return Ok(Some(self.buffer.split_to(length).freeze()));
                }
                missing = (length - have).clamp(PORTION, AHEAD);
            }
            self.buffer.reserve(missing);
            if stream.read_buf(&mut self.buffer).await? == 0 {
                return match self.buffer.len() {
                    0 => Ok(None),
                    _ => Err(io::Error::from(io::ErrorKind::UnexpectedEof).into()),
                };
            }
        }
    }
}

fn length(prefix: [u8; 4]) -> Result<usize, Fault> {
    let claimed = i32::from_be_bytes(prefix);
    match usize::try_from(claimed) {
        Ok(length) if (SHORTEST..=LONGEST).contains(&length) => Ok(length),
        _ => Err(Fault::Length(claimed)),
    }
}

/// Writes pieces, one after the other.
///
/// # Errors
/// Where the connection is broken.
pub async fn write(stream: &mut TcpStream, mut pieces: VecDeque<Bytes>) -> io::Result<()> {
    while !pieces.is_empty() {
        let mut slices = [IoSlice::new(&[]); PIECES];
        let mut count = 0;
        for (slice, piece) in slices.iter_mut().zip(&pieces) {
            *slice = IoSlice::new(piece);
            count += 1;
        }
        let mut written = stream.write_vectored(&slices[..count]).await?;
        if written == 0 {
            return Err(io::ErrorKind::WriteZero.into());
        }
        while let Some(piece) = pieces.front_mut() {
            let part = written.min(piece.len());
            piece.advance(part);
            written -= part;
            if !piece.is_empty() {
                break;
            }
            pieces.pop_front();
        }
    }
    Ok(())
}

/// Returns when the client has closed the connection, and nothing that it sent before is left to
/// read. Where more requests wait already, this can't be seen, and it never returns.
pub async fn closed(stream: &TcpStream) {
    let mut byte = [0; 1];
    match stream.peek(&mut byte).await {
        Ok(0) | Err(_) => {}
        Ok(_) => std::future::pending().await,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_length_out_of_range_is_refused() {
        assert!(length(8_i32.to_be_bytes()).is_ok());
        for bad in [i32::MIN, -1, 0, 7, (100 << 20) + 1, i32::MAX] {
            assert!(length(bad.to_be_bytes()).is_err(), "{bad}");
        }
    }
}
