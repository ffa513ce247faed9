//! Examples of messages that were lost, doubled and so on: as JSON, and as a line for the eye.

use serde_json::{Map, Value, json};

use super::LedgerReport;
use super::numbers::grouped;
use crate::stats::examples::{Example, Few};

/// Examples of each class, by its name; what is not known of a message is left out.
pub fn to_json<'a>(
    classes: impl IntoIterator<Item = (&'static str, &'a Few)>,
    topics: &[String],
) -> Value {
    let array = |few: &Few| few.as_slice().iter().map(|e| one(e, topics)).collect();
    let classes = classes
        .into_iter()
        .map(|(name, few)| (name.to_owned(), Value::Array(array(few))));
    Value::Object(classes.collect())
}

fn one(example: &Example, topics: &[String]) -> Value {
    let known = [
        ("topic", topic(example, topics).map(Value::from)),
        ("partition", example.partition.map(Value::from)),
        ("offset", example.offset.map(Value::from)),
        ("producer", example.stream.map(|s| json!(s.producer))),
        ("incarnation", example.stream.map(|s| json!(s.incarnation))),
        ("sequence", example.sequence.map(Value::from)),
    ];
    let known = known.into_iter();
    let known: Map<_, _> = known
        .filter_map(|(name, value)| Some((name.to_owned(), value?)))
        .collect();
    Value::Object(known)
}

fn topic<'a>(example: &Example, topics: &'a [String]) -> Option<&'a str> {
    topics.get(example.topic? as usize).map(String::as_str)
}

/// The worst that happened, each with its first example, for the terminal.
pub fn lines(ledger: &LedgerReport) -> Vec<String> {
    let first = |class: &str| {
        let mut all = ledger.examples.iter().flat_map(|of| of.each());
        all.find_map(|(name, few)| few.as_slice().first().filter(|_| name == class))
    };
    let classes = [("lost", "lost"), ("duplicates", "a duplicate")];
    classes
        .into_iter()
        .filter_map(|(class, word)| {
            let which = in_words(first(class)?, &ledger.topics);
            Some(format!("e.g. {word}: {which}"))
        })
        .collect()
}

fn in_words(example: &Example, topics: &[String]) -> String {
    let mut words = Vec::new();
    if let (Some(stream), Some(sequence)) = (example.stream, example.sequence) {
        let life = match stream.incarnation {
            0 => String::new(),
            incarnation => format!(" (incarnation {incarnation})"),
        };
        let sequence = grouped(sequence);
        words.push(format!(
            "message {sequence} of producer {}{life}",
            stream.producer
        ));
    }
    if let Some(topic) = topic(example, topics) {
        words.push(match (example.partition, example.offset) {
            (Some(partition), Some(offset)) => format!("{topic}/{partition} at offset {offset}"),
            (Some(partition), None) => format!("{topic}/{partition}"),
            _ => topic.to_owned(),
        });
    }
    words.join(", ")
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::stats::delta::{StreamId, TopicPartition};
    use crate::stats::examples::SubscriptionExamples;

    fn report() -> LedgerReport {
        let place = TopicPartition {
            topic: 1,
            partition: 4,
        };
        let stream = StreamId {
            producer: 12,
            incarnation: 0,
        };
        let mut examples = SubscriptionExamples::default();
        let full = Example::at(place, 1_234).sent_by(stream, 1_000_000);
        examples.lost.note(full);
        examples.redelivered.note(Example::at(place, 7));
        examples.duplicates.note(Example::of(stream, 3));
        LedgerReport {
            examples: vec![SubscriptionExamples::default(), examples],
            topics: vec!["first".to_owned(), "second".to_owned()],
            ..LedgerReport::default()
        }
    }

    #[test]
    fn what_is_known_of_a_message_is_told_and_nothing_else() {
        let report = report();
        let found = to_json(report.examples[1].each(), &report.topics);
        let expected = json!({
            "lost": [{
                "topic": "second", "partition": 4, "offset": 1_234,
                "producer": 12, "incarnation": 0, "sequence": 1_000_000,
            }],
            "unread": [],
            "duplicates": [{"producer": 12, "incarnation": 0, "sequence": 3}],
            "redelivered": [{"topic": "second", "partition": 4, "offset": 7}],
            "late": [],
            "reordered": [],
            "foreign": [],
        });
        assert_eq!(found, expected);
    }

    #[test]
    fn the_terminal_gets_one_line_for_each_of_the_worst_and_none_otherwise() {
        assert_eq!(
            lines(&report()),
            [
                "e.g. lost: message 1,000,000 of producer 12, second/4 at offset 1234",
                "e.g. a duplicate: message 3 of producer 12",
            ]
        );
        assert!(lines(&LedgerReport::default()).is_empty());
    }
}
