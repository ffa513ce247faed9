//! Why something could not be done, in words for a person.

use std::sync::{Arc, Mutex, PoisonError};

use rdkafka::client::ClientContext;
use rdkafka::config::RDKafkaLogLevel;
use rdkafka::consumer::ConsumerContext;
use rdkafka::error::{KafkaError, RDKafkaErrorCode};

use crate::driver::DriverError;

/// Remembers why connections failed: the client library says only that they did.
#[derive(Clone, Default)]
pub struct Reasons(Arc<Mutex<Option<(RDKafkaErrorCode, String)>>>);

impl Reasons {
    /// The last one.
    pub fn last(&self) -> Option<(RDKafkaErrorCode, String)> {
        self.0
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .clone()
    }

    /// Whatever it was, it is over.
    pub fn forget(&self) {
        *self.0.lock().unwrap_or_else(PoisonError::into_inner) = None;
    }
}

impl ClientContext for Reasons {
    fn log(&self, _: RDKafkaLogLevel, _: &str, _: &str) {
        // What fails comes as an error, too.
    }

    fn error(&self, error: KafkaError, reason: &str) {
        let code = error
            .rdkafka_error_code()
            .unwrap_or(RDKafkaErrorCode::Unknown);
        // That all brokers are down follows from what was said before.
        if code != RDKafkaErrorCode::AllBrokersDown {
            let reason = (code, reason.to_owned());
            *self.0.lock().unwrap_or_else(PoisonError::into_inner) = Some(reason);
        }
    }
}

impl ConsumerContext for Reasons {}

/// Why a topic was not created.
pub fn creation_failed(topic: &str, code: RDKafkaErrorCode) -> DriverError {
    DriverError(match code {
        RDKafkaErrorCode::TopicAlreadyExists => format!(
            "topic {topic} exists already: run again, or use it as it is with --topic {topic}"
        ),
        RDKafkaErrorCode::TopicAuthorizationFailed
        | RDKafkaErrorCode::ClusterAuthorizationFailed => format!(
            "no permission to create topic {topic} ({code}): grant it, or name an existing topic \
             with --topic"
        ),
        RDKafkaErrorCode::InvalidReplicationFactor => format!(
            "the cluster has too few brokers for topic {topic} ({code}): lower replicationFactor"
        ),
        RDKafkaErrorCode::InvalidConfig => {
            format!("the broker refuses the settings of topic {topic} ({code}): check topicConfig")
        }
        code => format!("cannot create topic {topic}: {code}"),
    })
}
