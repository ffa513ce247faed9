//! Apache RocketMQ, by its remoting protocol, which is spoken here on the client's own thread.
//!
//! A topic's queues are its partitions, in the order of their brokers' names and their numbers. Brokers store
//! requests that are under way at the same time in any order; `ordered: true` has one of a queue under way.
//! Why no library is used is told in ARCHITECTURE.md.

mod admin;
mod cluster;
mod connection;
mod consumer;
mod frame;
mod group;
mod lanes;
mod message;
mod peers;
mod producer;

use std::time::{Duration, SystemTime, UNIX_EPOCH};

use serde_json::json;

use super::systems::{Checked, ClientCost, Differing};
use super::{ConsumerOptions, Driver, DriverError, ProducerOptions};
use crate::config::{Problem, RocketMqConfig};
use admin::RocketMqAdmin;
use cluster::Cluster;
use consumer::RocketMqConsumer;
use frame::{Request, ask};
use producer::RocketMqProducer;

/// What a client takes: its thread, and what it reads into.
const CLIENT: ClientCost = ClientCost {
    threads: 1,
    further_connections: 0,
    files: 4,
    bytes: 512 << 10,
};

/// Bytes that a consumer holds of what it has pulled: of each queue one answer that it hands out and the next.
const PULLED: u64 = 512 << 10;

/// How often a client says that it is there. Brokers forget it after two minutes.
const BEAT_EVERY: Duration = Duration::from_secs(30);

/// RocketMQ, configured.
#[derive(Clone)]
pub struct RocketMqDriver {
    cluster: Cluster,
}

impl RocketMqDriver {
    /// A driver with the settings of a driver file.
    ///
    /// # Errors
    /// None; other systems have some.
    pub fn from_config(config: &RocketMqConfig) -> Result<Self, DriverError> {
        Ok(Self {
            cluster: Cluster::new(config),
        })
    }
}

impl Driver for RocketMqDriver {
    type Producer = RocketMqProducer;
    type Consumer = RocketMqConsumer;
    type Admin = RocketMqAdmin;

    fn producer(&self, options: &ProducerOptions<'_>) -> Result<RocketMqProducer, DriverError> {
        RocketMqProducer::new(&self.cluster, options)
    }

    fn consumer(&self, options: &ConsumerOptions<'_>) -> Result<RocketMqConsumer, DriverError> {
        RocketMqConsumer::new(&self.cluster, options)
    }

    fn admin(&self) -> Result<RocketMqAdmin, DriverError> {
        Ok(RocketMqAdmin::new(&self.cluster))
    }
}

/// Checks settings; everything that is wrong with them is told at once.
///
/// # Errors
/// None; the file's reader has found all there is.
pub fn check(config: &RocketMqConfig) -> Result<Checked, Vec<Problem>> {
    let mut notes = Vec::new();
    if config.batching.is_some() && config.compress_over.is_some() {
        notes.push(
            "compressMsgBodyOverHowmuch has no effect with autoBatch: bodies of a batch are never compressed"
                .to_owned(),
        );
    }
    if config.batch_queues && config.batching.is_none() && !config.ordered {
        notes.push("batchCQ has no effect without autoBatch: there are no batches".to_owned());
    }
    let servers: Vec<String> = config
        .name_servers
        .iter()
        .map(|uri| uri.host_port().to_owned())
        .collect();
    let batching = config.batching;
    let producer = json!({
        "namesrvAddr": servers.join(";"),
        "autoBatch": batching.is_some(),
        "batchMaxBytes": batching.map(|batching| batching.bytes),
        "batchMaxDelayMs": batching.map(|batching| batching.delay_ms),
        "batchCQ": config.batch_queues,
        "backpressureConcurrency": config.in_flight,
        "compressMsgBodyOverHowmuch": config.compress_over,
        "maxMessageSize": config.largest_message,
        "ordered": config.ordered,
        "retryTimesWhenSendAsyncFailed": 0,
        "sendMsgTimeout": 30_000,
        "vipChannelEnabled": config.vip_channel,
    });
    let consumer = json!({
        "namesrvAddr": servers.join(";"),
        "consumeFromWhere": "CONSUME_FROM_FIRST_OFFSET",
        "consumeMode": "one queue's messages in their order",
        "pullBatchSize": 1_024,
    });
    let differing = |role: &str, name: &str, ours: &str, java: &str| Differing {
        role: role.to_owned(),
        name: name.to_owned(),
        ours: ours.to_owned(),
        java: java.to_owned(),
    };
    let mut all_differing = vec![
        differing("producer", "retryTimesWhenSendAsyncFailed", "0", "2"),
        differing("producer", "sendMsgTimeout", "30000", "3000"),
        differing(
            "consumer",
            "consumeFromWhere",
            "CONSUME_FROM_FIRST_OFFSET",
            "CONSUME_FROM_LAST_OFFSET",
        ),
        differing("consumer", "pullBatchSize", "1024", "32"),
    ];
    if config.compress_over.is_none() {
        all_differing.push(differing(
            "producer",
            "compressMsgBodyOverHowmuch",
            "never",
            "4096",
        ));
    }
    const ADVICE: &str = "set maxMessageSize to {}, which the brokers have to allow, too";
    Ok(Checked {
        servers,
        connected_to: 1,
        clients: [CLIENT; 2],
        shared_threads: super::link::SHARED_THREADS,
        notes,
        compressed: config.compress_over.is_some(),
        largest_message: Some((config.largest_message, ADVICE)),
        unnameable: Some((
            '.',
            "names of RocketMQ's topics have letters, digits, - and _",
        )),
        replication: 1,
        queues: [config.in_flight_bytes as u64, PULLED],
        library: "omb's own client of the remoting protocol".to_owned(),
        configuration: [
            ("producer".to_owned(), producer),
            ("consumer".to_owned(), consumer),
        ]
        .into_iter()
        .collect(),
        differing: all_differing,
        ..Checked::default()
    })
}

/// What a client says to be known: who it is, and what it does.
struct Beat(String);

impl Beat {
    fn request(&self) -> Request<'_> {
        Request {
            code: ask::HEART_BEAT,
            fields: &[],
            body: self.0.as_bytes(),
            one_way: false,
        }
    }
}

/// Of a producer of this group, or a consumer of this group and these topics.
fn heart_beat(
    client_id: &str,
    produces: Option<&str>,
    consumes: Option<(&str, &[String])>,
) -> Beat {
    let since = SystemTime::now()
        .duration_since(UNIX_EPOCH)
        .unwrap_or_default();
    let subscription = |topic: &String| {
        json!({
            "topic": topic,
            "subString": "*",
            "expressionType": "TAG",
            "subVersion": since.as_millis() as u64,
            "classFilterMode": false,
            "tagsSet": [],
            "codeSet": [],
        })
    };
    let producer = |group| json!({"groupName": group});
    let consumer = |(group, topics): (&str, &[String])| {
        json!({
            "groupName": group,
            "consumeType": "CONSUME_PASSIVELY",
            "messageModel": "CLUSTERING",
            "consumeFromWhere": "CONSUME_FROM_FIRST_OFFSET",
            "subscriptionDataSet": topics.iter().map(subscription).collect::<Vec<_>>(),
            "unitMode": false,
        })
    };
    Beat(
        json!({
            "clientID": client_id,
            "producerDataSet": produces.map(producer).into_iter().collect::<Vec<_>>(),
            "consumerDataSet": consumes.map(consumer).into_iter().collect::<Vec<_>>(),
        })
        .to_string(),
    )
}
