//! Which settings are in effect. Only those are shown that say something true.

use kafka_protocol::error::ResponseError;
use kafka_protocol::messages::describe_configs_request::DescribeConfigsResource;
use kafka_protocol::messages::describe_configs_response::{
    DescribeConfigsResourceResult, DescribeConfigsResult,
};
use kafka_protocol::messages::{DescribeConfigsRequest, DescribeConfigsResponse};
use kafka_protocol::protocol::StrBytes;

use super::cluster::NODE;
use super::topics::Refusal;
use crate::broker::core::Core;
use crate::broker::topics::{FIXED, LONGEST_BATCH, LONGEST_BATCH_KEY, Topic};
use crate::broker::wire::frame;

const TOPIC: i8 = 2;
const BROKER: i8 = 4;

const SOURCE_TOPIC: i8 = 1;
const SOURCE_DEFAULT: i8 = 5;

const TYPE_STRING: i8 = 2;
const TYPE_INT: i8 = 3;

/// A setting that is in effect.
pub struct Setting {
    /// Its name.
    pub key: &'static str,
    /// Its value.
    pub value: String,
    /// Where the value comes from, as a number of the protocol's.
    pub source: i8,
    kind: i8,
}

/// Says which settings are in effect for topics and for the broker.
pub fn describe(core: &Core, request: DescribeConfigsRequest) -> DescribeConfigsResponse {
    let results = request.resources.into_iter().map(|asked| {
        let settings = settings(core, &asked);
        let result = DescribeConfigsResult::default()
            .with_resource_type(asked.resource_type)
            .with_resource_name(asked.resource_name);
        match settings {
            Ok(settings) => {
                let keys = asked.configuration_keys;
                let wanted = |setting: &Setting| match &keys {
                    Some(keys) => keys.iter().any(|key| key.as_str() == setting.key),
                    None => true,
                };
                let shown = settings.into_iter().filter(wanted).map(show);
                result.with_configs(shown.collect())
            }
            Err((error, why)) => result
                .with_error_code(error.code())
                .with_error_message(Some(StrBytes::from_string(why))),
        }
    });
    DescribeConfigsResponse::default().with_results(results.collect())
}

fn settings(core: &Core, asked: &DescribeConfigsResource) -> Result<Vec<Setting>, Refusal> {
    let name = asked.resource_name.as_str();
    match asked.resource_type {
        TOPIC => match core.state.borrow().topics.get(name) {
            Some(topic) => Ok(of_topic(topic)),
            None => {
                let why = format!("there is no topic {name}");
                Err((ResponseError::UnknownTopicOrPartition, why))
            }
        },
        // With no name, the settings that brokers have in common are meant: they are the same.
        BROKER if name.is_empty() || name == NODE.to_string() => Ok(of_broker()),
        BROKER => {
            let why = format!("there is one broker, {}, and no broker {name}", NODE.0);
            Err((ResponseError::InvalidRequest, why))
        }
        _ => {
            let why = "only topics and brokers have settings here".to_owned();
            Err((ResponseError::InvalidRequest, why))
        }
    }
}

/// The settings of a topic.
pub fn of_topic(topic: &Topic) -> Vec<Setting> {
    let source = match topic.longest_batch {
        LONGEST_BATCH => SOURCE_DEFAULT,
        _ => SOURCE_TOPIC,
    };
    let longest = Setting {
        key: LONGEST_BATCH_KEY,
        value: topic.longest_batch.to_string(),
        source,
        kind: TYPE_INT,
    };
    let fixed = FIXED
        .iter()
        .map(|&(key, value)| by_default(key, value.to_owned(), TYPE_STRING));
    std::iter::once(longest).chain(fixed).collect()
}

fn of_broker() -> Vec<Setting> {
    vec![
        by_default("message.max.bytes", LONGEST_BATCH.to_string(), TYPE_INT),
        by_default(
            "socket.request.max.bytes",
            frame::LONGEST.to_string(),
            TYPE_INT,
        ),
        by_default("auto.create.topics.enable", "false".to_owned(), TYPE_STRING),
        by_default("num.partitions", "1".to_owned(), TYPE_INT),
        by_default("default.replication.factor", "1".to_owned(), TYPE_INT),
    ]
}

fn by_default(key: &'static str, value: String, kind: i8) -> Setting {
    Setting {
        key,
        value,
        source: SOURCE_DEFAULT,
        kind,
    }
}

fn show(setting: Setting) -> DescribeConfigsResourceResult {
    DescribeConfigsResourceResult::default()
        .with_name(StrBytes::from_static_str(setting.key))
        .with_value(Some(StrBytes::from_string(setting.value)))
        .with_read_only(true)
        .with_config_source(setting.source)
        .with_config_type(setting.kind)
}
