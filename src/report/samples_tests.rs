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
