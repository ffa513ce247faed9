use std::collections::BTreeSet;

use super::super::testing;
use super::*;

/// The fields of OMB's TestResult with their Java types, latencies aside.
const FIELDS: [(&str, &str); 14] = [
    ("workload", "String"),
    ("driver", "String"),
    ("messageSize", "long"),
    ("topics", "int"),
    ("partitions", "int"),
    ("producersPerTopic", "int"),
    ("consumersPerTopic", "int"),
    ("publishRate", "List<Double>"),
    ("publishErrorRate", "List<Double>"),
    ("consumeRate", "List<Double>"),
    ("backlog", "List<Long>"),
    ("aggregatedPublishLatencyQuantiles", "Map<Double, Double>"),
    (
        "aggregatedPublishDelayLatencyQuantiles",
        "Map<Double, Long>",
    ),
    ("aggregatedEndToEndLatencyQuantiles", "Map<Double, Double>"),
];

const LATENCIES: [(&str, &str, &str); 3] = [
    ("publishLatency", "PublishLatency", "Double"),
    ("publishDelayLatency", "PublishDelayLatency", "Long"),
    ("endToEndLatency", "EndToEndLatency", "Double"),
];

const ENDINGS: [&str; 8] = [
    "Avg", "50pct", "75pct", "95pct", "99pct", "999pct", "9999pct", "Max",
];

/// Every field of TestResult.java with its type.
fn omb_fields() -> Vec<(String, String)> {
    let mut fields: Vec<_> = FIELDS
        .iter()
        .map(|&(name, kind)| (name.to_owned(), kind.to_owned()))
        .collect();
    for (small, capital, number) in LATENCIES {
        for ending in ENDINGS {
            let number = if ending == "Avg" { "Double" } else { number };
            fields.push((format!("{small}{ending}"), format!("List<{number}>")));
            fields.push((
                format!("aggregated{capital}{ending}"),
                number.to_lowercase(),
            ));
        }
    }
    fields
}

fn parsed(run: &Run) -> Value {
    serde_json::from_str(&to_json(run).unwrap()).unwrap()
}

fn is_of_type(value: &Value, kind: &str) -> bool {
    let all = |kind: &str| match value {
        Value::Array(entries) => {
            !entries.is_empty() && entries.iter().all(|entry| is_of_type(entry, kind))
        }
        Value::Object(entries) => entries.values().all(|entry| is_of_type(entry, kind)),
        _ => false,
    };
    match kind {
        "String" => value.is_string(),
        "long" | "int" | "Long" => value.is_u64(),
        "double" | "Double" => value.is_f64(),
        "List<Double>" => value.is_array() && all("Double"),
        "List<Long>" => value.is_array() && all("Long"),
        "Map<Double, Double>" => value.is_object() && all("Double"),
        "Map<Double, Long>" => value.is_object() && all("Long"),
        _ => panic!("no such type: {kind}"),
    }
}

#[test]
fn the_result_has_every_field_of_omb_with_its_type_and_one_more() {
    for run in [testing::run(), testing::nothing_measured()] {
        let result = parsed(&run);
        let mut expected: BTreeSet<String> = BTreeSet::from(["omb".to_owned()]);
        for (name, kind) in omb_fields() {
            assert!(
                is_of_type(&result[&name], &kind),
                "{name}: {}",
                result[&name]
            );
            expected.insert(name);
        }
        assert_eq!(expected.len(), 14 + 48 + 1);
        let found: BTreeSet<String> = result.as_object().unwrap().keys().cloned().collect();
        assert_eq!(found, expected);
    }
}

#[test]
fn latencies_are_milliseconds_with_microseconds_and_delays_whole_microseconds() {
    let result = parsed(&testing::run());
    assert_eq!(result["publishRate"], json!([1000.0, 1000.0]));
    assert_eq!(result["backlog"], json!([3, 3]));
    assert_eq!(result["publishLatencyMax"], json!([5.1, 5.1]));
    assert_eq!(result["aggregatedPublishLatencyMax"], json!(5.1));
    assert_eq!(result["aggregatedPublishDelayLatencyMax"], json!(12));
    assert_eq!(result["aggregatedPublishDelayLatencyAvg"], json!(6.0));
    assert_eq!(result["aggregatedEndToEndLatencyMax"], json!(10.2));
}

#[test]
fn quantiles_are_named_by_percentile_ascend_and_end_at_the_maximum() {
    let text = to_json(&testing::run()).unwrap();
    let start = text.find("\"aggregatedPublishLatencyQuantiles\"").unwrap();
    let object = &text[start..start + text[start..].find('}').unwrap()];
    let entries: Vec<(f64, f64)> = object
        .lines()
        .skip(1)
        .filter_map(|line| line.trim().trim_end_matches(',').split_once(": "))
        .map(|(key, value)| {
            (
                key.trim_matches('"').parse().unwrap(),
                value.parse().unwrap(),
            )
        })
        .collect();
    assert!(entries.len() > 100, "{}", entries.len());
    assert!(entries.is_sorted_by(|a, b| a.0 < b.0 && a.1 <= b.1));
    assert_eq!(entries.last(), Some(&(100.0, 5.1)));
}

#[test]
fn what_omb_does_not_have_is_under_one_key() {
    let run = testing::run();
    let own = &parsed(&run)["omb"];
    assert_eq!(own["version"], env!("CARGO_PKG_VERSION"));
    assert_eq!(own["runId"], "00c0ffee");
    assert_eq!(own["status"], "completed");
    assert_eq!(own["reason"], Value::Null);
    assert_eq!(own["broker"], "embedded");
    assert_eq!(own["started"], "2023-11-14T22:13:20.123Z");
    assert_eq!(own["sent"], 120_000);
    assert_eq!(own["received"], 120_000);
    assert_eq!(own["responseLatency"]["max"], json!(5.112));
    assert_eq!(own["outOfRange"]["endToEndLatency"]["negative"], 1);
    let books = &own["ledger"]["subscriptions"]["sub-000-00c0ffee"];
    assert_eq!(
        (&books["received"], &books["lost"]),
        (&json!(122_000), &json!(0))
    );
    assert_eq!(books["examples"]["lost"], json!([]));
    let examples = json!({"failed": [], "unknown": []});
    assert_eq!(own["ledger"]["examples"], examples);
    assert_eq!(own["processes"][0]["ended"], "exit 0");
    let failed = &parsed(&testing::nothing_measured())["omb"];
    assert_eq!(failed["status"], "failed");
    assert_eq!(failed["reason"], "no broker at localhost:9092");
}
