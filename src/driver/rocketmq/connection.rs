//! A connection to a name server or a broker, of which nothing ever waits.

use std::io::{self, ErrorKind, Read, Write};
use std::net::{TcpStream, ToSocketAddrs};
use std::os::fd::{AsRawFd, RawFd};
use std::sync::Arc;

use super::frame::{self, Credentials, Frame, Request};
use crate::clock::Instant;
use crate::driver::bell::Waits;

/// What is written once so much is waiting, without being asked to.
const WRITE_AT: usize = 64 << 10;

/// Bytes that are read at a time, at least.
const READ: usize = 256 << 10;

/// Both directions, which are independent of each other.
pub struct Connection {
    pub writer: Writer,
    pub reader: Reader,
}

/// Requests on their way.
pub struct Writer {
    stream: Arc<TcpStream>,
    credentials: Option<Arc<Credentials>>,
    number: u32,
    unsent: Vec<u8>,
    sent: usize,
}

/// What has come.
pub struct Reader {
    stream: Arc<TcpStream>,
    bytes: Vec<u8>,
    start: usize,
    end: usize,
    /// It is not to be used any more, and why.
    ended: Option<&'static str>,
}

impl Connection {
    /// Connects, which may take until then.
    ///
    /// # Errors
    /// Why not, in one line that begins with the address.
    pub fn open(
        address: &str,
        credentials: Option<Arc<Credentials>>,
        until: Instant,
    ) -> Result<Self, String> {
        let stream = reach(address, until).map_err(|error| format!("{address}: {error}"))?;
        let stream = Arc::new(stream);
        Ok(Self {
            writer: Writer {
                stream: stream.clone(),
                credentials,
                number: 0,
                unsent: Vec::new(),
                sent: 0,
            },
            reader: Reader {
                stream,
                bytes: Vec::new(),
                start: 0,
                end: 0,
                ended: None,
            },
        })
    }

    /// Its descriptor, and whether something is to be written to it.
    pub fn interest(&self) -> (RawFd, bool) {
        let writes = self.writer.sent < self.writer.unsent.len();
        (self.reader.stream.as_raw_fd(), writes)
    }

    /// Asks, and waits for the answer; what else comes meanwhile is thrown away.
    ///
    /// # Errors
    /// Where none comes.
    pub fn ask<T>(
        &mut self,
        request: &Request<'_>,
        until: Instant,
        read: impl FnOnce(&Frame<'_>) -> T,
    ) -> Result<T, String> {
        let number = self.writer.send(request);
        let mut waits = Waits::default();
        loop {
            self.writer.flush().map_err(|error| error.to_string())?;
            while let Some(frame) = self.reader.next()? {
                if frame.is_answer && frame.number == number {
                    return Ok(read(&frame));
                }
            }
            if self.reader.receive().map_err(|error| error.to_string())? {
                continue;
            }
            if Instant::now() >= until {
                return Err("no answer in time".to_owned());
            }
            let (descriptor, writes) = self.interest();
            waits.add(descriptor, writes);
            waits.wait(until);
        }
    }
}

fn reach(address: &str, until: Instant) -> io::Result<TcpStream> {
    let mut failed = io::Error::new(ErrorKind::NotFound, "there is no such host");
    for socket in address.to_socket_addrs()? {
        let time = until.since(Instant::now());
        if time.is_zero() {
            return Err(ErrorKind::TimedOut.into());
        }
        match TcpStream::connect_timeout(&socket, time) {
            Ok(stream) => {
                stream.set_nodelay(true)?;
                stream.set_nonblocking(true)?;
                return Ok(stream);
            }
            Err(error) => failed = error,
        }
    }
    Err(failed)
}

impl Writer {
    /// Puts a request on its way; returns its number.
    pub fn send(&mut self, request: &Request<'_>) -> u32 {
        let number = self.number;
        self.number = number.wrapping_add(1);
        request.write(number, self.credentials.as_deref(), &mut self.unsent);
        if self.unsent.len() - self.sent >= WRITE_AT {
            // An error comes up when the connection is read.
            let _ = self.flush();
        }
        number
    }

    /// Writes as much as the socket takes.
    pub fn flush(&mut self) -> io::Result<()> {
        while self.sent < self.unsent.len() {
            match (&*self.stream).write(&self.unsent[self.sent..]) {
                Ok(0) => return Err(ErrorKind::WriteZero.into()),
                Ok(written) => self.sent += written,
                Err(error) if error.kind() == ErrorKind::WouldBlock => break,
                Err(error) if error.kind() == ErrorKind::Interrupted => {}
                Err(error) => return Err(error),
            }
        }
        // What is sent is cleared away where that moves little, or all of it is.
        if self.sent == self.unsent.len() || self.sent >= self.unsent.len() / 2 + WRITE_AT {
            self.unsent.drain(..self.sent);
            self.sent = 0;
        }
        Ok(())
    }
}

impl Reader {
    /// The next whole frame of what was received.
    ///
    /// # Errors
    /// Where it is garbage, or the other side speaks another language.
    pub fn next(&mut self) -> Result<Option<Frame<'_>>, String> {
        let waiting = &self.bytes[self.start..self.end];
        let Some(length) = frame::length(waiting)? else {
            return Ok(None);
        };
        if waiting.len() < length {
            return Ok(None);
        }
        let start = self.start;
        self.start += length;
        Frame::read(&self.bytes[start..start + length]).map(Some)
    }

    /// Nothing more is expected of it.
    pub fn end(&mut self, why: &'static str) {
        self.ended = Some(why);
    }

    /// Takes what has come; whether there was anything.
    ///
    /// # Errors
    /// Where the connection has ended.
    pub fn receive(&mut self) -> io::Result<bool> {
        if let Some(why) = self.ended {
            return Err(io::Error::other(why));
        }
        if self.start == self.end {
            (self.start, self.end) = (0, 0);
        }
        if self.bytes.len() - self.end < READ / 2 {
            self.bytes.copy_within(self.start..self.end, 0);
            (self.start, self.end) = (0, self.end - self.start);
            if self.bytes.len() - self.end < READ / 2 {
                let more = (self.bytes.len() * 2).max(READ);
                self.bytes.resize(more, 0);
            }
        }
        loop {
            match (&*self.stream).read(&mut self.bytes[self.end..]) {
                Ok(0) => return Err(io::Error::other("the other side has closed it")),
                Ok(read) => {
                    self.end += read;
                    return Ok(true);
                }
                Err(error) if error.kind() == ErrorKind::WouldBlock => return Ok(false),
                Err(error) if error.kind() == ErrorKind::Interrupted => {}
                Err(error) => return Err(error),
            }
        }
    }
}
