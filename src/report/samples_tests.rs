use serde_json::{Value, json};

use super::*;
use crate::report::testing;

/// Counts writes, to see that no line is torn.
#[derive(Default)]
struct Writes(Vec<Vec<u8>>);

impl Write for Writes {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.0.push(bytes.to_vec());
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

#[test]
fn every_line_is_written_whole_and_says_what_it_is() {
    let run = testing::run();
    let mut samples = Samples::new(Writes::default());
    let children = Children {
        alive: 3,
        expected: 4,
    };
    samples.head(0, &run, "w.json").unwrap();
    samples
        .sample(1_000, "measure", &run.total, children)
        .unwrap();
    samples
        .event(1_500, "consumer 1 died: signal 9 (SIGKILL); restarting")
        .unwrap();
    samples
        .end(2_000, Status::Interrupted, Some("SIGINT\n"))
        .unwrap();
    let writes = samples.out.0;
    assert_eq!(writes.len(), 4);
    let lines: Vec<Value> = writes
        .iter()
        .map(|line| {
            assert_eq!(line.iter().filter(|&&byte| byte == b'\n').count(), 1);
            serde_json::from_slice(line).unwrap()
        })
        .collect();
    let types: Vec<_> = lines
        .iter()
        .map(|line| line["type"].as_str().unwrap())
        .collect();
    assert_eq!(types, ["run", "sample", "event", "end"]);
    assert_eq!(lines[0]["runId"], "00c0ffee");
    assert_eq!(lines[0]["broker"], "embedded");
    let sample = &lines[1];
    assert_eq!(sample["t"], "1970-01-01T00:00:01.000Z");
    assert_eq!(sample["phase"], "measure");
    assert_eq!(sample["seconds"], json!(120.0));
    assert_eq!(sample["acknowledgedBytes"], 120_000 * 1_024);
    assert_eq!(sample["responseLatency"]["max"], json!(5.112));
    assert_eq!(sample["children"], json!({"alive": 3, "expected": 4}));
    assert_eq!(lines[3]["status"], "interrupted");
}

#[test]
fn a_full_disk_is_told_and_not_swallowed() {
    let full = File::options().write(true).open("/dev/full").unwrap();
    assert!(Samples::new(full).event(0, "x").is_err());
}

#[test]
fn parts_are_numbered_before_the_extension() {
    let name = |first: &str, number| part(Path::new(first), number);
    assert_eq!(name("a/r.samples.jsonl", 0), Path::new("a/r.samples.jsonl"));
    assert_eq!(
        name("a/r.samples.jsonl", 2),
        Path::new("a/r.samples.002.jsonl")
    );
    assert_eq!(
        name("a/r.samples.jsonl", 1_234),
        Path::new("a/r.samples.1234.jsonl")
    );
    assert_eq!(name("samples.txt", 1), Path::new("samples.txt.001"));
}

#[test]
fn a_part_that_is_full_is_followed_by_one_that_says_what_run_it_is() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("s.jsonl");
    let mut run = testing::run();
    let mut samples = Samples::in_parts(&path, 4_000).unwrap();
    samples.head(0, &run, "w.json").unwrap();
    run.restarts = 7;
    samples.record(0, None, &run).unwrap();
    for _ in 0..100 {
        samples.event(0, "something happened").unwrap();
    }
    let text = |number| std::fs::read_to_string(part(&path, number)).unwrap();
    for number in 1..3 {
        let before = text(number - 1);
        assert!((4_000..8_000).contains(&before.len()), "{}", before.len());
        let head: Value = serde_json::from_str(text(number).lines().next().unwrap()).unwrap();
        assert_eq!(
            (&head["type"], &head["part"]),
            (&json!("run"), &json!(number))
        );
        assert_eq!(head["result"], "w.json");
        assert_eq!(head["facts"]["restarts"], 7, "as of the last record");
    }
}

#[test]
fn no_setting_of_the_driver_is_in_samples() {
    let mut samples = Samples::new(Vec::new());
    samples.head(0, &testing::run(), "w.json").unwrap();
    let head: Value = serde_json::from_slice(&samples.out).unwrap();
    let driver = json!({"name": "Kafka", "embedded": true});
    assert_eq!(head["facts"]["driver"], driver);
}
