//! Results as one CSV file, with the columns that OMB's `--csv` writes.
//!
//! The values are exact, where OMB's have one significant digit or two, and the line of names does
//! not end in a comma.

use std::path::Path;

use serde_json::Value;

const HEAD: &str = "topics,partitions,message-size,producers-per-topic,consumers-per-topic,\
                    prod-rate-min,prod-rate-avg,prod-rate-std-dev,prod-rate-max,\
                    con-rate-min,con-rate-avg,con-rate-std-dev,con-rate-max";
const FIELDS: [&str; 5] = [
    "topics",
    "partitions",
    "messageSize",
    "producersPerTopic",
    "consumersPerTopic",
];

/// A result's line, and by what OMB sorts it.
struct Line {
    order: [u64; 3],
    text: String,
}

/// Puts results, each with its file, into CSV, in OMB's order: by size of messages, topics,
/// partitions.
///
/// # Errors
/// Every file that is no result.
pub fn of(results: &[(&Path, String)]) -> Result<String, Vec<String>> {
    let (mut lines, mut wrong) = (Vec::new(), Vec::new());
    for (path, text) in results {
        match line(text) {
            Ok(line) => lines.push(line),
            Err(error) => wrong.push(format!("{}: {error}", path.display())),
        }
    }
    if !wrong.is_empty() {
        return Err(wrong);
    }
    lines.sort_by_key(|line| line.order);
    let texts = lines.into_iter().map(|line| line.text);
    let all: Vec<String> = [HEAD.to_owned()].into_iter().chain(texts).collect();
    Ok(all.join("\n") + "\n")
}

fn line(text: &str) -> Result<Line, String> {
    let result: Value = serde_json::from_str(text).map_err(|error| format!("no JSON: {error}"))?;
    let whole = |name: &str| {
        result[name]
            .as_u64()
            .ok_or(format!("no result: it has no {name}"))
    };
    let mut cells = Vec::new();
    for name in FIELDS {
        cells.push(whole(name)?.to_string());
    }
    for name in ["publishRate", "consumeRate"] {
        let rates = result[name].as_array();
        let rates = rates.ok_or(format!("no result: it has no {name}"))?;
        let rates: Vec<f64> = rates.iter().filter_map(Value::as_f64).collect();
        cells.extend(spread(&rates));
    }
    Ok(Line {
        order: [
            whole("messageSize")?,
            whole("topics")?,
            whole("partitions")?,
        ],
        text: cells.join(","),
    })
}

/// Least above 0, mean, standard deviation, most.
fn spread(rates: &[f64]) -> [String; 4] {
    let count = rates.len().max(1) as f64;
    // The sum of nothing is -0.
    let sum = |values: &mut dyn Iterator<Item = f64>| values.fold(0.0, |sum, value| sum + value);
    let mean = sum(&mut rates.iter().copied()) / count;
    let variance = sum(&mut rates.iter().map(|rate| (rate - mean).powi(2))) / count;
    let least = rates.iter().copied().filter(|rate| *rate > 0.0);
    let least = least.reduce(f64::min).unwrap_or(0.0);
    let most = rates.iter().copied().fold(0.0, f64::max);
    let short = format!("{:.2}", variance.sqrt());
    let short = short.trim_end_matches('0').trim_end_matches('.').to_owned();
    [
        format!("{least:.0}"),
        format!("{mean:.0}"),
        short,
        format!("{most:.0}"),
    ]
}

#[cfg(test)]
mod tests {
    use super::*;

    fn result(size: u64, topics: u64, rates: &str) -> String {
        format!(
            r#"{{"topics": {topics}, "partitions": 4, "messageSize": {size}, "producersPerTopic": 2,
                "consumersPerTopic": 3, "publishRate": {rates}, "consumeRate": [0.0, 10.0]}}"#
        )
    }

    #[test]
    fn each_result_is_a_line_in_order_of_size_and_topics() {
        let path = Path::new("a.json");
        let results = [
            (path, result(1024, 1, "[1000.0, 3000.0]")),
            (path, result(100, 2, "[5.5]")),
            (path, result(100, 1, "[]")),
        ];
        let text = of(&results).unwrap();
        let lines: Vec<&str> = text.lines().collect();
        assert_eq!(lines[0].split(',').count(), 13);
        assert_eq!(
            lines[1..],
            [
                "1,4,100,2,3,0,0,0,0,10,5,5,10",
                "2,4,100,2,3,6,6,0,6,10,5,5,10",
                "1,4,1024,2,3,1000,2000,1000,3000,10,5,5,10",
            ]
        );
    }

    #[test]
    fn files_that_are_no_results_are_all_told() {
        let results = [
            (Path::new("a.json"), "{".to_owned()),
            (Path::new("b.json"), "{}".to_owned()),
        ];
        let told = of(&results).unwrap_err();
        assert_eq!(told.len(), 2);
        assert!(told[0].starts_with("a.json: no JSON"), "{told:?}");
        assert_eq!(told[1], "b.json: no result: it has no topics");
    }
}
