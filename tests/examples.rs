//! Every example that a person may copy is accepted, its client settings included.

// A helper of a test may end it.
#![allow(clippy::unwrap_used)]

use std::fs;
use std::path::{Path, PathBuf};
use std::time::Duration;

use omb::config::{Overrides, System, load_driver, load_workload};
use omb::driver::kafka::properties::prepare;
use omb::driver::systems::check;

fn examples(folder: &str) -> Vec<PathBuf> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR"))
        .join("examples")
        .join(folder);
    let mut files: Vec<PathBuf> = fs::read_dir(folder)
        .unwrap()
        .map(|entry| entry.unwrap().path())
        .collect();
    files.sort();
    assert!(files.len() >= 3);
    files
}

#[test]
fn every_workload_is_accepted() {
    for file in examples("workloads") {
        let workload = load_workload(&file, &Overrides::default())
            .unwrap_or_else(|problems| panic!("{problems:?}"));
        assert_eq!(
            Some(workload.name.as_str()),
            file.file_stem().and_then(|s| s.to_str())
        );
    }
}

#[test]
fn every_driver_is_accepted_without_a_note() {
    let built_in = |file: &PathBuf| {
        let name = file.file_name().unwrap().to_string_lossy();
        (cfg!(feature = "pulsar") || !name.starts_with("pulsar"))
            && (cfg!(feature = "rabbitmq") || !name.starts_with("rabbitmq"))
            && (cfg!(feature = "rocketmq") || !name.starts_with("rocketmq"))
    };
    for file in examples("drivers").into_iter().filter(built_in) {
        let driver = load_driver(Some(&file), &Overrides::default())
            .unwrap_or_else(|problems| panic!("{problems:?}"));
        let checked = check(&driver.system).unwrap_or_else(|problems| panic!("{problems:?}"));
        assert!(
            checked.notes.is_empty(),
            "{}: {:?}",
            file.display(),
            checked.notes
        );
    }
}

#[test]
fn the_first_try_takes_less_than_twenty_seconds() {
    let file = Path::new(env!("CARGO_MANIFEST_DIR")).join("examples/workloads/quickstart.yaml");
    let workload = load_workload(&file, &Overrides::default()).unwrap();
    assert!(workload.warmup + workload.duration <= Duration::from_secs(15));
}

#[test]
fn without_a_driver_file_the_settings_are_those_of_the_throughput_example() {
    let of = |driver: omb::config::Driver| {
        let System::Kafka(kafka) = driver.system else {
            panic!("{driver:?}");
        };
        prepare(&kafka).unwrap().clients
    };
    let file = Path::new(env!("CARGO_MANIFEST_DIR")).join("examples/drivers/kafka-throughput.yaml");
    let servers = Overrides {
        bootstrap: Some("localhost:9092".to_owned()),
        ..Overrides::default()
    };
    let written = of(load_driver(Some(&file), &Overrides::default()).unwrap());
    let built_in = of(load_driver(None, &servers).unwrap());
    let sorted = |mut settings: Vec<(String, String)>| {
        settings.sort();
        settings
    };
    assert_eq!(sorted(written.producer), sorted(built_in.producer));
    assert_eq!(sorted(written.consumer), sorted(built_in.consumer));
    assert_eq!(sorted(written.admin), sorted(built_in.admin));
}
