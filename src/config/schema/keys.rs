//! Every key of both files: what its value is, and what it means.

/// What a value is.
#[derive(Clone, Copy)]
pub enum Kind {
    Text,
    TopicPrefix,
    Flag,
    /// From, to (where it is bounded).
    Whole(i64, Option<i64>),
    Share,
    Rate,
    RateAbove0,
    Size,
    /// Whether it may be 0.
    Time(bool),
    OneOf(&'static [&'static str]),
    /// 0 or more GiB.
    Gigabytes,
    /// Bytes, or 0.
    Memory,
    Faults,
    Restart,
    Thresholds,
    Search,
    Control,
    /// One, or a list.
    Objectives,
    Percent,
    /// A list of them, at least one.
    Uris(&'static str),
    /// An address.
    Uri(&'static str),
    /// Text of this pattern.
    Like(&'static str),
    /// A mapping with these keys.
    Mapping(&'static [Key]),
}

/// A key, whether it has to be there, what its value is, and what it means.
pub type Key = (&'static str, bool, Kind, &'static str);

const MOST: Option<i64> = Some(i32::MAX as i64);

/// Of a workload file.
pub const WORKLOAD: &[Key] = &[
    (
        "name",
        false,
        Kind::Text,
        "Name in the result. Default: the file's.",
    ),
    ("topics", true, Kind::Whole(1, MOST), "Number of topics."),
    (
        "topicPrefix",
        false,
        Kind::TopicPrefix,
        "What the names of topics begin with. Default: test-topic.",
    ),
    (
        "partitionsPerTopic",
        true,
        Kind::Whole(1, MOST),
        "Partitions of each topic.",
    ),
    (
        "producersPerTopic",
        true,
        Kind::Whole(1, MOST),
        "Logical producers of each topic.",
    ),
    (
        "subscriptionsPerTopic",
        true,
        Kind::Whole(1, MOST),
        "Subscriptions (consumer groups) of each topic; each gets every message.",
    ),
    (
        "consumerPerSubscription",
        true,
        Kind::Whole(1, MOST),
        "Logical consumers in each subscription of each topic.",
    ),
    (
        "keyDistributor",
        false,
        Kind::OneOf(&[
            "NO_KEY",
            "KEY_ROUND_ROBIN",
            "ROUND_ROBIN",
            "RANDOM_NANO",
            "RANDOM",
        ]),
        "How messages get their keys: none, 10,000 keys in turn, or one of them at random. Default: NO_KEY.",
    ),
    (
        "messageSize",
        true,
        Kind::Size,
        "Bytes of a message, as 1024 or 1KiB.",
    ),
    (
        "useRandomizedPayloads",
        false,
        Kind::Flag,
        "Payloads are made, and not read from payloadFile. Default: false.",
    ),
    (
        "randomBytesRatio",
        false,
        Kind::Share,
        "Share of random bytes in made payloads, from 0 to 1; the rest is zero. Default: 0.",
    ),
    (
        "randomizedPayloadPoolSize",
        false,
        Kind::Whole(0, MOST),
        "How many different payloads are made. Default: 1000.",
    ),
    (
        "payloadFile",
        false,
        Kind::Text,
        "File of exactly messageSize bytes, relative to the working directory; every message has its content. Without it payloads are random.",
    ),
    (
        "seed",
        false,
        Kind::Whole(0, None),
        "What random payloads are made with: the same for the same seed. Default: 0.",
    ),
    (
        "producerRate",
        true,
        Kind::Rate,
        "Messages per second over all producers; 10000000 is flat out, 0 looks for the highest rate that holds.",
    ),
    (
        "rateSearch",
        false,
        Kind::Search,
        "How the highest rate that holds is looked for, with producerRate: 0.",
    ),
    (
        "rateControl",
        false,
        Kind::Control,
        "Has the rate follow what is measured.",
    ),
    (
        "consumerBacklogSizeGB",
        false,
        Kind::Gigabytes,
        "GiB that are to wait before consumers read them; 0 builds no backlog. This or \
         consumerBacklogSize.",
    ),
    (
        "consumerBacklogSize",
        false,
        Kind::Memory,
        "Bytes that are to wait before consumers read them, as 500MiB. This or \
         consumerBacklogSizeGB.",
    ),
    (
        "backlogDrainRatio",
        false,
        Kind::Share,
        "Which part of a backlog has to be read until it counts as drained, from 0 to 1. Default: 1.",
    ),
    (
        "backlogDeadline",
        false,
        Kind::Time(false),
        "How long building and draining a backlog may take together. Default: 1h.",
    ),
    (
        "testDuration",
        false,
        Kind::Time(false),
        "Length of the measured phase, as 30s or 1h30m. This or testDurationMinutes.",
    ),
    (
        "testDurationMinutes",
        false,
        Kind::Whole(1, Some(5_270_400)),
        "Length of the measured phase in minutes. This or testDuration.",
    ),
    (
        "warmupDuration",
        false,
        Kind::Time(true),
        "Time under load before the measured phase, as 10s. Default: 1m.",
    ),
    (
        "warmupDurationMinutes",
        false,
        Kind::Whole(0, Some(5_270_400)),
        "Time under load before the measured phase, in minutes.",
    ),
    (
        "producerProcesses",
        false,
        Kind::Whole(1, Some(1024)),
        "Processes that produce. Default: the number of cores decides.",
    ),
    (
        "consumerProcesses",
        false,
        Kind::Whole(1, Some(1024)),
        "Processes that consume. Default: the number of cores decides.",
    ),
    (
        "reportPeriod",
        false,
        Kind::Time(false),
        "Length of one entry of the result's arrays, at least 200ms. Default: 10s.",
    ),
    (
        "drainDeadline",
        false,
        Kind::Time(false),
        "How long consumers may take to read what is left after the load. Default: 60s.",
    ),
    (
        "readyDeadline",
        false,
        Kind::Time(false),
        "How long clients may take to connect and join. Default: 60s.",
    ),
    (
        "restart",
        false,
        Kind::Restart,
        "Which processes are started again when they die, and how often.",
    ),
    (
        "faults",
        false,
        Kind::Faults,
        "What is done to the run's own processes, as: kill consumer every 10s.",
    ),
    (
        "hangAfter",
        false,
        Kind::Time(false),
        "A process that says nothing for this long is ended, at least 2s. Default: 10s.",
    ),
    (
        "thresholds",
        false,
        Kind::Thresholds,
        "What the run has to reach, as publish.p99: \"<50ms\"; missed, the exit code is 4.",
    ),
];

/// Below `rateSearch`.
pub const SEARCH: &[Key] = &[
    (
        "objective",
        false,
        Kind::Objectives,
        "What has to hold, besides that nothing piles up: a latency and a bound, as e2e.p99<10ms.",
    ),
    (
        "start",
        false,
        Kind::RateAbove0,
        "The first rate tried. Default: 10000.",
    ),
    (
        "deadline",
        false,
        Kind::Time(false),
        "How long the search may take; then the best rate so far is taken. Default: 5m.",
    ),
    (
        "proof",
        false,
        Kind::Time(false),
        "How long the rate found has to hold, at least 3s. Default: 10s.",
    ),
];

/// Below `rateControl`.
pub const CONTROL: &[Key] = &[
    (
        "objective",
        false,
        Kind::Objectives,
        "The rate is raised while this latency holds. Default: response.p99<100ms.",
    ),
    (
        "errors",
        false,
        Kind::Percent,
        "The rate is lowered when more than this share of messages fails. Default: 1.",
    ),
    (
        "step",
        false,
        Kind::Percent,
        "By how much the rate is raised and lowered. Default: 10.",
    ),
    (
        "period",
        false,
        Kind::Time(false),
        "How often the rate is looked at, at least 1s. Default: 10s.",
    ),
    (
        "min",
        false,
        Kind::RateAbove0,
        "The lowest rate. Default: 1.",
    ),
    (
        "max",
        false,
        Kind::RateAbove0,
        "The highest rate. Default: 10000000.",
    ),
];

/// Below `restart`.
pub const RESTART: &[Key] = &[
    (
        "consumers",
        false,
        Kind::Flag,
        "Consumer processes are. Default: true.",
    ),
    (
        "producers",
        false,
        Kind::Flag,
        "Producer processes are. Default: false.",
    ),
    (
        "maxRestarts",
        false,
        Kind::Whole(0, Some(1_000_000)),
        "Restarts allowed within the window; one more fails the run. Default: 3.",
    ),
    (
        "window",
        false,
        Kind::Time(false),
        "The window that restarts are counted in. Default: 5m.",
    ),
    (
        "backoff",
        false,
        Kind::Time(true),
        "Pause before a restart; doubles with each life that came to nothing. Default: 250ms.",
    ),
];
