use std::fs;
use std::path::{Path, PathBuf};

use super::drivers::pulsar::{
    PULSAR_AUTHENTICATION, PULSAR_CLIENT, PULSAR_CONSUMER, PULSAR_PERSISTENCE, PULSAR_PRODUCER,
};
use super::*;
use crate::config::driver::{KAFKA, PULSAR, RABBITMQ, ROCKETMQ, kafka, pulsar, rabbitmq, rocketmq};
use crate::config::{Overrides, load_driver, load_workload};

/// Schemas of a file, and whether the reader takes it.
fn validator(schema: &Value) -> jsonschema::Validator {
    jsonschema::draft7::meta::validate(schema).unwrap();
    jsonschema::draft7::new(schema).unwrap()
}

fn examples(folder: &str) -> Vec<PathBuf> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR"))
        .join("examples")
        .join(folder);
    let files: Vec<PathBuf> = fs::read_dir(folder)
        .unwrap()
        .map(|entry| entry.unwrap().path())
        .collect();
    assert!(files.len() >= 3);
    files
}

fn base() -> Value {
    json!({
        "topics": 1, "partitionsPerTopic": 1, "messageSize": 1024, "subscriptionsPerTopic": 1,
        "producersPerTopic": 1, "consumerPerSubscription": 1, "producerRate": 100,
        "testDuration": "60s", "useRandomizedPayloads": true,
    })
}

/// What the reader says to a file; JSON is YAML.
fn refused(content: &Value, driver: bool) -> Option<String> {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("f.yaml");
    fs::write(&file, content.to_string()).unwrap();
    let overrides = Overrides::default();
    let problems = if driver {
        load_driver(Some(&file), &overrides).err()
    } else {
        load_workload(&file, &overrides).err()
    };
    problems.map(|problems| format!("{problems:?}"))
}

#[test]
fn every_key_of_the_readers_is_in_the_schemas_and_no_other() {
    let readers: [(&[Key], &[&str]); 13] = [
        (WORKLOAD, crate::config::workload::KEYS),
        (RESTART, crate::config::workload::RESTART_KEYS),
        (SEARCH, crate::config::search::SEARCH_KEYS),
        (CONTROL, crate::config::search::CONTROL_KEYS),
        (DRIVER_KAFKA, kafka::KEYS),
        (DRIVER_RABBITMQ, rabbitmq::KEYS),
        (DRIVER_ROCKETMQ, rocketmq::KEYS),
        (DRIVER_PULSAR, pulsar::KEYS),
        (PULSAR_CLIENT, pulsar::CLIENT_KEYS),
        (PULSAR_PERSISTENCE, pulsar::PERSISTENCE_KEYS),
        (PULSAR_AUTHENTICATION, pulsar::AUTHENTICATION_KEYS),
        (PULSAR_PRODUCER, pulsar::PRODUCER_KEYS),
        (PULSAR_CONSUMER, pulsar::CONSUMER_KEYS),
    ];
    for (of_schema, of_reader) in readers {
        let mut named: Vec<&str> = of_schema.iter().map(|key| key.0).collect();
        let mut read = of_reader.to_vec();
        named.sort_unstable();
        read.sort_unstable();
        assert_eq!(named, read);
    }
    let schema = validator(&workload());
    for (name, measure) in measures() {
        let example = with("thresholds", json!({name: measure.example()}));
        assert!(schema.is_valid(&example), "{example}");
        assert_eq!(refused(&example, false), None);
    }
}

fn with(key: &str, value: Value) -> Value {
    let mut content = base();
    // What can't be beside it.
    let other = match key {
        "testDurationMinutes" => "testDuration",
        "payloadFile" => "useRandomizedPayloads",
        _ => "",
    };
    if key == "rateSearch" {
        content["producerRate"] = json!(0);
    }
    content.as_object_mut().unwrap().remove(other);
    content[key] = value;
    content
}

/// Of all kinds, right and wrong for any key.
fn values() -> Vec<Value> {
    vec![
        json!(null),
        json!(true),
        json!(false),
        json!("true"),
        json!("False"),
        json!("yes"),
        json!(0),
        json!(1),
        json!(-1),
        json!(7),
        json!(0.5),
        json!(1.5),
        json!(-0.5),
        json!(3_000_000_000_i64),
        json!("0"),
        json!("1"),
        json!("7"),
        json!("-1"),
        json!("0.5"),
        json!(" 1 "),
        json!("1_000"),
        json!("_"),
        json!(""),
        json!("30s"),
        json!("1h30m"),
        json!("5 s"),
        json!("0s"),
        json!("3000ms"),
        json!("2.5s"),
        json!("s"),
        json!("1.5.5s"),
        json!("1KiB"),
        json!("1.5KiB"),
        json!("2 kB"),
        json!("1 furlong"),
        json!("NO_KEY"),
        json!("ROUND_ROBIN"),
        json!("RANDOM"),
        json!("SOME_KEY"),
        json!("kill consumer every 10s"),
        json!("stop any at 1s, 2s for 500ms"),
        json!("kill consumer at 1s for 1s"),
        json!("stop producer 0 every 5s"),
        json!("murder any at 1s"),
        json!(["kill consumer 0 at 5s"]),
        json!(["kill consumer 0 at 5s", 3]),
        json!([]),
        json!([1]),
        json!({}),
        json!({"a": 1}),
        json!({"maxRestarts": 5, "window": "1m", "backoff": 0, "consumers": "true"}),
        json!({"maxRestarts": -1}),
        json!({"window": "0s"}),
        json!({"producers": 1}),
        json!({"window": null}),
        json!({"publish.p99": "<50ms"}),
        json!({"e2e.p99": [">=1us", " < 1s "]}),
        json!({"lost": "==0"}),
        json!({"lost": 0}),
        json!({"lost": "==0.5"}),
        json!({"publish.p99": "<50"}),
        json!({"publish.p98": "<1s"}),
        json!({"publishRate": ">=9_900.5"}),
        json!({"errors": "<0.1%"}),
        json!({"errors": "<1s"}),
        json!({"e2e.max": []}),
        json!({"recovery.max": "<1m30s"}),
        json!({"publish.p99": null}),
        json!({"objective": "e2e.p99<10ms", "start": 500, "deadline": "2m", "proof": "5s"}),
        json!({"objective": ["response.avg <= 1ms", "publish.max<1s"]}),
        json!({"objective": "lost==0"}),
        json!({"objective": "e2e.p99>10ms"}),
        json!({"start": 0}),
        json!({"errors": "5%", "step": 12.5, "period": "5s", "min": "10", "max": 2e4}),
        json!({"step": 100}),
        json!({"errors": -1}),
    ]
}

#[test]
fn a_schema_takes_what_the_reader_takes_and_nothing_else() {
    let (of_workload, of_driver) = (validator(&workload()), validator(&driver()));
    let mut wrong = Vec::new();
    for &(key, ..) in WORKLOAD {
        for value in values() {
            let content = with(key, value.clone());
            let refused = refused(&content, false);
            // A schema sees no files, no sums, and no numbers in text.
            let unseen = [
                "payloadFile",
                "would hold more than",
                "randomizedPayloadPoolSize is 0;",
                "longer than backlogDeadline",
            ];
            let beyond = refused
                .as_ref()
                .is_some_and(|told| unseen.iter().any(|of| told.contains(of)));
            let in_text =
                refused.is_some() && value.is_string() && matches!(key_kind(key), Kind::Whole(..));
            let shortest = refused.as_ref().is_some_and(|told| {
                ["2s", "1s", "3s"]
                    .iter()
                    .any(|of| told.contains(&format!("at least {of}")))
            });
            if of_workload.is_valid(&content) != refused.is_none()
                && !beyond
                && !in_text
                && !shortest
            {
                wrong.push(format!("{key}: {value}: {refused:?}"));
            }
        }
    }
    let kafka = json!({"driverClass": KAFKA, "commonConfig": "bootstrap.servers=a:1\n"});
    for &(key, ..) in DRIVER_KAFKA.iter().filter(|key| !key.0.ends_with("Config")) {
        for value in values() {
            let mut content = kafka.clone();
            content[key] = value.clone();
            let refused = refused(&content, true);
            let zero = key == "replicationFactor" && refused.is_some();
            if of_driver.is_valid(&content) != refused.is_none() && !zero {
                wrong.push(format!("{key}: {value}: {refused:?}"));
            }
        }
    }
    let rabbitmq = json!({"driverClass": RABBITMQ, "amqpUris": ["amqp://a"]});
    let rocketmq = json!({
        "driverClass": ROCKETMQ, "namesrvAddr": "a", "accessKey": "a", "secretKey": "b",
    });
    for (base, keys, built_in) in [
        (rabbitmq, DRIVER_RABBITMQ, cfg!(feature = "rabbitmq")),
        (rocketmq, DRIVER_ROCKETMQ, cfg!(feature = "rocketmq")),
    ] {
        for &(key, _, kind, _) in keys.iter().filter(|_| built_in) {
            for value in values() {
                let mut content = base.clone();
                content[key] = value.clone();
                let refused = refused(&content, true);
                // A schema sees no numbers in text, -b may stand in for addresses, and one key may ask for another.
                let in_text =
                    refused.is_some() && value.is_string() && matches!(kind, Kind::Whole(..));
                let missing = refused
                    .as_ref()
                    .is_some_and(|told| told.contains("is missing"));
                if of_driver.is_valid(&content) != refused.is_none() && !in_text && !missing {
                    wrong.push(format!("{key}: {value}: {refused:?}"));
                }
            }
        }
    }
    let of_pulsar = [
        ("", DRIVER_PULSAR),
        ("/client", PULSAR_CLIENT),
        ("/client/persistence", PULSAR_PERSISTENCE),
        ("/client/authentication", PULSAR_AUTHENTICATION),
        ("/producer", PULSAR_PRODUCER),
        ("/consumer", PULSAR_CONSUMER),
    ];
    for (path, keys) in of_pulsar.into_iter().filter(|_| cfg!(feature = "pulsar")) {
        for &(key, _, kind, _) in keys {
            for value in values() {
                let mut content = json!({
                    "driverClass": PULSAR,
                    "client": {
                        "serviceUrl": "pulsar://a",
                        "persistence": {},
                        "authentication": {"plugin": "token", "data": "token:x"},
                    },
                    "producer": {},
                    "consumer": {},
                });
                content.pointer_mut(path).unwrap()[key] = value.clone();
                let refused = refused(&content, true);
                // A schema sees no numbers in text, and -b may stand in for the brokers.
                let in_text =
                    refused.is_some() && value.is_string() && matches!(kind, Kind::Whole(..));
                let unseen = ["is missing", "holds no token", "of at most"];
                let unseen = |told: &String| unseen.iter().any(|of| told.contains(of));
                let missing = refused.as_ref().is_some_and(unseen);
                if of_driver.is_valid(&content) != refused.is_none() && !in_text && !missing {
                    wrong.push(format!("{path}/{key}: {value}: {refused:?}"));
                }
            }
        }
    }
    assert!(wrong.is_empty(), "{}\n{}", wrong.len(), wrong.join("\n"));
}

fn key_kind(key: &str) -> Kind {
    let found = WORKLOAD.iter().find(|known| known.0 == key);
    found.unwrap().2
}

#[test]
fn what_is_missing_or_too_much_is_seen() {
    let of_workload = validator(&workload());
    assert!(of_workload.is_valid(&base()));
    for (key, required) in WORKLOAD.iter().map(|key| (key.0, key.1)) {
        let mut content = base();
        content.as_object_mut().unwrap().remove(key);
        let valid = of_workload.is_valid(&content);
        assert_eq!(valid, !required && key != "testDuration", "{key}");
        assert_eq!(valid, refused(&content, false).is_none(), "{key}");
    }
    for more in [
        json!({"topcis": 1}),
        json!({"testDurationMinutes": 1}),
        json!({"warmupDuration": "1s", "warmupDurationMinutes": 1}),
        json!({"consumerBacklogSize": "1kB", "consumerBacklogSizeGB": 0}),
    ] {
        let mut content = base();
        content
            .as_object_mut()
            .unwrap()
            .extend(more.as_object().unwrap().clone());
        assert!(!of_workload.is_valid(&content), "{content}");
        assert!(refused(&content, false).is_some(), "{content}");
    }
}

#[test]
fn every_example_is_valid_and_names_its_schema_in_its_first_line() {
    for (folder, name, schema) in [
        ("workloads", "workload", workload()),
        ("drivers", "driver", driver()),
    ] {
        for file in examples(folder) {
            let text = fs::read_to_string(&file).unwrap();
            let content: Value = serde_yaml::from_str(&text).unwrap();
            let errors: Vec<String> = validator(&schema)
                .iter_errors(&content)
                .map(|e| e.to_string())
                .collect();
            assert!(errors.is_empty(), "{}: {errors:?}", file.display());
            let first = text.lines().next().unwrap();
            let path = first
                .strip_prefix("# yaml-language-server: $schema=")
                .unwrap();
            let named = file.parent().unwrap().join(path).canonicalize().unwrap();
            assert!(named.ends_with(format!("schemas/{name}.json")), "{first}");
        }
    }
}
