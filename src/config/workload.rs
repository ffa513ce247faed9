//! The workload file: OMB's fields with OMB's meaning, and a few of our own.

use std::path::Path;
use std::time::Duration;

use serde_yaml::Value;

use super::faults::{Fault, parse_fault};
use super::fields::{Fields, Wrong, flag, number, text, whole};
use super::load::Overrides;
use super::payload::payload;
use super::units::{check_rate, parse_duration, parse_size, show_duration};
use super::{
    KeyDistributor, Origin, Problem, RestartPolicy, Workload, backlog, environment, search,
    thresholds, tree,
};

/// Every key of a workload file: OMB's, then ours.
pub(super) const KEYS: &[&str] = &[
    "name",
    "topics",
    "topicPrefix",
    "partitionsPerTopic",
    "keyDistributor",
    "messageSize",
    "useRandomizedPayloads",
    "randomBytesRatio",
    "randomizedPayloadPoolSize",
    "payloadFile",
    "seed",
    "subscriptionsPerTopic",
    "producersPerTopic",
    "consumerPerSubscription",
    "producerRate",
    "rateSearch",
    "rateControl",
    "consumerBacklogSizeGB",
    "consumerBacklogSize",
    "backlogDrainRatio",
    "backlogDeadline",
    "testDurationMinutes",
    "warmupDurationMinutes",
    "testDuration",
    "warmupDuration",
    "producerProcesses",
    "consumerProcesses",
    "reportPeriod",
    "drainDeadline",
    "readyDeadline",
    "restart",
    "faults",
    "hangAfter",
    "thresholds",
];

/// Those below `restart`.
pub(super) const RESTART_KEYS: &[&str] =
    &["consumers", "producers", "maxRestarts", "window", "backoff"];

/// The interval at which children report; a period can't be shorter.
const SHORTEST_PERIOD: Duration = Duration::from_millis(200);
/// Children report five times a second; a host that is overloaded may keep them from it for a while.
const SHORTEST_HANG: Duration = Duration::from_secs(2);
/// A topic's name has 249 characters at most.
const LONGEST_PREFIX: usize = 249 - "-4294967295-00c0ffee".len();
/// More processes than this are a mistake on one host.
const MOST_PROCESSES: i64 = 1024;

/// Reads and checks a workload file, with the command line's values in place of the file's.
pub(super) fn load(file: &Path, overrides: &Overrides) -> Result<Workload, Vec<Problem>> {
    let mut entries = tree::read(file).map_err(|problem| vec![problem])?;
    let mut problems = Vec::new();
    environment::resolve(&mut entries, &|_| false, &mut problems);
    let mut fields = Fields::new(entries, KEYS, file, &mut problems);
    let workload = read(&mut fields, file, overrides);
    match workload {
        Some(workload) if problems.is_empty() => Ok(workload),
        _ => Err(problems),
    }
}

/// Every field is read before the first missing one ends the reading, so that all are told.
fn read(fields: &mut Fields<'_>, file: &Path, overrides: &Overrides) -> Option<Workload> {
    let stem = || {
        file.file_stem()
            .map_or_else(String::new, |s| s.to_string_lossy().into_owned())
    };
    let name = fields.or("name", stem(), text);
    let given_topics = if overrides.topic.is_some() {
        Some(1)
    } else {
        overrides.topics
    };
    let topics = count(fields, "topics", "topics: 1", given_topics);
    let topic_prefix = given(fields, "topicPrefix", overrides.topic_prefix.clone());
    let topic_prefix = topic_prefix.unwrap_or_else(|| {
        fields.or("topicPrefix", usual_prefix(), |value| {
            check_topic_prefix(&text(value)?)
        })
    });
    let partitions = count(
        fields,
        "partitionsPerTopic",
        "partitionsPerTopic: 1",
        overrides.partitions,
    );
    let producers = count(fields, "producersPerTopic", "producersPerTopic: 1", None);
    let subscriptions = count(
        fields,
        "subscriptionsPerTopic",
        "subscriptionsPerTopic: 1",
        None,
    );
    let consumers = count(
        fields,
        "consumerPerSubscription",
        "consumerPerSubscription: 1",
        None,
    );
    let keys = fields.or("keyDistributor", KeyDistributor::None, keys);
    let size_at = overrides
        .message_size
        .map(|_| Origin::CommandLine("--message-size".to_owned()))
        .or_else(|| fields.place("messageSize"));
    let message_size = given(fields, "messageSize", overrides.message_size)
        .or_else(|| fields.required("messageSize", "messageSize: 1024", size));
    let seed = fields.or("seed", 0, whole(0, i64::MAX)) as u64;
    let payload = payload(fields, message_size, size_at);
    let searched = (!overrides.find_rate.is_empty()).then_some(0.0);
    let rate = given(fields, "producerRate", searched.or(overrides.rate))
        .or_else(|| fields.required("producerRate", "producerRate: 20000", rate));
    let search = search::search(fields, rate, overrides);
    let control = search::control(fields, rate);
    let duration = duration_of(fields, "testDuration", overrides.duration, false);
    let duration = match duration {
        Ok(None) => {
            let message =
                "testDuration is missing; add testDuration: 30s or testDurationMinutes: 5";
            fields.problem(fields.whole_file(), message.to_owned());
            None
        }
        Ok(found) => found,
        Err(Wrong) => None,
    };
    // OMB warms up for a minute unless the file says otherwise.
    let warmup = duration_of(fields, "warmupDuration", overrides.warmup, true)
        .ok()
        .flatten()
        .unwrap_or(Duration::from_secs(60));
    let backlog_at = fields
        .place("consumerBacklogSizeGB")
        .or_else(|| fields.place("consumerBacklogSize"));
    let backlog = backlog::backlog(fields);
    let producer_processes = processes(fields, "producerProcesses", overrides.producer_processes);
    let consumer_processes = processes(fields, "consumerProcesses", overrides.consumer_processes);
    let report_period = fields.or("reportPeriod", Duration::from_secs(10), |value| {
        positive(value).and_then(|period| match period {
            period if period < SHORTEST_PERIOD => Err("give at least 200ms".to_owned()),
            period => Ok(period),
        })
    });
    let drain_deadline = fields.or("drainDeadline", Duration::from_secs(60), positive);
    let ready_deadline = fields.or("readyDeadline", Duration::from_secs(60), positive);
    let hang_after = given(fields, "hangAfter", overrides.hang_after).unwrap_or_else(|| {
        fields.or("hangAfter", Duration::from_secs(10), |value| {
            positive(value).and_then(check_hang_after)
        })
    });
    let restart = restart(fields, overrides);
    let faults = faults(fields, overrides, restart, duration);
    if let (Some(backlog), Some(rate), Some(size), Some(subscriptions)) =
        (backlog, rate, message_size, subscriptions)
        && rate > 0.0
    {
        let bytes_per_second = rate * size as f64 * f64::from(subscriptions);
        backlog::check(fields, backlog_at, backlog, bytes_per_second);
    }
    let thresholds = thresholds::file::read(fields, &overrides.thresholds);
    Some(Workload {
        name,
        topics: topics?,
        topic_prefix,
        partitions_per_topic: partitions?,
        producers_per_topic: producers?,
        subscriptions_per_topic: subscriptions?,
        consumers_per_subscription: consumers?,
        message_size: message_size?,
        payload: payload?,
        seed,
        keys,
        rate: rate?,
        search,
        control,
        warmup,
        duration: duration?,
        backlog,
        producer_processes,
        consumer_processes,
        report_period,
        restart,
        faults,
        thresholds,
        hang_after,
        drain_deadline,
        ready_deadline,
    })
}

/// The command line's value, where there is one: the file's is then not looked at.
fn given<T>(fields: &mut Fields<'_>, key: &str, value: Option<T>) -> Option<T> {
    if value.is_some() {
        fields.entry(key);
    }
    value
}

fn count(fields: &mut Fields<'_>, key: &str, example: &str, over: Option<u32>) -> Option<u32> {
    given(fields, key, over).or_else(|| {
        fields.required(key, example, |value| {
            whole(1, i64::from(i32::MAX))(value)
                .map(|n| n as u32)
                .map_err(|instead| match value {
                    Value::Number(_) => instead,
                    _ => "give a whole number of at least 1".to_owned(),
                })
        })
    })
}

fn processes(fields: &mut Fields<'_>, key: &str, over: Option<u32>) -> Option<u32> {
    given(fields, key, over).or_else(|| {
        let found = fields
            .optional(key, whole(1, MOST_PROCESSES))
            .ok()
            .flatten();
        found.map(|n| n as u32)
    })
}

fn keys(value: &Value) -> Result<KeyDistributor, String> {
    match value.as_str().unwrap_or_default() {
        "NO_KEY" => Ok(KeyDistributor::None),
        "KEY_ROUND_ROBIN" | "ROUND_ROBIN" => Ok(KeyDistributor::RoundRobin),
        "RANDOM_NANO" | "RANDOM" => Ok(KeyDistributor::RandomNano),
        _ => Err("give NO_KEY, KEY_ROUND_ROBIN or RANDOM_NANO".to_owned()),
    }
}

fn size(value: &Value) -> Result<usize, String> {
    let text = text(value).unwrap_or_default();
    parse_size(&text)
}

fn rate(value: &Value) -> Result<f64, String> {
    check_rate(number(value).unwrap_or(f64::NAN))
}

fn duration(value: &Value) -> Result<Duration, String> {
    parse_duration(&text(value).unwrap_or_default())
}

pub(super) fn positive(value: &Value) -> Result<Duration, String> {
    match duration(value)? {
        Duration::ZERO => Err("give more than 0, such as 30s".to_owned()),
        duration => Ok(duration),
    }
}

/// A duration in one of its two forms: `testDuration: 30s`, or OMB's `testDurationMinutes: 5`.
fn duration_of(
    fields: &mut Fields<'_>,
    key: &str,
    over: Option<Duration>,
    may_be_zero: bool,
) -> Result<Option<Duration>, Wrong> {
    let in_minutes = format!("{key}Minutes");
    if over.is_some() {
        fields.entry(key);
        fields.entry(&in_minutes);
        return Ok(over);
    }
    if let (Some(_), Some(second)) = (fields.place(key), fields.place(&in_minutes)) {
        let message = format!("{in_minutes} and {key} exclude each other; keep one of them");
        fields.problem(second, message);
    }
    let plain = fields.optional(key, if may_be_zero { duration } else { positive })?;
    let least = if may_be_zero { 0 } else { 1 };
    // Ten years of minutes.
    let minutes = fields.optional(&in_minutes, whole(least, 5_270_400))?;
    Ok(plain.or(minutes.map(|minutes| Duration::from_secs(minutes as u64 * 60))))
}

pub(super) fn ratio(value: &Value) -> Result<f64, String> {
    number(value)
        .filter(|ratio| (0.0..=1.0).contains(ratio))
        .ok_or_else(|| "give a share from 0 to 1, such as 0.5".to_owned())
}

/// Whether children can be held to this.
///
/// # Errors
/// What to give instead.
pub fn check_hang_after(after: Duration) -> Result<Duration, String> {
    if after < SHORTEST_HANG {
        return Err("give at least 2s".to_owned());
    }
    Ok(after)
}

/// OMB's.
pub(super) fn usual_prefix() -> String {
    "test-topic".to_owned()
}

/// Whether names of topics can begin so: number and run follow.
///
/// # Errors
/// What to give instead.
pub fn check_topic_prefix(prefix: &str) -> Result<String, String> {
    let known = |c: char| c.is_ascii_alphanumeric() || "._-".contains(c);
    if prefix.is_empty() || prefix.len() > LONGEST_PREFIX || !prefix.chars().all(known) {
        return Err(format!(
            "give 1 to {LONGEST_PREFIX} letters, digits, dots, underscores and hyphens, such as \
             test-topic"
        ));
    }
    Ok(prefix.to_owned())
}

fn restart(fields: &mut Fields<'_>, overrides: &Overrides) -> RestartPolicy {
    let mut policy = RestartPolicy::default();
    if let Some(mut inner) = fields.inner("restart", RESTART_KEYS) {
        policy.consumers = inner.or("consumers", policy.consumers, flag);
        policy.producers = inner.or("producers", policy.producers, flag);
        let most = i64::from(policy.max_restarts);
        policy.max_restarts = inner.or("maxRestarts", most, whole(0, 1_000_000)) as u32;
        policy.window = inner.or("window", policy.window, positive);
        policy.backoff = inner.or("backoff", policy.backoff, duration);
    }
    let given = &overrides.restart;
    RestartPolicy {
        consumers: given.consumers.unwrap_or(policy.consumers),
        producers: given.producers.unwrap_or(policy.producers),
        max_restarts: given.max_restarts.unwrap_or(policy.max_restarts),
        window: given.window.unwrap_or(policy.window),
        backoff: given.backoff.unwrap_or(policy.backoff),
    }
}

/// The file's faults, then the command line's.
fn faults(
    fields: &mut Fields<'_>,
    overrides: &Overrides,
    restart: RestartPolicy,
    length: Option<Duration>,
) -> Vec<Fault> {
    let at = fields.place("faults");
    let in_file = fields.or("faults", Vec::new(), |value| match value {
        Value::String(one) => Ok(vec![parse_fault(one)?]),
        Value::Sequence(all) => all.iter().map(|one| parse_fault(&text(one)?)).collect(),
        _ => Err("give a list of faults, such as - kill consumer every 10s".to_owned()),
    });
    let option = || Origin::CommandLine("--fault".to_owned());
    let in_file = in_file.into_iter().map(|fault| (at.clone(), fault));
    let given = overrides.faults.iter().cloned();
    let all: Vec<(Option<Origin>, Fault)> = in_file
        .chain(given.map(|fault| (Some(option()), fault)))
        .collect();
    for (origin, fault) in &all {
        let origin = || origin.clone().unwrap_or_else(option);
        if let Some(length) = length
            && fault.times_within(length).is_empty()
        {
            let length = show_duration(length);
            let message =
                format!("\"{fault}\" lies behind the end of the measured phase ({length})");
            fields.problem(origin(), message);
        }
        if fault.kills_producers() && !restart.producers {
            let message = format!(
                "\"{fault}\" kills producers, which are not started again; add restart: \
                 {{producers: true}}, or --restart-producers"
            );
            fields.problem(origin(), message);
        }
    }
    all.into_iter().map(|(_, fault)| fault).collect()
}

#[cfg(test)]
mod tests {
    use super::super::fields::describe;
    use super::*;

    #[test]
    fn a_wrong_type_is_told_with_what_to_write() {
        let value = Value::from("abc");
        let told = format!(
            "messageSize is {}; {}",
            describe(&value),
            size(&value).unwrap_err()
        );
        assert!(told.starts_with(
            "messageSize is text \"abc\"; give a number of bytes, such as 1024 or 1KiB"
        ));
    }

    #[test]
    fn key_distributors_have_their_old_and_new_spellings() {
        for (name, expected) in [
            ("NO_KEY", KeyDistributor::None),
            ("KEY_ROUND_ROBIN", KeyDistributor::RoundRobin),
            ("ROUND_ROBIN", KeyDistributor::RoundRobin),
            ("RANDOM_NANO", KeyDistributor::RandomNano),
            ("RANDOM", KeyDistributor::RandomNano),
        ] {
            assert_eq!(keys(&Value::from(name)), Ok(expected));
        }
        assert!(keys(&Value::from("SOME")).is_err());
    }
}
