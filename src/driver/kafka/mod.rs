//! Apache Kafka through librdkafka.
//!
//! The message path talks to the C library directly (one small module holds what is unsafe);
//! everything else goes through rdkafka's safe interface.

pub mod properties;
