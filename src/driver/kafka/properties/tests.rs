//! What people write in driver files, and what the clients get.

use std::path::PathBuf;

use super::*;

fn block(lines: &[&str]) -> Vec<Property> {
    lines
        .iter()
        .enumerate()
        .map(|(index, line)| {
            let (key, value) = line.split_once('=').unwrap();
            let path = PathBuf::from("d.yaml");
            let origin = Origin::File {
                path,
                line: index + 1,
                column: 3,
            };
            Property {
                key: key.to_owned(),
                value: value.to_owned(),
                origin,
            }
        })
        .collect()
}

fn common(lines: &[&str]) -> KafkaConfig {
    KafkaConfig {
        common: block(lines),
        ..KafkaConfig::default()
    }
}

fn producer(lines: &[&str]) -> KafkaConfig {
    KafkaConfig {
        producer: block(lines),
        ..KafkaConfig::default()
    }
}

fn consumer(lines: &[&str]) -> KafkaConfig {
    KafkaConfig {
        consumer: block(lines),
        ..KafkaConfig::default()
    }
}

fn value<'a>(settings: &'a [(String, String)], key: &str) -> Option<&'a str> {
    settings
        .iter()
        .find(|(name, _)| name == key)
        .map(|(_, value)| value.as_str())
}

fn problem(config: &KafkaConfig) -> String {
    let problems = prepare(config).unwrap_err();
    assert_eq!(problems.len(), 1, "{problems:?}");
    problems[0].to_string()
}

#[test]
fn a_common_setting_goes_to_every_client_that_knows_it() {
    let prepared = prepare(&common(&["bootstrap.servers=a:1", "linger.ms=7"])).unwrap();
    let ClientProperties {
        producer,
        consumer,
        admin,
    } = &prepared.clients;
    for client in [producer, consumer, admin] {
        assert_eq!(value(client, "bootstrap.servers"), Some("a:1"));
    }
    assert_eq!(value(producer, "linger.ms"), Some("7"));
    assert_eq!(value(consumer, "linger.ms"), None);
    assert_eq!(value(admin, "linger.ms"), None);
}

#[test]
fn a_name_that_no_client_knows_is_told_with_the_nearest() {
    let told = problem(&producer(&["acks=all", "linger.mss=1"]));
    assert_eq!(
        told,
        "d.yaml:2:3: no Kafka client knows linger.mss; did you mean linger.ms?"
    );
}

#[test]
fn a_setting_in_the_wrong_block_is_told_where_to_go() {
    let told = problem(&producer(&["session.timeout.ms=6000"]));
    assert!(
        told.ends_with("is a setting of consumers; move it to consumerConfig"),
        "{told}"
    );
}

#[test]
fn a_value_out_of_range_is_told_in_the_librarys_words() {
    let told = problem(&producer(&["linger.ms=-5"]));
    assert!(
        told.starts_with("d.yaml:1:3: ") && told.contains("0 to 900000"),
        "{told}"
    );
    let told = problem(&producer(&["compression.type=rar"]));
    assert!(told.contains("rar") && told.contains("zstd"), "{told}");
}

#[test]
fn what_is_fine_for_java_is_clamped_with_a_note() {
    let config = common(&[
        "request.timeout.ms=1200000",
        "default.api.timeout.ms=1200000",
    ]);
    let prepared = prepare(&config).unwrap();
    assert_eq!(
        value(&prepared.clients.producer, "request.timeout.ms"),
        Some("900000")
    );
    assert_eq!(prepared.notes.len(), 2, "{:?}", prepared.notes);
    assert!(prepared.notes[0].contains("request.timeout.ms=900000 is used"));
}

#[test]
fn java_names_are_translated() {
    let prepared = prepare(&producer(&[
        "buffer.memory=67108864",
        "max.request.size=4194304",
        "key.serializer=x.Y",
        "security.protocol=PLAINTEXT",
    ]))
    .unwrap();
    let producer = &prepared.clients.producer;
    assert_eq!(value(producer, "queue.buffering.max.kbytes"), Some("65536"));
    assert_eq!(value(producer, "message.max.bytes"), Some("4194304"));
    assert_eq!(value(producer, "security.protocol"), Some("plaintext"));
    assert_eq!(prepared.notes.len(), 1);
    let prepared = prepare(&consumer(&[
        "partition.assignment.strategy=\
         org.apache.kafka.clients.consumer.RangeAssignor,a.CooperativeStickyAssignor",
        "fetch.max.wait.ms=10",
        "max.poll.records=500",
    ]))
    .unwrap();
    let consumer = &prepared.clients.consumer;
    assert_eq!(
        value(consumer, "partition.assignment.strategy"),
        Some("range")
    );
    assert_eq!(value(consumer, "fetch.wait.max.ms"), Some("10"));
}

#[test]
fn every_entry_of_the_java_table_is_taken_or_explained() {
    for entry in java::TABLE {
        let target = match entry.fate {
            java::Fate::Same | java::Fate::Lower => entry.name,
            java::Fate::Renamed(to) | java::Fate::Kibibytes(to) => to,
            _ => continue,
        };
        assert!(known::find(target).is_some(), "{target}");
        assert_eq!(
            java::names().filter(|name| *name == entry.name).count(),
            1,
            "{}",
            entry.name
        );
    }
}

#[test]
fn idempotence_is_what_the_file_says() {
    let of = |lines: &[&str]| {
        let prepared = prepare(&producer(lines)).unwrap();
        value(&prepared.clients.producer, "enable.idempotence").map(str::to_owned)
    };
    assert_eq!(of(&["acks=all"]), None);
    assert_eq!(of(&["enable.idempotence=true"]).as_deref(), Some("true"));
    assert_eq!(of(&["enable.idempotence=false"]).as_deref(), Some("false"));
}

#[test]
fn defaults_that_are_not_the_java_clients_are_listed_unless_somebody_has_set_them() {
    let of = |config: &KafkaConfig| {
        let prepared = prepare(config).unwrap();
        let each = prepared.differing.into_iter();
        each.map(|d| format!("{} {}: {} not {}", d.role, d.name, d.ours, d.java))
            .collect::<Vec<_>>()
    };
    let plain = of(&producer(&["acks=all"]));
    for expected in [
        "producer enable.idempotence: false not true",
        "producer buffer.memory: 8388608 not 33554432",
        "consumer isolation.level: read_committed not read_uncommitted",
        "consumer session.timeout.ms: 6000 not 45000",
        "producer metadata.max.age.ms: 900000 not 300000",
        "consumer metadata.max.age.ms: 900000 not 300000",
    ] {
        assert!(
            plain.iter().any(|told| told == expected),
            "{expected}: {plain:?}"
        );
    }
    // What is alike is not listed.
    assert!(
        !plain
            .iter()
            .any(|told| told.contains("acks") || told.contains("retries")),
        "{plain:?}"
    );
    let set = of(&producer(&[
        "enable.idempotence=false",
        "buffer.memory=1048576",
    ]));
    assert!(
        !set.iter()
            .any(|told| told.contains("idempotence") || told.contains("buffer")),
        "{set:?}"
    );
    assert_eq!(set.len(), plain.len() - 2);
}

#[test]
fn settings_that_contradict_each_other_are_told() {
    let told = problem(&producer(&["enable.idempotence=true", "acks=1"]));
    assert!(
        told.contains("acks") && told.starts_with("d.yaml:2:3"),
        "{told}"
    );
    let told = problem(&common(&[
        "security.protocol=SSL",
        "ssl.ca.location=/no/such/ca.pem",
    ]));
    assert!(
        told.starts_with("d.yaml:2:3") && !told.contains('\n'),
        "{told}"
    );
}

#[test]
fn offsets_are_committed_by_omb_whatever_the_file_says() {
    let prepared = prepare(&consumer(&["enable.auto.commit=true", "group.id=mine"])).unwrap();
    let settings = &prepared.clients.consumer;
    assert_eq!(value(settings, "enable.auto.commit"), Some("false"));
    assert_eq!(value(settings, "enable.auto.offset.store"), Some("false"));
    assert_eq!(value(settings, "group.id"), None);
    assert_eq!(prepared.notes.len(), 2);
    assert!(
        prepare(&consumer(&["enable.auto.commit=false"]))
            .unwrap()
            .notes
            .is_empty()
    );
}

#[test]
fn a_killed_consumer_is_missed_after_six_seconds_unless_set() {
    let prepared = prepare(&KafkaConfig::default()).unwrap();
    assert_eq!(
        value(&prepared.clients.consumer, "session.timeout.ms"),
        Some("6000")
    );
    assert_eq!(
        value(&prepared.clients.consumer, "auto.offset.reset"),
        Some("earliest")
    );
    let prepared = prepare(&consumer(&["session.timeout.ms=1500"])).unwrap();
    assert_eq!(
        value(&prepared.clients.consumer, "session.timeout.ms"),
        Some("1500")
    );
    assert_eq!(
        value(&prepared.clients.consumer, "heartbeat.interval.ms"),
        Some("250")
    );
    prepare(&consumer(&["group.protocol=consumer"])).unwrap();
}

#[test]
fn scram_logs_in_with_the_java_clients_line() {
    let prepared = prepare(&common(&[
        "security.protocol=SASL_PLAINTEXT",
        "sasl.mechanism=SCRAM-SHA-256",
        "sasl.jaas.config=org.apache.kafka.common.security.scram.ScramLoginModule required \
         username=\"alice\" password=\"s3cret\";",
    ]))
    .unwrap();
    for client in [
        &prepared.clients.producer,
        &prepared.clients.consumer,
        &prepared.clients.admin,
    ] {
        assert_eq!(value(client, "sasl.username"), Some("alice"));
        assert_eq!(value(client, "sasl.password"), Some("s3cret"));
    }
}

#[test]
fn a_login_without_its_mechanism_is_told() {
    let login = "sasl.jaas.config=a.PlainLoginModule required username=\"u\" password=\"p\";";
    let told = problem(&common(&["security.protocol=SASL_SSL", login]));
    assert!(
        told.starts_with("d.yaml:2:3: sasl.jaas.config needs sasl.mechanism"),
        "{told}"
    );
}

#[test]
fn secrets_are_never_told() {
    for lines in [
        &["sasl.jaas.config=ScramLoginModule required username=\"alice\" pass=\"s3cret\";"][..],
        &["sasl.jaas.config=s3cret"],
        &["sasl.jaas.config=a.ScramLoginModule required username=\"s3\" password=\"s3\";"],
        &["security.protocol=ssl", "ssl.key.pem=s3cret"],
        &["security.protocol=ssl", "ssl.keystore.key=s3cret"],
        &[
            "security.protocol=ssl",
            "ssl.key.password=s3cret",
            "ssl.key.location=/no/file",
        ],
        &["sasl.password=s3\0cret"],
    ] {
        let problems = prepare(&common(lines)).unwrap_err();
        assert!(!format!("{problems:?}").contains("s3"), "{problems:?}");
    }
}

#[test]
fn extra_settings_win_and_go_to_whoever_knows_them() {
    let config = KafkaConfig {
        producer: block(&["linger.ms=1"]),
        extra: block(&[
            "queue.buffering.max.ms=9",
            "check.crcs=true",
            "client.rack=r1",
        ]),
        ..KafkaConfig::default()
    };
    let clients = prepare(&config).unwrap().clients;
    assert_eq!(value(&clients.producer, "linger.ms"), None);
    assert_eq!(
        value(&clients.producer, "queue.buffering.max.ms"),
        Some("9")
    );
    assert_eq!(value(&clients.consumer, "check.crcs"), Some("true"));
    assert_eq!(value(&clients.producer, "client.rack"), Some("r1"));
    assert_eq!(value(&clients.consumer, "client.rack"), Some("r1"));
}
