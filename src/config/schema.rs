//! JSON Schemas of the workload and the driver file, for editors and for programs that write them.
//!
//! They accept what is accepted here, as far as a schema can say it; `schema/tests.rs` holds both
//! against each other, value by value.

mod drivers;
mod keys;

use drivers::pulsar::DRIVER_PULSAR;
use drivers::{DRIVER_KAFKA, DRIVER_RABBITMQ, DRIVER_ROCKETMQ};
use keys::{CONTROL, Key, Kind, RESTART, SEARCH, WORKLOAD};
use serde_json::{Map, Value, json};

use super::Measure;
use super::thresholds::measures;

const DRAFT: &str = "http://json-schema.org/draft-07/schema#";

/// Of a workload file.
pub fn workload() -> Value {
    let mut schema = object(WORKLOAD, "Workload of omb: OMB's fields, and more.");
    let given =
        |key: &str| json!({"required": [key], "properties": {key: {"not": {"type": "null"}}}});
    let [plain, minutes] = ["testDuration", "testDurationMinutes"].map(given);
    schema["oneOf"] = json!([plain, minutes]);
    let both = |keys: [&str; 2]| json!({"allOf": keys.map(given)});
    schema["not"] = any([
        both(["warmupDuration", "warmupDurationMinutes"]),
        both(["consumerBacklogSize", "consumerBacklogSizeGB"]),
    ]);
    head(schema, "Workload of omb")
}

/// Of a driver file.
pub fn driver() -> Value {
    let of = |keys, system: &str| {
        let text = format!("Driver of omb for {system}, and how its clients are set.");
        object(keys, &text)
    };
    let schema = any([
        of(DRIVER_KAFKA, "Kafka"),
        of(DRIVER_RABBITMQ, "RabbitMQ"),
        of(DRIVER_PULSAR, "Pulsar"),
        of(DRIVER_ROCKETMQ, "RocketMQ"),
    ]);
    head(schema, "Driver of omb")
}

fn head(mut schema: Value, title: &str) -> Value {
    schema["$schema"] = DRAFT.into();
    schema["title"] = title.into();
    schema
}

/// A mapping with these keys and no others.
fn object(keys: &[Key], description: &str) -> Value {
    let properties: Map<String, Value> = keys
        .iter()
        .map(|&(key, required, kind, description)| {
            let variable = json!({"type": "string", "pattern": VARIABLE});
            let mut schema = any([value(kind), variable]);
            if !required {
                // A key without a value counts as absent.
                schema = json!({"anyOf": [schema, {"type": "null"}]});
            }
            schema["description"] = description.into();
            (key.to_owned(), schema)
        })
        .collect();
    let required = keys.iter().filter(|key| key.1).map(|key| key.0);
    let mut schema = json!({
        "type": "object",
        "description": description,
        "properties": properties,
        "additionalProperties": false,
    });
    let required: Vec<&str> = required.collect();
    if !required.is_empty() {
        schema["required"] = json!(required);
    }
    schema
}

/// What the environment has; what that is nobody knows here.
const VARIABLE: &str = "\\$\\{[A-Za-z_][A-Za-z0-9_]*(:-[^}]*)?\\}";

/// Numbers may be written as text, and with `_`.
const WHOLE_TEXT: &str = "^\\s*[+-]?[0-9_]*[0-9][0-9_]*\\s*$";
const SIZE: &str =
    "^\\s*([0-9_]*[1-9][0-9_]*(\\.0*)?\\s*[bB]?|[0-9_.]*[1-9][0-9_.]*\\s*[kKmMgG][iI]?[bB]?)\\s*$";
const TIME: &str = "([0-9]+\\.?[0-9]*|\\.[0-9]+)(us|µs|ms|s|sec|m|min|h|d)";

fn value(kind: Kind) -> Value {
    let text = |pattern: &str| json!({"type": "string", "pattern": pattern});
    match kind {
        Kind::Text => json!({"type": ["string", "number", "boolean"]}),
        Kind::TopicPrefix => any([
            text("^[A-Za-z0-9._-]{1,229}$"),
            json!({"type": ["number", "boolean"]}),
        ]),
        Kind::Flag => any([
            json!({"type": "boolean"}),
            text("^([Tt][Rr][Uu][Ee]|[Ff][Aa][Ll][Ss][Ee])$"),
        ]),
        Kind::Whole(least, most) => {
            let mut number = json!({"type": "integer", "minimum": least});
            if let Some(most) = most {
                number["maximum"] = most.into();
            }
            any([number, text(WHOLE_TEXT)])
        }
        Kind::Share => any([
            json!({"type": "number", "minimum": 0, "maximum": 1}),
            text("^\\s*\\+?(0+(\\.[0-9]*)?|\\.[0-9]+|0*1(\\.0*)?)\\s*$"),
        ]),
        Kind::Rate => any([
            json!({"type": "number", "minimum": 0}),
            text("^\\s*\\+?[0-9_.]*[0-9][0-9_.]*([eE]\\+?[0-9]+)?\\s*$"),
        ]),
        Kind::RateAbove0 => any([
            json!({"type": "number", "exclusiveMinimum": 0}),
            text("^\\s*\\+?[0-9_.]*[1-9][0-9_.]*([eE]\\+?[0-9]+)?\\s*$"),
        ]),
        Kind::Size => any([
            json!({"type": "integer", "minimum": 1, "maximum": 1_000_000_000}),
            text(SIZE),
        ]),
        Kind::Time(may_be_zero) => {
            let time = text(&format!("^\\s*{TIME}(\\s*{TIME})*\\s*$"));
            if may_be_zero {
                any([time, json!({"enum": [0, "0"]})])
            } else {
                let mut time = time;
                time["not"] = json!({"pattern": "^[^1-9]*$"});
                time
            }
        }
        Kind::OneOf(names) => json!({"enum": names}),
        Kind::Gigabytes => any([
            json!({"type": "number", "minimum": 0, "maximum": 1e6}),
            text("^\\s*\\+?([0-9_]*[0-9][0-9_]*\\.?[0-9]*|\\.[0-9]+)\\s*$"),
        ]),
        Kind::Memory => any([
            json!({"type": "integer", "minimum": 0, "maximum": 9_000_000_000_000_000_i64}),
            text(SIZE),
            text("^\\s*[+-]?0+(\\.0*)?\\s*$"),
        ]),
        Kind::Faults => {
            let times = format!("(at\\s+{TIME}(\\s*,\\s*{TIME})*|every\\s+{TIME})");
            let whom = "(any|(consumer|producer)(\\s+[0-9]+)?)";
            let fault = text(&format!(
                "^\\s*((kill|continue)\\s+{whom}\\s+{times}|stop\\s+{whom}\\s+{times}(\\s+for\\s+{TIME})?)\\s*$"
            ));
            any([fault.clone(), json!({"type": "array", "items": fault})])
        }
        Kind::Restart => object(RESTART, "Restarts."),
        Kind::Thresholds => thresholds(),
        Kind::Search => object(SEARCH, "How the highest rate that holds is looked for."),
        Kind::Control => object(CONTROL, "How the rate follows what is measured."),
        Kind::Objectives => {
            let latency = "(publish|response|publishDelay|endToEnd|e2e|endToEndResponse)";
            let number = "(avg|p50|p75|p95|p99|p999|p9999|max)";
            let one = text(&format!(
                "^\\s*{latency}\\.{number}\\s*<=?\\s*{TIME}(\\s*{TIME})*\\s*$"
            ));
            any([one.clone(), json!({"type": "array", "items": one})])
        }
        Kind::Percent => any([
            json!({"type": "number", "minimum": 0, "exclusiveMaximum": 100}),
            text("^\\s*[0-9]{1,2}(\\.[0-9]*)?\\s*%?\\s*$"),
        ]),
        Kind::Like(pattern) => text(pattern),
        Kind::Mapping(keys) => object(keys, "Settings."),
        Kind::Uri(scheme) => text(&uri(scheme)),
        Kind::Uris(scheme) => json!({
            "type": "array",
            "minItems": 1,
            "items": text(&uri(scheme)),
        }),
    }
}

fn uri(scheme: &str) -> String {
    format!("^\\s*{scheme}://([^/?]*@)?[^\\s:/?@]+(:[0-9]+)?([/?].*)?$")
}

fn any<const N: usize>(schemas: [Value; N]) -> Value {
    json!({"anyOf": schemas.to_vec()})
}

fn thresholds() -> Value {
    let mut properties = Map::new();
    for (name, measure) in measures() {
        let schema = bound(measure);
        if let Some(statistic) = name.strip_prefix("endToEnd.") {
            properties.insert(format!("e2e.{statistic}"), schema.clone());
        }
        properties.insert(name, schema);
    }
    json!({"type": "object", "properties": properties, "additionalProperties": false})
}

fn bound(measure: Measure) -> Value {
    let number = match measure {
        Measure::Latency(..) | Measure::RecoveryMax => format!("(0|{TIME}(\\s*{TIME})*)"),
        Measure::PublishRate | Measure::ConsumeRate => "[0-9][0-9_.]*([eE]\\+?[0-9]+)?".to_owned(),
        Measure::Errors => "[0-9][0-9_.]*\\s*%?".to_owned(),
        Measure::Count(_) => "[0-9][0-9_]*(\\.0*)?".to_owned(),
    };
    let pattern = format!("^\\s*(<=?|>=?|==)\\s*{number}\\s*$");
    let one = json!({"type": "string", "pattern": pattern});
    let mut all = any([
        one.clone(),
        json!({"type": "array", "minItems": 1, "items": one}),
    ]);
    let unit = match measure.unit() {
        "" => String::new(),
        unit => format!(" in {unit}"),
    };
    all["description"] = format!("A bound{unit}, such as \"{}\".", measure.example()).into();
    all
}

#[cfg(test)]
mod tests;
