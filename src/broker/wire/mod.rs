//! Bytes to requests, responses to bytes.
//!
//! Whatever a client sends, the outcome is a request or a [`Fault`]: never a panic, and never more
//! memory than the client has sent bytes for.

pub mod api;
pub mod frame;
pub mod shape;

use bytes::{Buf, BufMut, Bytes, BytesMut};
use kafka_protocol::messages::RequestHeader;
use kafka_protocol::protocol::{Decodable, Encodable, HeaderVersion};
use thiserror::Error;

use api::Api;
use shape::{Field, Kind, Malformed, always};

/// Why a connection has to be closed.
#[derive(Debug, Error)]
pub enum Fault {
    /// The frame's length is no length of a request.
    #[error("a request can't be {0} bytes long")]
    Length(i32),
    /// The kind of request isn't one of those that were offered.
    #[error("there is no request of kind {0} here")]
    Kind(i16),
    /// The version isn't one of those that were offered.
    #[error("there is no version {version} of request {name} here")]
    Version {
        /// The request.
        name: String,
        /// Its version.
        version: i16,
    },
    /// The bytes don't have the request's shape.
    #[error(transparent)]
    Malformed(#[from] Malformed),
    /// The bytes have the shape, but not the meaning.
    #[error("the request can't be decoded: {0}")]
    Decode(String),
    /// A response can't be written.
    #[error("the response can't be encoded: {0}")]
    Encode(String),
    /// A producer that waits for no answer can be told of an error in no other way.
    #[error("a batch was refused (error {0}), and the producer doesn't wait for answers")]
    Unheard(i16),
    /// The connection is broken.
    #[error("the connection broke: {0}")]
    Io(#[from] std::io::Error),
}

/// What precedes every request.
#[derive(Debug)]
pub struct Head {
    /// The kind of request.
    pub api: &'static Api,
    /// Its version, which isn't checked yet.
    pub version: i16,
    /// What the response has to repeat.
    pub correlation: i32,
    /// Who the client says it is.
    pub client: String,
}

const OLD_HEADER: &[Field] = &[always(Kind::Fixed(8))];

/// Takes the header off a frame.
///
/// # Errors
/// Where it has none, or it is of an unknown kind.
pub fn head(frame: &mut Bytes) -> Result<Head, Fault> {
    let Some(&[a, b, c, d, e, f, g, h]) = frame.first_chunk::<8>() else {
        shape::check(OLD_HEADER, frame, 0, false)?;
        return Err(Malformed::Truncated.into());
    };
    let key = i16::from_be_bytes([a, b]);
    let api = api::find(key).ok_or(Fault::Kind(key))?;
    let mut head = Head {
        api,
        version: i16::from_be_bytes([c, d]),
        correlation: i32::from_be_bytes([e, f, g, h]),
        client: String::new(),
    };
    // A version that isn't offered may have a header of its own; what can be told is told.
    if (api.min..=api.max).contains(&head.version) {
        let version = api.key.request_header_version(head.version);
        let header = RequestHeader::decode(frame, version)
            .map_err(|error| Fault::Decode(error.to_string()))?;
        head.client = header
            .client_id
            .map(|id| id.as_str().to_owned())
            .unwrap_or_default();
    }
    Ok(head)
}

/// Reads a request's body.
///
/// # Errors
/// Where it is malformed.
pub fn decode<R: Decodable>(head: &Head, mut body: Bytes) -> Result<R, Fault> {
    let flexible = head.api.key.request_header_version(head.version) >= 2;
    shape::check(head.api.shape, &body, head.version, flexible)?;
    let request =
        R::decode(&mut body, head.version).map_err(|error| Fault::Decode(error.to_string()))?;
    match body.remaining() {
        0 => Ok(request),
        left => Err(Malformed::Leftover(left).into()),
    }
}

/// Writes a response, its length and header included.
///
/// # Errors
/// Where the response has something that its version can't say.
pub fn encode<R: Encodable + HeaderVersion>(
    correlation: i32,
    version: i16,
    response: &R,
) -> Result<Bytes, Fault> {
    let mut buffer = BytesMut::with_capacity(256);
    buffer.put_i32(0);
    buffer.put_i32(correlation);
    if R::header_version(version) >= 1 {
        buffer.put_u8(0);
    }
    response
        .encode(&mut buffer, version)
        .map_err(|error| Fault::Encode(error.to_string()))?;
    let length = u32::try_from(buffer.len() - 4)
        .map_err(|_| Fault::Encode("it has more than 4 GiB".to_owned()))?;
    buffer[..4].copy_from_slice(&length.to_be_bytes());
    Ok(buffer.freeze())
}
