use std::fs;
use std::time::Duration;

use super::*;
use crate::report::record::{Bucket, Turnover};
use crate::report::result::to_json;
use crate::report::samples::Samples;
use crate::report::{Counters, Interval, Status, testing};
use crate::stats::latencies::Latencies;

/// A run of ten seconds whose records have a second and a hundred messages each.
fn write(path: &Path, id: &str, part_bytes: u64) {
    let mut run = testing::run();
    run.id = id.to_owned();
    run.workload.duration = Duration::from_secs(10);
    run.workload.report_period = Duration::from_secs(2);
    let mut samples = Samples::in_parts(path, part_bytes).unwrap();
    samples.head(0, &run, "r.json").unwrap();
    for second in 1..=10 {
        let bucket = Bucket {
            counters: Counters {
                acknowledged: 100,
                ..Counters::default()
            },
            backlog_change: 0,
            latencies: Latencies::default(),
            disturbed: Latencies::default(),
        };
        let turnover = Turnover {
            covered: Duration::from_secs(second),
            length: run.workload.duration,
            received: 0,
            periods: vec![((second as usize - 1) / 2, bucket)],
            rates: Vec::new(),
            closed: second == 10,
        };
        run.restarts += 1;
        samples.record(0, Some(&turnover), &run).unwrap();
    }
    samples.end(0, Status::Completed, None).unwrap();
}

fn here() -> (tempfile::TempDir, PathBuf) {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("r.samples.jsonl");
    (directory, path)
}

/// Replaces one line of a file, or takes it out.
fn change(path: &Path, line: usize, by: Option<&str>) {
    let text = fs::read_to_string(path).unwrap();
    let mut lines: Vec<&str> = text.lines().collect();
    match by {
        Some(by) => lines[line] = by,
        None => drop(lines.remove(line)),
    }
    fs::write(path, lines.join("\n") + "\n").unwrap();
}

fn acknowledged(run: &Run) -> Vec<u64> {
    let of = |period: &Interval| period.counters.acknowledged;
    run.periods.iter().map(of).collect()
}

#[test]
fn parts_are_found_beside_the_first_one_and_read_in_their_order() {
    let (directory, path) = here();
    write(&path, "1", 1);
    let parts = fs::read_dir(directory.path()).unwrap().count();
    assert!(
        parts > 10,
        "more than the .010 that sorts before .002 without zeros: {parts}"
    );
    let in_parts = rebuild(&path).unwrap();
    assert_eq!(acknowledged(&in_parts.run), [200; 5]);
    assert_eq!(
        (in_parts.run.restarts, in_parts.run.status),
        (10, Status::Completed)
    );
    assert_eq!(in_parts.notes, [""; 0]);
    let whole = directory.path().join("whole.jsonl");
    write(&whole, "1", u64::MAX);
    let whole = rebuild(&whole).unwrap();
    assert_eq!(
        to_json(&in_parts.run).unwrap(),
        to_json(&whole.run).unwrap()
    );
}

#[test]
fn a_part_that_is_missing_is_named_and_a_later_one_is_no_beginning() {
    let (_directory, path) = here();
    write(&path, "1", 1);
    let later = rebuild(&part(&path, 3)).unwrap_err();
    assert!(
        later.contains("part 3") && later.contains("give the first file"),
        "{later}"
    );
    fs::remove_file(part(&path, 4)).unwrap();
    let error = rebuild(&path).unwrap_err();
    assert!(error.contains("004.jsonl is missing"), "{error}");
    assert!(error.contains("005.jsonl goes on"), "{error}");
}

#[test]
fn parts_of_an_earlier_run_of_this_name_are_left_out() {
    let (_directory, path) = here();
    write(&path, "1", 1);
    write(&path, "2", u64::MAX);
    let rebuilt = rebuild(&path).unwrap();
    assert_eq!(rebuilt.run.id, "2");
    assert_eq!(acknowledged(&rebuilt.run), [200; 5]);
    assert_eq!(rebuilt.notes.len(), 1);
    assert!(
        rebuilt.notes[0].contains("001.jsonl is of another run"),
        "{:?}",
        rebuilt.notes
    );
    // Also where the run was killed within a line.
    let text = fs::read(&path).unwrap();
    fs::write(&path, &text[..text.len() - 1]).unwrap();
    let rebuilt = rebuild(&path).unwrap();
    assert_eq!(rebuilt.notes.len(), 2, "{:?}", rebuilt.notes);
    assert_eq!(rebuilt.run.status, Status::Interrupted);
}

#[test]
fn a_hole_before_the_end_is_an_error_with_its_place() {
    for (line, by, words) in [
        (5, None, "jsonl:6: record 6 comes after record 4"),
        (5, Some("\0\0\0"), "jsonl:6: the line is damaged"),
        (
            5,
            Some(r#"{"type":"record","t":"x","number":5}"#),
            "missing field `facts`",
        ),
    ] {
        let (_directory, path) = here();
        write(&path, "1", u64::MAX);
        change(&path, line, by);
        let error = rebuild(&path).unwrap_err();
        assert!(error.contains(words) && !error.contains('\n'), "{error}");
    }
}

#[test]
fn a_damaged_end_is_left_out_with_a_note() {
    let (_directory, path) = here();
    write(&path, "1", u64::MAX);
    // The line with the status, and with it all that says how the run ended.
    change(&path, 11, Some("\0\0\0"));
    let rebuilt = rebuild(&path).unwrap();
    assert_eq!(acknowledged(&rebuilt.run), [200; 5]);
    assert_eq!(rebuilt.run.status, Status::Interrupted);
    let [note] = &rebuilt.notes[..] else {
        panic!("{:?}", rebuilt.notes)
    };
    assert!(note.contains("jsonl:12: the line is damaged"), "{note}");
}

#[test]
fn lines_of_a_kind_that_is_not_known_are_passed_over() {
    let (_directory, path) = here();
    write(&path, "1", u64::MAX);
    let text = fs::read_to_string(&path).unwrap();
    let (head, rest) = text.split_once('\n').unwrap();
    let text = format!("{head}\n{{\"type\":\"weather\",\"t\":\"x\",\"rain\":1}}\n{rest}");
    fs::write(&path, text).unwrap();
    let rebuilt = rebuild(&path).unwrap();
    assert_eq!(acknowledged(&rebuilt.run), [200; 5]);
    assert_eq!(rebuilt.run.status, Status::Completed);
}

#[test]
fn samples_without_records_are_told_from_those_of_a_later_format() {
    for (format, words) in [("", "kept no records"), (r#","format":99"#, "in format 99")] {
        let (_directory, path) = here();
        let head = format!(r#"{{"type":"run","t":"x","version":"0.0.1","runId":"1"{format}}}"#);
        fs::write(&path, head + "\n").unwrap();
        let error = rebuild(&path).unwrap_err();
        assert!(error.contains(words) && error.contains("0.0.1"), "{error}");
    }
}

#[test]
fn the_result_goes_beside_the_samples_whatever_path_the_name_has() {
    let beside = |result| result_beside(Path::new("a/b/r.samples.jsonl"), result);
    assert_eq!(beside("r.json"), Path::new("a/b/r.json"));
    assert_eq!(beside("../../etc/passwd"), Path::new("a/b/passwd"));
    assert_eq!(beside(".."), Path::new("a/b/result.json"));
}
