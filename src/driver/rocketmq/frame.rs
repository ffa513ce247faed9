//! Frames of RocketMQ's remoting protocol: requests as they are written, and what comes back.
//!
//! A frame is its length, the length of its header with the header's format in the topmost byte, the header,
//! and a body. Requests have headers in the binary format, and answers come in that of their request; what a
//! broker asks by itself comes as JSON.

use std::borrow::Cow;

use base64::Engine;
use base64::prelude::BASE64_STANDARD;
use hmac::{Hmac, KeyInit, Mac};
use serde_json::Value;
use sha1::Sha1;

/// `code` of requests.
pub mod ask {
    pub const PULL_MESSAGE: u16 = 11;
    pub const QUERY_CONSUMER_OFFSET: u16 = 14;
    pub const UPDATE_CONSUMER_OFFSET: u16 = 15;
    pub const UPDATE_AND_CREATE_TOPIC: u16 = 17;
    pub const GET_ALL_TOPIC_CONFIG: u16 = 21;
    pub const GET_BROKER_CONFIG: u16 = 26;
    pub const GET_MAX_OFFSET: u16 = 30;
    pub const HEART_BEAT: u16 = 34;
    pub const UNREGISTER_CLIENT: u16 = 35;
    pub const GET_CONSUMER_LIST_BY_GROUP: u16 = 38;
    pub const NOTIFY_CONSUMER_IDS_CHANGED: u16 = 40;
    pub const GET_ROUTEINFO_BY_TOPIC: u16 = 105;
    pub const GET_BROKER_CLUSTER_INFO: u16 = 106;
    pub const UPDATE_AND_CREATE_SUBSCRIPTIONGROUP: u16 = 200;
    pub const GET_ALL_SUBSCRIPTIONGROUP_CONFIG: u16 = 201;
    pub const GET_CONSUMER_CONNECTION_LIST: u16 = 203;
    pub const GET_ALL_TOPIC_LIST_FROM_NAMESERVER: u16 = 206;
    pub const DELETE_SUBSCRIPTIONGROUP: u16 = 207;
    pub const DELETE_TOPIC_IN_BROKER: u16 = 215;
    pub const DELETE_TOPIC_IN_NAMESRV: u16 = 216;
    pub const SEND_MESSAGE_V2: u16 = 310;
    pub const SEND_BATCH_MESSAGE: u16 = 320;
    pub const QUERY_TOPICS_BY_CONSUMER: u16 = 343;
}

/// `code` of answers.
pub mod code {
    pub const SUCCESS: u16 = 0;
    pub const SYSTEM_BUSY: u16 = 2;
    pub const FLUSH_DISK_TIMEOUT: u16 = 10;
    pub const SLAVE_NOT_AVAILABLE: u16 = 11;
    pub const FLUSH_SLAVE_TIMEOUT: u16 = 12;
    pub const MESSAGE_ILLEGAL: u16 = 13;
    pub const SERVICE_NOT_AVAILABLE: u16 = 14;
    pub const NO_PERMISSION: u16 = 16;
    pub const TOPIC_NOT_EXIST: u16 = 17;
    pub const PULL_NOT_FOUND: u16 = 19;
    pub const PULL_RETRY_IMMEDIATELY: u16 = 20;
    pub const PULL_OFFSET_MOVED: u16 = 21;
    pub const QUERY_NOT_FOUND: u16 = 22;
    pub const SUBSCRIPTION_GROUP_NOT_EXIST: u16 = 26;
    pub const CONSUMER_NOT_ONLINE: u16 = 206;
}

/// `language` of requests: Rust.
const LANGUAGE: u8 = 12;

/// `version` of requests: that of 5.1.4. Since 4.9.4, clients are answered in standard JSON.
const VERSION: u16 = 441;

/// Bit of `flag`: no request, but the answer to one.
const ANSWER: u32 = 1;

/// Bit of `flag`: nobody waits for an answer.
const ONE_WAY: u32 = 2;

/// Larger frames than the protocol's own bound are garbage.
const LARGEST: usize = 64 << 20;

/// Who a client is, and what it proves it with.
#[derive(Clone)]
pub struct Credentials {
    access_key: String,
    secret: Hmac<Sha1>,
}

impl Credentials {
    /// Those of a driver file.
    pub fn new(access_key: &str, secret_key: &str) -> Self {
        let secret = Hmac::new_from_slice(secret_key.as_bytes());
        Self {
            access_key: access_key.to_owned(),
            // Keys of any length are taken.
            secret: secret.unwrap_or_else(|_| Hmac::new(&Default::default())),
        }
    }

    /// Over the values of all fields in the order of their names, and the body.
    fn sign<'a>(&'a self, fields: &mut Vec<(&'a str, &'a str)>, body: &[u8]) -> String {
        fields.push(("AccessKey", &self.access_key));
        fields.sort_unstable_by_key(|&(name, _)| name);
        let mut mac = self.secret.clone();
        fields
            .iter()
            .for_each(|(_, value)| mac.update(value.as_bytes()));
        mac.update(body);
        BASE64_STANDARD.encode(mac.finalize().into_bytes())
    }
}

/// A request.
#[derive(Clone, Copy)]
pub struct Request<'a> {
    /// See [`ask`].
    pub code: u16,
    /// An empty value is left out, as none.
    pub fields: &'a [(&'a str, &'a str)],
    pub body: &'a [u8],
    /// Nobody waits for an answer.
    pub one_way: bool,
}

impl Request<'_> {
    /// Writes it, under a number that its answer has, too.
    pub fn write(&self, number: u32, credentials: Option<&Credentials>, out: &mut Vec<u8>) {
        let start = out.len();
        out.extend_from_slice(&[0; 8]);
        out.extend_from_slice(&self.code.to_be_bytes());
        out.push(LANGUAGE);
        out.extend_from_slice(&VERSION.to_be_bytes());
        out.extend_from_slice(&number.to_be_bytes());
        let flag = if self.one_way { ONE_WAY } else { 0 };
        out.extend_from_slice(&flag.to_be_bytes());
        // No remark.
        out.extend_from_slice(&[0; 4]);
        let fields = out.len();
        out.extend_from_slice(&[0; 4]);
        let given = self.fields.iter().filter(|(_, value)| !value.is_empty());
        match credentials {
            None => given.for_each(|(name, value)| write_field(out, name, value)),
            Some(credentials) => {
                let mut given: Vec<(&str, &str)> = given.copied().collect();
                let signature = credentials.sign(&mut given, self.body);
                given.push(("Signature", &signature));
                given
                    .iter()
                    .for_each(|(name, value)| write_field(out, name, value));
            }
        }
        let end = out.len();
        out.extend_from_slice(self.body);
        let patch = |out: &mut Vec<u8>, at: usize, value: usize| {
            out[at..at + 4].copy_from_slice(&(value as u32).to_be_bytes());
        };
        patch(out, fields, end - fields - 4);
        patch(out, start, out.len() - start - 4);
        // The format's number, 1, is in the topmost byte.
        patch(out, start + 4, (end - start - 8) | 1 << 24);
    }
}

fn write_field(out: &mut Vec<u8>, name: &str, value: &str) {
    out.extend_from_slice(&(name.len() as u16).to_be_bytes());
    out.extend_from_slice(name.as_bytes());
    out.extend_from_slice(&(value.len() as u32).to_be_bytes());
    out.extend_from_slice(value.as_bytes());
}

/// What came: an answer, or a request of the broker's.
#[derive(Debug)]
pub struct Frame<'a> {
    pub code: u16,
    /// Of the request that it answers.
    pub number: u32,
    pub is_answer: bool,
    header: Header<'a>,
    pub body: &'a [u8],
}

#[derive(Debug)]
enum Header<'a> {
    Binary { remark: &'a [u8], fields: &'a [u8] },
    Json(Value),
}

/// How long the frame is that begins here; `None` where too little is there to say.
///
/// # Errors
/// Where it is no frame.
pub fn length(bytes: &[u8]) -> Result<Option<usize>, String> {
    let Some(length) = bytes.first_chunk() else {
        return Ok(None);
    };
    let length = u32::from_be_bytes(*length) as usize;
    match length {
        4..=LARGEST => Ok(Some(length + 4)),
        _ => Err(format!("{length} is no length of a frame")),
    }
}

impl<'a> Frame<'a> {
    /// Reads a whole one.
    ///
    /// # Errors
    /// Where it is garbage.
    pub fn read(bytes: &'a [u8]) -> Result<Self, String> {
        let garbage = || "a frame is garbled".to_owned();
        let mut rest = Bytes(bytes);
        rest.u32().ok_or_else(garbage)?;
        let header = rest.u32().ok_or_else(garbage)?;
        let (format, header) = (header >> 24, header as usize & 0xff_ffff);
        let header = rest.take(header).ok_or_else(garbage)?;
        let body = rest.0;
        match format {
            0 => Self::json(header, body).ok_or_else(garbage),
            1 => Self::binary(header, body).ok_or_else(garbage),
            other => Err(format!("a frame has a header of format {other}")),
        }
    }

    fn binary(header: &'a [u8], body: &'a [u8]) -> Option<Self> {
        let mut rest = Bytes(header);
        let code = rest.u16()?;
        // Language and version.
        rest.take(3)?;
        let (number, flag) = (rest.u32()?, rest.u32()?);
        let remark = rest.text()?;
        let fields = rest.text()?;
        Some(Self {
            code,
            number,
            is_answer: flag & ANSWER != 0,
            header: Header::Binary { remark, fields },
            body,
        })
    }

    fn json(header: &[u8], body: &'a [u8]) -> Option<Self> {
        let header: Value = serde_json::from_slice(header).ok()?;
        let number = |name: &str| header[name].as_i64();
        Some(Self {
            code: number("code")?.try_into().ok()?,
            number: number("opaque")? as u32,
            is_answer: number("flag")? as u32 & ANSWER != 0,
            header: Header::Json(header),
            body,
        })
    }

    /// A field of its header.
    pub fn field(&self, name: &str) -> Option<Cow<'_, str>> {
        match &self.header {
            Header::Json(header) => header["extFields"][name].as_str().map(Cow::Borrowed),
            Header::Binary { fields, .. } => {
                let mut rest = Bytes(fields);
                loop {
                    let length = rest.u16()? as usize;
                    let (found, value) = (rest.take(length)?, rest.text()?);
                    if found == name.as_bytes() {
                        return Some(String::from_utf8_lossy(value));
                    }
                }
            }
        }
    }

    /// A number among the fields.
    pub fn whole(&self, name: &str) -> Option<u64> {
        self.field(name)?.parse().ok()
    }

    /// What the broker says to it: its first sentence, where it goes on to tell where more is to be read.
    pub fn remark(&self) -> String {
        let remark = match &self.header {
            Header::Json(header) => Cow::Borrowed(header["remark"].as_str().unwrap_or_default()),
            Header::Binary { remark, .. } => String::from_utf8_lossy(remark),
        };
        let first = remark.lines().next().unwrap_or_default().trim();
        match first {
            "" => format!("code {}", self.code),
            text => format!("{text} (code {})", self.code),
        }
    }
}

/// Bytes to be read, as Java has them.
#[derive(Clone, Copy, Debug)]
pub struct Bytes<'a>(pub &'a [u8]);

impl<'a> Bytes<'a> {
    /// So many of them.
    #[inline]
    pub fn take(&mut self, length: usize) -> Option<&'a [u8]> {
        let (taken, rest) = self.0.split_at_checked(length)?;
        self.0 = rest;
        Some(taken)
    }

    #[inline]
    fn chunk<const N: usize>(&mut self) -> Option<[u8; N]> {
        self.take(N)?.try_into().ok()
    }

    #[inline]
    pub fn u8(&mut self) -> Option<u8> {
        self.chunk().map(u8::from_be_bytes)
    }

    #[inline]
    pub fn u16(&mut self) -> Option<u16> {
        self.chunk().map(u16::from_be_bytes)
    }

    #[inline]
    pub fn u32(&mut self) -> Option<u32> {
        self.chunk().map(u32::from_be_bytes)
    }

    #[inline]
    pub fn u64(&mut self) -> Option<u64> {
        self.chunk().map(u64::from_be_bytes)
    }

    /// Behind its length in four bytes.
    #[inline]
    pub fn text(&mut self) -> Option<&'a [u8]> {
        let length = self.u32()?;
        self.take(length as usize)
    }
}

/// JSON of brokers, in which keys may be bare numbers, as a standard has it.
pub fn standard_json(text: &[u8]) -> Vec<u8> {
    let mut standard = Vec::with_capacity(text.len() + 16);
    let (mut in_text, mut escaped, mut at) = (false, false, 0);
    while let Some(&byte) = text.get(at) {
        let opens = !in_text && matches!(byte, b'{' | b',');
        standard.push(byte);
        at += 1;
        if in_text {
            in_text = escaped || byte != b'"';
            escaped = byte == b'\\' && !escaped;
        } else if byte == b'"' {
            in_text = true;
        }
        if opens {
            let digits = text[at..].iter().take_while(|byte| byte.is_ascii_digit());
            let digits = digits.count();
            if digits > 0 && text.get(at + digits) == Some(&b':') {
                standard.push(b'"');
                standard.extend_from_slice(&text[at..at + digits]);
                standard.push(b'"');
                at += digits;
            }
        }
    }
    standard
}

#[cfg(test)]
mod tests {
    use super::*;

    fn written(request: &Request<'_>, credentials: Option<&Credentials>) -> Vec<u8> {
        let mut out = b"before".to_vec();
        request.write(7, credentials, &mut out);
        out.split_off(6)
    }

    #[test]
    fn what_is_written_is_read_again() {
        let request = Request {
            code: ask::SEND_MESSAGE_V2,
            fields: &[("a", "group"), ("empty", ""), ("e", "12"), ("ü", "ä")],
            body: b"body",
            one_way: false,
        };
        let bytes = written(&request, None);
        assert_eq!(length(&bytes), Ok(Some(bytes.len())));
        let frame = Frame::read(&bytes).unwrap();
        assert_eq!((frame.code, frame.number, frame.is_answer), (310, 7, false));
        assert_eq!(frame.field("a").unwrap(), "group");
        assert_eq!(frame.whole("e"), Some(12));
        assert_eq!(frame.field("ü").unwrap(), "ä");
        assert_eq!((frame.field("empty"), frame.field("b")), (None, None));
        assert_eq!(frame.body, b"body");
    }

    #[test]
    fn a_frame_cut_off_anywhere_is_no_frame() {
        let request = Request {
            code: 1,
            fields: &[("name", "value")],
            body: b"",
            one_way: true,
        };
        let bytes = written(&request, None);
        for end in 4..bytes.len() {
            assert!(Frame::read(&bytes[..end]).is_err(), "{end}");
        }
        for end in 0..4 {
            assert_eq!(length(&bytes[..end]), Ok(None));
        }
        for garbage in [[0, 0, 0, 3], [0xff; 4], *b"HTTP"] {
            assert!(length(&garbage).is_err(), "{garbage:?}");
        }
    }

    #[test]
    fn a_frame_with_a_header_of_json_is_read() {
        let header = br#"{"code":40,"extFields":{"consumerGroup":"g"},"flag":2,"language":"JAVA","opaque":-3,"remark":"One.\nTwo."}"#;
        let mut bytes = ((4 + header.len()) as u32).to_be_bytes().to_vec();
        bytes.extend_from_slice(&(header.len() as u32).to_be_bytes());
        bytes.extend_from_slice(header);
        let frame = Frame::read(&bytes).unwrap();
        assert_eq!((frame.code, frame.is_answer), (40, false));
        assert_eq!(frame.number, u32::MAX - 2);
        assert_eq!(frame.field("consumerGroup").unwrap(), "g");
        assert_eq!(frame.remark(), "One. (code 40)");
    }

    /// RFC 2202, case 2: the key `Jefe` over `what do ya want for nothing?`.
    #[test]
    fn a_signature_is_over_the_values_in_the_order_of_their_names_and_the_body() {
        let credentials = Credentials::new("want ", "Jefe");
        let request = Request {
            code: 1,
            // AccessKey comes between these.
            fields: &[("Z", "for "), ("A", "what do ya ")],
            body: b"nothing?",
            one_way: false,
        };
        let bytes = written(&request, Some(&credentials));
        let frame = Frame::read(&bytes).unwrap();
        let expected = [
            0xef, 0xfc, 0xdf, 0x6a, 0xe5, 0xeb, 0x2f, 0xa2, 0xd2, 0x74, 0x16, 0xd5, 0xf1, 0x84,
            0xdf, 0x9c, 0x25, 0x9a, 0x7c, 0x79,
        ];
        assert_eq!(
            frame.field("Signature").unwrap(),
            BASE64_STANDARD.encode(expected)
        );
        assert_eq!(frame.field("AccessKey").unwrap(), "want ");
    }

    #[test]
    fn bare_numbers_as_keys_become_text() {
        let text = br#"{"a":{0:"x,1:y",12:"\"{3:"},"b":[1,2],"c":7}"#;
        let standard = standard_json(text);
        let expected = br#"{"a":{"0":"x,1:y","12":"\"{3:"},"b":[1,2],"c":7}"#;
        assert_eq!(
            String::from_utf8_lossy(&standard),
            String::from_utf8_lossy(expected)
        );
    }
}
