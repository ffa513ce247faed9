//! JSON Schemas of what a run writes: the result, and a line of the samples.
//!
//! They are made of the types that are written, and where a writer puts JSON together by hand, of
//! types that say the same (`own.rs`) or of its own table. Fields that a later version adds are no
//! mistake; `tests/schemas.rs` holds this version to exactly what is here.

mod own;

use schemars::JsonSchema;
use schemars::generate::SchemaSettings;
use serde_json::{Map, Value, json};

use super::result::REPORTED;
use super::samples::Line;

/// What editors and validators know best.
pub const DRAFT: &str = "http://json-schema.org/draft-07/schema#";

/// (ending of a field's name, in words, whether it is an average) of each number of a latency.
const ENDINGS: [(&str, &str, bool); 8] = [
    ("Avg", "average", true),
    ("50pct", "median", false),
    ("75pct", "75th percentile", false),
    ("95pct", "95th percentile", false),
    ("99pct", "99th percentile", false),
    ("999pct", "99.9th percentile", false),
    ("9999pct", "99.99th percentile", false),
    ("Max", "maximum", false),
];

/// Of the result.
pub fn result() -> Value {
    let mut properties = Map::new();
    let mut put = |name: String, mut schema: Value, description: &str| {
        schema["description"] = description.into();
        properties.insert(name, schema);
    };
    let number = || json!({"type": "number", "minimum": 0});
    let whole = || json!({"type": "integer", "minimum": 0});
    // One entry for each reporting period.
    let periods = |of: Value| json!({"type": "array", "minItems": 1, "items": of});
    for (name, description) in [
        ("workload", "The workload's name."),
        ("driver", "The driver's name."),
    ] {
        put(name.to_owned(), json!({"type": "string"}), description);
    }
    for (name, description) in [
        ("messageSize", "Bytes of a message."),
        ("topics", "Number of topics."),
        ("partitions", "Partitions of each topic."),
        ("producersPerTopic", "Producers of each topic."),
        (
            "consumersPerTopic",
            "Consumers in each subscription of a topic.",
        ),
    ] {
        put(name.to_owned(), whole(), description);
    }
    for (name, description) in [
        (
            "publishRate",
            "Messages acknowledged per second, by period.",
        ),
        (
            "publishErrorRate",
            "Messages failed or unknown per second, by period.",
        ),
        ("consumeRate", "Messages received per second, by period."),
    ] {
        put(name.to_owned(), periods(number()), description);
    }
    put(
        "backlog".to_owned(),
        periods(whole()),
        "Messages acknowledged and not yet received at the end of each period.",
    );
    for reported in &REPORTED {
        let [small, capital] = reported.names;
        let (what, unit) = (reported.what, reported.unit);
        for (ending, words, is_average) in ENDINGS {
            // OMB's type of delays: whole microseconds, but for averages.
            let of = || {
                if reported.is_whole && !is_average {
                    whole()
                } else {
                    number()
                }
            };
            let text = format!("{what}: {words}, {unit}, by period.");
            put(format!("{small}{ending}"), periods(of()), &text);
            let text = format!("{what}: {words} of the measured phase, {unit}.");
            put(format!("aggregated{capital}{ending}"), of(), &text);
        }
        let of = if reported.is_whole { whole() } else { number() };
        put(
            format!("aggregated{capital}Quantiles"),
            json!({"type": "object", "additionalProperties": of}),
            &format!("{what}: percentiles of the measured phase, {unit}."),
        );
    }
    put(
        "omb".to_owned(),
        of::<own::Own>(),
        "What OMB does not have.",
    );
    let required: Vec<&String> = properties.keys().collect();
    json!({
        "$schema": DRAFT,
        "title": "Result of omb",
        "description": "What `omb run` and `omb report` write: OMB's fields, and one more, `omb`.",
        "type": "object",
        "required": required,
        "properties": properties,
    })
}

/// Of a line of the samples.
pub fn samples() -> Value {
    let mut schema = of::<Line<'_>>();
    schema["$schema"] = DRAFT.into();
    schema["title"] = "Line of omb's samples".into();
    schema
}

/// Of a type as it is written, all in one piece.
fn of<T: JsonSchema>() -> Value {
    let settings = SchemaSettings::draft07().with(|settings| {
        settings.inline_subschemas = true;
        settings.meta_schema = None;
    });
    let generator = settings.for_serialize().into_generator();
    let mut schema = generator.into_root_schema_for::<T>().to_value();
    if let Some(schema) = schema.as_object_mut() {
        schema.remove("title");
    }
    tidy(&mut schema);
    schema
}

/// Formats such as `uint64` are known to nobody else, and line breaks in descriptions are ours.
fn tidy(schema: &mut Value) {
    match schema {
        Value::Object(fields) => {
            if fields.get("format").is_some_and(Value::is_string) {
                fields.remove("format");
            }
            if let Some(Value::String(text)) = fields.get_mut("description") {
                let words: Vec<&str> = text.split_whitespace().collect();
                *text = words.join(" ");
            }
            fields.values_mut().for_each(tidy);
        }
        Value::Array(entries) => entries.iter_mut().for_each(tidy),
        _ => {}
    }
}
