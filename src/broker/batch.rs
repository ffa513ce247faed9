//! A record batch as it came from a producer: checked from the outside, never decompressed.
//!
//! Checked are its format, its length, its CRC-32C over all that it covers, and that its count of
//! records fits its offsets. Offset and epoch are outside of the checksum, so a batch is stored by
//! overwriting these two. Layout: <https://kafka.apache.org/documentation/#recordbatch>.

use bytes::Bytes;
use kafka_protocol::error::ResponseError;

/// Bytes before the first record.
pub const HEADER: usize = 61;

/// Bytes of a batch before what its length counts.
const PREFIX: usize = 12;

/// Where the checksum's coverage begins.
const COVERED: usize = 21;

const CODECS: i16 = 4;
const CODEC_MASK: i16 = 0b111;
const LOG_APPEND_TIME: i16 = 1 << 3;
const TRANSACTIONAL: i16 = 1 << 4;
const CONTROL: i16 = 1 << 5;

/// What a batch says of itself, after it was found sound.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Batch {
    /// How many records it has, one at least.
    pub records: i32,
    /// The newest of its records' times, in milliseconds.
    pub max_timestamp: i64,
    /// Who sent it and which of theirs it is, for an idempotent producer.
    pub sequence: Option<Sequence>,
}

/// Where a batch stands among those of its producer.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Sequence {
    /// The producer.
    pub producer: i64,
    /// Its epoch.
    pub epoch: i16,
    /// The number of the batch's first record.
    pub first: i32,
}

impl Batch {
    /// Checks one batch.
    ///
    /// # Errors
    /// The code to answer with: `CORRUPT_MESSAGE` where bytes were changed or are missing,
    /// `UNSUPPORTED_FOR_MESSAGE_FORMAT` for formats before 2, `UNSUPPORTED_COMPRESSION_TYPE`, and
    /// `INVALID_RECORD` where the batch contradicts itself or belongs to a transaction.
    pub fn check(bytes: &[u8]) -> Result<Batch, ResponseError> {
        let corrupt = ResponseError::CorruptMessage;
        // Formats before 2 are shorter, and have their format number at the same place.
        let magic = *bytes.get(16).ok_or(corrupt)?;
        if magic < 2 {
            return Err(ResponseError::UnsupportedForMessageFormat);
        }
        if magic > 2 || bytes.len() < HEADER {
            return Err(corrupt);
        }
        let length = usize::try_from(int(bytes, 8)).map_err(|_| corrupt)?;
        if length < HEADER - PREFIX || length > bytes.len() - PREFIX {
            return Err(corrupt);
        }
        if length < bytes.len() - PREFIX {
            // Another batch follows, or something else: a producer sends one for each partition.
            return Err(ResponseError::InvalidRecord);
        }
        if crc32c::crc32c(&bytes[COVERED..]) != u32::from_be_bytes(array(bytes, 17)) {
            return Err(corrupt);
        }
        let batch = Batch {
            records: int(bytes, 57),
            max_timestamp: i64::from_be_bytes(array(bytes, 35)),
            sequence: sequence(bytes)?,
        };
        let attributes = i16::from_be_bytes(array(bytes, 21));
        if attributes & CODEC_MASK > CODECS {
            return Err(ResponseError::UnsupportedCompressionType);
        }
        if attributes & (LOG_APPEND_TIME | TRANSACTIONAL | CONTROL) != 0
            || batch.records < 1
            || int(bytes, 23) != batch.records - 1
        {
            return Err(ResponseError::InvalidRecord);
        }
        Ok(batch)
    }
}

/// A copy of a batch at this offset. It shares nothing with the request it came in.
pub fn place(batch: &[u8], offset: i64) -> Bytes {
    let mut bytes = batch.to_vec();
    if let Some(start) = bytes.first_chunk_mut::<8>() {
        *start = offset.to_be_bytes();
    }
    if let Some(epoch) = bytes.get_mut(12..16) {
        epoch.fill(0);
    }
    Bytes::from(bytes)
}

fn sequence(bytes: &[u8]) -> Result<Option<Sequence>, ResponseError> {
    let sequence = Sequence {
        producer: i64::from_be_bytes(array(bytes, 43)),
        epoch: i16::from_be_bytes(array(bytes, 51)),
        first: int(bytes, 53),
    };
    match sequence {
        Sequence { producer: -1, .. } => Ok(None),
        Sequence {
            producer,
            epoch,
            first,
        } if producer < 0 || epoch < 0 || first < 0 => Err(ResponseError::InvalidRecord),
        _ => Ok(Some(sequence)),
    }
}

fn int(bytes: &[u8], at: usize) -> i32 {
    i32::from_be_bytes(array(bytes, at))
}

/// So many bytes from there on; zeros where there are none, but the caller has seen to that.
fn array<const N: usize>(bytes: &[u8], at: usize) -> [u8; N] {
    bytes
        .get(at..)
        .and_then(|rest| rest.first_chunk())
        .copied()
        .unwrap_or([0; N])
}

#[cfg(test)]
pub mod tests {
    use super::*;

    /// A sound batch with `records` records of nothing in particular.
    pub fn batch(records: i32, sequence: Option<Sequence>) -> Vec<u8> {
        let sequence = sequence.unwrap_or(Sequence {
            producer: -1,
            epoch: -1,
            first: -1,
        });
        let mut bytes = vec![0; HEADER];
        bytes.extend(std::iter::repeat_n(
            7,
            10 * usize::try_from(records).unwrap(),
        ));
        let length = i32::try_from(bytes.len() - PREFIX).unwrap();
        bytes[8..12].copy_from_slice(&length.to_be_bytes());
        bytes[16] = 2;
        bytes[23..27].copy_from_slice(&(records - 1).to_be_bytes());
        bytes[35..43].copy_from_slice(&1234_i64.to_be_bytes());
        bytes[43..51].copy_from_slice(&sequence.producer.to_be_bytes());
        bytes[51..53].copy_from_slice(&sequence.epoch.to_be_bytes());
        bytes[53..57].copy_from_slice(&sequence.first.to_be_bytes());
        bytes[57..61].copy_from_slice(&records.to_be_bytes());
        seal(&mut bytes);
        bytes
    }

    fn seal(bytes: &mut [u8]) {
        let crc = crc32c::crc32c(&bytes[COVERED..]);
        bytes[17..21].copy_from_slice(&crc.to_be_bytes());
    }

    fn changed(at: usize, to: u8) -> Result<Batch, ResponseError> {
        let mut bytes = batch(3, None);
        bytes[at] = to;
        seal(&mut bytes);
        Batch::check(&bytes)
    }

    #[test]
    fn a_sound_batch_is_accepted_and_stays_sound_where_it_is_placed() {
        let sequence = Sequence {
            producer: 5,
            epoch: 1,
            first: 9,
        };
        let bytes = batch(3, Some(sequence));
        let expected = Batch {
            records: 3,
            max_timestamp: 1234,
            sequence: Some(sequence),
        };
        assert_eq!(Batch::check(&bytes), Ok(expected));
        let placed = place(&bytes, 77);
        assert_eq!(placed[..8], 77_i64.to_be_bytes());
        assert_eq!(Batch::check(&placed), Ok(expected));
    }

    #[test]
    fn a_changed_byte_is_noticed() {
        let sound = batch(3, None);
        for at in COVERED..sound.len() {
            let mut bytes = sound.clone();
            bytes[at] ^= 1;
            assert_eq!(
                Batch::check(&bytes),
                Err(ResponseError::CorruptMessage),
                "{at}"
            );
        }
    }

    #[test]
    fn a_missing_byte_is_noticed() {
        let sound = batch(3, None);
        for end in 0..sound.len() {
            assert_eq!(
                Batch::check(&sound[..end]),
                Err(ResponseError::CorruptMessage),
                "{end}"
            );
        }
    }

    #[test]
    fn a_batch_that_contradicts_itself_is_refused() {
        assert_eq!(changed(60, 4), Err(ResponseError::InvalidRecord));
        assert_eq!(changed(26, 9), Err(ResponseError::InvalidRecord));
        assert_eq!(
            Batch::check(&batch(0, None)),
            Err(ResponseError::InvalidRecord)
        );
    }

    #[test]
    fn what_is_not_served_is_refused() {
        assert_eq!(
            changed(16, 1),
            Err(ResponseError::UnsupportedForMessageFormat)
        );
        assert_eq!(
            changed(22, 5),
            Err(ResponseError::UnsupportedCompressionType)
        );
        assert_eq!(changed(22, 1 << 4), Err(ResponseError::InvalidRecord));
        let two = [batch(1, None), batch(1, None)].concat();
        assert_eq!(Batch::check(&two), Err(ResponseError::InvalidRecord));
    }
}
