//! What omb sets of its own accord: what it needs, and what a person may override.

use super::{Client, Role};

/// Sets what is not negotiable, and what is left of the defaults.
pub(super) fn apply(client: &mut Client) {
    // A broker that goes away is told by the requests that fail; idle disconnects are no news.
    unless_set(client, "log.connection.close", "false");
    // Telemetry is a load on the broker that nobody asked for.
    unless_set(client, "enable.metrics.push", "false");
    match client.role {
        Role::Producer => producer(client),
        Role::Consumer => consumer(client),
        Role::Admin => {}
    }
}

fn unless_set(client: &mut Client, key: &str, value: &str) {
    if client.get(key).is_none() {
        client.set(key, value, None);
    }
}

fn number(client: &Client, key: &str) -> Option<i64> {
    client.get(key)?.trim().parse().ok()
}

fn producer(client: &mut Client) {
    // Idempotence stays the client library's: off. The Java client has it on, but with it
    // librdkafka keeps about one request in flight per partition, and its broker thread spins
    // while the next batch waits for that one: processor time that the broker under test on the
    // same host then lacks. Who wants it sets enable.idempotence=true.
    // Keys go to the same partitions as with the Java client.
    unless_set(client, "partitioner", "murmur2_random");
    // The queue is bounded by bytes, as the Java client's (buffer.memory), but at 8 MiB instead of
    // 32: what waits there stays in the processor's cache, which makes a message of 1 KiB a sixth
    // cheaper. A few of the largest messages fit in all the same. librdkafka's own 1 GiB for each
    // client would let a slow broker fill the host's memory.
    let largest = number(client, "message.max.bytes").unwrap_or(1_000_000);
    let kbytes = (4 * (largest / 1024 + 1)).max(8 * 1024);
    unless_set(client, "queue.buffering.max.kbytes", &kbytes.to_string());
    unless_set(client, "queue.buffering.max.messages", "500000");
}

fn consumer(client: &mut Client) {
    // Offsets are committed only after what was read is reported.
    client.set("enable.auto.commit", "false", None);
    client.set("enable.auto.offset.store", "false", None);
    // A run's own topics are read from their beginning.
    unless_set(client, "auto.offset.reset", "earliest");
    // A full queue is looked at again soon: the library's second would be seen as latency.
    unless_set(client, "fetch.queue.backoff.ms", "20");
    // What waits to be read stays in the processor's cache: with the library's 64 MiB a message
    // of 1 KiB is twice as dear once a consumer is behind.
    unless_set(client, "queued.max.messages.kbytes", "16384");
    // With the `consumer` protocol the broker decides these two.
    let classic = client
        .get("group.protocol")
        .is_none_or(|p| !p.eq_ignore_ascii_case("consumer"));
    if classic {
        // The library's 45 s would keep a killed member's partitions that long.
        unless_set(client, "session.timeout.ms", "6000");
        let session = number(client, "session.timeout.ms").unwrap_or(6000);
        unless_set(
            client,
            "heartbeat.interval.ms",
            &(session / 6).clamp(1, 3000).to_string(),
        );
    }
}
