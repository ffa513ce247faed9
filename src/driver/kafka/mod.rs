//! Apache Kafka, and what speaks its protocol, through librdkafka.

pub mod properties;
