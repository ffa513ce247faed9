//! Results side by side, for people: read back from their files.

use std::fs;
use std::path::Path;

use serde_json::Value;

use super::numbers::{grouped, rate};

/// What a table shows of a result.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Row {
    /// `workload` of the result.
    pub workload: String,
    /// `driver` of the result.
    pub driver: String,
    /// How the run ended.
    pub status: String,
    /// Messages per second that were asked for.
    pub target: f64,
    /// Acknowledged per second.
    pub published: f64,
    /// Received per second.
    pub received: f64,
    /// Median, 99th and 99.9th percentile of publish latency, in ms.
    pub publish: [f64; 3],
    /// The same of response latency.
    pub response: [f64; 3],
    /// The same of end-to-end latency.
    pub end_to_end: [f64; 3],
    /// Acknowledged and not received, over all subscriptions.
    pub lost: u64,
    /// Signs that the host was the limit.
    pub host_limits: usize,
    /// The rate that a search has found.
    pub found: Option<f64>,
}

impl Row {
    /// Reads a result.
    ///
    /// # Errors
    /// What is wrong with it.
    pub fn read(path: &Path) -> Result<Self, String> {
        let wrong = |error: &dyn std::fmt::Display| format!("{}: {error}", path.display());
        let text = fs::read_to_string(path).map_err(|error| wrong(&error))?;
        let result: Value = serde_json::from_str(&text).map_err(|error| wrong(&error))?;
        Ok(Self::of(&result))
    }

    fn of(result: &Value) -> Self {
        let text = |value: &Value| value.as_str().unwrap_or_default().to_owned();
        let number = |value: &Value| value.as_f64().unwrap_or(0.0);
        let own = &result["omb"];
        let of_omb = |what: &str| {
            ["50pct", "99pct", "999pct"]
                .map(|end| number(&result[format!("aggregated{what}{end}").as_str()]))
        };
        let seconds = number(&own["measuredSeconds"]);
        let per_second = |count: &Value| {
            if seconds > 0.0 {
                number(count) / seconds
            } else {
                0.0
            }
        };
        let subscriptions = own["ledger"]["subscriptions"].as_object();
        let lost = subscriptions.map_or(0, |all| {
            let each = all
                .values()
                .map(|books| books["lost"].as_u64().unwrap_or(0));
            each.sum()
        });
        Self {
            workload: text(&result["workload"]),
            driver: text(&result["driver"]),
            status: text(&own["status"]),
            target: number(&own["targetRate"]),
            published: per_second(&own["acknowledged"]),
            received: per_second(&own["received"]),
            publish: of_omb("PublishLatency"),
            response: ["p50", "p99", "p999"].map(|p| number(&own["responseLatency"][p])),
            end_to_end: of_omb("EndToEndLatency"),
            lost,
            host_limits: own["hostLimits"].as_array().map_or(0, Vec::len),
            found: own["rateSearch"]["rate"].as_f64(),
        }
    }
}

/// One of several runs: how its process ended, and what its result says, if there is one.
#[derive(Clone, Debug)]
pub struct Outcome {
    /// Exit code of the run.
    pub code: u8,
    /// What the result says.
    pub row: Option<Row>,
    /// What stands for the run where there is no result.
    pub title: String,
    /// Name of the result's file.
    pub file: String,
}

/// All runs, a line each.
pub fn of_runs(outcomes: &[Outcome]) -> String {
    let head = [
        "workload",
        "driver",
        "published/s",
        "received/s",
        "publish p99",
        "response p99",
        "end-to-end p99",
        "lost",
        "exit",
        "result",
    ];
    let line = |outcome: &Outcome| {
        let Some(row) = &outcome.row else {
            let mut line = vec![outcome.title.clone()];
            line.resize(8, String::new());
            line.extend([outcome.code.to_string(), "none".to_owned()]);
            return line;
        };
        vec![
            row.workload.clone(),
            row.driver.clone(),
            rate(row.published),
            rate(row.received),
            millis(row.publish[1]),
            millis(row.response[1]),
            millis(row.end_to_end[1]),
            grouped(row.lost),
            outcome.code.to_string(),
            outcome.file.clone(),
        ]
    };
    aligned(
        &head,
        &outcomes.iter().map(line).collect::<Vec<_>>(),
        &[0, 1, 9],
    )
}

/// Rates against latencies, a line each.
pub fn of_steps(outcomes: &[Outcome]) -> String {
    let head = [
        "rate",
        "published/s",
        "received/s",
        "publish p50",
        "p99",
        "p99.9",
        "response p50",
        "p99",
        "p99.9",
        "end-to-end p50",
        "p99",
        "p99.9",
        "lost",
        "exit",
        "",
    ];
    let line = |outcome: &Outcome| {
        let mut line = vec![outcome.title.clone()];
        if let Some(row) = &outcome.row {
            line.extend([rate(row.published), rate(row.received)]);
            let latencies = [row.publish, row.response, row.end_to_end];
            line.extend(latencies.into_iter().flatten().map(millis));
            line.push(grouped(row.lost));
        }
        line.resize(13, String::new());
        line.push(outcome.code.to_string());
        let limited = outcome.row.as_ref().is_some_and(|row| row.host_limits > 0);
        line.push(if limited { "host at its limit" } else { "" }.to_owned());
        line
    };
    aligned(&head, &outcomes.iter().map(line).collect::<Vec<_>>(), &[14])
}

/// A rate as tables show it.
pub fn shown_rate(value: f64) -> String {
    rate(value)
}

fn millis(value: f64) -> String {
    format!("{value:.3}")
}

/// Columns as wide as they have to be; those of `left` begin at their left end.
fn aligned(head: &[&str], lines: &[Vec<String>], left: &[usize]) -> String {
    let width = |column: usize| {
        let cells = lines.iter().map(|line| line[column].chars().count());
        cells
            .chain([head[column].chars().count()])
            .max()
            .unwrap_or(0)
    };
    let widths: Vec<usize> = (0..head.len()).map(width).collect();
    let head: Vec<String> = head.iter().map(|&cell| cell.to_owned()).collect();
    let mut text = String::new();
    for line in [&head].into_iter().chain(lines) {
        let cells: Vec<String> = line
            .iter()
            .enumerate()
            .map(|(column, cell)| match widths[column] {
                width if left.contains(&column) => format!("{cell:<width$}"),
                width => format!("{cell:>width$}"),
            })
            .collect();
        text.push_str(cells.join("  ").trim_end());
        text.push('\n');
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_row_has_what_the_result_has() {
        let run = crate::report::testing::run();
        let result = serde_json::from_str(&crate::report::result::to_json(&run).unwrap()).unwrap();
        let row = Row::of(&result);
        assert_eq!(
            (row.workload.as_str(), row.driver.as_str()),
            ("test", "Kafka")
        );
        assert_eq!((row.status.as_str(), row.target), ("completed", 1_000.0));
        assert_eq!((row.published, row.received), (1_000.0, 1_000.0));
        let total = &run.total.latencies;
        let ms = |nanos: f64| (nanos / 1e3).round() / 1e3;
        for (row, summary) in [
            (row.publish, &total.publish),
            (row.response, &total.response),
            (row.end_to_end, &total.end_to_end),
        ] {
            assert_eq!(row, [ms(summary.p50), ms(summary.p99), ms(summary.p999)]);
        }
        assert_eq!((row.lost, row.found), (0, None));
    }

    #[test]
    fn columns_line_up_and_a_run_without_a_result_has_its_line() {
        let row = Row {
            workload: "w".to_owned(),
            published: 12_345.6,
            ..Row::default()
        };
        let outcome = |code, row| Outcome {
            code,
            row,
            title: "other, embedded".to_owned(),
            file: "w.json".to_owned(),
        };
        let text = of_runs(&[outcome(0, Some(row)), outcome(1, None)]);
        let lines: Vec<&str> = text.lines().collect();
        assert_eq!(lines.len(), 3);
        let end = lines[0].find("published/s").unwrap() + "published/s".len();
        assert_eq!(&lines[1][end - 6..end], "12,346");
        assert!(lines[2].starts_with("other, embedded") && lines[2].ends_with("1  none"));
    }
}
