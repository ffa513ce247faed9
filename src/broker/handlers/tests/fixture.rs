//! A client that asks in every version, and reads the answers with its own side of the decoder.

use std::collections::BTreeSet;
use std::net::SocketAddr;
use std::rc::Rc;
use std::sync::mpsc::channel;
use std::time::Instant;

use bytes::{Buf, BytesMut};
use kafka_protocol::messages::{RequestHeader, ResponseHeader};
use kafka_protocol::protocol::{Decodable, Encodable, HeaderVersion, Request, StrBytes};
use tokio::sync::Notify;

use super::super::answer;
use crate::broker::connection::Client;
use crate::broker::core::Core;
use crate::broker::memory::Memory;
use crate::broker::notices::Notices;
use crate::broker::topics::Topic;
use crate::broker::wire::api;

const CORRELATION: i32 = 77;

/// A broker that has topic `t` with two partitions.
pub struct Fixture {
    pub client: Client,
    pub runtime: tokio::runtime::Runtime,
    pub asked: BTreeSet<i16>,
}

impl Fixture {
    pub fn new() -> Fixture {
        let address = SocketAddr::from(([127, 0, 0, 1], 9092));
        let notices = Notices::new(channel().0, 1 << 20, Instant::now());
        let core = Core::new(address, Memory::new(1 << 20), notices, None);
        core.state
            .borrow_mut()
            .topics
            .insert("t".to_owned(), Topic::new(2, 100_000));
        let reader = Rc::new(Notify::new());
        let runtime = tokio::runtime::Builder::new_current_thread()
            .enable_time()
            .build();
        Fixture {
            client: Client {
                core: Rc::new(core),
                peer: address,
                reader,
            },
            runtime: runtime.unwrap(),
            asked: BTreeSet::new(),
        }
    }

    /// Asks in every version that is offered; the last answer.
    pub fn ask<Q: Request>(&mut self, question: impl Fn(i16) -> Q) -> Q::Response {
        self.asked.insert(Q::KEY);
        let api = api::find(Q::KEY).expect("offered");
        let answers = (api.min..=api.max).map(|version| self.ask_in(&question(version), version));
        answers.last().expect("a version")
    }

    fn ask_in<Q: Request>(&self, question: &Q, version: i16) -> Q::Response {
        let header = RequestHeader::default()
            .with_request_api_key(Q::KEY)
            .with_request_api_version(version)
            .with_correlation_id(CORRELATION)
            .with_client_id(Some(StrBytes::from_static_str("me")));
        let mut frame = BytesMut::new();
        header
            .encode(&mut frame, Q::header_version(version))
            .unwrap();
        question.encode(&mut frame, version).unwrap();
        let core = Rc::clone(&self.client.core);
        let answer = self.runtime.block_on(async {
            tokio::select! {
                answer = answer(&self.client, frame.freeze()) => answer,
                () = core.keep_time() => unreachable!("time goes on"),
            }
        });
        let what = format!("request {} in version {version}", Q::KEY);
        let pieces = answer
            .unwrap_or_else(|fault| panic!("{what}: {fault}"))
            .expect("an answer");
        let mut bytes = BytesMut::new();
        pieces
            .iter()
            .for_each(|piece| bytes.extend_from_slice(piece));
        let mut bytes = bytes.freeze();
        assert_eq!(
            bytes.get_i32(),
            i32::try_from(bytes.len()).unwrap(),
            "{what}"
        );
        let header = Q::Response::header_version(version);
        let header = ResponseHeader::decode(&mut bytes, header).unwrap();
        assert_eq!(header.correlation_id, CORRELATION, "{what}");
        let response = Q::Response::decode(&mut bytes, version).unwrap_or_else(|error| {
            panic!("{what}: {error}");
        });
        assert_eq!(bytes.remaining(), 0, "{what}");
        response
    }
}
