//! Messages as brokers keep them, and as producers put several into one request.

use std::fmt::Write;
use std::io::{Read, Write as _};

use flate2::Compression;
use flate2::bufread::ZlibDecoder;
use flate2::write::ZlibEncoder;

use super::frame::Bytes;

/// Bits of a message's `sysFlag`.
const COMPRESSED: u32 = 1;
const BORN_AT_IPV6: u32 = 1 << 4;
const STORED_AT_IPV6: u32 = 1 << 5;
/// Its body is a batch, and to be taken apart.
const BATCH: u32 = 1 << 6 | 1 << 7;

/// How a compressed body is compressed: by zlib, or without a word on it, which is the same.
const COMPRESSED_BY: u32 = 7 << 8;
const BY_ZLIB: u32 = 3 << 8;

/// `sysFlag` of a message with a body that [`compress`] has made, as requests have it.
pub const COMPRESSED_BY_ZLIB: &str = "769";

/// As the Java client does.
const LEVEL: u32 = 5;

/// The magic number of messages whose topic has its length in two bytes.
const LONG_TOPIC: u32 = 0xdaa3_20ab;

/// Larger bodies than any broker takes: what is compressed may claim anything.
const LARGEST: u64 = 256 << 20;

/// Names of properties.
pub const KEYS: &str = "KEYS";
pub const UNIQUE: &str = "UNIQ_KEY";

/// Bytes of a message in a batch beside its body and properties.
const BESIDE_BODY: usize = 22;

/// A message that came.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Stored<'a> {
    /// Its place in the queue.
    pub offset: u64,
    pub body: &'a [u8],
    pub properties: &'a [u8],
}

impl<'a> Stored<'a> {
    /// One of its properties.
    pub fn property(&self, name: &str) -> Option<&'a [u8]> {
        let mut all = self.properties.split(|&byte| byte == 2);
        all.find_map(|one| one.strip_prefix(name.as_bytes())?.strip_prefix(&[1]))
    }
}

/// Appends a property to the text that holds a message's.
pub fn put_property(properties: &mut String, name: &str, value: &str) {
    // It cannot fail: a text grows.
    let _ = write!(properties, "{name}\u{1}{value}\u{2}");
}

/// Hands out all messages of an answer from this offset on.
///
/// # Errors
/// Where they are garbled.
pub fn each_from(
    mut bytes: Bytes<'_>,
    from: u64,
    mut hand_out: impl FnMut(&Stored<'_>),
) -> Result<(), String> {
    while !bytes.0.is_empty() {
        one(&mut bytes, from, &mut hand_out).ok_or("a message is garbled")?;
    }
    Ok(())
}

fn one(bytes: &mut Bytes<'_>, from: u64, hand_out: &mut dyn FnMut(&Stored<'_>)) -> Option<()> {
    let length = Bytes(bytes.0).u32()? as usize;
    let mut rest = Bytes(bytes.take(length)?);
    rest.u32()?;
    let magic = rest.u32()?;
    // Checksum, queue and flag.
    rest.take(12)?;
    let offset = rest.u64()?;
    // Where it lies in the broker's log.
    rest.u64()?;
    let flags = rest.u32()?;
    let host = |at: u32| if flags & at == 0 { 8 } else { 20 };
    // When it was sent and from where, when it was stored and where.
    rest.take(8 + host(BORN_AT_IPV6) + 8 + host(STORED_AT_IPV6))?;
    // How often it was given back, and to which transaction it belongs.
    rest.take(12)?;
    let body = rest.text()?;
    let topic = if magic == LONG_TOPIC {
        rest.u16()?
    } else {
        rest.u8()?.into()
    };
    rest.take(topic.into())?;
    let length = rest.u16()?;
    let properties = rest.take(length.into())?;
    if flags & BATCH == BATCH {
        let mut inner = Bytes(body);
        let mut offset = offset;
        while !inner.0.is_empty() {
            let (body, properties) = inner_one(&mut inner)?;
            if offset >= from {
                hand_out(&Stored {
                    offset,
                    body,
                    properties,
                });
            }
            offset += 1;
        }
        return Some(());
    }
    let mut whole = Vec::new();
    let by_zlib = matches!(flags & COMPRESSED_BY, 0 | BY_ZLIB);
    // What another library has compressed otherwise, no message of a run is.
    let compressed = flags & COMPRESSED != 0 && by_zlib;
    let body = if compressed
        && ZlibDecoder::new(body)
            .take(LARGEST)
            .read_to_end(&mut whole)
            .is_ok()
    {
        &whole
    } else {
        body
    };
    if offset >= from {
        hand_out(&Stored {
            offset,
            body,
            properties,
        });
    }
    Some(())
}

/// A message of a batch: its body and properties.
fn inner_one<'a>(bytes: &mut Bytes<'a>) -> Option<(&'a [u8], &'a [u8])> {
    // Length, magic number, checksum and flag.
    bytes.take(16)?;
    let body = bytes.text()?;
    let length = bytes.u16()?;
    Some((body, bytes.take(length.into())?))
}

/// Bytes that a message takes in a batch.
pub fn length_in_batch(body: &[u8], properties: &str) -> usize {
    BESIDE_BODY + body.len() + properties.len()
}

/// Appends a message to a batch.
pub fn put_into_batch(batch: &mut Vec<u8>, body: &[u8], properties: &str) {
    let length = length_in_batch(body, properties) as u32;
    batch.extend_from_slice(&length.to_be_bytes());
    // The broker fills in the magic number and the checksum; there is no flag.
    batch.extend_from_slice(&[0; 12]);
    batch.extend_from_slice(&(body.len() as u32).to_be_bytes());
    batch.extend_from_slice(body);
    batch.extend_from_slice(&(properties.len() as u16).to_be_bytes());
    batch.extend_from_slice(properties.as_bytes());
}

/// Body and properties of the only message of a batch.
pub fn only_one(batch: &[u8]) -> (&[u8], &str) {
    let (body, properties) = inner_one(&mut Bytes(batch)).unwrap_or_default();
    (body, std::str::from_utf8(properties).unwrap_or_default())
}

/// A body, compressed; `None` where that can't be done.
pub fn compress(body: &[u8]) -> Option<Vec<u8>> {
    let mut encoder = ZlibEncoder::new(Vec::with_capacity(body.len()), Compression::new(LEVEL));
    encoder.write_all(body).ok()?;
    encoder.finish().ok()
}

/// Numbers of messages that no other client gives, as text of 32 hexadecimal digits.
#[derive(Debug)]
pub struct UniqueIds {
    client: u64,
    next: u64,
}

impl UniqueIds {
    /// For a new client.
    pub fn new() -> Self {
        Self {
            client: fastrand::u64(..),
            next: 0,
        }
    }

    /// Appends the property with the next one.
    pub fn put(&mut self, properties: &mut String) {
        let _ = write!(
            properties,
            "{UNIQUE}\u{1}{:016X}{:016X}\u{2}",
            self.client, self.next
        );
        self.next += 1;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// As a broker keeps it.
    fn stored(offset: u64, flags: u32, body: &[u8], properties: &str, topic: &str) -> Vec<u8> {
        let long = topic.len() > 127;
        let mut bytes = vec![0; 4];
        bytes.extend_from_slice(&if long { LONG_TOPIC } else { 0xdaa3_20a7 }.to_be_bytes());
        bytes.extend_from_slice(&[0; 12]);
        bytes.extend_from_slice(&offset.to_be_bytes());
        bytes.extend_from_slice(&[0; 8]);
        bytes.extend_from_slice(&flags.to_be_bytes());
        let host = |at: u32| if flags & at == 0 { 8 } else { 20 };
        bytes.extend(std::iter::repeat_n(
            9,
            16 + host(BORN_AT_IPV6) + host(STORED_AT_IPV6),
        ));
        bytes.extend_from_slice(&[0; 12]);
        bytes.extend_from_slice(&(body.len() as u32).to_be_bytes());
        bytes.extend_from_slice(body);
        match long {
            true => bytes.extend_from_slice(&(topic.len() as u16).to_be_bytes()),
            false => bytes.push(topic.len() as u8),
        }
        bytes.extend_from_slice(topic.as_bytes());
        bytes.extend_from_slice(&(properties.len() as u16).to_be_bytes());
        bytes.extend_from_slice(properties.as_bytes());
        let length = bytes.len() as u32;
        bytes[..4].copy_from_slice(&length.to_be_bytes());
        bytes
    }

    fn read(bytes: &[u8], from: u64) -> Vec<(u64, Vec<u8>, Option<Vec<u8>>)> {
        let mut read = Vec::new();
        each_from(Bytes(bytes), from, |message| {
            let property = message.property("omb").map(<[u8]>::to_vec);
            read.push((message.offset, message.body.to_vec(), property));
        })
        .unwrap();
        read
    }

    #[test]
    fn messages_of_all_shapes_are_read() {
        let topics = ["t".to_owned(), "t".repeat(200)];
        let mut bytes = stored(3, 0, b"plain", "a\u{1}b\u{2}omb\u{1}x=\u{2}", &topics[0]);
        bytes.extend(stored(
            4,
            BORN_AT_IPV6 | STORED_AT_IPV6,
            b"",
            "",
            &topics[1],
        ));
        let compressed = compress(&[7; 10_000]).unwrap();
        assert!(compressed.len() < 1_000);
        let by_zlib = COMPRESSED | BY_ZLIB;
        assert_eq!(by_zlib.to_string(), COMPRESSED_BY_ZLIB);
        bytes.extend(stored(5, by_zlib, &compressed, "", &topics[0]));
        let expected = [
            (3, b"plain".to_vec(), Some(b"x=".to_vec())),
            (4, Vec::new(), None),
            (5, vec![7; 10_000], None),
        ];
        assert_eq!(read(&bytes, 0), expected);
        assert_eq!(read(&bytes, 4), expected[1..]);
        for end in 1..bytes.len() {
            // Cut off anywhere it is an error, or ends with a whole message.
            let cut = each_from(Bytes(&bytes[..end]), 0, |_| {});
            let whole = [5, 119, 119 + 345].contains(&end);
            assert!(
                cut.is_err() || whole || read(&bytes[..end], 0).len() < 3,
                "{end}"
            );
        }
    }

    #[test]
    fn a_batch_is_taken_apart_from_any_of_its_messages_on() {
        let mut batch = Vec::new();
        for number in 0..3_u8 {
            let mut properties = String::new();
            put_property(&mut properties, "omb", &number.to_string());
            let before = batch.len();
            put_into_batch(&mut batch, &[number; 5], &properties);
            assert_eq!(
                batch.len() - before,
                length_in_batch(&[number; 5], &properties)
            );
        }
        let bytes = stored(10, BATCH, &batch, "", "t");
        let offsets: Vec<u64> = read(&bytes, 0).iter().map(|one| one.0).collect();
        assert_eq!(offsets, [10, 11, 12]);
        let last = read(&bytes, 12);
        assert_eq!(last, [(12, vec![2; 5], Some(b"2".to_vec()))]);
        assert_eq!(
            only_one(&batch[..batch.len() / 3]),
            (&[0; 5][..], "omb\u{1}0\u{2}")
        );
    }

    #[test]
    fn ids_are_of_32_digits_and_differ() {
        let (mut one, mut other) = (UniqueIds::new(), UniqueIds::new());
        let mut texts: Vec<String> = Vec::new();
        for ids in [&mut one, &mut other] {
            for _ in 0..3 {
                let mut text = String::new();
                ids.put(&mut text);
                assert_eq!(text.len(), "UNIQ_KEY".len() + 34);
                texts.push(text);
            }
        }
        texts.sort_unstable();
        texts.dedup();
        assert_eq!(texts.len(), 6);
    }
}
