//! Batches taken apart into messages, and put together again.

use bytes::{Bytes, BytesMut};
use kafka_protocol::error::ResponseError;
use kafka_protocol::records::{
    Compression, NO_PRODUCER_EPOCH, NO_PRODUCER_ID, NO_SEQUENCE, Record, RecordBatchDecoder,
    RecordBatchEncoder, RecordEncodeOptions,
};

use crate::broker::batch::Batch;
use crate::client::stamp::stream_of_load;
use crate::stats::delta::StreamId;

/// What the log gets in place of a batch, in this order.
#[derive(Debug, PartialEq)]
pub enum Piece {
    /// A batch of no idempotent producer.
    Batch(Batch, Bytes),
    /// So many offsets that stay empty.
    Gap(i64),
}

/// What becomes of the place of one message.
#[derive(Debug)]
pub enum Place {
    /// This message is stored there.
    Message(Record),
    /// Its offset stays empty.
    Empty,
}

/// A batch taken apart.
#[derive(Debug)]
pub struct Open {
    /// Its messages.
    pub records: Vec<Record>,
    /// How it is compressed.
    pub compression: Compression,
}

/// Takes a sound batch apart.
///
/// # Errors
/// `UNSUPPORTED_COMPRESSION_TYPE` for a compression other than zstd, `INVALID_RECORD` where the
/// messages aren't what they should be.
pub fn open(batch: &Bytes) -> Result<Open, ResponseError> {
    let compression = compression(batch).ok_or(ResponseError::UnsupportedCompressionType)?;
    let mut rest = batch.clone();
    match RecordBatchDecoder::decode(&mut rest) {
        Ok(set) => Ok(Open {
            records: set.records,
            compression,
        }),
        Err(error) => {
            tracing::warn!("a batch can't be taken apart: {error:#}");
            Err(ResponseError::InvalidRecord)
        }
    }
}

/// The compression of a batch, if it is one that is known here.
fn compression(batch: &[u8]) -> Option<Compression> {
    match batch.get(22)? & 0b111 {
        0 => Some(Compression::None),
        4 => Some(Compression::Zstd),
        _ => None,
    }
}

/// Whose load message it is, if it is one.
pub fn stream(record: &Record) -> Option<StreamId> {
    let headers = record.headers.values().flatten();
    let mut carriers = record.value.iter().chain(headers);
    carriers.find_map(|bytes| stream_of_load(bytes))
}

/// Puts together what is stored in place of a batch.
///
/// # Errors
/// `INVALID_RECORD` where the messages can't be written.
pub fn close(places: Vec<Place>, compression: Compression) -> Result<Vec<Piece>, ResponseError> {
    let mut pieces = Vec::new();
    let mut together = Vec::new();
    for place in places {
        match place {
            Place::Message(record) => together.push(record),
            Place::Empty => {
                flush(&mut together, compression, &mut pieces)?;
                match pieces.last_mut() {
                    Some(Piece::Gap(length)) => *length += 1,
                    _ => pieces.push(Piece::Gap(1)),
                }
            }
        }
    }
    flush(&mut together, compression, &mut pieces)?;
    Ok(pieces)
}

fn flush(
    together: &mut Vec<Record>,
    compression: Compression,
    pieces: &mut Vec<Piece>,
) -> Result<(), ResponseError> {
    let mut records = std::mem::take(together);
    for (offset, record) in (0..).zip(&mut records) {
        record.offset = offset;
        // The encoder begins a new batch where these differ from the first record's.
        record.sequence = NO_SEQUENCE.wrapping_add(offset as i32);
        record.producer_id = NO_PRODUCER_ID;
        record.producer_epoch = NO_PRODUCER_EPOCH;
    }
    if records.is_empty() {
        return Ok(());
    }
    let mut bytes = BytesMut::new();
    let options = RecordEncodeOptions {
        version: 2,
        compression,
    };
    match RecordBatchEncoder::encode(&mut bytes, &records, &options) {
        Ok(()) => {
            let batch = Batch::check(&bytes)?;
            pieces.push(Piece::Batch(batch, bytes.freeze()));
        }
        Err(error) => {
            tracing::warn!("a batch can't be put together: {error:#}");
            return Err(ResponseError::InvalidRecord);
        }
    }
    Ok(())
}
