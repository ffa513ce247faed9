//! The RabbitMQ that `scripts/test` has started, looked at through its management plugin.

use std::env;
use std::time::Duration;

use base64::Engine;
use base64::prelude::BASE64_STANDARD;
use serde_json::Value;

use super::wait_for;

pub fn variable(name: &str) -> String {
    env::var(name).unwrap_or_else(|_| {
        panic!(
            "{name} is not set: run scripts/test, or source the env file of scripts/broker rabbitmq"
        )
    })
}

/// As a person gives it with `-b`.
pub fn address() -> String {
    format!("amqp://{}", variable("OMB_RABBITMQ"))
}

/// What a management plugin lists under a path.
fn listed(http: &str, path: &str) -> Vec<Value> {
    let url = format!("{http}/api/{path}");
    let user = format!("Basic {}", BASE64_STANDARD.encode("guest:guest"));
    let answer = ureq::get(&url).header("authorization", &user).call();
    answer.unwrap().body_mut().read_json().unwrap()
}

fn text(value: &Value, key: &str) -> String {
    value[key].as_str().unwrap().to_owned()
}

/// Queues of omb's runs whose names contain this: their groups, and how many consumers they have.
fn groups(http: &str, part: &str) -> Vec<(String, u64)> {
    let queues = listed(http, "queues/%2F?columns=name,consumers");
    let group = |queue: Value| {
        let name = text(&queue, "name");
        let (_, group) = name.split_once("-sub-")?;
        // A new queue is listed before it is counted.
        let consumers = queue["consumers"].as_u64().unwrap_or_default();
        Some((format!("sub-{group}"), consumers))
    };
    let mut groups: Vec<(String, u64)> = queues.into_iter().filter_map(group).collect();
    groups.retain(|(name, _)| name.contains(part));
    groups
}

/// Names of all topics and groups that contain this.
pub fn names(part: &str) -> Vec<String> {
    names_through(&variable("OMB_RABBITMQ_HTTP"), part)
}

/// As [`names`], at the RabbitMQ whose management plugin is here.
pub fn names_through(http: &str, part: &str) -> Vec<String> {
    let exchanges = listed(http, "exchanges/%2F?columns=name");
    let mut names: Vec<String> = exchanges.iter().map(|e| text(e, "name")).collect();
    names.retain(|name| name.contains(part));
    names.extend(groups(http, part).into_iter().map(|(name, _)| name));
    names
}

/// Whether all groups whose names contain this are without members.
pub fn is_without_members(part: &str) -> bool {
    groups(&variable("OMB_RABBITMQ_HTTP"), part)
        .iter()
        .all(|(_, consumers)| *consumers == 0)
}

/// Fails if an exchange or a queue of this run is there longer than a killed run may leave it.
pub fn assert_nothing_left(run: &str) {
    wait_for("exchanges and queues gone", Duration::from_secs(10), || {
        names(run).is_empty().then_some(())
    });
}

/// Has the management plugin delete something.
pub fn delete(path: &str) {
    let url = format!("{}/api/{path}", variable("OMB_RABBITMQ_HTTP"));
    let user = format!("Basic {}", BASE64_STANDARD.encode("guest:guest"));
    ureq::delete(&url)
        .header("authorization", &user)
        .call()
        .unwrap();
}
