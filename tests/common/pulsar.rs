//! The Pulsar that `scripts/test` has started, looked at through its REST API.

use std::env;
use std::time::Duration;

use serde_json::Value;

use super::wait_for;

pub fn variable(name: &str) -> String {
    env::var(name).unwrap_or_else(|_| {
        panic!(
            "{name} is not set: run scripts/test, or source the env file of scripts/broker pulsar"
        )
    })
}

/// As a person gives it with `-b`.
pub fn address() -> String {
    format!("pulsar://{}", variable("OMB_PULSAR"))
}

/// The REST API's own place, as a person gives it with `-X`.
pub fn http_of(http: &str) -> String {
    format!("client.httpUrl={http}")
}

/// What the REST API finds under a path; null where there is nothing.
fn found(http: &str, path: &str) -> Value {
    match ureq::get(format!("{http}/admin/v2/{path}")).call() {
        Ok(mut answer) => answer.body_mut().read_json().unwrap(),
        Err(ureq::Error::StatusCode(404)) => Value::Null,
        Err(error) => panic!("{path}: {error}"),
    }
}

fn texts(list: &Value) -> Vec<String> {
    let texts = list.as_array().into_iter().flatten();
    texts
        .map(|text| text.as_str().unwrap().to_owned())
        .collect()
}

/// Namespaces of omb's runs.
fn namespaces(http: &str) -> Vec<String> {
    let mut all = texts(&found(http, "namespaces/public"));
    all.extend(texts(&found(http, "namespaces/benchmark")));
    all.retain(|name| name.contains("-0-"));
    all
}

/// Topics of a namespace, each once.
fn topics(http: &str, namespace: &str) -> Vec<String> {
    let mut topics = Vec::new();
    for domain in ["persistent", "non-persistent"] {
        topics.extend(texts(&found(http, &format!("{domain}/{namespace}"))));
    }
    for topic in &mut topics {
        let whole = topic.split("-partition-").next().unwrap();
        *topic = whole.replace("://", "/");
    }
    topics.sort();
    topics.dedup();
    topics
}

/// Subscriptions, and whether they have members.
fn groups(http: &str) -> Vec<(String, bool)> {
    let mut groups: Vec<(String, bool)> = Vec::new();
    let all = namespaces(http).into_iter();
    for topic in all.flat_map(|namespace| topics(http, &namespace)) {
        let kinds = ["partitioned-stats", "stats"].into_iter();
        let stats = kinds
            .map(|kind| format!("{topic}/{kind}"))
            .map(|path| ureq::get(format!("{http}/admin/v2/{path}")).call())
            .find_map(Result::ok);
        let stats: Value = stats.map_or(Value::Null, |mut a| a.body_mut().read_json().unwrap());
        for (name, group) in stats["subscriptions"].as_object().into_iter().flatten() {
            let used = !group["consumers"].as_array().unwrap().is_empty();
            match groups.iter_mut().find(|(known, _)| known == name) {
                Some(known) => known.1 |= used,
                None => groups.push((name.clone(), used)),
            }
        }
    }
    groups
}

/// Names of all topics and groups that contain this, and of namespaces in which nothing is left.
pub fn names(part: &str) -> Vec<String> {
    names_through(&variable("OMB_PULSAR_HTTP"), part)
}

/// As [`names`], at the Pulsar whose REST API is here.
pub fn names_through(http: &str, part: &str) -> Vec<String> {
    let mut names = Vec::new();
    for namespace in namespaces(http) {
        let topics = topics(http, &namespace);
        if topics.is_empty() {
            names.push(namespace);
        }
        let name = |topic: String| topic.rsplit('/').next().unwrap().to_owned();
        names.extend(topics.into_iter().map(name));
    }
    names.extend(groups(http).into_iter().map(|(name, _)| name));
    names.retain(|name| name.contains(part));
    names
}

/// Whether all groups whose names contain this are without members.
pub fn is_without_members(part: &str) -> bool {
    let groups = groups(&variable("OMB_PULSAR_HTTP"));
    let mut named = groups.iter().filter(|(name, _)| name.contains(part));
    named.all(|(_, used)| !used)
}

/// Fails if a topic, a subscription or a namespace of this run is there longer than a killed run may leave it.
pub fn assert_nothing_left(run: &str) {
    wait_for(
        "topics and namespaces gone",
        Duration::from_secs(10),
        || names(run).is_empty().then_some(()),
    );
}
